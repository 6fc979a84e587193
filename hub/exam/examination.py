"""The exam: a connector is asked everything, and given a certificate with reasons."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from hub.connector import Connector, Deadline
from hub.errors import DeliveryError
from hub.exam.candidate import SOON, FailedError, Subject
from hub.exam.papers import Check, Tier, papers

REAL: Final = "a real target is up, and knows us"
"""The one check that a sandbox cannot answer."""

NOT_ASKED: Final = "not tried: name a target of the settings"


@dataclass(frozen=True, slots=True)
class Mark:
    """What came of one check: passed, failed for a reason, or (None) not asked."""

    check: str
    tier: Tier
    passed: bool | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a connector has shown."""

    connector: str
    claimed: str
    marks: tuple[Mark, ...]

    @property
    def tier(self) -> Tier | None:
        """The highest tier of which, and of those below it, everything is shown; None when bronze is not."""
        return self._highest(lambda mark: mark.passed is True)

    @property
    def reasons(self) -> list[str]:
        """Why it has no higher tier."""
        return [f"{mark.tier}: {mark.check}: {mark.reason}" for mark in self.marks if not mark.passed]

    @property
    def holds(self) -> bool:
        """Whether it has bronze, and nothing that was asked gainsays the tier it claims."""
        possible = self._highest(lambda mark: mark.passed is not False)
        admitted = list(Tier)[: possible.rank + 1] if possible else []
        return self.tier is not None and self.claimed in admitted

    def as_json(self) -> dict[str, Any]:
        """Give it as values."""
        return {
            "connector": self.connector,
            "tier": self.tier,
            "claimed": self.claimed,
            "holds": self.holds,
            "reasons": self.reasons,
            "checks": [
                {"check": mark.check, "tier": mark.tier, "passed": mark.passed, "reason": mark.reason}
                for mark in self.marks
            ],
        }

    def _highest(self, admits: Callable[[Mark], bool]) -> Tier | None:
        reached = None
        for tier in Tier:
            if not all(admits(mark) for mark in self.marks if mark.tier is tier):
                break
            reached = tier
        return reached


async def sit(subject: Subject, target: Connector | None = None) -> AsyncIterator[Mark]:
    """Ask a connector everything, one thing after the other; `target` is the same connector at a real target."""
    for check in papers(subject):
        yield await mark(subject, check)
    yield await _real(target)


async def mark(subject: Subject, check: Check) -> Mark:
    """Ask one thing."""
    try:
        await check.ask(subject)
    except FailedError as error:
        return Mark(check.title, check.tier, passed=False, reason=str(error))
    except Exception as error:  # noqa: BLE001  # a connector may raise anything: that is what it fails for
        return Mark(check.title, check.tier, passed=False, reason=f"it raises {type(error).__name__}")
    return Mark(check.title, check.tier, passed=True)


async def _real(target: Connector | None) -> Mark:
    if target is None:
        return Mark(REAL, Tier.GOLD, None, NOT_ASKED)
    try:
        await target.probe(Deadline(timedelta(seconds=SOON)))
    except DeliveryError as error:
        return Mark(REAL, Tier.GOLD, passed=False, reason=error.code)
    return Mark(REAL, Tier.GOLD, passed=True)
