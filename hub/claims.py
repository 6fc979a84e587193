"""The statements that take deliveries in hand: claim under a lease and a fence, and commit the intent to send."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NamedTuple

import orjson
import structlog
from sqlalchemy import Connection, Row, Select, bindparam, case, func, literal_column, or_, select, text, update

from hub.book import Book
from hub.lifecycle import CLAIMABLE, FINAL, HELD, Event, State, advance
from hub.model import Instant
from hub.policy import Policy
from hub.routing import INTEGRATION_ERROR, answers_of
from hub.settlement import BODIES, FACTS, ROOM, fact_of, given_at, settle
from hub.statements import Prepared, listed
from hub.tables import DELIVERIES, READY, TARGETS, BreakerState, among
from hub.vault import BODY, PLAIN, Sealer, SealError

log = structlog.get_logger()

GRACE: Final = timedelta(seconds=30)
"""A lease outlives the deadline of the call it covers by this much."""

UNREADABLE: Final = "unreadable_definition"
"""The code of a delivery whose request is pinned to a definition that can no longer be compiled."""

POISON_CLAIMS: Final = 5
"""A delivery claimed this often without ever reaching its intent kills whoever maps it."""


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants how many deliveries of which target, and for how long; `these` alone, if some are named."""

    target: str
    owner: str
    limit: int
    policy: Policy
    these: frozenset[int] = frozenset()


class Claim(NamedTuple):
    """A delivery in hand: what it takes to map it, send it or ask about it, and to judge the answer."""

    id: int
    request: int
    target: str
    step: str
    item: int
    mapping: str
    given: str
    state: State
    fence: int
    claims: int
    attempts: int
    questions: int
    absences: int
    ever_uncertain: bool
    if_absent: str
    stage: str
    sent_at: int
    created_at: int
    next_at: int
    version: str
    body: str
    answers: str = ""
    """What earlier steps were answered (JSON), for a mapping that reads it."""
    sealer: Sealer = PLAIN
    """What seals what comes of it."""


@dataclass(frozen=True, slots=True)
class Held:
    """A delivery in somebody's hands."""

    id: int
    target: str
    state: str
    owner: str
    lease_until: int
    fence: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What an order brought; `more` when only the target's limits kept it from bringing more.

    `throttled` when it was the target's rate that did.
    """

    claims: Sequence[Claim] = ()
    more: bool = False
    throttled: bool = False


def seen(book: Book, connection: Connection, rows: Sequence[Any]) -> list[Claim]:
    """Give deliveries as whoever maps them needs them, from rows with the columns of a claim; nothing is changed."""
    requests = {row.number: row for row in BODIES.among(connection, {row.request for row in rows})} if rows else {}
    readable = [row for row in rows if book.can_read(connection, requests[row.request].version)]
    claims, _ = _together(book, connection, readable, requests)
    return claims


def _together(
    book: Book, connection: Connection, rows: Sequence[Any], requests: Mapping[int, Row[Any]]
) -> tuple[list[Claim], list[Any]]:
    """Put deliveries and their requests together; gives those whose data do not open apart."""
    answers = _answers(book, connection, rows, requests)
    claims, shut = [], []
    for row in rows:
        try:
            claims.append(_as_claim(book, row, requests[row.request], answers.get(row.request, "")))
        except SealError as error:
            log.error("a sealed value does not open", request=row.request, sealed=error.place)  # noqa: TRY400  # no trace
            shut.append(row)
    return claims, shut


def claim(book: Book, connection: Connection, orders: Sequence[Order]) -> list[Taken]:
    """Take due deliveries in hand for each order, as many as the target's switch, breaker and limits let through.

    Targets are locked in the order of their names: those who claim beside each other never wait in a circle.
    """
    in_turn = sorted(range(len(orders)), key=lambda index: orders[index].target)
    taken = {index: _claim(book, connection, orders[index]) for index in in_turn}
    return [taken[index] for index in range(len(orders))]


class Intent(NamedTuple):
    """A delivery about to be sent: whose it is, from when, and until when nobody else may touch it."""

    delivery: int
    fence: int
    now: int
    lease_until: int


def intend(connection: Connection, batches: Sequence[Sequence[Intent]]) -> list[list[bool]]:
    """Commit that these deliveries are about to be sent; False for one that is no longer in our hands."""
    intents = [intent for batch in batches for intent in batch]
    rows = [
        {"b_id": intent.delivery, "b_fence": intent.fence, "b_now": intent.now, "b_lease": intent.lease_until}
        for intent in intents
    ]
    ours = {(intent.delivery, intent.fence) for intent in intents}
    if INTEND.run(connection, rows) != len(rows):
        sending = select(DELIVERIES.c.id, DELIVERIES.c.fence).where(
            DELIVERIES.c.id.in_([intent.delivery for intent in intents]), DELIVERIES.c.state == State.SENDING
        )
        ours &= {(row.id, row.fence) for row in connection.execute(sending)}
    return [[(intent.delivery, intent.fence) in ours for intent in batch] for batch in batches]


INTEND: Final = Prepared(
    update(DELIVERIES)
    .where(
        DELIVERIES.c.id == bindparam("b_id"),
        DELIVERIES.c.fence == bindparam("b_fence"),
        DELIVERIES.c.state == State.CLAIMED,
    )
    .values(
        state=advance(State.CLAIMED, Event.INTENDED),
        sent_at=bindparam("b_now"),
        updated_at=bindparam("b_now"),
        lease_until=bindparam("b_lease"),
        claims=0,
    )
)

PARK: Final = Prepared(
    update(DELIVERIES)
    .where(
        DELIVERIES.c.id == bindparam("b_id"),
        DELIVERIES.c.fence == bindparam("b_fence"),
        DELIVERIES.c.state == bindparam("b_state"),
    )
    .values(
        state=State.PARKED,
        code=bindparam("b_code"),
        stage=INTEGRATION_ERROR,
        ever_uncertain=bindparam("b_perhaps"),
        updated_at=bindparam("b_now"),
    )
)
"""Only from where it was seen: an outcome that its holder wrote meanwhile stands."""

UNSETTLED: Final = frozenset(State) - FINAL - {State.PARKED}
"""The states of a call-back that the next one waits for: one that is parked holds nobody up."""

BEFORE: Final[Any] = DELIVERIES.alias("before")
STATE_BEFORE: Final = select(BEFORE.c.state).where(BEFORE.c.id == DELIVERIES.c.follows).scalar_subquery()
"""Looked up row by row, where an EXISTS may be answered by reading the whole table at each claim."""

DUE: Final = (
    select(DELIVERIES.c.id)
    .where(
        DELIVERIES.c.target == bindparam("b_target"),
        text(among(READY)),
        DELIVERIES.c.next_at <= bindparam("b_now"),
        or_(
            DELIVERIES.c.follows.is_(None),
            STATE_BEFORE.not_in([literal_column(f"'{one}'") for one in sorted(UNSETTLED)]),
        ),
    )
    .order_by(DELIVERIES.c.next_at, DELIVERIES.c.id)
    .limit(bindparam("b_limit"))
    .with_for_update(skip_locked=True)
)


def _take(due: Select[Any]) -> Prepared:
    """Write the claim of what `due` finds; apart from the update, so that it is looked for and locked only once."""
    found = due.cte("due")
    return Prepared(
        update(DELIVERIES)
        .where(DELIVERIES.c.id.in_(select(found.c.id)))
        .values(
            state=case(
                *((DELIVERIES.c.state == state, advance(state, Event.CLAIMED)) for state in CLAIMABLE),
            ),
            owner=bindparam("b_owner"),
            fence=DELIVERIES.c.fence + 1,
            claims=DELIVERIES.c.claims + 1,
            lease_until=bindparam("b_lease"),
            updated_at=bindparam("b_now"),
        )
        .returning(*(DELIVERIES.c[name] for name in Claim._fields if name in DELIVERIES.c))
    )


SOUND: Final = DUE.where(DELIVERIES.c.claims == 0)
"""An equality, not a range: only then are they found in the index in the order in which they are due."""

TAKE_SOUND: Final = _take(SOUND)
TAKE_THESE: Final = _take(SOUND.where(listed(DELIVERIES.c.id)))
TAKE_SUSPECT: Final = _take(DUE.where(DELIVERIES.c.claims > 0))
"""What was claimed before and never reached its intent may be what killed its holder: it is claimed alone."""

HELD_NOW: Final = Prepared(
    select(func.count().label("held")).where(
        DELIVERIES.c.target == bindparam("b_target"), text(among(HELD)), DELIVERIES.c.lease_until > bindparam("b_now")
    )
)
"""What a lease still covers: a process that is frozen keeps its deliveries, but not their target from others."""

TARGET: Final = Prepared(
    select(*(TARGETS.c[name] for name in ("name", "paused", "breaker", "opened_at", "tokens", "tokens_at")))
    .where(TARGETS.c.name == bindparam("b_target"))
    .with_for_update()
)


def held(connection: Connection, me: str, now: int) -> list[Held]:
    """List the deliveries in hands that may be gone: another owner's, or with a lease that is over."""
    columns = DELIVERIES.c
    statement = select(*(columns[name] for name in Held.__dataclass_fields__)).where(
        text(among(HELD)), or_(columns.owner != me, columns.lease_until < now)
    )
    return [Held(*row) for row in connection.execute(statement)]


def look(book: Book, connection: Connection, batches: Sequence[Sequence[Held]]) -> list[list[Claim]]:
    """See held deliveries as their holder saw them, to judge in its place; not those that moved meanwhile."""
    return [_look(book, connection, {one.id: (one.fence, one.state) for one in gone}) for gone in batches]


def _look(book: Book, connection: Connection, seen: Mapping[int, tuple[int, str]]) -> list[Claim]:
    columns = [DELIVERIES.c[name] for name in Claim._fields if name in DELIVERIES.c]
    rows = connection.execute(select(*columns).where(DELIVERIES.c.id.in_(seen), text(among(HELD)))).all()
    return _with_requests(book, connection, [row for row in rows if (row.fence, row.state) == seen[row.id]])


def _claim(book: Book, connection: Connection, order: Order) -> Taken:
    now = book.now()
    [target] = TARGET.rows(connection, {"b_target": order.target})
    if is_shut(target, order.policy, now):
        return Taken()
    free, rated = _free(connection, target, order.policy, now)
    limit = min(order.limit, free)
    if limit <= 0:
        return Taken(more=True, throttled=rated)
    values = {
        "b_target": order.target,
        "b_now": now,
        "b_owner": order.owner,
        "b_lease": now + milliseconds(order.policy.deadline + GRACE),
    }
    taken = _taken(connection, {**values, "b_limit": limit}, order.these)
    if taken:
        _charge(connection, target, order.policy, now, len(taken))
    full = len(taken) == limit
    more = full or any(row.claims > 1 for row in taken)
    return Taken(_with_requests(book, connection, taken), more, throttled=full and rated and limit == free)


def _taken(connection: Connection, values: Mapping[str, Any], these: Collection[int]) -> list[Any]:
    """Take what is due, the first numbered first: a suspect alone, or as many sound ones as there may be."""
    if these:
        return sorted(TAKE_THESE.rows(connection, values, these))
    return sorted(TAKE_SUSPECT.rows(connection, {**values, "b_limit": 1}) or TAKE_SOUND.rows(connection, values))


def is_shut(target: Any, policy: Policy, now: int) -> bool:
    """Say whether a person, the hour or the breaker keeps a target (its row, or its gate) from being spoken to."""
    cooling = target.breaker != BreakerState.CLOSED and 0 <= now - target.opened_at < milliseconds(
        policy.breaker_cooldown
    )
    return bool(target.paused) or cooling or policy.opening(Instant(now)) > now


def _free(connection: Connection, target: Row[Any], policy: Policy, now: int) -> tuple[int, bool]:
    """Say how many deliveries the target may be given beside those in hand, and whether it is its rate that says so.

    One alone tries a cooled breaker.
    """
    [(held,)] = HELD_NOW.rows(connection, {"b_target": target.name, "b_now": now})
    if target.breaker != BreakerState.CLOSED:
        return 1 - int(held), False
    free = policy.concurrency - int(held)
    if policy.rate is None:
        return free, False
    tokens = int(_tokens(target, policy.rate, now))
    return min(free, tokens), tokens < free


def _tokens(target: Row[Any], rate: float, now: int) -> float:
    """Fill the bucket: `rate` tokens a second, at most one second's worth, at least room for one.

    A clock that was set back gives a second's worth, since nobody knows how long it has been.
    """
    elapsed = now - target.tokens_at if now >= target.tokens_at else 1000
    return float(min(target.tokens + rate * elapsed / 1000, max(rate, 1.0)))


def _charge(connection: Connection, target: Row[Any], policy: Policy, now: int, count: int) -> None:
    """Take the tokens, and let a cooled breaker try one."""
    values: dict[str, Any] = {}
    if policy.rate is not None:
        values = {"tokens": _tokens(target, policy.rate, now) - count, "tokens_at": now}
    if target.breaker != BreakerState.CLOSED:
        values["breaker"] = BreakerState.HALF_OPEN
    if values:
        connection.execute(update(TARGETS).where(TARGETS.c.name == target.name).values(**values))


def _with_requests(book: Book, connection: Connection, taken: Sequence[Any]) -> list[Claim]:
    """Put deliveries and their requests together; those whose definition is unreadable wait for a person."""
    if not taken:
        return []
    requests = {row.number: row for row in BODIES.among(connection, {row.request for row in taken})}
    unreadable = {
        version for version in {row.version for row in requests.values()} if not book.can_read(connection, version)
    }
    lost = [row for row in taken if requests[row.request].version in unreadable]
    found = [row for row in taken if requests[row.request].version not in unreadable]
    claims, shut = _together(book, connection, found, requests)
    if lost or shut:
        now = book.now()
        parked = [_parked(row, now, UNREADABLE) for row in lost] + [_parked(row, now, SealError.code) for row in shut]
        PARK.run(connection, parked)
        settle(connection, book, {row.request for row in (*lost, *shut)})
    return claims


def _parked(row: Any, now: int, code: str) -> dict[str, Any]:
    """Leave a delivery to a person, from where it was seen; what was being sent may have arrived."""
    perhaps = bool(row.ever_uncertain) or row.state == State.SENDING
    said = {"b_id": row.id, "b_fence": row.fence, "b_state": row.state}
    return {**said, "b_code": code, "b_perhaps": perhaps, "b_now": now}


def _answers(
    book: Book, connection: Connection, taken: Sequence[Any], requests: Mapping[int, Row[Any]]
) -> Mapping[int, str | None]:
    """Gather what earlier steps were answered, of the requests whose definition reads it; None if it does not open."""
    versions = {requests[row.request].version for row in taken}
    known = {version: book.reads_answers(version) for version in versions}
    reading = {row.request for row in taken if known[requests[row.request].version]}
    rows: dict[int, list[Any]] = {number: [] for number in reading}
    for row in FACTS.among(connection, reading) if reading else ():
        rows[row.request].append(row)
    return {number: _answered(book, of_request) for number, of_request in rows.items()}


def _answered(book: Book, rows: Sequence[Any]) -> str | None:
    try:
        return orjson.dumps(answers_of([fact_of(book.vault, row) for row in rows])).decode()
    except SealError:
        return None


def _as_claim(book: Book, row: Row[Any], request: Row[Any], answers: str | None) -> Claim:
    """Put a delivery's row, in the order of Claim's fields, and its request together; raises SealError."""
    if answers is None:
        raise SealError("delivery.answer")
    sealer = book.vault.sealer(request.number, request.data_key)
    body = sealer.open(BODY, request.body)
    claim = Claim._make((*row, request.version, body, answers, sealer))
    given = sealer.open(given_at(row.id % ROOM), row.given) if row.given else ""
    return claim._replace(state=State(row.state), given=given)


def milliseconds(span: timedelta) -> int:
    """Count a duration in the ledger's unit."""
    return int(span.total_seconds() * 1000)
