"""Steps that ask, wait, and take back: each is a delivery, and ends whatever happens."""

import asyncio
import json
from datetime import datetime, timedelta

import pytest

from hub.acts import Cancel, Correct, Decide, Finalize, Retry
from hub.calendar import PARIS
from hub.desk import TargetDesk
from hub.errors import ConfigurationError, ConflictError
from hub.events import Staged
from hub.model import DeliveryKey, Verdict
from hub.testimony import Nudge

TAKE = {"deliver": "cible", "using": "cible/idempotent", "undo": "cible/retrait"}
ENRICH = {"enrich": "cible", "id": "etat", "using": "cible/etat", "purpose": "Savoir où en est le dossier"}
EVENT = {
    "await": "event",
    "of": "cible",
    "id": "suivi",
    "using": "cible/etat",
    "until": '$answer.etat != "en_cours"',
    "every": "1h",
    "within": "2d",
    "stage": "En attente",
}
DECISION = {"await": "decision", "id": "avis", "stage": "En cours d'instruction", "reasons": ["Refusé"]}

ROUTES = {
    "enrichi": [ENRICH, {"branch": '$answers.etat.etat = "clos"', "then": [TAKE]}],
    "consenti": [{**ENRICH, "consent": "data.accord"}, {**TAKE, "using": "cible/avec_etat"}],
    "suivi": [EVENT, {"branch": '$answers.suivi.etat = "paye"', "then": [], "otherwise": [{"refuse": "Impayé"}]}],
    "perime": [
        {**EVENT, "within": "100ms", "every": "50ms"},
        {"branch": "$answers.suivi.expired", "then": [{"refuse": "Impayé"}]},
    ],
    "daté": [{"await": "date", "id": "jour", "at": "data.jour", "stage": "En attente"}, TAKE],
    "repris": [TAKE, {**TAKE, "id": "seconde"}, DECISION],
    "prevu": [
        TAKE,
        DECISION,
        {"deliver": "cible", "id": "lieu", "using": "cible/once", "refusals": {"OBJET_INCONNU": "Complet"}},
    ],
    "plusieurs": [
        {
            "deliver": "cible",
            "using": "cible/once",
            "for_each": "data.choses",
            "refusals": {"OBJET_INCONNU": "Complet"},
        }
    ],
    "tacite": [{**DECISION, "within": "100ms", "by_default": "accept"}, TAKE],
    "patient": [{**DECISION, "within": "1h"}, TAKE],
    "silence": [{**DECISION, "within": "100ms"}, TAKE],
    "horloge_legale": [DECISION],
}
CLOCKS = {"horloge_legale": {"months": 1, "since": "data.jour"}}


@pytest.fixture
def home(home):
    """Add the kinds of these tests."""
    for name, fields, operation in (
        ("etat", {"dossier": "data.objet"}, "consulter"),
        ("avec_etat", {"objet": '$answers.etat.etat ?: "inconnu"'}, "deposer"),
        ("retrait", {"retrait_de": "$answers.cible.reference ?: $answers.cible[0].reference"}, "deposer"),
    ):
        mapping = {
            "mapping": f"cible/{name}",
            "from": "*",
            "to": f"rest.{operation}",
            "fields": fields,
            "examples": [{"name": "whatever", "given": {}, "expect": {}}],
        }
        (home / f"mappings/cible/{name}.yaml").write_text(json.dumps(mapping))
    for name in ("idempotent", "once"):
        file = home / f"mappings/cible/{name}.yaml"
        file.write_text(json.dumps({**json.loads(file.read_text()), "from": "*"}))
    for kind, steps in ROUTES.items():
        folder = home / "routes" / kind
        folder.mkdir()
        clock = {"clock": CLOCKS[kind]} if kind in CLOCKS else {}
        route = {"route": kind.replace("é", "e"), "title": kind, "owner": "essais", "steps": steps, **clock}
        (folder / "route.yaml").write_text(json.dumps(route))
        (folder / "schema.json").write_text(json.dumps({"type": "object"}))
    return home


@pytest.fixture
async def town(make_town):
    async with make_town() as opened:
        yield opened


def steps_of(town, number):
    rows = town.rows("SELECT step, state FROM delivery WHERE request = :n ORDER BY id", n=number)
    return {row.step: row.state for row in rows if row.step != "callback"}


async def test_what_a_target_answers_decides_the_way(town):
    town.target.state = "clos"
    number = await town.submit("enrichi")
    assert (await town.settle(number)).status == "done"
    assert steps_of(town, number) == {"etat": "delivered", "cible": "delivered"}
    town.target.state = "en_cours"
    assert steps_of(town, await _ended(town, "enrichi")) == {"etat": "delivered"}


async def _ended(town, kind, **data):
    number = await town.submit(kind, **data)
    await town.settle(number)
    return number


async def test_what_is_asked_and_why_is_written_down(town):
    number = await _ended(town, "enrichi")
    [event] = town.rows("SELECT note FROM event WHERE request = :n AND kind = 'asked'", n=number)
    assert event.note == "cible/etat: Savoir où en est le dossier"


async def test_nothing_is_asked_without_consent(town):
    number = await _ended(town, "consenti", accord=False)
    assert steps_of(town, number) == {"cible": "delivered"}
    assert town.rows("SELECT 1 FROM event WHERE request = :n AND kind = 'asked'", n=number) == []
    assert json.loads(sent(town, number)[-1])["objet"] == "inconnu"


async def test_a_mapping_reads_what_an_earlier_step_was_answered(town):
    number = await _ended(town, "consenti", accord=True)
    assert json.loads(sent(town, number)[-1])["objet"] == "en_cours"


def sent(town, number):
    rows = town.rows(
        "SELECT DISTINCT delivery FROM attempt JOIN delivery ON delivery.id = attempt.delivery "
        "WHERE request = :n AND target = 'cible'",
        n=number,
    )
    tried = [one for row in rows for one in town.attempts(row.delivery)]
    return [one.sent for one in sorted(tried, key=lambda one: one.id)]


async def test_an_event_is_awaited_and_a_nudge_hastens_the_question(town):
    number = await town.submit("suivi")
    await town.until(lambda: town.delivery(number, "suivi").code == "pending")
    request = town.request(number)
    assert (request.status, request.stage) == ("waiting", "En attente")
    desk = desk_of(town)
    assert not await desk.nudge("BO-999999")
    assert await desk.nudge("BO-000000")
    await town.until(lambda: town.delivery(number, "suivi").state == "waiting")
    town.target.state = "paye"
    assert await desk.nudge("BO-000000")
    assert (await town.settle(number)).status == "done"
    assert town.delivery(number, "suivi").attempts <= 1


def desk_of(town):
    return TargetDesk(town.hub.ledger, town.hub.targets["cible"], town.hub.wake, town.hub.announcer)


async def test_a_nudge_that_comes_while_the_question_is_on_its_way_has_it_asked_again(town, monkeypatch):
    number = await town.submit("suivi")
    await town.until(lambda: town.delivery(number, "suivi").code == "pending")
    connector = town.hub.targets["cible"].connector
    deliver, answered, told = connector.deliver, asyncio.Event(), asyncio.Event()

    async def slowly(message):
        old_news = await deliver(message)
        answered.set()
        await told.wait()
        return old_news

    monkeypatch.setattr(connector, "deliver", slowly)
    assert await desk_of(town).nudge("BO-000000")
    await answered.wait()
    town.target.state = "paye"
    assert await desk_of(town).nudge("BO-000000")
    told.set()
    assert (await town.settle(number)).status == "done"


async def test_a_nudge_for_one_target_moves_no_other(town):
    number = await town.submit("suivi")
    await town.until(lambda: town.delivery(number, "suivi").code == "pending")
    assert await town.hub.ledger.nudge(Nudge("rappel", "BO-000000")) == []


async def test_waiting_for_an_event_is_no_failure_of_its_target(town):
    number = await town.submit("suivi")
    await town.until(lambda: town.delivery(number, "suivi").code == "pending")
    assert town.outcomes(number) == []
    town.target.state = "refuse"
    await town.hub.ledger.nudge(Nudge("cible", "BO-000000"))
    town.hub.wake({"cible": []})
    assert (await town.settle(number)).stage == "Impayé"


async def test_an_event_that_does_not_come_in_time_is_awaited_no_longer(town):
    request = await town.settle(await town.submit("perime"))
    assert (request.status, request.stage) == ("refused", "Impayé")


async def test_a_date_that_is_over_is_not_waited_for(town):
    yesterday = (datetime.now(PARIS) - timedelta(days=1)).date().isoformat()
    assert (await town.settle(await town.submit("date", jour=yesterday))).status == "done"


async def test_a_date_to_come_is_waited_for_and_survives_a_restart(make_town):
    soon = (datetime.now(PARIS) + timedelta(hours=1)).isoformat()
    async with make_town() as town:
        number = await town.submit("date", jour=soon)
        assert (town.request(number).status, town.delivery(number, "jour").state) == ("waiting", "waiting")
    async with make_town() as town:
        town.change("UPDATE delivery SET next_at = 1 WHERE step = 'jour'")
        assert (await town.settle(number)).status == "done"


async def test_what_was_taken_is_taken_back_when_the_request_is_refused_the_last_first(town):
    number = await town.submit("repris")
    await town.until(lambda: town.request(number).awaiting == "avis")
    await town.act(Decide(number, accepted=False, reason="Refusé"))
    assert (await town.settle(number)).stage == "Refusé"
    rows = town.rows("SELECT step, state FROM delivery WHERE request = :n ORDER BY id", n=number)
    assert [tuple(row) for row in rows if row.step.endswith("_undo")] == [
        ("seconde_undo", "delivered"),
        ("cible_undo", "delivered"),
    ]
    assert json.loads(sent(town, number)[-1])["retrait_de"].startswith("BO-")


async def test_what_can_be_taken_back_may_be_cancelled(town):
    number = await town.submit("repris")
    await town.until(lambda: town.request(number).awaiting == "avis")
    await town.act(Cancel(number, "ne vient plus"))
    assert (await town.settle(number)).status == "cancelled"
    assert steps_of(town, number)["cible_undo"] == "delivered"


async def test_taking_back_that_fails_is_for_a_person_and_the_request_is_not_over(town):
    number = await town.submit("repris")
    await town.until(lambda: town.request(number).awaiting == "avis")
    town.target.break_with("refused", times=-1)
    await town.act(Decide(number, accepted=False, reason="Refusé"))
    await town.until(lambda: town.request(number).status == "parked")
    assert town.request(number).ended_at is None


async def test_a_refusal_that_the_route_foresees_ends_it_and_takes_back_what_came_before(town):
    number = await town.submit("prevu")
    await town.until(lambda: town.request(number).awaiting == "avis")
    town.target.break_with("refused", times=1)
    await town.act(Decide(number, accepted=True))
    request = await town.settle(number)
    assert (request.status, request.stage) == ("refused", "Complet")
    assert steps_of(town, number) == {"cible": "delivered", "lieu": "cancelled", "cible_undo": "delivered"}


@pytest.mark.parametrize(("kind", "status"), [("tacite", "done"), ("silence", "refused")])
async def test_a_decision_nobody_takes_in_time_is_taken_by_default(town, kind, status):
    assert (await town.settle(await town.submit(kind))).status == status


async def test_a_decision_taken_in_time_stands_whatever_the_hour(town):
    number = await town.submit("silence")
    await town.until(lambda: town.request(number).awaiting == "avis" or town.request(number).status == "refused")
    try:
        await town.act(Decide(number, accepted=True))
    except ConflictError:
        return
    assert (await town.settle(number)).status == "done"


async def test_the_laws_clock_starts_on_the_day_the_kind_says(town):
    number = await town.submit("horloge_legale", jour="2026-10-24")
    due = datetime.fromtimestamp(town.request(number).due_at / 1000, PARIS)
    assert due.isoformat() == "2026-11-24T23:59:59+01:00"


async def test_a_target_may_say_that_it_has_what_was_in_doubt(town):
    number = await town.submit("once")
    town.target.break_with("cut_before", times=-1)
    await town.settle(number, "parked", "done")
    desk = desk_of(town)
    assert await desk.conclude(DeliveryKey(f"{number}-1"), Verdict.ACCEPTED)
    assert (await town.settle(number, "done")).status == "done"
    assert not await desk.conclude(DeliveryKey("999999999-1"), Verdict.ACCEPTED)
    assert not await desk.conclude(DeliveryKey("quoi"), Verdict.ACCEPTED)


async def test_a_stage_that_a_target_s_word_leads_to_is_announced(town):
    number = await town.submit("once")
    town.target.break_with("cut_before", times=-1)
    await town.settle(number, "parked")
    told = []
    town.hub.announcer.listen(told.append)
    assert await desk_of(town).conclude(DeliveryKey(f"{number}-1"), Verdict.ACCEPTED)
    assert Staged("once", town.request(number).stage) in told


async def test_a_corrected_date_is_the_one_that_is_waited_for(town):
    number = await town.submit("date", jour=(datetime.now(PARIS) + timedelta(days=1)).isoformat())
    await town.until(lambda: town.delivery(number, "jour").state == "waiting")
    with pytest.raises(ConflictError, match="cannot be read"):
        await town.act(Correct(number, {"objet": "certificat", "jour": "demain"}))
    await town.act(Correct(number, {"objet": "certificat", "jour": datetime.now(PARIS).isoformat()}))
    assert (await town.settle(number)).status == "done"


async def test_a_corrected_date_that_is_no_longer_there_is_not_waited_for(town):
    number = await town.submit("date", jour=(datetime.now(PARIS) + timedelta(days=1)).isoformat())
    await town.until(lambda: town.delivery(number, "jour").state == "waiting")
    await town.act(Correct(number, {"objet": "certificat"}))
    assert (await town.settle(number)).status == "done"


async def test_data_may_be_corrected_while_a_decision_has_its_time(town):
    number = await town.submit("patient")
    await town.until(lambda: town.request(number).awaiting == "avis")
    await town.act(Correct(number, {"objet": "corrigé"}))
    await town.act(Decide(number, accepted=True))
    assert (await town.settle(number)).status == "done"


async def test_the_laws_clock_follows_a_corrected_day(town):
    number = await town.submit("horloge_legale", jour="2026-10-24")
    await town.act(Correct(number, {"objet": "certificat", "jour": "2026-10-25"}))
    due = datetime.fromtimestamp(town.request(number).due_at / 1000, PARIS)
    assert due.isoformat() == "2026-11-25T23:59:59+01:00"


async def test_a_target_is_shown_what_it_was_sent_and_nothing_else(town):
    numbers = [await _ended(town, "idempotent") for _ in range(2)]
    await _ended(town, "once")
    desk = desk_of(town)
    now = datetime.now(PARIS)
    shown = await desk.sent("deposer", now - timedelta(hours=1), now + timedelta(hours=1))
    assert [message.key for message in shown] == [f"{number}-1" for number in numbers]
    assert await desk.sent("deposer", now - timedelta(days=2), now - timedelta(days=1)) == []


async def test_a_site_has_its_own_target_for_the_same_kind(make_town):
    async with make_town(sites={"annexe": {"cible": "cible_annexe"}}) as town:
        here, there = await town.submit("idempotent"), await town.submit("idempotent", site="annexe")
        await town.settle(here)
        await town.settle(there)
        assert (town.delivery(here).target, town.delivery(there).target) == ("cible", "cible_annexe")


@pytest.mark.parametrize("instead", ["rappel", "nulle_part"])
async def test_a_site_whose_target_is_of_another_kind_or_missing_is_refused(make_town, instead):
    with pytest.raises(ConfigurationError, match=r"sites\.annexe"):
        async with make_town(sites={"annexe": {"cible": instead}}):
            pass


async def test_what_is_being_taken_back_is_not_cancelled_a_second_time(town):
    number = await town.submit("repris")
    await town.until(lambda: town.request(number).awaiting == "avis")
    town.target.break_with("unavailable", times=-1)
    await town.act(Cancel(number, "ne vient plus"))
    await town.until(lambda: "seconde_undo" in steps_of(town, number))
    with pytest.raises(ConflictError):
        await town.act(Cancel(number, "encore"))
    town.target.mend()
    town.change("UPDATE delivery SET next_at = 1 WHERE state = 'waiting'")
    assert (await town.settle(number, "cancelled")).status == "cancelled"
    assert steps_of(town, number) == dict.fromkeys(("cible", "seconde", "seconde_undo", "cible_undo"), "delivered")


async def test_what_a_person_finished_by_hand_is_taken_back_too(town):
    town.target.break_with("refused", times=1)
    number = await town.submit("repris")
    await town.settle(number, "parked")
    await town.act(Finalize(number * 1000 + 1, "fait au guichet", "G-1"))
    await town.until(lambda: town.request(number).awaiting == "avis")
    await town.act(Cancel(number, "ne vient plus"))
    await town.settle(number, "cancelled")
    assert json.loads(sent(town, number)[-1])["retrait_de"] == "G-1"


async def test_a_foreseen_refusal_of_one_item_waits_for_the_others(town):
    town.target.break_with("refused", times=1)
    request = await town.settle(await town.submit("plusieurs", choses=["a", "b", "c"]))
    assert (request.status, request.stage) == ("refused", "Complet")
    states = [row.state for row in town.rows("SELECT state FROM delivery WHERE target = 'cible' ORDER BY id")]
    assert sorted(states) == ["cancelled", "delivered", "delivered"]


async def test_an_event_is_awaited_through_an_outage_longer_than_the_policy_s_patience(make_town):
    async with make_town({"patience": "1ms", "attempts": 2}) as town:
        town.target.break_with("unavailable", times=6)
        number = await town.submit("suivi")
        await town.until(lambda: town.delivery(number, "suivi").code == "pending")
        assert town.request(number).status == "waiting"


async def test_an_event_nobody_could_ask_about_in_time_is_awaited_no_longer(make_town):
    async with make_town({"patience": "1ms", "attempts": 2}) as town:
        town.target.break_with("unavailable", times=-1)
        request = await town.settle(await town.submit("perime"))
        assert (request.status, request.stage) == ("refused", "Impayé")


async def test_nothing_having_happened_is_an_answer_for_the_breaker(town):
    town.change("UPDATE target SET breaker = 'half_open', fails = 3, opened_at = 1 WHERE name = 'cible'")
    number = await town.submit("suivi")
    await town.until(lambda: town.delivery(number, "suivi").code == "pending")
    [health] = town.rows("SELECT breaker, fails FROM target WHERE name = 'cible'")
    assert tuple(health) == ("closed", 0)


async def test_a_date_is_not_brought_forward_by_a_retry(town):
    number = await town.submit("date", jour=(datetime.now(PARIS) + timedelta(days=1)).isoformat())
    with pytest.raises(ConflictError, match="only waits"):
        await town.act(Retry(town.delivery(number, "jour").id))


async def test_a_target_is_not_shown_what_it_was_never_sent(make_town):
    async with make_town(serve=False) as town:
        await town.submit("idempotent")
        desk = desk_of(town)
        now = datetime.now(PARIS)
        assert await desk.sent("deposer", now - timedelta(hours=1), now + timedelta(hours=1)) == []


async def test_a_step_that_asks_may_not_change_anything(make_town, home):
    route = {"route": "faux", "title": "f", "owner": "o", "steps": [{**ENRICH, "using": "cible/idempotent"}]}
    (home / "routes/faux").mkdir()
    (home / "routes/faux/route.yaml").write_text(json.dumps(route))
    (home / "routes/faux/schema.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="is not safe"):
        async with make_town():
            pass
