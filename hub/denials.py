"""Refusals told once a minute: whoever is refused ten thousand times in a minute fills two rows, not the disk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NamedTuple

from hub.audit import Entry, Outcome
from hub.model import Instant

TOGETHER: Final = timedelta(minutes=1)
"""Within which refusals that are alike are told as one."""

MOST_APART: Final = 100
"""Kinds of refusals a minute that are told apart; what is beyond is counted together."""

OTHERS: Final = "others"
"""The actor of what is counted together."""


class Denial(NamedTuple):
    """What makes refusals alike: who, what, and why in a code."""

    actor: str
    action: str
    code: str


@dataclass(slots=True)
class Tally:
    """Refusals that are alike: how many are untold, and what is told of the first."""

    until: Instant
    about: str
    detail: dict[str, Any]
    untold: int = 1
    is_told: bool = False


class Denials:
    """Counts refusals, and gives them as entries: the first of its kind at once, the rest of its minute after it."""

    def __init__(self) -> None:
        self._tallies: dict[Denial, Tally] = {}

    def count(self, denial: Denial, now: Instant, about: str = "", **detail: Any) -> bool:
        """Count one refusal; says whether it is the first of its kind, to be told at once."""
        if denial not in self._tallies and len(self._tallies) >= MOST_APART:
            denial, about, detail = Denial(OTHERS, OTHERS, denial.code), "", {}
        tally = self._tallies.get(denial)
        if tally is not None:
            tally.untold += 1
            return False
        until = Instant(now + int(TOGETHER.total_seconds() * 1000))
        self._tallies[denial] = Tally(until, about, detail)
        return True

    def take(self, now: Instant, *, everything: bool = False) -> list[Entry]:
        """Give what is to be told by now: what is new, and what more there was in minutes that are over."""
        entries = []
        for denial, tally in list(self._tallies.items()):
            is_over = everything or now >= tally.until
            if tally.untold and (is_over or not tally.is_told):
                entries.append(_entry(denial, tally))
                tally.untold, tally.is_told = 0, True
            if is_over:
                del self._tallies[denial]
        return entries


def _entry(denial: Denial, tally: Tally) -> Entry:
    detail = {**tally.detail, "code": denial.code, "times": tally.untold}
    return Entry(denial.actor, denial.action, tally.about, Outcome.DENY, detail)
