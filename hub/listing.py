"""The list: pages of requests, or of deliveries, that answer every criterion, each read from an index in its order.

What no index has is looked for among the first thousands that an index gives, and the page says how far it looked:
whatever is asked, a page costs what it costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, false, func, literal, or_, select, text, true, tuple_

from hub.access import Principal
from hub.criteria import (
    INDEXED,
    NARROW,
    Criteria,
    Sort,
    apart,
    keeping_to,
    numbers_of,
    of_deliveries,
    of_requests,
    plain,
)
from hub.lines import Line, held_by, lines, subject_of
from hub.periods import LAST, Span, within
from hub.settlement import ROOM
from hub.tables import DELIVERIES, OPEN, REQUESTS, TROUBLED, among

MOST_READ: Final = 3_000
"""So many rows are looked through for what no index has."""

MOST_LOOKS: Final = 30
"""So many times as many are looked through for a batch about all that matches, which nobody makes often."""

MOST_COUNTED: Final = 10_000
"""Beyond so many, a count only says that there are more."""

BOTH: Final = DELIVERIES.join(REQUESTS, REQUESTS.c.number == DELIVERIES.c.request)
COVERED: Final = text(among(TROUBLED))

OF_DELIVERIES: Final = frozenset({"state", "target", "code", "cause_stage", "attempts"})
"""Criteria of deliveries alone."""

DELIVERIES_INDEXED: Final = (
    frozenset({"state"}),
    frozenset({"state", "target"}),
    frozenset({"state", "code"}),
    frozenset({"state", "target", "code", "cause_stage"}),
)
"""What indexes of deliveries have."""

Key = tuple[int, ...]
"""What tells a row's place in the order."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its lines, and the cursors of the pages before and after.

    `further`: where the search goes on when it ended before the page was full.
    """

    lines: Sequence[Line] = ()
    previous: str | None = None
    next: str | None = None
    further: str | None = None


class Count(NamedTuple):
    """How many there are; `more` when there are more than were counted."""

    found: int
    more: bool


class Subjects(NamedTuple):
    """What a batch is about; `is_all` when nothing that matches is left out."""

    found: Sequence[int]
    is_all: bool


def page(connection: Connection, caller: Principal, criteria: Criteria) -> Page:
    """Show a page."""
    backwards = criteria.before is not None
    edge = criteria.before or criteria.after
    found, floor = _Search(connection, caller, criteria).keys(edge, criteria.limit + 1, backwards=backwards)
    is_full, found = len(found) > criteria.limit, found[: criteria.limit]
    end = _cursor(found[-1]) if is_full else floor
    shown = found[::-1] if backwards else found
    told = lines(connection, [key[-1] for key in shown], of_deliveries=criteria.is_of_deliveries)
    if backwards:
        return Page(told, previous=end, next=_cursor(shown[-1]) if shown else None)
    previous = _cursor(shown[0]) if shown and edge else None
    return Page(told, previous, end if is_full else None, None if is_full else end)


def count(connection: Connection, caller: Principal, criteria: Criteria) -> Count:
    """Count what there is, up to MOST_COUNTED."""
    return _Search(connection, caller, criteria).count()


def subjects(connection: Connection, caller: Principal, criteria: Criteria, most: int) -> Subjects:
    """Give what a batch is about when it is about all that matches: the oldest first, at most so many.

    Where no index has what is asked, the oldest are looked through, then what the list shows first: whoever asks for
    all of it has that before their eyes. Anything between is left out, which `is_all` says.
    """
    search = _Search(connection, caller, criteria.model_copy(update={"sort": Sort.NEWEST}))
    found, cursor = _from_the_oldest(search, most + 1)
    is_all = cursor is None and len(found) <= most
    if cursor is not None and len(found) < most:
        newest = [key[-1] for key in search.keys(None, most - len(found), backwards=False)[0]]
        found = [*found, *sorted(set(newest) - set(found))]
    found = found[:most]
    if criteria.is_of_deliveries:
        return Subjects(found, is_all)
    held = held_by(connection, found)
    return Subjects([subject_of(number, held.get(number)) for number in found], is_all)


def _from_the_oldest(search: _Search, most: int) -> tuple[list[int], str | None]:
    """Look stretch after stretch from the oldest on; gives where the last one ended when that was not at the end."""
    found: list[int] = []
    cursor: str | None = None
    for _ in range(MOST_LOOKS):
        keys, cursor = search.keys(cursor, most - len(found), backwards=True)
        found += [key[-1] for key in keys]
        if cursor is None or len(found) >= most:
            break
    return found, cursor


@dataclass(frozen=True)
class _Way:
    """An order: its columns, the last of which tells rows apart, and whether the greatest comes first."""

    columns: tuple[Any, ...]
    descending: bool

    def beyond(self, edge: Key, *, backwards: bool) -> ColumnElement[bool]:
        """Say what comes after a row, or before it."""
        mine, there = self._both(edge)
        return mine < there if self.descending is not backwards else mine > there  # type: ignore[no-any-return]

    def until(self, edge: Key, *, backwards: bool) -> ColumnElement[bool]:
        """Say what comes no later than a row, which is included."""
        mine, there = self._both(edge)
        return mine >= there if self.descending is not backwards else mine <= there  # type: ignore[no-any-return]

    def order(self, *, backwards: bool = False) -> list[Any]:
        """Give the terms of ORDER BY."""
        return [column.desc() if self.descending is not backwards else column for column in self.columns]

    def _both(self, edge: Key) -> tuple[Any, Any]:
        if len(self.columns) == 1:
            return self.columns[0], edge[0]
        return tuple_(*self.columns), tuple_(*map(literal, edge))


@dataclass(frozen=True)
class _Search:
    """One search: which stretches of which index are read, in which order, and what else must hold."""

    connection: Connection
    caller: Principal
    criteria: Criteria

    def keys(self, cursor: str | None, most: int, *, backwards: bool) -> tuple[list[Key], str | None]:
        """Find the keys of a page, and how far was looked when not to the end."""
        edge = _key(cursor, self.way) if cursor else None
        floor = None if self.is_covered else self._floor(edge, backwards=backwards)
        limits = self._limits(edge, floor, backwards=backwards)
        found = [key for arm in self.arms for key in self._read([*arm, *limits], most, backwards=backwards)]
        ordered = sorted(found, reverse=self.way.descending is not backwards)
        return ordered[:most], _cursor(floor) if floor else None

    def count(self) -> Count:
        """Count each arm."""
        floor = None if self.is_covered else self._floor(None, backwards=False)
        limits = self._limits(None, floor, backwards=False)
        found = 0
        for arm in self.arms:
            asked = select(literal(1)).select_from(self.source).where(*arm, *self.conditions, *limits)
            some = asked.limit(MOST_COUNTED + 1).subquery()
            found += self.connection.scalar(select(func.count()).select_from(some)) or 0
        return Count(min(found, MOST_COUNTED), found > MOST_COUNTED or floor is not None)

    @cached_property
    def way(self) -> _Way:
        match self.criteria.order:
            case Sort.DUE:
                return _Way((REQUESTS.c.due_at, self.identity), descending=False)
            case Sort.OLDEST:
                return _Way((DELIVERIES.c.updated_at, self.identity), descending=False)
            case Sort.NEWEST:
                return _Way((self.identity,), descending=True)

    @property
    def identity(self) -> Any:
        return DELIVERIES.c.id if self.criteria.is_of_deliveries else REQUESTS.c.number

    @cached_property
    def source(self) -> Any:
        """What is read: requests are left out where nothing is asked of them."""
        if not self.criteria.is_of_deliveries:
            return REQUESTS
        kept = self.caller.kinds or self.caller.sites or self.criteria.order is Sort.DUE
        return BOTH if kept or self.criteria.named - OF_DELIVERIES else DELIVERIES

    @cached_property
    def numbers(self) -> Sequence[Span]:
        return numbers_of(self.connection, self.criteria)

    @cached_property
    def in_period(self) -> list[ColumnElement[bool]]:
        span = within(self.numbers, self.identity, self._room)
        return [] if span is None else [span]

    @property
    def _room(self) -> int:
        return ROOM if self.criteria.is_of_deliveries else 1

    def _limits(self, edge: Key | None, floor: Key | None, *, backwards: bool) -> list[ColumnElement[bool]]:
        """Say between which rows is read: of several bounds on one side, SQLite would use any."""
        if self.criteria.order is not Sort.NEWEST:
            beyond = [self.way.beyond(edge, backwards=backwards)] if edge else []
            return [*self.in_period, *beyond, *([self.way.until(floor, backwards=backwards)] if floor else [])]
        least, most = (edge, floor) if backwards else (floor, edge)
        low = least[0] + backwards if least else 0
        high = most[0] + backwards if most else LAST * self._room
        parts = (Span(max(low, one.first * self._room), min(high, one.last * self._room)) for one in self.numbers)
        return [or_(false(), *(self._between(part, low) for part in parts if part.first < part.last))]

    def _between(self, part: Span, low: int) -> ColumnElement[bool]:
        above = [self.identity >= part.first] if part.first or low else []
        return and_(true(), *above, *([self.identity < part.last] if part.last < LAST * self._room else []))

    @cached_property
    def conditions(self) -> list[ColumnElement[bool]]:
        """Everything that must hold, but what tells one arm from another."""
        column = apart if self.criteria.order is Sort.DUE else plain
        said = of_requests(self.criteria, self.numbers, column)
        said += keeping_to(column(REQUESTS.c.kind), self.caller.kinds)
        said += keeping_to(column(REQUESTS.c.site), self.caller.sites)
        met = of_deliveries(self.criteria)
        if self.criteria.is_of_deliveries or not met:
            return [*said, *met]
        mine = DELIVERIES.c.request == REQUESTS.c.number
        return [*said, select(DELIVERIES.c.id).where(mine, *met).correlate(REQUESTS).exists()]

    @cached_property
    def arms(self) -> Sequence[Sequence[Any]]:
        """The stretches that are read, each in its order: an index has one state, one kind or one site at a time."""
        on_the_clock = [text(OPEN)] if self.criteria.order is Sort.DUE else []
        if self.criteria.is_of_deliveries:
            states = dict.fromkeys(self.criteria.state)
            return [[COVERED, DELIVERIES.c.state == state.value, *on_the_clock] for state in states]
        column, allowed = self._kept
        return [[column == one] for one in sorted(allowed)] if allowed else [on_the_clock]

    @property
    def _kept(self) -> tuple[Any, frozenset[str]]:
        """What a person is kept to, where an index can be read for each of it."""
        criteria = self.criteria
        if criteria.is_of_deliveries or criteria.order is not Sort.NEWEST or criteria.named & NARROW:
            return None, frozenset()
        if self.caller.sites and not criteria.named & {"kind", "status", "stage", "site"}:
            return REQUESTS.c.site, self.caller.sites
        if self.caller.kinds and not criteria.named & {"kind", "stage", "site"}:
            return REQUESTS.c.kind, self.caller.kinds
        return None, frozenset()

    @property
    def is_covered(self) -> bool:
        """Whether an index has all that is asked, or few rows answer: then nothing is looked through."""
        criteria, caller, named = self.criteria, self.caller, self.criteria.named
        if named & NARROW:
            return True
        if criteria.is_of_deliveries:
            return named in DELIVERIES_INDEXED and self.source is DELIVERIES
        column, _allowed = self._kept
        apart = {"kind"} if column is REQUESTS.c.kind else set()
        unseen = (caller.sites and column is not REQUESTS.c.site) or (
            caller.kinds and column is not REQUESTS.c.kind and "kind" not in named
        )
        return not unseen and named | apart in INDEXED and criteria.order is Sort.NEWEST

    def _read(self, conditions: Sequence[Any], most: int, *, backwards: bool) -> Iterator[Key]:
        asked = select(*self.way.columns).select_from(self.source).where(*conditions, *self.conditions)
        for row in self.connection.execute(asked.order_by(*self.way.order(backwards=backwards)).limit(most)):
            yield tuple(row)

    def _floor(self, edge: Key | None, *, backwards: bool) -> Key | None:
        """Find the last row that is looked at, the same in each arm: no farther than the first that is cut off."""
        floors = [self._end(arm, edge, backwards=backwards) for arm in self.arms]
        cut = [floor for floor in floors if floor is not None]
        if not cut:
            return None
        return max(cut) if self.way.descending is not backwards else min(cut)

    def _end(self, arm: Sequence[Any], edge: Key | None, *, backwards: bool) -> Key | None:
        """Find where an arm is cut off, by an index alone."""
        arm = [] if self.criteria.order is Sort.DUE else arm
        way, source, own = self._stretch
        beyond = [way.beyond(edge, backwards=backwards)] if edge else []
        limits = beyond if self.criteria.order is Sort.DUE else self._limits(edge, None, backwards=backwards)
        asked = select(*way.columns).select_from(source).where(*arm, *own, *limits)
        if not (arm or own):
            return self._counted_off(asked, backwards=backwards)
        ordered = asked.order_by(*way.order(backwards=backwards)).offset(MOST_READ - 1).limit(1)
        row = self.connection.execute(ordered).first()
        return None if row is None else tuple(row)

    def _counted_off(self, asked: Select[Any], *, backwards: bool) -> Key | None:
        """Find it among all requests by their numbers, most of which are there: no index is needed."""
        one = asked.limit(1)
        least = self.connection.scalar(one.order_by(REQUESTS.c.number))
        most = self.connection.scalar(one.order_by(REQUESTS.c.number.desc()))
        if least is None or most is None or most - least < MOST_READ:
            return None
        return (least + MOST_READ,) if backwards else (most - MOST_READ,)

    @cached_property
    def _stretch(self) -> tuple[_Way, Any, list[Any]]:
        """Say in which order which index is read, and on what conditions that it has."""
        criteria = self.criteria
        if criteria.order is Sort.DUE:
            last = REQUESTS.c.number * ROOM + (ROOM - 1) if criteria.is_of_deliveries else REQUESTS.c.number
            return _Way((REQUESTS.c.due_at, last), descending=False), REQUESTS, [text(OPEN)]
        columns = DELIVERIES.c if criteria.is_of_deliveries else REQUESTS.c
        names = ("target", "code") if criteria.is_of_deliveries else ("kind", "status", "stage", "site")
        said = next(((name, getattr(criteria, name)) for name in names if getattr(criteria, name) is not None), None)
        own = [columns[said[0]] == _written(str(said[1]))] if said else []
        return self.way, self.identity.table, own


def _written(said: str) -> str:
    """Write a standing as the ledger does."""
    return "waiting" if said == "retrying" else said


def _key(cursor: str, way: _Way) -> Key:
    """Read a cursor; one of another order begins at its last part."""
    parts = [int(part, 16) for part in cursor.split("-")]
    return tuple(parts[-len(way.columns) :]) if len(parts) >= len(way.columns) else (0, *parts)


def _cursor(key: Sequence[int]) -> str:
    return "-".join(f"{part:x}" for part in key)
