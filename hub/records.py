"""The statements that write down what came of a claim: the attempt, the delivery's move, the target's health."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, select, update

from hub.book import Book
from hub.claims import Claim
from hub.connector import Exchange
from hub.errors import IllegalTransitionError
from hub.judgement import Ruling
from hub.lifecycle import Event, State, advance
from hub.policy import Policy
from hub.routing import PENDING
from hub.settlement import Settled, answer_at, settle
from hub.statements import Prepared, insertion, listed
from hub.tables import ATTEMPTS, DELIVERIES, TARGETS, BreakerState
from hub.vault import Sealer, SealError

STOPPED: Final = "stopped"
"""The code of a delivery let go by a process that stops in order."""


class Outcome(NamedTuple):
    """One claim and what is to become of it, with the evidence of the call if there was one."""

    claim: Claim
    ruling: Ruling
    policy: Policy
    started_at: int
    ended_at: int
    exchange: Exchange | None = None
    counts: bool = True
    """Whether it uses up an attempt: not when nothing was tried."""

    @property
    def was_answered(self) -> bool:
        """Whether the target was spoken to: also where it said that nothing has happened yet."""
        return self.counts or self.ruling.code == PENDING

    @property
    def is_evidence(self) -> bool:
        """Whether the call is kept: not each time that nothing has happened yet."""
        return self.exchange is not None and self.ruling.code != PENDING

    @property
    def asked(self) -> bool:
        """Whether the target was asked rather than sent something."""
        return self.claim.state is State.ASKING


class Recorded(NamedTuple):
    """What recording one outcome led to; `late` when the delivery had moved on without us."""

    late: bool
    settled: Settled


MOVE: Final = Prepared(
    update(DELIVERIES)
    .where(DELIVERIES.c.id == bindparam("b_id"))
    .values(
        {
            name: bindparam(f"b_{name}")
            for name in (
                "state",
                "code",
                "stage",
                "reference",
                "answer",
                "if_absent",
                "ever_uncertain",
                "attempts",
                "questions",
                "absences",
                "claims",
                "next_at",
                "updated_at",
            )
        }
    )
)


NOW: Final = Prepared(
    select(*(DELIVERIES.c[name] for name in ("id", "state", "fence", "next_at", "sent_at")))
    .where(listed(DELIVERIES.c.id))
    .order_by(DELIVERIES.c.id)
    .with_for_update()
)
NEW_ATTEMPTS: Final = Prepared(insertion(ATTEMPTS))
_HEALTH: Final = select(TARGETS.c.name, TARGETS.c.breaker, TARGETS.c.fails, TARGETS.c.last_success_at).where(
    listed(TARGETS.c.name)
)
HEALTH: Final = Prepared(_HEALTH)
LOCKED_HEALTH: Final = Prepared(_HEALTH.order_by(TARGETS.c.name).with_for_update())


def record(book: Book, connection: Connection, outcomes: Sequence[Outcome]) -> list[Recorded]:
    """Write a batch of outcomes; a late one is kept as evidence and moves nothing it may not move."""
    rows = {row.id: row for row in NOW.among(connection, [outcome.claim.id for outcome in outcomes])}
    states = {row.id: (State(row.state), row.fence) for row in rows.values()}
    now = book.now()
    moves: dict[int, Mapping[str, Any]] = {}
    late = []
    for outcome in outcomes:
        state, fence = states[outcome.claim.id]
        after = _next_state(outcome, state, fence)
        late.append(after is None)
        if after is not None:
            moves[outcome.claim.id] = _move(outcome, after, now, again=nudged(rows[outcome.claim.id]))
            states[outcome.claim.id] = (after, fence)
    if moves:
        MOVE.run(connection, list(moves.values()))
    evidence = [_attempt(*pair) for pair in zip(outcomes, late, strict=True) if pair[0].is_evidence]
    if evidence:
        NEW_ATTEMPTS.run(connection, evidence)
    _breakers(connection, outcomes, now)
    moved = {outcome.claim.request for outcome, missed in zip(outcomes, late, strict=True) if not missed}
    settled = settle(connection, book, moved) if moved else Settled()
    # The first to ask announces what settling the batch changed; the others have nothing to add.
    return [Recorded(missed, Settled() if index else settled) for index, missed in enumerate(late)]


def nudged(row: Any) -> bool:
    """Say whether a nudge came for a delivery in hand: only then is it due later than it was sent."""
    return bool(row.next_at > row.sent_at)


def _next_state(outcome: Outcome, state: State, fence: int) -> State | None:
    """Say where the delivery goes, or None when it is no longer ours to move."""
    if fence != outcome.claim.fence:
        return None
    if state is State.DELIVERED and outcome.ruling.event is Event.ACCEPTED:
        return state  # the target told us before it answered: what it answers is still worth keeping
    try:
        return advance(state, outcome.ruling.event)
    except IllegalTransitionError:
        return None


def _move(outcome: Outcome, after: State, now: int, *, again: bool) -> Mapping[str, Any]:
    claim, ruling = outcome.claim, outcome.ruling
    tried = outcome.counts and not outcome.asked
    return {
        "b_id": claim.id,
        "b_state": after,
        "b_code": fitting(ruling.code, 60),
        "b_stage": ruling.stage,
        "b_reference": fitting(ruling.reference, 255),
        "b_answer": claim.sealer.seal(answer_at(claim.id), ruling.answer) if ruling.answer else "",
        "b_if_absent": ruling.if_absent,
        "b_ever_uncertain": ruling.uncertain,
        "b_attempts": 0 if ruling.code == PENDING else claim.attempts + tried,
        "b_questions": claim.questions + outcome.asked if ruling.uncertain else 0,
        "b_absences": _absences(claim, ruling.event),
        "b_claims": _claims(claim, ruling),
        "b_next_at": now if again and ruling.code == PENDING else ruling.next_at,
        "b_updated_at": now,
    }


def _claims(claim: Claim, ruling: Ruling) -> int:
    """Count the claims that came to nothing; one let go by a process that stops in order is none of them."""
    if ruling.event is not Event.RELEASED:
        return 0
    return claim.claims - (ruling.code == STOPPED)


def _absences(claim: Claim, event: Event) -> int:
    match event:
        case Event.ABSENT:
            return claim.absences + 1
        case Event.UNANSWERED | Event.RELEASED:
            return claim.absences
        case _:
            return 0


def _attempt(outcome: Outcome, late: bool) -> Mapping[str, Any]:  # noqa: FBT001  # zipped, never called by name
    exchange, claim = outcome.exchange or Exchange(), outcome.claim
    kind = "ask" if outcome.asked else "send"
    return {
        "delivery": claim.id,
        "fence": claim.fence,
        "kind": kind,
        "outcome": outcome.ruling.event,
        "code": fitting(outcome.ruling.code, 60),
        "late": late,
        "http_status": exchange.http_status,
        "fault": fitting(exchange.fault, 1000),
        "sent_sha256": hashlib.sha256(exchange.sent).hexdigest(),
        "sent": claim.sealer.seal_bytes(sent_at(claim.id, claim.fence, kind), exchange.sent),
        "answered": claim.sealer.seal_bytes(answered_at(claim.id, claim.fence, kind), exchange.answered),
        "started_at": outcome.started_at,
        "ended_at": outcome.ended_at,
    }


def opened(sealer: Sealer, row: Any) -> Any:
    """Give an attempt's row with what went over the wire; nothing of what does not open."""
    places = {"sent": sent_at, "answered": answered_at}
    wire = {name: _opened(sealer, at(row.delivery, row.fence, row.kind), row, name) for name, at in places.items()}
    return SimpleNamespace(**{**row._mapping, **wire})  # noqa: SLF001  # SQLAlchemy's public name for it


def _opened(sealer: Sealer, place: str, row: Any, name: str) -> bytes:
    try:
        return sealer.open_bytes(place, getattr(row, name))
    except SealError:
        return b""


def sent_at(delivery: int, fence: int, kind: str) -> str:
    """Say where what an attempt sent is sealed."""
    return f"attempt.sent:{delivery}:{fence}:{kind}"


def answered_at(delivery: int, fence: int, kind: str) -> str:
    """Say where what an attempt was answered is sealed."""
    return f"attempt.answered:{delivery}:{fence}:{kind}"


def fitting(said: str, length: int) -> str:
    """Make what a target said fit its column: it may be of any length, and PostgreSQL holds no NUL."""
    return said.replace("\x00", "")[:length]


def _breakers(connection: Connection, outcomes: Iterable[Outcome], now: int) -> None:
    """Count each target's failures in a row; enough of them open its breaker, one success closes it."""
    by_target: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.exchange is not None and outcome.was_answered and outcome.ruling.well is not None:
            by_target[outcome.claim.target].append(outcome)
    if not by_target:
        return
    changed = [one.name for one in HEALTH.among(connection, by_target) if _health(one, by_target[one.name], now)]
    for target in LOCKED_HEALTH.among(connection, changed) if changed else ():
        values = _health(target, by_target[target.name], now)
        if values:
            connection.execute(update(TARGETS).where(TARGETS.c.name == target.name).values(**values))


def _health(target: Any, outcomes: Sequence[Outcome], now: int) -> dict[str, Any]:
    if outcomes[-1].ruling.well:
        stale = now - target.last_success_at > 1000
        shut = target.breaker != BreakerState.CLOSED or target.fails
        return {"breaker": BreakerState.CLOSED, "fails": 0, "last_success_at": now} if stale or shut else {}
    fails = target.fails + len(outcomes) if not any(outcome.ruling.well for outcome in outcomes) else len(outcomes)
    opens = target.breaker != BreakerState.CLOSED or fails >= outcomes[-1].policy.breaker_threshold
    return {"fails": fails, **({"breaker": BreakerState.OPEN, "opened_at": now} if opens else {})}
