"""What people do to whole requests: decide, cancel, correct, say who sees to them; and what they note about causes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, exists, select, update

from hub.book import Book
from hub.errors import ConflictError
from hub.lifecycle import FINAL, Event, State
from hub.model import FINAL_STATUSES
from hub.moves import audit, definition_of, deliveries_of, move, request_of, write_down
from hub.revisions import revise
from hub.routing import Await, Deliver, Notify, Route
from hub.statements import upsert
from hub.tables import DECISIONS, DELIVERIES, REQUESTS
from hub.tables_operations import ASSIGNMENTS, CAUSE_NOTES, FINALIZATIONS, Proof
from hub.wishes import Assign, Cancel, Correct, Decide, Note


def decide(book: Book, connection: Connection, wanted: Decide) -> int:
    """Write down what a person decided, perhaps with corrected data."""
    request = request_of(connection, wanted.number)
    if not request.awaiting:
        raise ConflictError("this request does not await a decision")
    if wanted.step and wanted.step != request.awaiting:
        raise ConflictError(f"this request awaits another decision by now, at {request.awaiting}")
    step = definition_of(book, connection, request).route.named[request.awaiting]
    if isinstance(step, Await) and not wanted.accepted and wanted.reason not in step.reasons:
        raise ConflictError(f"a refusal here gives one of these reasons: {', '.join(step.reasons)}")
    if wanted.data is not None:
        revise(book, connection, request, wanted)
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
    audit(book, connection, wanted, (request.number, None), note)
    return wanted.number


def cancel(book: Book, connection: Connection, wanted: Cancel) -> int:
    """Cancel what no target has, or what can be taken back."""
    request = request_of(connection, wanted.number)
    if request.status in FINAL_STATUSES or request.cancelled:
        raise ConflictError("this request has ended, or is being taken back")
    route = definition_of(book, connection, request).route
    rows = [row for row in deliveries_of(connection, wanted.number) if not _tells(route, row)]
    if any(_takes_back(route, row) for row in rows):
        raise ConflictError("this request is being taken back")
    if _is_any_proposed(connection, wanted.number):
        raise ConflictError("somebody proposed to close part of it by hand: settle that first")
    sent = [row for row in rows if isinstance(route.named.get(row.step), Deliver)]
    if any(row.ever_uncertain and row.state not in FINAL for row in sent):
        raise ConflictError("a target may have taken it: verify first")
    if any(row.state == State.DELIVERED and not _can_be_undone(route, row) for row in sent):
        raise ConflictError("a target has taken part of it: finish it by hand instead")
    for row in rows:
        if row.state not in FINAL:
            move(book, connection, row, Event.CANCELLED)
    cancelled = update(REQUESTS).where(REQUESTS.c.number == wanted.number).values(cancelled=True, awaiting="")
    connection.execute(cancelled)
    audit(book, connection, wanted, (wanted.number, None), wanted.reason)
    return wanted.number


def correct(book: Book, connection: Connection, wanted: Correct) -> int:
    """Replace a request's data."""
    request = request_of(connection, wanted.number)
    if request.status in FINAL_STATUSES:
        raise ConflictError("this request has ended")
    revise(book, connection, request, wanted)
    audit(book, connection, wanted, (wanted.number, None))
    return wanted.number


def assign(book: Book, connection: Connection, wanted: Assign) -> int:
    """Say who sees to a request, or that nobody does."""
    request_of(connection, wanted.number)
    if wanted.owner:
        row = {"request": wanted.number, "owner": wanted.owner, "actor": wanted.actor, "at": book.now()}
        statement = upsert(ASSIGNMENTS)
        kept = {name: statement.excluded[name] for name in ("owner", "actor", "at")}
        connection.execute(statement.on_conflict_do_update(index_elements=["request"], set_=kept), row)
    else:
        connection.execute(delete(ASSIGNMENTS).where(ASSIGNMENTS.c.request == wanted.number))
    audit(book, connection, wanted, (wanted.number, None), wanted.owner)
    return wanted.number


def note(book: Book, connection: Connection, wanted: Note) -> None:
    """Write down who sees to a cause and what is known of it, or forget it."""
    cause = {"target": wanted.target, "code": wanted.code, "stage": wanted.stage}
    if wanted.owner or wanted.note:
        said = {"owner": wanted.owner, "note": wanted.note, "actor": wanted.actor, "at": book.now()}
        statement = upsert(CAUSE_NOTES)
        kept = {name: statement.excluded[name] for name in said}
        connection.execute(statement.on_conflict_do_update(index_elements=[*cause], set_=kept), {**cause, **said})
    else:
        connection.execute(delete(CAUSE_NOTES).where(*(CAUSE_NOTES.c[name] == value for name, value in cause.items())))
    words = f"{wanted.target} {wanted.code} {wanted.stage}: {wanted.owner}"
    write_down(book, connection, (None, None), kind="note", actor=wanted.actor, note=words)


def _is_any_proposed(connection: Connection, number: int) -> bool:
    """Say whether somebody proposed to close a delivery of a request, and nobody has agreed yet."""
    joined = FINALIZATIONS.c.delivery == DELIVERIES.c.id, FINALIZATIONS.c.state == Proof.PROPOSED
    mine = DELIVERIES.c.request == number, DELIVERIES.c.state.not_in(FINAL)
    return bool(connection.scalar(select(exists().where(*joined, *mine))))


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
