"""eSirius: one citizen a slot, answers read in every shape they come in, nothing said that is not known."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

import connectors.esii
from connectors._transport.http import Answer
from connectors.esii.rendezvous import MESSAGES
from connectors.esii.sandbox import SEEDED, Sandbox
from connectors.esii.wire import check_coded, is_gone, read_list, read_slots, stands_at
from hub.connector import Deadline, Outbound
from hub.errors import RefusedError, TransientError, UncertainError
from hub.manifest import ErrorTable, Manifest
from hub.model import DeliveryKey

FOLDER = Path(connectors.esii.__file__).parent
ERRORS = ErrorTable.read(FOLDER)
KEY = DeliveryKey("167046020-1")
SAMPLES = orjson.loads((FOLDER / "contract" / "samples.json").read_bytes())


def soon() -> Deadline:
    return Deadline(timedelta(seconds=10))


def message(operation: str, key=KEY, **changed) -> Outbound:
    return Outbound(key, operation, orjson.dumps(SAMPLES[operation] | changed), soon())


def answer(body: bytes, status=200, kind="application/json") -> Answer:
    return Answer(status, {"content-type": kind}, body)


@asynccontextmanager
async def facing(**settings):
    sandbox = Sandbox()
    await sandbox.start()
    esii = connectors.esii.connect({**sandbox.settings(), **settings}, ERRORS)
    try:
        yield esii, sandbox
    finally:
        await esii.close()
        await sandbox.stop()


async def ask(esii, operation: str, **changed):
    return (await esii.deliver(message(operation, **changed))).details


async def test_sites_and_services_are_listed_whichever_shape_they_come_in():
    async with facing() as (esii, _):
        wrapped, plain = await ask(esii, "sites"), await ask(esii, "sites")
        assert wrapped == plain == {"sites": [{"code": "AIX1", "nom": ""}, {"code": "AIX2", "nom": ""}]}
        services = (await ask(esii, "services"))["services"]
        assert services[0] == {"cle": "149", "nom": "Passeport - 1 personne", "disponible": True}


@pytest.mark.parametrize("body", [b'[{"a":1}]', b'["[{\\"a\\":1}]"]', b'"[{\\"a\\":1}]"'])
def test_a_list_is_read_in_each_of_its_wrappings(body):
    assert read_list(answer(body)) == [{"a": 1}]


@pytest.mark.parametrize("body", [b"", b"[", b'["["]', b'["a","b"]', b"{}", b"[1]", b'"Erreur interne"', b"null"])
def test_what_is_no_list_is_a_doubt(body):
    with pytest.raises(UncertainError, match=r"^unreadable$"):
        read_list(answer(body))


async def test_slots_are_local_moments_with_their_desk_soonest_first():
    async with facing() as (esii, _):
        slots = (await ask(esii, "creneaux"))["creneaux"]
    assert slots[0] == {
        "debut": "2027-03-02T09:00:00",
        "fin": "2027-03-02T09:30:00",
        "ressource": {"id": 12, "key": "12", "name": "Guichet 12", "type": "STATION"},
    }
    assert [slot["debut"] for slot in slots] == sorted(slot["debut"] for slot in slots)
    assert {slot["debut"][:10] for slot in slots} == {"2027-03-02", "2027-03-03", "2027-03-04"}


@pytest.mark.parametrize(
    "changed", [{"beginDateTime": "2026-11-25T10:00"}, {"resource": {}}, {"resource": None}, {"endDateTime": None}]
)
def test_a_slot_that_could_not_be_booked_is_not_offered(changed):
    slot = {"beginDateTime": "20261125 10h00", "endDateTime": "20261125 10h30", "resource": {"id": 1, "key": "1"}}
    with pytest.raises(UncertainError):
        read_slots([slot | changed])


async def test_a_booking_bears_our_key_and_gives_the_bare_code():
    async with facing() as (esii, sandbox):
        sent = message("reserver")
        receipt = await esii.deliver(sent)
        booked = sandbox.appointments[receipt.reference].fields
        assert booked["user"]["personalIdentity"] == KEY
        assert booked["resources"]["station"] == {}
        assert booked["motives"] == []
        assert sent.exchange.answered == receipt.reference.encode()


async def test_what_is_booked_is_no_longer_free():
    async with facing() as (esii, _):
        await esii.deliver(message("reserver"))
        free = (await ask(esii, "creneaux"))["creneaux"]
        assert ("2027-03-02T10:00:00", 12) not in {(slot["debut"], slot["ressource"]["id"]) for slot in free}
        assert ("2027-03-02T10:00:00", 13) in {(slot["debut"], slot["ressource"]["id"]) for slot in free}


async def test_of_six_who_want_one_slot_one_has_it():
    async with facing() as (esii, sandbox):
        keys = [DeliveryKey(f"16704602{number}-1") for number in range(6)]
        outcomes = await asyncio.gather(
            *(esii.deliver(message("reserver", key)) for key in keys), return_exceptions=True
        )
        lost = [outcome for outcome in outcomes if isinstance(outcome, RefusedError)]
        assert [error.code for error in lost] == ["creneau_pris"] * 5
        assert sandbox.taken().total() == 1


async def test_esirius_never_notices_that_it_is_asked_twice():
    async with facing() as (esii, sandbox):
        await esii.deliver(message("reserver"))
        await esii.deliver(message("reserver", beginTime="11:00", endTime="11:30"))
        assert sandbox.taken()[KEY] == 2
        with pytest.raises(UncertainError, match=r"^not_askable$"):
            await esii.look_up(message("reserver"))


async def test_an_appointment_moves_whole_and_is_seen_to_have_moved():
    async with facing() as (esii, sandbox):
        code = (await esii.deliver(message("reserver"))).reference
        moved = await esii.deliver(message("deplacer", codeRDV=code))
        known = sandbox.appointments[code]
        assert moved.reference == code
        assert (known.desk, f"{known.begin:%Y-%m-%dT%H:%M}") == (13, "2027-03-04T09:30")
        assert known.fields["user"]["personalIdentity"] == KEY
        assert known.fields["idSys"] == 7
        assert known.fields["serviceId"] == "149"


async def test_an_appointment_does_not_move_onto_another():
    async with facing() as (esii, sandbox):
        slot = {"beginDate": "2027-03-04", "beginTime": "09:30", "endDate": "2027-03-04", "endTime": "10:00"}
        await esii.deliver(message("reserver", **slot, resources=SAMPLES["deplacer"]["resources"]))
        with pytest.raises(RefusedError, match=r"^creneau_pris$"):
            await esii.deliver(message("deplacer"))
        assert f"{sandbox.appointments[SEEDED].begin:%d %H:%M}" == "03 09:00"


async def test_an_unknown_appointment_is_not_moved():
    async with facing() as (esii, _):
        with pytest.raises(RefusedError, match=r"^rdv_inconnu$"):
            await esii.deliver(message("deplacer", codeRDV="RDV999999"))


async def test_cancelling_frees_the_slot_and_may_be_said_twice():
    async with facing() as (esii, sandbox):
        code = (await esii.deliver(message("reserver"))).reference
        for _ in range(2):
            said = message("annuler", codeRDV=code)
            assert (await esii.deliver(said)).reference == code
            assert said.exchange.sent == f"DELETE appointments/{code}".encode()
        assert code not in sandbox.appointments
        await esii.deliver(message("reserver"))


def test_a_missing_page_is_no_cancellation():
    assert is_gone(answer(b"Rendez-vous inconnu", 404, "text/plain"))
    assert not is_gone(answer(b"<html>404</html>", 404, "text/html;charset=utf-8"))


@pytest.mark.parametrize(
    ("appointment", "there"),
    [
        ({"beginDate": "2027-03-04", "beginTime": "09:30"}, True),
        ({"beginDate": "2027-03-04T00:00:00", "beginTime": "09h30"}, True),
        ({"beginDateTime": "20270304 09h30"}, True),
        ({"beginDate": "2027-03-04", "beginTime": "09:00"}, False),
    ],
)
def test_where_an_appointment_stands_is_read_in_both_writings(appointment, there):
    asked = MESSAGES["deplacer"].model_validate(SAMPLES["deplacer"])
    assert stands_at(appointment, asked) is there


@pytest.mark.parametrize(
    ("operation", "changed"),
    [
        ("reserver", {"beginTime": "10h00"}),
        ("reserver", {"beginDate": "20270302"}),
        ("reserver", {"siteCode": "../sites"}),
        ("reserver", {"user": {"lastName": "LEFÈVRE"}}),
        ("reserver", {"surprise": 1}),
        ("creneaux", {"debut": "2027-02-30T08:00:00"}),
        ("creneaux", {"debut": "2027-03-02T08:00:00+01:00"}),
        ("creneaux", {"jours": 0}),
        ("annuler", {"codeRDV": "RDV1/.."}),
    ],
)
async def test_what_the_contract_does_not_allow_never_leaves(operation, changed):
    async with facing() as (esii, sandbox):
        wrong = message(operation, **changed)
        with pytest.raises(RefusedError, match=r"^message_invalid$"):
            await esii.deliver(wrong)
        assert wrong.exchange.fault
        assert wrong.exchange.sent == b""
        assert not sandbox.taken()


async def test_a_wrong_account_parks_nothing():
    async with facing(password="faux") as (esii, _):
        for spoken in (esii.probe(soon()), esii.deliver(message("reserver")), esii.deliver(message("sites"))):
            with pytest.raises(TransientError, match=r"^http_401$"):
                await spoken


async def test_a_window_of_503_is_transient_only_where_the_town_says_that_nothing_is_taken():
    for settings, failure in (({}, UncertainError), ({"unavailable": [503]}, TransientError)):
        async with facing(**settings) as (esii, sandbox):
            sandbox.break_with("unavailable", times=-1)
            for operation in MESSAGES:
                with pytest.raises(failure, match=r"^http_503$"):
                    await esii.deliver(message(operation))


@pytest.mark.parametrize("operation", MESSAGES)
def test_the_published_contract_is_what_is_checked(operation):
    contract = FOLDER / Manifest.read(FOLDER).operations[operation].contract
    published = orjson.loads(contract.read_bytes())
    assert published.pop("$schema") == "https://json-schema.org/draft/2020-12/schema"
    assert published == MESSAGES[operation].model_json_schema()


def typed() -> Outbound:
    """What a code that an agent typed is asked by: its body is empty."""
    return Outbound(KEY, "reserver", b"", soon())


async def test_an_appointment_is_found_by_its_code_until_it_is_cancelled():
    async with facing() as (esii, sandbox):
        code = (await esii.deliver(message("reserver"))).reference
        asked = typed()
        assert await esii.find(asked, code) is True
        assert asked.exchange.sent == f"GET appointments/{code}".encode()
        assert asked.exchange.http_status == 200
        assert await esii.find(typed(), "RDV999999") is False
        before = sandbox.taken().total()
        await esii.deliver(message("annuler", codeRDV=code))
        assert await esii.find(typed(), code) is False
        assert sandbox.taken().total() == before + 1


@pytest.mark.parametrize("code", ["", "RDV 000001", "../sites", "RDV000001/", "RDV000001\n", "-1"])
async def test_what_is_no_code_of_esirius_is_not_asked(code):
    async with facing() as (esii, _):
        asked = typed()
        with pytest.raises(RefusedError, match=r"^reference_invalid$"):
            await esii.find(asked, code)
        assert not asked.exchange.sent


async def test_a_404_is_no_absence_where_esirius_is_not():
    async with facing() as (right, sandbox):
        settings = {**sandbox.settings(), "url": f"{sandbox.url}/ailleurs"}
        wrong = connectors.esii.connect(settings, ERRORS)
        assert await right.find(typed(), SEEDED) is True
        with pytest.raises(UncertainError, match=r"^http_404$"):
            await wrong.find(typed(), SEEDED)
        await wrong.close()


@pytest.mark.parametrize("body", [b'{"codeRDV": "RDV000009"}', b'{"message": "Rendez-vous inconnu"}', b"{}"])
def test_only_the_appointment_of_that_code_is_found(body):
    with pytest.raises(UncertainError, match=r"^another_appointment$"):
        check_coded(answer(body), "RDV000001")


async def test_a_page_that_says_404_is_no_absence():
    async with facing() as (esii, sandbox):
        sandbox.break_finding("maintenance")
        with pytest.raises(UncertainError, match=r"^page$"):
            await esii.find(typed(), "RDV999999")
        sandbox.break_finding("text_400")
        with pytest.raises(UncertainError, match=r"^http_400$"):
            await esii.find(typed(), "RDV999999")
