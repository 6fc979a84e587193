"""What may become of one delivery: where it stands, whether its request fits the current version, its last closing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, select

from hub.book import Book
from hub.lifecycle import FINAL
from hub.repinning import Repinning, foresee
from hub.standing import finalization_of, standing
from hub.tables import DELIVERIES, REQUESTS
from hub.verbs import Standing, Why


@dataclass(frozen=True, slots=True)
class Prospects:
    """What decides which verbs are for a delivery, and the last time that somebody closed it by hand."""

    standing: Standing
    finalization: Row[Any] | None


def prospects(book: Book, connection: Connection, delivery: int) -> Prospects | None:
    """See what may become of a delivery; None when there is none."""
    row = connection.execute(select(DELIVERIES).where(DELIVERIES.c.id == delivery)).first()
    if row is None:
        return None
    request = connection.execute(select(REQUESTS).where(REQUESTS.c.number == row.request)).one()
    obstacle = Why.REQUEST_ENDED if row.state in FINAL else obstacle_of(foresee(book, connection, request, row.id))
    stands = replace(standing(book, connection, row, request), obstacle=obstacle)
    return Prospects(stands, finalization_of(connection, row.id))


def obstacle_of(foreseen: Repinning | Why) -> Why | None:
    """Say what keeps a request from the current version of its kind."""
    return None if isinstance(foreseen, Repinning) else foreseen
