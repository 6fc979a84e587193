"""Finding what the hub holds about one person: by what they are looked up under, or in everything it can read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, select, union

from hub.access import blind
from hub.book import Book
from hub.revisions import revision_at
from hub.settlement import sealer_of
from hub.tables import REQUESTS, REVISIONS
from hub.vault import BODY, Sealer, SealError
from hub.views import hidden_under

CHUNK: Final = 500
"""Requests opened at a time."""


@dataclass(frozen=True, slots=True)
class Sought:
    """Whose requests are looked for: a number's, or of whoever bears everything that is `said`."""

    number: int | None = None
    said: tuple[str, ...] = ()
    deep: bool = False
    """Whether every body is opened: to find somebody who did not make the request."""


def under(connection: Connection, secret: bytes, said: Sequence[str]) -> list[int]:
    """Give the requests of whoever bears all of these: a name, an e-mail, a telephone number, a business key."""
    found: set[int] | None = None
    for one in said:
        meanings = union(*(select(meaning.subquery()) for meaning in hidden_under(blind(secret, one))))
        numbers = {int(number) for number in connection.scalars(meanings)}
        found = numbers if found is None else found & numbers
    return sorted(found or ())


def within(connection: Connection, book: Book, said: Sequence[str]) -> list[int]:
    """Give the requests whose text has all of these, whoever made them, now or before it was corrected.

    Each body is opened, which takes its time.
    """
    wanted = [one.casefold() for one in said]
    return [
        int(row.number)
        for row, before in _every(connection)
        if (text := _text(book, row, before)) and all(one in text for one in wanted)
    ]


def _every(connection: Connection) -> Iterator[tuple[Row[Any], Sequence[Row[Any]]]]:
    """Give each request with what it said before it was corrected."""
    columns = [REQUESTS.c[name] for name in ("number", "data_key", "body")]
    last = -1
    while True:
        some = select(*columns).where(REQUESTS.c.number > last, REQUESTS.c.fingerprint != "")
        rows = connection.execute(some.order_by(REQUESTS.c.number).limit(CHUNK)).all()
        before: dict[int, list[Row[Any]]] = {}
        corrected = select(REVISIONS).where(REVISIONS.c.request.in_([row.number for row in rows]))
        for one in connection.execute(corrected):
            before.setdefault(one.request, []).append(one)
        yield from ((row, before.get(row.number, ())) for row in rows)
        if len(rows) < CHUNK:
            return
        last = int(rows[-1].number)


def _text(book: Book, row: Row[Any], before: Sequence[Row[Any]]) -> str:
    sealer = sealer_of(book, row)
    bodies = [(BODY, row.body), *((revision_at(one.at), one.body) for one in before)]
    return "\n".join(_opened(sealer, *one) for one in bodies).casefold()


def _opened(sealer: Sealer, place: str, said: str) -> str:
    try:
        return sealer.open(place, said)
    except (SealError, ValueError):
        return ""
