"""« Lots » without scripts: from what was ticked to what became of each row, and what is refused in words."""

import asyncio
import csv
import io
import re

import pytest

from hub.accounts import Right

LOTS = "/console/lots"


@pytest.fixture
async def park(console, target):
    """Have requests refused by their target, and give the numbers of their deliveries."""

    async def parking(count):
        target.break_with("refused", times=count)
        numbers = [await console.submit("essai", f"k-{index}") for index in range(count)]
        until = "SELECT count(*) FROM request WHERE status = 'parked'"
        await shown(lambda: counted(console, until) == count)
        return [number * 1000 + 1 for number in numbers]

    return parking


def counted(console, sql):
    return console.hub.ledger.look(lambda connection: connection.exec_driver_sql(sql).scalar())


async def shown(holds):
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.05)


async def planned(browser, verb, subjects, **said):
    """Make a plan, and give the address of its page."""
    answer = await browser.submit(f"{LOTS}/plan", verb=verb, subject=[str(one) for one in subjects], **said)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].partition("?")[0]


async def until(browser, address, word):
    async with asyncio.timeout(60):
        while word not in (page := (await browser.get(address)).text):
            await asyncio.sleep(0.05)
    return page


async def test_what_was_ticked_is_planned_started_and_followed_to_its_end(console, target, park):
    agnes = await console.enter()
    deliveries = await park(4)
    asked = await agnes.submit(f"{LOTS}/plan", subject=[str(one) for one in deliveries])
    assert asked.status_code == 200
    assert re.findall(r'name="subject" value="(\d+)"', asked.text) == [str(one) for one in deliveries]
    assert "4 lignes sont cochées." in asked.text
    address = await planned(agnes, "retry", deliveries)
    page = (await agnes.get(address + "?dit=plan")).text
    assert "Rien n&#39;est encore changé" in page or "Rien n'est encore changé" in page
    assert "préparé, pas lancé" in page
    assert not target.taken()
    started = await agnes.submit(f"{address}/lancer", reason="La panne est finie")
    assert (started.status_code, started.headers["location"]) == (303, f"{address}?dit=lancer")
    page = await until(agnes, address, 'class="state good">terminé')
    assert "La panne est finie" in page
    assert sum(target.taken().values()) == 4
    table = list(csv.DictReader(io.StringIO((await agnes.get(f"{address}/lignes.csv")).text)))
    assert [row["outcome"] for row in table] == ["ok"] * 4
    assert f'href="{address}"' in (await agnes.get(LOTS)).text


async def test_all_that_the_list_finds_is_planned(console, park):
    agnes = await console.enter()
    await park(3)
    answer = await agnes.submit(f"{LOTS}/plan", verb="retry", query="state=parked&target=cible")
    page = (await agnes.get(answer.headers["location"])).text
    assert "<strong>3</strong>" in page
    everything = await agnes.submit(f"{LOTS}/plan", verb="assign", owner="camille", query="", subject="100000000001")
    assert "<strong>3</strong>" in (await agnes.get(everything.headers["location"])).text
    assert "state=parked&amp;target=cible" in page


async def test_the_first_failures_pause_the_batch_and_it_is_stopped(console, target, park):
    agnes = await console.enter()
    deliveries = await park(5)
    target.break_with("refused", times=-1)
    address = await planned(agnes, "retry", deliveries)
    await agnes.submit(f"{address}/lancer", reason="essai")
    page = await until(agnes, address, "OBJET_INCONNU")
    assert "Reprendre le lot" in await until(agnes, address, 'class="state warn">en pause')
    assert "Mettre le lot en pause" not in page
    assert (await agnes.submit(f"{address}/arret")).status_code == 303
    assert "arrêté" in (await agnes.get(address)).text
    refused = await agnes.submit(f"{address}/reprise")
    assert (refused.status_code, "Ce lot est arrêté." in refused.text) == (409, True)


async def test_a_plan_that_no_longer_holds_is_refused_in_words(console, park):
    agnes = await console.enter()
    deliveries = await park(2)
    address = await planned(agnes, "retry", deliveries)
    other = await planned(agnes, "retry", deliveries[:1])
    await agnes.submit(f"{other}/lancer", reason="avant")
    await until(agnes, other, 'class="state good">terminé')
    refused = await agnes.submit(f"{address}/lancer", reason="après")
    assert refused.status_code == 409
    assert "Une ligne a changé depuis ce plan : refaites-le." in refused.text


async def test_starting_twice_is_starting_once(console, target, park):
    agnes = await console.enter()
    address = await planned(agnes, "retry", await park(3))
    answers = await asyncio.gather(*(agnes.submit(f"{address}/lancer", reason="x") for _ in range(3)))
    assert {answer.status_code for answer in answers} == {303}
    await until(agnes, address, 'class="state good">terminé')
    assert sum(target.taken().values()) == 3


async def test_requests_are_decided_in_a_batch_by_who_may(resting_console):
    agnes = await resting_console.enter()
    numbers = [await resting_console.submit("avis", f"a-{index}") for index in range(2)]
    subjects = [number * 1000 for number in numbers]
    choice = await agnes.submit(f"{LOTS}/plan", subject=[str(one) for one in subjects])
    assert "Justificatif de domicile invalide" in choice.text
    wrong = await agnes.submit(f"{LOTS}/plan", verb="decide", subject=[str(one) for one in subjects], reason="non")
    assert (wrong.status_code, "Un refus donne ici" in wrong.text) == (409, True)
    address = await planned(agnes, "decide", subjects, reason="Refusé")
    assert "Refusé" in (await agnes.get(address)).text
    other = await resting_console.submit("rues", "r-1", data={"objet": "1"})
    mixed = [*subjects, other * 1000]
    refused = await agnes.submit(f"{LOTS}/plan", verb="decide", accept="1", subject=[str(one) for one in mixed])
    assert "avis/instruction (2), rues/instruction (1)" in refused.text


async def test_reasons_are_offered_for_all_that_the_list_finds(resting_console):
    carl = await resting_console.enter("carl", rights=[Right.METADATA, Right.DECIDE])
    await resting_console.submit("avis", "a-1")
    choice = await carl.submit(f"{LOTS}/plan", query="kind=avis")
    assert '<option value="Justificatif de domicile invalide">' in choice.text
    other = await carl.submit(f"{LOTS}/plan", query="kind=essai")
    assert "Justificatif de domicile invalide" not in other.text
    assert (await carl.submit(f"{LOTS}/plan", query="state=nowhere")).status_code == 404


async def test_who_lacks_the_right_may_look_and_not_touch(console, park):
    agnes = await console.enter()
    deliveries = await park(1)
    address = await planned(agnes, "retry", deliveries)
    basile = await console.enter("basile", rights=[Right.METADATA])
    page = await basile.get(address)
    assert (page.status_code, "disabled" in page.text) == (200, True)
    for wish, said in (("lancer", {"reason": "x"}), ("arret", {})):
        assert (await basile.submit(f"{address}/{wish}", **said)).status_code == 403
    answer = await basile.submit(f"{LOTS}/plan", verb="retry", subject=str(deliveries[0]))
    assert answer.status_code == 403


async def test_who_is_kept_to_a_kind_sees_their_own_batches_alone(console, park):
    agnes = await console.enter()
    deliveries = await park(1)
    address = await planned(agnes, "retry", deliveries)
    basile = await console.enter("basile", kinds=frozenset({"avis"}))
    assert (await basile.get(address)).status_code == 404
    assert (await basile.submit(f"{address}/lancer", reason="x")).status_code == 404
    own = await planned(basile, "retry", deliveries)
    assert "hors de votre ressort" in (await basile.get(own)).text


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({}, 422),
        ({"subject": "x"}, 422),
        ({"subject": "1", "verb": "finalize"}, 422),
        ({"subject": "100000000001", "verb": "reject"}, 422),
        ({"query": "state=nowhere", "verb": "retry"}, 404),
    ],
)
async def test_what_cannot_be_planned_is_said(resting_console, said, status):
    agnes = await resting_console.enter()
    assert (await agnes.submit(f"{LOTS}/plan", **said)).status_code == status


async def test_a_form_without_its_token_changes_nothing(console, park):
    agnes = await console.enter()
    address = await planned(agnes, "retry", await park(1))
    assert (await agnes.post(f"{address}/lancer", data={"reason": "x"})).status_code == 403
    assert "préparé, pas lancé" in (await agnes.get(address)).text


async def test_what_refreshes_says_its_state_and_leaves_the_buttons_alone(console, target, park):
    agnes = await console.enter()
    deliveries = await park(5)
    target.break_with("refused", times=-1)
    address = await planned(agnes, "retry", deliveries)
    await agnes.submit(f"{address}/lancer", reason="x")
    await until(agnes, address, 'class="state warn">en pause')
    part = await agnes.get(f"{address}/suivi", headers={"HX-Request": "true"})
    assert "<html" not in part.text
    assert re.search(r'id="batch-said" hx-swap-oob="innerHTML">Lot \d+ : en pause', part.text)
    assert (await agnes.get(f"{address}/commandes?etat=paused")).status_code == 204
    moved = await agnes.get(f"{address}/commandes?etat=running")
    assert (moved.status_code, "Reprendre le lot" in moved.text) == (200, True)


@pytest.mark.parametrize("path", ["", "/suivi", "/commandes", "/lignes.csv"])
async def test_there_is_no_such_batch(resting_console, path):
    agnes = await resting_console.enter()
    assert (await agnes.get(f"{LOTS}/7{path}")).status_code == 404
