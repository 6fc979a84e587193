"""The city's map: complaints created once by any of three protocols, and found again; districts told exactly."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from lxml import etree
from pydantic import ValidationError

import connectors.sig
from connectors._transport.http import Answer
from connectors.sig.arcgis import ArcGis
from connectors.sig.features import Features
from connectors.sig.sandbox import MENU, WITNESS, Sandbox
from connectors.sig.servers import DISTRICTS, Stored, surface
from connectors.sig.wfs import Wfs
from connectors.sig.wire import Champ, Feature, Found, Position, Protocole, Settings, below, district, holds
from hub.connector import Deadline, DifferentError, Outbound, Receipt
from hub.errors import RefusedError, TransientError, UncertainError
from hub.manifest import MEANS, UNMAPPED, ErrorTable
from hub.model import DeliveryKey, Verdict
from tests.connectors.pygeoapi_server import is_installed, pygeoapi

FOLDER = Path(connectors.sig.__file__).parent
ERRORS = ErrorTable.read(FOLDER)
KEY = DeliveryKey("167046020-1")
SAMPLE = Sandbox().sample("creer_doleance")
WFS, OGC, ARCGIS = Protocole.WFS, Protocole.OGC_FEATURES, Protocole.ARCGIS
EACH = pytest.mark.parametrize("protocole", Protocole)


def soon() -> Deadline:
    return Deadline(timedelta(seconds=10))


def complaint(key=KEY, **changes) -> Outbound:
    return Outbound(key, "creer_doleance", orjson.dumps({**SAMPLE, **changes}), soon())


def at(lon: float, lat: float) -> Outbound:
    return Outbound(KEY, "quartier", orjson.dumps({"lon": lon, "lat": lat}), soon())


@asynccontextmanager
async def facing(protocole=WFS, **settings):
    sandbox = Sandbox()
    await sandbox.start()
    sig = connectors.sig.connect({**sandbox.settings(protocole), **settings}, ERRORS)
    try:
        yield sig, sandbox
    finally:
        await sig.close()
        await sandbox.stop()


def settings(**changes) -> Settings:
    return Settings.model_validate({"url": "http://127.0.0.1:1/wfs", "protocole": "wfs", **changes})


@EACH
async def test_a_complaint_is_created_once_and_found_again(protocole):
    async with facing(protocole) as (sig, sandbox):
        await sig.probe(soon())
        assert await sig.look_up(complaint()) is None
        receipt = await sig.deliver(complaint())
        assert receipt.reference
        assert await sig.look_up(complaint()) == receipt
        assert sandbox.taken() == {KEY: 1}


@EACH
async def test_what_a_complaint_tells_reaches_its_columns_whole(protocole):
    async with facing(protocole) as (sig, sandbox):
        await sig.deliver(complaint())
        (stored,) = sandbox.map.stored
        told = {name: value for name, value in SAMPLE.items() if name not in {"lon", "lat"}}
        assert stored.columns == {"reference": KEY, **told}
        assert stored.position == (SAMPLE["lon"], SAMPLE["lat"])


@EACH
async def test_only_the_columns_that_the_settings_name_are_written(protocole):
    async with facing(protocole, champs={"categorie": "etat"}) as (sig, sandbox):
        receipt = await sig.deliver(complaint())
        assert sandbox.map.stored[0].columns == {"reference": KEY, "etat": SAMPLE["categorie"]}
        assert await sig.look_up(complaint()) == receipt


@EACH
@pytest.mark.parametrize("change", [{"lon": 5.4475}, {"lat": 43.52}, {"categorie": "PROPRETÉ"}])
async def test_another_content_under_our_reference_is_for_a_person(protocole, change):
    async with facing(protocole) as (sig, _):
        await sig.deliver(complaint())
        with pytest.raises(DifferentError, match=r"^different$"):
            await sig.look_up(complaint(**change))


@EACH
async def test_a_complaint_moved_by_less_than_a_metre_is_ours(protocole):
    async with facing(protocole) as (sig, _):
        receipt = await sig.deliver(complaint())
        assert await sig.look_up(complaint(lon=SAMPLE["lon"] + 5e-6)) == receipt


@EACH
async def test_our_reference_twice_on_the_map_is_for_a_person(protocole):
    async with facing(protocole, relire=False) as (sig, _):
        await sig.deliver(complaint())
        await sig.deliver(complaint())
        with pytest.raises(DifferentError, match=r"^twice$"):
            await sig.look_up(complaint())


@EACH
async def test_a_map_that_does_not_filter_never_says_absent(protocole):
    async with facing(protocole) as (sig, sandbox):
        await sig.deliver(complaint(key="167046099-1"))
        sandbox.map.filters = False
        with pytest.raises(UncertainError, match=r"^filter_ignored$"):
            await sig.look_up(complaint())


@EACH
async def test_a_map_that_cannot_be_read_again_is_believed(protocole):
    async with facing(protocole) as (sig, sandbox):
        await sig.deliver(complaint(key="167046099-1"))
        sandbox.map.filters = False
        assert (await sig.deliver(complaint())).reference


@EACH
async def test_a_complaint_stored_the_wrong_way_round_is_for_a_person(protocole):
    async with facing(protocole) as (sig, sandbox):
        sandbox.map.swaps = True
        message = complaint()
        with pytest.raises(DifferentError):
            await sig.deliver(message)
        assert message.exchange.fault == "different"
        assert message.exchange.sent


async def test_axes_that_the_map_understands_otherwise_are_noticed_by_the_probe():
    async with facing(WFS) as (sig, sandbox):
        sandbox.map.axes = "lat,lon"
        with pytest.raises(RefusedError, match=r"^witness_elsewhere$"):
            await sig.probe(soon())


async def test_a_map_that_says_latitude_first_is_spoken_to_so():
    async with facing(WFS, axes="lat,lon", srs="urn:ogc:def:crs:EPSG::4326") as (sig, sandbox):
        sandbox.map.axes = "lat,lon"
        await sig.probe(soon())
        receipt = await sig.deliver(complaint())
        assert sandbox.map.stored[0].position == (SAMPLE["lon"], SAMPLE["lat"])
        assert await sig.look_up(complaint()) == receipt
        assert (await sig.deliver(at(5.41, 43.525))).reference == "JAS"


@EACH
@pytest.mark.parametrize(
    ("position", "code"),
    [
        ((5.445, 43.535), "CENTRE"),
        ((5.45, 43.526), "MAZARIN"),
        ((5.41, 43.525), "JAS"),
        ((5.425, 43.535), "JAS"),
        ((5.415, 43.535), None),
        ((5.425, 43.525), None),
        ((43.535, 5.445), None),
    ],
)
async def test_the_district_of_a_position_is_the_one_that_holds_it(protocole, position, code):
    async with facing(protocole) as (sig, _):
        receipt = await sig.deliver(at(*position))
        assert receipt.reference == (code or "")
        assert (receipt.details["trouve"], receipt.details["code"]) == (code is not None, code)
        assert (receipt.details["nom"] is None) is (code is None)


@EACH
@pytest.mark.parametrize("fault", MENU)
async def test_each_protocol_s_own_words_mean_what_the_menu_says(protocole, fault):
    expected = MENU[fault]
    async with facing(protocole) as (sig, sandbox):
        sandbox.break_with(fault)
        message = complaint()
        message.deadline = Deadline(timedelta(seconds=0.3 if fault == "slow" else 10))
        with pytest.raises(MEANS[expected.verdict]) as caught:
            await sig.deliver(message)
        assert expected.verdict is not Verdict.REFUSED or caught.value.code != UNMAPPED
        assert sandbox.taken().total() == int(expected.taken)
        assert (await sig.look_up(complaint()) is not None) is expected.taken


@EACH
@pytest.mark.parametrize("fault", [name for name, fault in MENU.items() if not fault.operations and name != "slow"])
async def test_a_district_asked_of_a_broken_map_is_no_answer(protocole, fault):
    async with facing(protocole) as (sig, sandbox):
        sandbox.break_with(fault)
        with pytest.raises(MEANS[MENU[fault].verdict]):
            await sig.deliver(at(5.45, 43.526))


@EACH
async def test_a_wrong_account_parks_nothing(protocole):
    async with facing(protocole, password="faux") as (sig, _):
        for spoken in (sig.probe(soon()), sig.deliver(complaint()), sig.look_up(complaint())):
            with pytest.raises(TransientError, match=r"^http_401$"):
                await spoken


@pytest.mark.parametrize(
    ("protocole", "wrong", "code"),
    [
        (WFS, {"couche_doleances": "plaintes"}, "unknown_layer"),
        (WFS, {"champs": {"categorie": "rubrique"}}, "unknown_column"),
        (WFS, {"champ_reference": "numero"}, "unknown_column"),
        (WFS, {"champ_geometrie": "the_geom"}, "unknown_column"),
        (WFS, {"couche_quartiers": "communes"}, "unknown_layer"),
        (OGC, {"couche_doleances": "plaintes"}, "unknown_layer"),
        (ARCGIS, {"couche_doleances": "7"}, "exception"),
        (ARCGIS, {"champs": {"categorie": "rubrique"}}, "unknown_column"),
        (OGC, {"temoin": {**WITNESS, "code": "JAS"}}, "witness_elsewhere"),
    ],
)
async def test_settings_that_do_not_fit_the_map_are_found_by_the_probe(protocole, wrong, code):
    async with facing(protocole, **wrong) as (sig, _):
        with pytest.raises(RefusedError, match=f"^{code}$"):
            await sig.probe(soon())


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"lon": None}, "lon"),
        ({"lat": 91}, "lat"),
        ({"categorie": ""}, "categorie"),
        ({"categorie": "VOIRIE\x00"}, "categorie"),
        ({"description": "a" * 4001}, "description"),
        ({"description": "\x0b"}, "description"),
        ({"photo": "photo.jpg"}, "photo"),
        ({"nom": "Lefèvre"}, "message"),
    ],
)
async def test_what_the_contract_does_not_allow_never_leaves(fields, place):
    async with facing() as (sig, sandbox):
        wrong = complaint(**fields)
        with pytest.raises(RefusedError, match=r"^message_invalid$"):
            await sig.deliver(wrong)
        assert wrong.exchange.fault == place
        assert wrong.exchange.sent == b""
        assert not sandbox.taken()


async def test_a_position_outside_of_the_city_never_leaves():
    async with facing(emprise=(5.2, 43.4, 5.6, 43.7)) as (sig, sandbox):
        await sig.deliver(complaint())
        with pytest.raises(RefusedError, match=r"^outside$"):
            await sig.deliver(complaint(key="167046021-1", lon=SAMPLE["lat"], lat=SAMPLE["lon"]))
        assert sandbox.taken() == {KEY: 1}


@pytest.mark.parametrize(
    "wrong",
    [
        {"protocole": "wms"},
        {"champ_reference": "reference' OR '1'='1"},
        {"champs": {"nom": "nom"}},
        {"couche_doleances": "../admin"},
        {"axes": "x,y"},
        {"emprise": (5.6, 43.4, 5.2, 43.7)},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValidationError):
        settings(**wrong)


def test_the_parameters_of_the_map_s_own_address_are_kept():
    mapped = settings(url="http://127.0.0.1:1/qgis?MAP=/cartes/ville.qgs")
    assert below(mapped) == "http://127.0.0.1:1/qgis?MAP=/cartes/ville.qgs"
    assert below(mapped, REQUEST="GetFeature").endswith("/qgis?MAP=/cartes/ville.qgs&REQUEST=GetFeature")
    assert below(mapped, "/collections/d", limit=1).endswith("/qgis/collections/d?MAP=/cartes/ville.qgs&limit=1")


def test_an_insert_holds_nothing_that_makes_qgis_server_loop():
    written = Wfs(settings(couche_doleances="ville:doleances", espace_noms="urn:ville"), ERRORS).create(complaint())
    (feature,) = etree.fromstring(written.content).iterfind("{*}Insert/{urn:ville}doleances")
    assert {etree.QName(one).localname for one in feature} <= {"geometry", "reference", *Champ}
    assert [one.tail for one in feature.iter()] == [None] * len(list(feature.iter()))
    assert feature.findtext("{*}geometry/{*}Point/{*}coordinates") == "5.4473,43.5298"


async def test_an_id_that_the_map_has_already_is_searched_for_after_a_500():
    async with facing(OGC, identifiant="reference") as (sig, sandbox):
        first = await sig.deliver(complaint())
        assert first == Receipt(KEY)
        with pytest.raises(UncertainError, match=r"^http_500$"):
            await sig.deliver(complaint())
        assert await sig.look_up(complaint()) == first
        assert sandbox.taken() == {KEY: 1}


async def test_an_id_that_the_map_says_it_has_is_accepted_when_it_is_ours():
    async with facing(OGC, identifiant="reference") as (sig, sandbox):
        sandbox.map.exists = 409
        assert await sig.deliver(complaint()) == await sig.deliver(complaint())
        with pytest.raises(DifferentError):
            await sig.deliver(complaint(categorie="TAG"))
        sandbox.map.stored = [Stored(KEY, Position(0, 0), {"reference": "autre"})]
        with pytest.raises(UncertainError, match=r"^known_but_absent$"):
            await sig.deliver(complaint())


@pytest.mark.parametrize(
    ("location", "reference"),
    [
        ("http://carte/collections/doleances/items/42", "42"),
        ("/collections/doleances/items/a%20b?f=json", "a b"),
        ("http://carte/wfs3/collections/doleances/items?MAP=/cartes/ville.qgs/3", "3"),
    ],
)
def test_the_id_ends_the_location_however_it_is_written(location, reference):
    created = Answer(201, {"location": location}, b"string")
    assert Features(settings(), ERRORS).read_created(created) == reference


SUMMARY = "<TransactionSummary><totalInserted>{0}</totalInserted></TransactionSummary>"
XML = f"<TransactionResponse>{SUMMARY}{{1}}</TransactionResponse>"
FID = '<InsertResults><Feature><FeatureId fid="{0}"/></Feature></InsertResults>'
OWS = '<ExceptionReport><Exception exceptionCode="{0}"><ExceptionText>{1}</ExceptionText></Exception></ExceptionReport>'


@pytest.mark.parametrize(
    ("dialect", "status", "body", "failure", "code"),
    [
        (Wfs, 200, XML.format(2, FID.format("a.1")), UncertainError, "unreadable"),
        (Wfs, 200, XML.format(1, FID.format("a.1") * 2), UncertainError, "unreadable"),
        (Wfs, 200, XML.format(1, FID.format("")), UncertainError, "unreadable"),
        (Wfs, 200, XML.format(0, ""), RefusedError, "inserted_0"),
        (Wfs, 500, XML.format(1, FID.format("a.1")), UncertainError, "http_500"),
        (Wfs, 200, OWS.format("Inconnu", "mot nouveau"), UncertainError, "exception"),
        (Wfs, 400, OWS.format("Inconnu", "mot nouveau"), RefusedError, "exception"),
        (Wfs, 500, OWS.format("InvalidParameterValue", "srsName"), RefusedError, "InvalidParameterValue"),
        (Wfs, 403, OWS.format("Security", "refusé"), TransientError, "Security"),
        (Wfs, 200, "<ExceptionReport/>", UncertainError, "unreadable"),
        (Wfs, 200, "<WFS_Capabilities/>", UncertainError, "unreadable"),
        (Wfs, 405, "Method Not Allowed", RefusedError, "http_405"),
        (Wfs, 408, "", UncertainError, "unmapped"),
        (Features, 200, "{}", UncertainError, "unreadable"),
        (Features, 202, "", UncertainError, "unreadable"),
        (Features, 405, "", RefusedError, "http_405"),
        (Features, 408, "", UncertainError, "exception"),
        (Features, 409, "", RefusedError, "already_known"),
        (Features, 415, '{"title": "Unsupported"}', RefusedError, "exception"),
        (ArcGis, 200, '{"addResults": [{"success": true}]}', UncertainError, "unreadable"),
        (ArcGis, 200, '{"addResults": [{"success": false}]}', UncertainError, "unreadable"),
        (ArcGis, 200, '{"addResults": [{"success": false, "error": {"code": 1}}]}', RefusedError, "insertion_refused"),
        (ArcGis, 200, '{"error": {"code": 498, "message": "Invalid token."}}', TransientError, "arcgis_498"),
        (ArcGis, 200, '{"error": {"code": 504, "message": ""}}', UncertainError, "exception"),
        (ArcGis, 200, "[]", UncertainError, "unreadable"),
        (ArcGis, 502, "", UncertainError, "http_502"),
    ],
)
def test_each_answer_to_a_creation_means_one_thing(dialect, status, body, failure, code):
    with pytest.raises(failure) as caught:
        dialect(settings(), ERRORS).read_created(Answer(status, {}, body.encode()))
    assert (type(caught.value), caught.value.code) == (failure, code)


def test_geometries_of_gml_2_and_of_three_dimensions_are_read():
    gml = (
        '<FeatureCollection xmlns:gml="http://www.opengis.net/gml"><gml:featureMembers><a fid="a.1"><geometry>'
        "<gml:Polygon><gml:outerBoundaryIs><gml:LinearRing><gml:coordinates>0,0 2,0 2,2 0,0</gml:coordinates>"
        "</gml:LinearRing></gml:outerBoundaryIs></gml:Polygon></geometry><code>A</code></a><a><geometry><gml:LinearRing>"
        '<gml:posList srsDimension="3">0 0 9 2 0 9 2 2 9 0 0 9</gml:posList></gml:LinearRing></geometry></a>'
        "</gml:featureMembers></FeatureCollection>"
    )
    first, second = Wfs(settings(), ERRORS).read_found(Answer(200, {}, gml.encode())).features
    assert (first.reference, first.columns["code"]) == ("a.1", "A")
    assert first.rings == second.rings == [[(0, 0), (2, 0), (2, 2), (0, 0)]]
    assert holds(first.rings, Position(1.5, 0.5))
    assert not holds(first.rings, Position(0.5, 1.5))


CENTRE, MAZARIN, _ = (Feature("", {"code": one.code, "nom": one.nom}, rings=one.rings) for one in DISTRICTS)
INSIDE = Position(5.45, 43.526)


def test_several_districts_are_told_apart_by_their_geometry():
    assert district(Found([CENTRE, MAZARIN]), INSIDE, settings(), exact=True).reference == "MAZARIN"


@pytest.mark.parametrize(
    ("found", "exact"),
    [(Found([CENTRE, CENTRE]), True), (Found([CENTRE], whole=False), False), (Found([], whole=False), True)],
)
def test_a_map_that_contradicts_itself_or_keeps_something_back_has_not_said_that_there_is_no_district(found, exact):
    with pytest.raises(UncertainError, match=r"^districts_disagree$"):
        district(found, INSIDE, settings(), exact=exact)


def test_a_district_without_its_code_is_no_answer():
    with pytest.raises(UncertainError, match=r"^unreadable$"):
        district(Found([Feature("", {"nom": "Centre-ville"})]), INSIDE, settings(), exact=True)


@pytest.fixture
async def real(tmp_path):
    """A connector that faces pygeoapi, another complaint being there already."""
    if not is_installed():
        assert os.environ.get("CI") != "true", "pygeoapi is not installed"
        pytest.skip("pygeoapi, a real server of OGC API Features, is not installed here")
    other = {"reference": "160000000-1", "categorie": "AUTRE"}
    there = {
        "type": "Feature",
        "id": "0",
        "geometry": {"type": "Point", "coordinates": [5.4, 43.5]},
        "properties": other,
    }
    made = []

    def connect(**changes):
        made.append(connectors.sig.connect({"url": url, "protocole": OGC, **changes}, ERRORS))
        return made[-1]

    async with pygeoapi(tmp_path, doleances=[there], quartiers=map(surface, DISTRICTS)) as url:
        yield connect
        for sig in made:
            await sig.close()


@pytest.mark.parametrize("identifiant", ["serveur", "reference"])
async def test_pygeoapi_takes_a_complaint_and_finds_it_again(real, identifiant):
    sig = real(identifiant=identifiant, temoin=WITNESS)
    await sig.probe(soon())
    assert await sig.look_up(complaint()) is None
    receipt = await sig.deliver(complaint())
    assert await sig.look_up(complaint()) == receipt
    assert (receipt.reference == KEY) is (identifiant == "reference")
    with pytest.raises(DifferentError):
        await sig.look_up(complaint(categorie="TAG"))


async def test_pygeoapi_refuses_our_id_twice_without_saying_why_and_a_search_tells(real):
    sig = real(identifiant="reference")
    first = await sig.deliver(complaint())
    with pytest.raises(UncertainError, match=r"^http_500$"):
        await sig.deliver(complaint())
    assert await sig.look_up(complaint()) == first


async def test_pygeoapi_tells_the_district_of_a_position(real):
    sig = real()
    for position, code in [((5.445, 43.535), "CENTRE"), ((5.45, 43.526), "MAZARIN"), ((5.425, 43.525), None)]:
        assert (await sig.deliver(at(*position))).details["code"] == code


async def test_pygeoapi_drops_a_filter_that_it_does_not_know_and_that_is_no_absence(real):
    with pytest.raises(UncertainError, match=r"^filter_ignored$"):
        await real(champ_reference="numero").look_up(complaint())


async def test_pygeoapi_s_refusals_are_known(real):
    with pytest.raises(TransientError, match=r"^no_permission$"):
        await real(couche_doleances="quartiers").deliver(complaint())
    wrong = real(couche_doleances="plaintes")
    for spoken in (wrong.probe(soon()), wrong.deliver(complaint()), wrong.look_up(complaint())):
        with pytest.raises(RefusedError, match=r"^unknown_layer$"):
            await spoken


def typed() -> Outbound:
    """What a reference that an agent typed is asked by: its body is empty."""
    return Outbound(KEY, "creer_doleance", b"", soon())


MADE_UP = {WFS: "doleances.99", OGC: "99", ARCGIS: "99"}


@EACH
async def test_a_complaint_is_found_by_the_map_s_own_reference_and_one_made_up_is_not(protocole):
    async with facing(protocole) as (sig, sandbox):
        assert await sig.find(typed(), MADE_UP[protocole]) is False
        receipt = await sig.deliver(complaint())
        await sig.deliver(complaint(key=DeliveryKey("167046021-1")))
        asked = typed()
        assert await sig.find(asked, receipt.reference) is True
        assert asked.exchange.sent.startswith(b"GET http://")
        assert asked.exchange.answered
        assert await sig.find(typed(), MADE_UP[protocole]) is False
        assert sandbox.taken().total() == 2


@EACH
@pytest.mark.parametrize("reference", ["", "..", "../quartiers", "doleances 1", "1\n", "1 OR 1=1", "1" * 201])
async def test_what_no_map_calls_anything_is_not_asked(protocole, reference):
    async with facing(protocole) as (sig, _):
        asked = typed()
        if (protocole, reference) == (WFS, ".."):
            assert await sig.find(asked, reference) is False
            return
        with pytest.raises(RefusedError, match=r"^reference_invalid$"):
            await sig.find(asked, reference)
        assert not asked.exchange.sent


@EACH
async def test_a_map_that_gives_others_for_a_reference_never_says_absent(protocole):
    async with facing(protocole) as (sig, sandbox):
        await sig.deliver(complaint())
        sandbox.map.filters = False
        with pytest.raises(UncertainError, match=r"^filter_ignored$"):
            await sig.find(typed(), MADE_UP[protocole])


@EACH
@pytest.mark.parametrize("fault", ["exception", "unknown_layer"])
async def test_a_map_that_refuses_the_question_never_says_absent(protocole, fault):
    async with facing(protocole) as (sig, sandbox):
        sandbox.break_finding(fault)
        with pytest.raises(UncertainError):
            await sig.find(typed(), MADE_UP[protocole])


@EACH
async def test_nothing_is_absent_from_a_layer_that_is_not_there(protocole):
    layer = {"couche_doleances": "7" if protocole is ARCGIS else "plaintes"}
    async with facing(protocole, **layer) as (sig, _):
        with pytest.raises(UncertainError, match=r"^(unknown_layer|exception)$"):
            await sig.find(typed(), MADE_UP[protocole])


async def test_pygeoapi_finds_a_complaint_by_its_own_reference(real):
    sig = real(champs={"categorie": "categorie"})
    receipt = await sig.deliver(complaint())
    assert await sig.find(typed(), receipt.reference) is True
    assert await sig.find(typed(), "99") is False
    with pytest.raises(UncertainError, match=r"^unknown_layer$"):
        await real(couche_doleances="plaintes").find(typed(), receipt.reference)
