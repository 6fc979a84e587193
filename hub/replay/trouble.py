"""What goes wrong: one request in a hundred meets a target that fails, in a way that is made good."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from hub.demo.control import Control

ONE_IN: Final = 100

UNTAKEN: Final = frozenset(
    {"cut_before", "unavailable", "too_many", "maintenance", "busy", "closing", "cut_in_message"}
)
"""Faults after which the target has nothing: it is sent again."""

TAKEN: Final = frozenset({"slow", "cut_after_commit", "error_500", "garbage", "empty", "fault_server"})
"""Faults after which the target has it and does not say so: it is asked, or a person looks."""

FORGETFUL: Final = frozenset({"payfip"})
"""Targets whose lost answer nobody can find again: what it gave is gone, so they do not lose it here."""

BUSIEST: Final[Mapping[str, int]] = MappingProxyType({"gru": 4, "logitud": 4, "courriel": 4, "esii": 2})
"""How often a target fails beside the others."""


class Trouble:
    """Breaks one sandbox after the other, as its own dice say."""

    def __init__(self, control: Control, menus: Mapping[str, Mapping[str, str]], seed: int) -> None:
        self._control = control
        self._chance = random.Random(f"{seed}-trouble")  # noqa: S311  # a story, not a secret
        self._choices: dict[str, Sequence[str]] = {
            name: sorted((UNTAKEN if name in FORGETFUL else UNTAKEN | TAKEN) & menu.keys())
            for name, menu in menus.items()
        }
        self._names = sorted(name for name, faults in self._choices.items() if faults)
        self.played = 0

    async def come(self, index: int) -> None:
        """Break a sandbox once if this is the request that it befalls."""
        if index % ONE_IN != ONE_IN // 2:
            return
        [name] = self._chance.choices(self._names, [BUSIEST.get(name, 1) for name in self._names])
        await self._control.break_with(name, self._chance.choice(self._choices[name]), 1)
        self.played += 1
