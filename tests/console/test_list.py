"""« Demandes »: what is shown of a request, filters in the address, a search that leaves no name there, kept views."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select, update

from hub.access import blind
from hub.accounts import Right
from hub.saved_views import MOST
from hub.settlement import ROOM
from hub.tables import DELIVERIES, EVENTS, REQUESTS

NAME = "Lefèvre"
LIST = "/console/demandes"


def stand(connection, wanted):
    """Make deliveries stand, their requests with them."""
    for number, state, values in wanted:
        mine = DELIVERIES.c.request == number
        connection.execute(update(DELIVERIES).where(mine).values(state=state, **values))
        status = {"asking": "uncertain", "delivered": "done"}.get(state, state)
        connection.execute(update(REQUESTS).where(REQUESTS.c.number == number).values(status=status))
    return [None] * len(wanted)


async def stands(console, number, state, **values):
    await console.hub.ledger.write(stand, (number, state, values))


async def submitted(console, count, kind="essai", **over):
    return [await console.submit(kind, f"{kind}-{index}", **over) for index in range(count)]


def listed(page):
    """Give the numbers of a page's lines."""
    return [int(found) for found in re.findall(r"data-open href=\"/console/demandes/(\d+)\?", page.text)]


async def test_the_list_shows_the_newest_first_and_no_name(resting_console):
    numbers = await submitted(resting_console, 3)
    agnes = await resting_console.enter()
    page = await agnes.get(LIST)
    assert listed(page) == numbers[::-1]
    assert NAME not in page.text
    assert "Démarche essai" in page.text


async def test_each_filter_is_a_chip_that_leads_to_the_list_without_it(resting_console):
    parked, _other = await submitted(resting_console, 2)
    await stands(resting_console, parked, "parked", code="refus")
    agnes = await resting_console.enter()
    page = await agnes.get(f"{LIST}?status=parked&kind=essai")
    assert listed(page) == [parked]
    assert 'href="/console/demandes?kind=essai"' in page.text
    assert 'href="/console/demandes?status=parked"' in page.text
    assert re.search(r"<code>refus</code>", page.text)


async def test_the_form_of_filters_leads_to_an_address_without_what_is_empty(resting_console):
    agnes = await resting_console.enter()
    said = {"status": "parked", "kind": "", "from": "2026-11-30", "attempts": "", "sort": "due", "limit": "50"}
    answer = await agnes.get(f"{LIST}/filtrer", params=said)
    assert answer.headers["location"] == f"{LIST}?from=2026-11-30&status=parked&sort=due"
    assert (await agnes.get(answer.headers["location"])).status_code == 200


@pytest.mark.parametrize("said", [NAME, "lefevre", "lea@example.org", "06 39 98 12 34", "+33 6 39 98 12 34"])
async def test_a_person_is_found_and_is_in_no_address(resting_console, said):
    [number] = await submitted(resting_console, 1)
    agnes = await resting_console.enter()
    answer = await agnes.submit(f"{LIST}/recherche", q=said)
    where = answer.headers["location"]
    assert parse_qs(urlsplit(where).query) == {"x": [blind(resting_console.hub.secret, said)]}
    assert listed(await agnes.get(where)) == [number]
    assert not any(part in where.casefold() for part in ("lef", "lea@", "example", "%"))


@pytest.mark.parametrize("said", ["Inconnu", "personne@example.org"])
async def test_who_is_unknown_is_found_nowhere_and_is_in_no_page(resting_console, said):
    await submitted(resting_console, 1)
    agnes = await resting_console.enter()
    page = await agnes.get((await agnes.submit(f"{LIST}/recherche", q=said)).headers["location"])
    assert listed(page) == []
    assert said not in page.text


async def test_a_number_or_a_reference_of_the_portal_leads_to_the_request_by_its_number(resting_console):
    [number] = await submitted(resting_console, 1, external_reference="lea@example.org")
    agnes = await resting_console.enter()
    for said in (
        f"{number:09d}",
        f"{number // 10**6} {number // 1000 % 1000:03d} {number % 1000:03d}",
        "lea@example.org",
    ):
        answer = await agnes.submit(f"{LIST}/recherche", q=said)
        assert answer.headers["location"] == f"{LIST}?number={number}"
    assert listed(await agnes.get(answer.headers["location"])) == [number]


async def test_a_search_keeps_the_other_filters_and_an_empty_one_ends_it(resting_console):
    agnes = await resting_console.enter()
    found = await agnes.submit(f"{LIST}/recherche", q=NAME, dans="status=parked&kind=essai")
    assert parse_qs(urlsplit(found.headers["location"]).query).keys() == {"status", "kind", "x"}
    again = await agnes.submit(f"{LIST}/recherche", q=" ", dans=urlsplit(found.headers["location"]).query)
    assert again.headers["location"] == f"{LIST}?status=parked&kind=essai"


async def test_a_search_is_asked_by_a_form_of_ours_alone(resting_console):
    agnes = await resting_console.enter()
    assert (await agnes.post(f"{LIST}/recherche", data={"q": NAME})).status_code == 403
    assert (await agnes.get(f"{LIST}?q={NAME}")).status_code == 404


async def test_names_are_shown_to_who_may_see_them_and_each_look_is_written_down(resting_console):
    numbers = await submitted(resting_console, 2)
    agnes = await resting_console.enter()
    assert NAME in (await agnes.get(f"{LIST}?noms=1")).text
    bruno = await resting_console.enter("bruno", rights=[Right.METADATA])
    assert NAME not in (await bruno.get(f"{LIST}?noms=1")).text
    looks = select(EVENTS.c.request, EVENTS.c.actor, EVENTS.c.note).where(EVENTS.c.kind == "revealed")
    seen = await resting_console.hub.ledger.read(lambda connection: connection.execute(looks).all())
    assert sorted(seen) == [(number, "console/agnes", "applicant: list") for number in numbers]


async def test_pages_go_both_ways(resting_console):
    numbers = (await submitted(resting_console, 60))[::-1]
    agnes = await resting_console.enter()
    first = await agnes.get(f"{LIST}?limit=25")
    assert listed(first) == numbers[:25]
    following = re.search(r'rel="next" href="([^"]+)"', first.text)[1].replace("&amp;", "&")
    second = await agnes.get(following)
    assert listed(second) == numbers[25:50]
    before = re.search(r'rel="prev" href="([^"]+)"', second.text)[1].replace("&amp;", "&")
    assert listed(await agnes.get(before)) == numbers[:25]
    assert "60" in first.text


async def test_a_selection_names_deliveries_that_stand_and_requests_that_do_not(resting_console):
    parked, calm = await submitted(resting_console, 2)
    await stands(resting_console, parked, "parked", code="refus")
    agnes = await resting_console.enter()
    page = await agnes.get(LIST)
    subjects = [int(found) for found in re.findall(r'name="subject" value="(\d+)"', page.text)]
    assert subjects == [calm * ROOM, parked * ROOM + 1]
    assert 'action="/console/lots/plan"' in page.text
    bruno = await resting_console.enter("bruno", rights=[Right.METADATA])
    assert "Préparer un lot" not in (await bruno.get(LIST)).text


async def test_what_is_tried_again_is_apart_from_what_waits(resting_console):
    retried, waits = await submitted(resting_console, 2)
    await stands(resting_console, retried, "waiting", code="connect", attempts=3)
    await stands(resting_console, waits, "waiting", code="pending")
    agnes = await resting_console.enter()
    assert listed(await agnes.get(f"{LIST}?status=retrying")) == [retried]
    assert listed(await agnes.get(f"{LIST}?status=waiting")) == [waits]
    page = await agnes.get(f"{LIST}?status=retrying")
    assert "En reprise" in page.text
    assert "3/400" in page.text


async def test_a_view_is_kept_under_a_name_for_oneself_and_forgotten(resting_console):
    agnes, bruno = await resting_console.enter("agnes"), await resting_console.enter("bruno")
    answer = await agnes.submit(f"{LIST}/vues", name="À relancer", query="status=parked&kind=essai")
    kept = await agnes.get(answer.headers["location"])
    assert "À relancer" in kept.text
    assert "À relancer" not in (await bruno.get(LIST)).text
    [view] = re.findall(r'name="id" value="(\d+)"', kept.text)
    assert (await bruno.submit(f"{LIST}/vues/oublier", id=view)).status_code == 404
    await agnes.submit(f"{LIST}/vues/oublier", id=view)
    assert "À relancer" not in (await agnes.get(LIST)).text


async def test_one_view_too_many_is_refused_in_words_and_so_is_a_name_of_spaces(resting_console):
    agnes = await resting_console.enter()
    for at in range(MOST):
        assert (await agnes.submit(f"{LIST}/vues", name=f"vue {at}", query="")).status_code == 303
    refused = await agnes.submit(f"{LIST}/vues", name="de trop", query="")
    assert (refused.status_code, f"Vous gardez déjà {MOST} vues" in refused.text) == (409, True)
    assert (await agnes.submit(f"{LIST}/vues", name="vue 0", query="status=parked")).status_code == 303
    for name in ("   ", "\u00a0"):
        assert (await agnes.submit(f"{LIST}/vues", name=name, query="")).status_code == 422


@pytest.mark.parametrize("view", [10**30, 2**63, 0, -1])
async def test_a_view_that_cannot_be_is_not_forgotten(resting_console, view):
    agnes = await resting_console.enter()
    assert (await agnes.submit(f"{LIST}/vues/oublier", id=str(view))).status_code == 422


@pytest.mark.parametrize(
    "query", ["after=ffffffffffffff", "before=ffffffffffffff-ffffffffffffff", "from=0001-01-01&to=9999-12-31"]
)
async def test_the_farthest_that_an_address_can_say_is_a_page(resting_console, query):
    agnes = await resting_console.enter()
    assert (await agnes.get(f"{LIST}?{query}")).status_code == 200
    assert (await agnes.get(f"{LIST}?{query}&state=parked")).status_code == 200


async def test_the_form_of_filters_keeps_a_code_that_there_is_none_of(resting_console):
    none, refused = await submitted(resting_console, 2)
    await stands(resting_console, none, "parked", code="", stage="")
    await stands(resting_console, refused, "parked", code="refus", stage="Erreur")
    agnes = await resting_console.enter()
    page = await agnes.get(f"{LIST}?state=parked&code=&cause_stage=")
    assert listed(page) == [none]
    hidden = re.findall(r'<input type="hidden" name="(state|vides)" value="(\w+)"', page.text)
    answer = await agnes.get(f"{LIST}/filtrer", params=[*hidden, ("code", ""), ("kind", "essai")])
    assert listed(await agnes.get(answer.headers["location"])) == [none]
    answer = await agnes.get(f"{LIST}/filtrer", params=[*hidden, ("code", "refus"), ("cause_stage", "Erreur")])
    assert listed(await agnes.get(answer.headers["location"])) == [refused]


@pytest.mark.parametrize(("right", "offered"), [("retry", 1), ("decide", 1), ("finalize", 1), ("content", 0)])
async def test_a_batch_is_offered_to_who_may_do_any_of_its_verbs(resting_console, right, offered):
    await submitted(resting_console, 1)
    person = await resting_console.enter("carl", rights=[Right.METADATA, Right(right)])
    assert (await person.get(LIST)).text.count("Préparer un lot") == offered


async def test_whoever_is_kept_to_a_kind_sees_no_other(resting_console):
    [mine] = await submitted(resting_console, 1)
    await submitted(resting_console, 1, "avis")
    carl = await resting_console.enter("carl", kinds=frozenset({"essai"}))
    assert listed(await carl.get(LIST)) == [mine]
    assert listed(await carl.get(f"{LIST}?kind=avis")) == []


@pytest.mark.parametrize("query", ["status=perdue", "x=Lefèvre", "after=zz", "inconnu=1", "from=hier"])
async def test_an_address_that_makes_no_sense_is_no_page(resting_console, query):
    agnes = await resting_console.enter()
    assert (await agnes.get(f"{LIST}?{query}")).status_code == 404
