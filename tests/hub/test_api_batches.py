"""Changes of many at once over HTTP and on the command line: plan, start, follow, pause, stop, CSV."""

import asyncio
import csv
import io

import pytest
from sqlalchemy import text

from hub.access import Role
from hub.representations_batches import BatchLine, as_csv

BATCHES = "/v1/operations/batches"


@pytest.fixture
async def park(portal, target):
    """Have requests refused by their target, and give the keys of their deliveries."""

    async def parking(count):
        target.break_with("refused", times=count)
        numbers = [await portal.submitted("essai", f"k-{index}") for index in range(count)]
        for number in numbers:
            await portal.until(number, "parked")
        return [f"{number}-1" for number in numbers]

    return parking


async def until(operator, batch, *states):
    """Read a batch until it stands there; its outcomes always come to its total."""
    async with asyncio.timeout(30):
        while True:
            shown = (await operator.get(f"{BATCHES}/{batch}")).json()
            assert sum(shown["outcomes"].values()) == shown["total"]
            if shown["state"] in states:
                return shown
            await asyncio.sleep(0.02)


async def planned(operator, **said):
    answer = await operator.post(BATCHES, json=said)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_plan_is_made_started_and_followed_to_its_end(operator, target, park):
    keys = await park(5)
    plan = await planned(operator, verb="retry", deliveries=keys)
    assert (plan["state"], plan["total"], plan["outcomes"]["waiting"]) == ("planned", 5, 5)
    assert plan["plan"]["outlooks"] == {"sure": 5, "verify": 0, "differs": 0, "impossible": 0}
    started = await operator.post(f"{BATCHES}/{plan['id']}/start", json={"reason": " La panne est finie "})
    assert (started.status_code, started.json()["reason"]) == (200, "La panne est finie")
    again = await operator.post(f"{BATCHES}/{plan['id']}/start", json={"reason": "encore"})
    assert (again.status_code, again.json()["id"], again.json()["reason"]) == (200, plan["id"], "La panne est finie")
    done = await until(operator, plan["id"], "done")
    assert {name: count for name, count in done["outcomes"].items() if count} == {"ok": 5}
    assert sum(target.taken().values()) == 5


async def test_rows_come_page_after_page_and_by_outcome(operator, park):
    keys = await park(5)
    plan = await planned(operator, verb="retry", filter={"target": "cible"})
    seen, page = [], f"{BATCHES}/{plan['id']}/rows?limit=2"
    while page:
        answer = (await operator.get(page)).json()
        seen += [row["delivery"] for row in answer["rows"]]
        page = answer["next"]
    assert seen == keys
    assert (await operator.get(f"{BATCHES}/{plan['id']}/rows?outcome=ok")).json()["rows"] == []


async def test_the_rows_are_given_as_csv(operator, portal, park):
    keys = await park(3)
    await portal.until(done := await portal.submitted(key="k-done"), "done")
    plan = await planned(operator, verb="retry", deliveries=[*keys, f"{done}-1"])
    await operator.post(f"{BATCHES}/{plan['id']}/start", json={"reason": "x"})
    await until(operator, plan["id"], "done")
    answer = await operator.get(f"{BATCHES}/{plan['id']}/rows.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="lot-{plan["id"]}.csv"'
    table = list(csv.DictReader(io.StringIO(answer.text)))
    assert list(table[0]) == ["request", "delivery", "outcome", "detail", "at"]
    found = {row["delivery"]: (row["request"], row["outcome"], row["detail"]) for row in table}
    assert found == {key: (key[:9], "ok", "") for key in keys} | {f"{done}-1": (done, "skipped", "ended")}


def test_nothing_in_the_csv_is_a_formula():
    line = {"outlook": "sure", "note": "", "outcome": "failed", "said": "", "target": "", "state": "", "at": "x"}
    written = as_csv([BatchLine(request="1", delivery="", detail='=HYPERLINK("x"),2', **line)])
    assert list(csv.reader(io.StringIO(written)))[1][3] == '\'=HYPERLINK("x"),2'


WRONG = {
    "deliveries of requests": ({"verb": "assign", "deliveries": ["100000000-1"]}, "/deliveries"),
    "requests of deliveries": ({"verb": "retry", "requests": ["100000000"]}, "/requests"),
    "neither": ({"verb": "retry"}, "/deliveries"),
    "both": ({"verb": "retry", "deliveries": ["100000000-1"], "filter": {}}, "/deliveries"),
    "no key": ({"verb": "retry", "deliveries": ["x"]}, "/deliveries/0"),
    "no number": ({"verb": "cancel", "requests": ["12"]}, "/requests/0"),
    "no such verb": ({"verb": "finalize", "deliveries": ["100000000-1"]}, "/verb"),
    "no such criterion": ({"verb": "retry", "filter": {"cible": "x"}}, "/filter/cible"),
    "no such state": ({"verb": "retry", "filter": {"state": ["x"]}}, "/filter/state/0"),
    "no reason": ({"verb": "reject", "deliveries": ["100000000-1"]}, "/reason"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_cannot_be_planned_names_the_field(operator, name):
    said, pointer = WRONG[name]
    refusal = await operator.post(BATCHES, json=said)
    assert (refusal.status_code, [one["pointer"] for one in refusal.json()["errors"]]) == (422, [pointer])


async def test_a_plan_whose_rows_have_moved_is_refused_in_words(operator, park):
    keys = await park(2)
    plan = await planned(operator, verb="retry", deliveries=keys)
    closing = {"reason": "fait", "reference": "BO-1"}
    await operator.post(f"/v1/operations/deliveries/{keys[0]}/finalize", json=closing)
    refusal = await operator.post(f"{BATCHES}/{plan['id']}/start", json={"reason": "x"})
    assert (refusal.status_code, refusal.json()["detail"]) == (
        409,
        "Une ligne a changé depuis ce plan : refaites-le.",
    )


async def test_requests_that_await_at_several_steps_are_refused_with_the_steps_found(operator, portal):
    numbers = [await portal.submitted("avis", "a"), await portal.submitted("rues", "b", data={"objet": "1"})]
    refusal = await operator.post(BATCHES, json={"verb": "decide", "requests": numbers, "accept": True})
    assert refusal.status_code == 409
    assert "avis/instruction (1), rues/instruction (1)" in refusal.json()["detail"]


async def test_a_batch_is_paused_continued_and_stopped_over_http(operator, target, park):
    keys = await park(5)
    target.break_with("refused", times=-1)
    plan = await planned(operator, verb="retry", deliveries=keys)
    at = f"{BATCHES}/{plan['id']}"
    assert (await operator.post(f"{at}/pause")).json()["detail"] == "Ce lot n'est pas commencé."
    await operator.post(f"{at}/start", json={"reason": "x"})
    paused = await until(operator, plan["id"], "paused")
    assert "OBJET_INCONNU" in paused["detail"]
    stopped = (await operator.post(f"{at}/stop")).json()
    assert (stopped["state"], stopped["outcomes"]["skipped"]) == ("stopped", 2)
    assert (await operator.post(f"{at}/continue")).status_code == 409


async def test_whoever_is_kept_to_a_house_sees_and_steers_their_own_batches_alone(running, open_desk, operator, park):
    keys = await park(2)
    plan = await planned(operator, verb="retry", deliveries=keys)
    other = await open_desk(running, Role.OPERATOR, "publik")
    assert (await other.get(f"{BATCHES}/{plan['id']}")).status_code == 404
    assert (await other.post(f"{BATCHES}/{plan['id']}/start", json={"reason": "x"})).status_code == 404
    assert (await other.post(f"{BATCHES}/{plan['id']}/stop")).status_code == 404
    own = await planned(other, verb="retry", deliveries=keys)
    assert (own["total"], own["plan"]["unknown"]) == (0, 2)
    assert [one["id"] for one in (await other.get(BATCHES)).json()["batches"]] == [own["id"]]
    assert [one["id"] for one in (await operator.get(BATCHES)).json()["batches"]] == [own["id"], plan["id"]]


async def test_a_person_s_name_that_was_looked_for_is_not_kept(running, operator, portal):
    await portal.submitted("avis")
    plan = await planned(operator, verb="assign", filter={"q": "Lefèvre", "kind": "avis"}, owner="camille")
    assert plan["total"] == 1
    assert plan["criteria"] == '{"kind":"avis","q":"…"}'
    kept = running.ledger.look(lambda connection: connection.execute(text("SELECT * FROM batch")).all())
    assert "Lefèvre" not in str(kept)


@pytest.mark.parametrize("role", [Role.AGENT, Role.FRONT_END])
async def test_batches_are_for_operators(running, open_desk, role):
    desk = await open_desk(running, role, "libreair")
    assert (await desk.get(BATCHES)).status_code == 403
    assert (await desk.post(BATCHES, json={"verb": "retry", "filter": {}})).status_code == 403


async def test_there_is_no_such_batch(operator):
    assert (await operator.get(f"{BATCHES}/7")).status_code == 404
    assert (await operator.get(f"{BATCHES}/7/rows.csv")).status_code == 404
    assert (await operator.post(f"{BATCHES}/7/start", json={"reason": "x"})).status_code == 404
