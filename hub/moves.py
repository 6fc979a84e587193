"""How acts change the ledger: rows taken under a lock, a move along the lifecycle, a line in the audit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from hub.book import Book
from hub.catalogue import Definition
from hub.errors import ConflictError
from hub.lifecycle import Event, State, advance
from hub.tables import BLANK_EVENT, DELIVERIES, EVENTS, REQUESTS
from hub.wishes import Act, MissingError


def request_of(connection: Connection, number: int) -> Row[Any]:
    """Take a request's row; raises MissingError."""
    found = connection.execute(select(REQUESTS).where(REQUESTS.c.number == number).with_for_update()).first()
    if found is None:
        raise MissingError("no such request")
    return found


def delivery_of(connection: Connection, delivery: int) -> Row[Any]:
    """Take a delivery's row; raises MissingError."""
    found = connection.execute(select(DELIVERIES).where(DELIVERIES.c.id == delivery).with_for_update()).first()
    if found is None:
        raise MissingError("no such delivery")
    return found


def both_of(connection: Connection, delivery: int) -> tuple[Row[Any], Row[Any]]:
    """Take a delivery's row and its request's; raises MissingError."""
    found = delivery_of(connection, delivery)
    return found, request_of(connection, found.request)


def definition_of(book: Book, connection: Connection, request: Any) -> Definition:
    """Give the definition that a request is pinned to; raises ConflictError where nobody can read it any more."""
    if not book.can_read(connection, request.version):
        raise ConflictError("the route of this request cannot be read any more")
    return book.known(request.version)


def deliveries_of(connection: Connection, number: int) -> Sequence[Any]:
    """Take the rows of all deliveries of a request."""
    return connection.execute(_all_of(number).with_for_update()).all()


def look_at(connection: Connection, number: int) -> Sequence[Any]:
    """Read the rows of all deliveries of a request, taking none."""
    return connection.execute(_all_of(number)).all()


def _all_of(number: int) -> Select[Any]:
    names = ("id", "step", "item", "target", "mapping", "state", "ever_uncertain")
    columns = [DELIVERIES.c[name] for name in names]
    return select(*columns).where(DELIVERIES.c.request == number).order_by(DELIVERIES.c.id)


def move(book: Book, connection: Connection, delivery: Row[Any], event: Event, **values: Any) -> None:
    """Move a delivery along its lifecycle; raises IllegalTransitionError where the table has no such row."""
    now = book.now()
    said = {"state": advance(State(delivery.state), event), "next_at": now, "updated_at": now, **values}
    connection.execute(update(DELIVERIES).where(DELIVERIES.c.id == delivery.id).values(**said))


def audit(
    book: Book, connection: Connection, wanted: Act, about: tuple[int | None, int | None], note: str = ""
) -> None:
    """Write one line about a request, and perhaps one of its deliveries: what was done, by whom."""
    write_down(book, connection, about, kind=type(wanted).__name__.lower(), actor=wanted.actor, note=note)


def write_down(  # noqa: PLR0913  # a line of the audit has as many parts
    book: Book, connection: Connection, about: tuple[int | None, int | None], *, kind: str, actor: str, note: str = ""
) -> None:
    """Write one line in the audit."""
    number, delivery = about
    said = {"kind": kind, "actor": actor, "note": note, "at": book.now()}
    connection.execute(EVENTS.insert(), {**BLANK_EVENT, **said, "request": number, "delivery": delivery})
