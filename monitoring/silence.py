"""What comes on such a day: the last 24 hours beside the same 24 hours of the last weeks, from the ledger alone.

Nothing in the ledger is ordered by time but the numbers of requests, nearly: each process takes them by the block. So a
day's requests are found between two numbers, and held to their moments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, func, select

from hub.calendar import day_of, public_holidays
from hub.lifecycle import State
from hub.settlement import ROOM
from hub.tables import DELIVERIES, REQUESTS

DAY: Final = 86_400_000
WEEK: Final = 7 * DAY

WEEKS: Final = 4
"""How many weeks say what comes on such a day: one may be odd, and what never failed in four is a habit."""

FEWEST: Final = 3
"""How many of them must be without a public holiday."""

DISORDER: Final = 2_000
"""How far from its moment's place a number may be: four processes that take requests in, with a block each."""

Window = tuple[int, int]
Tally = Callable[[Connection, Window, Window], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Habit:
    """By name: what came in the last 24 hours, and the least that came in the same hours of the last weeks."""

    received: Mapping[str, int]
    expected: Mapping[str, int]


def of_kinds(connection: Connection, now: int) -> Habit:
    """See what was received of each kind."""
    return _habit(connection, now, _received)


def of_targets(connection: Connection, now: int) -> Habit:
    """See how many deliveries each target took, of the requests of those days."""
    return _habit(connection, now, _delivered)


def _habit(connection: Connection, now: int, tally: Tally) -> Habit:
    today = (now - DAY, now)
    received = _counted(connection, today, tally)
    if _is_odd(today):
        return Habit(received, {})
    before = [(now - DAY - week * WEEK, now - week * WEEK) for week in range(1, WEEKS + 1)]
    usual = [_counted(connection, window, tally) for window in before if not _is_odd(window)]
    return Habit(received, _least(usual) if len(usual) >= FEWEST else {})


def _least(usual: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {name: min(one[name] for one in usual) for name in set.intersection(*map(set, usual))}


def _is_odd(window: Window) -> bool:
    """Say whether a public holiday is about."""
    return any(day in public_holidays(day.year) for day in map(day_of, window))


def _counted(connection: Connection, window: Window, tally: Tally) -> Mapping[str, int]:
    numbers = (first_since(connection, window[0]) - DISORDER, first_since(connection, window[1]) + DISORDER)
    return tally(connection, window, numbers)


def first_since(connection: Connection, instant: int) -> int:
    """Find the first number from which requests are no older than an instant: by halves, for no index has it."""
    low, high = connection.execute(select(func.min(REQUESTS.c.number), func.max(REQUESTS.c.number) + 1)).one()
    if low is None:
        return 0
    while low < high:
        middle = (low + high) // 2
        after = select(REQUESTS.c.number, REQUESTS.c.received_at).where(REQUESTS.c.number >= middle)
        found = connection.execute(after.order_by(REQUESTS.c.number).limit(1)).one()
        if found.received_at >= instant:
            high = middle
        else:
            low = found.number + 1
    return int(low)


def _received(connection: Connection, window: Window, numbers: Window) -> Mapping[str, int]:
    within = REQUESTS.c.number.between(*numbers), *_between(REQUESTS.c.received_at, window)
    return Counter(connection.scalars(select(REQUESTS.c.kind).where(*within).order_by(REQUESTS.c.number)))


def _delivered(connection: Connection, window: Window, numbers: Window) -> Mapping[str, int]:
    first, last = numbers
    within = DELIVERIES.c.id.between(first * ROOM, last * ROOM), *_between(DELIVERIES.c.created_at, window)
    taken = select(DELIVERIES.c.target).where(*within, DELIVERIES.c.state == State.DELIVERED)
    return Counter(connection.scalars(taken.order_by(DELIVERIES.c.id)))


def _between(column: Any, window: Window) -> tuple[Any, Any]:
    begin, end = window
    return column >= begin, column < end
