"""Putting new data in a request's body: the old body is kept, and what targets know or may know may not change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, Row, update

from hub.book import Book
from hub.errors import ConflictError, MappingError
from hub.lifecycle import HELD, State
from hub.moves import definition_of, deliveries_of
from hub.routing import PENDING, AwaitDate, AwaitEvent, Carried, answers_of
from hub.settlement import FACTS, fact_of
from hub.standing import perhaps_taken
from hub.tables import DELIVERIES, REQUESTS, REVISIONS
from hub.vault import BODY
from hub.verbs import Why
from hub.wishes import Correct, Decide, Retry, refusal


def revise(
    book: Book, connection: Connection, request: Row[Any], wanted: Decide | Correct | Retry, retried: int = 0
) -> None:
    """Put new data in a request's body and keep the old body; the caller has validated them."""
    sealer = book.vault.sealer(request.number, request.data_key)
    old = orjson.loads(sealer.open(BODY, request.body))
    new = {**old, "data": wanted.data}
    _keep_items(book, connection, request, (old, new), retried)
    now = book.now()
    before = sealer.seal(revision_at(now), orjson.dumps(old).decode())
    connection.execute(
        REVISIONS.insert(), {"request": request.number, "body": before, "actor": wanted.actor, "at": now}
    )
    body = sealer.seal(BODY, orjson.dumps(new).decode())
    values = {"body": body, "due_at": _move_dates(book, connection, request, new)}
    connection.execute(update(REQUESTS).where(REQUESTS.c.number == request.number).values(**values))


def revision_at(moment: int) -> str:
    """Say where the body that a correction replaced is sealed: one put back in the request's place does not open."""
    return f"revision.body:{moment}"


def _move_dates(book: Book, connection: Connection, request: Row[Any], document: Mapping[str, Any]) -> int | None:
    """Move what waits for a corrected date, and give the law's; raises ConflictError when one cannot be read.

    The end of a decision's time is counted from when it was asked for, and stays.
    """
    route = definition_of(book, connection, request).route
    facts = FACTS.among(connection, [request.number])
    answers = answers_of(fact_of(book.vault, row) for row in facts)
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
    """Refuse a correction of what is on its way or perhaps taken, or of an item that some target knows.

    It would be looked for in other words than it was sent in, or another would be sent in its place.
    """
    route = definition_of(book, connection, request).route
    answers = answers_of(fact_of(book.vault, row) for row in FACTS.among(connection, [request.number]))
    for row in deliveries_of(connection, request.number):
        step = route.named.get(row.step)
        if row.id == retried or not isinstance(step, Carried):
            continue
        if row.state in HELD and not isinstance(step, AwaitEvent):
            raise refusal(Why.OTHERS_IN_HAND)
        if perhaps_taken(book, connection, row, request):
            raise refusal(Why.OTHERS_PERHAPS_TAKEN)
        if row.state == State.QUEUED:
            continue
        before, after = (route.items(step, body, answers) for body in bodies)
        if before[row.item : row.item + 1] != after[row.item : row.item + 1]:
            raise ConflictError("an item that was already sent may not change, nor move")
