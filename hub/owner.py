"""Who holds a claim: a process that proves it lives by holding a lock that dies with it.

A lease alone is not enough: a sender frozen past its lease would wake and send again what another took over.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path


class Owner:
    """This process, as the ledger knows it, beside a SQLite file."""

    def __init__(self, database: Path) -> None:
        self.name = secrets.token_hex(16)
        self._database = database
        self._file = self._path(self.name).open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def is_alive(self, name: str) -> bool:
        """Say whether the owner called `name` still holds its lock; clears away what a dead one left."""
        if name == self.name:
            return True
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
        """Let go of the lock: whoever sweeps next may take what is left."""
        self._path(self.name).unlink(missing_ok=True)
        self._file.close()

    def _path(self, name: str) -> Path:
        return self._database.with_name(f"{self._database.name}.owner.{os.path.basename(name)}")  # noqa: PTH119  # a name, not a path
