"""What the function says of every verb is what the act does, whatever a delivery's state and flags."""

from dataclasses import replace
from itertools import product

import pytest

from hub import acts
from hub.acts import Done, Finalize, NotNowError, Reject, Reopen, Reroute, Retry, Second, Verify
from hub.lifecycle import State
from hub.model import Effect
from hub.prospects import prospects
from hub.routing import PENDING
from hub.settlement import ROOM
from hub.tables import DELIVERIES
from hub.tables_operations import FINALIZATIONS, Proof
from hub.verbs import LOOK_FIRST, Standing, Verb, Why, login_of, verbs, why_not

ANA, BOB = "console/ana", "console/bob"
CODES = {State.PARKED: ("full",), State.WAITING: ("full", PENDING)}
PROOFS = (None, Proof.PROPOSED, Proof.CONFIRMED, Proof.UNCONFIRMABLE)

CASES = [
    (state, uncertain, proof, code)
    for state, uncertain, proof in product(State, (False, True), PROOFS)
    for code in CODES.get(state, ("",))
]

ACTS = {
    Verb.VERIFY: lambda delivery: Verify(delivery, BOB),
    Verb.RETRY: lambda delivery: Retry(delivery, actor=BOB),
    Verb.RETRY_CURRENT: lambda delivery: Retry(delivery, actor=BOB, current=True),
    Verb.CORRECT: lambda delivery: Retry(delivery, data={"objet": "autre"}, actor=BOB),
    Verb.REROUTE: lambda delivery: Reroute(delivery, "cible_annexe", BOB),
    Verb.FINALIZE: lambda delivery: Finalize(delivery, "saisie", "BO-1", actor=BOB),
    Verb.SECOND: lambda delivery: Second(delivery, BOB),
    Verb.REJECT: lambda delivery: Reject(delivery, "non", BOB),
    Verb.REOPEN: lambda delivery: Reopen(delivery, "erreur", BOB),
}


def stand(connection, delivery, case):
    """Put a delivery where a test wants it."""
    state, uncertain, proof, code = case
    values = {"state": state, "ever_uncertain": uncertain, "code": code}
    connection.execute(DELIVERIES.update().where(DELIVERIES.c.id == delivery).values(**values))
    if proof is not None:
        said = {"reference": "BO-0", "reason": "saisie", "actor": ANA}
        row = {"delivery": delivery, "state": proof, **said}
        blank = {"comment": "", "seconded_by": "", "questions": 0, "code": "", "next_at": 0, "created_at": 0}
        connection.execute(FINALIZATIONS.insert(), {**blank, **row})


def done(book, connection, wanted):
    """Carry an act out and take it back again; gives the reason if it was refused."""
    with connection.begin_nested() as tried:
        [outcome] = acts.act(book, connection, [wanted])
        tried.rollback()
    if isinstance(outcome, Done):
        return None
    assert isinstance(outcome, NotNowError), outcome
    return outcome.why


@pytest.mark.parametrize("kind", ["idempotent", "lookup", "once"])
async def test_the_function_says_of_every_verb_what_the_act_does(make_town, kind):
    async with make_town(serve=False) as town:
        delivery, book = (await town.submit(kind)) * ROOM + 1, town.hub.ledger.book
        wrong = []
        cases = CASES if town.hub.ledger.engine.dialect.name == "sqlite" else CASES[::7]  # the rules are Python's alone
        with town.hub.ledger.engine.connect() as connection, connection.begin() as outermost:
            for case in cases:
                with connection.begin_nested() as standing:
                    stand(connection, delivery, case)
                    said = verbs(prospects(book, connection, delivery).standing, BOB)
                    found = {verb: done(book, connection, make(delivery)) for verb, make in ACTS.items()}
                    wrong += [(*case, verb, said[verb], found[verb]) for verb in Verb if found[verb] != said[verb]]
                    standing.rollback()
            outermost.rollback()
        assert wrong == []


async def test_a_call_back_is_neither_rerouted_nor_rejected(make_town):
    async with make_town() as town:
        town.target.break_with("refused")
        number = await town.submit("once")
        await town.settle(number, "parked")
        await town.quiet()
        book, callback = town.hub.ledger.book, town.delivery(number, "callback").id
        town.change("UPDATE delivery SET state = 'parked' WHERE id = :d", d=callback)
        said = verbs(town.hub.ledger.look(lambda connection: prospects(book, connection, callback)).standing)
        assert (said[Verb.REROUTE], said[Verb.REJECT]) == (Why.NOT_AWAITED, Why.NOT_AWAITED)
        assert said[Verb.FINALIZE] is None


async def test_what_is_left_to_a_person_can_always_be_closed_by_one(make_town):
    async with make_town(serve=False) as town:
        number = await town.submit("once")
        town.change("UPDATE request SET version = 'gone' WHERE number = :n", n=number)
        town.change("UPDATE delivery SET state = 'parked', code = 'unreadable_definition'")
        await town.act(Finalize(number * ROOM + 1, "saisie", "BO-1"))
        assert town.delivery(number).state == "finalized"


UNSURE = Standing(state=State.PARKED, code="timeout", ever_uncertain=True)


@pytest.mark.parametrize("effect", [Effect.IDEMPOTENT, Effect.LOOKUP, Effect.ONCE])
def test_what_was_perhaps_taken_is_not_corrected_unless_somebody_is_sure(effect):
    stands = replace(UNSURE, effect=effect)
    assert why_not(Verb.CORRECT, stands) is Why.PERHAPS_TAKEN
    assert why_not(Verb.CORRECT, stands.said_sure()) is None


def test_a_question_that_changes_nothing_may_always_be_asked_in_other_words():
    assert why_not(Verb.CORRECT, replace(UNSURE, effect=Effect.SAFE)) is None


def test_every_reason_has_its_sentence():
    assert all(why.sentence.endswith(".") for why in Why)
    assert set(Why) >= LOOK_FIRST


def test_a_person_is_known_by_the_login_whichever_door_they_came_by():
    assert login_of("console/ana") == login_of("terminal/Ana") == "ana"
    proposed = Standing(state=State.PARKED, proof=Proof.PROPOSED, proposer="console/ana")
    assert why_not(Verb.SECOND, proposed, "terminal/Ana") is Why.SAME_PERSON
    assert why_not(Verb.SECOND, proposed, "console/bob") is None


def test_a_target_that_cannot_be_asked_is_not_offered_to_be():
    standing = Standing(state=State.PARKED, ever_uncertain=True)
    asked = {effect: why_not(Verb.VERIFY, replace(standing, effect=effect)) for effect in Effect}
    assert [effect for effect, why in asked.items() if why is None] == [Effect.LOOKUP]
