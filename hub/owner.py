"""Who holds a claim: a process that proves it lives by holding a lock that dies with it.

A lease alone is not enough: a sender frozen past its lease would wake and send again what another took over.
Beside a SQLite file the lock is a locked file; on a server it is an advisory lock, which every connection of the
process that writes holds (`hub.transactions`), so that a commit is itself the proof.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import Connection, text

from hub.transactions import LOCK

Find = Callable[[Collection[str]], Awaitable[set[str]]]
"""Finds which of some owners hold no lock on a server."""


class Owner(Protocol):
    """This process, as the ledger knows it."""

    name: str

    async def dead(self, names: Collection[str]) -> set[str]:
        """Say which of these owners are gone for good."""
        ...

    def close(self) -> None:
        """Let go of the lock: whoever sweeps next may take what is left."""
        ...


def new_name() -> str:
    """Name a process as no other will ever be."""
    return secrets.token_hex(16)


class FileOwner:
    """This process beside a SQLite file."""

    def __init__(self, database: Path) -> None:
        self.name = new_name()
        self._database = database
        self._file = self._path(self.name).open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    async def dead(self, names: Collection[str]) -> set[str]:
        """Try each owner's lock."""
        return {name for name in names if name != self.name and not self.is_alive(name)}

    def is_alive(self, name: str) -> bool:
        """Say whether the owner called `name` still holds its lock; clears away what a dead one left."""
        path = self._path(name)
        try:
            with path.open("r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def close(self) -> None:
        """Let go of the file."""
        self._path(self.name).unlink(missing_ok=True)
        self._file.close()

    def _path(self, name: str) -> Path:
        return self._database.with_name(f"{self._database.name}.owner.{os.path.basename(name)}")  # noqa: PTH119  # a name, not a path


class ServerOwner:
    """This process on a database server."""

    def __init__(self, name: str, find: Find) -> None:
        self.name, self._find = name, find

    async def dead(self, names: Collection[str]) -> set[str]:
        """Ask the server whose locks are free."""
        others = set(names) - {self.name}
        return await self._find(others) if others else set()

    def close(self) -> None:
        """Do nothing: the lock goes with the ledger's connections."""


FREE: Final = text(f"SELECT pg_try_advisory_xact_lock({LOCK})")
"""The lock of an owner that lives is held, shared, by its connections; this one lasts as long as the look."""


def without_lock(connection: Connection, names: Collection[str]) -> set[str]:
    """Find which of these owners hold no lock."""
    return {name for name in names if connection.scalar(FREE, {"owner": name})}
