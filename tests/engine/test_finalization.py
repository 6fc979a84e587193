"""What a person closes by hand is proved at its target, raised again when that denies it, and agreed to by two."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from connectors.rest.client import Rest
from hub.acts import Cancel, Finalize, Reject, Reopen, Reroute, Retry, Second, UnsureError, Verify
from hub.confirmer import ABSENT, MOST_QUESTIONS, is_open, judge, longest_call
from hub.errors import ConflictError, RefusedError, TransientError, UncertainError
from hub.finalization import (
    CANNOT_BE_ASKED,
    FINALIZATION_DENIED,
    SAID_AGAIN,
    UNPROVED_ONES,
    Asking,
    Finding,
    Question,
    claim,
    left_behind,
    record,
)
from hub.manifest import Operation
from hub.model import Effect, Instant
from hub.policy import Policy
from hub.settlement import ROOM
from hub.tables_operations import Proof
from hub.targets import Gate, Switch

THERE, GONE = True, False
NOW = Instant(1_790_000_000_000)
OPERATION = Operation(title="", effect=Effect.LOOKUP, visible_after=timedelta(seconds=5))


class BackOffice:
    """What a target says of its references, one answer after the other, the last one for ever."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    async def find(self, message, reference):
        """Say whether a reference is there."""
        self.asked.append((message.operation, reference))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def back_office(monkeypatch):
    """Let the target be asked for references of what it registers."""

    def answering(*answers):
        office = BackOffice(*answers)
        monkeypatch.setattr(Rest, "finds", frozenset({"enregistrer"}), raising=False)
        monkeypatch.setattr(Rest, "find", lambda _, message, reference: office.find(message, reference), raising=False)
        monkeypatch.setattr(Policy, "ask_again", lambda *_: timedelta(milliseconds=1))
        return office

    return answering


async def park(town, kind="lookup"):
    town.target.break_with("refused")
    number = await town.submit(kind)
    await town.settle(number, "parked")
    return number


def closing(town, number):
    found = town.rows("SELECT * FROM finalization WHERE delivery = :d", d=number * ROOM + 1)
    return found[0] if found else None


async def proved(town, number, *states):
    await town.until(lambda: closing(town, number).state in states)
    return closing(town, number)


def audited(town, number):
    return [row.kind for row in town.rows("SELECT kind FROM event WHERE request = :n ORDER BY id", n=number)]


async def test_a_reference_that_the_target_has_is_confirmed(make_town, back_office):
    office = back_office(UncertainError("timeout"), THERE)
    async with make_town() as town:
        number = await park(town)
        await town.act(Finalize(number * ROOM + 1, "saisie", "BO-1", "vu avec Mme L.", "console/ana"))
        row = await proved(town, number, "confirmed")
        assert (row.questions, row.reference, row.comment, row.actor) == (2, "BO-1", "vu avec Mme L.", "console/ana")
        assert office.asked == [("enregistrer", "BO-1")] * 2
        assert (town.delivery(number).state, town.request(number).status) == ("finalized", "finalized")
        assert "confirmed" in audited(town, number)
        with pytest.raises(ConflictError, match="confirmed"):
            await town.act(Reopen(number * ROOM + 1, "erreur"))


async def test_a_reference_denied_twice_raises_the_delivery_again(make_town, back_office):
    office = back_office(GONE)
    async with make_town() as town:
        number = await park(town)
        await town.act(Finalize(number * ROOM + 1, "saisie", "BO-2"))
        await proved(town, number, "denied")
        await town.settle(number, "parked")
        delivery, request = town.delivery(number), town.request(number)
        assert (delivery.state, delivery.code, delivery.reference) == ("parked", FINALIZATION_DENIED, "")
        assert (len(office.asked), delivery.stage, request.stage) == (
            2,
            town.hub.targets["cible"].stage,
            delivery.stage,
        )
        assert (request.ended_at, audited(town, number).count("reopen")) == (None, 1)
        await town.act(Retry(number * ROOM + 1))
        await town.settle(number, "done")
        assert town.taken == {f"{number}-1": 1}


async def test_a_reference_that_cannot_be_the_targets_own_is_denied_at_once(make_town, back_office):
    office = back_office(RefusedError("reference_invalid"))
    async with make_town() as town:
        number = await park(town)
        await town.act(Finalize(number * ROOM + 1, "saisie", "n'importe quoi"))
        row = await proved(town, number, "denied")
        assert (row.code, len(office.asked)) == ("reference_invalid", 1)


SAYING_IT_AGAIN = {
    "the same again": ("registre papier 12", "console/ana", "unconfirmable"),
    "another, by another person": ("registre papier 13", "console/bob", "unconfirmable"),
    "another, by the same person": ("registre papier 13", "terminal/Ana", "denied"),
}


@pytest.mark.parametrize(("reference", "actor", "state"), SAYING_IT_AGAIN.values(), ids=SAYING_IT_AGAIN)
async def test_what_was_done_on_paper_is_closed_by_saying_it_again(make_town, back_office, reference, actor, state):
    office = back_office(RefusedError("reference_invalid"))
    async with make_town() as town:
        number = await park(town)
        await town.act(Finalize(number * ROOM + 1, "fait au guichet", "registre papier 12", actor="console/ana"))
        await proved(town, number, "denied")
        asked = len(office.asked)
        await town.act(Finalize(number * ROOM + 1, "fait au guichet", reference, actor=actor))
        await proved(town, number, state)
        is_taken = state == "unconfirmable"
        assert (closing(town, number).code == SAID_AGAIN, len(office.asked) == asked) == (is_taken, is_taken)
        assert town.delivery(number).state == ("finalized" if is_taken else "parked")


async def test_what_was_said_again_and_reopened_is_asked_for_as_before(make_town, back_office):
    back_office(RefusedError("reference_invalid"), RefusedError("reference_invalid"), THERE)
    async with make_town() as town:
        number = await park(town)
        for state in ("denied", "unconfirmable"):
            await town.act(Finalize(number * ROOM + 1, "saisie", "BO-2"))
            await proved(town, number, state)
        await town.act(Reopen(number * ROOM + 1, "erreur"))
        await town.act(Finalize(number * ROOM + 1, "saisie", "BO-2"))
        assert (await proved(town, number, "denied")).code == "reference_invalid"


async def test_one_thing_is_asked_of_a_target_at_a_time(make_town, back_office, monkeypatch):
    back_office(THERE)
    async with make_town() as town:
        numbers = [await park(town) for _ in range(4)]
        at_once, most = 0, 0

        async def find(*_):
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            for _ in range(20):
                await asyncio.sleep(0)
            at_once -= 1
            return THERE

        monkeypatch.setattr(Rest, "find", find)
        await asyncio.gather(*(town.act(Finalize(number * ROOM + 1, "saisie", "BO-1")) for number in numbers))
        for number in numbers:
            await proved(town, number, "confirmed")
        assert most == 1


async def test_a_claim_lasts_as_long_as_the_longest_call(make_town):
    async with make_town({"deadline": "1s"}, serve=False) as town:
        target = town.hub.targets["cible"]
        assert longest_call(target) == timedelta(seconds=1)
        slow = target.operations["enregistrer"].model_copy(update={"deadline": timedelta(minutes=5)})
        patient = replace(target, operations={**target.operations, "enregistrer": slow})
        assert longest_call(patient) == timedelta(minutes=5)


A_DAY = 24 * 3_600_000


async def test_what_no_target_is_left_to_be_asked_for_is_given_up_after_a_day(make_town, back_office, monkeypatch):
    back_office(THERE)
    async with make_town(serve=False) as town:
        old, new = await finalized(town), await finalized(town)
        town.change("UPDATE finalization SET created_at = created_at - :d, next_at = next_at - :d", d=A_DAY)
        town.change("UPDATE finalization SET created_at = created_at + 60000 WHERE delivery = :d", d=new * ROOM + 1)
    monkeypatch.delattr(Rest, "find")
    async with make_town() as town:
        row = await proved(town, old, "unconfirmable")
        assert (row.code, town.delivery(old).state) == (CANNOT_BE_ASKED, "finalized")
        assert (closing(town, new).state, audited(town, old)[-1]) == ("pending", "unconfirmable")


async def test_who_serves_some_targets_alone_gives_nothing_up(still):
    await finalized(still)
    still.change("UPDATE finalization SET created_at = 0, next_at = 0")
    before = still.hub.ledger.book.now() - A_DAY
    look = still.hub.ledger.look
    assert look(lambda connection: left_behind(connection, ["cible"], before)) == []
    assert len(look(lambda connection: left_behind(connection, [], before))) == 1


def unproved(town):
    return {row.state: row.closed for row in town.hub.ledger.look(lambda one: one.execute(UNPROVED_ONES).all())}


async def test_a_denial_is_counted_until_somebody_sees_to_it(make_town, back_office):
    back_office(GONE)
    async with make_town() as town:
        number = await park(town)
        await town.act(Finalize(number * ROOM + 1, "saisie", "BO-2"))
        await proved(town, number, "denied")
        await town.until(lambda: unproved(town) == {"denied": 1})
        await town.act(Retry(number * ROOM + 1))
        await town.settle(number, "done")
        assert (closing(town, number).state, unproved(town)) == ("denied", {})


async def test_a_target_that_cannot_say_is_left_alone_in_the_end(make_town, back_office, monkeypatch):
    monkeypatch.setattr("hub.confirmer.MOST_QUESTIONS", 3)
    office = back_office(TransientError("connect"))
    async with make_town() as town:
        number = await park(town)
        await town.act(Finalize(number * ROOM + 1, "saisie", "BO-3"))
        row = await proved(town, number, "unconfirmable")
        assert (row.code, len(office.asked), town.delivery(number).state) == ("connect", 3, "finalized")


async def test_what_no_target_can_be_asked_for_is_unconfirmable_at_once(make_town, back_office):
    back_office(THERE)
    async with make_town() as town:
        number = await park(town, "once")
        await town.act(Finalize(number * ROOM + 1, "saisie", "BO-4"))
        assert closing(town, number).state == "unconfirmable"


async def test_a_paused_target_is_not_asked_for_references(make_town, back_office):
    office = back_office(THERE)
    async with make_town() as town:
        number = await park(town)
        await town.hub.ledger.switch(Switch("cible", paused=True))
        await town.act(Finalize(number * ROOM + 1, "saisie", "BO-5"))
        other = await town.submit("once")
        await town.act(Finalize(other * ROOM + 1, "saisie", "BO-6"))
        assert (office.asked, closing(town, number).state) == ([], "pending")
        await town.hub.ledger.switch(Switch("cible", paused=False))
        await proved(town, number, "confirmed")


@pytest.fixture
async def still(make_town, back_office):
    """A town that carries nothing, and whose target could be asked for references."""
    back_office(THERE)
    async with make_town(serve=False) as opened:
        yield opened


async def finalized(still):
    number = await still.submit("lookup")
    await still.act(Finalize(number * ROOM + 1, "saisie", "BO-7"))
    return number


async def test_of_two_processes_one_asks_and_what_died_is_asked_again(still):
    ledger, number = still.hub.ledger, await finalized(still)
    take = partial(claim, ledger.book)
    taken = await asyncio.gather(*(ledger.write(take, Asking("cible", 5, 60_000)) for _ in range(4)))
    [question] = [one for questions in taken for one in questions]
    assert (question.delivery, question.operation, question.questions) == (number * ROOM + 1, "enregistrer", 1)
    still.change("UPDATE finalization SET next_at = 0")
    [again] = await ledger.write(take, Asking("cible", 5, 60_000))
    assert (again.delivery, again.questions) == (question.delivery, 2)
    await ledger.write(partial(record, ledger.book), Finding(question, Proof.DENIED))
    assert (closing(still, number).state, still.delivery(number).state) == ("pending", "finalized")
    await ledger.write(partial(record, ledger.book), Finding(again, Proof.CONFIRMED))
    assert closing(still, number).state == "confirmed"


async def test_what_a_person_reopened_meanwhile_is_left_to_them(still):
    ledger, number = still.hub.ledger, await finalized(still)
    [question] = await ledger.write(partial(claim, ledger.book), Asking("cible", 5, 60_000))
    await still.act(Reopen(number * ROOM + 1, "trop tôt", "console/bob"))
    await ledger.write(partial(record, ledger.book), Finding(question, Proof.CONFIRMED))
    assert (closing(still, number).state, still.delivery(number).state) == ("reopened", "parked")
    assert (still.request(number).status, still.request(number).ended_at) == ("parked", None)


async def test_another_targets_finalizations_are_not_taken(still):
    await finalized(still)
    taken = await still.hub.ledger.write(partial(claim, still.hub.ledger.book), Asking("cible_annexe", 5, 60_000))
    assert taken == []


async def test_what_may_have_been_taken_is_still_so_once_it_is_reopened(make_town):
    async with make_town() as town:
        town.target.break_with("cut_after_commit")
        number = await town.submit("once")
        await town.settle(number, "parked")
        await town.act(Finalize(number * ROOM + 1, "saisie", "BO-8"))
        await town.act(Reopen(number * ROOM + 1, "mauvais dossier"))
        with pytest.raises(UnsureError):
            await town.act(Retry(number * ROOM + 1))
        assert town.taken == {f"{number}-1": 1}


@pytest.fixture
def two_eyes_more(monkeypatch):
    """Let one operation ask for a second person."""
    made = Rest.__init__

    def ask_for_two(self, settings, errors):
        made(self, settings, errors)
        known = self.operations
        self.operations = {**known, "signaler": known["signaler"].model_copy(update={"four_eyes": True})}

    monkeypatch.setattr(Rest, "__init__", ask_for_two)


@pytest.fixture
async def careful(two_eyes_more, make_town):
    """A town at work where two must agree."""
    async with make_town() as opened:
        yield opened


async def propose(town, number, actor="console/ana"):
    await town.act(Finalize(number * ROOM + 1, "saisie", "BO-9", actor=actor))
    return number * ROOM + 1


async def test_what_two_must_agree_to_is_proposed_then_closed_by_another(careful):
    number = await park(careful, "once")
    delivery = await propose(careful, number)
    assert (closing(careful, number).state, careful.delivery(number).state) == ("proposed", "parked")
    for login in ("console/ana", "terminal/Ana"):
        with pytest.raises(ConflictError, match="same person"):
            await careful.act(Second(delivery, login))
    await careful.act(Second(delivery, "console/bob"))
    row = closing(careful, number)
    assert (row.state, row.actor, row.seconded_by) == ("unconfirmable", "console/ana", "console/bob")
    assert (careful.delivery(number).state, careful.delivery(number).reference) == ("finalized", "BO-9")
    said = [kind for kind in audited(careful, number) if kind in {"propose", "second"}]
    assert said == ["propose", *["second"] * 3]


HELD_BACK = {
    "retry": lambda delivery, _: Retry(delivery),
    "verify": lambda delivery, _: Verify(delivery),
    "reject": lambda delivery, _: Reject(delivery, "non"),
    "reroute": lambda delivery, _: Reroute(delivery, "cible_annexe"),
    "finalize": lambda delivery, _: Finalize(delivery, "encore", "BO-10"),
    "cancel": lambda _, number: Cancel(number),
}


async def test_a_proposal_is_counted_until_its_delivery_ends(careful):
    number = await park(careful, "once")
    await propose(careful, number)
    assert unproved(careful) == {"proposed": 1}
    await careful.quiet()
    careful.change("UPDATE delivery SET state = 'delivered' WHERE request = :n", n=number)
    assert (closing(careful, number).state, unproved(careful)) == ("proposed", {})


async def test_what_two_must_agree_to_and_was_denied_is_not_asked_for_again(careful, back_office, monkeypatch):
    office = back_office(RefusedError("reference_invalid"))
    monkeypatch.setattr(careful.hub.ledger.book, "can_find", lambda *_: True)
    number = await park(careful, "once")
    delivery = await propose(careful, number)
    careful.change("UPDATE finalization SET state = 'denied'")
    await propose(careful, number)
    await careful.act(Second(delivery, "console/bob"))
    row = closing(careful, number)
    assert (row.state, row.code, row.seconded_by, office.asked) == ("unconfirmable", SAID_AGAIN, "console/bob", [])


async def test_nothing_else_is_done_to_what_is_proposed(careful):
    number = await park(careful, "once")
    delivery = await propose(careful, number)
    for act in HELD_BACK.values():
        with pytest.raises(ConflictError, match="propose"):
            await careful.act(act(delivery, number))
    assert (careful.delivery(number).state, closing(careful, number).reference) == ("parked", "BO-9")


async def test_what_is_proposed_is_not_sent_until_the_proposal_is_withdrawn(careful):
    await careful.hub.ledger.switch(Switch("cible", paused=True))
    number = await careful.submit("once")
    delivery = await propose(careful, number)
    await careful.hub.ledger.switch(Switch("cible", paused=False))
    await careful.act(Retry(await parked_elsewhere(careful)))
    await careful.until(lambda: len(careful.taken) == 1)
    assert careful.delivery(number).state == "queued"
    await careful.act(Reopen(delivery, "il n'y est pas", "console/bob"))
    await careful.settle(number, "done")
    assert (closing(careful, number).state, careful.taken[f"{number}-1"]) == ("reopened", 1)


async def parked_elsewhere(town):
    """Give a delivery that a retry will have sent, by which one sees that the target is served."""
    return (await park(town, "lookup")) * ROOM + 1


def question(questions=1, code=""):
    return Question(1, "enregistrer", "BO-1", questions, code, 0)


JUDGED = {
    "it is there": (question(), True, Proof.CONFIRMED, ""),
    "it is not, once": (question(), False, Proof.PENDING, ABSENT),
    "it is not, twice": (question(2, ABSENT), False, Proof.DENIED, ABSENT),
    "it is not, after a silence": (question(2, "timeout"), False, Proof.PENDING, ABSENT),
    "it cannot be": (question(), RefusedError("reference_invalid"), Proof.DENIED, "reference_invalid"),
    "nobody can say": (question(), UncertainError("timeout"), Proof.PENDING, "timeout"),
    "nobody could ever say": (question(MOST_QUESTIONS), UncertainError("timeout"), Proof.UNCONFIRMABLE, "timeout"),
}


@pytest.mark.parametrize(("asked", "answer", "state", "code"), JUDGED.values(), ids=JUDGED)
def test_an_answer_proves_as_much_as_it_says(asked, answer, state, code):
    finding = judge(asked, answer, OPERATION, Policy(), NOW)
    assert (finding.state, finding.code) == (state, code)
    assert (finding.next_at > NOW) == (state is Proof.PENDING)


def test_the_second_question_waits_until_the_target_shows_what_it_took():
    assert judge(question(), GONE, OPERATION, Policy(), NOW).next_at == NOW + 5000


def test_who_cannot_say_is_asked_with_growing_waits():
    waits = [
        judge(question(tried), UncertainError("timeout"), OPERATION, Policy(), NOW).next_at for tried in range(1, 5)
    ]
    assert waits == sorted(set(waits))


SHUT = {
    "paused": (Gate(paused=True), Policy(), False),
    "its breaker is open": (Gate(breaker="open", opened_at=NOW - 1000), Policy(), False),
    "its breaker has cooled": (Gate(breaker="open", opened_at=NOW - 61_000), Policy(), True),
    "closed": (Gate(), Policy(hours={"opens": "00:00", "closes": "00:01"}), False),
    "open": (Gate(), Policy(), True),
}


@pytest.mark.parametrize(("gate", "policy", "expected"), SHUT.values(), ids=SHUT)
def test_a_target_is_asked_only_when_it_may_be_spoken_to(gate, policy, expected):
    assert is_open(gate, policy, NOW) is expected
