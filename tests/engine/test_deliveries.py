"""A request reaches its target once, whatever the target does."""

import pytest

from connectors.rest.sandbox import Sandbox
from hub.lifecycle import Event

ONCE = "once"
TAKEN_BUT_UNSAID = ["cut_after_commit", "error_500", "garbage", "empty", "no_reference", "slow"]
NOT_TAKEN_AND_UNSAID = ["cut_before", "maintenance", "redirect"]
KNOWN_NOT_TAKEN = ["unavailable", "too_many", "unknown_account"]


@pytest.mark.parametrize("kind", ["idempotent", "lookup", "once"])
async def test_a_request_is_delivered_and_says_so(town, kind):
    number = await town.submit(kind)
    request = await town.settle(number)
    assert (request.status, request.stage) == ("done", "Accepté")
    assert town.delivery(number).reference == "BO-000001"
    assert town.taken == {f"{number}-1": 1}


@pytest.mark.parametrize("fault", TAKEN_BUT_UNSAID)
@pytest.mark.parametrize("kind", ["idempotent", "lookup"])
async def test_what_was_taken_without_a_word_is_not_taken_twice(town, kind, fault):
    town.target.break_with(fault)
    number = await town.submit(kind)
    await town.settle(number, "done")
    assert town.taken == {f"{number}-1": 1}


@pytest.mark.parametrize("fault", NOT_TAKEN_AND_UNSAID)
@pytest.mark.parametrize("kind", ["idempotent", "lookup"])
async def test_what_was_lost_is_sent_again_and_taken_once(town, kind, fault):
    town.target.break_with(fault)
    number = await town.submit(kind)
    await town.settle(number, "done")
    assert town.taken == {f"{number}-1": 1}


async def test_absent_is_asked_twice_before_it_is_sent_again(town):
    town.target.break_with("cut_before")
    number = await town.submit("lookup")
    await town.settle(number, "done")
    assert town.outcomes(number) == [Event.LOST, Event.ABSENT, Event.ABSENT_AGAIN, Event.ACCEPTED]


@pytest.mark.parametrize("fault", TAKEN_BUT_UNSAID + NOT_TAKEN_AND_UNSAID)
async def test_a_target_that_cannot_be_asked_is_never_sent_a_second_time_by_a_machine(town, fault):
    town.target.break_with(fault)
    number = await town.submit("once")
    request = await town.settle(number)
    assert request.status == "parked"
    assert town.delivery(number).ever_uncertain
    assert town.outcomes(number) == [Event.GIVEN_UP]


@pytest.mark.parametrize("fault", KNOWN_NOT_TAKEN)
@pytest.mark.parametrize("kind", ["idempotent", "lookup", "once"])
async def test_what_was_surely_not_taken_is_sent_again_by_itself(make_town, kind, fault):
    async with make_town() as town:
        town.target.break_with(fault, times=2)
        number = await town.submit(kind)
        if fault == "too_many":  # the sandbox asks for a minute's patience
            await town.until(lambda: town.delivery(number).state == "waiting")
            assert town.delivery(number).next_at > town.hub.ledger.book.now() + 500
            return
        if fault == "unknown_account":  # the table asks for minutes of patience
            await town.until(lambda: town.delivery(number).state == "waiting")
            return
        await town.settle(number, "done")
        assert town.outcomes(number)[-1] == Event.ACCEPTED
        assert town.taken == {f"{number}-1": 1}


@pytest.mark.parametrize("fault", ["refused", "error_inside"])
async def test_a_refusal_waits_for_a_person_under_the_agents_own_words(town, fault):
    town.target.break_with(fault)
    number = await town.submit("lookup")
    request = await town.settle(number)
    assert (request.status, request.stage) == ("parked", "Refusé")
    assert (town.delivery(number).code, town.taken) == ("OBJET_INCONNU", {})


async def test_a_refusal_after_a_lost_answer_is_not_believed_before_the_target_was_asked(town):
    """The first attempt may have been taken: refused as a duplicate, it would look like a failure."""
    town.target.break_with("cut_after_commit")
    number = await town.submit("lookup")
    await town.until(lambda: town.delivery(number).state == "uncertain")
    town.target.break_with("refused")
    await town.settle(number, "done")
    assert town.taken == {f"{number}-1": 1}


async def test_a_mapping_that_fails_sends_nothing(town):
    number = await town.submit("lookup", telephone="pas un numéro")
    request = await town.settle(number)
    assert (request.status, request.stage) == ("parked", "Erreur lors de l'intégration de la demande")
    assert (town.delivery(number).code, town.taken) == ("mapping", {})


async def test_many_requests_go_side_by_side_and_each_is_taken_once(town):
    numbers = [await town.submit("idempotent") for _ in range(200)]
    await town.until(lambda: town.rows("SELECT count(*) FROM request WHERE status = 'done'")[0][0] == 200)
    assert town.taken == {f"{number}-1": 1 for number in numbers}


async def test_a_target_that_is_not_there_is_waited_for(make_town):
    target = Sandbox()
    await target.start()
    await target.stop()
    async with make_town(sandbox=target) as town:
        number = await town.submit("once")
        await town.until(lambda: town.delivery(number).attempts >= 2)
        await target.start()
        try:
            await town.settle(number, "done")
        finally:
            await target.stop()
    assert town.taken == {f"{number}-1": 1}


async def test_patience_ends_with_a_person_under_the_targets_own_stage(make_town):
    async with make_town({"attempts": 2}) as town:
        town.target.break_with("unavailable", times=-1)
        number = await town.submit("lookup")
        request = await town.settle(number)
        assert request.status == "parked"
        assert town.delivery(number).attempts == 2


async def test_what_was_sent_and_answered_is_kept(town):
    number = await town.submit("lookup", objet="certificat")
    await town.settle(number)
    [attempt] = town.attempts(number * 1000 + 1)
    assert b"CERTIFICAT" in attempt.sent
    assert b"BO-000001" in attempt.answered
    assert attempt.http_status == 201
