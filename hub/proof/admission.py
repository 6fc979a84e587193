"""Which mappings may run: those that are proved, and those that say why they need not be.

A proof costs tens of milliseconds, so its outcome is remembered by what it depends upon: the mapping's text, what it is
made from, the connectors, and the hub's own code. A process remembers all of them; the user's cache folder, those that
found nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from hub.catalogue import REQUEST, Catalogue
from hub.contracts import read_contract
from hub.errors import ConfigurationError
from hub.mapping import CompiledMapping, MappingFile
from hub.proof.finding import Finding
from hub.proof.occasions import ANY, Sources, users
from hub.proof.proving import accept, prove
from hub.yamlfile import read_yaml

ENGINES: Final = ("jlens", "jsonschema-rs")
"""The packages by which expressions are read and contracts held."""

_KNOWN: Final[dict[str, tuple[Finding, ...]]] = {}


def cache_folder() -> Path | None:
    """Say where proofs that found nothing are remembered: nowhere, for a user without a home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "city-hub" / "proved"
    except RuntimeError:
        return None


def admit(catalogue: Catalogue, homes: Sequence[Path]) -> None:
    """Let a catalogue run; raises ConfigurationError with the first finding of a mapping that is not proved."""
    found = [finding for finding in proofs(catalogue, homes, cache_folder()) if not finding.accepted]
    if found:
        first = found[0]
        more = f" ({len(found)} such findings: hub check)" if len(found) > 1 else ""
        raise ConfigurationError(first.file, f"not proved: {first.message}{more}", first.line)


def proofs(catalogue: Catalogue, homes: Sequence[Path], remembered: Path | None = None) -> Iterator[Finding]:
    """Prove every mapping that a kind or a query uses, and give what is found; that which is accepted says why."""
    sources, contracts = Sources(catalogue), _Contracts(catalogue)
    for name, mapping in used(catalogue).items():
        file = file_of(name, homes)
        if file is None or f"{mapping.connector}.{mapping.operation}" == REQUEST:
            continue
        text = file.read_text("utf-8")
        key = _key(text, mapping, catalogue, contracts)
        if not _is_remembered(remembered, key):
            if key not in _KNOWN:
                _KNOWN[key] = tuple(_prove(mapping, text, file, sources, contracts))
            _remember(remembered, key)
        yield from (replace(finding, file=str(file)) for finding in _KNOWN.get(key, ()))


def used(catalogue: Catalogue) -> Mapping[str, CompiledMapping]:
    """Give the mappings that a kind or a query uses, by their names."""
    found: dict[str, CompiledMapping] = {}
    for definition in catalogue.kinds.values():
        found |= definition.mappings
    for query in catalogue.queries.values():
        found.setdefault(query.said.using, query.mapping)
    return dict(sorted(found.items()))


def file_of(name: str, homes: Sequence[Path]) -> Path | None:
    """Find a mapping's file; the last home that has one counts."""
    files = (home / f"mappings/{name}.yaml" for home in reversed(homes))
    return next((file for file in files if file.exists()), None)


def _prove(mapping: CompiledMapping, text: str, file: Path, sources: Sources, contracts: _Contracts) -> list[Finding]:
    found = list(prove(mapping, file, sources.of(mapping), contracts.of(mapping)))
    why = read_yaml(file, text, MappingFile).allow_unproved if found else None
    return accept(found, why) if why else found


class _Contracts:
    """The contracts of a catalogue's operations, each read once, and what stands for them in a key."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def of(self, mapping: CompiledMapping) -> Any:
        package, manifest = self._part(mapping)
        return read_contract(package.folder, manifest, mapping.operation, package.load) if package else None

    @cached_property
    def key(self) -> str:
        """Give what changes when any connector does: a mapping also reads what others answered."""
        packages = sorted(self._catalogue.packages.items())
        return " ".join(f"{name} {_digest_of(package.folder)}" for name, package in packages)

    def _part(self, mapping: CompiledMapping) -> tuple[Any, Any]:
        name = mapping.connector
        return self._catalogue.packages.get(name), self._catalogue.manifests.get(name)


def _digest_of(folder: Path, patterns: Sequence[str] = ("contract/**/*", "*.py", "*.toml")) -> str:
    digest = hashlib.sha256()
    for file in sorted(file for pattern in patterns for file in folder.glob(pattern) if file.is_file()):
        digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _key(text: str, mapping: CompiledMapping, catalogue: Catalogue, contracts: _Contracts) -> str:
    parts = [_rules(), text, contracts.key]
    for name in users(catalogue, mapping.name) if mapping.kinds == (ANY,) else mapping.kinds:
        if name in catalogue.kinds:
            parts.append(catalogue.kinds[name].version)
        elif name in catalogue.queries:
            parts.append(repr(catalogue.queries[name].schema))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@cache
def _rules() -> str:
    """Digest all that decides what is proved: this hub's own code, and what it reads expressions and contracts by."""
    engines = "".join(version(name) for name in ENGINES)
    return _digest_of(Path(__file__).parents[1], ("**/*.py",)) + engines


def _is_remembered(folder: Path | None, key: str) -> bool:
    """Look for a proof's mark; one in a folder that others may write to counts for nothing."""
    if folder is None:
        return False
    try:
        kept = folder.stat()
        return kept.st_uid == os.geteuid() and not kept.st_mode & 0o022 and (folder / key).exists()
    except OSError:
        return False


def _remember(folder: Path | None, key: str) -> None:
    """Leave a mark for a proof that found nothing; where that cannot be, it is made again next time."""
    if folder is None or _KNOWN[key]:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / key).touch()
    except OSError:
        return


__all__ = ["admit", "cache_folder", "file_of", "proofs", "used"]
