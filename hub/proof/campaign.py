"""Every mutant of an installation, with what tells whether the proof notices it, and whether it matters at all.

Two samples of requests stand apart: one is the proof's, the other decides whether a change can be told at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import orjson

from hub.catalogue import CALLBACK_MAPPING, Catalogue, Definition
from hub.contracts import Contract
from hub.errors import ConfigurationError, MappingError
from hub.mapping import CompiledMapping
from hub.proof.corpus import Corpus, written
from hub.proof.exercise import Contracts
from hub.proof.mutants import (
    EVERYWHERE,
    Mutant,
    harmless_to_contract,
    harmless_to_form,
    mutants_of_contract,
    mutants_of_form,
)
from hub.proof.occasions import Sources
from hub.proof.proving import prove
from hub.proof.slips import mutants_of_mapping
from hub.proof.totality import Form, check_totality, name_of
from hub.query import Query

PROOF_SEED: Final = 0
OTHER_SEED: Final = 1
DIRECTED: Final = 30
"""Requests made to reach one change of a form."""


UNREAD: Final = "nothing reads the field"
UNWRITTEN: Final = "no message holds what the contract would refuse"
SAME: Final = "the mapping writes the same for every request"
TAKEN: Final = "what the form lets through besides, the target takes, and no element is lost"


@dataclass(frozen=True)
class Trial:
    """A mutant, what tells whether the proof notices it, and what tells whether it matters."""

    file: Path
    mutant: Mutant
    noticed: Callable[[], str]
    """By what: `proof`, `examples`, `generated`; "" when by nothing."""
    equivalent: Callable[[], str]
    """Why it does not matter; "" when it does."""


class Campaign:
    """Everything of an installation that mutants are made of, and what is remembered between them."""

    def __init__(self, catalogue: Catalogue, homes: Sequence[Path], samples: int) -> None:
        self.catalogue, self._homes, self._samples = catalogue, homes, samples
        self._contracts, self._sources = Contracts(catalogue), Sources(catalogue)
        self._known: dict[str, set[tuple[str, str]]] = {}
        self._corpus = Corpus(catalogue, self._contracts.of, samples)

    @cached_property
    def mappings(self) -> dict[str, CompiledMapping]:
        """Every mapping that a route or a query uses."""
        kinds, queries = self.catalogue.kinds.values(), self.catalogue.queries.values()
        used = {step.using: one.mappings[step.using] for one in kinds for step in one.route.carried}
        told = {name: of for one in kinds for name, of in one.mappings.items() if name.endswith(f"/{CALLBACK_MAPPING}")}
        return used | told | {one.said.using: one.mapping for one in queries}

    def named(self, only: str) -> list[str]:
        """List the mappings to change."""
        return [name for name in self.mappings if only in {"", name}]

    def contract(self, name: str) -> Contract | None:
        """Give the contract that a mapping writes for."""
        return self._contracts.of(self.mappings[name])

    def file(self, name: str) -> Path:
        """Give a mapping's file."""
        files = [home / "mappings" / f"{name}.yaml" for home in self._homes]
        return next(file for file in reversed(files) if file.exists())

    def trials(self, only: str) -> Iterator[Trial]:
        """Give every mutant of every file."""
        for name in self.named(only):
            if contract := self.contract(name):
                yield from (self._of_contract(name, one, contract) for one in mutants_of_contract(contract.schema))
            for mutant in mutants_of_mapping(self.file(name).read_text("utf-8")):
                yield self._of_mapping(name, mutant)
        for name, of in self._forms(only):
            for mutant in mutants_of_form(of.schema):
                yield self._of_form(name, of, mutant)

    def harmless(self, only: str) -> Iterator[Trial]:
        """Give every change that nothing may be said about."""
        for name in self.named(only):
            if contract := self.contract(name):
                yield from (self._of_contract(name, one, contract) for one in harmless_to_contract(contract.schema))
        for name, of in self._forms(only):
            for mutant in harmless_to_form(of.schema):
                yield self._of_form(name, of, mutant)

    def _forms(self, only: str) -> Iterator[tuple[str, Form]]:
        yield from ((name, of) for name, of in self.catalogue.kinds.items() if only in {"", name})
        yield from ((name, of) for name, of in self.catalogue.queries.items() if only in {"", name})

    # -- contracts

    def _of_contract(self, name: str, mutant: Mutant, contract: Contract) -> Trial:
        def refuses(seed: int) -> bool:
            validator = replace(contract, schema=mutant.make()).validator
            return any(not validator.is_valid(one) for one in self._corpus.messages(self.mappings[name], seed))

        def noticed() -> str:
            if self._finds(self.mappings[name], name, replace(contract, schema=mutant.make())):
                return "proof"
            return "generated" if refuses(PROOF_SEED) else ""

        def equivalent() -> str:
            return "" if refuses(OTHER_SEED) else UNWRITTEN

        return Trial(contract.file, replace(mutant, place=f"for {name}: {mutant.place}"), noticed, equivalent)

    def _finds(self, mapping: CompiledMapping, name: str, contract: Contract | None, sources: Any = None) -> bool:
        """Whether the proof says what it does not say of the files as they are."""
        given = sources or self._sources.of(mapping)
        if name not in self._known:
            usual = prove(self.mappings[name], self.file(name), self._sources.of(mapping), self.contract(name))
            self._known[name] = {(one.code, one.field) for one in usual}
        found = prove(mapping, self.file(name), given, contract)
        return any((one.code, one.field) not in self._known[name] for one in found)

    # -- mappings

    def _of_mapping(self, name: str, mutant: Mutant) -> Trial:
        @cache
        def compiled() -> CompiledMapping | None:
            try:
                return CompiledMapping.read(self.file(name), mutant.make())
            except ConfigurationError:
                return None

        def noticed() -> str:
            changed = compiled()
            if changed is None or not _keeps_its_examples(changed):
                return "examples"
            if self._finds(changed, name, self.contract(name)):
                return "proof"
            return "generated" if self._is_refused(changed, name) else ""

        def equivalent() -> str:
            other = compiled() or self.mappings[name]
            same = all(
                written(one) == written(replace(one, mapping=other))
                for one in self._corpus.writings(self.mappings[name], OTHER_SEED)
            )
            return SAME if same else ""

        return Trial(self.file(name), mutant, noticed, equivalent)

    def _is_refused(self, changed: CompiledMapping, name: str) -> bool:
        contract = self.contract(name)
        for one in self._corpus.writings(self.mappings[name], PROOF_SEED):
            said = written(replace(one, mapping=changed))
            if said is None or (contract and not contract.validator.is_valid(orjson.loads(said))):
                return True
        return False

    # -- forms

    def _of_form(self, name: str, of: Form, mutant: Mutant) -> Trial:
        folder = self.catalogue.folders[name]

        def noticed() -> str:
            other = _with_schema(of, mutant.make())
            if any(self._finds(*one) for one in self._made_from(other, mutant)) or self._is_partial(other, folder):
                return "proof"
            if mutant.direct is None or not self._readers(of, mutant):
                return ""
            if not self._corpus.fails(_with_schema(of, mutant.direct()), DIRECTED):
                return ""
            return "generated" if self._corpus.fails(other, self._samples) else ""

        def equivalent() -> str:
            if not self._readers(of, mutant):
                return UNREAD
            if mutant.direct is None:
                return ""
            only = _with_schema(of, mutant.direct())
            return "" if self._corpus.fails(only, DIRECTED) or self._corpus.loses(only, mutant.known) else TAKEN

        return Trial(folder / "schema.json", mutant, noticed, equivalent)

    def _is_partial(self, of: Form, folder: Path) -> bool:
        forms: list[Form] = [*self.catalogue.kinds.values(), *self.catalogue.queries.values()]
        others = [one for one in forms if name_of(one) != name_of(of)]
        return next(check_totality([*others, of], folder.parents[1] / "mappings"), None) is not None

    def _made_from(self, other: Form, mutant: Mutant) -> Iterator[tuple[CompiledMapping, str, Contract | None, Any]]:
        """Give what has to be proved again when a form changes: the mappings that read the field."""
        alone = Sources(_catalogue_with(self.catalogue, other))
        for name in self._readers(other, mutant):
            mapping = self.mappings[name]
            yield mapping, name, self.contract(name), self._sources.of(mapping) | alone.of(mapping)

    def _readers(self, of: Form, mutant: Mutant) -> list[str]:
        """List the mappings that a change may concern: those that say the field's name, all if the route does."""
        if isinstance(of, Query):
            used, route = [of.mapping.name], ""
        else:
            used, route = list({step.using: None for step in of.route.carried}), orjson.loads(of.source)["route"]
        word = re.compile(rf"\b{re.escape(mutant.place.rpartition('.')[2])}\b")
        said = {name: self.file(name).read_text("utf-8").partition("\nexamples:")[0] for name in used}
        return [name for name in used if mutant.place == EVERYWHERE or word.search(said[name]) or word.search(route)]


def _keeps_its_examples(mapping: CompiledMapping) -> bool:
    try:
        return all(mapping.apply(one.given, one.bindings) == one.expect for one in mapping.examples)
    except MappingError:
        return False


def _with_schema(of: Form, schema: dict[str, Any]) -> Form:
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    return replace(of, schema=schema, validator=validator)


def _catalogue_with(catalogue: Catalogue, of: Form) -> Catalogue:
    """Give a catalogue that knows of one form alone, changed."""
    if isinstance(of, Definition):
        return replace(catalogue, kinds={of.kind: of}, queries={})
    return replace(catalogue, kinds={}, queries={of.name: of})
