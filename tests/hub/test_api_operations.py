"""What operations staff see and do: causes, evidence, verify, retry, correct, finalize by hand, pause a target."""

import asyncio
from collections import Counter

import pytest

from hub.access import Role

VENDOR = "Objet inconnu au plan de classement"


@pytest.fixture
async def park(portal, target):
    """Have a request refused by its target, and give the key of its delivery."""

    async def parking(key="k-1", **over):
        target.break_with("refused")
        number = await portal.submitted("essai", key, **over)
        await portal.until(number, "parked")
        target.mend()
        return f"{number}-1"

    return parking


def at(key, action):
    return f"/v1/operations/deliveries/{key}/{action}"


async def test_what_needs_a_person_is_listed_with_its_cause_and_what_can_be_done(portal, operator, park):
    key = await park()
    await portal.until(await portal.submitted(key="k-2"), "done")
    [listed] = (await operator.get("/v1/operations/deliveries")).json()["deliveries"]
    assert (listed["key"], listed["state"], listed["code"]) == (key, "parked", "OBJET_INCONNU")
    assert listed["actions"] == ["correct", "finalize", "reject", "retry"]
    assert not listed["perhaps_taken"]


async def test_a_delivery_is_shown_with_what_was_sent_and_answered(operator, park):
    key = await park(name="Ségalat")
    shown = (await operator.get(f"/v1/operations/deliveries/{key}")).json()
    [attempt] = shown["attempts_made"]
    assert (attempt["kind"], attempt["outcome"], attempt["http_status"]) == ("send", "refused", 422)
    assert '"objet"' in attempt["sent"]
    assert VENDOR in attempt["answered"]
    assert shown["data"] == {"objet": "un objet"}
    assert [line["stage"] for line in shown["audit"]] == [shown["stage"]]


FILTERS = {
    "state=parked": 2,
    "state=delivered": 1,
    "state=parked&state=delivered": 3,
    "state=queued": 0,
    "target=cible": 2,
    "target=autre": 0,
    "code=OBJET_INCONNU": 2,
    "code=autre": 0,
    "kind=essai": 2,
    "kind=avis": 0,
    "stage=Refus%C3%A9": 2,
    "limit=1": 1,
}


async def test_deliveries_are_found_by_state_and_cause(portal, operator, park):
    await park("k-1")
    await park("k-2", name="Petit")
    await portal.until(await portal.submitted(key="k-3"), "done")
    found = {}
    for query in FILTERS:
        found[query] = len((await operator.get(f"/v1/operations/deliveries?{query}")).json()["deliveries"])
    assert found == FILTERS


async def test_deliveries_come_page_after_page(operator, park):
    keys = [await park(f"k-{index}") for index in range(3)]
    seen, page = [], "/v1/operations/deliveries?limit=2"
    while page:
        answer = (await operator.get(page)).json()
        seen += [one["key"] for one in answer["deliveries"]]
        page = answer["next"]
    assert seen == keys[::-1]


async def test_causes_are_counted(operator, park):
    for index in range(3):
        await park(f"k-{index}")
    [cause] = (await operator.get("/v1/operations/causes")).json()["causes"]
    assert (cause["target"], cause["code"], cause["state"], cause["deliveries"]) == (
        "cible",
        "OBJET_INCONNU",
        "parked",
        3,
    )


async def test_an_operator_of_one_house_sees_and_touches_its_own_alone(running, open_desk, park):
    key = await park()
    other = await open_desk(running, Role.OPERATOR, "publik")
    assert (await other.get("/v1/operations/deliveries")).json()["deliveries"] == []
    assert (await other.get("/v1/operations/causes")).json()["causes"] == []
    assert (await other.get(f"/v1/operations/deliveries/{key}")).status_code == 404
    closing = {"reason": "à moi", "reference": "X"}
    assert (await other.post(at(key, "finalize"), json=closing)).status_code == 404


async def test_a_parked_delivery_is_retried_and_arrives_once(portal, operator, target, park):
    key = await park()
    assert (await operator.post(at(key, "retry"), json={})).status_code == 200
    await portal.until(key[:9], "done")
    assert sum(target.taken().values()) == 1


async def test_data_are_corrected_with_a_retry_and_what_they_were_is_checked(portal, operator, park):
    key = await park()
    refusal = await operator.post(at(key, "retry"), json={"data": {"objet": 1}})
    assert (refusal.status_code, refusal.json()["errors"][0]["pointer"]) == (422, "/data/objet")
    assert (await operator.post(at(key, "retry"), json={"data": {"objet": "corrigé"}})).status_code == 200
    await portal.until(key[:9], "done")
    shown = (await operator.get(f"/v1/operations/deliveries/{key}")).json()
    assert '"corrigé"' in shown["attempts_made"][-1]["sent"]
    assert "retry" in [line["kind"] for line in shown["audit"]]


async def test_a_delivery_perhaps_taken_is_verified_before_anything_is_sent_again(portal, operator, target):
    target.break_with("cut_after_commit")
    number = await portal.submitted("sans_retour")
    await portal.until(number, "parked")
    key = f"{number}-1"
    shown = (await operator.get(f"/v1/operations/deliveries/{key}")).json()
    assert shown["perhaps_taken"]
    assert (await operator.post(at(key, "retry"), json={"sure": True})).status_code == 200
    await portal.until(number, "done")
    assert sum(target.taken().values()) == 2


async def test_the_target_says_that_it_has_what_an_operator_has_verified(portal, operator, target):
    target.break_with("cut_after_commit")
    number = await portal.submitted("a_retrouver")
    key = f"{number}-1"
    await operator.until_state(key, "uncertain", "delivered")
    await operator.post(at(key, "verify"))
    await portal.until(number, "done")
    shown = (await operator.get(f"/v1/operations/deliveries/{key}")).json()
    assert {attempt["kind"] for attempt in shown["attempts_made"]} == {"send", "ask"}
    assert sum(target.taken().values()) == 1


async def test_a_delivery_is_finalized_by_hand_under_the_back_offices_reference(portal, operator, park):
    key = await park()
    closing = {"reason": " Saisi au guichet ", "reference": "LOG-7"}
    answer = await operator.post(at(key, "finalize"), json=closing)
    assert (answer.json()["state"], answer.json()["reference"]) == ("finalized", "LOG-7")
    shown = await portal.until(key[:9], "finalized")
    assert shown["stage"] == "Demande finalisée manuellement après erreur d'intégration"
    [line] = [line for line in answer.json()["audit"] if line["kind"] == "finalize"]
    assert (line["note"], line["delivery"]) == ("LOG-7: Saisi au guichet", key)
    assert line["actor"].startswith("*/")


@pytest.mark.parametrize(
    ("closing", "pointer"),
    [
        ({"reason": "fait"}, "/reference"),
        ({"reference": "LOG-7"}, "/reason"),
        ({"reason": "fait", "reference": "  "}, "/reference"),
        ({"reason": "", "reference": "LOG-7"}, "/reason"),
        ({"reason": "fait", "reference": "x" * 256}, "/reference"),
        ({"reason": "fait", "reference": 7}, "/reference"),
    ],
)
async def test_finalizing_needs_a_reason_and_a_reference(operator, park, closing, pointer):
    key = await park()
    refusal = await operator.post(at(key, "finalize"), json=closing)
    assert (refusal.status_code, [one["pointer"] for one in refusal.json()["errors"]]) == (422, [pointer])
    assert (await operator.get(f"/v1/operations/deliveries/{key}")).json()["state"] == "parked"


async def test_two_operators_at_once_act_once(running, open_desk, operator, park):
    key = await park()
    other = await open_desk(running, Role.OPERATOR, "*")
    closing = {"reason": "fait", "reference": "LOG-7"}
    answers = await asyncio.gather(*(one.post(at(key, "finalize"), json=closing) for one in [operator, other] * 3))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 5}
    refusal = next(answer.json() for answer in answers if answer.status_code == 409)
    assert refusal["detail"] == "Cet envoi est finalisé à la main : rouvrez-le d'abord."
    audit = (await operator.get(f"/v1/operations/deliveries/{key}")).json()["audit"]
    tries = [line["note"].startswith("refused") for line in audit if line["kind"] == "finalize"]
    assert Counter(tries) == {False: 1, True: 5}


@pytest.mark.parametrize(
    ("action", "said"), [("retry", {}), ("verify", {}), ("finalize", {"reason": "a", "reference": "b"})]
)
async def test_nothing_is_done_to_a_delivery_that_has_arrived(portal, operator, target, action, said):
    number = await portal.submitted()
    await portal.until(number, "done")
    refusal = await operator.post(at(f"{number}-1", action), json=said)
    assert (refusal.status_code, refusal.json()["type"]) == (409, "/problems/conflict")
    assert sum(target.taken().values()) == 1


async def test_a_paused_target_is_sent_nothing_until_it_is_resumed(portal, operator, target):
    paused = await operator.post("/v1/operations/targets/cible/pause", json={"reason": "maintenance"})
    assert (paused.json()["paused"], paused.json()["paused_reason"]) == (True, "maintenance")
    number = await portal.submitted()
    listed = (await operator.get("/v1/operations/targets")).json()["targets"]
    [shown] = [target for target in listed if target["name"] == "cible"]
    assert (shown["paused"], shown["backlog"]) == (True, 1)
    assert sum(target.taken().values()) == 0
    resumed = await operator.post("/v1/operations/targets/cible/resume")
    assert not resumed.json()["paused"]
    await portal.until(number, "done")


@pytest.mark.parametrize("name", ["autre", "x" * 41, "a%00b"])
async def test_a_target_that_is_not_there_cannot_be_paused(operator, name):
    answer = await operator.post(f"/v1/operations/targets/{name}/pause", json={"reason": "maintenance"})
    assert answer.status_code == 404


async def test_what_can_be_done_is_said_of_every_verb_and_why_not(operator, park):
    key = await park()
    shown = (await operator.get(f"/v1/operations/deliveries/{key}")).json()
    said = {one["verb"]: one["why"] for one in shown["verbs"]}
    assert said == {
        "verify": "cannot_be_asked",
        "retry": None,
        "retry_current": "already_current",
        "correct": None,
        "reroute": "no_other_target",
        "finalize": None,
        "second": "not_proposed",
        "reject": None,
        "reopen": "not_finalized",
    }
    assert all(one["legal"] == (not one["sentence"]) for one in shown["verbs"])
    assert (shown["candidates"], shown["finalization"]) == ([], None)


async def test_a_refused_verb_says_why_in_words(operator, park):
    key = await park()
    refusal = await operator.post(at(key, "verify"))
    assert refusal.status_code == 409
    assert refusal.json()["detail"] == "On ne peut pas interroger ce logiciel sur cet envoi : vérifiez sur place."


async def test_what_was_finalized_is_shown_with_its_proof_and_reopened(operator, park):
    key = await park()
    closing = {"reason": "Saisi au guichet", "reference": "LOG-7", "comment": "Vu avec l'accueil"}
    shown = (await operator.post(at(key, "finalize"), json=closing)).json()["finalization"]
    assert {name: shown[name] for name in closing} == closing
    assert (shown["state"], shown["seconded_by"], shown["next_at"]) == ("unconfirmable", "", None)
    reopened = (await operator.post(at(key, "reopen"), json={"reason": "autre dossier"})).json()
    assert (reopened["state"], reopened["finalization"]["state"]) == ("parked", "reopened")


async def test_a_proposal_that_nobody_made_is_not_seconded(operator, park):
    refusal = await operator.post(at(await park(), "second"))
    assert (refusal.status_code, refusal.json()["detail"]) == (
        409,
        "Aucune finalisation n'est proposée pour cet envoi.",
    )


async def test_what_is_rejected_refuses_its_request(portal, operator, park):
    key = await park()
    shown = (await operator.post(at(key, "reject"), json={"reason": "hors de la commune"})).json()
    assert (shown["state"], shown["code"]) == ("cancelled", "rejected")
    assert (await portal.until(key[:9], "refused"))["stage"] == "Refusé"


async def test_a_delivery_goes_to_no_target_that_cannot_take_it(operator, park):
    refusal = await operator.post(at(await park(), "reroute"), json={"target": "ailleurs"})
    assert (refusal.status_code, refusal.json()["type"]) == (409, "/problems/conflict")


async def test_a_preview_shows_the_message_and_changes_nothing(operator, park):
    key = await park()
    shown = (await operator.get(at(key, "preview"))).json()
    assert (shown["key"], shown["legal"], shown["why"]) == (key, False, "already_current")
    assert shown["before"] == shown["after"] == {"objet": "un objet", "numero": str(int(key[:9]))}
    assert (shown["differences"], shown["version"]) == ([], shown["current"])


async def test_somebody_sees_to_a_request(portal, operator, park):
    number = (await park())[:9]
    assert (await operator.post(f"/v1/operations/requests/{number}/assign", json={"owner": "ana"})).json() == {
        "number": number,
        "owner": "ana",
    }
    assert (await portal.post(f"/v1/operations/requests/{number}/assign", json={"owner": "ana"})).status_code == 403
    assert (await operator.post("/v1/operations/requests/999999999/assign", json={"owner": "a"})).status_code == 404


async def test_a_cause_is_annotated(operator):
    said = {"target": "cible", "code": "full", "stage": "Refusé", "owner": "ana", "note": "éditeur prévenu"}
    assert (await operator.post("/v1/operations/causes/note", json=said)).json() == said
    refusal = await operator.post("/v1/operations/causes/note", json={**said, "note": "x" * 2001})
    assert [one["pointer"] for one in refusal.json()["errors"]] == ["/note"]
