"""Making a plan: what a change of many would do, to which rows, in how long, and what the law says meanwhile.

A plan changes nothing; it is kept under a number, and what is carried out later is this plan or nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select

from hub.access import Principal
from hub.batch import Change
from hub.batch_outlook import Foreseen, Sight, foresee, look
from hub.batch_rows import limit_of
from hub.batch_selection import Selection, Wanted, select_subjects
from hub.book import Book
from hub.ledger import Ledger
from hub.policy import Policy
from hub.settlement import NEW_EVENTS
from hub.statements import Prepared, insertion
from hub.tables import ATTEMPTS, BLANK_EVENT, DELIVERIES, TARGETS
from hub.tables_operations import BATCH_ROWS, BATCHES, BatchState, Outlook, RowOutcome

RECENT: Final = 2_000
"""Attempts looked at to say how long a target takes."""

USUAL: Final = 0.5
"""Seconds that a target is taken to need of which no recent attempt tells."""

ACTS_A_SECOND: Final = 200
"""Rows a second where no target is spoken to."""

NEW_ROWS: Final = Prepared(insertion(BATCH_ROWS))


@dataclass(frozen=True, slots=True)
class Pace:
    """How a target takes what a batch sends: how many at once, how long each, when it opens."""

    limit: int
    rate: float | None
    seconds: float
    wait: float = 0.0

    def lasting(self, messages: int) -> float:
        """Say how many seconds so many messages take."""
        at_once = messages * self.seconds / self.limit
        return self.wait + max(at_once, messages / self.rate if self.rate else 0.0)


@dataclass(frozen=True)
class Draft:
    """A plan as it is written down."""

    change: Change
    criteria: str
    actor: str
    at: int
    rows: Sequence[Foreseen]
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class Read:
    """What one look at the ledger gives for a plan."""

    selection: Selection
    sight: Sight
    paces: Mapping[str, Pace]


async def plan(ledger: Ledger, caller: Principal, actor: str, wanted: Wanted) -> int:
    """Plan a change, and give the plan's number; raises StepsDifferError or ReasonError."""
    now = ledger.book.now()
    read = await ledger.read(_read, ledger.book, caller, wanted)
    rows = await asyncio.to_thread(foresee, ledger.book, read.sight)
    figures = figures_of(wanted.change, rows, read, now)
    kept: int = await ledger.write(keep, Draft(wanted.change, wanted.criteria, actor, now, rows, figures))
    return kept


def keep(connection: Connection, drafts: Sequence[Draft]) -> list[int]:
    """Write plans down, and give their numbers."""
    return [_keep(connection, draft) for draft in drafts]


def figures_of(change: Change, rows: Sequence[Foreseen], read: Read, now: int) -> dict[str, Any]:
    """Say of a plan what people want to know before they start it."""
    possible = [row for row in rows if row.outlook is not Outlook.IMPOSSIBLE]
    targets = _targets(possible, read.paces) if change.is_awaited else []
    slowest = max((one["seconds"] for one in targets), default=ceil(len(possible) / ACTS_A_SECOND))
    due = [row.due_at for row in possible if row.due_at is not None]
    return {
        "outlooks": {outlook: sum(row.outlook is outlook for row in rows) for outlook in Outlook},
        "notes": _counted(row.note for row in rows if row.outlook is Outlook.IMPOSSIBLE),
        "differences": _counted(row.note for row in rows if row.outlook is Outlook.DIFFERS),
        "targets": targets,
        "seconds": slowest,
        "deadlines": sum(now < at <= now + slowest * 1000 for at in due),
        "overdue": sum(at <= now for at in due),
        "left": read.selection.left,
        "more": read.selection.more,
        "unknown": read.selection.unknown,
    }


MOST_NAMED: Final = 20
"""Reasons, or differences, that a plan counts apart; the rest is together."""


def _counted(notes: Any) -> list[dict[str, Any]]:
    """Count alike notes, the most frequent first."""
    found = Counter(notes)
    named = [{"note": note, "rows": rows} for note, rows in found.most_common(MOST_NAMED)]
    others = found.total() - sum(one["rows"] for one in named)
    return [*named, *([{"note": "…", "rows": others}] if others else [])]


def _targets(rows: Sequence[Foreseen], paces: Mapping[str, Pace]) -> list[dict[str, Any]]:
    """Say how many rows go to each target, and how long it will take; what is asked about first takes two messages."""
    counted = Counter(row.target for row in rows)
    asked = Counter(row.target for row in rows if row.outlook is Outlook.VERIFY)
    return [
        {
            "name": name,
            "rows": count,
            "seconds": ceil(paces[name].lasting(count + asked[name])) if name in paces else 0,
        }
        for name, count in counted.most_common()
    ]


def _read(connection: Connection, book: Book, caller: Principal, wanted: Wanted) -> Read:
    selection = select_subjects(connection, caller, wanted)
    sight = look(book, connection, wanted.change, selection.subjects)
    names = {row.target for row in sight.rows.values()} if wanted.change.is_awaited else set()
    return Read(selection, sight, _paces(connection, names, book.now()))


def _paces(connection: Connection, names: Collection[str], now: int) -> dict[str, Pace]:
    """Say how each target takes what it is sent, going by its policy and by what it took of late."""
    if not names:
        return {}
    seconds = _seconds(connection)
    found = connection.execute(select(TARGETS.c.name, TARGETS.c.policy).where(TARGETS.c.name.in_(names)))
    return {row.name: _pace(row.policy, seconds.get(row.name, USUAL), now) for row in found}


def _pace(said: Mapping[str, Any], seconds: float, now: int) -> Pace:
    policy = Policy.model_validate(said)
    opens = policy.opening(now)  # type: ignore[arg-type]  # the ledger's instants are integers
    return Pace(limit_of(said), policy.rate, seconds, max(0, opens - now) / 1000)


def _seconds(connection: Connection) -> dict[str, float]:
    columns = ATTEMPTS.c
    took = (columns.ended_at - columns.started_at).label("took")
    latest = select(columns.delivery, took).order_by(columns.id.desc()).limit(RECENT).subquery()
    joined = latest.join(DELIVERIES, DELIVERIES.c.id == latest.c.delivery)
    means = select(DELIVERIES.c.target, func.avg(latest.c.took).label("took")).select_from(joined)
    return {row.target: float(row.took) / 1000 for row in connection.execute(means.group_by(DELIVERIES.c.target))}


def _keep(connection: Connection, draft: Draft) -> int:
    values = {
        "verb": draft.change.verb,
        "said": draft.change.said,
        "reason": "",
        "criteria": draft.criteria,
        "figures": draft.figures,
        "actor": draft.actor,
        "state": BatchState.PLANNED,
        "detail": "",
        "total": len(draft.rows),
        "created_at": draft.at,
    }
    number: int = connection.execute(insert(BATCHES).values(**values).returning(BATCHES.c.id)).scalar_one()
    rows = [
        {
            "batch": number,
            "subject": row.subject,
            "position": position,
            "outlook": row.outlook,
            "note": row.note,
            "stood": row.stood[:255],
            "outcome": RowOutcome.WAITING,
            "detail": "",
            "is_open": False,
            "at": draft.at,
        }
        for position, row in enumerate(draft.rows)
    ]
    if rows:
        NEW_ROWS.run(connection, rows)
    note = f"batch {number} planned: {draft.change.verb}, {len(rows)} rows"
    NEW_EVENTS.run(connection, [{**BLANK_EVENT, "kind": "batch", "actor": draft.actor, "note": note, "at": draft.at}])
    return number
