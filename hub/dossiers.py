"""The reading queries of one request's page: all that is known of it, by key only, and what it stands beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, literal, select, union_all

from hub.access import Principal
from hub.attachments import Described
from hub.book import Book
from hub.catalogue import Definition
from hub.claims import Claim, seen
from hub.criteria import Criteria, Sort
from hub.listing import page
from hub.model import FINAL_STATUSES
from hub.records import opened
from hub.routing import Fact
from hub.settlement import ROOM, fact_under, sealer_of
from hub.standing import CLOSINGS, standings
from hub.tables import ATTACHMENTS, ATTEMPTS, DECISIONS, DELIVERIES, EVENTS, REQUESTS, REVISIONS
from hub.tables_operations import ASSIGNMENTS, BATCH_ROWS, BUSINESS_KEYS, PLACES
from hub.vault import Sealer, SealError
from hub.verbs import Standing, Why
from hub.views import visible

MOST_ATTEMPTS: Final = 200
"""Attempts of one request that are listed, the newest: one that is asked about for days has more."""

MOST_EVENTS: Final = 500
MOST_LINKED: Final = 20

BODIES: Final = frozenset({"sent", "answered"})
NOTES: Final = [column for column in ATTEMPTS.c if column.name not in BODIES]
"""What is listed of an attempt: all but what went over the wire."""

REVISED: Final = ("id", "request", "actor", "at")
CLAIMED: Final = [DELIVERIES.c[name] for name in Claim._fields if name in DELIVERIES.c]


@dataclass(frozen=True, slots=True)
class Dossier:
    """One request whole; `definition` is None where nobody can read it any more."""

    request: Row[Any]
    body: str
    facts: Sequence[Fact]
    definition: Definition | None
    deliveries: Sequence[Row[Any]]
    attempts: Sequence[Row[Any]]
    events: Sequence[Row[Any]]
    decisions: Sequence[Row[Any]]
    revisions: Sequence[Row[Any]]
    files: Sequence[Described]
    closings: Mapping[int, Any]
    """Delivery → the last time that somebody closed it by hand, or proposed to."""
    standings: Mapping[int, Standing]
    assignment: Row[Any] | None
    place: Row[Any] | None
    batches: Sequence[int]
    """The changes in a batch that it was part of, the last first."""

    def delivery(self, ordinal: int) -> Row[Any] | None:
        """Give one of its deliveries."""
        return next((row for row in self.deliveries if row.ordinal == ordinal), None)


@dataclass(frozen=True, slots=True)
class Linked:
    """Another request that has to do with this one, and why."""

    number: int
    kind: str
    stage: str
    why: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One attempt with what went over the wire, and its delivery as whoever maps it sees it."""

    attempt: Any
    claim: Claim | None


def dossier(connection: Connection, book: Book, number: int) -> Dossier | None:
    """Read a request with everything that is known of it."""
    request = connection.execute(select(REQUESTS).where(REQUESTS.c.number == number)).first()
    if request is None:
        return None
    deliveries = connection.execute(_mine(DELIVERIES, number).order_by(DELIVERIES.c.ordinal)).all()
    described = connection.execute(_mine(ATTACHMENTS, number).order_by(ATTACHMENTS.c.created_at, ATTACHMENTS.c.id))
    closings = CLOSINGS.among(connection, [row.id for row in deliveries]) if deliveries else []
    sealer = sealer_of(book, request)
    return Dossier(
        request=request,
        body=book.vault.shown(request),
        facts=_facts(sealer, deliveries),
        definition=book.known(request.version) if book.can_read(connection, request.version) else None,
        deliveries=deliveries,
        attempts=_attempts(connection, [row.id for row in deliveries]),
        events=_events(connection, number),
        decisions=connection.execute(_mine(DECISIONS, number)).all(),
        revisions=connection.execute(
            select(*(REVISIONS.c[name] for name in REVISED))
            .where(REVISIONS.c.request == number)
            .order_by(REVISIONS.c.id)
        ).all(),
        files=[Described(**row._mapping) for row in described],  # noqa: SLF001  # its public name
        closings={row.delivery: row for row in closings},
        standings=standings(book, connection, deliveries),
        assignment=connection.execute(_mine(ASSIGNMENTS, number)).first(),
        place=connection.execute(_mine(PLACES, number)).first(),
        batches=_batches(connection, [number * ROOM, *(row.id for row in deliveries)]),
    )


def evidence(connection: Connection, book: Book, delivery: int, attempt: int | None) -> Evidence:
    """Read one attempt of a delivery, if one is named, and what its message is written from."""
    found = None
    if attempt is not None:
        mine = ATTEMPTS.c.id == attempt, ATTEMPTS.c.delivery == delivery
        found = connection.execute(select(ATTEMPTS).where(*mine)).first()
        found = opened(_sealer(connection, book, delivery), found) if found is not None else None
    rows = connection.execute(select(*CLAIMED).where(DELIVERIES.c.id == delivery)).all()
    return Evidence(found, next(iter(seen(book, connection, rows)), None))


def linked(connection: Connection, caller: Principal, request: Any) -> Sequence[Linked]:
    """List the requests of the same reference or the same business key that the caller may see."""
    meanings = union_all(*_meanings(request)).subquery()
    columns = REQUESTS.c.number, REQUESTS.c.kind, REQUESTS.c.stage, meanings.c.why
    found = (
        select(*columns)
        .join(meanings, meanings.c.number == REQUESTS.c.number)
        .where(REQUESTS.c.number != request.number, *visible(caller))
        .order_by(REQUESTS.c.number.desc())
        .limit(MOST_LINKED)
    )
    return [Linked(*row) for row in connection.execute(found)]


def obstacle(book: Book, request: Any) -> Why | None:
    """Say at a glance what keeps a request from the current version of its kind; its data are looked at later."""
    current = book.catalogue.kinds.get(request.kind)
    if current is None:
        return Why.KIND_GONE
    if current.version == request.version:
        return Why.ALREADY_CURRENT
    return Why.REQUEST_ENDED if request.status in FINAL_STATUSES or request.cancelled else None


def neighbours(
    connection: Connection, caller: Principal, criteria: Criteria, request: Any, delivery: Any
) -> tuple[int | None, int | None]:
    """Give the numbers of the requests before and after this one in a list; a delivery's, where those are listed."""
    key = _cursor(criteria, request, delivery)
    if key is None:
        return None, None
    sides = ({"before": key, "after": None}, {"after": key, "before": None})
    before, after = (page(connection, caller, criteria.model_copy(update={"limit": 1, **side})).lines for side in sides)
    return tuple(lines[0].request.number if lines else None for lines in (before, after))  # type: ignore[return-value]  # two


def _cursor(criteria: Criteria, request: Any, delivery: Any) -> str | None:
    """Write where a request stands in a list."""
    if criteria.is_of_deliveries and delivery is None:
        return None
    last = delivery.id if criteria.is_of_deliveries else request.number
    match criteria.order:
        case Sort.DUE:
            return None if request.due_at is None else f"{request.due_at:x}-{last:x}"
        case Sort.OLDEST:
            return f"{delivery.updated_at:x}-{last:x}" if delivery is not None else None
        case _:
            return f"{last:x}"


def _facts(sealer: Sealer, deliveries: Sequence[Row[Any]]) -> Sequence[Fact]:
    """Give what the route reads of the deliveries; nothing where an answer does not open."""
    try:
        return [fact_under(sealer, row) for row in deliveries]
    except SealError:
        return []


def _sealer(connection: Connection, book: Book, delivery: int) -> Sealer:
    """Give what opens a delivery's attempts."""
    key = select(REQUESTS.c.number, REQUESTS.c.data_key).where(REQUESTS.c.number == delivery // ROOM)
    return sealer_of(book, connection.execute(key).one())


def _mine(table: Any, number: int) -> Select[Any]:
    return select(table).where(table.c.request == number)


def _attempts(connection: Connection, deliveries: Sequence[int]) -> Sequence[Row[Any]]:
    newest = select(*NOTES).where(ATTEMPTS.c.delivery.in_(deliveries)).order_by(ATTEMPTS.c.id.desc())
    return connection.execute(newest.limit(MOST_ATTEMPTS)).all()[::-1]


def _events(connection: Connection, number: int) -> Sequence[Row[Any]]:
    newest = _mine(EVENTS, number).order_by(EVENTS.c.id.desc()).limit(MOST_EVENTS)
    return connection.execute(newest).all()[::-1]


def _batches(connection: Connection, subjects: Sequence[int]) -> Sequence[int]:
    mine = select(BATCH_ROWS.c.batch).where(BATCH_ROWS.c.subject.in_(subjects)).distinct()
    return connection.scalars(mine.order_by(BATCH_ROWS.c.batch.desc()).limit(MOST_LINKED)).all()


def _meanings(request: Any) -> list[Select[Any]]:
    """Ask each index for the requests it puts beside this one."""
    mine, other = BUSINESS_KEYS.alias("mine"), BUSINESS_KEYS.alias("other")
    same = and_(other.c.value == mine.c.value, other.c.name == mine.c.name)
    keyed = select(other.c.request.label("number"), literal("key").label("why")).select_from(mine.join(other, same))
    asked = [keyed.where(mine.c.request == request.number).limit(MOST_LINKED)]
    if request.external_reference:
        said = REQUESTS.c.external_reference == request.external_reference
        asked.append(select(REQUESTS.c.number, literal("reference").label("why")).where(said))
    return [select(one.subquery()) for one in asked]
