"""What people and patience do when a target is silent, refuses or lies: found defects, each kept found."""

import asyncio
from datetime import timedelta

import pytest

from hub.acts import Cancel, Correct, Decide, Finalize, NotNowError, Retry, UnsureError, Verify
from hub.claims import Order
from hub.connector import Receipt
from hub.errors import ConflictError, UncertainError
from hub.judgement import Ruling
from hub.lifecycle import Event
from hub.policy import Policy
from hub.records import Outcome
from hub.targets import Switch
from hub.verbs import Why


async def silent(_message):
    raise UncertainError("timeout")


async def switch(town, target, *, paused):
    assert await town.hub.ledger.switch(Switch(target, paused=paused))
    town.hub.engine.wake({target})


def steps(town, number, step):
    return town.rows("SELECT * FROM delivery WHERE request = :n AND step = :s ORDER BY item", n=number, s=step)


async def test_a_target_that_always_loses_the_message_is_given_up_for_a_person(make_town):
    async with make_town({"attempts": 3, "deadline": "100ms"}) as town:
        town.target.break_with("cut_before", times=-1)
        number = await town.submit("lookup")
        await town.settle(number, "parked")
        sends = town.rows("SELECT 1 FROM attempt WHERE delivery = :d AND kind = 'send'", d=number * 1000 + 1)
        assert (town.delivery(number).code, len(sends), town.taken) == ("not_taken", 3, {})


async def test_what_was_never_taken_may_be_retried_by_a_person_without_being_sure(make_town):
    async with make_town({"attempts": 1, "deadline": "100ms"}) as town:
        town.target.break_with("cut_before")
        number = await town.submit("lookup")
        await town.settle(number, "parked")
        await town.act(Retry(number * 1000 + 1))
        await town.settle(number, "done")
        assert town.taken == {f"{number}-1": 1}


@pytest.mark.parametrize("act", [Retry, Verify])
async def test_absence_is_not_believed_while_the_call_may_still_arrive(make_town, monkeypatch, act):
    async with make_town({"deadline": "1s"}) as town:
        connector = town.hub.targets["cible"].connector
        deliver, on_its_way = connector.deliver, []

        async def arrive(message):
            await asyncio.sleep(0.4)
            return await deliver(message)

        async def cut(message):
            on_its_way.append(asyncio.create_task(arrive(message)))
            raise UncertainError("reset")

        monkeypatch.setattr(connector, "deliver", cut)
        number = await town.submit("lookup")
        await town.settle(number, "uncertain")
        await town.act(act(number * 1000 + 1))
        await town.settle(number)
        await asyncio.gather(*on_its_way)
        assert (town.delivery(number).state, len(on_its_way)) == ("delivered", 1)
        assert town.taken == {f"{number}-1": 1}


async def test_a_target_that_cannot_answer_makes_no_poison_of_what_is_asked_about(town, monkeypatch):
    monkeypatch.setattr(Policy, "ask_again", lambda *_: timedelta(milliseconds=1))
    town.target.break_with("cut_before")
    with monkeypatch.context() as patch:
        patch.setattr(town.hub.targets["cible"].connector, "look_up", silent)
        number = await town.submit("lookup")
        await town.until(lambda: len(town.outcomes(number)) >= 9 or town.request(number).status == "parked")
    await town.settle(number, "done")
    assert town.taken == {f"{number}-1": 1}


async def test_a_persons_retry_of_a_poisoned_delivery_starts_afresh(make_town):
    async with make_town(serve=False) as town:
        number = await town.submit("once")
        for _ in range(5):
            [claim] = (await town.hub.ledger.claim(Order("cible", "somebody", 1, Policy()))).claims
            await town.hub.ledger.record(Outcome(claim, Ruling(Event.RELEASED), Policy(), 0, 1))
    async with make_town() as town:
        await town.settle(number, "parked")
        assert town.delivery(number).code == "poison"
        await town.act(Retry(number * 1000 + 1))
        await town.settle(number, "done")
        assert town.taken == {f"{number}-1": 1}


async def part(town):
    """Bring a request to where the first of its three children was refused and the others delivered."""
    town.target.break_with("refused")
    number = await town.submit("circuit", enfants=["Zoé", "Tom", "Ali"])
    await town.act(Decide(number, accepted=True))
    await town.settle(number, "parked")
    await town.until(lambda: [row.state for row in steps(town, number, "enfants")][1:] == ["delivered"] * 2)
    return number, steps(town, number, "enfants")[0].id


@pytest.fixture
async def one_by_one(make_town):
    """A town whose target is given one delivery at a time, so that the first one meets the fault."""
    async with make_town({"concurrency": 1}) as opened:
        yield opened


LOST = "UPDATE delivery SET state = 'parked', code = 'timeout', ever_uncertain = true WHERE request = :n"
OTHER = {"objet": "autre"}


@pytest.fixture
async def still(make_town):
    """A town that carries nothing."""
    async with make_town(serve=False) as opened:
        yield opened


@pytest.mark.parametrize("kind", ["idempotent", "lookup", "once"])
async def test_what_the_target_may_have_taken_is_not_said_in_other_words(still, kind):
    number = await still.submit(kind)
    still.change(LOST, n=number)
    with pytest.raises(UnsureError) as refused:
        await still.act(Retry(number * 1000 + 1, data=OTHER))
    assert refused.value.why is Why.PERHAPS_TAKEN
    with pytest.raises(NotNowError) as refused:
        await still.act(Correct(number, OTHER))
    assert refused.value.why is Why.OTHERS_PERHAPS_TAKEN
    assert still.rows("SELECT * FROM revision") == []
    await still.act(Retry(number * 1000 + 1, data=OTHER, sure=True))
    assert (still.delivery(number).state, bool(still.delivery(number).ever_uncertain)) == ("queued", False)


async def test_what_goes_out_again_though_perhaps_taken_is_not_corrected_meanwhile(still):
    number = await still.submit("idempotent")
    still.change(LOST, n=number)
    await still.act(Retry(number * 1000 + 1))
    with pytest.raises(NotNowError) as refused:
        await still.act(Correct(number, OTHER))
    assert (still.delivery(number).state, refused.value.why) == ("queued", Why.OTHERS_PERHAPS_TAKEN)


async def test_what_is_on_its_way_is_not_corrected(still):
    number = await still.submit("once")
    [claim] = (await still.hub.ledger.claim(Order("cible", "somebody", 1, Policy()))).claims
    with pytest.raises(NotNowError) as refused:
        await still.act(Correct(number, OTHER))
    assert refused.value.why is Why.OTHERS_IN_HAND
    await still.hub.ledger.record(Outcome(claim, Ruling(Event.RELEASED), Policy(), 0, 1))
    await still.act(Correct(number, OTHER))
    assert [row.request for row in still.rows("SELECT request FROM revision")] == [number]


MOVED = {
    "changed": ["Zoé", "Tome", "Ali"],
    "changed beside the parked one": ["Zoë", "Tome", "Ali"],
    "put in another order": ["Zoé", "Ali", "Tom"],
    "shifted": ["Tom", "Ali"],
    "taken away": ["Zoé", "Tom"],
}


@pytest.mark.parametrize("children", MOVED.values(), ids=MOVED)
async def test_a_correction_changes_no_item_that_was_sent(one_by_one, children):
    number, parked = await part(one_by_one)
    for act in (Retry(parked, data={"enfants": children}), Correct(number, {"enfants": children})):
        with pytest.raises(ConflictError):
            await one_by_one.act(act)
    assert one_by_one.rows("SELECT * FROM revision") == []
    assert (one_by_one.request(number).status, len(one_by_one.taken)) == ("parked", 2)


async def test_a_correction_of_the_parked_item_alone_passes(one_by_one):
    number, parked = await part(one_by_one)
    await one_by_one.act(Retry(parked, data={"objet": "x", "enfants": ["Zoë", "Tom", "Ali"]}))
    await one_by_one.settle(number, "done")
    assert "Zoë".encode() in one_by_one.attempts(parked)[-1].sent
    assert set(one_by_one.taken.values()) == {1}


async def test_what_waits_for_a_paused_target_can_be_finalized(town):
    await switch(town, "cible", paused=True)
    number = await town.submit("once")
    await town.act(Finalize(number * 1000 + 1, "saisie à la main", "BO-2026-18"))
    await town.settle(number, "finalized")
    await switch(town, "cible", paused=False)
    assert (await town.settle(await town.submit("once"))).status == "done"
    assert f"{number}-1" not in town.taken


async def test_what_was_refused_can_be_cancelled_although_the_front_end_was_told(town):
    town.target.break_with("refused")
    number = await town.submit("once")
    await town.until(lambda: [row.state for row in steps(town, number, "callback")] == ["delivered"])
    await town.act(Cancel(number, "à la demande de l'usager"))
    assert town.request(number).status == "cancelled"
    await town.until(lambda: [row.state for row in steps(town, number, "callback")] == ["delivered"] * 2)


async def test_cancelling_leaves_the_call_backs_that_wait(town):
    await switch(town, "rappel", paused=True)
    town.target.break_with("refused")
    number = await town.submit("once")
    await town.settle(number, "parked")
    await town.act(Cancel(number))
    assert [row.state for row in steps(town, number, "callback")] == ["queued", "queued"]
    await switch(town, "rappel", paused=False)
    await town.until(lambda: [row.state for row in steps(town, number, "callback")] == ["delivered"] * 2)


async def test_what_a_target_has_taken_is_still_not_cancelled(one_by_one):
    number, _ = await part(one_by_one)
    with pytest.raises(ConflictError, match="taken part"):
        await one_by_one.act(Cancel(number))


@pytest.mark.parametrize("reference", ["R" * 300, "BO\0-1", "\0" * 300])
async def test_a_reference_that_fits_no_column_is_cut_and_cleaned(town, monkeypatch, reference):
    async def answered(_message):
        return Receipt(reference)

    monkeypatch.setattr(town.hub.targets["cible"].connector, "deliver", answered)
    number = await town.submit("once")
    await town.settle(number, "done")
    assert town.delivery(number).reference == reference.replace("\0", "")[:255]
