"""A trial shows what the route plans and the mapping writes, refuses what the door refuses, and sends nothing."""

import asyncio
import json
from datetime import date, timedelta
from itertools import count

import orjson
import pytest
from typer.testing import CliRunner

from hub.catalogue import Catalogue
from hub.cli_trial import trials
from hub.lifecycle import State
from hub.problems import Problem
from hub.routing import Decision, Fact
from hub.settings import HOME
from hub.trials.legs import legs_in
from hub.trials.trial import Known, Supposed, admitted, supposed_answers, walk

CATALOGUE = Catalogue.read(HOME)
SAMPLES = [pytest.param(kind, min(CATALOGUE.folders[kind].glob("samples/*.json")), id=kind) for kind in CATALOGUE.kinds]
RAPO = HOME / "routes/rapo/samples/redevance_payee.json"


@pytest.fixture
def database(tmp_path):
    """One ledger suffices: a trial has none."""
    return f"sqlite:///{tmp_path}/hub.db"


def tried(kind, sample, **known):
    """Walk a kind's route with a sample, supposing what examples say."""
    definition = CATALOGUE.kinds[kind]
    document = admitted(definition, sample.read_bytes())
    known = {"answers": supposed_answers(definition), **known}
    return definition, document, asyncio.run(walk(definition, document, Known(**known)))


def planned(route, document, answers):
    """List the deliveries a route asks for, every target taking everything and every decision accepted."""
    facts, decisions, found = [], {}, []
    for _ in count():
        progress = route.progress(document, facts, decisions)
        fresh = [plan for plan in progress.planned if not plan.after]
        if not fresh and not progress.awaiting:
            return found
        if not fresh:
            decisions[progress.awaiting] = Decision(progress.awaiting, accepted=True)
        for plan in fresh:
            answer = orjson.dumps(answers[plan.step].answer).decode() if plan.step in answers else ""
            facts.append(Fact(plan.step, plan.item, State.DELIVERED, answer=answer))
            found.append((plan.step, plan.item, plan.target, plan.mapping))
    return None


@pytest.mark.parametrize(("kind", "sample"), SAMPLES)
def test_a_trial_shows_the_messages_that_the_route_plans_in_its_order(kind, sample):
    definition = CATALOGUE.kinds[kind]
    single = {
        step: supposed
        for step, supposed in supposed_answers(definition).items()
        if getattr(definition.route.named[step], "for_each", None) is None and isinstance(supposed.answer, dict)
    }
    _, document, legs = tried(kind, sample, answers=single)
    shown = [
        (leg.step, item, one.target, one.mapping)
        for refused, leg in legs_in(legs)
        for item, one in enumerate(leg.messages)
        if not refused and not leg.step.endswith("_undo")
    ]
    wanted = [plan for plan in planned(definition.route, document, single) if not plan[0].endswith("_undo")]
    assert shown == wanted


@pytest.mark.parametrize(("kind", "sample"), SAMPLES)
def test_each_element_is_shown_as_it_stands_in_the_message(kind, sample):
    _, _, legs = tried(kind, sample)
    for _, leg in legs_in(legs):
        for message in leg.messages:
            assert message.failing == (), message.mapping
            body = orjson.loads(message.body)
            for one in message.elements:
                standing = body if one.element == "expression" else at(body, one.element)
                assert one.trace.written == (standing is not MISSING), one.element
                assert not one.trace.written or one.trace.value == standing, one.element


MISSING = object()


def at(body, path):
    for name in path.split("."):
        if not isinstance(body, dict) or name not in body:
            return MISSING
        body = body[name]
    return body


def element(legs, step, path):
    [leg] = [leg for _, leg in legs_in(legs) if leg.step == step]
    [found] = [one for one in leg.messages[0].elements if one.element == path]
    return found


def test_an_element_says_which_paths_it_reads_and_which_way_was_taken():
    _, _, legs = tried("rapo", RAPO)
    name = element(legs, "logitud", "Requerant.Nom")
    assert name.sources == {"applicant.identity.family_name": "Martin"}
    assert name.trace.choices == ('$lettres(applicant.identity.family_name) ?: "NOM NON TRANSCRIT" → then',)
    assert element(legs, "refus", "fields.motif").sources == {"$decision.reason": "Avis de paiement invalide"}
    absent = element(legs, "logitud", "Requerant.RaisonSociale")
    assert (absent.trace.written, absent.sources) == (False, {"data.raison_sociale": None})


def test_both_outcomes_of_a_decision_are_shown_and_what_was_decided():
    _, _, legs = tried(
        "rapo",
        RAPO,
        decisions={"qualification": Decision("qualification", accepted=False, reason="Recours hors délai")},
    )
    [decision] = [leg for leg in legs if leg.does == "await"]
    assert [leg.step for leg in decision.refused] == ["refus"]
    assert (decision.said["decided"], decision.said["reason"]) == ("refused", "Recours hors délai")
    assert legs[-1].step == "logitud"


CHOIR = HOME / "routes/association_forum/samples/choeur_sans_verification.json"
UNPAID = {"commande": "RB-1", "etat": "en_attente_paiement", "montant": 7500}


def test_what_was_done_is_taken_back_at_the_end_of_a_route_that_fails_the_last_first():
    answers = supposed_answers(CATALOGUE.kinds["association.forum"]) | {"paiement": Supposed(UNPAID, "moi")}
    _, _, legs = tried("association.forum", CHOIR, answers=answers)
    steps = [leg.step for leg in legs]
    assert steps[steps.index("paiement") :] == [
        "paiement",
        '$answers.paiement.etat = "payee"',
        "Paiement non reçu",
        "abandon",
        "ouverture_undo",
        "commande_undo",
        "stand_undo",
    ]
    [wait] = [leg for leg in legs if leg.does == "await event"]
    assert wait.said["happened"] is False


def test_what_follows_a_payment_is_another_arm():
    paid = Supposed(UNPAID | {"etat": "payee"}, "moi")
    answers = supposed_answers(CATALOGUE.kinds["association.forum"]) | {"paiement": paid}
    _, _, legs = tried("association.forum", CHOIR, answers=answers)
    assert [leg.said["taken"] for leg in legs if leg.does == "branch"] == ["then"]
    assert [leg.step for leg in legs][-3:] == ["facture", "recu", "confirmation"]
    assert element(legs, "facture", "commande").sources == {"$answers.commande.commande": "RB-000042"}


def test_supposed_answers_say_who_supposes_them():
    definition, _, legs = tried("association.forum", CHOIR)
    [order] = [leg for leg in legs if leg.step == "commande"]
    assert order.said["answers"]["commande"] == "RB-000042"
    assert order.said["answered_by"].partition(":")[0] in definition.mappings


def try_route(*words, config=None, given=None):
    return CliRunner().invoke(trials, ["try", *map(str, words), *(["-c", str(config)] if config else [])], input=given)


async def in_a_thread(*words, **more):
    return await asyncio.to_thread(try_route, *words, **more)


@pytest.fixture
def installed(settings, tmp_path):
    """Write the installation's settings down, its target the one that counts."""
    targets = {
        name: {"connector": said.connector, "settings": said.settings} for name, said in settings.targets.items()
    }
    file = tmp_path / "hub.yaml"
    file.write_text(json.dumps({"database": settings.database, "homes": ["home"], "targets": targets}))
    return file


async def test_nothing_is_sent_and_no_ledger_is_made(installed, target, tmp_path, submission):
    (tmp_path / "demande.json").write_text(json.dumps(submission("essai")))
    ended = await in_a_thread("essai", "--request", tmp_path / "demande.json", "--json", config=installed)
    assert ended.exit_code == 0, ended.output
    said = json.loads(ended.stdout)
    assert said["sent"] is False
    assert said["steps"][0]["messages"][0]["message"] == {"objet": "un objet", "numero": "100000000"}
    assert target.taken().total() == 0
    assert not (tmp_path / "hub.db").exists()


BAD = {
    "no JSON": b'{"kind": "essai"',
    "a key twice": b'{"kind": "essai", "kind": "essai"}',
    "no applicant": b'{"kind": "essai", "data": {"objet": "o"}}',
    "a field too long": orjson.dumps({"objet": "o" * 201}),
    "a field too many": orjson.dumps({"objet": "o", "surprise": 1}),
    "no field": orjson.dumps({}),
    "what the route cannot read": orjson.dumps({"objet": "o", "rues": ["a"]}),
}


async def test_a_bad_request_is_refused_in_the_door_s_own_words(resting, open_desk, submission):
    desk = await open_desk(resting)
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    for name, content in BAD.items():
        kind = "rues" if name == "what the route cannot read" else "essai"
        data = orjson.loads(content) if b"kind" not in content else None
        body = content if data is None else orjson.dumps({**submission(kind), "data": data})
        door = (await desk.post("/v1/requests", content=body, headers=headers)).json()
        with pytest.raises(Problem) as refused:
            admitted(resting.catalogue.kinds[kind], body)
        said = orjson.loads(refused.value.response().body)
        assert said["status"] in {400, 422}, name
        assert {**said, "instance": ""} == {**door, "instance": ""}, name


async def test_a_refused_request_is_one_sentence_a_field_and_exit_code_2(installed):
    ended = await in_a_thread("essai", "--request", "-", config=installed, given=b'{"data": {}}')
    assert ended.exit_code == 2
    assert "/applicant  ce champ est obligatoire" in ended.stderr
    assert ended.stdout == ""


async def test_a_folder_outside_the_homes_is_tried_with_the_mappings_beside_it(settings, tmp_path, submission):
    (tmp_path / "hub.yaml").write_text("{}")
    given = json.dumps(submission("essai"))
    folder = tmp_path / "home/routes/essai"
    ended = await in_a_thread(folder, "--request", "-", "--json", config=tmp_path / "hub.yaml", given=given)
    assert json.loads(ended.stdout)["kind"] == "essai"


def test_a_mapping_that_cannot_write_is_exit_code_1_and_names_the_element(tmp_path, submission):
    for name, text in {
        "routes/rue/route.yaml": "route: rue\ntitle: Rue\nowner: tests\nsteps: [{deliver: cible, using: cible/rue}]",
        "routes/rue/schema.json": '{"type": "object"}',
        "mappings/cible/rue.yaml": "mapping: cible/rue\nfrom: rue\nto: rest.deposer\nfields: {le: $date_fr(data.le)}\n"
        "examples: [{name: rien, given: {}, expect: {}}]",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    given = json.dumps(submission("rue", data={"le": "demain"}))
    ended = try_route(tmp_path / "routes/rue", "--request", "-", given=given)
    assert ended.exit_code == 1
    assert "cannot be written: le" in ended.stdout


async def test_answers_are_read_from_a_file_and_an_unknown_step_is_refused(installed, tmp_path, submission):
    (tmp_path / "answers.yaml").write_text("ailleurs: {etat: ok}")
    words = ("essai", "--request", "-", "--answers", tmp_path / "answers.yaml")
    ended = await in_a_thread(*words, config=installed, given=json.dumps(submission("essai")))
    assert ended.exit_code == 2
    assert "ailleurs" in ended.stderr


def test_against_sandboxes_each_step_has_its_verdict_and_its_receipt(tmp_path):
    (tmp_path / "hub.yaml").write_text("{}")
    words = ("rapo", "--request", "-", "--against", "sandbox", "--json")
    given = orjson.loads(RAPO.read_bytes())
    given["data"]["avis"]["date"] = (date.today() - timedelta(days=3)).isoformat()  # noqa: DTZ011  # in time
    ended = try_route(*words, config=tmp_path / "hub.yaml", given=json.dumps(given))
    assert ended.exit_code == 0, ended.stderr
    said = json.loads(ended.stdout)
    outcomes = {step["step"]: one["outcome"] for step in said["steps"] for one in step["messages"]}
    assert {step: one["verdict"] for step, one in outcomes.items()} == {
        "accuse_reception": "accepted",
        "logitud": "accepted",
    }
    assert outcomes["logitud"]["reference"]
    assert "MARTIN" in outcomes["logitud"]["sent"]
    [decision] = [step for step in said["steps"] if step["does"] == "await"]
    assert all("outcome" not in one for leg in decision["refused"] for one in leg["messages"])


def test_against_sandboxes_later_steps_read_what_earlier_ones_were_answered(tmp_path):
    (tmp_path / "hub.yaml").write_text("{}")
    words = ("association.forum", "--request", CHOIR, "--against", "sandbox", "--json")
    said = json.loads(try_route(*words, config=tmp_path / "hub.yaml").stdout)
    steps = {step["step"]: step for step in said["steps"]}
    order = steps["commande"]["messages"][0]["outcome"]["answer"]["commande"]
    assert steps["ouverture"]["messages"][0]["message"] == {"commande": order}
    assert steps["paiement"]["happened"] is False
    assert steps["stand_undo"]["messages"][0]["outcome"]["verdict"] == "accepted"
