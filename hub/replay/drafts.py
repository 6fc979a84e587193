"""The requests themselves: a sample of the kind, other people, and what no two requests may share.

Each depends on the seed and on its place alone, so that a replay may go on in the middle.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, Final

from hub.demo.papers import draw_paper
from hub.demo.traffic import WITH_PAPERS, Draft, bill_to, send_in_time, vary
from hub.replay.volumes import Place

Samples = Mapping[str, Sequence[Mapping[str, Any]]]

FIRST_FAMILY: Final = 1_000_000

PAID_ALREADY: Final = "-03"
"""The last invoice of every family."""

PAID_ALREADY_IN: Final = 10
DUE: Final[Mapping[str, Any]] = {"numero": "-02", "montant": 1890}
"""An invoice that is to be paid."""

DESKS: Final[tuple[tuple[str, str, int], ...]] = (
    ("AIX1", "Hôtel de ville", 12),
    ("AIX1", "Hôtel de ville", 13),
    ("AIX2", "Mairie annexe de Luynes", 21),
)
STARTS: Final = tuple(f"{hour:02d}:{minute:02d}" for hour in (9, 10, 11, 14, 15, 16) for minute in (0, 30))
HALF_HOURS: Final = tuple(f"{hour:02d}:{minute:02d}" for hour in range(9, 18) for minute in (0, 30))
FIRST_WEEK: Final = date(2013, 1, 7)
"""A Monday."""

STILL_TO_COME: Final = date(2031, 1, 6)
"""A day that GRR still books: it takes none that is over."""

WORKING_DAYS: Final = 5


def draft(samples: Samples, place: Place, seed: int) -> Draft:
    """Write the request that has this place."""
    chance = random.Random(f"{seed}-{place.kind}-{place.ordinal}")  # noqa: S311  # a story, not a secret
    submission = vary(chance.choice(samples[place.kind]), chance)
    if own := OWN.get(place.kind):
        own(submission["data"], place.ordinal)
    submission["external_reference"] = f"REPRISE-{place.year}-{seed}-{place.index:06d}"
    papers = chance.randint(1, 2) if chance.random() < WITH_PAPERS.get(place.kind, 0) else 0
    return Draft(f"replay-{seed}-{place.index}", submission, tuple(draw_paper(chance) for _ in range(papers)))


def _bills(data: dict[str, Any], ordinal: int) -> None:
    """Let every family pay once, and few what they paid already."""
    for bill in data["factures"]:
        if bill["numero"].endswith(PAID_ALREADY) and ordinal % PAID_ALREADY_IN:
            bill.update(DUE)
    bill_to(data, str(FIRST_FAMILY + ordinal))


def _appeal(data: dict[str, Any], _: int) -> None:
    send_in_time(data)


def _appointment(data: dict[str, Any], ordinal: int) -> None:
    """Give everybody a slot of their own, on a working day that is over."""
    rank, desk = divmod(ordinal, len(DESKS))
    site, name, number = DESKS[desk]
    day, start = divmod(rank, len(STARTS))
    begin = STARTS[start]
    end = f"{begin[:2]}:30" if begin.endswith("00") else f"{int(begin[:2]) + 1:02d}:00"
    slot = {"jour": _working_day(FIRST_WEEK, day), "debut": begin, "fin": end}
    data["lieu"] = {"code": site, "nom": name}
    data["creneau"] = {**slot, "ressource": {"id": number, "key": str(number), "type": "STATION"}}


def _licence(data: dict[str, Any], ordinal: int) -> None:
    day, start = divmod(ordinal, len(HALF_HOURS))
    data["creneau"] = {"jour": _working_day(STILL_TO_COME, day), "debut": HALF_HOURS[start]}


def _working_day(first: date, day: int) -> str:
    week, rest = divmod(day, WORKING_DAYS)
    return (first + timedelta(weeks=week, days=rest)).isoformat()


OWN: Final[Mapping[str, Callable[[dict[str, Any], int], None]]] = MappingProxyType(
    {
        "restauration.paiement": _bills,
        "periscolaire.paiement": _bills,
        "rapo": _appeal,
        "rendez_vous.etat_civil": _appointment,
        "rendez_vous.debit_boisson": _licence,
    }
)
"""Kind → what is written into its data so that no two requests want the same thing."""
