"""« Carte »: where open requests are, in a table for everybody and on a map for whoever has scripts."""

import json
from itertools import pairwise

import pytest
from sqlalchemy import insert, text

from hub.accounts import Right
from hub.tables_operations import PLACES
from monitoring.console import page_map
from monitoring.console.shapes import shapes_of, shown_classes

PAGE = "/console/carte"
SQUARE = {"type": "Polygon", "coordinates": [[[5.4, 43.5], [5.5, 43.5], [5.5, 43.6], [5.4, 43.5]]]}


@pytest.fixture
def settings(settings, tmp_path):
    """Settings with two districts, and tiles of the city's."""
    file = tmp_path / "quartiers.geojson"
    features = [{"type": "Feature", "properties": {"nom": name}, "geometry": SQUARE} for name in ("Nord", "Sud")]
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    tiles = "https://tuiles.ville.example/{z}/{x}/{y}.png"
    look = settings.console.model_copy(update={"districts": file, "tiles": tiles, "attribution": "© Ville"})
    return settings.model_copy(update={"console": look})


@pytest.fixture
async def placed(resting_console):
    """A console of a hub with three open requests: two in the north, one in no district."""
    console = resting_console
    numbers = [await console.submit(key=f"k-{at}") for at in range(3)]
    rows = [
        {"request": number, "kind": "essai", "district": district, "longitude": 5.45, "latitude": 43.52}
        for number, district in zip(numbers, ("Nord", "Nord", ""), strict=True)
    ]
    with console.hub.ledger.engine.begin() as connection:
        connection.execute(insert(PLACES), rows)
        connection.execute(text("UPDATE request SET status = 'parked' WHERE number = :n"), {"n": numbers[0]})
    console.numbers = numbers
    return console


@pytest.fixture
async def agnes(placed):
    return await placed.enter()


async def test_the_table_says_it_without_scripts(agnes):
    page = (await agnes.get(PAGE)).text
    assert "3 demandes ouvertes sont situées." in page
    assert 'href="/console/demandes?district=Nord&amp;status=parked"' in page
    assert 'href="/console/demandes?district=-"' in page
    assert ">Sud</a>" in page


async def test_filters_keep_to_what_they_say(agnes):
    page = (await agnes.get(f"{PAGE}?kind=essai&status=parked&district=Nord")).text
    assert "1 demande ouverte est située." in page
    assert 'href="/console/demandes?kind=essai&amp;district=Nord&amp;status=parked"' in page
    assert (await agnes.get(f"{PAGE}?status=perdue")).status_code == 422


async def test_points_are_bounded_and_nameless(placed, agnes, monkeypatch):
    monkeypatch.setattr(page_map, "MOST_POINTS", 2)
    answer = await agnes.get(f"{PAGE}/points.geojson")
    said = answer.json()
    assert said["left_out"] == 1
    assert [one["properties"]["number"] for one in said["features"]] == placed.numbers[:0:-1]
    assert {name for one in said["features"] for name in one["properties"]} == {"number", "kind", "district", "status"}
    assert "Lef" not in answer.text


async def test_who_may_not_see_contents_is_told_roughly_where(placed, agnes):
    with placed.hub.ledger.engine.begin() as connection:
        connection.execute(text("UPDATE place SET longitude = 5.456789, latitude = 43.521234"))
    bruno = await placed.enter("bruno", rights=[right for right in Right if right is not Right.CONTENT])
    exact, rough = [(await person.get(f"{PAGE}/points.geojson")).json()["features"] for person in (agnes, bruno)]
    assert exact[0]["geometry"]["coordinates"] == [5.456789, 43.521234]
    assert [one["geometry"]["coordinates"] for one in rough] == [[5.46, 43.52]] * 3
    assert {name for one in rough for name in one["properties"]} == {"number", "status"}


async def test_districts_bear_their_figure_and_lead_to_the_list(agnes):
    features = (await agnes.get(f"{PAGE}/quartiers.geojson")).json()["features"]
    assert [(one["properties"]["name"], one["properties"]["requests"]) for one in features] == [("Nord", 2), ("Sud", 0)]
    assert features[0]["properties"]["list"] == "/console/demandes?district=Nord"


async def test_images_come_from_here_and_from_the_city_s_tiles_only(agnes):
    policy = (await agnes.get(PAGE)).headers["content-security-policy"]
    assert "img-src 'self' data: https://tuiles.ville.example;" in policy


async def test_one_sees_only_the_kinds_one_is_kept_to(placed):
    browser = await placed.enter("marc", kinds=frozenset({"autre"}))
    assert "0 demande ouverte est située." in (await browser.get(PAGE)).text
    assert (await browser.get(f"{PAGE}/points.geojson")).json()["features"] == []


@pytest.mark.parametrize("content", ["", "[]", '{"features": [{}]}', '{"features": [{"properties": null}]}'])
def test_a_districts_file_that_cannot_be_read_is_as_none(tmp_path, content):
    file = tmp_path / "quartiers.geojson"
    file.write_text(content)
    assert shapes_of(file) == ()


@pytest.mark.parametrize(("most", "last"), [(0, 4), (3, 4), (4, 4), (10, 12), (452, 452)])
def test_classes_hold_every_figure(most, last):
    shades = shown_classes({"Nord": most, "": 9_999})
    assert (shades[0].most, shades[-1].most) == (0, last)
    assert all(after.least == before.most + 1 for before, after in pairwise(shades))
