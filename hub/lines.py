"""What a line of the list says: a request, the delivery that it is about or that holds it, and who sees to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, select

from hub.lifecycle import State
from hub.routing import CALLBACK, PENDING
from hub.settlement import ROOM
from hub.tables import DELIVERIES, REQUESTS, TROUBLED
from hub.tables_operations import ASSIGNMENTS

WITHOUT_BODY: Final = [column for column in REQUESTS.c if column is not REQUESTS.c.body]

WORST_FIRST: Final = (State.PARKED, State.UNCERTAIN, State.ASKING)
BUSY: Final = (State.SENDING, State.CLAIMED, State.QUEUED, State.WAITING)


class Line(NamedTuple):
    """One line; `is_of_delivery` when it is about its delivery alone."""

    request: Row[Any]
    delivery: Row[Any] | None
    owner: str
    is_of_delivery: bool

    @property
    def subject(self) -> int:
        """What a batch calls it: its delivery, or the request's number × 1000 where none needs anybody."""
        return subject_of(self.request.number, self.delivery)

    @property
    def is_retrying(self) -> bool:
        """Whether its delivery is tried again."""
        return self.delivery is not None and is_retried(self.delivery)

    @property
    def failed_at(self) -> int | None:
        """Since when its delivery stands where it failed."""
        troubled = self.delivery is not None and (self.is_retrying or self.delivery.state in WORST_FIRST)
        return int(self.delivery.updated_at) if self.delivery is not None and troubled else None


def lines(connection: Connection, found: Sequence[int], *, of_deliveries: bool) -> Sequence[Line]:
    """Gather what lines say of these requests, or of these deliveries, in this order."""
    numbers = [one // ROOM for one in found] if of_deliveries else list(found)
    held = _deliveries(connection, found) if of_deliveries else held_by(connection, numbers)
    asked = select(*WITHOUT_BODY).where(REQUESTS.c.number.in_(numbers))
    requests = {row.number: row for row in connection.execute(asked)}
    owned = select(ASSIGNMENTS.c.request, ASSIGNMENTS.c.owner).where(ASSIGNMENTS.c.request.in_(numbers))
    owners = {row.request: row.owner for row in connection.execute(owned)}
    return [
        Line(requests[number], held.get(one), owners.get(number, ""), of_deliveries)
        for one, number in zip(found, numbers, strict=True)
    ]


def held_by(connection: Connection, numbers: Sequence[int]) -> Mapping[int, Row[Any]]:
    """Find, for each request, the delivery that holds it."""
    mine: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(select(DELIVERIES).where(DELIVERIES.c.request.in_(numbers))):
        mine.setdefault(row.request, []).append(row)
    held = {number: holding(rows) for number, rows in mine.items()}
    return {number: row for number, row in held.items() if row is not None}


def holding(rows: Sequence[Row[Any]]) -> Row[Any] | None:
    """Choose the delivery that holds a request up: the worst, or else the last."""
    counted = [row for row in rows if row.step != CALLBACK]
    return min(counted, key=lambda row: (_gravity(row), -row.ordinal), default=None)


def subject_of(number: int, delivery: Row[Any] | None) -> int:
    """Name what a batch is about: the delivery that needs somebody, or else the request."""
    return int(number * ROOM if delivery is None or delivery.state not in TROUBLED else delivery.id)


def is_retried(row: Row[Any]) -> bool:
    """Say whether a delivery is tried again, rather than waiting for its time or for an event."""
    return bool(row.state == State.WAITING and row.code != PENDING)


def _deliveries(connection: Connection, found: Sequence[int]) -> Mapping[int, Row[Any]]:
    return {row.id: row for row in connection.execute(select(DELIVERIES).where(DELIVERIES.c.id.in_(found)))}


def _gravity(row: Row[Any]) -> int:
    if row.state in WORST_FIRST:
        return WORST_FIRST.index(State(row.state))
    if is_retried(row):
        return len(WORST_FIRST)
    return len(WORST_FIRST) + (1 if row.state in BUSY else 2)
