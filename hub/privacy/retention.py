"""What is due to go, and what soon will be: read from the ledger by each kind's terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Connection, Row, Select, func, or_, select, text

from hub.catalogue import Catalogue
from hub.lifecycle import FINAL, State
from hub.model import FINAL_STATUSES, Status
from hub.privacy.classes import DataClass, classes_in
from hub.privacy.terms import Retention
from hub.tables import DEFINITIONS, DELIVERIES, EVENTS, KEPT, REQUESTS, TALLY
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
    SEALED = "sealed"

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
        Held.SEALED: "something of it does not open: put the key back that is missing, or erase all of it",
    }
)


AT_A_TIME: Final = 1_000
"""Requests of one kind that are listed at a time, for one reason."""


class Spot(NamedTuple):
    """Where the list of one kind's requests that are due for one reason goes on: after this moment and number."""

    kind: str
    why: Why
    at: int = -1
    number: int = -1


class Window(NamedTuple):
    """What is looked for from a spot: what is due by `until`, as seen `now`, so many at most."""

    spot: Spot
    said: Retention
    until: int
    now: int
    limit: int

    @property
    def kind(self) -> str:
        """The kind that is looked through."""
        return self.spot.kind

    def page(self, rows: Sequence[Row[Any]], found: Sequence[Due]) -> Page:
        """Give what was found in these rows, and where the list goes on; nowhere when they are the last."""
        if len(rows) < self.limit:
            return Page(found, None)
        return Page(found, self.spot._replace(at=rows[-1].ended_at or 0, number=rows[-1].number))


class Due(NamedTuple):
    """One request whose time has come, or will soon; `at`: since when, or when. `classes`: those that go, else all."""

    number: int
    kind: str
    why: Why
    at: int
    held: Held | None = None
    classes: frozenset[DataClass] = frozenset()


class Page(NamedTuple):
    """Some of a list, what is held among them, and where it goes on."""

    found: Sequence[Due]
    after: Spot | None


def terms_of(catalogue: Catalogue, usual: Retention) -> Terms:
    """Say how long each kind's requests are kept; those of a kind that is offered no more by the usual terms."""

    def terms(kind: str) -> Retention:
        known = catalogue.kinds.get(kind)
        return known.route.privacy.retention(usual) if known else usual

    return terms


def spots(connection: Connection) -> list[Spot]:
    """Give the beginning of each list that there is: of each kind, for each reason."""
    kinds = connection.scalars(select(TALLY.c.kind).order_by(TALLY.c.kind)).all()
    return [Spot(kind, why) for kind in kinds for why in Why]


def page(connection: Connection, terms: Terms, now: int, spot: Spot, *, ahead: bool = False) -> Page:
    """List from a spot on what is due, or will be within its kind's warning (`ahead`).

    Whoever takes away what is due goes on from page to page: what is held fills a page, and never stops them.
    """
    said = terms(spot.kind)
    until = now + (milliseconds(said.warn) if ahead else 0)
    return LISTS[spot.why](connection, Window(spot, said, until, now, AT_A_TIME))


def due(connection: Connection, terms: Terms, now: int, *, ahead: bool = False) -> list[Due]:
    """List what is due, or soon will be, kind by kind, the longest due first: the first page for each reason."""
    return [one for spot in spots(connection) for one in page(connection, terms, now, spot, ahead=ahead).found]


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


def _kept(asked: Window) -> Select[Any]:
    """Select the ended requests of a kind that still hold something, with what was decided about them."""
    joined = REQUESTS.outerjoin(KEEPINGS, KEEPINGS.c.request == REQUESTS.c.number)
    columns = *(REQUESTS.c[name] for name in ("number", "ended_at", "status")), KEEPINGS.c.until, KEEPINGS.c.trimmed_at
    ended, spot = REQUESTS.c.ended_at, asked.spot
    further = ended >= spot.at, or_(ended > spot.at, REQUESTS.c.number > spot.number)
    kept = select(*columns).select_from(joined).where(REQUESTS.c.kind == asked.kind, text(KEPT), *further)
    return kept.order_by(ended, REQUESTS.c.number).limit(asked.limit)


def _ended(connection: Connection, asked: Window) -> Page:
    lasting = milliseconds(asked.said.after_end)
    rows = connection.execute(_kept(asked).where(REQUESTS.c.ended_at <= asked.until - lasting)).all()
    states = _states(connection, [row.number for row in rows])
    found = []
    for row in rows:
        taken = {State(one) for one in states.get(row.number, {}).values()}
        held = Held.IN_HAND if taken & IN_HAND else Held.UNCERTAIN if State.UNCERTAIN in taken else None
        at = max(row.ended_at + lasting, row.until or 0)
        found.append(Due(row.number, asked.kind, Why.ENDED, at, _extended(row, asked) or held))
    return asked.page(rows, found)


def _failed(connection: Connection, asked: Window) -> Page:
    """List those that never ended and have long given no sign of life; only the parked ones go by themselves."""
    lasting = milliseconds(asked.said.failures)
    rows = connection.execute(_silent(asked, asked.until - lasting)).all()
    states = _states(connection, [row.number for row in rows])
    found = []
    for row in rows:
        last = max(row.updated_at, row.moved or 0, row.told or 0)
        if last > asked.until - lasting:
            continue
        held = held_by(states.get(row.number, {}), row.status)
        held = _extended(row, asked) or (None if held is Held.PARKED else held)
        found.append(Due(row.number, asked.kind, Why.FAILED, max(last + lasting, row.until or 0), held))
    return asked.page(rows, found)


def _silent(asked: Window, since: int) -> Select[Any]:
    """Select the open requests of a kind that have not moved since a moment, with their last signs of life."""
    of_delivery = select(func.max(DELIVERIES.c.updated_at)).where(DELIVERIES.c.request == REQUESTS.c.number)
    of_event = select(func.max(EVENTS.c.at)).where(EVENTS.c.request == REQUESTS.c.number)
    joined = REQUESTS.outerjoin(KEEPINGS, KEEPINGS.c.request == REQUESTS.c.number)
    columns = *(REQUESTS.c[name] for name in ("number", "ended_at", "status", "updated_at")), KEEPINGS.c.until
    moved = of_delivery.scalar_subquery().label("moved"), of_event.scalar_subquery().label("told")
    standing = REQUESTS.c.status.in_(OPEN_STATUSES), REQUESTS.c.kind == asked.kind, REQUESTS.c.updated_at <= since
    further = REQUESTS.c.number > asked.spot.number
    silent = select(*columns, *moved).select_from(joined).where(*standing, further)
    return silent.order_by(REQUESTS.c.number).limit(asked.limit)


def _sooner(connection: Connection, asked: Window) -> Page:
    """List the ended requests of which some fields go before the rest: those classes alone that their kind has."""
    said = {one: lasting for one, lasting in asked.said.classes.items() if lasting < asked.said.after_end}
    there = _classes_of(connection, asked.kind) if said else ()
    sooner = {one: milliseconds(lasting) for one, lasting in said.items() if one in there}
    if not sooner:
        return Page((), None)
    ended, trimmed = REQUESTS.c.ended_at, KEEPINGS.c.trimmed_at
    first = asked.now - milliseconds(asked.said.after_end)
    any_class = or_(
        *(
            ended.between(first, asked.until - lasting) & or_(trimmed.is_(None), trimmed < ended + lasting)
            for lasting in sooner.values()
        )
    )
    rows = connection.execute(_kept(asked).where(any_class)).all()
    states = _states(connection, [row.number for row in rows])
    found = []
    for row in rows:
        done = row.trimmed_at or 0
        classes = {one: at for one, lasting in sooner.items() if done < (at := row.ended_at + lasting) <= asked.until}
        held = _extended(row, asked) or held_by(states.get(row.number, {}), row.status)
        if classes:
            found.append(Due(row.number, asked.kind, Why.SOONER, min(classes.values()), held, frozenset(classes)))
    return asked.page(rows, found)


def _extended(row: Row[Any], asked: Window) -> Held | None:
    return Held.EXTENDED if (row.until or 0) > asked.now else None


def _classes_of(connection: Connection, kind: str) -> frozenset[DataClass]:
    """Give the classes that a kind's requests may have, by every version that one may be pinned to."""
    sources = connection.scalars(select(DEFINITIONS.c.source).where(DEFINITIONS.c.kind == kind)).all()
    return frozenset().union(*map(_classes_by, sources)) if sources else frozenset(DataClass)


def _classes_by(source: str) -> frozenset[DataClass]:
    """Give the classes that a definition's text says; every one where it cannot be read any more."""
    try:
        return classes_in(orjson.loads(orjson.loads(source)["schema"]))
    except (LookupError, TypeError, ValueError):
        return frozenset(DataClass)


LISTS: Final[Mapping[Why, Callable[[Connection, Window], Page]]] = MappingProxyType(
    {Why.ENDED: _ended, Why.FAILED: _failed, Why.SOONER: _sooner}
)


def _states(connection: Connection, numbers: list[int]) -> dict[int, dict[int, str]]:
    found: dict[int, dict[int, str]] = {}
    columns = DELIVERIES.c.request, DELIVERIES.c.id, DELIVERIES.c.state
    for first in range(0, len(numbers), 500):
        some = select(*columns).where(DELIVERIES.c.request.in_(numbers[first : first + 500]))
        for row in connection.execute(some):
            found.setdefault(row.request, {})[row.id] = row.state
    return found
