"""The map shows where open requests are, to whoever may see them: so many at most, and nothing of who asked."""

import json
from dataclasses import replace

import pytest

from hub.access import EVERY_HOUSE, Principal, Role
from hub.facets import NOWHERE
from hub.places import Around, by_district, placed_kinds, points
from hub.surveyor import Surveyor
from tests.engine.test_census import ROUTE

EVERYBODY = Principal(prefix="0", front_end=EVERY_HOUSE, role=Role.OPERATOR)
NORTH = {"lon": 5.45, "lat": 43.53, "quartier": "Nord"}
SOUTH = {"lon": 5.44, "lat": 43.51, "quartier": "Sud"}


@pytest.fixture
def home(home):
    """Let one kind say where its requests are."""
    (home / "routes/idempotent/route.yaml").write_text(json.dumps(ROUTE))
    return home


@pytest.fixture
async def town(make_town):
    """A town that carries nothing, with requests in two districts, elsewhere, and nowhere at all."""
    async with make_town(serve=False) as opened:
        for where in (NORTH, NORTH, SOUTH, {"lon": 5.0, "lat": 43.0}, {"lon": 5.4}, {"lon": 500, "lat": 1}):
            await opened.submit("idempotent", **where)
        await opened.submit("lookup", **NORTH)
        await Surveyor(opened.hub.ledger).survey()
        yield opened


def districts(town, caller=EVERYBODY, **around):
    rows = town.hub.ledger.look(by_district, caller, Around(**around))
    return {(row.district, row.status): row.requests for row in rows}


async def test_open_requests_are_counted_where_they_are(town):
    assert districts(town) == {("Nord", "in_progress"): 2, ("Sud", "in_progress"): 1, ("", "in_progress"): 1}
    assert districts(town, district=NOWHERE) == {("", "in_progress"): 1}
    assert districts(town, kind="lookup") == {}
    assert town.hub.ledger.look(placed_kinds) == ["idempotent"]


async def test_those_that_are_over_leave_the_map_at_once(town):
    town.change("UPDATE request SET status = 'done' WHERE number = (SELECT min(request) FROM place)")
    town.change("UPDATE request SET status = 'parked' WHERE number = (SELECT max(request) FROM place)")
    assert districts(town) == {("Nord", "in_progress"): 1, ("Sud", "in_progress"): 1, ("", "parked"): 1}
    assert districts(town, status="done") == {}


async def test_points_are_the_newest_and_bounded_and_nameless(town):
    shown = town.hub.ledger.look(points, EVERYBODY, Around(), 2)
    assert [(row.longitude, row.latitude) for row in shown] == [(5.0, 43.0), (5.44, 43.51)]
    assert set(shown[0]._fields) == {"request", "kind", "district", "longitude", "latitude", "status", "received_at"}


async def test_one_sees_only_what_one_is_kept_to(town):
    assert districts(town, replace(EVERYBODY, kinds=frozenset({"lookup"}))) == {}
    assert districts(town, replace(EVERYBODY, sites=frozenset({"annexe"}))) == {}


async def test_a_place_that_was_corrected_moves(town):
    number = min(row.request for row in town.hub.ledger.look(points, EVERYBODY, Around(), 9))
    body = json.loads(town.request(number).body)
    moved = json.dumps({**body, "data": {**body["data"], **SOUTH}})
    town.change_body(number, moved)
    town.change("INSERT INTO revision (request, body, actor, at) VALUES (:number, '{}', 'a', 1)", number=number)
    await Surveyor(town.hub.ledger).survey()
    assert districts(town)["Sud", "in_progress"] == 2
