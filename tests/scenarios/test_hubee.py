"""A case at HubEE: one request of it, whatever is notified again, and its state told back."""

import asyncio

import pytest

from hub.collector import Collector

pytestmark = pytest.mark.asyncio(loop_scope="session")

CASES = [("recensementCitoyen", "recensement.citoyen"), ("EtatCivil", "etat_civil.naissance")]


async def requests_of(city, case):
    """List the requests that were made of a case."""
    listed = (await city.operator.get("/v1/requests", params={"limit": 100})).json()["requests"]
    return [one for one in listed if one["external_reference"] == case]


async def fetched(city, case):
    """Wait until a case has become a request, and is notified no more; gives its number."""
    async with asyncio.timeout(15):
        while not (found := await requests_of(city, case)) or is_notified(city, case):
            await asyncio.sleep(0.05)
    return found[0]["number"]


def is_notified(city, case):
    return any(one["caseId"] == case for one in city.hubee.notifications)


def moves(city, case):
    """List the states that the city gave a case, in order."""
    events = city.hubee.cases[case]["events"]
    return [event["caseNewStatus"] for event in events if event["actionType"] == "STATUS_UPDATE"]


async def told(city, case, state):
    """Wait until HubEE has been told a state."""
    async with asyncio.timeout(15):
        while city.hubee.cases[case]["status"] != state:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(("procedure", "kind"), CASES)
async def test_a_case_becomes_a_request_for_logitud_and_hubee_hears_of_its_end(city, procedure, kind):
    case = city.hubee.put_example(procedure)
    number = await fetched(city, case)
    shown = await city.operator.request_of(number)
    assert (shown["kind"], shown["external_reference"]) == (kind, case)
    await city.operator.until(number, "Accepté")
    assert list(city.taken("logitud", number).values()) == [1]
    await told(city, case, "DONE")
    assert moves(city, case)[-1] == "DONE"
    assert moves(city, case).count("DONE") == 1


async def test_its_papers_came_with_it(city):
    case = city.hubee.put_example("recensementCitoyen")
    shown = await city.operator.until(await fetched(city, case), "Accepté")
    assert {one["name"] for one in shown["attachments"]} >= {"livret-famille.pdf", "piece-identite.pdf"}


async def test_a_notification_that_comes_again_makes_no_other_request(city):
    case = city.hubee.put_example("recensementCitoyen")
    number = await fetched(city, case)
    await told(city, case, "DONE")
    city.hubee._notify(case)
    async with asyncio.timeout(15):
        while is_notified(city, case):
            await asyncio.sleep(0.02)
    assert [one["number"] for one in await requests_of(city, case)] == [number]
    assert list(city.taken("logitud", number).values()) == [1]
    assert city.hubee.cases[case]["status"] == "DONE"


async def test_processes_that_fetch_at_once_make_one_request_of_a_case(city):
    hub, target = city.hub, city.hub.targets["hubee"]
    collector = Collector(hub.ledger, hub.attachments, hub.inbox, hub.announcer, every=hub.settings.fetch_every)
    cases = [city.hubee.put_example("recensementCitoyen") for _ in range(3)]
    await asyncio.gather(*(collector.fetch(target, target.connector) for _ in range(4)))
    for case in cases:
        number = await fetched(city, case)
        assert [one["number"] for one in await requests_of(city, case)] == [number]
        await told(city, case, "DONE")
    assert not city.hub.failed.is_set()


async def test_a_case_that_cannot_be_used_is_declined_in_words_without_names(city):
    broken = {"livret-famille.pdf": ("jf", "application/pdf", b"%PDF-1.7 et rien de plus")}
    case = city.hubee.put_case("recensementCitoyen", broken)
    await told(city, case, "SI_INTG_ERROR")
    assert not await requests_of(city, case)
    assert "ne sait pas traiter" in city.hubee.cases[case]["events"][-1]["message"]


async def test_a_case_whose_files_are_not_scanned_yet_is_waited_for(city):
    case = city.hubee.put_example("recensementCitoyen", status="PENDING")
    other = city.hubee.put_example("recensementCitoyen")
    await city.operator.until(await fetched(city, other), "Accepté")
    assert not await requests_of(city, case)
    city.hubee.scan(case)
    await city.operator.until(await fetched(city, case), "Accepté")


async def test_what_logitud_refuses_is_still_under_way_for_hubee(city):
    city.logitud.break_with("deja_recense")
    case = city.hubee.put_example("recensementCitoyen")
    number = await fetched(city, case)
    await city.operator.until_step(number, "logitud", "parked")
    await told(city, case, "IN_PROGRESS")
    one = await city.delivery(number, "logitud")
    said = await city.operator.post(
        f"/v1/operations/deliveries/{one['key']}/finalize", json={"reason": "Déjà recensé", "reference": "EC00000000"}
    )
    assert said.status_code == 200, said.text
    await told(city, case, "DONE")
