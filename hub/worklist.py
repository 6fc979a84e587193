"""« À traiter »: what stands, counted by cause with the law's deadlines, and where every request stands.

A cause is what deliveries have in common that stand for the same reason: target, code, stage. Where few stand, or
where a person sees only some, they are counted with their requests; where very many do, in their indexes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, and_, bindparam, case, func, select, text

from hub.access import Principal
from hub.criteria import Standing, retrying
from hub.lifecycle import State
from hub.listing import BOTH, MOST_COUNTED, Count
from hub.model import Status
from hub.periods import EVER, Span, within
from hub.tables import DELIVERIES, OPEN, REQUESTS, TALLY, TROUBLED, among
from hub.tables_operations import CAUSE_NOTES
from hub.views import SAME, WITHIN_STATE, leap, visible

STANDING_STATES: Final = (State.PARKED, State.UNCERTAIN, State.ASKING)
"""The states in which deliveries need somebody: who asks is about to know."""

DAY: Final = int(timedelta(days=1).total_seconds() * 1000)
FEW: Final = 500
"""So many deliveries are counted one by one, each with its request."""

MOST_PRESSING: Final = 2_000
"""So many open requests are looked through for their deadlines, the most pressing first."""

OTHERS: Final = tuple(status for status in Status if status is not Status.DONE)

CauseKey = tuple[str, str, str]
"""Target, code, stage."""


@dataclass(frozen=True, slots=True)
class Noted:
    """Who sees to a cause, and what they note about it."""

    owner: str = ""
    note: str = ""
    actor: str = ""
    at: int = 0


@dataclass(frozen=True, slots=True)
class Cause:
    """Deliveries that stand for one reason: how many, since when, how many more of late, and how pressing.

    `recent` and `before`: how many of them came to stand in the last 24 hours, and in the 24 before. `later_than`:
    its deadlines, if any, are beyond this one. `kinds` and `mappings`: those of some of them, where `is_sampled`.
    """

    target: str
    code: str
    stage: str
    deliveries: int
    uncertain: int
    first_at: int
    last_at: int
    recent: int
    before: int
    due_at: int | None = None
    later_than: int | None = None
    kinds: frozenset[str] = frozenset()
    mappings: frozenset[str] = frozenset()
    is_sampled: bool = True
    noted: Noted = field(default_factory=Noted)

    @property
    def key(self) -> CauseKey:
        """What tells it from others."""
        return self.target, self.code, self.stage


def causes(connection: Connection, caller: Principal, now: int) -> Sequence[Cause]:
    """Count what needs somebody by cause: the nearest deadline first, then what stands most often."""
    if visible(caller) or _are_few(connection):
        found = _counted_together(connection, caller, now)
    else:
        found = _counted_apart(connection, now)
    notes = {(row.target, row.code, row.stage): row for row in connection.execute(select(CAUSE_NOTES))}
    told = [_with_note(cause, notes.get(cause.key)) for cause in found]
    return sorted(told, key=lambda cause: (cause.due_at is None, cause.due_at, -cause.deliveries, cause.key))


def note_of(connection: Connection, key: CauseKey) -> Noted | None:
    """Find who sees to a cause, and what they note."""
    same = (CAUSE_NOTES.c[name] == value for name, value in zip(WITHIN_STATE, key, strict=True))
    row = connection.execute(select(CAUSE_NOTES).where(*same)).first()
    return None if row is None else Noted(row.owner, row.note, row.actor, row.at)


def figures(connection: Connection, caller: Principal, numbers: Sequence[Span]) -> Mapping[Standing, Count]:
    """Count the requests of a period by where they stand; `more` of what is done and was not all counted.

    Of all requests, for who is kept to sites, nothing is counted: no index has it.
    """
    if caller.sites and numbers == EVER:
        return {}
    conditions = visible(caller)
    if (span := within(numbers, REQUESTS.c.number)) is not None:
        conditions.append(span)
    found = _by_status(connection, conditions)
    # Plus nothing: an index has who waits, and reading thousands of requests by their numbers takes longer.
    tried = REQUESTS.c.status == Status.WAITING, (REQUESTS.c.number + 0).in_(retrying(numbers))
    again = connection.scalar(select(func.count()).select_from(REQUESTS).where(*tried, *conditions)) or 0
    found |= {Standing.RETRYING: again, Standing.WAITING: found[Standing.WAITING] - again}
    told = {standing: Count(requests, more=False) for standing, requests in found.items()}
    return {**told, Standing.DONE: _done(connection, conditions, sum(found.values()))}


def _by_status(connection: Connection, conditions: Sequence[Any]) -> dict[Standing, int]:
    """Count what is not done."""
    counted = select(REQUESTS.c.status, func.count().label("requests")).where(*conditions)
    rows = connection.execute(counted.where(REQUESTS.c.status.in_(OTHERS)).group_by(REQUESTS.c.status))
    by_status = {row.status: int(row.requests) for row in rows}
    return {standing: by_status.get(standing.value, 0) for standing in Standing if standing is not Standing.DONE}


def _done(connection: Connection, conditions: Sequence[Any], others: int) -> Count:
    """Count what is done: one by one up to what a list counts; beyond, of all, as what stands nowhere else.

    Years of it would take longer to count than the whole page; that the balance is zero is watched elsewhere.
    """
    some = select(REQUESTS.c.number).where(REQUESTS.c.status == Status.DONE, *conditions).limit(MOST_COUNTED + 1)
    counted = connection.scalar(select(func.count()).select_from(some.subquery())) or 0
    if counted <= MOST_COUNTED:
        return Count(counted, more=False)
    if conditions:
        return Count(MOST_COUNTED, more=True)
    return Count(int(connection.scalar(select(func.sum(TALLY.c.accepted))) or 0) - others, more=False)


def _are_few(connection: Connection) -> bool:
    """Say whether so few deliveries stand that they may be looked at one by one."""
    standing = [select(DELIVERIES.c.id).where(*_in_state(state)).limit(FEW + 1).subquery() for state in STANDING_STATES]
    return sum(connection.scalar(select(func.count()).select_from(one)) or 0 for one in standing) <= FEW


def _in_state(state: State) -> tuple[Any, Any]:
    return text(among(TROUBLED)), DELIVERIES.c.state == state


def _counted_together(connection: Connection, caller: Principal, now: int) -> Sequence[Cause]:
    """Count by looking at every delivery and its request, all kinds apart."""
    columns = DELIVERIES.c
    by = [*(columns[name] for name in WITHIN_STATE), columns.state, columns.mapping, REQUESTS.c.kind]
    open_due = case((text(OPEN), REQUESTS.c.due_at))
    counted = select(
        *by,
        func.count().label("deliveries"),
        func.min(columns.updated_at).label("first_at"),
        func.max(columns.updated_at).label("last_at"),
        func.sum(case((columns.updated_at > now - DAY, 1), else_=0)).label("recent"),
        func.sum(case((columns.updated_at.between(now - 2 * DAY + 1, now - DAY), 1), else_=0)).label("before"),
        func.min(open_due).label("due_at"),
    ).select_from(BOTH)
    found: dict[CauseKey, Cause] = {}
    for state in STANDING_STATES:
        for row in connection.execute(counted.where(*_in_state(state), *visible(caller)).group_by(*by)):
            one = replace(_cause(row, state), due_at=row.due_at, is_sampled=False)
            found[one.key] = _both(found[one.key], one) if one.key in found else one
    return list(found.values())


def _counted_apart(connection: Connection, now: int) -> Sequence[Cause]:
    """Count each cause in its index, and look up what the most pressing have that no index has."""
    found: dict[CauseKey, Cause] = {}
    for state in STANDING_STATES:
        for row in connection.execute(_in_index(state), {"day": now - DAY, "days": now - 2 * DAY}):
            one = _cause(row, state)
            found[one.key] = _both(found[one.key], one) if one.key in found else one
    due, beyond = _deadlines(connection)
    return [replace(one, due_at=due.get(key), later_than=beyond) for key, one in found.items()]


def _in_index(state: State) -> Select[Any]:
    """Leap from one cause of a state to the next, and count each by its stretch of the index."""
    alike = [SAME.c[name] == DELIVERIES.c[name] for name in WITHIN_STATE]
    same = and_(text(f"same.{among(TROUBLED)}"), SAME.c.state == state, *alike)
    at = SAME.c.updated_at
    day: ColumnElement[int] = bindparam("day", type_=BigInteger)
    days: ColumnElement[int] = bindparam("days", type_=BigInteger)
    figures: dict[str, tuple[Any, Any]] = {
        "deliveries": (func.count(), same),
        "first_at": (func.min(at), same),
        "last_at": (func.max(at), same),
        "recent": (func.count(), and_(same, at > day)),
        "before": (func.count(), and_(same, at > days, at <= day)),
    }
    counted = [select(what).select_from(SAME).where(of).scalar_subquery().label(n) for n, (what, of) in figures.items()]
    seen = [*(DELIVERIES.c[name] for name in WITHIN_STATE), DELIVERIES.c.mapping, REQUESTS.c.kind]
    return select(*seen, *counted).select_from(BOTH).where(DELIVERIES.c.id.in_(select(leap(state).c.id)))


def _cause(row: Any, state: State) -> Cause:
    """Read a counted group."""
    uncertain = 0 if state is State.PARKED else row.deliveries
    said = (row.target, row.code, row.stage, row.deliveries, uncertain, row.first_at, row.last_at)
    seen = frozenset({row.kind}), frozenset({row.mapping})
    return Cause(*said, recent=row.recent, before=row.before, kinds=seen[0], mappings=seen[1])


def _both(one: Cause, other: Cause) -> Cause:
    """Make one of two parts of a cause."""
    return replace(
        one,
        deliveries=one.deliveries + other.deliveries,
        uncertain=one.uncertain + other.uncertain,
        first_at=min(one.first_at, other.first_at),
        last_at=max(one.last_at, other.last_at),
        recent=one.recent + other.recent,
        before=one.before + other.before,
        due_at=min((due for due in (one.due_at, other.due_at) if due is not None), default=None),
        kinds=one.kinds | other.kinds,
        mappings=one.mappings | other.mappings,
    )


def _deadlines(connection: Connection) -> tuple[dict[CauseKey, int], int | None]:
    """Find the nearest deadline of each cause among the most pressing requests, and how far that reaches."""
    pressing = select(REQUESTS.c.number, REQUESTS.c.due_at).where(text(OPEN)).order_by(REQUESTS.c.due_at)
    first = pressing.limit(MOST_PRESSING).subquery()
    by = [DELIVERIES.c[name] for name in WITHIN_STATE]
    joined = first.join(DELIVERIES, DELIVERIES.c.request == first.c.number)
    nearest = select(*by, func.min(first.c.due_at).label("due_at")).select_from(joined)
    rows = connection.execute(nearest.where(DELIVERIES.c.state.in_(STANDING_STATES)).group_by(*by))
    last = connection.scalar(
        select(REQUESTS.c.due_at).where(text(OPEN)).order_by(REQUESTS.c.due_at).offset(MOST_PRESSING).limit(1)
    )
    return {(row.target, row.code, row.stage): row.due_at for row in rows}, last


def _with_note(cause: Cause, row: Any) -> Cause:
    return cause if row is None else replace(cause, noted=Noted(row.owner, row.note, row.actor, row.at))
