"""Requests of the ledger, read again to be mapped again: nothing is changed, but that the audit says who saw them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Engine, Select, func, select

from hub.book import Book
from hub.catalogue import Catalogue, Definition
from hub.claims import Claim, seen
from hub.database import SNAPSHOT, open_database, require_upgraded
from hub.errors import ConfigurationError
from hub.model import Instant
from hub.routing import Decision, answers_of
from hub.settlement import DECIDED, FACTS, ROOM, fact_of, key_of
from hub.tables import DELIVERIES, REQUESTS
from hub.vault import Vault

REVEAL: Final = "reveal"
"""What the audit calls it that somebody saw a request's values."""

COLUMNS: Final = [DELIVERIES.c[name] for name in Claim._fields if name in DELIVERIES.c]


@dataclass(frozen=True)
class Stored:
    """A request as the ledger has it, and the definition it is pinned to."""

    number: int
    kind: str
    definition: Definition
    document: Mapping[str, Any]
    answers: Mapping[str, Any]
    decisions: Mapping[str, Decision]
    keys: Mapping[tuple[str, int], str]
    """The step and the item of each delivery → its key."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which stored messages are meant: those of one mapping, perhaps since a moment, perhaps of one kind."""

    mapping: str
    since: Instant | None = None
    kind: str | None = None

    def of(self, statement: Select[Any]) -> Select[Any]:
        """Keep a statement over deliveries to these."""
        mine = statement.where(DELIVERIES.c.mapping == self.mapping)
        if self.since is None and self.kind is None:
            return mine
        mine = mine.join(REQUESTS, REQUESTS.c.number == DELIVERIES.c.request)
        if self.since is not None:
            mine = mine.where(REQUESTS.c.received_at >= self.since)
        return mine if self.kind is None else mine.where(REQUESTS.c.kind == self.kind)


@contextmanager
def opened(database: str) -> Iterator[Engine]:
    """Open a ledger that exists and is up to date; raises ConfigurationError."""
    engine = open_database(database)
    try:
        require_upgraded(engine)
        yield engine
    finally:
        engine.dispose()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Read everything as of one moment, in nobody's way."""
    with engine.execution_options(**SNAPSHOT[engine.dialect.name]).connect() as connection:
        yield connection


def bare_book(vault: Vault) -> Book:
    """Give a book that knows no definition but those it reads in the ledger."""
    return Book(Catalogue({}, {}, {}, {}), vault=vault)


def find(connection: Connection, vault: Vault, number: int) -> Stored | None:
    """Find a request; raises ConfigurationError when its definition can no longer be read."""
    row = connection.execute(select(REQUESTS).where(REQUESTS.c.number == number)).first()
    if row is None:
        return None
    book = bare_book(vault)
    if not book.can_read(connection, row.version):
        raise ConfigurationError("the ledger", f"a definition {row.version} that this version of the hub can read")
    facts = FACTS.among(connection, [number])
    decided = DECIDED.among(connection, [number])
    return Stored(
        number=number,
        kind=row.kind,
        definition=book.known(row.version),
        document=orjson.loads(vault.body(row)),
        answers=answers_of(fact_of(vault, fact) for fact in facts),
        decisions={one.step: Decision(one.step, bool(one.accepted), one.reason) for one in decided},
        keys={(one.step, one.item): key_of(one.id) for one in facts},
    )


def ends(connection: Connection) -> tuple[int, int] | None:
    """Give the lowest and the highest number of a request that has deliveries."""
    first, last = (connection.scalar(select(end(DELIVERIES.c.id))) for end in (func.min, func.max))
    return None if first is None or last is None else (first // ROOM, last // ROOM)


def messages(book: Book, connection: Connection, choice: Choice, span: range) -> tuple[Sequence[Claim], int]:
    """Give the deliveries of these requests as whoever maps them sees them, and how many nobody can read any more."""
    ours = DELIVERIES.c.id.between(span.start * ROOM, span.stop * ROOM - 1)
    rows = connection.execute(choice.of(select(*COLUMNS)).where(ours).order_by(DELIVERIES.c.id)).all()
    claims = seen(book, connection, rows)
    return claims, len(rows) - len(claims)
