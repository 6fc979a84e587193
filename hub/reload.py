"""Taking changed mappings, routes, kinds and queries while the hub runs: checked first, and then all at once.

What a process takes is one catalogue in the place of another. Requests accepted before keep the definition they came
under. Connectors' code, their manifests and the targets of the settings are read at start, and only then.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

import orjson
import structlog
from sqlalchemy.exc import SQLAlchemyError

from hub.catalogue import Catalogue, read_catalogue
from hub.checking import Finding, examine, finding
from hub.errors import ConfigurationError
from hub.forms.shelf import retired_kinds
from hub.ledger import Ledger
from hub.model import Instant
from hub.settings import Settings

WATCHED: Final = (
    "routes/stages.yaml",
    "routes/*/*.yaml",
    "routes/*/*.json",
    "routes/*/samples/*.json",
    "mappings/*/*.yaml",
    "forms/*/retired.json",
)
"""The files of a home that make the catalogue, or prove it."""

STILL_CHANGING: Final = "the files changed while they were read: they are taken once they are still"

READINGS: Final = 5
"""How often files that change while they are read are read again at start."""

MOST_LOGGED: Final = 5

log = structlog.get_logger()


class Standing(StrEnum):
    """What became of the last change that was seen."""

    TAKEN = "taken"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class State:
    """What a process goes by: its catalogue's version, since when, and why a later one was refused."""

    version: str
    since: Instant
    status: Standing = Standing.TAKEN
    findings: tuple[Finding, ...] = ()


class Reloader:
    """Watches the homes of one process, and takes what changed there."""

    def __init__(
        self, ledger: Ledger, homes: Sequence[Path], seen: str, narrow: Callable[[Catalogue], Catalogue]
    ) -> None:
        """Watch `homes`, whose `fingerprint` was `seen` when the catalogue at hand was read.

        `narrow` keeps of a catalogue what this installation's targets allow; it raises ConfigurationError.
        """
        self._ledger, self._homes, self._narrow = ledger, tuple(homes), narrow
        self._tried = self._glimpsed = seen
        self._alone = asyncio.Lock()
        ledger.book.retired = retired_kinds(self._homes)
        self.state = State(version_of(ledger.book.catalogue), ledger.book.now())

    async def run(self, every: float) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(every)
            try:
                await self.look()
            except OSError as error:  # no process, no descriptor, a folder that went away: the next look may do
                log.warning("changed files cannot be looked for", error=type(error).__name__)

    async def look(self) -> None:
        """Take what changed since the last try, once it has been still from one look to the next."""
        found = await asyncio.to_thread(fingerprint, self._homes)
        is_still, self._glimpsed = found == self._glimpsed, found
        if is_still and found != self._tried:
            await self.reload()

    async def reload(self) -> State:
        """Check the files as they are now and take them, all or nothing; gives what this process then goes by."""
        async with self._alone:
            seen = await asyncio.to_thread(fingerprint, self._homes)
            findings = await self._take(seen)
            if findings:
                self.state = replace(self.state, status=Standing.REFUSED, findings=tuple(findings))
                log.error(
                    "changed files refused", findings=len(findings), first=list(map(line_of, findings))[:MOST_LOGGED]
                )
            return self.state

    async def _take(self, seen: str) -> Sequence[Finding]:
        """Put what the files say in the place of the catalogue; gives what stands against it."""
        try:
            findings = await examine(self._homes)
        except (OSError, ValueError) as error:
            return [finding("", f"the check could not be done, and is tried again: {type(error).__name__}")]
        if not findings:
            try:
                catalogue, retired = await asyncio.to_thread(self._read)
            except ConfigurationError as error:
                findings = [finding(error.file, error.expected, error.line)]
            except (OSError, ValueError, LookupError, TypeError) as error:  # unreadable in a way no check foresaw
                findings = [finding("", f"{type(error).__name__}: {error}")]
        if await asyncio.to_thread(fingerprint, self._homes) != seen:
            return [finding("", STILL_CHANGING)]
        self._tried = seen
        if findings:
            return findings
        return await self._put(catalogue, retired)

    async def _put(self, catalogue: Catalogue, retired: Mapping[str, str]) -> Sequence[Finding]:
        """Write the new definitions down, then go by them."""
        try:
            await self._ledger.keep(catalogue)
        except SQLAlchemyError as error:
            self._tried = ""
            return [finding("the ledger", f"{type(error).__name__}: it is tried again")]
        book, version = self._ledger.book, version_of(catalogue)
        since = self.state.since if version == self.state.version else book.now()
        book.take(catalogue, retired)
        self.state = State(version, since)
        log.info("files taken", version=version, kinds=len(catalogue.kinds), queries=len(catalogue.queries))
        return ()

    def _read(self) -> tuple[Catalogue, Mapping[str, str]]:
        """Read the catalogue as this process can go by it: its connectors are those of its start."""
        now = self._ledger.book.catalogue
        read = replace(Catalogue.read(*self._homes), manifests=now.manifests, errors=now.errors, packages=now.packages)
        return self._narrow(read), retired_kinds(self._homes)


def fingerprint(homes: Sequence[Path]) -> str:
    """Tell one state of the files of `homes` from another, by their names, sizes and times."""
    digest = hashlib.blake2b(digest_size=16)
    for home in homes:
        for pattern in WATCHED:
            for file in sorted(home.glob(pattern)):
                digest.update(_glance(file))
    return digest.hexdigest()


def read_still(settings: Settings) -> tuple[Catalogue, str]:
    """Read the files that nobody writes meanwhile, and give their fingerprint; raises ConfigurationError."""
    for _ in range(READINGS):
        seen = fingerprint(settings.places)
        try:
            catalogue, broken = read_catalogue(settings), None
        except ConfigurationError as error:
            broken = error
        if fingerprint(settings.places) != seen:
            continue
        if broken:
            raise broken
        return catalogue, seen
    raise ConfigurationError("hub.yaml", f"homes: {STILL_CHANGING}")


def version_of(catalogue: Catalogue) -> str:
    """Name a catalogue by what it says: sixteen hexadecimal digits."""
    said = {
        "kinds": sorted(definition.version for definition in catalogue.kinds.values()),
        "queries": {
            name: [repr(one.said), one.mapping.whole.source, one.schema, one.answer_schema]
            for name, one in catalogue.queries.items()
        },
        "inbound": {name: one.whole.source for name, one in catalogue.inbound.items()},
        "stages": dict(catalogue.stages),
    }
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def line_of(found: Finding) -> str:
    """Write a finding on one line."""
    place = f"{found['file']}:{found.get('line') or 1}: " if found["file"] else ""
    return f"{place}{found['message']}"


def _glance(file: Path) -> bytes:
    try:
        seen = file.stat()
    except OSError:
        return b""
    return f"{file}\0{seen.st_ino}\0{seen.st_size}\0{seen.st_mtime_ns}\n".encode()
