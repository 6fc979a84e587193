"""Each answer, or its absence, has one consequence for each effect."""

from datetime import timedelta

import pytest

from hub.claims import Claim
from hub.connector import DifferentError, Receipt
from hub.errors import MappingError, RefusedError, TransientError, UncertainError
from hub.judgement import Case, judge_asking, judge_sending
from hub.lifecycle import Event, State
from hub.manifest import Operation
from hub.model import Effect
from hub.policy import Hours, Policy

NOW = 1_790_000_000_000
FOUR_DAYS = 4 * 86_400_000
LONG_AGO = NOW - 3_600_000
CLAIM = Claim(
    id=167046020001,
    request=167046020,
    target="logitud",
    step="logitud",
    item=0,
    mapping="logitud/acte",
    given="",
    state=State.SENDING,
    fence=1,
    claims=0,
    attempts=0,
    questions=0,
    absences=0,
    ever_uncertain=False,
    if_absent="",
    stage="",
    sent_at=NOW,
    created_at=NOW,
    next_at=NOW,
    version="v",
    body="{}",
)


def case(effect=Effect.LOOKUP, policy=None, **claim):
    operation = Operation(title="x", effect=effect, visible_after="5s")
    return Case(CLAIM._replace(**claim), operation, policy or Policy(), NOW)


@pytest.mark.parametrize(
    ("effect", "event"),
    [
        (Effect.SAFE, Event.DEFERRED),
        (Effect.IDEMPOTENT, Event.DEFERRED),
        (Effect.LOOKUP, Event.LOST),
        (Effect.ONCE, Event.GIVEN_UP),
    ],
)
def test_a_lost_answer_leads_where_the_effect_says(effect, event):
    ruling = judge_sending(case(effect), UncertainError("timeout"))
    assert (ruling.event, ruling.uncertain, ruling.well) == (event, True, False)


@pytest.mark.parametrize("effect", Effect)
def test_what_was_surely_not_taken_is_sent_later(effect):
    ruling = judge_sending(case(effect), TransientError("connect"))
    assert (ruling.event, ruling.uncertain) == (Event.DEFERRED, False)
    assert ruling.next_at > NOW


@pytest.mark.parametrize("effect", Effect)
def test_a_first_refusal_is_final(effect):
    ruling = judge_sending(case(effect), RefusedError("hors_commune", stage="Refusé"))
    assert (ruling.event, ruling.code, ruling.stage) == (Event.REFUSED, "hors_commune", "Refusé")


@pytest.mark.parametrize(
    ("effect", "event"),
    [
        (Effect.SAFE, Event.REFUSED),
        (Effect.IDEMPOTENT, Event.GIVEN_UP),
        (Effect.LOOKUP, Event.LOST),
        (Effect.ONCE, Event.GIVEN_UP),
    ],
)
def test_a_refusal_after_an_uncertain_attempt_proves_nothing(effect, event):
    ruling = judge_sending(case(effect, ever_uncertain=True), RefusedError("doublon"))
    assert ruling.event is event


def test_the_first_question_waits_for_the_deadline_and_for_the_target_to_show_what_it_took():
    ruling = judge_sending(case(policy=Policy(deadline="60s")), UncertainError("reset"))
    assert ruling.next_at == NOW + 65_000


def test_absent_must_be_said_twice_before_it_is_sent_again():
    asked = {"state": State.ASKING, "ever_uncertain": True, "sent_at": LONG_AGO}
    first = judge_asking(case(**asked), None)
    assert (first.event, first.next_at) == (Event.ABSENT, NOW + 5_000)
    second = judge_asking(case(**asked, absences=1), None)
    assert (second.event, second.uncertain) == (Event.ABSENT_AGAIN, False)


def test_absent_proves_nothing_while_the_call_may_still_land():
    ruling = judge_asking(case(state=State.ASKING, ever_uncertain=True, absences=1), None)
    assert (ruling.event, ruling.next_at) == (Event.UNANSWERED, NOW + 65_000)


def test_a_pending_refusal_becomes_final_once_the_target_has_said_absent_twice():
    asking = case(state=State.ASKING, absences=1, if_absent="hors_commune", stage="Refusé", sent_at=LONG_AGO)
    ruling = judge_asking(asking, None)
    assert (ruling.event, ruling.code, ruling.stage) == (Event.REFUSED, "hors_commune", "Refusé")


def test_what_is_found_is_delivered_under_the_targets_reference():
    ruling = judge_asking(case(state=State.ASKING), Receipt("EC-12"))
    assert (ruling.event, ruling.reference) == (Event.FOUND, "EC-12")


def test_what_is_found_with_another_content_goes_to_a_person():
    assert judge_asking(case(state=State.ASKING), DifferentError("different")).event is Event.GIVEN_UP


def test_a_target_that_cannot_say_is_asked_again_then_a_person_takes_over():
    again = judge_asking(case(state=State.ASKING, ever_uncertain=True), UncertainError("timeout"))
    assert again.event is Event.UNANSWERED
    old = case(state=State.ASKING, sent_at=NOW - 25 * 3_600_000)
    assert judge_asking(old, UncertainError("timeout")).event is Event.GIVEN_UP


def test_a_target_may_not_put_a_question_off_for_more_than_a_day():
    asking = case(state=State.ASKING, ever_uncertain=True)
    ruling = judge_asking(asking, TransientError("too_many", retry_after=timedelta(days=3650)))
    assert (ruling.event, ruling.next_at) == (Event.UNANSWERED, NOW + 24 * 3_600_000)


@pytest.mark.parametrize("claim", [{"attempts": 400}, {"attempts": 1, "created_at": NOW - FOUR_DAYS}])
def test_what_the_target_never_takes_is_not_sent_for_ever(claim):
    ruling = judge_asking(case(state=State.ASKING, absences=1, sent_at=LONG_AGO, **claim), None)
    assert (ruling.event, ruling.code, ruling.uncertain) == (Event.GIVEN_UP, "not_taken", False)


@pytest.mark.parametrize("effect", Effect)
def test_a_first_failure_is_retried_however_long_the_delivery_waited_for_its_turn(effect):
    ruling = judge_sending(case(effect, attempts=0, created_at=NOW - FOUR_DAYS), TransientError("connect"))
    assert ruling.event is Event.DEFERRED


@pytest.mark.parametrize("claim", [{"attempts": 399}, {"attempts": 1, "created_at": NOW - FOUR_DAYS}])
def test_patience_ends_with_a_person(claim):
    assert judge_sending(case(**claim), TransientError("connect")).event is Event.GIVEN_UP


def test_a_mapping_that_fails_sends_nothing_and_goes_to_a_person():
    ruling = judge_sending(case(state=State.CLAIMED), MappingError("logitud/acte", ("Nom",)))
    assert (ruling.event, ruling.code) == (Event.GIVEN_UP, "mapping")


def test_what_waits_for_a_target_to_open_does_not_come_all_at_once():
    hours = Hours(days=["tue"], opens="08:00", closes="09:00")
    closed = case(Effect.SAFE, Policy(hours=hours, base="10m"))
    opens = closed.policy.opening(NOW)
    assert opens > NOW
    comes = {judge_sending(closed, TransientError("connect")).next_at for _ in range(50)}
    assert len(comes) > 25
    assert min(comes) >= opens
    assert max(comes) <= opens + 600_000
