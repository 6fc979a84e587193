"""Live questions: answered, refused, or unknown for the moment; never a page of error."""

import pytest
from jsonschema_rs import validator_for

from hub.catalogue import Catalogue
from hub.settings import HOME

pytestmark = pytest.mark.asyncio(loop_scope="session")

QUERIES = dict(Catalogue.read(HOME).queries)
REFUSALS = {
    "adresse.inverse": "invalid_parameter",
    "adresse.recherche": "too_long",
    "association.etablissement": "not_in_order",
    "association.verification": "not_in_order",
    "election.bureau_de_vote": "plusieurs_electeurs",
    "election.inscription": "plusieurs_electeurs",
    "famille.activites": "closed_season",
    "famille.detail_facture": "unknown_invoice",
    "famille.dossier": "unknown_family",
    "famille.factures": "unknown_family",
    "famille.quotient": "malformed",
    "rendez_vous.creneaux": "text_400",
    "rendez_vous.services": "text_400",
    "rendez_vous.sites": "text_400",
    "salle.creneaux": "acces_refuse",
    "sig.quartier": "exception",
}


@pytest.fixture(autouse=True)
def nothing_remembered(city):
    """Each question is asked of its target, which is not known to fail."""
    city.hub.inquirer._memory._kept.clear()
    for watch in city.hub.inquirer._watches.values():
        watch.note(well=True)


def samples_of(city, name):
    """Read what the samples of a query ask."""
    folder = name.replace(".", "_")
    stems = sorted(file.stem for file in (HOME / "routes" / folder / "samples").glob("*.json"))
    return [city.sample(folder, stem)["data"] for stem in stems]


@pytest.mark.parametrize("name", QUERIES)
async def test_a_question_is_answered_as_its_schema_says(city, name):
    said = [await city.portal.ask(name, data) for data in samples_of(city, name)]
    answers = [one["answer"] for one in said if one["status"] == "answered"]
    assert answers
    assert {one["status"] for one in said} <= {"answered", "refused"}
    for answer in answers:
        validator_for(dict(QUERIES[name].answer_schema)).validate(answer)


@pytest.mark.parametrize("name", QUERIES)
async def test_what_a_broken_target_would_know_is_unknown(city, name):
    sandbox = city.sandboxes[city.hub.targets[QUERIES[name].said.target].connector_name]
    sandbox.break_with("error_500", -1)
    said = await city.portal.ask(name, samples_of(city, name)[0])
    assert (said["status"], said["answer"]) == ("unknown", None)
    assert said["code"]
    assert said["message"]


@pytest.mark.parametrize("name", ["adresse.recherche", "rendez_vous.creneaux", "famille.dossier"])
async def test_what_a_stopped_target_would_know_is_unknown(city, name):
    sandbox = city.sandboxes[QUERIES[name].said.target]
    await sandbox.stop()
    try:
        said = await city.portal.ask(name, samples_of(city, name)[0])
    finally:
        await sandbox.start()
    assert said["status"] == "unknown"


async def test_a_slow_target_is_not_waited_for(city):
    city.sig.break_with("slow", 1)
    said = await city.portal.ask("sig.quartier", samples_of(city, "sig.quartier")[0])
    assert said["status"] == "unknown"
    await city.sig.stop()
    await city.sig.start()


@pytest.mark.parametrize(("name", "fault"), REFUSALS.items())
async def test_a_target_that_says_no_refuses(city, name, fault):
    city.sandboxes[QUERIES[name].said.target].break_with(fault, 1)
    said = await city.portal.ask(name, samples_of(city, name)[0])
    assert (said["status"], said["answer"]) == ("refused", None)


async def test_an_answer_that_may_be_kept_is_not_asked_for_twice(city):
    said = [await city.portal.ask("famille.ecoles", samples_of(city, "famille.ecoles")[0]) for _ in range(2)]
    city.technocarte.break_with("error_500", -1)
    said.append(await city.portal.ask("famille.ecoles", samples_of(city, "famille.ecoles")[0]))
    assert [one["status"] for one in said] == ["answered"] * 3
    assert said[2]["answer"] == said[0]["answer"]


async def test_a_question_that_is_not_well_put_names_the_field(city):
    said = await city.portal.post("/v1/queries/sig.quartier", json={"data": {"lon": "est", "lat": 43.5}})
    assert said.status_code == 422
    assert said.json()["errors"][0]["pointer"] == "/data/lon"


async def test_an_unknown_question_is_not_found(city):
    assert (await city.portal.post("/v1/queries/meteo.demain", json={"data": {}})).status_code == 404
