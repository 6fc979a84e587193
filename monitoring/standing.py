"""What is counted in the ledger for a scrape: where everything stands, what presses, and what people have under way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, case, exists, func, select, text

from hub import targets
from hub.balance import KindBalance, balance
from hub.calendar import Clock
from hub.finalization import UNPROVED_ONES
from hub.lifecycle import FINAL
from hub.model import FINAL_STATUSES, Status
from hub.tables import DELIVERIES, OPEN, REQUESTS, TROUBLED, among
from hub.tables_operations import BATCH_ROWS, BATCHES, OPEN_ROW, BatchState, Proof
from monitoring.silence import Habit, of_kinds, of_targets

UNPROVED: Final = (Proof.PROPOSED, Proof.PENDING, Proof.DENIED)
"""Where a finalization stands that still asks something of somebody."""

UNENDED: Final = tuple(status for status in Status if status not in FINAL_STATUSES)

UNDER_WAY: Final = (BatchState.TRYING, BatchState.RUNNING, BatchState.PAUSED)

TROUBLES: Final = (
    select(
        DELIVERIES.c.target,
        DELIVERIES.c.state,
        func.count().label("deliveries"),
        func.min(DELIVERIES.c.created_at).label("oldest_at"),
    )
    .where(text(among(TROUBLED)))
    .group_by(DELIVERIES.c.target, DELIVERIES.c.state)
)

DELIVERED: Final = select(DELIVERIES.c.target, DELIVERIES.c.state, func.count().label("deliveries")).group_by(
    DELIVERIES.c.target, DELIVERIES.c.state
)

_MOVES: Final = exists().where(DELIVERIES.c.request == REQUESTS.c.number, DELIVERIES.c.state.not_in(FINAL))
# What stands behind the body in a row (`awaiting`, `received_at`) is looked at last: SQLite reads a body to get there.
OPEN_REQUESTS: Final = (
    select(
        REQUESTS.c.kind,
        func.min(REQUESTS.c.number).label("oldest"),
        func.sum(case((and_(~_MOVES, REQUESTS.c.awaiting == ""), 1), else_=0)).label("stuck"),
    )
    .where(REQUESTS.c.status.in_(UNENDED))
    .group_by(REQUESTS.c.kind)
)

CHANGES: Final = select(BATCHES.c.state, func.count()).where(BATCHES.c.state.in_(UNDER_WAY)).group_by(BATCHES.c.state)
HELD_ROWS: Final = select(func.count()).select_from(BATCH_ROWS).where(text(OPEN_ROW))


@dataclass(frozen=True, slots=True)
class Whole:
    """What takes a look at every request."""

    at: int
    balance: Sequence[KindBalance]
    open_requests: Mapping[str, tuple[int, int]]
    """Kind → when its oldest open request came in, and how many of them nothing will ever move."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What partial indexes hold ready: only what is open, or in trouble."""

    targets: Sequence[targets.Health]
    troubles: Sequence[Row[Any]]
    pressing: Mapping[str, tuple[int, int]]
    """Kind on the law's clock → its open requests that are late, and those that will soon be."""
    finalizations: Mapping[str, tuple[int, int]]
    """State → how many are unproved, and when the first of them was closed."""
    batches: Mapping[str, int]
    batch_rows: int


def whole(connection: Connection, now: int) -> Whole:
    """Count every request, in one snapshot."""
    rows = connection.execute(OPEN_REQUESTS).all()
    first = select(REQUESTS.c.number, REQUESTS.c.received_at).where(REQUESTS.c.number.in_([row.oldest for row in rows]))
    since = {row.number: row.received_at for row in connection.execute(first)}
    return Whole(now, balance(connection), {row.kind: (since[row.oldest], row.stuck) for row in rows})


def deliveries(connection: Connection, _now: int) -> dict[tuple[str, str], int]:
    """Count every delivery, by target and state."""
    return {(row.target, row.state): row.deliveries for row in connection.execute(DELIVERED)}


def habits(connection: Connection, now: int) -> tuple[Habit, Habit]:
    """See what comes on such a day: of which kinds, and to which targets."""
    return of_kinds(connection, now), of_targets(connection, now)


def standing(clocks: Callable[[], Mapping[str, Clock]], connection: Connection, now: int) -> Standing:
    """Count what is open."""
    return Standing(
        targets.health(connection, now),
        connection.execute(TROUBLES).all(),
        {kind: _pressing(connection, kind, clock, now) for kind, clock in clocks().items()},
        {state: (count, oldest) for state, count, oldest in connection.execute(UNPROVED_ONES)},
        {state: count for state, count in connection.execute(CHANGES)},  # noqa: C416  # rows are no pairs
        connection.scalars(HELD_ROWS).one(),
    )


def of_clocks(clocks: Callable[[], Mapping[str, Clock]]) -> partial[Standing]:
    """Count what is open of the kinds that have a clock when it is counted: the catalogue may change."""
    return partial(standing, clocks)


def _pressing(connection: Connection, kind: str, clock: Clock, now: int) -> tuple[int, int]:
    """Count a kind's open requests whose time is over, and those whose time will soon be."""
    soon = now + int(clock.warn.total_seconds() * 1000)
    due = select(REQUESTS.c.due_at).where(text(OPEN), REQUESTS.c.kind == kind, REQUESTS.c.due_at <= soon)
    instants = connection.scalars(due).all()
    late = sum(instant <= now for instant in instants)
    return late, len(instants) - late
