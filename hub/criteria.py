"""What the list may be asked for: the criteria of its address, and the conditions that they make."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import time
from enum import StrEnum
from typing import Annotated, Any, Final
from urllib.parse import parse_qs, urlencode

from pydantic import Field
from sqlalchemy import ColumnElement, Connection, Select, and_, exists, select, text, union_all

from hub.facets import NOWHERE
from hub.lifecycle import State
from hub.model import Channel, Frozen, Status
from hub.periods import EVER, Span, spans, within
from hub.routing import PENDING
from hub.settlement import ROOM
from hub.tables import ATTEMPTS, DELIVERIES, REQUESTS, TROUBLED, among
from hub.tables_operations import ASSIGNMENTS, BUSINESS_KEYS, FINALIZATIONS, PLACES
from hub.views import Limit, Moment, Word, hidden_under, instant_of


class Standing(StrEnum):
    """Where a request stands as operators read it: what is being tried again is apart from what only waits."""

    DONE = "done"
    IN_PROGRESS = "in_progress"
    WAITING = "waiting"
    RETRYING = "retrying"
    PARKED = "parked"
    UNCERTAIN = "uncertain"
    FINALIZED = "finalized"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class Sort(StrEnum):
    """In which order: the newest first, the least time left first, or what stands longest first."""

    NEWEST = "newest"
    DUE = "due"
    OLDEST = "oldest"


class Trouble(StrEnum):
    """The states of deliveries that are listed one by one."""

    PARKED = "parked"
    UNCERTAIN = "uncertain"
    ASKING = "asking"
    WAITING = "waiting"


Cause = Annotated[str, Field(max_length=255, pattern=r"^[^\x00]*$")]
"""A code, or the stage of a cause: what was refused without a code has an empty one."""

Blinded = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Cursor = Annotated[str, Field(pattern=r"^[0-9a-f]{1,14}(-[0-9a-f]{1,14})?$")]

PLAIN: Final = ("kind", "stage", "site", "version", "channel")
"""Criteria that are columns of a request, whatever else is asked."""

INDEXED: Final = (
    frozenset[str](),
    frozenset({"status"}),
    frozenset({"kind"}),
    frozenset({"stage"}),
    frozenset({"site"}),
    frozenset({"kind", "status"}),
)
"""What indexes of requests have in the order of numbers; a period is in all of them."""

NARROW: Final = frozenset({"number", "x", "owner", "finalized_by"})
"""Criteria that few requests answer, each found in an index."""


class Criteria(Frozen):
    """Which requests are listed, or, where `state` is said, which deliveries; what is not said does not matter.

    `x` is the blind index of a name, an address, a telephone number or a business key: their text is never in an
    address. `target`, `code` and `cause_stage` are those of deliveries.
    """

    since: Moment | None = Field(default=None, alias="from")
    until: Moment | None = Field(default=None, alias="to")
    status: Standing | None = None
    stage: Word | None = None
    kind: Word | None = None
    site: Word | None = None
    version: Word | None = None
    channel: Channel | None = None
    district: Word | None = None
    state: tuple[Trouble, ...] = Field(default=(), max_length=len(Trouble))
    target: Word | None = None
    code: Cause | None = None
    cause_stage: Cause | None = None
    attempts: Annotated[int, Field(ge=1, le=100_000)] | None = None
    due_before: Moment | None = None
    owner: Word | None = None
    finalized_by: Word | None = None
    recovered: bool = False
    key: Word | None = None
    x: Blinded | None = None
    number: tuple[Annotated[int, Field(ge=0, le=999_999_999)], ...] = Field(default=(), max_length=50)
    sort: Sort = Sort.NEWEST
    limit: Limit = 50
    after: Cursor | None = None
    before: Cursor | None = None

    @classmethod
    def of_query(cls, query: str) -> Criteria:
        """Read a list's address; raises ValidationError."""
        said = parse_qs(query, keep_blank_values=True)
        kept = {name: values for name, values in said.items() if name in MAY_BE_EMPTY or any(values)}
        return cls.model_validate({name: _one_or_more(name, values) for name, values in kept.items()})

    def query(self, *without: str, **other: Any) -> str:
        """Write the list's address, leaving some criteria out; where in the list one is goes with any change."""
        said = self.said(*without) | {name: value for name, value in other.items() if value is not None}
        return urlencode(said, doseq=True)

    def said(self, *without: str) -> dict[str, Any]:
        """Give what is said, under the names of the address and without the place in the list."""
        dumped = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return {name: value for name, value in dumped.items() if name not in {*without, "after", "before"}}

    @property
    def is_of_deliveries(self) -> bool:
        """Whether deliveries are listed, one a line."""
        return bool(self.state)

    @property
    def is_of_one_cause(self) -> bool:
        """Whether it lists what stands for one reason, of which an index knows since when."""
        return self.is_of_deliveries and None not in {self.target, self.code, self.cause_stage}

    @property
    def order(self) -> Sort:
        """The order that is possible: what stands longest is known of one cause only."""
        return Sort.NEWEST if self.sort is Sort.OLDEST and not self.is_of_one_cause else self.sort

    @property
    def named(self) -> frozenset[str]:
        """Which criteria are said, period and order apart."""
        return frozenset(self.said("from", "to", "sort", "limit", "key"))


LISTS: Final = frozenset({"state", "number"})
"""Criteria that may be said several times."""

MAY_BE_EMPTY: Final = frozenset({"code", "cause_stage"})
"""Criteria that say something when they are empty: there is no code, or no stage."""


def _one_or_more(name: str, values: Sequence[str]) -> Any:
    """Give what an address says of a criterion, what is empty left out unless it says something."""
    said = list(values) if name in MAY_BE_EMPTY else [value for value in values if value]
    return said if name in LISTS else said[-1]


RETRIED: Final = and_(text(among(TROUBLED)), DELIVERIES.c.state == State.WAITING, DELIVERIES.c.code != PENDING)
"""Deliveries that are tried again, in the words of their index."""


def retrying(numbers: Sequence[Span] = EVER) -> Select[Any]:
    """Find the numbers of requests something of which is tried again, in an index of deliveries alone."""
    span = within(numbers, DELIVERIES.c.id, ROOM)
    return select(DELIVERIES.c.id // ROOM).where(RETRIED, *([] if span is None else [span])).correlate(None)


def plain(column: Any) -> Any:
    """Give a column as it is."""
    return column


def apart(column: Any) -> Any:
    """Give a column's words where no index of it may be read: another one gives the order."""
    return column.concat("")


def of_requests(
    criteria: Criteria, numbers: Sequence[Span], column: Callable[[Any], Any] = plain
) -> list[ColumnElement[bool]]:
    """Make conditions of whatever is said of the requests themselves, the period apart."""
    columns = REQUESTS.c
    conditions = [column(columns[name]) == said for name in PLAIN if (said := getattr(criteria, name)) is not None]
    conditions += standing_as(criteria.status, numbers, column(columns.status)) if criteria.status else []
    conditions += [columns.number.in_(criteria.number)] if criteria.number else []
    conditions += [columns.number.in_(_looked_up(criteria.x, criteria.key))] if criteria.x else []
    if criteria.due_before:
        conditions.append(columns.due_at < instant_of(criteria.due_before, time.min))
    if criteria.owner:
        conditions.append(
            columns.number.in_(select(ASSIGNMENTS.c.request).where(ASSIGNMENTS.c.owner == criteria.owner))
        )
    if criteria.district:
        district = "" if criteria.district == NOWHERE else criteria.district
        conditions.append(exists().where(PLACES.c.request == columns.number, PLACES.c.district == district))
    if criteria.finalized_by:
        mine = FINALIZATIONS.c.actor == criteria.finalized_by
        conditions.append(columns.number.in_(select(FINALIZATIONS.c.delivery // ROOM).where(mine)))
    return [*conditions, *_recovered(criteria)]


def of_deliveries(criteria: Criteria) -> list[ColumnElement[bool]]:
    """Make conditions of whatever is said of a delivery."""
    columns = DELIVERIES.c
    said = {"target": criteria.target, "code": criteria.code, "stage": criteria.cause_stage}
    conditions = [columns[name] == value for name, value in said.items() if value is not None]
    return [*conditions, *([columns.attempts >= criteria.attempts] if criteria.attempts else [])]


def numbers_of(connection: Connection, criteria: Criteria) -> Sequence[Span]:
    """Give the numbers of the period that is asked for."""
    since = instant_of(criteria.since, time.min) if criteria.since else None
    until = instant_of(criteria.until, time.max) if criteria.until else None
    return spans(connection, since, until)


def standing_as(standing: Standing, numbers: Sequence[Span], status: Any) -> list[ColumnElement[bool]]:
    """Say which requests stand so: those that wait are told apart by what is tried again."""
    number = REQUESTS.c.number
    match standing:
        case Standing.RETRYING:
            # Plus nothing: who waits is read in the order of an index, not request by request.
            return [status == Status.WAITING, (number + 0).in_(retrying(numbers))]
        case Standing.WAITING:
            return [status == Status.WAITING, number.not_in(retrying(numbers))]
        case _:
            return [status == standing.value]


def keeping_to(column: ColumnElement[Any], allowed: Collection[str]) -> list[ColumnElement[bool]]:
    """Keep to what a person may see; nothing said means all of it."""
    return [column.in_(allowed)] if allowed else []


def _looked_up(blinded: str, key: str | None) -> Any:
    """Find what a blind index stands for: in the business keys alone when one is named."""
    if key is None:
        return union_all(*hidden_under(blinded))
    return select(BUSINESS_KEYS.c.request).where(BUSINESS_KEYS.c.value == blinded, BUSINESS_KEYS.c.name == key)


def _recovered(criteria: Criteria) -> list[ColumnElement[bool]]:
    """Keep what failed once and was done in the end: the failure is in its attempts for ever."""
    if not criteria.recovered:
        return []
    sent = ATTEMPTS.join(DELIVERIES, DELIVERIES.c.id == ATTEMPTS.c.delivery)
    mine = DELIVERIES.c.request == REQUESTS.c.number, ATTEMPTS.c.outcome.in_(FAILED)
    failed = select(ATTEMPTS.c.id).select_from(sent).where(*mine).correlate(REQUESTS)
    return [REQUESTS.c.status == Status.DONE, failed.exists()]


FAILED: Final = ("deferred", "lost", "refused", "given_up", "unanswered")
"""What comes of an attempt that failed."""
