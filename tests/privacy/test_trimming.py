"""Fields that go sooner: what was said of them elsewhere goes too, and what does not open is left as it is."""

import asyncio

import orjson
import pytest

from hub.privacy.classes import DataClass, Leaf, holders, leaves
from hub.privacy.office import Office
from hub.privacy.purge import Purge
from hub.privacy.retention import Held
from hub.privacy.tokens import tokenised
from hub.settlement import answer_at
from hub.vault import NOTHING, Sealer
from tests.privacy.conftest import FAMILY, GIVEN

ON_FILE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
SAID = f'{{"dit": "Allergie de {GIVEN}"}}'


def office_of(town):
    return Office(town.hub.settings, town.hub.ledger.engine, town.hub.ledger.book)


def sealer_of(town, number):
    [row] = town.rows("SELECT data_key FROM request WHERE number = :n", n=number)
    return town.hub.ledger.book.vault.sealer(number, row.data_key)


def tell_of_health(town, number):
    """Have a delivery and its attempt hold what was said of somebody's health."""
    delivery = number * 1000 + 1
    answer = sealer_of(town, number).seal(answer_at(delivery), SAID)
    town.change("UPDATE delivery SET answer = :a, given = :g WHERE id = :d", a=answer, g=SAID, d=delivery)
    town.change("UPDATE attempt SET fault = :f WHERE delivery = :d", f=GIVEN, d=delivery)


def left_of(town, number):
    """Give everything of a request that a trim may touch."""
    bodies = town.rows("SELECT body FROM request WHERE number = :n", n=number)
    deliveries = town.rows("SELECT given, answer FROM delivery WHERE id = :d", d=number * 1000 + 1)
    wire = "SELECT sent, answered, fault, sent_sha256 FROM attempt WHERE delivery = :d"
    attempts = town.rows(wire, d=number * 1000 + 1)
    return [tuple(row) for row in (*bodies, *deliveries, *attempts)]


@ON_FILE
async def test_what_does_not_open_is_held_as_it_is_and_the_rest_goes_on(make_aviary):
    async with make_aviary(sealed=True) as town:
        numbers = [await town.submit("depot", attached=False) for _ in range(3)]
        for number in numbers:
            await town.settle(number, "done")
        await town.told(*numbers)
        shut, altered, opens = numbers
        for number in numbers:
            tell_of_health(town, number)
        [old] = town.rows("SELECT data_key FROM request WHERE number = :n", n=shut)
        town.change("UPDATE request SET data_key = :k WHERE number = :n", k=b"elsewhere" * 8, n=shut)
        foreign = Sealer(altered, b"k" * 32).seal("request.body", NOTHING)
        town.change("UPDATE request SET body = :b WHERE number = :n", b=foreign, n=altered)
        before = [left_of(town, number) for number in (shut, altered)]
        town.later(31)
        office = office_of(town)
        report = await asyncio.to_thread(office.purge_due, "hub")
        assert (report.purged, report.trimmed) == (0, 1)
        assert [left_of(town, number) for number in (shut, altered)] == before
        assert town.log.getvalue().count("what is due does not open") == 2
        assert left_of(town, opens)[1:] == [("", ""), (b"", b"", "", "")]
        data = orjson.loads(town.request(opens).body)["data"]
        assert (data["nom"], data["precisions"]) == (FAMILY, "⟦health⟧")
        town.change("UPDATE request SET data_key = :k WHERE number = :n", k=bytes(old.data_key), n=shut)
        assert (await asyncio.to_thread(office.purge_due, "hub")).trimmed == 1
        assert left_of(town, shut)[1:] == [("", ""), (b"", b"", "", "")]
        report, [done] = await asyncio.to_thread(office.purge, [Purge(altered, "erasure")], "dpo")
        assert (report.purged, done.held) == (1, None)
        assert left_of(town, altered)[1:] == [("", ""), (b"", b"", "", "")]


@ON_FILE
async def test_fields_wait_for_a_call_back_that_is_under_way(aviary):
    town = aviary
    number = await town.submit("depot", attached=False)
    await town.settle(number, "done")
    await town.told(number)
    town.change("UPDATE delivery SET state = 'parked' WHERE request = :n AND step = 'callback'", n=number)
    town.later(31)
    office = office_of(town)
    assert [one.held for one in await asyncio.to_thread(office.due)] == [Held.PARKED]
    assert (await asyncio.to_thread(office.purge_due, "hub")).is_empty
    assert town.request(number).body.count(GIVEN)


SCHEMA = {
    "properties": {
        "sante": {
            "type": "object",
            "x-class": "health",
            "properties": {"regime": {"type": "string"}},
            "additionalProperties": {"type": "string"},
            "allOf": [{"properties": {"allergie": {"type": "object"}}}],
        },
        "soin": {"x-class": "health", "oneOf": [{"properties": {"nom": {}}}, {"properties": {"autre": {}}}]},
        "lieu": {"type": "object", "x-class": "none", "properties": {"nom": {"x-class": "none"}}},
    }
}


def test_what_no_schema_describes_has_the_class_of_what_is_above_it():
    known = {**holders(SCHEMA), **leaves(SCHEMA)}
    said = {
        "sante": {"regime": "a", "inconnu": "b", "allergie": {"gluten": ["c"]}},
        "soin": {"nom": "d"},
        "lieu": {"nom": "e", "inconnu": "f"},
        "libre": "g",
    }
    left = tokenised(said, known, (), {DataClass.HEALTH})
    assert left == {
        "sante": {"regime": "⟦health⟧", "inconnu": "⟦health⟧", "allergie": {"gluten": ["⟦health⟧"]}},
        "soin": {"nom": "⟦health⟧"},
        "lieu": {"nom": "e", "inconnu": "f"},
        "libre": "g",
    }
    assert tokenised(said, known, (), {DataClass.FREE_TEXT})["lieu"] == {"nom": "e", "inconnu": "⟦free_text⟧"}
    assert known["sante",] == Leaf(("sante",), DataClass.HEALTH, {})
