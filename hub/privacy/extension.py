"""Keeping a request longer than its kind says, on one of the grounds that the law has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from hub.book import Book
from hub.privacy.terms import Ground
from hub.settlement import NEW_EVENTS
from hub.statements import upsert
from hub.tables import BLANK_EVENT, REQUESTS
from hub.tables_privacy import KEEPINGS


@dataclass(frozen=True, slots=True)
class Extension:
    """Until when, on which ground, why in somebody's own words, and whose decision it is."""

    number: int
    until: int
    ground: Ground
    reason: str
    actor: str


def extend(book: Book, connection: Connection, wanted: Sequence[Extension]) -> list[bool]:
    """Keep requests longer; False for one that does not exist, or of which nothing is kept any more."""
    return [_extend(book, connection, one) for one in wanted]


def _extend(book: Book, connection: Connection, one: Extension) -> bool:
    kept = REQUESTS.c.number == one.number, REQUESTS.c.fingerprint != ""
    if connection.execute(select(REQUESTS.c.number).where(*kept).with_for_update()).first() is None:
        return False
    now = book.now()
    said = {"until": one.until, "ground": str(one.ground), "reason": one.reason, "actor": one.actor, "at": now}
    written = upsert(KEEPINGS).on_conflict_do_update(index_elements=["request"], set_=said)
    connection.execute(written, {**said, "request": one.number})
    told = {"kind": "extend", "actor": one.actor, "note": str(one.ground), "request": one.number, "at": now}
    NEW_EVENTS.run(connection, [{**BLANK_EVENT, **told}])
    return True
