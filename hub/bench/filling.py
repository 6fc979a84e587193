"""A ledger as it is after years: any number of requests, written in one statement a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from types import MappingProxyType
from typing import Any, Final

import orjson
from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Text,
    and_,
    case,
    cast,
    func,
    insert,
    literal,
    select,
)

from hub.bench.request import sample
from hub.book import Book, keep
from hub.intake import FIRST_NUMBER
from hub.lifecycle import State
from hub.model import Channel, Status
from hub.policy import Policy
from hub.settlement import FRESH, ROOM
from hub.tables import ATTEMPTS, DELIVERIES, EVENTS, REQUESTS, TALLY
from hub.targets import Declared, declare
from hub.views import STAGE

KINDS: Final = 12
STAGES: Final = 24
TARGETS: Final = 8
CODES: Final = 12
OLD_KIND: Final = "ancienne"
OLD_FRONT_END: Final = "ancien_portail"
"""What only some of the oldest tenth came by: everything newer is in the way of whoever looks for it."""

YEARS: Final = 3 * 365 * 86_400_000
LATER: Final = 3_600_000

SCATTER: Final = 2_654_435_761
"""Odd, so that multiplying by it modulo 2³² gives each number another one, in no order."""

STATES: Final[Mapping[Status, State]] = MappingProxyType(
    {
        Status.IN_PROGRESS: State.QUEUED,
        Status.WAITING: State.WAITING,
        Status.UNCERTAIN: State.UNCERTAIN,
        Status.PARKED: State.PARKED,
        Status.FINALIZED: State.FINALIZED,
        Status.CANCELLED: State.CANCELLED,
    }
)
"""Where the delivery of a request stands; it is delivered otherwise."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Where requests stand: how many in a thousand, the others being done; and how many of the newest are queued."""

    name: str
    thousandths: Mapping[Status, int]
    queued: int = 0


USUAL: Final = Mix(
    "usual",
    MappingProxyType(
        {
            Status.WAITING: 10,
            Status.UNCERTAIN: 5,
            Status.PARKED: 70,
            Status.REFUSED: 20,
            Status.FINALIZED: 10,
            Status.CANCELLED: 10,
        }
    ),
    queued=1000,
)
ALL_PARKED: Final = Mix("all parked", MappingProxyType({Status.PARKED: 1000}))
ALL_QUEUED: Final = Mix("all queued", MappingProxyType({Status.IN_PROGRESS: 1000}))

Values = Mapping[str, ColumnElement[Any] | Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many requests, and where they stand."""

    size: int
    mix: Mix

    def __str__(self) -> str:
        return f"{self.size:,}" if self.mix is USUAL else f"{self.size:,} {self.mix.name}"


def fill(book: Book, connection: Connection, wanted: Wanted) -> None:
    """Write requests, each with a delivery, its attempt and an event."""
    [definition] = book.catalogue.kinds.values()
    keep(book, connection, [book.catalogue])
    declare(connection, [Declared(target_name(index), "rest", Policy(concurrency=256)) for index in range(TARGETS)])
    numbers = _numbers(wanted.size)
    _write(connection, REQUESTS, _request(numbers.c.i, wanted, book.now(), definition.version), numbers)
    _write(connection, DELIVERIES, _delivery(next(iter(definition.mappings)), book.now()), REQUESTS)
    _write(connection, ATTEMPTS, _attempt(), DELIVERIES)
    _write(connection, EVENTS, _event(), REQUESTS)
    counted = select(REQUESTS.c.kind, func.count()).group_by(REQUESTS.c.kind)
    connection.execute(insert(TALLY).from_select(["kind", "accepted"], counted))


def person_index(what: str, person: int) -> str:
    """Give what passes for the blind index of a person: as long as one."""
    return f"{person}{what * 64}"[:64]


def target_name(index: int) -> str:
    """Name a target."""
    return f"cible_{index}"


def _write(connection: Connection, table: Any, values: Values, source: FromClause) -> None:
    chosen = [value if isinstance(value, ColumnElement) else literal(value) for value in values.values()]
    connection.execute(insert(table).from_select(list(values), select(*chosen).select_from(source)))


def _numbers(size: int) -> CTE:
    counted = select(literal(0, BigInteger).label("i")).cte("numbers", recursive=True)
    return counted.union_all(select(counted.c.i + 1).where(counted.c.i < size - 1))


def _request(i: ColumnElement[int], wanted: Wanted, now: int, version: str) -> Values:
    scattered = i * SCATTER % 2**32
    old = i < wanted.size // 10
    received = now - YEARS + i * (YEARS // wanted.size)
    person = scattered % max(1, wanted.size // 3)
    said = sample()
    return {
        "number": FIRST_NUMBER + i,
        "front_end": case((and_(old, i % 5 == 0), OLD_FRONT_END), else_="portail"),
        "site": _named("site", scattered % 6),
        "kind": case((and_(old, i % 2 == 0), OLD_KIND), else_=_named("demarche", scattered % KINDS)),
        "channel": Channel.INTERNET,
        "external_reference": _named("REF", i),
        "idempotency_key": _named("cle", scattered),
        "fingerprint": "f" * 64,
        "version": version,
        "body": orjson.dumps(said).decode(),
        "status": _status(i, wanted),
        "stage": _named("Étape", scattered % STAGES),
        "awaiting": "",
        "cancelled": False,
        "name_index": _blind("n", person),
        "email_index": _blind("e", person),
        "phone_index": _blind("p", person),
        "received_at": received,
        "updated_at": received,
    }


def _status(i: ColumnElement[int], wanted: Wanted) -> ColumnElement[str]:
    chance = i * SCATTER % 2**32 % 1000
    limits = accumulate(wanted.mix.thousandths.values())
    rest = [(chance < limit, status) for status, limit in zip(wanted.mix.thousandths, limits, strict=True)]
    return case((i >= wanted.size - wanted.mix.queued, Status.IN_PROGRESS), *rest, else_=Status.DONE)


def _delivery(mapping: str, now: int) -> Values:
    request = REQUESTS.c
    later = request.status.in_([Status.WAITING, Status.UNCERTAIN])
    return {
        **FRESH,
        "id": request.number * ROOM + 1,
        "request": request.number,
        "ordinal": 1,
        "step": "envoi",
        "item": 0,
        "target": _named("cible", request.number % TARGETS),
        "mapping": mapping,
        "given": "",
        "state": case(dict(STATES), value=request.status, else_=State.DELIVERED),
        "code": case(
            (request.status.in_([Status.PARKED, Status.UNCERTAIN]), _named("CODE", request.number % CODES)), else_=""
        ),
        "stage": request.stage,
        "attempts": 1,
        "fence": 1,
        "next_at": case((later, now + LATER + request.number % LATER), else_=request.received_at),
        "created_at": request.received_at,
        "updated_at": request.received_at,
    }


def _attempt() -> Values:
    delivery = DELIVERIES.c
    return {
        "delivery": delivery.id,
        "fence": delivery.fence,
        "kind": "send",
        "outcome": "accepted",
        "code": delivery.code,
        "late": False,
        "http_status": 201,
        "fault": "",
        "sent_sha256": "f" * 64,
        "sent": b"s" * 300,
        "answered": b"a" * 30,
        "started_at": delivery.created_at,
        "ended_at": delivery.updated_at,
    }


def _event() -> Values:
    request = REQUESTS.c
    return {
        "request": request.number,
        "kind": STAGE,
        "actor": "",
        "stage": request.stage,
        "status": request.status,
        "note": "",
        "at": request.received_at,
    }


def _named(word: str, ordinal: ColumnElement[int]) -> ColumnElement[str]:
    return literal(f"{word}_") + cast(ordinal, Text)


def _blind(what: str, person: ColumnElement[int]) -> ColumnElement[str]:
    return func.substr(cast(person, Text) + literal(what * 64), 1, 64)
