"""The attempts of a request: what was tried, when, at whom, what came of it, and who or what started it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from hub.app import Hub
from hub.dossiers import Dossier
from hub.settlement import key_of
from monitoring.console.request_words import OUTCOMES, Word
from monitoring.console.texts import marked

STARTS: Final = frozenset({"retry", "verify", "reroute", "reopen"})
"""What people do that makes the hub try or ask."""

VERSIONED: Final = re.compile(r"\bversion ([0-9a-f]{16})\b")
BEFORE: Final = marked("an earlier one")
"""The version of which the ledger only knows that it was another."""

BY_ITSELF: Final = MappingProxyType(
    {
        "first": marked("the route"),
        "again": marked("the hub, trying again"),
        "ask": marked("the hub, which asks"),
    }
)


@dataclass(frozen=True, slots=True)
class Line:
    """One attempt as the page lists it."""

    id: int
    rank: int
    ordinal: int
    key: str
    started_at: int
    seconds: float
    target: str
    operation: str
    asked: bool
    http_status: int | None
    outcome: Word
    code: str
    late: bool
    starter: str
    by_itself: bool
    version: str


def attempts_of(hub: Hub, dossier: Dossier) -> Sequence[Line]:
    """List every attempt of a request, each delivery's in their order."""
    deliveries = {row.id: row for row in dossier.deliveries}
    operations = operations_of(hub, dossier)
    found = []
    for delivery, row in deliveries.items():
        mine = [one for one in dossier.attempts if one.delivery == delivery]
        events = [one for one in dossier.events if one.delivery == delivery]
        found += list(_lines(row, mine, events, operations.get(delivery, ""), dossier))
    return found


def operations_of(hub: Hub, dossier: Dossier) -> Mapping[int, str]:
    """Name what each delivery does at its target: the operation's title, or its name where it is gone."""
    if dossier.definition is None:
        return {}
    named = {}
    for row in dossier.deliveries:
        mapping = dossier.definition.mappings.get(row.mapping)
        if mapping is not None:
            offered = hub.ledger.book.offered(row.target, mapping.operation)
            named[row.id] = offered.title if offered else mapping.operation
    return named


def _lines(
    row: Any, attempts: Sequence[Any], events: Sequence[Any], operation: str, dossier: Dossier
) -> Iterator[Line]:
    before = 0
    for rank, one in enumerate(attempts, 1):
        starter = _starter(events, before, one.started_at)
        itself = BY_ITSELF["ask" if one.kind == "ask" else "again" if rank > 1 else "first"]
        yield Line(
            id=one.id,
            rank=rank,
            ordinal=row.ordinal,
            key=key_of(row.id),
            started_at=one.started_at,
            seconds=max(0, one.ended_at - one.started_at) / 1000,
            target=_target(events, one.started_at, row.target),
            operation=operation,
            asked=one.kind == "ask",
            http_status=one.http_status,
            outcome=OUTCOMES.get(one.outcome, Word("off", one.outcome)),
            code=one.code,
            late=bool(one.late),
            starter=starter or itself,
            by_itself=not starter,
            version=_version(dossier, one.started_at),
        )
        before = one.started_at


def _starter(events: Sequence[Any], since: int, until: int) -> str:
    """Name the person whose act came last before an attempt, and after the one before it."""
    acts = [one for one in events if one.kind in STARTS and since <= one.at <= until and not _was_refused(one)]
    return str(acts[-1].actor) if acts else ""


def _target(events: Sequence[Any], moment: int, now: str) -> str:
    """Name the target that a delivery was for at a moment."""
    moved = [one for one in events if one.kind == "reroute" and one.at > moment and not _was_refused(one)]
    return str(moved[0].note).partition(" → ")[0] if moved else now


def _version(dossier: Dossier, moment: int) -> str:
    """Give the version a request went by at a moment, as far as the audit tells."""
    changes = [(one.at, found[1]) for one in dossier.events if (found := VERSIONED.search(one.note))]
    if not changes:
        return str(dossier.request.version)
    known = [version for at, version in changes if at <= moment]
    return known[-1] if known else BEFORE


def _was_refused(event: Any) -> bool:
    return str(event.note).startswith("refused: ")
