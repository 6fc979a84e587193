"""« À traiter »: a balance that adds up, targets that say how they are, failures by cause, and batches under way."""

import re

import pytest
from sqlalchemy import select

from hub.accounts import Right
from hub.tables import EVENTS, REQUESTS
from hub.tables_operations import BATCHES, CAUSE_NOTES
from monitoring.console.page_home import PERIODS
from tests.console.test_list import LIST, listed, stand, stands, submitted

__all__ = ["stand"]
DAY = 86_400_000


def figures(page):
    """Give the figures of the balance, line by line, each with the address of its list."""
    rows = re.findall(r"<tr>\s*<th scope=\"row\">.*?</tr>", page.text.split('class="balance"')[1], re.DOTALL)
    cells = [re.findall(r'href="([^"]*)"[^>]*>([^<]*)</a>', row) for row in rows[: len(PERIODS)]]
    return [[(href.replace("&amp;", "&"), int(said.replace("\u202f", ""))) for href, said in row] for row in cells]


def age(connection, wanted):
    """Let requests have come in long ago."""
    for number, days in wanted:
        values = {"received_at": REQUESTS.c.received_at - days * DAY}
        connection.execute(REQUESTS.update().where(REQUESTS.c.number == number).values(**values))
    return [None] * len(wanted)


@pytest.fixture
async def busy(resting_console):
    """A console of a hub where requests stand everywhere."""
    numbers = await submitted(resting_console, 8)
    for number, state, values in (
        (numbers[1], "parked", {"code": "refus", "stage": "Erreur"}),
        (numbers[2], "parked", {"code": "refus", "stage": "Erreur"}),
        (numbers[3], "uncertain", {"code": "timeout", "stage": "Erreur"}),
        (numbers[4], "waiting", {"code": "connect", "attempts": 2}),
        (numbers[5], "delivered", {}),
        (numbers[6], "finalized", {}),
    ):
        await stands(resting_console, number, state, **values)
    await resting_console.hub.ledger.write(age, (numbers[0], 400))
    resting_console.numbers = numbers
    return resting_console


async def test_each_line_of_the_balance_adds_up_and_each_figure_is_what_its_list_shows(busy):
    agnes = await busy.enter()
    lines = figures(await agnes.get("/console/"))
    assert [line[0][1] for line in lines] == [7, 7, 8]
    for (_, received), *standing in lines:
        assert sum(figure for _, figure in standing) == received
    for href, figure in lines[0] + lines[2]:
        page = await agnes.get(href)
        assert len(listed(page)) == figure, href


async def test_failures_are_grouped_by_cause_and_lead_to_the_list_of_exactly_these(busy):
    agnes = await busy.enter()
    page = await agnes.get("/console/")
    [href] = [found for found in re.findall(r'data-open href="([^"]+)"', page.text) if "code=refus" in found]
    assert sorted(listed(await agnes.get(href.replace("&amp;", "&")))) == busy.numbers[1:3]
    assert "connect" not in page.text.split('id="causes"')[1]
    assert "vérifier d&#39;abord" in page.text


@pytest.mark.parametrize(("code", "stage"), [("", ""), ("", "Erreur"), ("refus", "")])
async def test_a_cause_without_a_code_or_a_stage_leads_to_the_list_of_exactly_these(busy, code, stage):
    await stands(busy, busy.numbers[7], "parked", code=code, stage=stage)
    agnes = await busy.enter()
    page = await agnes.get("/console/")
    assert page.status_code == 200
    there = [found.replace("&amp;", "&") for found in re.findall(r'data-open href="([^"]+)"', page.text)]
    shown = [listed(await agnes.get(href)) for href in there if "state=" in href]
    assert [busy.numbers[7]] in shown
    assert sum(map(len, shown)) == 4


async def test_an_owner_and_a_note_are_kept_by_who_may_try_again(busy):
    agnes, bruno = await busy.enter("agnes"), await busy.enter("bruno", rights=[Right.METADATA])
    said = {"target": "cible", "code": "refus", "stage": "Erreur", "owner": "agnes", "note": "Vu avec l'éditeur"}
    assert (await bruno.submit("/console/causes", **said)).status_code == 403
    assert "Noter…" not in (await bruno.get("/console/")).text
    [href] = re.findall(r'href="(/console/causes[^"]*code=refus[^"]*)"', (await agnes.get("/console/")).text)
    assert 'name="note"' in (await agnes.get(href.replace("&amp;", "&"))).text
    answer = await agnes.submit("/console/causes", **said)
    assert "La note est enregistrée" in (await agnes.get(answer.headers["location"])).text
    assert "Vu avec l&#39;éditeur" in (await bruno.get("/console/")).text
    await agnes.submit("/console/causes", **{**said, "owner": "", "note": ""})
    assert await busy.hub.ledger.read(lambda connection: connection.execute(select(CAUSE_NOTES)).all()) == []


async def test_a_target_is_paused_with_a_reason_and_resumed_by_who_configures(busy):
    agnes, bruno = await busy.enter("agnes"), await busy.enter("bruno", rights=[Right.METADATA, Right.RETRY])
    assert (await bruno.submit("/console/logiciels/cible/pause", reason="x")).status_code == 403
    assert (await agnes.submit("/console/logiciels/cible/pause", reason="")).status_code == 422
    await agnes.submit("/console/logiciels/cible/pause", reason="Maintenance annoncée")
    page = (await bruno.get("/console/")).text
    assert "Désactivé" in page
    assert "Maintenance annoncée" in page
    await agnes.submit("/console/logiciels/cible/reprise")
    assert "Disponible" in (await bruno.get("/console/")).text
    done = select(EVENTS.c.kind, EVENTS.c.actor).where(EVENTS.c.request.is_(None)).order_by(EVENTS.c.id)
    audit = await busy.hub.ledger.read(lambda connection: connection.execute(done).all())
    assert audit == [("pause", "console/agnes"), ("resume", "console/agnes")]
    assert (await agnes.submit("/console/logiciels/inconnu/reprise")).status_code == 404


def begin(connection, wanted):
    """Write down batches."""
    for state in wanted:
        said = {"verb": "retry", "said": {}, "reason": "Panne finie", "criteria": "", "figures": {}, "detail": ""}
        said |= {"created_at": 0}
        connection.execute(BATCHES.insert(), {**said, "actor": "console/agnes", "state": state, "total": 4})
    return [None] * len(wanted)


async def test_batches_under_way_are_shown_with_their_progress(busy):
    for state in ("running", "done", "paused"):
        await busy.hub.ledger.write(begin, state)
    agnes = await busy.enter()
    page = (await agnes.get("/console/")).text
    assert re.findall(r'href="/console/lots/(\d+)"', page) == ["1", "3"]
    assert "0 sur 4" in page


async def test_whoever_is_kept_to_a_kind_is_shown_its_requests_alone(busy):
    await busy.submit("avis", "k-avis")
    carl = await busy.enter("carl", kinds=frozenset({"avis"}))
    page = await carl.get("/console/")
    assert [line[0][1] for line in figures(page)] == [1, 1, 1]
    assert "Personne n'est attendu" in page.text.replace("&#39;", "'").replace("’", "'")
    said = {"target": "cible", "code": "refus", "stage": "Erreur", "owner": "carl", "note": ""}
    assert (await carl.submit("/console/causes", **said)).status_code == 404


async def test_whoever_is_kept_to_a_site_is_shown_recent_figures(busy):
    carl = await busy.enter("carl", sites=frozenset({"site_x"}))
    assert [line[0][1] for line in figures(await carl.get("/console/"))] == [0, 0]
    assert listed(await carl.get(LIST)) == []
