"""Taking away what citizens wrote, request by request, in one transaction: what is counted and chained stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, Row, select

from hub.book import Book
from hub.privacy.classes import DataClass
from hub.privacy.retention import Held, held_by
from hub.privacy.scrubbing import Scrubbing
from hub.tables import DELIVERIES, REQUESTS
from hub.tables_privacy import KEEPINGS
from hub.vault import SealError

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Purge:
    """A request to purge: why, in whose name, and what does not hold it (`despite`).

    `classes`: only these fields, of a request that has ended; all of it where none is named. `reason`: what a person
    said about it in their own words.
    """

    number: int
    why: str
    actor: str = "hub"
    despite: frozenset[Held] = frozenset()
    classes: frozenset[DataClass] = frozenset()
    reason: str = ""

    @property
    def said(self) -> str:
        """What the request's own history says of it."""
        return f"{self.why}: {self.reason}" if self.reason else self.why


@dataclass(frozen=True, slots=True)
class Purged:
    """What came of it: whether anything was there to take, what `held` it, how many `files` go."""

    number: int
    done: bool = False
    held: Held | None = None
    files: int = 0


def purge(book: Book, connection: Connection, wanted: Sequence[Purge]) -> list[Purged]:
    """Purge requests, the first numbered first: who purges beside us never waits in a circle."""
    done = {one.number: _purge(book, connection, one) for one in sorted(wanted, key=lambda one: one.number)}
    return [done[one.number] for one in wanted]


def _purge(book: Book, connection: Connection, wanted: Purge) -> Purged:
    found = select(REQUESTS).where(REQUESTS.c.number == wanted.number).with_for_update()
    request = connection.execute(found).first()
    if request is None or not request.fingerprint:
        return Purged(wanted.number)
    mine = DELIVERIES.c.request == wanted.number
    deliveries = connection.execute(select(DELIVERIES).where(mine).order_by(DELIVERIES.c.id).with_for_update()).all()
    held = _held(connection, request, deliveries, wanted, book.now())
    if held is not None:
        return Purged(wanted.number, held=held)
    work = Scrubbing(book, connection, request, deliveries)
    try:
        files = work.trim(wanted.classes) if wanted.classes else work.purge(wanted.said, wanted.actor)
    except SealError as error:
        log.warning("what is due does not open", request=wanted.number, sealed=error.place)
        return Purged(wanted.number, held=Held.SEALED)
    return Purged(wanted.number, done=True, files=files)


def _held(
    connection: Connection, request: Row[Any], deliveries: Sequence[Row[Any]], wanted: Purge, now: int
) -> Held | None:
    held = held_by({row.id: row.state for row in deliveries}, request.status)
    if held is not None and held not in wanted.despite:
        return held
    until = connection.scalar(select(KEEPINGS.c.until).where(KEEPINGS.c.request == request.number)) or 0
    return Held.EXTENDED if until > now and Held.EXTENDED not in wanted.despite else None
