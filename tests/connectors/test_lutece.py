"""Lutèce: a stage is told once, and no answer is believed for its status alone."""

from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import jsonschema_rs
import orjson
import pytest
from aiohttp import web

import connectors.lutece
from connectors.lutece.sandbox import CUSTOMER, Sandbox
from connectors.lutece.wire import Notification
from hub.connector import Deadline, DifferentError, Outbound, Receipt
from hub.errors import RefusedError, TransientError, UncertainError
from hub.manifest import ErrorTable
from hub.model import DeliveryKey

FOLDER = Path(connectors.lutece.__file__).parent
ERRORS = ErrorTable.read(FOLDER)
KEY = DeliveryKey("167046020-3")


def changed(path: str, value) -> dict:
    """The sample with one field changed, or removed when `value` is None."""
    fields = Sandbox().sample("notifier_etape")
    *above, last = path.split(".")
    place = fields
    for step in above:
        place = place[step]
    place[last] = value
    if value is None:
        del place[last]
    return fields


def message(path="date", value=1788765182123, key=KEY) -> Outbound:
    return Outbound(key, "notifier_etape", orjson.dumps(changed(path, value)), Deadline(timedelta(seconds=10)))


@asynccontextmanager
async def facing(**settings):
    sandbox = Sandbox()
    await sandbox.start()
    lutece = connectors.lutece.connect({**sandbox.settings(), **settings}, ERRORS)
    try:
        yield lutece, sandbox
    finally:
        await lutece.close()
        await sandbox.stop()


async def test_a_stage_is_stored_under_our_key_and_found_again():
    async with facing() as (lutece, sandbox):
        assert await lutece.deliver(message()) == Receipt()
        (stored,) = sandbox.stored
        assert stored["mydashboard"]["data"] == KEY
        assert stored["mydashboard"]["status_text"] == "Accepté"
        assert await lutece.look_up(message()) == Receipt()


async def test_another_stage_of_the_same_second_is_not_ours():
    async with facing() as (lutece, _):
        await lutece.deliver(message(key=DeliveryKey("167046020-2")))
        assert await lutece.look_up(message()) is None


async def test_another_status_under_our_key_is_for_a_person():
    async with facing() as (lutece, _):
        await lutece.deliver(message())
        with pytest.raises(DifferentError):
            await lutece.look_up(message("mydashboard.status_text", "Refusé"))


async def test_an_unknown_type_is_stored_with_a_reserve_that_its_schema_knows():
    async with facing() as (lutece, sandbox):
        receipt = await lutece.deliver(message("demand.type_id", "courrier.maire"))
        assert receipt.details == {"reserves": ["type_inconnu"]}
        assert len(sandbox.stored) == 1
        schema = orjson.loads((FOLDER / "contract" / "reserves.json").read_bytes())
        jsonschema_rs.validate(schema, receipt.details)


@pytest.mark.parametrize(
    ("customer", "code"),
    [("4f6f5a0e-0000-4000-8000-0000000000ff", "usager_inconnu"), ("court", "usager_invalide")],
)
async def test_a_created_that_stored_nothing_is_a_refusal(customer, code):
    async with facing() as (lutece, sandbox):
        with pytest.raises(RefusedError, match=f"^{code}$"):
            await lutece.deliver(message("demand.customer.customer_id", customer))
        assert not sandbox.stored


async def test_a_store_that_keeps_what_is_nobody_s_has_taken_it():
    async with facing() as (lutece, sandbox):
        sandbox.keeps_unknown = True
        unknown = message("demand.customer.customer_id", "4f6f5a0e-0000-4000-8000-0000000000ff")
        assert (await lutece.deliver(unknown)).details == {"reserves": ["usager_inconnu"]}
        assert sandbox.taken()[KEY] == 1


async def test_a_store_that_cannot_say_whether_it_kept_it_leaves_a_doubt():
    async with facing() as (lutece, sandbox):
        sandbox._list = lambda _: web.Response(status=503)
        with pytest.raises(UncertainError, match=r"^http_503$"):
            await lutece.deliver(message("demand.customer.customer_id", "court"))


async def test_a_store_too_busy_to_say_whether_it_kept_it_leaves_a_doubt():
    async with facing() as (lutece, sandbox):
        sandbox._list = lambda _: web.Response(status=429)
        with pytest.raises(UncertainError, match=r"^http_429$"):
            await lutece.deliver(message("demand.customer.customer_id", "court"))


async def test_a_bad_request_that_stored_is_found():
    async with facing() as (lutece, sandbox):
        sandbox.break_with("forward_failed")
        with pytest.raises(UncertainError, match=r"^transmission_echouee$"):
            await lutece.deliver(message())
        assert await lutece.look_up(message()) == Receipt()


async def test_a_bad_request_that_stored_nothing_may_be_sent_again():
    async with facing() as (lutece, sandbox):
        sandbox.break_with("identity_store_down")
        with pytest.raises(UncertainError, match=r"^erreur_interne$"):
            await lutece.deliver(message())
        assert await lutece.look_up(message()) is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("date", "2026-09-07"),
        ("demand.reference", None),
        ("demand.reference", "x" * 51),
        ("demand.type_id", "x" * 51),
        ("demand.customer.customer_id", None),
        ("demand.customer.customer_id", ""),
        ("mydashboard.status_text", None),
        ("mydashboard", None),
    ],
)
async def test_what_the_store_cannot_hold_never_leaves(path, value):
    async with facing() as (lutece, sandbox):
        wrong = message(path, value)
        with pytest.raises(RefusedError, match=r"^message_invalid$"):
            await lutece.deliver(wrong)
        assert (wrong.exchange.fault, wrong.exchange.sent) == (path, b"")
        assert not sandbox.stored


async def test_what_the_store_adds_to_a_notification_goes_along():
    async with facing() as (lutece, sandbox):
        await lutece.deliver(message("sms", {"phone_number": "0639981234", "message": "Accepté"}))
        assert sandbox.stored[0]["sms"]["phone_number"] == "0639981234"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"notifications": []}, None),
        ({"notifications": [{"date": 1788765182000, "mydashboard": {"data": "", "status_text": "Accepté"}}]}, None),
        ({"notifications": [{"date": 1700000000000, "mydashboard": None}]}, None),
        ({"notifications": [{"date": 1788765182000, "mydashboard": None}]}, UncertainError),
        ({"notifications": [{"mydashboard": None}]}, UncertainError),
        ({"notifications": None}, UncertainError),
        ({"status": {}}, UncertainError),
    ],
)
async def test_only_a_clear_absence_is_an_absence(body, found):
    async with facing() as (lutece, sandbox):
        sandbox._list = lambda _: web.json_response(body)
        if found is None:
            assert await lutece.look_up(message()) is None
        else:
            with pytest.raises(found):
                await lutece.look_up(message())


@pytest.mark.parametrize("status", [204, 400, 404])
async def test_a_list_that_does_not_come_is_no_absence(status):
    async with facing() as (lutece, sandbox):
        sandbox._list = lambda _: web.Response(status=status)
        with pytest.raises(UncertainError):
            await lutece.look_up(message())


async def test_what_the_list_is_asked_for_is_written_whole():
    asked = {}
    async with facing() as (lutece, sandbox):
        listing = sandbox._list

        def watch(query):
            asked.update(query)
            return listing(query)

        sandbox._list = watch
        await lutece.look_up(message("demand.id", "167 046&020"))
    assert asked == {"idDemand": "167 046&020", "idDemandType": "etat_civil.naissance", "customerId": CUSTOMER}


async def test_an_account_that_is_refused_waits_until_it_is_corrected():
    async with facing(bearer="faux") as (lutece, _):
        for spoken in (lutece.probe(Deadline(timedelta(seconds=10))), lutece.deliver(message())):
            with pytest.raises(TransientError, match=r"^http_401$"):
                await spoken


async def test_another_address_is_no_store():
    async with facing() as (_, sandbox):
        elsewhere = connectors.lutece.connect({**sandbox.settings(), "url": f"{sandbox.url}/rest"}, ERRORS)
        with pytest.raises(RefusedError, match=r"^http_404$"):
            await elsewhere.probe(Deadline(timedelta(seconds=10)))
        await elsewhere.close()


@pytest.mark.parametrize(
    "answer",
    [
        web.json_response({"acknowledge": {"status": "warning", "warnings": []}}, status=201),
        web.json_response({"acknowledge": {"status": "warning", "warnings": ["?"]}}, status=201),
        web.json_response({"acknowledge": {"status": "error"}}, status=201),
        web.json_response({"acknowledge": {"status": "received"}}, status=200),
        web.json_response({"acknowledge": {"status": "error", "errors": []}}, status=500),
    ],
    ids=["no_warning", "no_sentence", "error", "not_created", "failed"],
)
def test_any_other_answer_is_a_doubt(answer):
    from connectors._transport.http import Answer
    from connectors.lutece.wire import read_reserves

    with pytest.raises(UncertainError):
        read_reserves(Answer(answer.status, {}, answer.body), ERRORS, frozenset())


def test_the_contract_in_the_folder_is_the_one_that_is_checked():
    written = orjson.loads((FOLDER / "contract" / "notifier_etape.json").read_bytes())
    assert written.pop("$schema")
    assert written == Notification.model_json_schema()
