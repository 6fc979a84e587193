"""Bringing a request up to date with its deliveries: status, stage, next steps, call-backs.

Everything that changes a delivery or a decision ends here, in the same transaction.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, bindparam, select, update

from hub.book import Book
from hub.errors import MappingError
from hub.events import Staged
from hub.lifecycle import State
from hub.model import FINAL_STATUSES, DeliveryKey, Status, delivery_key
from hub.routing import (
    CALLBACK,
    INTEGRATION_ERROR,
    PENDING,
    UNDO,
    AwaitEvent,
    Decision,
    Deliver,
    Fact,
    Planned,
    Progress,
    Route,
)
from hub.statements import Prepared, insertion, listed
from hub.tables import BLANK_EVENT, DECISIONS, DELIVERIES, EVENTS, REQUESTS
from hub.texts import fill
from hub.vault import PLAIN, Sealer, SealError, Vault

ROOM: Final = 1000
"""A request's deliveries are numbered from number × ROOM + 1 on."""

KEY: Final = re.compile(r"(\d{9})-(\d{1,3})", re.ASCII)
"""How targets and people name a delivery: `100000042-1`."""

UPDATE: Final = Prepared(
    update(REQUESTS)
    .where(REQUESTS.c.number == bindparam("b_number"))
    .values(
        status=bindparam("b_status"),
        stage=bindparam("b_stage"),
        awaiting=bindparam("b_awaiting"),
        updated_at=bindparam("b_now"),
        ended_at=bindparam("b_ended"),
    )
)


OF_SETTLING: Final = (
    *("number", "front_end", "site", "kind", "version", "status", "stage", "awaiting", "cancelled", "data_key"),
)

WANTED: Final = Prepared(
    select(*(REQUESTS.c[name] for name in OF_SETTLING))
    .where(listed(REQUESTS.c.number))
    .order_by(REQUESTS.c.number)
    .with_for_update()
)
"""Locks the requests, in order: two that settle different deliveries of one request must see each other's."""

BODIES: Final = Prepared(
    select(*(REQUESTS.c[name] for name in ("number", "version", "data_key", "body"))).where(listed(REQUESTS.c.number))
)
FACT: Final = ("id", "request", "ordinal", "step", "item", "state", "stage", "code", "reference", "answer", "target")
DATA_KEY: Final = (
    select(REQUESTS.c.data_key).where(REQUESTS.c.number == DELIVERIES.c.request).scalar_subquery().label("data_key")
)
"""The key under which a delivery's answer is sealed."""

FACTS: Final = Prepared(select(*(DELIVERIES.c[name] for name in FACT), DATA_KEY).where(listed(DELIVERIES.c.request)))
DECIDED: Final = Prepared(select(DECISIONS).where(listed(DECISIONS.c.request)))
NEW_DELIVERIES: Final = Prepared(insertion(DELIVERIES))
NEW_EVENTS: Final = Prepared(insertion(EVENTS))


@dataclass(slots=True)
class Settled:
    """What settling changed: the new deliveries of each target, and the stages reached."""

    due: dict[str, list[int]] = field(default_factory=dict)
    stages: list[Staged] = field(default_factory=list)


def settle(connection: Connection, book: Book, numbers: Collection[int], actor: str = "hub") -> Settled:
    """Bring these requests up to date; the caller has changed their deliveries in this same transaction."""
    settled = Settled()
    requests = WANTED.among(connection, numbers)
    facts = _facts(connection, numbers)
    routes = {request.number: _route(book, connection, request.version) for request in requests}
    read = [number for number, route in routes.items() if route and route.has_expressions]
    documents = _documents(book, connection, read)
    decisions = _decisions(connection, [number for number, route in routes.items() if route and route.has_decisions])
    changes: list[dict[str, Any]] = []
    new: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    for request in requests:
        number, rows = request.number, facts[request.number]
        said = Said(documents.get(number, {}), decisions.get(number, {}))
        progress = _progress(book, routes[number], said, request, rows)
        planned = _followed(book.placed(progress.planned, request.site), routes[number], rows)
        events += [asked(number, plan, actor, book.now()) for plan in planned if plan.note]
        if (progress.status, progress.stage, progress.awaiting) != (
            request.status,
            request.stage,
            request.awaiting,
        ):
            changes.append(_change(request, progress, book.now()))
        if progress.stage != request.stage:
            settled.stages.append(Staged(request.kind, progress.stage))
            events.append(_stage_event(request, progress, actor, book.now()))
            planned += _callback(book, connection, request, progress, rows)
        last = max((row.ordinal for row in rows), default=0)
        if planned:
            sealer = sealer_of(book, request)
            new += delivery_rows(request.number, planned, last, book.now(), _last_callback(rows), sealer=sealer)
    _write(connection, changes, new, events)
    for row in new:
        settled.due.setdefault(row["target"], []).append(row["id"])
    return settled


@dataclass(frozen=True, slots=True)
class Said:
    """What was said about a request: its document, None when it does not open, and what people decided."""

    document: Mapping[str, Any] | None
    decisions: Mapping[str, Decision]


def _progress(book: Book, route: Route | None, said: Said, request: Row[Any], rows: Sequence[Row[Any]]) -> Progress:
    """Say where a request stands; one whose route or data cannot be read any more waits for a person."""
    try:
        if route is not None and said.document is not None:
            facts = [fact_of(book.vault, row) for row in rows]
            return route.progress(said.document, facts, said.decisions, cancelled=bool(request.cancelled))
    except (MappingError, SealError):
        pass
    return Progress(Status.PARKED, INTEGRATION_ERROR)


def _route(book: Book, connection: Connection, version: str) -> Route | None:
    return book.known(version).route if book.can_read(connection, version) else None


def sealer_of(book: Book, request: Any) -> Sealer:
    """Give what seals a request's deliveries; one whose key does not open any more gets plain ones."""
    try:
        return book.vault.sealer(request.number, request.data_key)
    except SealError:
        return PLAIN


def delivery_rows(  # noqa: PLR0913  # what new deliveries come from
    number: int,
    planned: Sequence[Planned],
    last: int,
    now: int,
    follows: int | None = None,
    *,
    sealer: Sealer = PLAIN,
) -> list[dict[str, Any]]:
    """Write the rows of new deliveries, numbered on from `last`; a call-back waits for the one before it."""
    return [
        {
            "id": delivery_id(number, ordinal),
            "request": number,
            "ordinal": ordinal,
            "step": plan.step,
            "item": plan.item,
            "target": plan.target,
            "mapping": plan.mapping,
            "given": sealer.seal(given_at(ordinal), orjson.dumps(plan.given).decode()) if plan.given else "",
            "follows": follows if plan.step == CALLBACK else None,
            **FRESH,
            **(NOT_YET if plan.after or plan.not_before > now else {}),
            "next_at": max(now + plan.after, plan.not_before),
            "created_at": now,
            "updated_at": now,
        }
        for ordinal, plan in enumerate(planned, last + 1)
    ]


FRESH: Final[Mapping[str, Any]] = {
    "state": State.QUEUED,
    "code": "",
    "stage": "",
    "reference": "",
    "answer": "",
    "if_absent": "",
    "ever_uncertain": False,
    "attempts": 0,
    "questions": 0,
    "absences": 0,
    "claims": 0,
    "fence": 0,
    "owner": "",
    "lease_until": 0,
    "sent_at": 0,
}


def fact_of(vault: Vault, row: Any) -> Fact:
    """Give what a route reads of a delivery's row, which has its request's data key; raises SealError."""
    sealer = vault.sealer(row.request, row.data_key) if row.answer else PLAIN
    return fact_under(sealer, row)


def fact_under(sealer: Sealer, row: Any) -> Fact:
    """Give what a route reads of a delivery's row, whose answer is sealed by this; raises SealError."""
    answer = sealer.open(answer_at(row.id), row.answer)
    return Fact(row.step, row.item, State(row.state), row.stage, row.code, row.reference, answer)


def given_at(ordinal: int) -> str:
    """Say where what a delivery was given is sealed."""
    return f"delivery.given:{ordinal}"


def answer_at(delivery: int) -> str:
    """Say where what a delivery was answered is sealed."""
    return f"delivery.answer:{delivery % ROOM}"


def asked(number: int, plan: Planned, actor: str, now: int) -> dict[str, Any]:
    """Write down that a target is asked about a request, and why."""
    return {**BLANK_EVENT, "kind": "asked", "actor": actor, "note": plan.note, "at": now, "request": number}


NOT_YET: Final[Mapping[str, Any]] = {"state": State.WAITING, "code": PENDING}
"""What a new delivery is whose time is to come."""


def delivery_id(number: int, ordinal: int) -> int:
    """Give the number of a request's delivery."""
    return number * ROOM + ordinal


def key_of(delivery: int) -> DeliveryKey:
    """Name a delivery as its target knows it."""
    return delivery_key(*divmod(delivery, ROOM))


def delivery_of(key: str) -> int | None:
    """Give the delivery that a key names; None when it is no key."""
    named = KEY.fullmatch(key)
    return delivery_id(int(named[1]), int(named[2])) if named else None


def iso(instant: int) -> str:
    """Write an instant as an ISO 8601 date-time in UTC."""
    return datetime.fromtimestamp(instant / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _documents(book: Book, connection: Connection, numbers: Collection[int]) -> Mapping[int, Mapping[str, Any] | None]:
    """Read the bodies that some route reads; None for one that does not open."""
    return {row.number: _document(book, row) for row in BODIES.among(connection, numbers)} if numbers else {}


def _document(book: Book, row: Any) -> Mapping[str, Any] | None:
    try:
        return dict(orjson.loads(book.vault.body(row)))
    except (SealError, ValueError):
        return None


def _facts(connection: Connection, numbers: Collection[int]) -> Mapping[int, list[Any]]:
    rows: dict[int, list[Any]] = defaultdict(list)
    for row in FACTS.among(connection, numbers):
        rows[row.request].append(row)
    return rows


def _decisions(connection: Connection, numbers: Collection[int]) -> dict[int, dict[str, Decision]]:
    found: dict[int, dict[str, Decision]] = defaultdict(dict)
    for row in DECIDED.among(connection, numbers) if numbers else ():
        found[row.request][row.step] = Decision(row.step, bool(row.accepted), row.reason)
    return found


def _change(request: Row[Any], progress: Progress, now: int) -> dict[str, Any]:
    return {
        "b_number": request.number,
        "b_status": progress.status,
        "b_stage": progress.stage,
        "b_awaiting": progress.awaiting,
        "b_now": now,
        "b_ended": now if progress.status in FINAL_STATUSES else None,
    }


def _stage_event(request: Row[Any], progress: Progress, actor: str, now: int) -> dict[str, Any]:
    said = {"kind": "stage", "actor": actor, "stage": progress.stage, "status": progress.status, "at": now}
    return {**BLANK_EVENT, **said, "request": request.number}


def _followed(planned: list[Planned], route: Route | None, rows: Sequence[Row[Any]]) -> list[Planned]:
    """Plan what takes a delivery back, or waits for what it brings about, at the target where a person sent it."""
    if route is None:
        return planned
    return [replace(plan, target=_where_it_went(plan, route, rows)) for plan in planned]


def _where_it_went(plan: Planned, route: Route, rows: Sequence[Row[Any]]) -> str:
    step = route.named.get(plan.step)
    if isinstance(step, Deliver) and step.is_reversal:
        found = [row for row in rows if (f"{row.step}{UNDO}", row.item) == (plan.step, plan.item)]
    elif isinstance(step, AwaitEvent):
        there = {one.name for one in route.carried if isinstance(one, Deliver) and one.target == step.target}
        found = [row for row in rows if row.step in there]
    else:
        return plan.target
    return max(found, key=lambda row: row.ordinal).target if found else plan.target


def _callback(
    book: Book, connection: Connection, request: Row[Any], progress: Progress, rows: Sequence[Row[Any]]
) -> list[Planned]:
    """Plan the call-back that tells the front end of a new stage, with what it says frozen now."""
    callback = book.callbacks.get(request.front_end)
    if callback is None or not book.can_read(connection, request.version):
        return []
    definition = book.known(request.version)
    if callback.mapping not in definition.mappings:
        return []
    sequence = sum(row.step == CALLBACK for row in rows) + 1
    said = {
        "stage": progress.stage,
        "status": progress.status,
        "final": progress.status in FINAL_STATUSES,
        "message": fill(book.catalogue.message(definition, progress.stage), request.number, definition.route.title),
        "sequence": sequence,
        "at": iso(book.now()),
    }
    return [Planned(CALLBACK, sequence, *callback, {"stage": said})]


def _last_callback(rows: Iterable[Row[Any]]) -> int | None:
    return max((row.id for row in rows if row.step == CALLBACK), default=None)


def _write(
    connection: Connection,
    changes: Sequence[dict[str, Any]],
    new: Sequence[dict[str, Any]],
    events: Sequence[dict[str, Any]],
) -> None:
    if changes:
        UPDATE.run(connection, changes)
    if new:
        NEW_DELIVERIES.run(connection, new)
    if events:
        NEW_EVENTS.run(connection, events)
