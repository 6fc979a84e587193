"""Submitting requests, one or many, and what their front end reads of them afterwards."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from hub.access import Role

VENDOR = "Objet inconnu au plan de classement"


async def audit(operator, key):
    return (await operator.get(f"/v1/operations/deliveries/{key}")).json()["audit"]


async def test_an_accepted_request_has_a_number_an_address_and_a_stage(portal):
    answer = await portal.submit()
    said = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/requests/{said['number']}"
    assert said["numero"] == f"{said['number'][:3]} {said['number'][3:6]} {said['number'][6:]}"
    assert (said["status"], said["stage"], said["final"]) == ("in_progress", "En cours d'intégration", False)
    assert "idempotency-replayed" not in answer.headers


async def test_a_repetition_is_answered_as_the_first_time_and_says_so(portal, target):
    first, again = await portal.submit(), await portal.submit()
    assert again.status_code == 202
    assert again.json()["number"] == first.json()["number"]
    assert again.headers["idempotency-replayed"] == "true"
    await portal.until(first.json()["number"], "done")
    assert sum(target.taken().values()) == 1


async def test_a_key_may_wear_the_quotes_of_a_structured_field(portal):
    bare, quoted = await portal.submit(key="k-1"), await portal.submit(key='"k-1"')
    assert quoted.json()["number"] == bare.json()["number"]


async def test_forty_posts_at_once_under_one_key_make_one_request(portal):
    answers = await asyncio.gather(*(portal.submit() for _ in range(40)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["number"] for answer in answers}) == 1
    assert Counter(answer.headers.get("idempotency-replayed") for answer in answers) == {None: 1, "true": 39}


async def test_forty_posts_at_once_under_one_key_and_two_bodies_make_one_request(portal):
    answers = await asyncio.gather(*(portal.submit(name=name) for name in ["Durand", "Petit"] * 20))
    assert Counter(answer.status_code for answer in answers) == {202: 20, 422: 20}
    refusal = next(answer.json() for answer in answers if answer.status_code == 422)
    assert refusal["type"] == "/problems/idempotency-key-reused"
    assert len((await portal.get("/v1/requests")).json()["requests"]) == 1


@pytest.mark.parametrize("key", [None, "", "é", "a" * 256, "a\tb"])
async def test_a_submission_needs_a_key(portal, submission, key):
    headers = {} if key is None else {"Idempotency-Key": key.encode()}
    answer = await portal.post("/v1/requests", json=submission("essai"), headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/idempotency-key-required")


async def test_the_key_of_one_front_end_says_nothing_to_another(running, portal, open_desk):
    other = await open_desk(running, front_end="publik")
    mine, theirs = await portal.submit(name="Durand"), await other.submit(name="Petit")
    assert theirs.status_code == 202
    assert theirs.json()["number"] != mine.json()["number"]
    assert "idempotency-replayed" not in theirs.headers
    assert (await other.get(mine.headers["location"])).status_code == 404
    assert [one["number"] for one in (await other.get("/v1/requests")).json()["requests"]] == [theirs.json()["number"]]


async def test_a_reference_of_the_portal_names_one_request(portal):
    await portal.submit(key="k-1", external_reference="LA-1")
    taken = await portal.submit(key="k-2", external_reference="LA-1", name="Petit")
    assert (taken.status_code, taken.json()["errors"][0]["pointer"]) == (409, "/external_reference")
    replayed = await portal.submit(key="k-3", external_reference="LA-1")
    assert (replayed.status_code, replayed.headers["idempotency-replayed"]) == (202, "true")


async def test_a_request_is_read_with_its_stages_its_steps_and_the_citizens_sentence(portal):
    number = await portal.submitted()
    shown = await portal.until(number, "done")
    assert shown["message"] == f"Votre demande N° {shown['numero']} vient d'être validée."
    assert [stage["stage"] for stage in shown["timeline"]] == ["Demande reçue", "Accepté"]
    assert [(step["step"], step["item"], step["status"]) for step in shown["steps"]] == [("cible", 0, "done")]
    assert shown["final"]
    assert shown["ended_at"] == shown["updated_at"]


async def test_a_number_is_read_with_or_without_its_spaces(portal):
    shown = (await portal.submit()).json()
    spaced = await portal.get(f"/v1/requests/{shown['numero']}")
    assert spaced.json()["number"] == shown["number"]


async def test_no_word_of_a_target_reaches_a_front_end(portal, operator, target):
    target.break_with("refused")
    number = await portal.submitted()
    await portal.until(number, "parked")
    for page in (f"/v1/requests/{number}", "/v1/requests"):
        text = (await portal.get(page)).text
        assert VENDOR not in text
        assert "OBJET_INCONNU" not in text
    assert VENDOR in (await operator.get(f"/v1/operations/deliveries/{number}-1")).text


SEARCHES = [
    ("q=LEFEVRE", ["a"]),
    ("q=lea%40example.org", ["a", "b"]),
    ("q=%2B33639981234", ["a", "b"]),
    ("q=LA-b", ["b"]),
    ("external_reference=LA-a", ["a"]),
    ("kind=avis", ["b"]),
    ("kind=avis&site=annexe", []),
    ("channel=guichet", ["b"]),
    ("status=waiting", ["b"]),
    ("stage=En+cours+d%27instruction", ["b"]),
    ("q=personne", []),
    ("from=2020-01-01&to=2020-12-31", []),
    ("from=2020-01-01T00:00:00Z", ["a", "b"]),
    ("to=9999-12-31", ["a", "b"]),
    ("from=0001-01-01", ["a", "b"]),
]


async def test_requests_are_found_by_every_criterion(resting, open_desk):
    desk = await open_desk(resting)
    await desk.submit("essai", "1", external_reference="LA-a", name="Lefèvre")
    await desk.submit("avis", "2", external_reference="LA-b", name="Petit", channel="guichet")
    found = {}
    for query, _ in SEARCHES:
        rows = (await desk.get(f"/v1/requests?{query}")).json()["requests"]
        found[query] = sorted(row["external_reference"][-1] for row in rows)
    assert found == dict(SEARCHES)


async def test_a_request_is_found_by_its_number_as_people_write_it(resting, open_desk):
    desk = await open_desk(resting)
    numero = (await desk.submit()).json()["numero"]
    await desk.submit(key="k-2")
    found = (await desk.get("/v1/requests", params={"q": numero})).json()["requests"]
    assert [one["numero"] for one in found] == [numero]


async def test_a_day_is_a_day_of_paris(resting, open_desk):
    desk = await open_desk(resting)
    await desk.submit()
    today = datetime.now(UTC).date()
    around = {"from": str(today - timedelta(days=1)), "to": str(today + timedelta(days=1))}
    assert len((await desk.get("/v1/requests", params=around)).json()["requests"]) == 1


async def test_pages_follow_each_other_without_gap_or_repetition(resting, open_desk):
    desk = await open_desk(resting)
    numbers = [await desk.submitted(key=f"k-{index}") for index in range(5)]
    seen, page, sizes = [], "/v1/requests?limit=2&kind=essai", []
    while page:
        answer = (await desk.get(page)).json()
        sizes.append(len(answer["requests"]))
        seen += [one["number"] for one in answer["requests"]]
        page = answer["next"]
    assert seen == numbers[::-1]
    assert sizes == [2, 2, 1]


async def test_an_agent_sees_the_kinds_and_sites_of_the_key_and_no_others(resting, open_desk):
    portal = await open_desk(resting)
    for index, (kind, site) in enumerate([("essai", "ville"), ("avis", "ville"), ("avis", "annexe")]):
        await portal.submit(kind, f"k-{index}", site=site)
    agent = await open_desk(resting, Role.AGENT, kinds=frozenset({"avis"}), sites=frozenset({"annexe"}))
    found = (await agent.get("/v1/requests")).json()["requests"]
    assert [(one["kind"], one["site"]) for one in found] == [("avis", "annexe")]


async def test_an_accepted_decision_lets_the_route_go_on(portal, operator):
    number = await portal.submitted("avis")
    waiting = (await portal.get(f"/v1/requests/{number}")).json()
    assert (waiting["awaiting"], waiting["reasons"]) == (
        "instruction",
        ["Justificatif de domicile invalide", "Refusé"],
    )
    decided = await portal.post(f"/v1/requests/{number}/decision", json={"accept": True})
    assert (decided.status_code, decided.json()["awaiting"]) == (200, None)
    await portal.until(number, "done")
    assert ["decide" in line["kind"] for line in await audit(operator, f"{number}-1")].count(True) == 1


async def test_a_refusal_gives_one_of_the_routes_reasons(portal):
    number = await portal.submitted("avis")
    address = f"/v1/requests/{number}/decision"
    refusal = await portal.post(address, json={"accept": False, "reason": "Parce que"})
    assert (refusal.status_code, refusal.json()["errors"][0]["pointer"]) == (422, "/reason")
    assert "Justificatif de domicile invalide" in refusal.json()["errors"][0]["message"]
    decided = await portal.post(address, json={"accept": False, "reason": "Justificatif de domicile invalide"})
    assert (decided.json()["status"], decided.json()["stage"]) == ("refused", "Justificatif de domicile invalide")


async def test_a_decision_is_taken_once(portal):
    number = await portal.submitted("avis")
    answers = await asyncio.gather(
        *(portal.post(f"/v1/requests/{number}/decision", json={"accept": True}) for _ in range(4))
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 3}


async def test_data_corrected_with_a_decision_are_what_the_target_receives(portal, operator):
    number = await portal.submitted("avis")
    await portal.post(f"/v1/requests/{number}/decision", json={"accept": True, "data": {"objet": "corrigé"}})
    await portal.until(number, "done")
    delivery = (await operator.get(f"/v1/operations/deliveries/{number}-1")).json()
    assert delivery["data"] == {"objet": "corrigé"}
    assert '"corrigé"' in delivery["attempts_made"][0]["sent"]


CORRECTIONS = [
    ({}, "/data/objet", "ce champ est obligatoire"),
    ({"objet": "deux", "rues": []}, "/data", "le circuit de la démarche ne sait pas les lire"),
]


@pytest.mark.parametrize(("data", "pointer", "message"), CORRECTIONS)
async def test_a_correction_the_form_or_the_route_cannot_read_changes_nothing(portal, data, pointer, message):
    number = await portal.submitted("rues", data={"objet": "2", "rues": ["a"]})
    refusal = await portal.post(f"/v1/requests/{number}/decision", json={"accept": True, "data": data})
    assert refusal.status_code == 422
    assert [(one["pointer"], one["message"]) for one in refusal.json()["errors"]] == [(pointer, message)]
    assert (await portal.get(f"/v1/requests/{number}")).json()["awaiting"] == "instruction"


async def test_a_request_that_awaits_nobody_takes_no_decision(portal):
    number = await portal.submitted()
    refusal = await portal.post(f"/v1/requests/{number}/decision", json={"accept": True})
    assert (refusal.status_code, refusal.json()["type"]) == (409, "/problems/conflict")


async def test_a_request_that_reached_nobody_is_cancelled_once(resting, open_desk):
    desk = await open_desk(resting)
    number = await desk.submitted()
    cancelled = await desk.post(f"/v1/requests/{number}/cancel", json={"reason": "en double"})
    assert (cancelled.status_code, cancelled.json()["stage"]) == (200, "Demande annulée")
    again = await desk.post(f"/v1/requests/{number}/cancel", json={"reason": "en double"})
    assert again.status_code == 409


async def test_a_request_that_a_target_has_taken_is_not_cancelled(portal):
    number = await portal.submitted()
    await portal.until(number, "done")
    refusal = await portal.post(f"/v1/requests/{number}/cancel", json={"reason": "trop tard"})
    assert refusal.status_code == 409
    assert (await portal.get(f"/v1/requests/{number}")).json()["status"] == "done"


async def test_a_batch_gives_each_request_its_own_outcome(portal, submission):
    requests = [submission("essai"), submission("inconnue"), {"kind": "essai"}, submission("essai", name="Petit")]
    answer = await portal.post("/v1/requests/batch", json={"requests": requests}, headers={"Idempotency-Key": "b"})
    said = answer.json()
    assert (answer.status_code, said["accepted"], said["refused"]) == (207, 2, 2)
    assert [(one["index"], one["status"]) for one in said["outcomes"]] == [(0, 202), (1, 422), (2, 422), (3, 202)]
    assert said["outcomes"][1]["problem"]["errors"][0]["pointer"] == "/kind"
    assert {one["pointer"] for one in said["outcomes"][2]["problem"]["errors"]} == {"/applicant", "/data"}


async def test_five_hundred_requests_are_accepted_at_once_and_a_repetition_adds_none(resting, open_desk, submission):
    desk = await open_desk(resting)
    batch = {"requests": [submission("essai", external_reference=f"LA-{index}") for index in range(500)]}
    first = await desk.post("/v1/requests/batch", json=batch, headers={"Idempotency-Key": "b"})
    again = await desk.post("/v1/requests/batch", json=batch, headers={"Idempotency-Key": "b"})
    assert (first.status_code, first.json()["accepted"]) == (200, 500)
    assert [one["request"] for one in again.json()["outcomes"]] == [one["request"] for one in first.json()["outcomes"]]
    assert {one["replayed"] for one in again.json()["outcomes"]} == {True}


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"requests": [{}] * 501}, 422, "/requests"),
        ({"requests": []}, 422, "/requests"),
        ({"demandes": [{}]}, 422, "/requests"),
        ([], 422, ""),
        ({"requests": ["x" * 4_000_000]}, 413, None),
    ],
    ids=["too many", "none", "another name", "a list", "too large"],
)
async def test_a_batch_of_another_shape_is_refused_as_a_whole(portal, body, status, pointer):
    answer = await portal.post("/v1/requests/batch", json=body, headers={"Idempotency-Key": "b"})
    assert answer.status_code == status
    assert pointer is None or answer.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("key", [None, "k" * 252])
async def test_a_batch_needs_a_key_that_leaves_room_for_each_rank(portal, submission, key):
    headers = {"Idempotency-Key": key} if key else {}
    answer = await portal.post("/v1/requests/batch", json={"requests": [submission("essai")]}, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/idempotency-key-required")
