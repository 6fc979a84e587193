"""Requests that await a person: how many at each step, and which, in the order they came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select, text

from hub.access import Principal
from hub.model import Frozen
from hub.tables import AWAITS, REQUESTS
from hub.views import Cursor, Limit, Word, visible

SHOWN: Final = (
    "number",
    "front_end",
    "site",
    "kind",
    "channel",
    "version",
    "stage",
    "awaiting",
    "received_at",
    "updated_at",
    "due_at",
)


class Pending(Frozen):
    """Which of them are looked for; `after` is the last number of the page before."""

    kind: Word | None = None
    step: Word | None = None
    site: Word | None = None
    limit: Limit = 50
    after: Cursor | None = None


def awaited(connection: Connection, caller: Principal) -> Sequence[Row[Any]]:
    """Count by kind and step, each with the oldest's reception and the nearest deadline; the most numerous first."""
    columns = REQUESTS.c
    counted = func.count().label("requests")
    oldest, nearest = func.min(columns.received_at).label("oldest_at"), func.min(columns.due_at).label("due_at")
    return connection.execute(
        select(columns.kind, columns.awaiting, counted, oldest, nearest)
        .where(text(AWAITS), *visible(caller))
        .group_by(columns.kind, columns.awaiting)
        .order_by(counted.desc(), columns.kind, columns.awaiting)
    ).all()


def pending(connection: Connection, caller: Principal, wanted: Pending) -> Sequence[Row[Any]]:
    """List them, the first received first; one row more than asked for says that there is another page."""
    columns = REQUESTS.c
    said = {"kind": wanted.kind, "awaiting": wanted.step, "site": wanted.site}
    conditions = [columns[name] == value for name, value in said.items() if value is not None]
    if wanted.after:
        conditions.append(columns.number > int(wanted.after, 16))
    return connection.execute(
        select(*(columns[name] for name in SHOWN))
        .where(text(AWAITS), *conditions, *visible(caller))
        .order_by(columns.number)
        .limit(wanted.limit + 1)
    ).all()


def next_pending(connection: Connection, caller: Principal, wanted: Pending, number: int) -> int | None:
    """Give the one after `number` among those looked for, or else the first; None when there is no other."""
    after = wanted.model_copy(update={"after": f"{number:x}", "limit": 1})
    rows = pending(connection, caller, after) or pending(connection, caller, after.model_copy(update={"after": None}))
    return next((int(row.number) for row in rows if row.number != number), None)
