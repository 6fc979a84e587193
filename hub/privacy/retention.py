"""What is due to go, and what soon will be: read from the ledger by each kind's terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Select, func, or_, select, text

from hub.catalogue import Catalogue
from hub.lifecycle import FINAL, State
from hub.model import FINAL_STATUSES, Status
from hub.privacy.classes import DataClass
from hub.privacy.terms import Retention
from hub.tables import DELIVERIES, EVENTS, KEPT, REQUESTS, TALLY
from hub.tables_privacy import KEEPINGS

OPEN_STATUSES: Final = tuple(status for status in Status if status not in FINAL_STATUSES)

IN_HAND: Final = frozenset({State.CLAIMED, State.SENDING, State.ASKING})
"""States in which somebody is about to write down what comes of a delivery: nothing may be taken from under him."""

Terms = Callable[[str], Retention]
"""Kind → how long its requests are kept."""


class Why(StrEnum):
    """Why a request is on the list."""

    ENDED = "ended"
    FAILED = "failed"
    SOONER = "sooner"


class Held(StrEnum):
    """What keeps a request from being purged although its time has come."""

    UNCERTAIN = "uncertain"
    IN_HAND = "in_hand"
    IN_PROGRESS = "in_progress"
    PARKED = "parked"
    EXTENDED = "extended"

    @property
    def sentence(self) -> str:
        """What people read."""
        return SENTENCES[self]


SENTENCES: Final[Mapping[Held, str]] = MappingProxyType(
    {
        Held.UNCERTAIN: "one of its deliveries may have been taken and nobody knows yet: verify it first",
        Held.IN_HAND: "one of its deliveries is being sent this moment: try again in a minute",
        Held.IN_PROGRESS: "it is still under way: wait for its end, or cancel it",
        Held.PARKED: "one of its deliveries waits for a person: retry, finalize or reject it first",
        Held.EXTENDED: "it is kept longer on a legal ground",
    }
)


class Window(NamedTuple):
    """What is looked for of one kind: what is due by `until`, as seen `now`, so many at most."""

    kind: str
    said: Retention
    until: int
    now: int
    limit: int


class Due(NamedTuple):
    """One request whose time has come, or will soon; `at`: since when, or when. `classes`: those that go, else all."""

    number: int
    kind: str
    why: Why
    at: int
    held: Held | None = None
    classes: frozenset[DataClass] = frozenset()


def terms_of(catalogue: Catalogue, usual: Retention) -> Terms:
    """Say how long each kind's requests are kept; those of a kind that is offered no more by the usual terms."""

    def terms(kind: str) -> Retention:
        known = catalogue.kinds.get(kind)
        return known.route.privacy.retention(usual) if known else usual

    return terms


def due(connection: Connection, terms: Terms, now: int, *, ahead: bool = False, limit: int = 1_000) -> list[Due]:
    """List what is due, or will be within each kind's warning (`ahead`), kind by kind, the longest due first."""
    found: list[Due] = []
    for kind in connection.scalars(select(TALLY.c.kind).order_by(TALLY.c.kind)).all():
        said = terms(kind)
        until = now + (milliseconds(said.warn) if ahead else 0)
        for some in (_ended, _failed, _sooner):
            found += some(connection, Window(kind, said, until, now, max(limit - len(found), 0)))
        if len(found) >= limit:
            break
    return found


def held_by(states: Mapping[int, str], status: str) -> Held | None:
    """Say what keeps a request from being purged, from the states of its deliveries; None when nothing does."""
    there = set(map(State, states.values())) - FINAL
    if there & IN_HAND:
        return Held.IN_HAND
    if State.UNCERTAIN in there:
        return Held.UNCERTAIN
    if State.PARKED in there:
        return Held.PARKED
    return Held.IN_PROGRESS if there or status not in FINAL_STATUSES else None


def milliseconds(lasting: timedelta) -> int:
    """Write a duration as the ledger's moments are."""
    return int(lasting.total_seconds() * 1000)


def _kept(kind: str) -> Select[Any]:
    """Select the ended requests of a kind that still hold something, with what was decided about them."""
    joined = REQUESTS.outerjoin(KEEPINGS, KEEPINGS.c.request == REQUESTS.c.number)
    columns = REQUESTS.c.number, REQUESTS.c.ended_at, KEEPINGS.c.until, KEEPINGS.c.trimmed_at
    return select(*columns).select_from(joined).where(REQUESTS.c.kind == kind, text(KEPT))


def _ended(connection: Connection, asked: Window) -> Iterator[Due]:
    lasting = milliseconds(asked.said.after_end)
    over = REQUESTS.c.ended_at <= asked.until - lasting
    rows = connection.execute(_kept(asked.kind).where(over).order_by(REQUESTS.c.ended_at).limit(asked.limit)).all()
    states = _states(connection, [row.number for row in rows])
    for row in rows:
        held = Held.EXTENDED if (row.until or 0) > asked.now else None
        taken = {State(one) for one in states.get(row.number, {}).values()}
        held = held or (Held.IN_HAND if taken & IN_HAND else Held.UNCERTAIN if State.UNCERTAIN in taken else None)
        yield Due(row.number, asked.kind, Why.ENDED, max(row.ended_at + lasting, row.until or 0), held)


def _failed(connection: Connection, asked: Window) -> Iterator[Due]:
    """List those that never ended and have long given no sign of life; only the parked ones go by themselves."""
    lasting = milliseconds(asked.said.failures)
    of_delivery = select(func.max(DELIVERIES.c.updated_at)).where(DELIVERIES.c.request == REQUESTS.c.number)
    of_event = select(func.max(EVENTS.c.at)).where(EVENTS.c.request == REQUESTS.c.number)
    joined = REQUESTS.outerjoin(KEEPINGS, KEEPINGS.c.request == REQUESTS.c.number)
    columns = REQUESTS.c.number, REQUESTS.c.status, REQUESTS.c.updated_at, KEEPINGS.c.until
    moved = of_delivery.scalar_subquery().label("moved"), of_event.scalar_subquery().label("told")
    standing = REQUESTS.c.status.in_(OPEN_STATUSES), REQUESTS.c.kind == asked.kind
    statement = (
        select(*columns, *moved).select_from(joined).where(*standing, REQUESTS.c.updated_at <= asked.until - lasting)
    )
    rows = connection.execute(statement.order_by(REQUESTS.c.number).limit(asked.limit)).all()
    states = _states(connection, [row.number for row in rows])
    for row in rows:
        last = max(row.updated_at, row.moved or 0, row.told or 0)
        if last > asked.until - lasting:
            continue
        held = held_by(states.get(row.number, {}), row.status)
        held = Held.EXTENDED if (row.until or 0) > asked.now else None if held is Held.PARKED else held
        yield Due(row.number, asked.kind, Why.FAILED, max(last + lasting, row.until or 0), held)


def _sooner(connection: Connection, asked: Window) -> Iterator[Due]:
    """List the ended requests of which some fields go before the rest."""
    sooner = {
        one: milliseconds(lasting) for one, lasting in asked.said.classes.items() if lasting < asked.said.after_end
    }
    if not sooner:
        return
    ended, trimmed = REQUESTS.c.ended_at, KEEPINGS.c.trimmed_at
    over = [
        ended.between(asked.now - milliseconds(asked.said.after_end), asked.until - lasting)
        for lasting in sooner.values()
    ]
    again = [or_(trimmed.is_(None), trimmed < ended + lasting) for lasting in sooner.values()]
    any_class = or_(*(one & two for one, two in zip(over, again, strict=True)))
    rows = connection.execute(_kept(asked.kind).where(any_class).order_by(ended).limit(asked.limit)).all()
    for row in rows:
        done = row.trimmed_at or 0
        classes = {one: at for one, lasting in sooner.items() if done < (at := row.ended_at + lasting) <= asked.until}
        held = Held.EXTENDED if (row.until or 0) > asked.now else None
        if classes:
            yield Due(row.number, asked.kind, Why.SOONER, min(classes.values()), held, frozenset(classes))


def _states(connection: Connection, numbers: list[int]) -> dict[int, dict[int, str]]:
    found: dict[int, dict[int, str]] = {}
    columns = DELIVERIES.c.request, DELIVERIES.c.id, DELIVERIES.c.state
    for first in range(0, len(numbers), 500):
        some = select(*columns).where(DELIVERIES.c.request.in_(numbers[first : first + 500]))
        for row in connection.execute(some):
            found.setdefault(row.request, {})[row.id] = row.state
    return found
