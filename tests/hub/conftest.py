"""A whole hub in this process: a real ledger, a real target on a loopback port, and clients at its door."""

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import httpx
import pytest

import hub.app
from connectors.rest.sandbox import Sandbox
from hub.access import Role, new_key
from hub.api import build_api
from hub.app import open_hub
from hub.keys import add_keys
from hub.settings import Settings

SCHEMA = {
    "type": "object",
    "required": ["objet"],
    "additionalProperties": False,
    "properties": {
        "objet": {"type": "string", "title": "Objet", "maxLength": 200},
        "rues": {"type": "array", "title": "Rues", "items": {"type": "string"}},
    },
}

ROUTES = {
    "essai": "steps: [{deliver: cible, using: cible/deposer}]",
    "sans_retour": "steps: [{deliver: cible, using: cible/signaler}]",
    "a_retrouver": "steps: [{deliver: cible, using: cible/enregistrer}]",
    "avis": "steps: [{await: decision, id: instruction, stage: En cours d'instruction, "
    "reasons: [Justificatif de domicile invalide, Refusé]}, {deliver: cible, using: cible/deposer}]",
    "rues": "steps: [{await: decision, id: instruction, stage: En cours d'instruction}, "
    "{deliver: cible, using: cible/deposer, for_each: data.rues}, "
    "{deliver: cible, id: encore, using: cible/deposer, for_each: '$number(data.objet)'}]",
}

MAPPING = """
mapping: cible/{operation}
from: "*"
to: rest.{operation}
allow_unproved: a list of its routes cannot be read for every request, which the door then refuses
fields: {{objet: data.objet, numero: $string(number)}}
examples: [{{name: un objet, given: {{number: 1, data: {{objet: o}}}}, expect: {{objet: o, numero: "1"}}}}]
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Keep this installation's monitors away from the hubs of these tests."""
    monkeypatch.setattr(hub.app, "attach_monitors", lambda _hub: None)


@pytest.fixture
async def target():
    """A target that can be broken."""
    sandbox = Sandbox()
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
def settings(tmp_path, target, database):
    """An installation with kinds of its own and one target."""
    for kind, steps in ROUTES.items():
        folder = tmp_path / "home/routes" / kind
        folder.mkdir(parents=True)
        (folder / "schema.json").write_text(json.dumps(SCHEMA))
        (folder / "route.yaml").write_text(f"route: {kind}\ntitle: Démarche {kind}\nowner: tests\n{steps}")
    samples = tmp_path / "home/routes/essai/samples"
    samples.mkdir()
    (samples / "un_objet.json").write_text(json.dumps(submission_of()))
    mappings = tmp_path / "home/mappings/cible"
    mappings.mkdir(parents=True)
    for operation in target.settings()["operations"]:
        (mappings / f"{operation}.yaml").write_text(MAPPING.format(operation=operation))
    policy = {"concurrency": 64, "base": "20ms", "deadline": "2s", "breaker_threshold": 1000}
    return Settings(
        database=database,
        files=tmp_path / "files",
        secret_file=tmp_path / "secret",
        homes=(tmp_path / "home",),
        targets={"cible": {"connector": "rest", "settings": target.settings(), "policy": policy}},
        sweep_every="100ms",
        grace="2s",
    )


@pytest.fixture
async def running(settings):
    """A hub at work."""
    async with open_hub(settings) as opened:
        yield opened


@pytest.fixture
async def resting(settings):
    """A hub that takes requests and carries nothing: what is queued stays queued."""
    async with open_hub(settings, serve=False) as opened:
        yield opened


@pytest.fixture
def submission():
    """Make a submission of a kind."""
    return submission_of


class Desk(httpx.AsyncClient):
    """A client at the hub's door, with a key of its own."""

    async def submit(self, kind="essai", key="k-1", **over):
        """Submit a request."""
        return await self.post("/v1/requests", json=submission_of(kind, **over), headers={"Idempotency-Key": key})

    async def submitted(self, kind="essai", key="k-1", **over):
        """Submit a request and give its number."""
        return (await self.submit(kind, key, **over)).json()["number"]

    async def until(self, number, status):
        """Wait until a request has a status."""
        async with asyncio.timeout(10):
            while (shown := (await self.get(f"/v1/requests/{number}")).json())["status"] != status:
                await asyncio.sleep(0.01)
        return shown

    async def until_state(self, key, *states):
        """Wait until a delivery is in one of some states."""
        async with asyncio.timeout(10):
            while (shown := (await self.get(f"/v1/operations/deliveries/{key}")).json())["state"] not in states:
                await asyncio.sleep(0.01)
        return shown


def submission_of(kind="essai", *, name="Lefèvre", data=None, **over):
    """Make a submission."""
    applicant = {
        "identity": {"family_name": name, "given_name": "Léa"},
        "contact": {"email": "lea@example.org", "phone": "06 39 98 12 34"},
    }
    return {"kind": kind, "applicant": applicant, "data": data or {"objet": "un objet"}, **over}


@asynccontextmanager
async def desk_at(opened, role=Role.FRONT_END, front_end="libreair", **kept_to):
    """Open a client with a new key."""
    plain, key = new_key(opened.secret, opened.ledger.book.now(), front_end=front_end, role=role)
    await opened.ledger.write(add_keys, replace(key, **kept_to))
    transport = httpx.ASGITransport(build_api(opened), raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {plain}"}
    async with Desk(transport=transport, base_url="http://hub", headers=headers) as client:
        yield client


@pytest.fixture
async def open_desk():
    """Open clients, and close them at the end."""
    async with AsyncExitStack() as stack:

        async def opening(opened, role=Role.FRONT_END, front_end="libreair", **kept_to):
            return await stack.enter_async_context(desk_at(opened, role, front_end, **kept_to))

        yield opening


@pytest.fixture
async def portal(running, open_desk):
    """A front end at the door of a hub at work."""
    return await open_desk(running)


@pytest.fixture
async def operator(running, open_desk):
    """An operator at the same door."""
    return await open_desk(running, Role.OPERATOR, "*")
