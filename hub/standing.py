"""Where a delivery stands, as far as the verbs of people go: read from its rows, its definition and its targets."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import Connection, Row, exists, or_, select

from hub.book import Book
from hub.lifecycle import FINAL, State
from hub.manifest import Operation
from hub.model import Effect
from hub.routing import TIMER, UNDO, Await, Deliver, Done, Notify, only_asks
from hub.statements import Prepared, listed
from hub.tables import DELIVERIES, REQUESTS, TARGETS
from hub.tables_operations import FINALIZATIONS, Proof
from hub.tables_privacy import KEEPINGS
from hub.verbs import Standing

CLOSINGS: Final = Prepared(select(FINALIZATIONS).where(listed(FINALIZATIONS.c.delivery)))
PINNED: Final = Prepared(
    select(REQUESTS.c.number, REQUESTS.c.version, REQUESTS.c.cancelled).where(listed(REQUESTS.c.number))
)


def standing(book: Book, connection: Connection, delivery: Any, request: Any) -> Standing:
    """Say where one delivery stands; what its definition says is left out where nobody can read it any more."""
    return _standing(book, connection, delivery, request, finalization_of(connection, delivery.id))


def standings(book: Book, connection: Connection, deliveries: Collection[Any]) -> Mapping[int, Standing]:
    """Say where each of several deliveries stands."""
    if not deliveries:
        return {}
    requests = {row.number: row for row in PINNED.among(connection, {one.request for one in deliveries})}
    closings = {row.delivery: row for row in CLOSINGS.among(connection, [one.id for one in deliveries])}
    return {one.id: _standing(book, connection, one, requests[one.request], closings.get(one.id)) for one in deliveries}


def finalization_of(connection: Connection, delivery: int) -> Row[Any] | None:
    """Give the last time that somebody closed a delivery by hand, or proposed to."""
    return connection.execute(select(FINALIZATIONS).where(FINALIZATIONS.c.delivery == delivery)).first()


def _standing(book: Book, connection: Connection, delivery: Any, request: Any, closing: Any) -> Standing:
    step = step_of(book, connection, delivery, request)
    operation = operation_of(book, connection, delivery, request)
    is_reversal = isinstance(step, Deliver) and step.is_reversal
    return Standing(
        state=State(delivery.state),
        code=delivery.code,
        effect=operation.effect if operation else Effect.ONCE,
        ever_uncertain=bool(delivery.ever_uncertain),
        is_timer=delivery.target == TIMER,
        awaited=step is not None and not isinstance(step, Notify) and not is_reversal,
        follows_route=step is not None,
        undone=is_undone(connection, delivery, request),
        candidates=candidates(book, connection, delivery, request),
        proof=Proof(closing.state) if closing else None,
        proposer=closing.actor if closing else "",
    )


def step_of(book: Book, connection: Connection, delivery: Any, request: Any) -> Done | None:
    """Give the step of the route that a delivery is for; None for a call-back, or where nobody can read the route."""
    if not book.can_read(connection, request.version):
        return None
    step = book.known(request.version).route.named.get(delivery.step)
    return None if isinstance(step, Await) else step


def name_of(book: Book, connection: Connection, delivery: Any, request: Any) -> str:
    """Name the operation that a delivery is for; "" where nobody can read it any more."""
    if not book.can_read(connection, request.version):
        return ""
    mapping = book.known(request.version).mappings.get(delivery.mapping)
    return mapping.operation if mapping else ""


def operation_of(book: Book, connection: Connection, delivery: Any, request: Any) -> Operation | None:
    """Give the operation that a delivery is for, while its target has it."""
    return book.offered(delivery.target, name_of(book, connection, delivery, request))


def perhaps_taken(book: Book, connection: Connection, delivery: Any, request: Any) -> bool:
    """Say whether the target may have an open delivery, in a way that matters."""
    if delivery.state in FINAL or not delivery.ever_uncertain:
        return False
    operation = operation_of(book, connection, delivery, request)
    return operation is None or operation.effect is not Effect.SAFE


def is_undone(connection: Connection, delivery: Any, request: Any) -> bool:
    """Say whether a request was cancelled or purged, or this part of it is taken back: it cannot be taken up again."""
    if request.cancelled or delivery.state != State.FINALIZED:
        return bool(request.cancelled)
    columns = DELIVERIES.c
    reversal = columns.step == f"{delivery.step}{UNDO}", columns.item == delivery.item
    taken_back = exists().where(columns.request == delivery.request, *reversal)
    purged = exists().where(KEEPINGS.c.request == delivery.request, KEEPINGS.c.purged_at.is_not(None))
    return bool(connection.scalar(select(or_(taken_back, purged))))


def candidates(book: Book, connection: Connection, delivery: Any, request: Any) -> tuple[str, ...]:
    """Name the other targets of the same connector that can take a delivery; a call-back is for its own front end."""
    step = step_of(book, connection, delivery, request)
    if step is None or delivery.state not in {State.PARKED, State.WAITING}:
        return ()
    name = name_of(book, connection, delivery, request)
    same = select(TARGETS.c.connector).where(TARGETS.c.name == delivery.target).scalar_subquery()
    others = select(TARGETS.c.name).where(TARGETS.c.connector == same, TARGETS.c.name != delivery.target)
    offered = {other: book.offered(other, name) for other in connection.scalars(others.order_by(TARGETS.c.name))}
    return tuple(other for other, one in offered.items() if one and (one.effect is Effect.SAFE or not only_asks(step)))
