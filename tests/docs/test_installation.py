"""The files of the guide for integrators make an installation: it is checked, connected and used."""

import asyncio
import base64
from contextlib import asynccontextmanager

import httpx
import jsonschema_rs
import pytest

from hub.access import Role
from hub.api import build_api
from hub.app import builtin, open_hub
from hub.locksmith import Wanted, make_keys
from hub.proof.check import check
from hub.sandboxes import Sandboxes
from hub.settings import HOME, Settings

PATIENCE = 15.0
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def home(document, tmp_path):
    """Write the guide's files into a folder, with the secrets they name."""
    for name, text in document("docs/integrators.md").files().items():
        if "/" in name or name == "hub.yaml":
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.replace("/run/secrets", str(tmp_path / "secrets")))
    (tmp_path / "secrets").mkdir()
    for name in ("bureau", "courriel", "gru"):
        (tmp_path / "secrets" / name).write_text(SECRET)
    return tmp_path


def test_the_example_installation_has_nothing_wrong_in_it(home):
    assert check(HOME, home) == []


async def test_the_example_installation_connects_as_it_stands(home):
    async with open_hub(Settings.read(home / "hub.yaml"), serve=False) as hub:
        assert hub.targets.keys() - builtin(hub.catalogue).keys() == {"adresse", "bureau", "courriel", "gru_portail"}
        assert hub.targets["bureau"].policy.concurrency == 2


async def test_the_example_installation_carries_its_samples_home(home):
    async with sandboxed() as sandboxes:
        settings = pointed(Settings.read(home / "hub.yaml"), sandboxes)
        [key] = make_keys(settings, Wanted("portail", Role.FRONT_END))
        async with open_hub(settings) as hub, client_of(hub, key) as client:
            samples = sorted(home.glob("routes/voirie_signalement/samples/*.json"))
            numbers = [await accept(client, sample) for sample in samples]
            said = [(await until_done(client, number))["message"] for number in numbers]
        assert len(said) == 3
        assert all("Nos équipes se rendront sur place" in message for message in said)
        assert sandboxes.running["rest"].taken().total() == 4
        [letter] = sandboxes.running["courriel"].mailbox
        assert letter.message["Subject"] == "Danger signalé, demande N° 100 000 000"


async def test_the_example_installation_answers_its_question(home):
    async with sandboxed() as sandboxes:
        settings = pointed(Settings.read(home / "hub.yaml"), sandboxes)
        [key] = make_keys(settings, Wanted("portail", Role.FRONT_END))
        async with open_hub(settings) as hub, client_of(hub, key) as client:
            asked = (home / "routes/voirie_adresse/samples/numero.json").read_bytes()
            headers = {"Content-Type": "application/json"}
            said = (await client.post("/v1/queries/voirie.adresse", content=asked, headers=headers)).json()
            schema = (await client.get("/v1/queries/voirie.adresse")).json()["answer_schema"]
    assert said["status"] == "answered"
    assert said["answer"]["adresses"][0]["libelle"] == "12 Rue de l'Opéra 13100 Aix-en-Provence"
    assert list(jsonschema_rs.validator_for(schema).iter_errors(said["answer"])) == []


@asynccontextmanager
async def sandboxed():
    """Run every sandbox for the length of a block."""
    sandboxes = Sandboxes.find()
    await sandboxes.start()
    try:
        yield sandboxes
    finally:
        await sandboxes.stop()


def pointed(settings, sandboxes):
    """Point the example's targets at sandboxes; what it says of the office's operations stays."""
    at = sandboxes.settings()
    office = settings.targets["bureau"]
    kept = {name: office.settings[name] for name in ("unavailable", "operations", "errors")}
    own = {"adresse": at["adresse"], "courriel": at["courriel"], "gru_portail": at["gru"]}
    reached = {"bureau": kept | {"url": at["rest"]["url"]}} | own
    targets = {
        name: settings.targets[name].model_copy(update={"settings": said, "policy": {}})
        for name, said in reached.items()
    }
    return settings.model_copy(update={"targets": targets})


@asynccontextmanager
async def client_of(hub, key):
    """Speak to a hub of this process with a key."""
    transport = httpx.ASGITransport(build_api(hub), raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://hub", headers=headers) as client:
        yield client


async def accept(client, sample):
    """Submit a sample, and decide for it where a person is awaited."""
    headers = {"Idempotency-Key": sample.stem, "Content-Type": "application/json"}
    receipt = (await client.post("/v1/requests", content=sample.read_bytes(), headers=headers)).json()
    if receipt["status"] == "waiting":
        decided = await client.post(f"/v1/requests/{receipt['number']}/decision", json={"accept": True})
        assert decided.status_code == 200
    return receipt["number"]


async def until_done(client, number):
    async with asyncio.timeout(PATIENCE):
        while (shown := (await client.get(f"/v1/requests/{number}")).json())["status"] != "done":
            await asyncio.sleep(0.02)
    return shown
