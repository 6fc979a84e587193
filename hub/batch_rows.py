"""The rows of a batch that runs: which are begun now, what is done to them, and what became of those begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, func, or_, select, update

from hub import acts
from hub.acts import Act, Assign, Cancel, Decide, Done, NotNowError, Reject, Retry, Verify
from hub.batch import UNDER_WAY, Change, Obstacle, Verb, standing
from hub.book import Book
from hub.lifecycle import State
from hub.routing import PENDING
from hub.settlement import NEW_EVENTS, ROOM, Settled
from hub.statements import Prepared, listed
from hub.tables import BLANK_EVENT, DELIVERIES, REQUESTS, TARGETS
from hub.tables_operations import BATCH_ROWS, BATCHES, BatchState, RowOutcome

AT_ONCE: Final = 16
"""Rows begun in one transaction: it holds others up meanwhile."""

WINDOW: Final = 500
"""Rows looked through at a time, of targets that have room."""

FOUND: Final = "found"
GONE: Final = "gone"

ENDS: Final[Mapping[State, tuple[RowOutcome, str]]] = MappingProxyType(
    {
        State.DELIVERED: (RowOutcome.OK, ""),
        State.FINALIZED: (RowOutcome.OK, "finalized"),
        State.CANCELLED: (RowOutcome.FAILED, "cancelled"),
        State.PARKED: (RowOutcome.FAILED, "parked"),
    }
)
"""What a delivery's end is to its row; what is in doubt is asked about by the hub itself, and ends as one of these."""


@dataclass(frozen=True, slots=True)
class Work:
    """A batch in hand: its row as it was when it was taken, and in whose name."""

    connection: Connection
    book: Book
    batch: Row[Any]
    actor: str


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows of a batch came to what."""

    waiting: int = 0
    started: int = 0
    ok: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def tried(self) -> int:
        """How many were begun, however they ended."""
        return self.started + self.ok + self.failed


@dataclass(frozen=True, slots=True)
class Doing:
    """One verb in the hands of a batch: the act for a subject."""

    change: Change
    reason: str
    actor: str

    def act(self, subject: int) -> Act:
        """Give the act for one subject."""
        return ACTS[self.change.verb](self, subject)


ACTS: Final[Mapping[Verb, Callable[[Doing, int], Act]]] = MappingProxyType(
    {
        Verb.RETRY: lambda doing, subject: Retry(subject, actor=doing.actor),
        Verb.RETRY_CURRENT: lambda doing, subject: Retry(subject, actor=doing.actor, current=True),
        Verb.VERIFY: lambda doing, subject: Verify(subject, doing.actor),
        Verb.REJECT: lambda doing, subject: Reject(subject, doing.change.reason, doing.actor),
        Verb.ASSIGN: lambda doing, subject: Assign(subject // ROOM, doing.change.owner, doing.actor),
        Verb.CANCEL: lambda doing, subject: Cancel(subject // ROOM, doing.reason, doing.actor),
        Verb.DECIDE: lambda doing, subject: Decide(
            subject // ROOM, doing.change.accepted, doing.change.reason, actor=doing.actor
        ),
    }
)

ROW_MOVE: Final = Prepared(
    update(BATCH_ROWS)
    .where(BATCH_ROWS.c.batch == bindparam("b_batch"), BATCH_ROWS.c.subject == bindparam("b_subject"))
    .values({name: bindparam(f"b_{name}") for name in ("outcome", "detail", "is_open", "at")})
)
LOCK_DELIVERIES: Final = Prepared(
    select(DELIVERIES.c.id).where(listed(DELIVERIES.c.id)).order_by(DELIVERIES.c.id).with_for_update()
)
LOCK_REQUESTS: Final = Prepared(
    select(REQUESTS.c.number).where(listed(REQUESTS.c.number)).order_by(REQUESTS.c.number).with_for_update()
)
ABSENT: Final = Prepared(select(DELIVERIES.c.id, DELIVERIES.c.if_absent).where(listed(DELIVERIES.c.id)))
BUSY: Final = (
    select(DELIVERIES.c.target, func.count().label("rows"))
    .select_from(BATCH_ROWS.join(DELIVERIES, DELIVERIES.c.id == BATCH_ROWS.c.subject))
    .where(
        BATCH_ROWS.c.outcome == RowOutcome.STARTED,
        BATCH_ROWS.c.batch.in_(select(BATCHES.c.id).where(BATCHES.c.state.in_((*UNDER_WAY, BatchState.PAUSED)))),
    )
    .group_by(DELIVERIES.c.target)
)


def count(work: Work) -> Counts:
    """Count a batch's rows by outcome."""
    mine = BATCH_ROWS.c.batch == work.batch.id
    counted = select(BATCH_ROWS.c.outcome, func.count()).where(mine).group_by(BATCH_ROWS.c.outcome)
    return Counts(**dict(work.connection.execute(counted).all()))


def skip(work: Work, why: Mapping[int, str]) -> None:
    """Leave rows undone, each for its reason."""
    _write(work, {subject: (RowOutcome.SKIPPED, detail) for subject, detail in why.items()})
    _audit(work, {subject: f"skipped: {detail}" for subject, detail in why.items()})


def settle_started(work: Work) -> list[str]:
    """Write down what became of the deliveries that were begun; gives the codes of those that failed."""
    change = Change.of(work.batch)
    columns = (DELIVERIES.c[name] for name in ("id", "state", "code"))
    begun = BATCH_ROWS.c.batch == work.batch.id, BATCH_ROWS.c.outcome == RowOutcome.STARTED
    joined = BATCH_ROWS.outerjoin(DELIVERIES, DELIVERIES.c.id == BATCH_ROWS.c.subject)
    statement = select(BATCH_ROWS.c.subject, BATCH_ROWS.c.detail, *columns).select_from(joined).where(*begun)
    ends = {row.subject: _end_of(change, row) for row in work.connection.execute(statement)}
    ended = {subject: end for subject, end in ends.items() if end is not None}
    _write(work, ended)
    return [detail for outcome, detail in ended.values() if outcome is RowOutcome.FAILED]


def begin(work: Work, most: int | None) -> Iterator[Settled]:
    """Begin the next rows in the order of reception, as many as their targets have room for; gives what each led to."""
    change = Change.of(work.batch)
    chosen = _next(work, AT_ONCE if most is None else min(AT_ONCE, most))
    if not chosen:
        return
    (LOCK_DELIVERIES if change.is_of_deliveries else LOCK_REQUESTS).among(
        work.connection, [row.subject if change.is_of_deliveries else row.subject // ROOM for row in chosen]
    )
    stands = standing(work.connection, work.book, change, [row.subject for row in chosen])
    skip(work, {row.subject: str(Obstacle.CHANGED) for row in chosen if stands.get(row.subject) != row.stood})
    due = [row for row in chosen if stands.get(row.subject) == row.stood]
    doing = Doing(change, work.batch.reason, work.actor)
    results = acts.act(work.book, work.connection, [doing.act(row.subject) for row in due])
    skip(work, {row.subject: _why(no) for row, no in zip(due, results, strict=True) if not isinstance(no, Done)})
    done = {row: said for row, said in zip(due, results, strict=True) if isinstance(said, Done)}
    _write(work, _begun(work, change, [row.subject for row in done]))
    _audit(work, dict.fromkeys((row.subject for row in done), change.verb))
    for row in chosen:
        yield _led_to(row, done[row].settled) if row in done else Settled()


def _why(no: Exception) -> str:
    """Name the reason for which an act was refused."""
    return str(no.why) if isinstance(no, NotNowError) else Obstacle.REFUSED.of(no)


def _led_to(row: Row[Any], settled: Settled) -> Settled:
    """Say which targets have work: that of the row's own delivery, and of those that settling brought."""
    if row.target is None:
        return settled
    return Settled({**settled.due, row.target: [row.subject, *settled.due.get(row.target, [])]}, settled.stages)


def _begun(work: Work, change: Change, subjects: Sequence[int]) -> dict[int, tuple[RowOutcome, str]]:
    """Say what a row is once its act is done: an end, or a delivery to be awaited."""
    if not change.is_awaited:
        return dict.fromkeys(subjects, (RowOutcome.OK, ""))
    details = dict.fromkeys(subjects, "")
    if change.verb is Verb.VERIFY and subjects:
        details |= {row.id: row.if_absent for row in ABSENT.among(work.connection, subjects)}
    return {subject: (RowOutcome.STARTED, detail) for subject, detail in details.items()}


def _end_of(change: Change, row: Row[Any]) -> tuple[RowOutcome, str] | None:
    """Say what became of one delivery; None while it is under way."""
    if row.id is None:
        return RowOutcome.FAILED, GONE
    state = State(row.state)
    if state is State.WAITING and row.code == PENDING:
        return RowOutcome.OK, PENDING
    if change.verb is Verb.VERIFY and state is State.DELIVERED:
        return RowOutcome.OK, FOUND
    if change.verb is Verb.VERIFY and state is State.PARKED and row.code == row.detail:
        return RowOutcome.OK, row.code
    if state not in ENDS:
        return None
    outcome, word = ENDS[state]
    return outcome, word if outcome is RowOutcome.OK else row.code or word


def _next(work: Work, most: int) -> list[Row[Any]]:
    """Choose the rows to begin now: the first in order whose target has room."""
    room = _room(work)
    chosen: list[Row[Any]] = []
    for row in _with_room(work, room):
        if len(chosen) >= most:
            break
        if row.target is None:
            chosen.append(row)
        elif room[row.target] > 0:
            room[row.target] -= 1
            chosen.append(row)
    return chosen


def _with_room(work: Work, room: Mapping[str, int]) -> Iterator[Row[Any]]:
    """Give the rows that wait, in order; a target that had no room left when they were looked for holds up no other."""
    joined = BATCH_ROWS.outerjoin(DELIVERIES, DELIVERIES.c.id == BATCH_ROWS.c.subject)
    columns = BATCH_ROWS.c.subject, BATCH_ROWS.c.stood, BATCH_ROWS.c.position, DELIVERIES.c.target
    waiting = BATCH_ROWS.c.batch == work.batch.id, BATCH_ROWS.c.outcome == RowOutcome.WAITING
    statement = select(*columns).select_from(joined).where(*waiting).order_by(BATCH_ROWS.c.position).limit(WINDOW)
    after, is_more = -1, True
    while is_more:
        free = DELIVERIES.c.target.in_([target for target, places in room.items() if places > 0])
        next_ones = BATCH_ROWS.c.position > after, or_(DELIVERIES.c.id.is_(None), free)
        found = work.connection.execute(statement.where(*next_ones)).all()
        yield from found
        is_more = len(found) == WINDOW
        after = found[-1].position if found else after


def _room(work: Work) -> dict[str, int]:
    """Say how many more of each target's deliveries batches may have under way: none of one that is paused."""
    busy = {row.target: row.rows for row in work.connection.execute(BUSY)}
    columns = (TARGETS.c[name] for name in ("name", "paused", "policy"))
    found = work.connection.execute(select(*columns))
    return {row.name: 0 if row.paused else limit_of(row.policy) - busy.get(row.name, 0) for row in found}


def limit_of(policy: Mapping[str, Any]) -> int:
    """Say how many deliveries of a target batches may have under way: what it takes at once, or in a second."""
    concurrency, rate = int(policy["concurrency"]), policy.get("rate")
    return concurrency if rate is None else min(concurrency, max(1, int(rate)))


def _write(work: Work, ends: Mapping[int, tuple[RowOutcome, str]]) -> None:
    now = work.book.now()
    moves = [
        {
            "b_batch": work.batch.id,
            "b_subject": subject,
            "b_outcome": outcome,
            "b_detail": detail,
            "b_is_open": outcome is RowOutcome.STARTED and work.batch.state != BatchState.STOPPED,
            "b_at": now,
        }
        for subject, (outcome, detail) in ends.items()
    ]
    if moves:
        ROW_MOVE.run(work.connection, moves)


def _audit(work: Work, notes: Mapping[int, str]) -> None:
    """Write a line about each row, under the batch's number."""
    of_deliveries, now = Change.of(work.batch).is_of_deliveries, work.book.now()
    events = [
        {
            **BLANK_EVENT,
            "kind": "batch",
            "actor": work.actor,
            "note": f"batch {work.batch.id} {note}",
            "at": now,
            "request": subject // ROOM,
            "delivery": subject if of_deliveries else None,
        }
        for subject, note in notes.items()
    ]
    if events:
        NEW_EVENTS.run(work.connection, events)
