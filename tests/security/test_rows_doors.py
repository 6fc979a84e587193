"""What targets say at the hub's door, and answer from theirs: XML that attacks its reader, calls that are forged."""

import asyncio
import resource
from base64 import b64encode
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from aiohttp import web
from standardwebhooks.webhooks import Webhook

import connectors.logitud
import connectors.logitud.sandbox
import connectors.regie_boutique.sandbox
import connectors.technocarte.sandbox
from hub.app import open_hub
from hub.connector import KEEP_BYTES, Deadline, Outbound
from hub.errors import UncertainError
from hub.manifest import ErrorTable
from hub.model import DeliveryKey
from hub.settings import TargetSettings
from hub.tables import ATTEMPTS, DELIVERIES, EVENTS, REQUESTS
from tests.connectors.test_xml import HOSTILE, SECRET

PASSWORD = "mot-de-passe-d-essai"
PROOF = {"Authorization": f"Basic {b64encode(f'technocarte:{PASSWORD}'.encode()).decode()}"}
WEBHOOK = "whsec_" + b64encode(b"essai" * 8).decode()
SHOP = "/v1/targets/regie_boutique"
CALL = b'{"type":"commande.etat","data":{"commande":"RB-000001","etat":"payee"}}'
MEBIBYTE = 1024
PATIENCE = timedelta(seconds=30)


@pytest.fixture
async def trap():
    """A server on the network that nobody should ask for anything, and who came."""
    visits = []

    def came(_reader, writer):
        visits.append(writer)
        writer.close()

    server = await asyncio.start_server(came, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", visits
    server.close()


@pytest.fixture
def hostile(tmp_path, trap):
    """XML that attacks its reader: what it would read of ours, fetch, or grow to."""
    (tmp_path / "secret").write_text(f"<!ENTITY x '{SECRET}'>")
    file, (url, _) = (tmp_path / "secret").as_uri(), trap
    reaching = {
        "a file": f"<!DOCTYPE a [<!ENTITY x SYSTEM '{file}'>]><a>&x;</a>",
        "a file by its path": f"<!DOCTYPE a [<!ENTITY x SYSTEM '{tmp_path}/secret'>]><a>&x;</a>",
        "an address": f"<!DOCTYPE a [<!ENTITY x SYSTEM '{url}/x'>]><a>&x;</a>",
        "a parameter entity": f"<!DOCTYPE a [<!ENTITY % p SYSTEM '{url}/p'> %p;]><a/>",
        "a document type elsewhere": f"<!DOCTYPE a SYSTEM '{url}/a.dtd'><a/>",
        "an inclusion": f"<a xmlns:x='http://www.w3.org/2001/XInclude'><x:include href='{file}' parse='text'/></a>",
        "a style sheet": f"<?xml-stylesheet type='text/xsl' href='{url}/a.xsl'?><a/>",
        "a schema": f"<a xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:schemaLocation='urn:a {url}/a.xsd'/>",
    }
    return {**HOSTILE, **{name: text.encode() for name, text in reaching.items()}}


@pytest.fixture
async def polled(settings, open_desk):
    """A hub that two targets call: one speaks XML, the other signs what it says."""
    technocarte = connectors.technocarte.sandbox.Sandbox().settings() | {"caller_password": PASSWORD}
    shop = connectors.regie_boutique.sandbox.Sandbox().settings() | {"secrets": [WEBHOOK]}
    more = {
        "technocarte": TargetSettings(connector="technocarte", settings=technocarte),
        "regie_boutique": TargetSettings(connector="regie_boutique", settings=shop),
    }
    async with open_hub(settings.model_copy(update={"targets": {**settings.targets, **more}}), serve=False) as opened:
        yield opened, await open_desk(opened)


async def test_xml_that_attacks_the_hub_at_its_door_is_refused_and_reaches_nothing(polled, hostile, trap):
    """Row 34: SOAP's own refusal, a fault that blames the client; nothing read, fetched or swollen."""
    _, desk = polled
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, text in hostile.items():
        said = await desk.post("/v1/targets/technocarte", content=text, headers=PROOF)
        if len(text) > 1_000_000:
            assert (name, said.status_code) == (name, 413)
        else:
            assert (name, said.status_code, b"soap:Client" in said.content) == (name, 500, True)
        assert SECRET not in said.text
    assert trap[1] == []
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * MEBIBYTE


async def test_xml_is_read_for_nobody_who_has_not_proved_who_they_are(polled, hostile):
    """Row 34."""
    _, desk = polled
    for text in hostile.values():
        assert (await desk.post("/v1/targets/technocarte", content=text)).status_code in {401, 413}


@asynccontextmanager
async def answering(said):
    """Be a target that answers what `said` holds last."""

    async def answer(request):
        await request.read()
        return web.Response(body=said[-1], content_type="text/xml")

    application = web.Application()
    application.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def test_the_same_xml_from_a_target_is_a_doubt_with_its_evidence(hostile, trap):
    """Row 35: whatever it is, it says neither yes nor no; what came is kept, and no more is read than that."""
    said, sandbox = [], connectors.logitud.sandbox.Sandbox()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with answering(said) as url:
        logitud = connectors.logitud.connect({**sandbox.settings(), "url": url}, ErrorTable())
        for name, text in {**hostile, "more than is read": b"<a>" + b"x" * 6_000_000 + b"</a>"}.items():
            said.append(text)
            body = orjson.dumps(sandbox.sample("demander_acte_naissance"))
            message = Outbound(DeliveryKey("100000001-1"), "demander_acte_naissance", body, Deadline(PATIENCE))
            with pytest.raises(UncertainError) as caught:
                await logitud.deliver(message)
            assert (name, caught.value.code in {"unreadable", "too_big"}) == (name, True)
            assert message.exchange.answered == text[:KEEP_BYTES][: len(message.exchange.answered)]
            assert (bool(message.exchange.answered), message.exchange.http_status) == (bool(text), 200)
        await logitud.close()
    assert trap[1] == []
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * MEBIBYTE


def written_down(opened):
    """Give all that the ledger holds of requests, deliveries, attempts and events."""
    tables = (REQUESTS, DELIVERIES, ATTEMPTS, EVENTS)
    return opened.ledger.look(lambda c: [c.execute(table.select()).all() for table in tables])


def signed(body=CALL, *, id="msg_1", ago=timedelta(0), secret=WEBHOOK):  # noqa: A002  # the specification's word
    """Sign a call as the shop does, some time ago."""
    moment = datetime.now(UTC) - ago
    return {
        "webhook-id": id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(id, moment, body.decode()),
    }


async def test_a_forged_or_old_call_is_not_believed_and_a_repeated_one_changes_nothing(polled):
    """Row 40."""
    opened, desk = polled
    await desk.submit("essai")
    before = written_down(opened)
    another = "whsec_" + b64encode(b"autre" * 8).decode()
    forged = {
        "no signature": ({}, CALL),
        "another secret": (signed(secret=another), CALL),
        "ten minutes old": (signed(ago=timedelta(minutes=10)), CALL),
        "ten minutes ahead": (signed(ago=-timedelta(minutes=10)), CALL),
        "another body": (signed(), CALL.replace(b"RB-000001", b"RB-000002")),
        "another id": (signed() | {"webhook-id": "msg_2"}, CALL),
        "a time that was changed": (
            signed() | {"webhook-timestamp": str(int(datetime.now(UTC).timestamp()) + 9)},
            CALL,
        ),
        "half a signature": (signed() | {"webhook-signature": "v1,"}, CALL),
    }
    for name, (headers, body) in forged.items():
        said = await desk.post(SHOP, content=body, headers=headers)
        assert (name, said.status_code, said.content) == (name, 401, b"")
    same = signed()
    assert [(await desk.post(SHOP, content=CALL, headers=same)).status_code for _ in range(3)] == [204] * 3
    assert written_down(opened) == before
