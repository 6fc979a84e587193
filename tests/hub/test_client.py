"""The client for front ends: its models are those of the API, it tries again what may be, and names fields."""

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import uvicorn
import yaml
from aiohttp import web
from standardwebhooks.webhooks import Webhook

from hub import client_models
from hub.access import Role
from hub.api import build_api
from hub.app import open_hub
from hub.client import (
    BusyError,
    ConflictError,
    DeniedError,
    ForgedError,
    InvalidError,
    MissingError,
    Portal,
    RefusalError,
    StageReached,
    UnreachableError,
    read_event,
    talk,
)
from hub.client_models import Applicant, PivotIdentity, Said, Submission
from hub.locksmith import Wanted, make_keys
from hub.sandboxes import Sandboxes, aimed_at
from hub.settings import HOME, Settings

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
MODELS = {
    one.__name__: one
    for one in vars(client_models).values()
    if isinstance(one, type) and issubclass(one, Said) and one is not Said
}
RECEIPT = {
    "number": "100000000",
    "numero": "100 000 000",
    "status": "in_progress",
    "stage": "En cours d'intégration",
    "final": False,
    "received_at": "2026-11-24T06:29:01.206Z",
}
LETTER = Submission(
    kind="courrier.maire",
    applicant=Applicant(identity=PivotIdentity(family_name="Martin", given_name="Léa")),
    data={"objet": "Éclairage", "message": "Les lampadaires restent éteints le soir."},
)


@asynccontextmanager
async def hub_at(folder):
    """Serve a hub with the sandboxes on a port; give its address, a portal's key, and its OpenAPI."""
    sandboxes = Sandboxes.find()
    await sandboxes.start()
    places = {"database": f"sqlite:///{folder}/hub.db", "files": folder / "files", "secret_file": folder / "secret"}
    settings = aimed_at(Settings.model_validate(places), sandboxes.settings())
    [key] = make_keys(settings, Wanted("portail", Role.FRONT_END))
    async with open_hub(settings) as hub:
        api = build_api(hub)
        server = uvicorn.Server(uvicorn.Config(api, port=0, log_config=None, lifespan="off"))
        server.install_signal_handlers = lambda: None
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}", key, api.openapi()
        server.should_exit = True
        await serving
    await sandboxes.stop()


def plain(schema):
    """Say of a property which types it may have; an object of ours is one."""
    if "$ref" in schema:
        return {schema["$ref"].rpartition("/")[2]}
    if "anyOf" in schema:
        return set().union(*map(plain, schema["anyOf"]))
    return {schema.get("type", "any")}


def described(schema):
    """Say of a component what it holds, of which type, and which of it is always there; enumerations are texts."""
    types = {
        name: {"string" if one in {"Status", "Standing"} else one for one in plain(said)}
        for name, said in schema["properties"].items()
    }
    return types, set(schema["required"])


async def test_every_program_of_the_guide_does_what_it_says(document_of_client, tmp_path):
    programs = {}
    for name, text in document_of_client.items():
        programs[name] = {}
        exec(text, programs[name])  # noqa: S102  # the guide's own program
    async with hub_at(tmp_path) as (url, key, openapi):
        check_models(openapi)
        submitted = await programs["submit.py"]["submit"](url, key, "clef-1")
        again = await programs["submit.py"]["submit"](url, key, "clef-1")
        assert submitted["number"] == again["number"] == "100000000"
        async with asyncio.timeout(15):
            while "Accepté" not in (told := await programs["follow.py"]["follow"](url, key, "100 000 000"))[1]:
                await asyncio.sleep(0.02)
        message, stages, found, places = told
        assert message == "Votre courrier N° 100 000 000 a été remis au cabinet du maire."
        assert (stages[0], found, places[:1]) == (
            "Demande reçue",
            ["100000000"],
            ["12 Rue de l'Opéra 13100 Aix-en-Provence"],
        )
        assert "courrier.maire" in await asyncio.to_thread(programs["blocking.py"]["kinds"], url, key)
        await check_the_rest(url, key)
    check_listener(programs["listen.py"]["hear"])


def check_models(openapi):
    """Hold each model to the component of its name: members, types, and which are always there."""
    components = openapi["components"]["schemas"]
    for name, model in MODELS.items():
        assert described(model.model_json_schema()) == described(components[name]), name
    ours = Submission.model_json_schema()
    assert ours["properties"].keys() == components["Submission"]["properties"].keys()


async def check_the_rest(url, key):
    """What the guide does not show does what it says, too."""
    async with Portal(url, key) as hub:
        kind = await hub.kind("courrier.maire")
        assert kind.data_schema["required"] == ["objet", "message"]
        assert "Accepté" in [one.stage for one in kind.stages]
        assert (await hub.query("adresse.recherche")).within > 0
        assert "adresse.recherche" in [one.query for one in await hub.queries()]
        note = await hub.attach("plan.pdf", b"%PDF-1.4\n1 0 obj\nendobj\ntrailer\n%%EOF\n")
        assert note.media_type == "application/pdf"
        wrong = LETTER.model_copy(update={"data": {"message": "x" * 20, "reponse": "fax"}})
        outcome = await hub.submit_many([LETTER, wrong], "lot-1")
        assert [one.status for one in outcome.outcomes] == [202, 422]
        assert outcome.outcomes[1].problem.slug == "invalid"
        with pytest.raises(InvalidError) as refused:
            await hub.submit(wrong, "clef-3")
        assert refused.value.fields.keys() == {"/data/objet", "/data/reponse"}
        assert refused.value.type == "invalid"
        with pytest.raises(MissingError):
            await hub.request("999999999")
        with pytest.raises(ConflictError):
            await hub.decide("100000000", accept=True)
        with pytest.raises(ConflictError):
            await hub.cancel("100000000", "Déposée deux fois")
    async with Portal(url, "hub_wrong") as stranger:
        with pytest.raises(DeniedError):
            await stranger.kinds()


@pytest.fixture
def document_of_client():
    """The programs of the guide, by name."""
    text = (HOME / "docs/client.md").read_text("utf-8")
    blocks = text.split("```python ")[1:]
    return {block.partition("\n")[0]: block.partition("\n")[2].partition("```")[0] for block in blocks}


def signed(body, identifier="100000000-3", at=None):
    moment = at or datetime.now(UTC)
    signature = Webhook(SECRET).sign(identifier, moment, body.decode())
    return {
        "Webhook-Id": identifier,
        "Webhook-Timestamp": str(int(moment.timestamp())),
        "Webhook-Signature": signature,
    }


def check_listener(hear):
    """The guide's listener takes a genuine call-back once, and nothing else."""
    body, seen = written_by_the_hub(), set()
    status, event = hear(SECRET, signed(body), body, seen)
    assert (status, event.number, event.id) == (204, "167046020", "100000000-3")
    assert hear(SECRET, signed(body), body, seen) == (204, None)
    assert hear(SECRET, signed(body), body + b" ", seen) == (401, None)


def written_by_the_hub():
    """The body of a call-back, as the mapping that writes them promises it."""
    mapping = yaml.safe_load((HOME / "mappings/gru/etape.yaml").read_text("utf-8"))
    return json.dumps(mapping["examples"][0]["expect"]).encode()


def test_a_call_back_is_read_with_its_types_whichever_of_the_secrets_proves_it():
    body = written_by_the_hub()
    other = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()
    event = read_event((other, SECRET), signed(body), body)
    assert isinstance(event, StageReached)
    assert (event.stage, event.status, event.final, event.sequence) == ("Accepté", "done", True, 3)
    assert (event.reference, event.at.year) == ("LA-2026-000814", 2026)
    said = json.loads(body)
    names = {field.validation_alias or name for name, field in StageReached.model_fields.items()} - {"id"}
    assert names == said.keys() - {"type"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(b'{"a": 1}'),
        signed(written_by_the_hub(), at=datetime.now(UTC) - timedelta(minutes=6)),
        {**signed(written_by_the_hub()), "Webhook-Id": "100000000-4"},
        {**signed(written_by_the_hub()), "Webhook-Signature": "v1,AAAA"},
        {**signed(written_by_the_hub()), "Webhook-Timestamp": "hier"},
    ],
)
def test_what_the_hub_did_not_write_or_wrote_long_ago_is_forged(headers):
    with pytest.raises(ForgedError):
        read_event(SECRET, headers, written_by_the_hub())


def test_what_is_signed_and_is_no_stage_is_forged():
    body = b'{"type": "autre"}'
    with pytest.raises(ForgedError):
        read_event(SECRET, signed(body), body)


@asynccontextmanager
async def hub_that_says(*answers):
    """Serve these answers, one after the other, the last one for ever; give the address and what was asked."""
    asked, left = [], list(answers)

    async def answer(request):
        asked.append((request.method, request.path, request.headers.get("Idempotency-Key"), await request.read()))
        said = left.pop(0) if len(left) > 1 else left[0]
        if said is CUT:
            request.transport.abort()
            return web.Response()
        status, body, headers = said
        return web.Response(status=status, body=json.dumps(body).encode(), headers=headers)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    await runner.cleanup()


CUT = object()
DONE = (202, RECEIPT, {})
BUSY = (503, {"type": "/problems/unavailable", "title": "Indisponible", "status": 503}, {})
RECEIVING = (409, {"type": "/problems/in-progress", "title": "En cours", "status": 409}, {})
TAKEN = (409, {"type": "/problems/conflict", "title": "Conflit", "status": 409}, {})


@pytest.mark.parametrize(
    "first", [BUSY, RECEIVING, CUT, (408, {}, {}), (429, {}, {}), (500, {}, {}), (502, {}, {}), (504, {}, {})]
)
async def test_a_submission_is_sent_again_with_the_same_bytes_under_the_same_key(first):
    async with hub_that_says(first, DONE) as (url, asked), Portal(url, "k") as hub:
        assert (await hub.submit(LETTER, "clef")).number == "100000000"
    assert len(asked) == 2
    assert asked[0] == asked[1]
    assert asked[0][2] == "clef"


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, RefusalError), (401, DeniedError), (403, DeniedError), (409, ConflictError), (413, RefusalError)],
)
async def test_what_is_refused_is_not_sent_again(status, error):
    async with hub_that_says((status, {}, {})) as (url, asked), Portal(url, "k") as hub:
        with pytest.raises(error):
            await hub.submit(LETTER, "clef")
    assert len(asked) == 1


@pytest.mark.parametrize(
    "act",
    [
        lambda hub: hub.decide("100000000", accept=True),
        lambda hub: hub.cancel("100000000", "x"),
        lambda hub: hub.attach("a.pdf", b"x"),
        lambda hub: hub.ask("adresse.recherche", {}),
    ],
)
@pytest.mark.parametrize(("said", "error"), [(BUSY, BusyError), (CUT, UnreachableError)])
async def test_what_bears_no_key_is_asked_once(act, said, error):
    async with hub_that_says(said, DONE) as (url, asked), Portal(url, "k") as hub:
        with pytest.raises(error):
            await act(hub)
    assert len(asked) == 1


async def test_patience_ends_with_the_last_error():
    async with hub_that_says(BUSY) as (url, asked), Portal(url, "k", patience=timedelta(seconds=2)) as hub:
        with pytest.raises(BusyError):
            await hub.submit(LETTER, "clef")
    assert len(asked) >= 2


async def test_the_hub_says_how_long_it_is_left_alone():
    async with (
        hub_that_says((503, {}, {"Retry-After": "7"})) as (url, _),
        Portal(url, "k", patience=timedelta()) as hub,
    ):
        with pytest.raises(BusyError) as refused:
            await hub.kinds()
    assert refused.value.retry_after == 7


async def test_nobody_there_is_unreachable():
    async with Portal("http://127.0.0.1:9", "k", patience=timedelta()) as hub:
        with pytest.raises(UnreachableError):
            await hub.kinds()


async def test_what_a_newer_hub_says_more_is_let_pass():
    async with hub_that_says((202, {**RECEIPT, "nouveau": 1}, {})) as (url, _), Portal(url, "k") as hub:
        assert (await hub.submit(LETTER, "clef")).number == "100000000"


async def test_a_program_without_an_event_loop_may_talk():
    async with hub_that_says((200, [], {})) as (url, asked):
        assert await asyncio.to_thread(talk, url, "k", lambda hub: hub.kinds()) == []
    assert [path for _, path, _, _ in asked] == ["/v1/kinds"]


def test_a_submission_that_is_wrong_is_not_even_made():
    with pytest.raises(ValueError, match="kind"):
        Submission(kind="Pas une démarche", applicant=LETTER.applicant, data={})
