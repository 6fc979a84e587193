"""A person can always finish what the machine must not."""

import pytest

from hub.acts import Cancel, Correct, Decide, Finalize, MissingError, Retry, UnsureError, Verify
from hub.errors import ConflictError
from hub.revisions import revision_at
from hub.settlement import sealer_of


async def park(town, kind="once", fault="cut_before"):
    town.target.break_with(fault)
    number = await town.submit(kind)
    await town.settle(number, "parked")
    return number


async def test_a_parked_delivery_is_finalized_under_the_back_offices_reference(town):
    number = await park(town)
    await town.act(Finalize(number * 1000 + 1, "saisie à la main", "BO-2026-17", actor="agent"))
    request = await town.settle(number, "finalized")
    assert request.stage == "Demande finalisée manuellement après erreur d'intégration"
    assert town.delivery(number).reference == "BO-2026-17"
    event = town.rows("SELECT * FROM event WHERE request = :n AND kind = 'finalize'", n=number)[0]
    assert (event.actor, event.note) == ("agent", "BO-2026-17: saisie à la main")


async def test_finalizing_twice_is_one_act_and_a_conflict(town):
    number = await park(town)
    await town.act(Finalize(number * 1000 + 1, "saisie", "BO-1"))
    with pytest.raises(ConflictError, match="closed by hand"):
        await town.act(Finalize(number * 1000 + 1, "saisie", "BO-2"))
    assert town.delivery(number).reference == "BO-1"
    notes = [row.note for row in town.rows("SELECT note FROM event WHERE kind = 'finalize' ORDER BY id")]
    assert notes == ["BO-1: saisie", "refused: closed by hand"]


async def test_what_may_have_been_taken_is_only_retried_by_someone_who_is_sure(town):
    number = await park(town, fault="cut_after_commit")
    with pytest.raises(UnsureError, match="perhaps taken"):
        await town.act(Retry(number * 1000 + 1))
    assert (town.delivery(number).state, town.taken) == ("parked", {f"{number}-1": 1})


async def test_a_target_that_cannot_be_asked_is_not_verified(town):
    number = await park(town)
    with pytest.raises(UnsureError, match="cannot be asked"):
        await town.act(Verify(number * 1000 + 1))


async def test_what_the_target_recognises_is_simply_sent_again(make_town):
    async with make_town({"attempts": 1}) as town:
        number = await park(town, "idempotent", "cut_after_commit")
        await town.act(Retry(number * 1000 + 1))
        await town.settle(number, "done")
        assert town.taken == {f"{number}-1": 1}


async def test_someone_who_is_sure_retries(town):
    number = await park(town)
    await town.act(Retry(number * 1000 + 1, sure=True))
    await town.settle(number, "done")
    assert town.taken == {f"{number}-1": 1}


async def test_a_refusal_is_corrected_and_retried(town):
    number = await park(town, "lookup", "refused")
    await town.act(Retry(number * 1000 + 1, data={"objet": "acte"}, actor="agent"))
    await town.settle(number, "done")
    kept = town.rows("SELECT body, actor, at FROM revision WHERE request = :n", n=number)[0]
    assert b"ACTE" in town.attempts(number * 1000 + 1)[-1].sent
    [row] = town.rows("SELECT number, data_key FROM request WHERE number = :n", n=number)
    before = sealer_of(town.hub.ledger.book, row).open(revision_at(kept.at), kept.body)
    assert ("certificat" in before, kept.actor) == (True, "agent")


async def test_verifying_finds_what_was_taken(town):
    number = await park(town, "lookup", "refused")
    await town.act(Verify(number * 1000 + 1))
    await town.settle(number, "parked")
    assert town.delivery(number).code == "OBJET_INCONNU"
    assert town.taken == {}


async def test_verifying_sends_nothing_even_when_the_target_has_nothing(make_town):
    async with make_town({"uncertain_max_age": "0s"}) as town:
        town.target.break_with("cut_before", times=-1)
        number = await town.submit("lookup")
        await town.until(lambda: town.delivery(number).state in {"uncertain", "parked"})
        await town.act(Verify(number * 1000 + 1))
        await town.settle(number, "parked")
        assert town.delivery(number).code == "not_taken"
        assert "accepted" not in town.outcomes(number)


async def test_a_person_accepts_and_the_route_goes_on(town):
    number = await town.submit("circuit", urgent=True, enfants=["Zoé", "Tom"])
    assert town.request(number).stage == "En cours d'instruction"
    await town.act(Decide(number, accepted=True, actor="agent"))
    await town.settle(number, "done")
    steps = "SELECT step, state FROM delivery WHERE step != 'callback'"
    await town.until(lambda: {row.state for row in town.rows(steps)} == {"delivered"})
    assert sorted(row.step for row in town.rows(steps)) == ["avis", "enfants", "enfants", "urgence"]
    assert (len(town.taken), set(town.taken.values())) == (4, {1})


async def test_a_branch_not_taken_leaves_no_trace(town):
    number = await town.submit("circuit", urgent=False, enfants=["Zoé"])
    await town.act(Decide(number, accepted=True))
    await town.settle(number, "done")
    assert not town.rows("SELECT 1 FROM delivery WHERE step = 'urgence'")


async def test_one_child_refused_leaves_the_others_delivered(town):
    town.target.break_with("refused")
    number = await town.submit("circuit", enfants=["Zoé", "Tom", "Ali"])
    await town.act(Decide(number, accepted=True))
    await town.settle(number, "parked")
    await town.until(lambda: len(town.taken) == 2)
    parked = town.rows("SELECT id FROM delivery WHERE state = 'parked'")
    await town.act(Finalize(parked[0].id, "saisie", "BO-9"))
    await town.settle(number, "finalized")


async def test_a_person_refuses_and_nothing_is_sent(town):
    number = await town.submit("circuit", enfants=["Zoé"])
    await town.act(Decide(number, accepted=False, reason="Refusé"))
    assert (town.request(number).status, town.taken) == ("refused", {})


async def test_a_refusal_gives_one_of_the_routes_reasons(town):
    number = await town.submit("circuit", enfants=["Zoé"])
    with pytest.raises(ConflictError, match="Refusé"):
        await town.act(Decide(number, accepted=False, reason="parce que"))
    assert town.request(number).status == "waiting"


async def test_a_decision_may_correct_the_data(town):
    number = await town.submit("circuit", enfants=["Zoé"])
    await town.act(Decide(number, accepted=True, data={"objet": "x", "enfants": ["Zoé", "Tom"]}))
    await town.settle(number, "done")
    assert len(town.rows("SELECT 1 FROM delivery WHERE step = 'enfants'")) == 2


async def test_deciding_twice_is_a_conflict(town):
    number = await town.submit("circuit", enfants=["Zoé"])
    await town.act(Decide(number, accepted=False, reason="Refusé"))
    with pytest.raises(ConflictError, match="does not await"):
        await town.act(Decide(number, accepted=True))


async def test_a_waiting_request_can_be_cancelled_and_a_delivered_one_cannot(town):
    waiting = await town.submit("circuit", enfants=["Zoé"])
    await town.act(Cancel(waiting, "à la demande de l'usager"))
    assert town.request(waiting).stage == "Demande annulée"
    done = await town.submit("lookup")
    await town.settle(done, "done")
    with pytest.raises(ConflictError, match="has ended"):
        await town.act(Cancel(done))


async def test_what_may_have_been_taken_is_not_cancelled(town):
    number = await park(town, fault="cut_after_commit")
    with pytest.raises(ConflictError, match="verify first"):
        await town.act(Cancel(number))


async def test_a_correction_keeps_what_it_replaces(town):
    number = await park(town, "lookup", "refused")
    await town.act(Correct(number, {"objet": "autre"}, "agent"))
    assert '"objet":"autre"' in town.request(number).body
    assert len(town.rows("SELECT 1 FROM revision WHERE request = :n", n=number)) == 1


@pytest.mark.parametrize("act", [Retry(1), Verify(1), Finalize(1, "r", "f"), Cancel(1), Decide(1, accepted=True)])
async def test_what_does_not_exist_is_missing(town, act):
    with pytest.raises(MissingError):
        await town.act(act)
