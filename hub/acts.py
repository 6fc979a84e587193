"""What people do to requests and deliveries: one statement of will, one transaction, one line in the audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, select, update

from hub.book import Book
from hub.errors import ConflictError, IllegalTransitionError, MappingError
from hub.judgement import NOT_TAKEN
from hub.lifecycle import FINAL, Event, State, advance
from hub.model import FINAL_STATUSES, Effect
from hub.routing import PENDING, TIMER, Await, AwaitDate, Carried, Deliver, Notify, Route, answers_of
from hub.settlement import FACTS, ROOM, Settled, fact_of, settle
from hub.tables import BLANK_EVENT, DECISIONS, DELIVERIES, EVENTS, REQUESTS, REVISIONS


class MissingError(ConflictError):
    """There is no such request or delivery."""


class UnsureError(ConflictError):
    """The target may have taken it, and only a person can find out."""


@dataclass(frozen=True, slots=True)
class Decide:
    """Accept or refuse a request that awaits a person, perhaps with corrected data."""

    number: int
    accepted: bool
    reason: str = ""
    data: Mapping[str, Any] | None = None
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel a request nothing of which has reached a target."""

    number: int
    reason: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Correct:
    """Replace a request's data, keeping what it was."""

    number: int
    data: Mapping[str, Any]
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try a delivery again; `sure` says that a person knows that the target did not take it."""

    delivery: int
    sure: bool = False
    data: Mapping[str, Any] | None = None
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Verify:
    """Ask the target whether it has a delivery; whatever it says, nothing is sent."""

    delivery: int
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Finalize:
    """Close a delivery by hand, under the reference the back office gave it."""

    delivery: int
    reason: str
    reference: str
    actor: str = ""


Act = Decide | Cancel | Correct | Retry | Verify | Finalize


@dataclass(frozen=True, slots=True)
class Done:
    """What an act led to: the request, and what settling changed."""

    number: int
    settled: Settled = field(default_factory=Settled)


def act(book: Book, connection: Connection, acts: Sequence[Act]) -> list[Done | ConflictError]:
    """Carry out what people asked; each act stands or falls alone."""
    return [_one(book, connection, wanted) for wanted in acts]


def _one(book: Book, connection: Connection, wanted: Act) -> Done | ConflictError:
    try:
        with connection.begin_nested():
            number = DO[type(wanted)](book, connection, wanted)
            return Done(number, settle(connection, book, [number], wanted.actor))
    except MissingError as error:
        return error
    except (ConflictError, IllegalTransitionError) as error:
        _audit(book, connection, wanted, _about(wanted), f"refused: {error}")
        return error if isinstance(error, ConflictError) else ConflictError(str(error))


def _about(wanted: Act) -> tuple[int, int | None]:
    """Name the request, and the delivery if it is about one."""
    if isinstance(wanted, Retry | Verify | Finalize):
        return wanted.delivery // ROOM, wanted.delivery
    return wanted.number, None


def _decide(book: Book, connection: Connection, wanted: Decide) -> int:
    request = _request(connection, wanted.number)
    if not request.awaiting:
        raise ConflictError("this request does not await a decision")
    step = book.definition(connection, request.version).route.named[request.awaiting]
    if isinstance(step, Await) and not wanted.accepted and wanted.reason not in step.reasons:
        raise ConflictError(f"a refusal here gives one of these reasons: {', '.join(step.reasons)}")
    if wanted.data is not None:
        _revise(book, connection, request, wanted)
    decided = {
        "request": request.number,
        "step": request.awaiting,
        "accepted": wanted.accepted,
        "reason": wanted.reason,
        "actor": wanted.actor,
        "at": book.now(),
    }
    connection.execute(DECISIONS.insert(), decided)
    note = "accepted" if wanted.accepted else wanted.reason
    _audit(book, connection, wanted, (request.number, None), note)
    return wanted.number


def _cancel(book: Book, connection: Connection, wanted: Cancel) -> int:
    request = _request(connection, wanted.number)
    if request.status in FINAL_STATUSES or request.cancelled:
        raise ConflictError("this request has ended, or is being taken back")
    route = book.definition(connection, request.version).route
    rows = [row for row in _deliveries(connection, wanted.number) if not _tells(route, row)]
    if any(_takes_back(route, row) for row in rows):
        raise ConflictError("this request is being taken back")
    sent = [row for row in rows if isinstance(route.named.get(row.step), Deliver)]
    if any(row.ever_uncertain and row.state != State.DELIVERED for row in sent):
        raise ConflictError("a target may have taken it: verify first")
    if any(row.state == State.DELIVERED and not _can_be_undone(route, row) for row in sent):
        raise ConflictError("a target has taken part of it: finish it by hand instead")
    for row in rows:
        if row.state not in FINAL:
            _move(book, connection, row, Event.CANCELLED)
    cancelled = update(REQUESTS).where(REQUESTS.c.number == wanted.number).values(cancelled=True, awaiting="")
    connection.execute(cancelled)
    _audit(book, connection, wanted, (wanted.number, None), wanted.reason)
    return wanted.number


def _tells(route: Route, row: Row[Any]) -> bool:
    """Say whether a delivery only tells somebody something."""
    return row.step not in route.named or isinstance(route.named[row.step], Notify)


def _can_be_undone(route: Route, row: Row[Any]) -> bool:
    """Say whether the route knows how to take a delivery back."""
    step = route.named[row.step]
    return isinstance(step, Deliver) and step.undo is not None


def _takes_back(route: Route, row: Row[Any]) -> bool:
    """Say whether a delivery takes another one back."""
    step = route.named[row.step]
    return isinstance(step, Deliver) and step.is_reversal


def _correct(book: Book, connection: Connection, wanted: Correct) -> int:
    request = _request(connection, wanted.number)
    if request.status in FINAL_STATUSES:
        raise ConflictError("this request has ended")
    _revise(book, connection, request, wanted)
    _audit(book, connection, wanted, (wanted.number, None))
    return wanted.number


def _retry(book: Book, connection: Connection, wanted: Retry) -> int:
    """Send again what harms nobody; ask first about what the target may have, unless a person knows better."""
    delivery = _delivery(connection, wanted.delivery)
    request = _request(connection, delivery.request)
    if delivery.state in FINAL:
        advance(State(delivery.state), Event.RETRIED)
    if delivery.code == PENDING and delivery.target == TIMER:
        raise ConflictError("it only waits for its time")
    if wanted.data is not None:
        _revise(book, connection, request, wanted, retried=delivery.id)
    effect = book.effect(connection, request.version, delivery.mapping, delivery.target)
    perhaps_taken = delivery.ever_uncertain and not wanted.sure
    if perhaps_taken and effect is Effect.ONCE:
        raise UnsureError("the target may have it and cannot be asked: look there, then say that you are sure")
    if perhaps_taken and effect is Effect.LOOKUP:
        _move(book, connection, delivery, Event.VERIFIED, if_absent="", questions=0, absences=0, claims=0)
    else:
        values = {
            "attempts": 0,
            "questions": 0,
            "claims": 0,
            "ever_uncertain": perhaps_taken,
            "created_at": delivery.created_at if delivery.code == PENDING else book.now(),
        }
        _move(book, connection, delivery, Event.RETRIED, **values)
    said = {"sure that it was not taken": wanted.sure, "data corrected": wanted.data is not None}
    note = ", ".join(words for words, holds in said.items() if holds)
    _audit(book, connection, wanted, (delivery.request, delivery.id), note)
    return int(delivery.request)


def _verify(book: Book, connection: Connection, wanted: Verify) -> int:
    delivery = _delivery(connection, wanted.delivery)
    request = _request(connection, delivery.request)
    if book.effect(connection, request.version, delivery.mapping, delivery.target) is not Effect.LOOKUP:
        raise UnsureError("this target cannot be asked")
    if_absent = delivery.code if delivery.state == State.PARKED and not delivery.ever_uncertain else NOT_TAKEN
    _move(
        book, connection, delivery, Event.VERIFIED, if_absent=if_absent or NOT_TAKEN, absences=0, questions=0, claims=0
    )
    _audit(book, connection, wanted, (delivery.request, delivery.id))
    return int(delivery.request)


def _finalize(book: Book, connection: Connection, wanted: Finalize) -> int:
    delivery = _delivery(connection, wanted.delivery)
    _move(book, connection, delivery, Event.FINALIZED, reference=wanted.reference, ever_uncertain=False)
    note = f"{wanted.reference}: {wanted.reason}"
    _audit(book, connection, wanted, (delivery.request, delivery.id), note)
    return int(delivery.request)


DO: Final[Mapping[type[Act], Callable[[Book, Connection, Any], int]]] = MappingProxyType(
    {
        Decide: _decide,
        Cancel: _cancel,
        Correct: _correct,
        Retry: _retry,
        Verify: _verify,
        Finalize: _finalize,
    }
)


def _request(connection: Connection, number: int) -> Row[Any]:
    found = connection.execute(select(REQUESTS).where(REQUESTS.c.number == number).with_for_update()).first()
    if found is None:
        raise MissingError("no such request")
    return found


def _delivery(connection: Connection, delivery: int) -> Row[Any]:
    found = connection.execute(select(DELIVERIES).where(DELIVERIES.c.id == delivery).with_for_update()).first()
    if found is None:
        raise MissingError("no such delivery")
    return found


def _deliveries(connection: Connection, number: int) -> Sequence[Any]:
    columns = DELIVERIES.c
    listed = select(columns.id, columns.step, columns.item, columns.state, columns.ever_uncertain)
    mine = listed.where(columns.request == number).order_by(columns.id).with_for_update()
    return connection.execute(mine).all()


def _move(book: Book, connection: Connection, delivery: Row[Any], event: Event, **values: Any) -> None:
    """Move a delivery along its lifecycle; raises IllegalTransitionError where the table has no such row."""
    now = book.now()
    after = advance(State(delivery.state), event)
    connection.execute(
        update(DELIVERIES)
        .where(DELIVERIES.c.id == delivery.id)
        .values(state=after, next_at=now, updated_at=now, **values)
    )


def _revise(
    book: Book, connection: Connection, request: Row[Any], wanted: Decide | Correct | Retry, retried: int = 0
) -> None:
    """Put new data in a request's body and keep the old body; the caller has validated them."""
    old = orjson.loads(request.body)
    new = {**old, "data": wanted.data}
    _keep_items(book, connection, request, (old, new), retried)
    was = {"request": request.number, "body": request.body, "actor": wanted.actor, "at": book.now()}
    connection.execute(REVISIONS.insert(), was)
    values = {"body": orjson.dumps(new).decode(), "due_at": _move_dates(book, connection, request, new)}
    connection.execute(update(REQUESTS).where(REQUESTS.c.number == request.number).values(**values))


def _move_dates(book: Book, connection: Connection, request: Row[Any], document: Mapping[str, Any]) -> int | None:
    """Move what waits for a corrected date, and give the law's; raises ConflictError when one cannot be read.

    The end of a decision's time is counted from when it was asked for, and stays.
    """
    route = book.definition(connection, request.version).route
    facts = FACTS.among(connection, [request.number])
    answers = answers_of(map(fact_of, facts))
    waiting = [
        (row.id, route.named.get(row.step)) for row in facts if (row.state, row.code) == (State.WAITING, PENDING)
    ]
    try:
        dated = [(row, step) for row, step in waiting if isinstance(step, AwaitDate) and step.at]
        moments = {row: route.moment(step, document, answers) for row, step in dated}
        due_at = route.due(document)
    except MappingError:
        raise ConflictError("a date that the route waits for cannot be read in this data") from None
    for row, moment in moments.items():
        connection.execute(update(DELIVERIES).where(DELIVERIES.c.id == row).values(next_at=moment or book.now()))
    return due_at


def _keep_items(book: Book, connection: Connection, request: Row[Any], bodies: tuple[Any, Any], retried: int) -> None:
    """Refuse a correction that changes an item some target may know: another would be sent in its place."""
    route = book.definition(connection, request.version).route
    answers = answers_of(map(fact_of, FACTS.among(connection, [request.number])))
    for row in _deliveries(connection, request.number):
        step = route.named.get(row.step)
        if row.state == State.QUEUED or row.id == retried or not isinstance(step, Carried):
            continue
        before, after = (route.items(step, body, answers) for body in bodies)
        if before[row.item : row.item + 1] != after[row.item : row.item + 1]:
            raise ConflictError("an item that was already sent may not change, nor move")


def _audit(book: Book, connection: Connection, wanted: Act, about: tuple[int, int | None], note: str = "") -> None:
    """Write one line about a request, and perhaps one of its deliveries: what was done, by whom."""
    number, delivery = about
    said = {"kind": type(wanted).__name__.lower(), "actor": wanted.actor, "note": note, "at": book.now()}
    connection.execute(EVENTS.insert(), {**BLANK_EVENT, **said, "request": number, "delivery": delivery})
