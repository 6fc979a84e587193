"""Addresses: found when they are alike enough, shown to a person when they are not, never guessed."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from pydantic import ValidationError

import connectors.adresse
from connectors._transport.http import Answer
from connectors.adresse.sandbox import WAIT, Sandbox
from connectors.adresse.wire import KEPT, choose, read_addresses
from hub.connector import Deadline, Outbound
from hub.errors import RefusedError, TransientError, UncertainError
from hub.manifest import ErrorTable, Manifest
from hub.model import DeliveryKey

FOLDER = Path(connectors.adresse.__file__).parent
ERRORS = ErrorTable.read(FOLDER)
OPERA = "13001_5270_00012"


def soon() -> Deadline:
    return Deadline(timedelta(seconds=10))


def asking(operation="rechercher", **fields) -> Outbound:
    return Outbound(DeliveryKey("167046020-1"), operation, orjson.dumps(fields), soon())


def feature(**properties):
    known = {"label": "12 Rue de l'Opéra", "score": 0.9, **properties}
    return {"geometry": {"type": "Point", "coordinates": [5.4539, 43.5285]}, "properties": known}


def answer(document, status=200) -> Answer:
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    return Answer(status, {"content-type": "application/json"}, body)


@asynccontextmanager
async def facing(**settings):
    sandbox = Sandbox()
    await sandbox.start()
    adresse = connectors.adresse.connect({**sandbox.settings(), **settings}, ERRORS)
    try:
        yield adresse, sandbox
    finally:
        await adresse.close()
        await sandbox.stop()


async def test_an_address_well_written_is_found_with_its_codes_and_position():
    async with facing() as (adresse, _):
        receipt = await adresse.deliver(asking(texte=" 12 RUE DE L'OPERA 13100 Aix-en-Provence "))
        found = receipt.details
        assert receipt.reference == found["id"] == OPERA
        assert (found["trouve"], found["type"], found["housenumber"]) == (True, "housenumber", "12")
        assert (found["postcode"], found["citycode"], found["city"]) == ("13100", "13001", "Aix-en-Provence")
        assert (found["lon"], found["lat"]) == (5.4539, 43.5285)


async def test_a_misspelt_address_is_shown_to_a_person_instead_of_being_taken():
    async with facing() as (adresse, _):
        receipt = await adresse.deliver(asking(texte="12 ru delopra"))
        assert receipt.reference == ""
        assert receipt.details["trouve"] is False
        assert {receipt.details[name] for name in (*KEPT, "lon", "lat")} == {None}
        assert receipt.details["candidats"][0]["id"] == OPERA


async def test_the_city_says_from_which_score_an_address_is_the_one_meant():
    async with facing(score_minimal=0.3) as (adresse, _):
        assert (await adresse.deliver(asking(texte="12 ru delopra"))).reference == OPERA


async def test_an_address_that_nothing_resembles_is_an_answer_without_candidates():
    async with facing() as (adresse, _):
        receipt = await adresse.deliver(asking(texte="zzzqqq"))
        assert (receipt.details["trouve"], receipt.details["candidats"]) == (False, [])


@pytest.mark.parametrize("narrowed", [{"postcode": "75002"}, {"citycode": "75102"}])
async def test_an_address_outside_of_what_was_asked_is_not_found(narrowed):
    async with facing() as (adresse, _):
        receipt = await adresse.deliver(asking(texte="12 rue de l'Opéra", **narrowed))
        assert receipt.details["trouve"] is False


async def test_no_more_candidates_are_shown_than_the_city_wants():
    async with facing(candidats=1) as (adresse, _):
        receipt = await adresse.deliver(asking(texte="rue", lon=5.45, lat=43.52, postcode=None))
        assert len(receipt.details["candidats"]) == 1


async def test_a_position_has_its_nearest_address():
    async with facing() as (adresse, _):
        receipt = await adresse.deliver(asking("inverse", lon=5.4481, lat=43.5268))
        assert receipt.details["label"] == "10 Cours Mirabeau 13100 Aix-en-Provence"
        assert 0 < receipt.details["distance"] < 20


async def test_a_position_far_from_any_address_has_none():
    async with facing() as (adresse, _):
        receipt = await adresse.deliver(asking("inverse", lon=1.0, lat=43.5))
        assert (receipt.details["trouve"], receipt.details["label"]) == (False, None)


@pytest.mark.parametrize(
    ("operation", "fields", "place"),
    [
        ("rechercher", {}, "message"),
        ("rechercher", {"texte": "ab"}, "texte"),
        ("rechercher", {"texte": "  a  "}, "texte"),
        ("rechercher", {"texte": "a" * 201}, "texte"),
        ("rechercher", {"texte": "rue de l'Opéra", "postcode": "1310"}, "postcode"),
        ("rechercher", {"texte": "rue de l'Opéra", "citycode": "2C001"}, "citycode"),
        ("rechercher", {"texte": "rue de l'Opéra", "lon": 5.4}, "message"),
        ("rechercher", {"texte": "rue de l'Opéra", "nom": "Lefèvre"}, "message"),
        ("inverse", {"lon": 5.4, "lat": 143.5}, "lat"),
        ("inverse", {"lon": "5.4", "lat": 43.5}, "lon"),
    ],
)
async def test_what_the_contract_does_not_allow_is_not_asked(operation, fields, place):
    async with facing() as (adresse, sandbox):
        sandbox.break_with("unknown_path")
        wrong = asking(operation, **fields)
        with pytest.raises(RefusedError, match=r"^message_invalid$"):
            await adresse.deliver(wrong)
        assert wrong.exchange.fault == place
        assert wrong.exchange.http_status is None


async def test_the_wait_that_the_server_asks_for_decreases_and_is_kept():
    async with facing() as (adresse, sandbox):
        sandbox.break_with("too_many", 3)
        waits = []
        for _ in range(3):
            with pytest.raises(TransientError, match=r"^http_429$") as caught:
                await adresse.deliver(asking(texte="12 rue de l'Opéra"))
            waits.append(caught.value.retry_after)
        assert waits == [timedelta(seconds=WAIT - asked) for asked in range(3)]


async def test_the_server_s_own_errors_are_those_of_addok():
    async with facing(chemin_recherche="recherche") as (adresse, _):
        with pytest.raises(RefusedError, match=r"^http_404$"):
            await adresse.probe(soon())


def test_fifty_questions_a_second_are_never_exceeded():
    assert Manifest.read(FOLDER).policy.rate == 50


@pytest.mark.parametrize(
    "setting", [{"score_minimal": 1.5}, {"candidats": 0}, {"chemin_recherche": "https://ailleurs/"}]
)
def test_settings_that_mean_nothing_are_refused(setting):
    with pytest.raises(ValidationError):
        connectors.adresse.connect({"url": "http://127.0.0.1:1", **setting}, ERRORS)


@pytest.mark.parametrize(
    ("document", "status", "failure", "code"),
    [
        ({"type": "FeatureCollection"}, 200, UncertainError, "unreadable"),
        ({"type": "FeatureCollection", "features": [{}]}, 200, UncertainError, "unreadable"),
        ({"type": "FeatureCollection", "features": [feature(score="0.9")]}, 200, UncertainError, "unreadable"),
        ([], 200, UncertainError, "unreadable"),
        (b"{", 200, UncertainError, "unreadable"),
        ({"title": "Missing parameter"}, 400, RefusedError, "http_400"),
        ({"title": "Gone"}, 410, RefusedError, "unmapped"),
        ({"title": "Timeout"}, 408, UncertainError, "unmapped"),
        ({}, 204, UncertainError, "unmapped"),
        ({}, 502, UncertainError, "http_502"),
        ({}, 403, TransientError, "http_403"),
    ],
)
def test_each_answer_means_one_thing(document, status, failure, code):
    with pytest.raises(failure) as caught:
        read_addresses(answer(document, status), ERRORS, unavailable=frozenset())
    assert (type(caught.value), caught.value.code) == (failure, code)


def test_the_best_address_is_the_first_whatever_the_server_s_order():
    features = [feature(id="b", score=0.7), feature(id="a", score=0.9)]
    found = read_addresses(answer({"type": "FeatureCollection", "features": features}), ERRORS, unavailable=frozenset())
    assert choose(found, 0.9).reference == "a"
    assert choose(found, 0.91).reference == ""
