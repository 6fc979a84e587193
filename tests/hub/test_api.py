"""The application as a whole: health, documentation, guards on every answer, and what it says when the ledger fails."""

import re
import time

import pytest
from sqlalchemy import text

from hub.events import Staged


def execute(hub, statement):
    with hub.ledger.engine.begin() as connection:
        connection.execute(text(statement))


@pytest.fixture
async def desk(resting, open_desk):
    return await open_desk(resting)


async def test_a_hub_that_works_is_alive_and_ready(portal):
    assert (await portal.get("/health/live")).json() == {"status": "alive"}
    assert (await portal.get("/health/ready")).json() == {"status": "ready"}


async def test_a_hub_whose_engine_stands_still_is_not_ready(resting, desk):
    resting.carries, resting.engine.last_tick = True, time.monotonic() - 31
    answer = await desk.get("/health/ready")
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["engine"])
    assert (await desk.get("/health/live")).status_code == 200


async def test_a_hub_whose_engine_could_not_be_kept_running_is_neither(resting, desk):
    resting.failed.set()
    assert (await desk.get("/health/ready")).json()["reasons"] == ["engine"]
    assert (await desk.get("/health/live")).status_code == 503


async def test_a_hub_whose_database_does_not_answer_is_not_ready_and_accepts_nothing(resting, desk):
    execute(resting, "ALTER TABLE request RENAME TO elsewhere")
    ready, refusal = await desk.get("/health/ready"), await desk.submit()
    assert (ready.status_code, ready.json()["reasons"]) == (503, ["ledger"])
    assert (refusal.status_code, refusal.headers["retry-after"]) == (503, "5")
    assert refusal.json()["type"] == "/problems/unavailable"
    assert (await desk.get("/v1/requests")).status_code == 503
    execute(resting, "ALTER TABLE elsewhere RENAME TO request")
    assert (await desk.get("/health/ready")).status_code == 200
    assert (await desk.submit()).status_code == 202
    assert len((await desk.get("/v1/requests")).json()["requests"]) == 1


async def test_a_batch_says_of_each_request_that_the_ledger_could_not_keep_it(resting, desk, submission):
    execute(resting, "ALTER TABLE request RENAME TO elsewhere")
    batch = {"requests": [submission("essai"), {}]}
    answer = await desk.post("/v1/requests/batch", json=batch, headers={"Idempotency-Key": "b"})
    assert [one["status"] for one in answer.json()["outcomes"]] == [503, 422]


@pytest.mark.parametrize("address", ["/", "/docs", "/openapi.json", "/health/live", "/v1/kinds", "/nulle/part"])
async def test_every_answer_bears_the_guards(resting, desk, address, monkeypatch):
    monkeypatch.setattr(resting.catalogue.kinds["essai"].route, "title", 1)  # a bug, which /v1/kinds meets
    answer = await desk.get(address)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["x-frame-options"] == "DENY"


async def test_a_bug_is_a_problem_without_a_word_of_what_happened(resting, desk, monkeypatch):
    monkeypatch.setattr(resting.catalogue.kinds["essai"].route, "title", {"secret": "CANARI"})
    answer = await desk.get("/v1/kinds")
    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/internal-error")
    assert "CANARI" not in answer.text


async def test_the_description_is_complete_and_every_reference_in_it_leads_somewhere(desk):
    answer = await desk.get("/openapi.json")
    schema = answer.json()
    references = set(re.findall(r'"\$ref":"#/components/schemas/(\w+)"', answer.text))
    assert references <= schema["components"]["schemas"].keys()
    assert "#/$defs" not in answer.text
    assert {"get", "post"} == schema["paths"]["/v1/requests"].keys()
    operations = [one for path in schema["paths"].values() for one in path.values()]
    assert all(one["summary"] and one["description"] and one["tags"] for one in operations)
    assert all({"401", "403", "503"} <= one["responses"].keys() for one in operations)
    assert "ValidationError" not in answer.text


async def test_the_description_gives_a_sample_of_each_kind_that_the_door_takes(desk):
    post = (await desk.get("/openapi.json")).json()["paths"]["/v1/requests"]["post"]
    samples = post["requestBody"]["content"]["application/json"]["examples"]
    assert samples.keys() == {"essai"}
    for kind, sample in samples.items():
        sent = {**sample["value"], "attachments": []}
        answer = await desk.post("/v1/requests", json=sent, headers={"Idempotency-Key": kind})
        assert answer.status_code == 202, kind


async def test_the_documentation_shows_every_route_and_asks_nothing_of_other_hosts(desk):
    page = (await desk.get("/docs")).text
    schema = (await desk.get("/openapi.json")).json()
    assert all(f"<code>{path}</code>" in page for path in schema["paths"])
    assert not re.search(r"(src|href)=.?(https?:)?//", page)
    assert "<script" not in page
    assert (await desk.get("/")).headers["location"] == "/docs"


async def test_a_kind_is_described_with_its_schema_its_steps_and_its_stages(desk):
    kinds = (await desk.get("/v1/kinds")).json()
    assert {"essai", "avis"} <= {kind["kind"] for kind in kinds}
    shown = (await desk.get("/v1/kinds/avis")).json()
    assert [(step["name"], step["does"], step["target"]) for step in shown["steps"]] == [
        ("instruction", "await", None),
        ("cible", "deliver", "cible"),
    ]
    stages = [stage["stage"] for stage in shown["stages"]]
    assert {"En cours d'instruction", "Refusé", "Accepté", "Demande annulée"} <= set(stages)
    schema = await desk.get("/v1/kinds/avis/schema")
    assert schema.headers["content-type"] == "application/schema+json"
    assert schema.json() == shown["schema"]


async def test_a_key_kept_to_some_kinds_sees_those_alone(resting, open_desk):
    desk = await open_desk(resting, kinds=frozenset({"avis"}))
    assert [kind["kind"] for kind in (await desk.get("/v1/kinds")).json()] == ["avis"]
    assert (await desk.get("/v1/kinds/essai")).status_code == 404


async def test_a_stage_that_a_person_brought_about_is_announced(resting, desk):
    heard = []
    resting.announcer.listen(heard.append)
    number = await desk.submitted("avis")
    await desk.post(f"/v1/requests/{number}/decision", json={"accept": False, "reason": "Refusé"})
    assert Staged("avis", "Refusé") in heard
