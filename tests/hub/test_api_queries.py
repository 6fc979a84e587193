"""Live questions: answered while the caller waits, or said to be unknown; never an error page."""

import json
from datetime import timedelta

import pytest

from hub.access import Role
from hub.app import open_hub
from hub.errors import ConfigurationError
from hub.inquiry import Answer, Memory, Standing

ASKED = {"data": {"dossier": "BO-000001"}}
SCHEMA = {
    "type": "object",
    "required": ["dossier"],
    "additionalProperties": False,
    "properties": {"dossier": {"type": "string", "title": "Numéro du dossier", "minLength": 1}},
}
MAPPING = {
    "mapping": "cible/consulter",
    "from": "*",
    "to": "rest.consulter",
    "fields": {"dossier": "data.dossier"},
    "examples": [{"name": "un dossier", "given": {"data": {"dossier": "1"}}, "expect": {"dossier": "1"}}],
}
QUERY = {"title": "Où en est un dossier", "target": "cible", "using": "cible/consulter", "within": "500ms"}
QUERIES = {
    "dossier.etat": {**QUERY, "answer": '{"etat": $answer.etat}'},
    "dossier.memoire": {**QUERY, "cache": "1h"},
    "dossier.illisible": {**QUERY, "answer": '$number("x")'},
}


def write_query(home, name, **said):
    folder = home / "routes" / name.replace(".", "_")
    folder.mkdir(parents=True)
    (folder / "query.yaml").write_text(json.dumps({"query": name, **said}))
    (folder / "schema.json").write_text(json.dumps(SCHEMA))
    (folder / "answer.json").write_text(json.dumps({"type": "object"}))


@pytest.fixture
def settings(settings):
    [home] = settings.homes
    (home / "mappings/cible/consulter.yaml").write_text(json.dumps(MAPPING))
    for name, said in QUERIES.items():
        write_query(home, name, **said)
    return settings


async def asked(portal, name="dossier.etat", said=ASKED):
    answer = await portal.post(f"/v1/queries/{name}", json=said)
    assert answer.status_code == 200
    return answer.json()


async def test_a_question_is_answered_while_the_caller_waits(portal):
    told = await asked(portal)
    assert (told["status"], told["answer"], told["message"]) == ("answered", {"etat": "en_cours"}, "")


async def test_questions_are_listed_with_what_they_take_and_give(portal):
    listed = {one["query"]: one["title"] for one in (await portal.get("/v1/queries")).json()}
    assert listed == dict.fromkeys(QUERIES, "Où en est un dossier")
    shown = (await portal.get("/v1/queries/dossier.etat")).json()
    assert (shown["schema"], shown["answer_schema"], shown["within"]) == (SCHEMA, {"type": "object"}, 0.5)


@pytest.mark.parametrize("fault", ["slow", "cut_before", "error_500", "maintenance", "garbage", "too_many"])
async def test_what_the_target_does_not_say_is_unknown_for_now(portal, target, fault):
    target.break_with(fault)
    told = await asked(portal)
    assert (told["status"], told["answer"]) == ("unknown", None)
    assert "pas disponible pour le moment" in told["message"]


async def test_a_target_that_says_no_is_told_apart_from_one_that_says_nothing(portal, target):
    target.break_with("refused")
    told = await asked(portal)
    assert (told["status"], told["code"]) == ("refused", "OBJET_INCONNU")


async def test_an_answer_that_cannot_be_told_is_unknown(portal):
    assert (await asked(portal, "dossier.illisible"))["status"] == "unknown"


async def test_an_answer_is_remembered_where_that_is_allowed(portal, target):
    first = await asked(portal, "dossier.memoire")
    target.state = "clos"
    again = await asked(portal, "dossier.memoire")
    other = await asked(portal, "dossier.memoire", {"data": {"dossier": "BO-000002"}})
    fresh = await asked(portal)
    states = [told["answer"]["etat"] for told in (first, again, other, fresh)]
    assert states == ["en_cours", "en_cours", "clos", "clos"]


def test_memory_lasts_as_long_as_it_may_and_says_how_old_it_is():
    now = [0.0]
    memory = Memory(lambda: now[0])
    memory.keep("a", Answer(Standing.ANSWERED, 1))
    now[0] = 9.0
    assert memory.recall("a", _seconds(10)) == Answer(Standing.ANSWERED, 1, age=9.0)
    now[0] = 11.0
    assert memory.recall("a", _seconds(10)) is None


def _seconds(count):
    return timedelta(seconds=count)


async def test_a_target_that_fails_is_asked_no_more_for_a_while(settings, open_desk, target):
    policy = {**settings.targets["cible"].policy, "breaker_threshold": 2, "breaker_cooldown": "1h"}
    cible = settings.targets["cible"].model_copy(update={"policy": policy})
    async with open_hub(settings.model_copy(update={"targets": {"cible": cible}})) as opened:
        portal = await open_desk(opened)
        target.break_with("error_500", times=2)
        codes = [(await asked(portal))["code"] for _ in range(4)]
    assert codes == ["http_500", "http_500", "shut", "shut"]


async def test_a_paused_target_is_not_asked(portal, operator):
    await operator.post("/v1/operations/targets/cible/pause", json={"reason": "maintenance"})
    assert (await asked(portal))["code"] == "shut"


async def test_a_question_badly_put_names_its_field(portal):
    answer = await portal.post("/v1/queries/dossier.etat", json={"data": {"dossier": ""}})
    assert (answer.status_code, [one["field"] for one in answer.json()["errors"]]) == (422, ["Numéro du dossier"])


async def test_a_question_that_does_not_exist_or_is_not_covered_is_not_found(running, open_desk):
    narrow = await open_desk(running, kinds=frozenset({"dossier.memoire"}))
    assert (await narrow.post("/v1/queries/dossier.etat", json=ASKED)).status_code == 404
    assert (await narrow.post("/v1/queries/rien", json=ASKED)).status_code == 404
    assert [one["query"] for one in (await narrow.get("/v1/queries")).json()] == ["dossier.memoire"]


async def test_whoever_does_not_submit_does_not_ask(running, open_desk):
    agent = await open_desk(running, Role.AGENT, "*")
    assert (await agent.post("/v1/queries/dossier.etat", json=ASKED)).status_code == 403


async def test_a_site_that_the_key_does_not_cover_is_refused(running, open_desk):
    kept = await open_desk(running, sites=frozenset({"annexe"}))
    assert (await kept.post("/v1/queries/dossier.etat", json=ASKED)).status_code == 403
    assert (await kept.post("/v1/queries/dossier.etat", json={**ASKED, "site": "annexe"})).status_code == 200


async def test_a_question_that_would_change_something_stops_the_start(settings):
    [home] = settings.homes
    write_query(home, "dossier.depot", **{**QUERY, "using": "cible/deposer"})
    with pytest.raises(ConfigurationError, match="must write for a safe operation of rest"):
        async with open_hub(settings, serve=False):
            pass


async def test_a_target_that_nothing_lets_call_has_no_door(portal):
    for target in ("cible", "nulle_part"):
        assert (await portal.post(f"/v1/targets/{target}", content=b"x")).status_code == 404
