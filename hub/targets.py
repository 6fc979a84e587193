"""The statements about targets: declaring them, pausing and resuming them, and seeing how they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, case, exists, func, or_, select, text, update

from hub.book import Book
from hub.policy import Policy
from hub.routing import PENDING
from hub.statements import upsert
from hub.tables import BLANK_EVENT, DELIVERIES, EVENTS, READY, TARGETS, WAITED, among


@dataclass(frozen=True, slots=True)
class Declared:
    """A target as this installation configures it."""

    name: str
    connector: str
    policy: Policy


@dataclass(frozen=True, slots=True)
class Switch:
    """A person's wish to pause a target, with the reason, or to resume it."""

    target: str
    paused: bool
    reason: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """One target now: switch and breaker, what is due, since when the oldest waits, the last success (instants)."""

    name: str
    connector: str
    paused: bool
    paused_reason: str
    breaker: str
    fails: int
    last_success_at: int
    backlog: int
    oldest_at: int | None


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether a target may be spoken to: its switch, and its breaker since when."""

    paused: bool = False
    breaker: str = "closed"
    opened_at: int = 0


def gate(connection: Connection, name: str) -> Gate:
    """See whether a target may be spoken to."""
    columns = (TARGETS.c.paused, TARGETS.c.breaker, TARGETS.c.opened_at)
    row = connection.execute(select(*columns).where(TARGETS.c.name == name)).first()
    return Gate(bool(row.paused), row.breaker, row.opened_at) if row else Gate()


def declare(connection: Connection, declared: Sequence[Declared]) -> list[None]:
    """Write targets down, keeping the switch and the breaker of those already known."""
    for target in declared:
        policy = target.policy.model_dump(mode="json")
        row = {
            "name": target.name,
            "connector": target.connector,
            "policy": policy,
            "paused": False,
            "paused_reason": "",
            "breaker": "closed",
            "fails": 0,
            "opened_at": 0,
            "tokens": max(target.policy.rate or 0.0, 1.0),
            "tokens_at": 0,
            "last_success_at": 0,
        }
        statement = upsert(TARGETS).on_conflict_do_update(
            index_elements=["name"],
            set_={"connector": target.connector, "policy": policy},
        )
        connection.execute(statement, row)
    return [None] * len(declared)


def switch(book: Book, connection: Connection, switches: Sequence[Switch]) -> list[bool]:
    """Pause or resume targets, and say so in the audit; False for one that does not exist."""
    return [_switch(book, connection, wanted) for wanted in switches]


def _switch(book: Book, connection: Connection, wanted: Switch) -> bool:
    values = {"paused": wanted.paused, "paused_reason": wanted.reason}
    found = connection.execute(update(TARGETS).where(TARGETS.c.name == wanted.target).values(**values)).rowcount == 1
    if found:
        kind, note = "pause" if wanted.paused else "resume", f"{wanted.target}: {wanted.reason}"
        said = {"kind": kind, "actor": wanted.actor, "note": note, "at": book.now()}
        connection.execute(EVENTS.insert(), {**BLANK_EVENT, **said})
    return found


def due(connection: Connection, now: int) -> list[str]:
    """List the targets that have something to be claimed now."""
    ready = DELIVERIES.c.target == TARGETS.c.name, text(among(READY)), DELIVERIES.c.next_at <= now
    sound, suspect = exists().where(*ready, DELIVERIES.c.claims == 0), exists().where(*ready, DELIVERIES.c.claims > 0)
    return list(connection.scalars(select(TARGETS.c.name).where(or_(sound, suspect))))


WAITING: Final = (
    select(
        DELIVERIES.c.target,
        func.count().label("backlog"),
        func.min(DELIVERIES.c.created_at).label("oldest_at"),
    )
    .where(text(among(READY)))
    .group_by(DELIVERIES.c.target)
    .subquery()
)
COLUMNS: Final = TARGETS.c
HEALTH: Final = (
    select(
        COLUMNS.name,
        COLUMNS.connector,
        COLUMNS.paused,
        COLUMNS.paused_reason,
        COLUMNS.breaker,
        COLUMNS.fails,
        COLUMNS.last_success_at,
        func.coalesce(WAITING.c.backlog, 0).label("backlog"),
        WAITING.c.oldest_at,
    )
    .outerjoin(WAITING, WAITING.c.target == COLUMNS.name)
    .order_by(COLUMNS.name)
)

PATIENT: Final = (
    select(DELIVERIES.c.target, func.count().label("deliveries"))
    .where(text(WAITED), DELIVERIES.c.next_at > bindparam("b_now"))
    .group_by(DELIVERIES.c.target)
)
OLDEST: Final = select(
    func.min(case((DELIVERIES.c.code == PENDING, DELIVERIES.c.next_at), else_=DELIVERIES.c.created_at))
).where(
    DELIVERIES.c.target == bindparam("b_target"),
    text(among(READY)),
    or_(DELIVERIES.c.code != PENDING, DELIVERIES.c.next_at <= bindparam("b_now")),
)
"""Asked only of targets that something waits at: no index has the code of what is ready."""


def health(connection: Connection, now: int) -> list[Health]:
    """See how every target is; what only waits for its time, or for an event, is not behind until it is due."""
    found = connection.execute(HEALTH).all()
    patient = {row.target: row.deliveries for row in connection.execute(PATIENT, {"b_now": now})}
    return [_health(connection, row, patient.get(row.name, 0), now) for row in found]


def _health(connection: Connection, row: Any, patient: int, now: int) -> Health:
    said = dict(row._mapping)  # noqa: SLF001  # its public name
    if patient:
        oldest = connection.scalar(OLDEST, {"b_target": row.name, "b_now": now})
        said |= {"backlog": row.backlog - patient, "oldest_at": oldest}
    return Health(**said)
