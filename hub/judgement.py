"""What follows an answer, or its absence: a pure decision, taken before anything is written."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple

import orjson

from hub.claims import Claim
from hub.connector import DifferentError, Receipt
from hub.errors import DeliveryError, HubError, MappingError, RefusedError, TransientError, UncertainError
from hub.lifecycle import Event
from hub.manifest import Operation
from hub.model import Effect, Instant
from hub.policy import LONGEST_RETRY_AFTER, Policy, later
from hub.routing import PENDING, AwaitEvent, Deliver

NOT_TAKEN: Final = "not_taken"
"""The code of a delivery a person had verified, and that the target does not have."""


class Ruling(NamedTuple):
    """What becomes of a delivery: the event, why, and when it is looked at again."""

    event: Event
    code: str = ""
    stage: str = ""
    next_at: int = 0
    reference: str = ""
    uncertain: bool = False
    """Whether the target may have taken it, as far as we know after this."""
    if_absent: str = ""
    """The code to park it with, should the target say twice that it does not have it; else it is sent again."""
    answer: str = ""
    """What the target gave back beside its reference (JSON), for the steps to come."""
    well: bool | None = True
    """Whether the target itself works, for its breaker; None when nothing was learnt of it."""


class Case(NamedTuple):
    """One answer to judge."""

    claim: Claim
    operation: Operation
    policy: Policy
    now: Instant

    def after(self, wait: timedelta) -> Instant:
        """Say when `wait` is over, or, when the target is closed by then, soon after it opens: not all at once."""
        wanted = later(self.now, wait)
        opens = self.policy.opening(wanted)
        return opens if opens == wanted else later(opens, self.policy.base * random.random())  # noqa: S311  # no secret

    @property
    def settled(self) -> Instant:
        """When the last call is over, whatever became of it, and the target shows what it took."""
        over = later(Instant(self.claim.sent_at or self.now), self.deadline)
        return later(over, self.operation.visible_after)

    @property
    def is_late(self) -> bool:
        """Whether the delivery has been waited for longer than the policy's patience."""
        return self.now - self.claim.created_at > self.policy.patience.total_seconds() * 1000

    @property
    def deadline(self) -> timedelta:
        """How long one call may take."""
        return self.operation.deadline or self.policy.deadline


def judge_sending(case: Case, answer: Receipt | HubError) -> Ruling:
    """Decide what follows one attempt to deliver."""
    match answer:
        case Receipt():
            return Ruling(Event.ACCEPTED, reference=answer.reference, answer=written(answer.details))
        case MappingError():
            return Ruling(Event.GIVEN_UP, "mapping", uncertain=case.claim.ever_uncertain)
        case TransientError():
            return _try_later(case, answer)
        case RefusedError():
            return _refused(case, answer)
        case _:
            return AFTER_UNCERTAIN[case.operation.effect](case, answer)


def as_the_route_says(case: Case, ruling: Ruling, step: object, *, happened: bool) -> Ruling:
    """See a ruling as its step does: a refusal may be foreseen, and what was waited for may not have happened yet."""
    if ruling.event is Event.REFUSED and isinstance(step, Deliver) and ruling.code in step.refusals:
        return ruling._replace(event=Event.DECLINED, stage=step.refusals[ruling.code])
    if not isinstance(step, AwaitEvent) or not (_failed(ruling) or (ruling.event in SAID and not happened)):
        return ruling
    until = later(Instant(case.claim.created_at), step.within)
    if _failed(ruling) and case.now < until:
        again = ruling.next_at or case.after(case.policy.wait_before(case.claim.attempts + 1))
        return ruling._replace(event=Event.DEFERRED, stage="", next_at=min(again, until))
    if case.now >= until:
        expired = Event.ACCEPTED if _failed(ruling) else ruling.event
        return ruling._replace(event=expired, answer=written({**orjson.loads(ruling.answer or "{}"), "expired": True}))
    again = min(case.after(step.every), until)
    return Ruling(Event.DEFERRED, PENDING, next_at=again, reference=ruling.reference)


SAID: Final = frozenset({Event.ACCEPTED, Event.FOUND})
"""What a target's answer leads to."""


def _failed(ruling: Ruling) -> bool:
    """Say whether nothing was learnt from a target."""
    return ruling.event in {Event.GIVEN_UP, Event.DEFERRED} and ruling.well is False


def written(details: Mapping[str, Any]) -> str:
    """Write an answer down as the ledger keeps it."""
    return orjson.dumps(dict(details)).decode() if details else ""


def judge_asking(case: Case, answer: Receipt | DeliveryError | None) -> Ruling:
    """Decide what follows one question to the target."""
    match answer:
        case Receipt():
            return Ruling(Event.FOUND, reference=answer.reference, answer=written(answer.details))
        case None:
            return _absent(case)
        case DifferentError():
            return Ruling(Event.GIVEN_UP, "different", uncertain=True)
        case _ if case.now - case.claim.sent_at > case.policy.uncertain_max_age.total_seconds() * 1000:
            return Ruling(Event.GIVEN_UP, answer.code, answer.stage, uncertain=True, well=False)
        case _:
            asked_for = min(answer.retry_after or timedelta(), LONGEST_RETRY_AFTER)
            wait = max(case.policy.ask_again(case.claim.questions), asked_for)
            return _ask_later(case, answer.code, case.after(wait))._replace(well=False)


def _absent(case: Case) -> Ruling:
    """Believe "absent" only once the call is over for good, and twice, `visible_after` apart: replicas lie."""
    settled = case.settled
    if case.now < settled:
        return _ask_later(case, "absent", settled)
    if case.claim.absences == 0:
        again = _ask_later(case, "absent", case.after(case.operation.visible_after))
        return again._replace(event=Event.ABSENT)
    if case.claim.if_absent:
        return Ruling(Event.REFUSED, case.claim.if_absent, case.claim.stage)
    if case.claim.attempts >= case.policy.attempts or case.is_late:
        return Ruling(Event.GIVEN_UP, NOT_TAKEN)
    return Ruling(Event.ABSENT_AGAIN, "absent", next_at=case.now)


def _ask_later(case: Case, code: str, at: Instant) -> Ruling:
    """Leave the question open until `at`, whatever else is known of the delivery."""
    claim = case.claim
    return Ruling(Event.UNANSWERED, code, claim.stage, at, uncertain=True, if_absent=claim.if_absent)


def _try_later(case: Case, error: DeliveryError) -> Ruling:
    """Send again later, until attempts or patience are used up."""
    claim, policy = case.claim, case.policy
    tried = claim.attempts + 1
    uncertain = claim.ever_uncertain or isinstance(error, UncertainError)
    if tried >= policy.attempts or (claim.attempts and case.is_late):
        return Ruling(Event.GIVEN_UP, error.code, error.stage, uncertain=uncertain, well=False)
    at = case.after(policy.wait_before(tried, error.retry_after))
    return Ruling(Event.DEFERRED, error.code, error.stage, at, uncertain=uncertain, well=False)


def _refused(case: Case, error: RefusedError) -> Ruling:
    """Park it; but a refusal after an attempt that may have succeeded proves nothing before the target is asked."""
    if not case.claim.ever_uncertain or case.operation.effect is Effect.SAFE:
        return Ruling(Event.REFUSED, error.code, error.stage)
    if case.operation.effect is Effect.LOOKUP:
        at = case.after(case.operation.visible_after)
        return Ruling(Event.LOST, error.code, error.stage, at, uncertain=True, if_absent=error.code)
    return Ruling(Event.GIVEN_UP, error.code, error.stage, uncertain=True)


def _ask_first(case: Case, error: HubError) -> Ruling:
    """Ask once the call's deadline is over for good and the target shows what it took."""
    code, stage = (error.code, error.stage) if isinstance(error, DeliveryError) else ("unknown", "")
    at = case.policy.opening(Instant(max(case.settled, later(case.now, case.operation.visible_after))))
    return Ruling(Event.LOST, code, stage, at, uncertain=True, well=False)


def _send_again(case: Case, error: HubError) -> Ruling:
    return _try_later(case, error if isinstance(error, DeliveryError) else UncertainError("unknown"))


def _a_person_decides(_case: Case, error: HubError) -> Ruling:
    code, stage = (error.code, error.stage) if isinstance(error, DeliveryError) else ("unknown", "")
    return Ruling(Event.GIVEN_UP, code, stage, uncertain=True, well=False)


AFTER_UNCERTAIN: Final[Mapping[Effect, Callable[[Case, HubError], Ruling]]] = {
    Effect.SAFE: _send_again,
    Effect.IDEMPOTENT: _send_again,
    Effect.LOOKUP: _ask_first,
    Effect.ONCE: _a_person_decides,
}
"""An operation's effect alone decides what may follow a lost answer."""
