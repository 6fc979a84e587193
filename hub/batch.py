"""A change of many at once: what may be asked of what, how it is kept, and how it is read back.

A *subject* is a delivery's number, or a request's number × ROOM. What makes a plan is in `batch_plan`, what carries it
out in `batch_run`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, func, select, text

from hub.book import Book
from hub.errors import ConflictError
from hub.settlement import ROOM, key_of
from hub.statements import Prepared, listed
from hub.tables import DELIVERIES, REQUESTS
from hub.tables_operations import BATCH_ROWS, BATCHES, OPEN_ROW, BatchState, Outlook, RowOutcome

MOST: Final = 5_000
"""Rows of one batch; what matches beyond them is counted, and left to the next."""

TRIED: Final = 3
"""Rows that must come to a good end before the others begin."""

GOOD_FOR: Final = 15 * 60_000
"""Milliseconds for which a plan holds."""


class Verb(StrEnum):
    """What is done to each row."""

    RETRY = "retry"
    RETRY_CURRENT = "retry_current"
    VERIFY = "verify"
    REJECT = "reject"
    ASSIGN = "assign"
    DECIDE = "decide"
    CANCEL = "cancel"


OF_DELIVERIES: Final = frozenset({Verb.RETRY, Verb.RETRY_CURRENT, Verb.VERIFY, Verb.REJECT})
"""Verbs whose subjects are deliveries; those of the others are requests."""

AWAITED: Final = frozenset({Verb.RETRY, Verb.RETRY_CURRENT, Verb.VERIFY})
"""Verbs that end with their delivery, not with the act."""

UNDER_WAY: Final = (BatchState.TRYING, BatchState.RUNNING)


@dataclass(frozen=True, slots=True)
class Change:
    """One verb with what it needs to be told: a new owner, or a decision, or why a row is rejected."""

    verb: Verb
    owner: str = ""
    accepted: bool = False
    reason: str = ""

    @classmethod
    def of(cls, row: Row[Any]) -> Change:
        """Read it from a batch."""
        return cls(Verb(row.verb), **row.said)

    @property
    def said(self) -> dict[str, Any]:
        """What the batch keeps beside the verb."""
        return {name: value for name, value in asdict(self).items() if name != "verb"}

    @property
    def is_of_deliveries(self) -> bool:
        """Whether its subjects are deliveries."""
        return self.verb in OF_DELIVERIES

    @property
    def is_awaited(self) -> bool:
        """Whether each row ends with its delivery: a target is sent something, or asked."""
        return self.verb in AWAITED


class Obstacle(StrEnum):
    """Why nothing is done to a row, beside the reasons of `verbs.Why`, or why a batch rests; some name something."""

    PAUSED = "paused"
    TAKEN = "in_batch"
    UNREADABLE = "unreadable"
    NOT_AWAITING = "not_awaiting"
    OTHER_REASONS = "other_reasons"
    HAS_BEEN_TAKEN = "has_been_taken"
    CANNOT_BE_WRITTEN = "cannot_be_written"
    CHANGED = "changed"
    STOPPED = "stopped"
    REFUSED = "refused"
    FIRST_FAILED = "first_failed"
    BROKEN = "broken"

    def of(self, named: object) -> str:
        """Give the reason with what it names."""
        return f"{self} {named}"


class NoBatchError(ConflictError):
    """There is no such batch."""


class StaleError(ConflictError):
    """The plan is too old, or so many of its rows have moved: make another."""

    def __init__(self, changed: int = 0) -> None:
        self.changed = changed
        super().__init__(f"{changed} rows have changed since the plan" if changed else "the plan is too old")


class SteerError(ConflictError):
    """The batch cannot be paused, continued or stopped where it stands."""

    def __init__(self, state: str) -> None:
        self.state = state
        super().__init__(f"the batch is {state}")


class StepsDifferError(ConflictError):
    """A decision is taken at once only of requests that await it at the same step of the same kind."""

    def __init__(self, steps: Mapping[str, int]) -> None:
        self.steps = steps
        found = ", ".join(f"{step} ({count})" for step, count in steps.items())
        super().__init__(f"change of stage allowed only from the same stage; found: {found}")


class ReasonError(ConflictError):
    """A refusal gives one of the reasons of the step that the requests await at."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__(f"a refusal here gives one of these reasons: {', '.join(reasons)}")


NOBODY_S: Final[Mapping[RowOutcome, int]] = MappingProxyType(dict.fromkeys(RowOutcome, 0))

DELIVERED: Final = Prepared(
    select(*(DELIVERIES.c[name] for name in ("id", "state", "code", "ever_uncertain"))).where(listed(DELIVERIES.c.id))
)
REQUESTED: Final = Prepared(
    select(*(REQUESTS.c[name] for name in ("number", "kind", "status", "awaiting", "cancelled"))).where(
        listed(REQUESTS.c.number)
    )
)
HELD: Final = Prepared(
    select(BATCH_ROWS.c.subject, BATCH_ROWS.c.batch).where(text(OPEN_ROW), listed(BATCH_ROWS.c.subject))
)


def standing(connection: Connection, book: Book, change: Change, subjects: Collection[int]) -> dict[int, str]:
    """Say where each subject stands, in so far as a plan depends on it."""
    if not change.is_of_deliveries:
        found = REQUESTED.among(connection, [subject // ROOM for subject in subjects])
        return {row.number * ROOM: f"{row.status} {row.awaiting} {int(row.cancelled)}" for row in found}
    stood = {
        row.id: f"{row.state} {row.code} {int(row.ever_uncertain)}" for row in DELIVERED.among(connection, subjects)
    }
    if change.verb is not Verb.RETRY_CURRENT:
        return stood
    kinds = {row.number: row.kind for row in REQUESTED.among(connection, {subject // ROOM for subject in subjects})}
    offered = book.catalogue.kinds
    versions = {kind: offered[kind].version if kind in offered else "" for kind in set(kinds.values())}
    return {subject: f"{where} {versions[kinds[subject // ROOM]]}" for subject, where in stood.items()}


def holders(connection: Connection, subjects: Collection[int]) -> dict[int, int]:
    """Say which subjects a batch under way holds, and which batch."""
    return {row.subject: row.batch for row in HELD.among(connection, subjects)}


@dataclass(frozen=True, slots=True)
class Looked:
    """Which batches are listed: one actor's or everybody's, at one state or any, those before `after`."""

    actor: str = ""
    state: BatchState | None = None
    after: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class RowsLooked:
    """Which rows of a batch are listed: of one outcome or outlook or any, those after a position."""

    outcome: RowOutcome | None = None
    outlook: Outlook | None = None
    after: int = -1
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Progress:
    """One batch, and how many of its rows came to what."""

    row: Row[Any]
    outcomes: Mapping[RowOutcome, int]


def find(connection: Connection, batch: int) -> Progress | None:
    """Find a batch by its number."""
    row = connection.execute(select(BATCHES).where(BATCHES.c.id == batch)).first()
    return None if row is None else Progress(row, _outcomes(connection, [batch])[batch])


def batches(connection: Connection, looked: Looked) -> list[Progress]:
    """List batches, the newest first; one more than asked for says that there is another page."""
    conditions = [BATCHES.c.actor == looked.actor] if looked.actor else []
    conditions += [BATCHES.c.state == looked.state] if looked.state else []
    conditions += [BATCHES.c.id < looked.after] if looked.after is not None else []
    found = connection.execute(
        select(BATCHES).where(*conditions).order_by(BATCHES.c.id.desc()).limit(looked.limit + 1)
    ).all()
    outcomes = _outcomes(connection, [row.id for row in found])
    return [Progress(row, outcomes[row.id]) for row in found]


def rows(connection: Connection, batch: int, looked: RowsLooked) -> Sequence[Row[Any]]:
    """List a batch's rows in order, each with where its delivery stands; one more than asked for."""
    return connection.execute(_rows(batch, looked).limit(looked.limit + 1)).all()


def subject_named(row: Any, *, of_deliveries: bool) -> tuple[str, str]:
    """Name a row's request and its delivery, as people do; no delivery where a request is the subject."""
    return f"{row.subject // ROOM:09d}", key_of(row.subject) if of_deliveries else ""


def _rows(batch: int, looked: RowsLooked) -> Select[Any]:
    joined = BATCH_ROWS.outerjoin(DELIVERIES, DELIVERIES.c.id == BATCH_ROWS.c.subject)
    state, code = DELIVERIES.c.state.label("state"), DELIVERIES.c.code.label("code")
    conditions = [BATCH_ROWS.c.batch == batch, BATCH_ROWS.c.position > looked.after]
    conditions += [BATCH_ROWS.c.outcome == looked.outcome] if looked.outcome else []
    conditions += [BATCH_ROWS.c.outlook == looked.outlook] if looked.outlook else []
    listed_rows = select(*BATCH_ROWS.c, state, code, DELIVERIES.c.target.label("target"))
    return listed_rows.select_from(joined).where(*conditions).order_by(BATCH_ROWS.c.position)


def _outcomes(connection: Connection, ids: Collection[int]) -> dict[int, dict[RowOutcome, int]]:
    counted = (
        select(BATCH_ROWS.c.batch, BATCH_ROWS.c.outcome, func.count().label("rows"))
        .where(BATCH_ROWS.c.batch.in_(ids))
        .group_by(BATCH_ROWS.c.batch, BATCH_ROWS.c.outcome)
    )
    found = {batch: dict(NOBODY_S) for batch in ids}
    for row in connection.execute(counted):
        found[row.batch][RowOutcome(row.outcome)] = row.rows
    return found
