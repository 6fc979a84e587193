"""What a replay must remember to go on after it was stopped: how far it came, and where its town is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from pydantic import ValidationError

from hub.errors import ConfigurationError
from hub.model import Frozen

NAME: Final = "replay.json"


class Town(Frozen):
    """Where the hub and the sandboxes of a replay are, and the hub's keys."""

    port: int
    control: str
    keys: Mapping[str, str]


class Journal(Frozen):
    """The state file: which requests, how many of the first ones are accepted, in how many seconds so far."""

    plan: str
    done: int = 0
    seconds: float = 0.0
    town: Town | None = None

    @classmethod
    def read(cls, folder: Path, plan: str) -> Self:
        """Read a folder's journal, or begin one; raises ConfigurationError when it is another replay's."""
        file = folder / NAME
        if not file.exists():
            return cls(plan=plan)
        try:
            journal = cls.model_validate_json(file.read_bytes())
        except ValidationError:
            raise ConfigurationError(file, "the state of a replay") from None
        if journal.plan != plan:
            raise ConfigurationError(file, f"the replay that it belongs to: {journal.plan}")
        return journal

    def write(self, folder: Path) -> None:
        """Write it whole or not at all, for its owner's eyes only."""
        aside = folder / f"{NAME}.new"
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
            opened.write(self.model_dump_json())
        aside.replace(folder / NAME)


@dataclass
class Frontier:
    """How many of the first requests are accepted, when they are so in another order than theirs."""

    reached: int = 0
    ahead: set[int] = field(default_factory=set)

    def accept(self, index: int) -> None:
        """Write down that a request was accepted."""
        self.ahead.add(index)
        while self.reached in self.ahead:
            self.ahead.remove(self.reached)
            self.reached += 1
