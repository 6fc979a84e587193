"""What a changed contract breaks: which mapping, on which element, proved again against what the target shows now.

A mapping whose operation obeys the live contract is proved against both, and what the old one let pass is told. Where
the connector stands between, with a contract of its own, elements are known by their names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from hub.catalogue import Catalogue
from hub.contracts import Contract, read_schema, refusal
from hub.drift.difference import Change, Difference
from hub.drift.documents import Documents, gather_copy
from hub.errors import ConfigurationError
from hub.manifest import Live, Manifest, Operation
from hub.mapping import CompiledMapping
from hub.proof.occasions import Source, Sources
from hub.proof.proving import prove

HARMLESS: Final = frozenset({Change.OPTIONAL, Change.LENGTHENED, Change.VALUES_ADDED})
"""Changes after which whatever was right is right."""


@dataclass(frozen=True, slots=True)
class Break:
    """A mapping that the target would not take any more: on which element, why, and where that is written."""

    mapping: str
    operation: str
    element: str
    message: str
    file: str
    line: int | None = None

    def __str__(self) -> str:
        """Say it in a line."""
        return f"mapping {self.mapping} breaks on {self.element}: {self.message} ({self.file}:{self.line or 1})"


@dataclass(frozen=True)
class Changed:
    """A contract of a connector that changed: what it was, what it is, and what the difference is."""

    manifest: Manifest
    folder: Path
    live: Live
    before: Documents
    after: Documents
    differences: Sequence[Difference]

    def obeyed_by(self, operation: Operation) -> bool:
        """Say whether the messages of an operation obey this very contract."""
        if not operation.contract or not self.live.contract:
            return False
        files = gather_copy(self.folder / self.live.contract, self.live.kind).addresses
        return str((self.folder / operation.contract_file).resolve()) in files


def breaks_of(changed: Changed, catalogue: Catalogue, homes: Sequence[Path]) -> Iterator[Break]:
    """Tell every mapping of a connector that a change breaks, and on what; raises ConfigurationError."""
    sources = Sources(catalogue)
    for file, mapping in mappings_of(changed.manifest.name, homes):
        operation = changed.manifest.operations.get(mapping.operation)
        if operation is None:
            continue
        if changed.obeyed_by(operation):
            yield from _proved(changed, operation, mapping, file, sources.of(mapping))
        elif element := changed.live.operations.get(mapping.operation):
            yield from _by_name(changed.differences, element, mapping, file)


def mappings_of(connector: str, homes: Sequence[Path]) -> Iterator[tuple[Path, CompiledMapping]]:
    """Give the mappings that write for a connector, with their files."""
    for file in sorted(file for home in homes for file in home.glob("mappings/*/*.yaml")):
        mapping = CompiledMapping.read(file, file.read_text("utf-8"))
        if mapping.connector == connector:
            yield file, mapping


def _proved(
    changed: Changed, operation: Operation, mapping: CompiledMapping, file: Path, sources: Mapping[str, Source]
) -> Iterator[Break]:
    """Prove a mapping against the contract as it was and as it is; what is new is told, each element once."""
    told = {(one.element, one.rule) for one in _faults(changed.before, operation, mapping, file, sources)}
    for one in _faults(changed.after, operation, mapping, file, sources):
        if (one.element, one.rule) not in told:
            told.add((one.element, one.rule))
            yield Break(mapping.name, mapping.operation, one.element, one.message, _shown(file), one.line)


class Fault(NamedTuple):
    """What is wrong with a mapping: on which element, by which rule, how, and on which line."""

    element: str
    rule: str
    message: str
    line: int | None = None


def _faults(
    documents: Documents, operation: Operation, mapping: CompiledMapping, file: Path, sources: Mapping[str, Source]
) -> Iterator[Fault]:
    """Tell what is wrong with a mapping; its examples tell it where what it is made from is not known."""
    try:
        with TemporaryDirectory() as aside:
            place = documents.write(Path(aside))
            contract = Contract(read_schema(place, operation.contract_part), place)
    except ConfigurationError:
        yield Fault(operation.contract_part or "contract", "gone", "it is there no more")
        return
    for finding in prove(mapping, file, sources, contract):
        yield Fault(finding.field, finding.code, finding.message, finding.line)
    for example in mapping.examples if not sources else ():
        for error in contract.validator.iter_errors(example.expect):
            element = ".".join(step for step in error.instance_path if isinstance(step, str))
            said = f"the example « {example.name} »: {refusal(error)}"
            yield Fault(element or operation.contract_part, error.kind.name, said)


def _by_name(differences: Sequence[Difference], element: str, mapping: CompiledMapping, file: Path) -> Iterator[Break]:
    """Tell the fields that bear the names of elements which changed, and the elements that every mapping now lacks."""
    fields = {name.rpartition(".")[2].casefold(): name for name in mapping.parts}
    for one in differences:
        if one.change in HARMLESS or not one.element.startswith(f"{element}."):
            continue
        name = one.element.rpartition(".")[2].removesuffix("[]")
        field = fields.get(name.casefold())
        lacks = one.change is Change.ADDED and one.after == "required"
        if lacks or (field and one.change is not Change.ADDED):
            yield Break(mapping.name, mapping.operation, one.element, str(one.change), _shown(file))


def _shown(file: Path) -> str:
    """Write a mapping's file as people name it."""
    return "/".join(file.parts[-3:])
