"""The statements that accept requests: one transaction holds the request, its first deliveries and the tally."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, delete, or_, select, update

from hub import business_keys
from hub.book import Book
from hub.business_keys import Key
from hub.errors import ConflictError
from hub.routing import Progress
from hub.settlement import NEW_DELIVERIES, NEW_EVENTS, asked, delivery_rows
from hub.statements import Prepared, listed, upsert
from hub.tables import ATTACHMENTS, COUNTERS, REQUESTS, TALLY
from hub.vault import BODY, Sealer

FIRST_NUMBER: Final = 100_000_000
LAST_NUMBER: Final = 999_999_999


NEW_REQUESTS: Final = Prepared(
    upsert(REQUESTS).values({column.name: bindparam(column.name) for column in REQUESTS.c}).on_conflict_do_nothing()
)
PRESENT: Final = Prepared(select(REQUESTS.c.number).where(listed(REQUESTS.c.number)))


ADDED: Final = upsert(TALLY).values(kind=bindparam("kind"), accepted=bindparam("accepted"))
ADD: Final = Prepared(
    ADDED.on_conflict_do_update(index_elements=["kind"], set_={"accepted": TALLY.c.accepted + ADDED.excluded.accepted})
)


class KeyReusedError(ConflictError):
    """The idempotency key came before, with another request."""


class ReferenceTakenError(ConflictError):
    """The front end's reference names another request already."""


class FileTakenError(ConflictError):
    """A file it names became another request's while it was on its way."""


class Arrival(NamedTuple):
    """A request that has passed the door: valid, numbered, and with the first steps of its route known."""

    number: int
    front_end: str
    site: str
    kind: str
    channel: str
    external_reference: str | None
    idempotency_key: str
    fingerprint: str
    version: str
    body: str
    progress: Progress
    name_index: str
    email_index: str | None
    phone_index: str | None
    received_at: int
    attachments: tuple[str, ...] = ()
    due_at: int | None = None
    keys: tuple[Key, ...] = ()


class Acceptance(NamedTuple):
    """What the front end is told; `replayed` when the same request had been accepted before."""

    number: int
    status: str
    stage: str
    received_at: int
    replayed: bool = False


def take_numbers(connection: Connection, blocks: Sequence[int]) -> list[range]:
    """Hand out blocks of request numbers; a number never serves twice."""
    handed = []
    for size in blocks:
        row = {"name": "request", "value": FIRST_NUMBER + size}
        statement = upsert(COUNTERS)
        statement = statement.on_conflict_do_update(
            index_elements=["name"], set_={"value": COUNTERS.c.value + size}
        ).returning(COUNTERS.c.value)
        end = connection.execute(statement, row).scalar_one()
        if end > LAST_NUMBER + 1:
            raise ConflictError("the nine-digit numbers are used up")
        handed.append(range(end - size, end))
    return handed


def accept(book: Book, connection: Connection, arrivals: Sequence[Arrival]) -> list[Acceptance | ConflictError]:
    """Write down a batch of arrivals; a repeated one is answered as the first time, a contradiction refused.

    They are inserted in the order of their keys: two processes that take the same ones in never wait in a circle.
    """
    in_turn = sorted(arrivals, key=lambda arrival: (arrival.front_end, arrival.idempotency_key))
    drawn = {arrival.number: book.vault.draw(arrival.number) for arrival in arrivals}
    new = _insert(connection, [_request_row(arrival, *drawn[arrival.number]) for arrival in in_turn])
    robbed = {arrival.number for arrival in arrivals if arrival.number in new and not _bind(connection, arrival)}
    sealers = {number: sealer for number, (_, sealer) in drawn.items()}
    _follow_up(connection, [arrival for arrival in arrivals if arrival.number in new - robbed], sealers)
    return [_answer(connection, arrival, new, robbed) for arrival in arrivals]


def _answer(connection: Connection, arrival: Arrival, new: set[int], robbed: set[int]) -> Acceptance | ConflictError:
    if arrival.number in robbed:
        return FileTakenError("an attachment was taken by another request")
    return _acceptance(arrival) if arrival.number in new else _already(connection, arrival)


def _bind(connection: Connection, arrival: Arrival) -> bool:
    """Give a new request its files; when another took one meanwhile, nothing is left of the request."""
    if not arrival.attachments:
        return True
    free = ATTACHMENTS.c.id.in_(arrival.attachments), ATTACHMENTS.c.request.is_(None)
    mine = connection.execute(update(ATTACHMENTS).where(*free).values(request=arrival.number))
    if mine.rowcount == len(set(arrival.attachments)):
        return True
    bound = ATTACHMENTS.c.request == arrival.number
    connection.execute(update(ATTACHMENTS).where(bound).values(request=None))
    connection.execute(delete(REQUESTS).where(REQUESTS.c.number == arrival.number))
    return False


def _insert(connection: Connection, rows: Sequence[dict[str, Any]]) -> set[int]:
    """Write requests down, passing over those whose key or reference is known; gives the numbers that are new."""
    numbers = {row["number"] for row in rows}
    if NEW_REQUESTS.run(connection, rows) == len(rows):
        return numbers
    return {row.number for row in PRESENT.among(connection, numbers)}


def _follow_up(connection: Connection, fresh: Sequence[Arrival], sealers: Mapping[int, Sealer]) -> None:
    deliveries = [
        row
        for arrival in fresh
        for row in delivery_rows(
            arrival.number, arrival.progress.planned, 0, arrival.received_at, sealer=sealers[arrival.number]
        )
    ]
    if deliveries:
        NEW_DELIVERIES.run(connection, deliveries)
    events = [
        asked(arrival.number, plan, arrival.front_end, arrival.received_at)
        for arrival in fresh
        for plan in arrival.progress.planned
        if plan.note
    ]
    if events:
        NEW_EVENTS.run(connection, events)
    business_keys.keep(connection, {arrival.number: arrival.keys for arrival in fresh if arrival.keys})
    counts = Count(arrival.kind for arrival in fresh)
    if counts:
        ADD.run(connection, [{"kind": kind, "accepted": count} for kind, count in sorted(counts.items())])


def _request_row(arrival: Arrival, data_key: bytes | None, sealer: Sealer) -> dict[str, Any]:
    progress = arrival.progress
    return {
        "number": arrival.number,
        "front_end": arrival.front_end,
        "site": arrival.site,
        "kind": arrival.kind,
        "channel": arrival.channel,
        "external_reference": arrival.external_reference,
        "idempotency_key": arrival.idempotency_key,
        "fingerprint": arrival.fingerprint,
        "version": arrival.version,
        "body": sealer.seal(BODY, arrival.body),
        "data_key": data_key,
        "status": progress.status,
        "stage": progress.stage,
        "awaiting": progress.awaiting,
        "cancelled": False,
        "name_index": arrival.name_index,
        "email_index": arrival.email_index,
        "phone_index": arrival.phone_index,
        "received_at": arrival.received_at,
        "updated_at": arrival.received_at,
        "due_at": arrival.due_at,
        "ended_at": None,
    }


def _acceptance(arrival: Arrival) -> Acceptance:
    progress = arrival.progress
    return Acceptance(arrival.number, progress.status, progress.stage, arrival.received_at)


def _already(connection: Connection, arrival: Arrival) -> Acceptance | ConflictError:
    """Answer a request whose key or reference the ledger knows."""
    same_key = REQUESTS.c.idempotency_key == arrival.idempotency_key
    known = [same_key]
    if arrival.external_reference is not None:
        known.append(REQUESTS.c.external_reference == arrival.external_reference)
    found = connection.execute(
        select(REQUESTS).where(REQUESTS.c.front_end == arrival.front_end, or_(*known)).order_by(same_key.desc())
    ).first()
    if found is None:
        return ConflictError("the number was taken")
    if found.fingerprint == arrival.fingerprint:
        return Acceptance(found.number, found.status, found.stage, found.received_at, replayed=True)
    if found.idempotency_key == arrival.idempotency_key:
        return KeyReusedError("this Idempotency-Key came before with another request")
    return ReferenceTakenError("this external_reference names another request")


def known(connection: Connection, front_end: str, key: str) -> bool:
    """Say whether a front end submitted something under this key before."""
    same = REQUESTS.c.front_end == front_end, REQUESTS.c.idempotency_key == key
    return connection.execute(select(REQUESTS.c.number).where(*same)).first() is not None


def replayed(connection: Connection, front_end: str, key: str, fingerprint: str) -> Acceptance | None:
    """Find what the same submission was answered before."""
    columns = REQUESTS.c
    same = columns.front_end == front_end, columns.idempotency_key == key, columns.fingerprint == fingerprint
    found = connection.execute(select(REQUESTS).where(*same)).first()
    if found is None:
        return None
    return Acceptance(found.number, found.status, found.stage, found.received_at, replayed=True)
