"""« Journal »: the audit as a page, for whoever may audit everything."""

import re

import pytest

from hub.accounts import Right

PAGE = "/console/journal"


@pytest.fixture
async def agnes(resting_console):
    return await resting_console.enter()


async def test_what_people_do_and_see_is_in_it_the_newest_first(resting_console, agnes):
    number = await resting_console.submit("avis")
    await agnes.get(f"/console/decisions/{number}")
    page = (await agnes.get(PAGE)).text
    assert "console/agnes" in page
    assert page.index("Voir les contenus") < page.index("Se connecter")
    assert f"request {number:09d}" in page


async def test_it_is_filtered_by_who_and_about_what(resting_console, agnes):
    number = await resting_console.submit("avis")
    await agnes.get(f"/console/decisions/{number}")
    found = (await agnes.get(PAGE, params={"about": f"request {number:09d}"})).text
    assert "Voir les contenus" in found
    assert "Se connecter" not in found
    assert "Rien de tel dans le journal" in (await agnes.get(PAGE, params={"actor": "console/personne"})).text


async def test_a_page_leads_to_the_next(agnes, resting_console):
    await resting_console.enter("bruno")
    first = (await agnes.get(PAGE, params={"limit": 1})).text
    [link] = re.findall(r'href="([^"]+)" rel="next"', first)
    second = (await agnes.get(link.replace("&amp;", "&"))).text
    rows = [re.findall(r'<th scope="row" data-label="N°">(\d+)</th>', page) for page in (first, second)]
    assert int(rows[1][0]) == int(rows[0][0]) - 1


@pytest.mark.parametrize(
    "said",
    [
        {"rights": [right for right in Right if right is not Right.AUDIT]},
        {"kinds": frozenset({"essai"})},
        {"sites": frozenset({"nord"})},
    ],
)
async def test_who_lacks_the_right_or_is_kept_to_some_kinds_or_sites_does_not_see_it(resting_console, said):
    bruno = await resting_console.enter("bruno", **said)
    assert (await bruno.get(PAGE)).status_code == 403


async def test_what_somebody_put_in_a_row_is_shown_as_text(resting_console, agnes):
    from hub.audit import Entry, tell

    await resting_console.hub.ledger.write(tell, Entry("<script>alert(1)</script>", "essai", "<b>"))
    page = (await agnes.get(PAGE)).text
    assert "&lt;script&gt;" in page
    assert "<b>" not in page
