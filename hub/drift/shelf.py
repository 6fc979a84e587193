"""The shelf of an installation: contracts that were accepted, and what the last comparison of each target found.

A folder a target. Files are replaced whole, so that whoever reads beside a comparison reads the one before.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final
from urllib.parse import quote

import orjson

from hub.drift.documents import Documents
from hub.manifest import LiveKind

LAST: Final = "last.json"
ACCEPTED: Final = "accepted.json"


@dataclass(frozen=True)
class Accepted:
    """A contract that the hub goes by instead of its connector's copy: since when, and why."""

    documents: Documents
    at: str
    reason: str


@dataclass(frozen=True)
class Shelf:
    """The folder `contracts` of an installation."""

    folder: Path

    def accepted(self, target: str, name: str) -> Accepted | None:
        """Give the contract that was accepted last; None when none was, or when it cannot be read."""
        place = self._place(target) / name
        try:
            said = orjson.loads((place / ACCEPTED).read_bytes())
            texts = {one: (place / one).read_bytes() for one in said["files"]}
            return Accepted(Documents(LiveKind(said["kind"]), texts), said["at"], said["reason"])
        except (OSError, KeyError, ValueError):
            return None

    def accept(self, target: str, name: str, accepted: Accepted) -> None:
        """Keep a contract as the one to go by; raises OSError."""
        place, documents = self._place(target) / name, accepted.documents
        place.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(mkdtemp(prefix=f".{name}-", dir=place.parent))
        documents.write(aside)
        said = {"kind": documents.kind, "files": list(documents.texts), "at": accepted.at, "reason": accepted.reason}
        (aside / ACCEPTED).write_bytes(orjson.dumps(said, option=orjson.OPT_INDENT_2))
        if place.exists():
            shutil.rmtree(place)
        aside.rename(place)

    def last(self, target: str) -> Mapping[str, Any]:
        """Give what the last comparison found; nothing when there was none."""
        try:
            found = orjson.loads((self._place(target) / LAST).read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return {}
        return found if isinstance(found, dict) else {}

    def write_last(self, target: str, found: Mapping[str, Any]) -> None:
        """Keep what a comparison found; raises OSError."""
        file = self._place(target) / LAST
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_name(f".{LAST}.{os.getpid()}")
        aside.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        aside.replace(file)

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Say whether nobody else compares on this shelf, and keep others out for the length of the block."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def _place(self, target: str) -> Path:
        return self.folder / quote(target, safe="").replace(".", "%2E")
