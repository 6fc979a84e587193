"""« Statistiques »: figures people can read, sort, cross and take away, kept to what they may see."""

import csv
import io
import json
import re

import pytest
from lxml import etree

from hub.access import EVERY_HOUSE, Role, new_key
from hub.keys import add_keys
from hub.surveyor import Surveyor
from monitoring.console.page_statistics import Wanted, listed

PAGE = "/console/statistiques"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
async def counted(resting_console):
    """A console of a hub in which three requests were counted."""
    console = resting_console
    for at, site in enumerate(("ville", "ville", "annexe")):
        await console.submit(key=f"k-{at}", site=site)
    await Surveyor(console.hub.ledger).survey()
    return console


@pytest.fixture
async def agnes(counted):
    return await counted.enter()


async def table(browser, **asked):
    answer = await browser.get(f"{PAGE}/tableau.csv", params=asked)
    assert answer.status_code == 200, answer.text
    return list(csv.reader(io.StringIO(answer.text.removeprefix("\N{BYTE ORDER MARK}")), delimiter=";"))


async def test_kinds_by_year_stand_in_the_page_and_in_its_file(agnes):
    page = (await agnes.get(PAGE)).text
    assert "Demandes par type et année" in page
    [head, line, total] = await table(agnes)
    assert head[0] == "Type de démarche"
    assert head[-1] == "Total"
    assert line[-1] == total[-1] == "3"
    assert f">{head[1]}</a></th>" in page


async def test_filters_keep_to_what_they_say(agnes):
    assert (await table(agnes, site="annexe"))[-1][-1] == "1"
    assert (await table(agnes, rows="site", columns="channel", kind="essai"))[1] == ["Ville", "2", "2"]
    assert (await table(agnes, **{"from": "2099-01"}))[1][0] == "Total"
    page = (await agnes.get(PAGE, params={"site": "annexe", "rows": "site", "columns": "month"})).text
    assert "Site × Mois" in page
    assert '<option value="annexe" selected>' in page


def linked(page):
    """Give the addresses of lists of kinds."""
    return [found.replace("&amp;", "&") for found in re.findall(r'href="(/console/demandes\?[^"]*)"', page)]


async def test_a_kind_leads_to_the_requests_that_its_row_counts(agnes):
    [month] = (await table(agnes, rows="kind", columns="month"))[0][1:2]
    year_month = "-".join(reversed(month.split("/")))
    for asked, figure in (
        ({}, 3),
        ({"site": "annexe"}, 1),
        ({"site": "ville", "channel": "internet", "from": year_month, "to": year_month}, 2),
        ({"to": "2099-02"}, 3),
    ):
        [where] = linked((await agnes.get(PAGE, params=asked)).text)
        assert len(re.findall(r"data-open href", (await agnes.get(where)).text)) == figure, where
    before = listed("essai", Wanted.model_validate({"from": "2024-01", "to": "2024-02"}), located=False)
    assert before == "/console/demandes?kind=essai&from=2024-01-01&to=2024-02-29"
    assert "ligne" in (await agnes.get(before)).text


@pytest.mark.parametrize(("located", "where"), [(True, "/console/demandes?kind=essai&district=Nord"), (False, "")])
def test_a_district_is_asked_of_the_list_where_it_knows_it(located, where):
    assert listed("essai", Wanted(district="Nord"), located=located) == where


async def test_empty_fields_of_the_form_ask_for_nothing(agnes):
    answer = await agnes.get(f"{PAGE}?kind=&site=&channel=&district=&from=&to=&rows=&columns=")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "asked", ["rows=theme&columns=site", "from=2026-13", "channel=pigeon", "rows=site&columns=site"]
)
async def test_what_makes_no_sense_is_refused_in_words(agnes, asked):
    answer = await agnes.get(f"{PAGE}?{asked}")
    assert answer.status_code == 422
    assert "<h1" in answer.text


async def test_a_drawing_is_whole_and_says_what_it_shows(agnes):
    page = (await agnes.get(PAGE)).text
    assert 'role="img" aria-labelledby="by-year-title by-year-desc"' in page
    drawn = etree.fromstring((await agnes.get(f"{PAGE}/graphique.svg?rows=site&columns=year")).content)
    titles = [title.text for title in drawn.iter(f"{SVG}title")]
    assert titles == ["Site", "Ville : 2", "Annexe : 1"]


async def test_one_sees_only_the_sites_one_is_kept_to(counted):
    browser = await counted.enter("marc", sites=frozenset({"annexe"}))
    assert (await table(browser))[-1][-1] == "1"
    assert 'value="ville"' not in (await browser.get(PAGE)).text


async def test_open_requests_are_told_by_kind(agnes):
    page = (await agnes.get(PAGE)).text
    assert "Demandes ouvertes par type" in page
    text = (await agnes.get(f"{PAGE}/ouvertes.csv")).text
    assert text.splitlines()[1].split(";")[2] == "3"


async def test_before_the_first_count_the_page_says_so(resting_console):
    browser = await resting_console.enter()
    assert "Rien n'a encore été recensé" in (await browser.get(PAGE)).text.replace("&#39;", "'")


async def test_the_api_counts_the_same_for_operators_of_every_house(counted):
    ledger, headers = counted.hub.ledger, {}
    for front_end in (EVERY_HOUSE, "portail"):
        text, made = new_key(counted.hub.secret, ledger.book.now(), front_end=front_end, role=Role.OPERATOR)
        await ledger.write(add_keys, made)
        headers[front_end] = {"Authorization": f"Bearer {text}"}
    asked = "/v1/operations/statistics"
    stranger = counted.stranger()
    said = (await stranger.get(f"{asked}?rows=site&columns=kind", headers=headers[EVERY_HOUSE])).json()
    assert [(row["value"], row["figures"]) for row in said["rows"]] == [
        ("ville", {"essai": 2}),
        ("annexe", {"essai": 1}),
    ]
    listed = await stranger.get(f"{asked}.csv", headers=headers[EVERY_HOUSE])
    assert listed.headers["content-type"].startswith("text/csv")
    assert listed.text.splitlines()[0].startswith("kind,label,")
    assert (await stranger.get(asked, headers=headers["portail"])).status_code == 403
    assert (await stranger.get(f"{asked}?rows=theme", headers=headers[EVERY_HOUSE])).status_code == 422
    assert json.dumps(said).count("Lef") == 0
