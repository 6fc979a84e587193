"""Does the proof notice? Contracts, forms and mappings are changed one at a time, in memory, and each is proved again.

A change that no request can tell from the file as it is, is *equivalent*, and counted apart: a second, independent
sample of requests decides that, not the one that the proof uses.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from hub.catalogue import Catalogue
from hub.proof.campaign import Campaign, Trial
from hub.proof.mutants import nodes

SHARE: Final = 25
"""One mutant of so many is tried, unless all are."""

FEWER: Final = 100
"""Requests generated for each kind and query, fewer than `hub check` does."""
ORDER: Final = "the order of elements: a mapping writes none, the connector's writer follows the contract"


@dataclass(frozen=True)
class Missed:
    """A change that would have gone live unnoticed."""

    file: str
    change: str
    why: str


@dataclass
class Report:
    """What came of all mutants; `by` says what noticed them, `raised` holds what should not have been noticed."""

    noticed: int = 0
    by: Counter[str] = field(default_factory=Counter)
    missed: list[Missed] = field(default_factory=list)
    equivalent: Counter[str] = field(default_factory=Counter)
    harmless: int = 0
    raised: list[Missed] = field(default_factory=list)

    @property
    def mutants(self) -> int:
        """How many were tried that matter."""
        return self.noticed + len(self.missed)

    @property
    def score(self) -> float:
        """The share of them that was noticed; 1 when there was none."""
        return round(self.noticed / self.mutants, 4) if self.mutants else 1.0

    def as_json(self) -> dict[str, Any]:
        """Give the report as JSON."""
        return {
            "mutants": self.mutants,
            "noticed": self.noticed,
            "score": self.score,
            "by": dict(self.by),
            "missed": [asdict(one) for one in self.missed],
            "equivalent": dict(self.equivalent),
            "harmless": {"tried": self.harmless, "raised": [asdict(one) for one in self.raised]},
        }


def mutate(homes: Sequence[Path], share: int = SHARE, samples: int = FEWER, only: str = "") -> dict[str, Any]:
    """Try one of `share` mutants of everything under `homes`, the same ones each time; `only`: a mapping, or a kind."""
    campaign = Campaign(Catalogue.read(*homes), homes, samples)
    report = Report()
    for trial in _some(campaign.trials(only), share):
        by = trial.noticed()
        why = "" if by else trial.equivalent()
        if by:
            report.noticed += 1
            report.by[by] += 1
        elif why:
            report.equivalent[why] += 1
        else:
            report.missed.append(_said(trial))
    for name in campaign.named(only):
        if (contract := campaign.contract(name)) is not None:
            report.equivalent[ORDER] += sum(
                1 for _, node in nodes(contract.schema) if len(node.get("properties", ())) > 1
            )
    for trial in _some(campaign.harmless(only), max(1, share // 5)):
        report.harmless += 1
        if trial.noticed():
            report.raised.append(_said(trial))
    return report.as_json()


def _some(trials: Iterator[Trial], share: int) -> Iterator[Trial]:
    """Take one of so many, by a seeded draw: which ones does not change from one time to the next."""
    dice = random.Random(share)  # noqa: S311  # a sample, no secret
    return (trial for trial in trials if share <= 1 or dice.randrange(share) == 0)


def _said(trial: Trial) -> Missed:
    return Missed(str(trial.file), f"{trial.mutant.place}: {trial.mutant.change}", trial.mutant.why)
