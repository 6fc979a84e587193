"""The statements of a batch that runs: its start, its pauses, and turn after turn what is done to its rows.

An act and what the batch writes of it are one transaction: whoever dies in between has done neither, and any process
goes on. A row's outcome is what became of its delivery, not that somebody asked for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.exc import IntegrityError

from hub.batch import (
    GOOD_FOR,
    TRIED,
    UNDER_WAY,
    Change,
    NoBatchError,
    Obstacle,
    StaleError,
    SteerError,
    holders,
    standing,
)
from hub.batch_rows import Counts, Work, begin, count, settle_started, skip
from hub.book import Book
from hub.errors import ConflictError
from hub.events import Staged
from hub.tables import BLANK_EVENT, EVENTS
from hub.tables_operations import BATCH_ROWS, BATCHES, BatchState, Outlook, RowOutcome

COLLISIONS: Final = 5
"""How often in a row others may take rows while a batch takes its own."""


class Wish(StrEnum):
    """What a person wants of a batch that was started."""

    PAUSE = "pause"
    CONTINUE = "continue"
    STOP = "stop"


FROM: Final[Mapping[Wish, frozenset[BatchState]]] = MappingProxyType(
    {
        Wish.PAUSE: frozenset(UNDER_WAY),
        Wish.CONTINUE: frozenset({BatchState.PAUSED}),
        Wish.STOP: frozenset({*UNDER_WAY, BatchState.PAUSED, BatchState.PLANNED}),
    }
)
"""Where a batch stands for a wish to mean something."""

ALREADY: Final[Mapping[Wish, frozenset[BatchState]]] = MappingProxyType(
    {
        Wish.PAUSE: frozenset({BatchState.PAUSED}),
        Wish.CONTINUE: frozenset(UNDER_WAY),
        Wish.STOP: frozenset({BatchState.STOPPED}),
    }
)
"""Where a wish is granted already: asking twice is asking once."""


@dataclass(frozen=True, slots=True)
class Start:
    """A person's word that a plan is to be carried out, and why."""

    book: Book
    batch: int
    reason: str
    actor: str


@dataclass(frozen=True, slots=True)
class Steer:
    """A person's wish about a batch."""

    book: Book
    batch: int
    wish: Wish
    actor: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One look at one batch, and as much of it as may be done now."""

    book: Book
    batch: int


@dataclass(frozen=True, slots=True)
class Halt:
    """One batch that cannot be carried, and the kind of what went wrong."""

    book: Book
    batch: int
    error: str


@dataclass(slots=True)
class Moved:
    """What a turn led to: deliveries due at targets, stages reached, and how many rows were begun."""

    due: dict[str, list[int]] = field(default_factory=dict)
    stages: list[Staged] = field(default_factory=list)
    begun: int = 0


def start(connection: Connection, starts: Sequence[Start]) -> list[int | ConflictError]:
    """Start batches; one that was started before is the same batch."""
    return [_start(connection, wanted) for wanted in starts]


def steer(connection: Connection, steers: Sequence[Steer]) -> list[int | ConflictError]:
    """Pause, continue or stop batches."""
    return [_steer(connection, wanted) for wanted in steers]


def advance(connection: Connection, turns: Sequence[Turn]) -> list[Moved]:
    """Take a turn of each batch; of one that another process has in hand, none."""
    return [_turn(connection, turn) for turn in turns]


def halt(connection: Connection, halts: Sequence[Halt]) -> list[None]:
    """Let batches under way rest until a person has seen what went wrong."""
    for wanted in halts:
        _halt(connection, wanted)
    return [None] * len(halts)


def under_way(connection: Connection) -> list[int]:
    """List the batches that have something to be done or awaited, the oldest first."""
    awaited = select(BATCH_ROWS.c.batch).where(
        BATCH_ROWS.c.batch == BATCHES.c.id, BATCH_ROWS.c.outcome == RowOutcome.STARTED
    )
    either = BATCHES.c.state.in_(UNDER_WAY) | awaited.exists()
    running = BATCHES.c.state.in_((*UNDER_WAY, BatchState.PAUSED, BatchState.STOPPED)), BATCHES.c.ended_at.is_(None)
    return list(connection.scalars(select(BATCHES.c.id).where(*running, either).order_by(BATCHES.c.id)))


def _start(connection: Connection, wanted: Start) -> int | ConflictError:
    """Start one batch, or leave it and its rows as they are."""
    try:
        with connection.begin_nested():
            return _started(connection, wanted)
    except ConflictError as error:
        return error


def _started(connection: Connection, wanted: Start) -> int:
    batch = _locked(connection, wanted.batch)
    if batch is None:
        raise NoBatchError("no such batch")
    if batch.started_at is not None:
        return int(batch.id)
    if batch.state != BatchState.PLANNED:
        raise SteerError(batch.state)
    if wanted.book.now() - batch.created_at > GOOD_FOR:
        raise StaleError
    planned = connection.execute(_rows(batch.id).where(BATCH_ROWS.c.outlook != Outlook.IMPOSSIBLE)).all()
    stands = standing(connection, wanted.book, Change.of(batch), [row.subject for row in planned])
    changed = sum(stands.get(row.subject) != row.stood for row in planned)
    if changed:
        raise StaleError(changed)
    _take(Work(connection, wanted.book, batch, wanted.actor), wanted, planned)
    return int(batch.id)


def _take(work: Work, wanted: Start, planned: Sequence[Row[Any]]) -> None:
    """Take a batch's rows and begin to try; raises ConflictError when others keep taking them."""
    impossible = work.connection.execute(_rows(work.batch.id).where(BATCH_ROWS.c.outlook == Outlook.IMPOSSIBLE)).all()
    skip(work, {row.subject: row.note for row in impossible})
    _hold(work, [row.subject for row in planned])
    _set(work, state=BatchState.TRYING, reason=wanted.reason, actor=wanted.actor, started_at=work.book.now())
    _say(work, f"started: {wanted.reason}")
    _conclude(work, BatchState.TRYING, count(work))


def _hold(work: Work, subjects: Sequence[int]) -> None:
    """Hold a batch's rows, so that no other has them; a row that another holds is skipped, with its number."""
    mine = update(BATCH_ROWS).where(BATCH_ROWS.c.batch == work.batch.id, BATCH_ROWS.c.outcome == RowOutcome.WAITING)
    for _ in range(COLLISIONS):
        taken = holders(work.connection, subjects)
        skip(work, {subject: Obstacle.TAKEN.of(other) for subject, other in taken.items()})
        try:
            with work.connection.begin_nested():
                work.connection.execute(mine.values(is_open=True))
        except IntegrityError:  # another batch took some of them since we looked
            continue
        return
    raise ConflictError("other batches take the same rows at this moment")


def _steer(connection: Connection, wanted: Steer) -> int | ConflictError:
    batch = _locked(connection, wanted.batch)
    if batch is None:
        return NoBatchError("no such batch")
    state = BatchState(batch.state)
    if state in ALREADY[wanted.wish]:
        return int(batch.id)
    if state not in FROM[wanted.wish]:
        return SteerError(state)
    work = Work(connection, wanted.book, batch, wanted.actor)
    STEERING[wanted.wish](work)
    _say(work, AFTER[wanted.wish])
    return int(batch.id)


AFTER: Final[Mapping[Wish, str]] = MappingProxyType(
    {Wish.PAUSE: "paused", Wish.CONTINUE: "continued", Wish.STOP: "stopped"}
)


def _pause(work: Work) -> None:
    _set(work, state=BatchState.PAUSED, detail="")


def _continue(work: Work) -> None:
    """Go on where it was: trying, unless enough has been tried or a person has seen what failed."""
    counts = count(work)
    tries_on = counts.failed == 0 and counts.ok < TRIED
    _set(work, state=BatchState.TRYING if tries_on else BatchState.RUNNING, detail="")


def _stop(work: Work) -> None:
    """Leave what was not begun; what was begun is awaited, and held from nobody."""
    waiting = work.connection.execute(_rows(work.batch.id).where(BATCH_ROWS.c.outcome == RowOutcome.WAITING)).all()
    skip(work, {row.subject: str(Obstacle.STOPPED) for row in waiting})
    work.connection.execute(update(BATCH_ROWS).where(BATCH_ROWS.c.batch == work.batch.id).values(is_open=False))
    _set(work, state=BatchState.STOPPED, detail="")
    _conclude(work, BatchState.STOPPED, count(work))


STEERING: Final[Mapping[Wish, Callable[[Work], None]]] = MappingProxyType(
    {Wish.PAUSE: _pause, Wish.CONTINUE: _continue, Wish.STOP: _stop}
)


def _turn(connection: Connection, turn: Turn) -> Moved:
    batch = _locked(connection, turn.batch, leave=True)
    moved = Moved()
    if batch is None or batch.started_at is None or batch.ended_at is not None:
        return moved
    work = Work(connection, turn.book, batch, batch.actor)
    failed = settle_started(work)
    counts = count(work)
    state = _judge(work, counts, failed)
    if state in UNDER_WAY and counts.waiting:
        most = TRIED - counts.tried if state is BatchState.TRYING else None
        for done in begin(work, most):
            moved.begun += 1
            moved.stages += done.stages
            for target, deliveries in done.due.items():
                moved.due.setdefault(target, []).extend(deliveries)
        counts = count(work)
    _conclude(work, state, counts)
    return moved


def _halt(connection: Connection, wanted: Halt) -> None:
    batch = _locked(connection, wanted.batch)
    if batch is None or batch.state not in UNDER_WAY:
        return
    work, why = Work(connection, wanted.book, batch, batch.actor), Obstacle.BROKEN.of(wanted.error)
    _set(work, state=BatchState.PAUSED, detail=why)
    _say(work, f"paused: {why}")


def _judge(work: Work, counts: Counts, failed: Iterable[str]) -> BatchState:
    """Say where a batch stands once its first rows have come to an end: it goes on, or a person must look."""
    state = BatchState(work.batch.state)
    if state is not BatchState.TRYING:
        return state
    if counts.failed:
        why = Obstacle.FIRST_FAILED.of(", ".join(sorted(set(failed))))
        _set(work, state=BatchState.PAUSED, detail=why)
        _say(work, f"paused: {why}")
        return BatchState.PAUSED
    if counts.ok >= TRIED:
        _set(work, state=BatchState.RUNNING)
        return BatchState.RUNNING
    return state


def _conclude(work: Work, state: BatchState, counts: Counts) -> None:
    """End a batch that has nothing more to wait for."""
    if counts.waiting or counts.started:
        return
    ended = BatchState.STOPPED if state is BatchState.STOPPED else BatchState.DONE
    _set(work, state=ended, ended_at=work.book.now())
    _say(work, f"ended: {counts.ok} ok, {counts.failed} failed, {counts.skipped} skipped")


def _locked(connection: Connection, batch: int, *, leave: bool = False) -> Row[Any] | None:
    """Take a batch in hand; with `leave`, not one that somebody else has in hand."""
    wanted = select(BATCHES).where(BATCHES.c.id == batch).with_for_update(skip_locked=leave)
    return connection.execute(wanted).first()


def _rows(batch: int) -> Any:
    return select(*BATCH_ROWS.c).where(BATCH_ROWS.c.batch == batch).order_by(BATCH_ROWS.c.position)


def _set(work: Work, **values: Any) -> None:
    work.connection.execute(update(BATCHES).where(BATCHES.c.id == work.batch.id).values(**values))


def _say(work: Work, what: str) -> None:
    """Write in the audit what a batch came to."""
    said = {"kind": "batch", "actor": work.actor, "note": f"batch {work.batch.id} {what}", "at": work.book.now()}
    work.connection.execute(EVENTS.insert(), {**BLANK_EVENT, **said})
