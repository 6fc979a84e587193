"""A whole city in this process: the project's own kinds, every sandbox, a hub, and those who knock at its door."""

import asyncio
import json
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from itertools import count

import httpx
import pytest
import pytest_asyncio
import uvicorn

from hub.access import Role, new_key
from hub.api import build_api
from hub.app import open_hub
from hub.keys import add_keys
from hub.sandboxes import FRONT_END, Sandboxes, aimed_at
from hub.settings import HOME, FrontEnd, Settings

BRISK = {"deadline": "2s", "base": "50ms", "cap": "500ms", "breaker_threshold": 1000, "concurrency": 16}
PATIENCE = 15
"""Seconds within which anything must have happened."""

TOWN = (5.2, 43.4, 5.6, 43.7)
"""West, south, east, north of the town."""

IMPATIENT = {"periscolaire_paiement": ("every: 10m", "every: 100ms")}
"""Routes of which this installation has its own wording: a lost notification is made up for at once."""


class Caller(httpx.AsyncClient):
    """Someone with a key of their own at the hub's door."""

    async def request_of(self, number):
        """Read a request."""
        return (await self.get(f"/v1/requests/{number}")).json()

    async def until(self, number, stage):
        """Wait until a request is at a stage; one that ends elsewhere is waited for no longer."""
        await self._until(number, lambda shown: shown["stage"] == stage, f"stage {stage!r}", is_final=True)
        return await self.request_of(number)

    async def until_step(self, number, step, *statuses):
        """Wait until every item of a request's step, a mail for instance, has one of some statuses: done, if none."""

        def has(shown):
            found = [one["status"] for one in shown["steps"] if one["step"] == step]
            return found and set(found) <= set(statuses or ("done",))

        await self._until(number, has, f"step {step!r}")

    async def _until(self, number, holds, wanted, *, is_final=False):
        shown = {}
        try:
            async with asyncio.timeout(PATIENCE):
                while not holds(shown := await self.request_of(number)):
                    assert not (is_final and shown["final"]), f"{wanted}: {shown['stage']!r}"
                    await asyncio.sleep(0.02)
        except TimeoutError:
            steps = {f"{one['step']}.{one['item']}": one["status"] for one in shown.get("steps", ())}
            pytest.fail(f"{wanted}: {shown.get('stage')!r}, {steps}")

    async def decide(self, number, reason="", **over):
        """Accept, or refuse for a reason."""
        said = await self.post(f"/v1/requests/{number}/decision", json={"accept": not reason, "reason": reason, **over})
        assert said.status_code == 200, said.text
        return said.json()

    async def cancel(self, number):
        """Cancel a request."""
        return await self.post(f"/v1/requests/{number}/cancel", json={"reason": "Ne vient plus"})

    async def ask(self, query, data):
        """Ask a live question."""
        said = await self.post(f"/v1/queries/{query}", json={"data": data})
        assert said.status_code == 200, said.text
        return said.json()


class City:
    """The hub, its sandboxes by name, and its callers: a portal, an agent, an operator, and whoever has no key."""

    def __init__(self, opened, sandboxes, url):
        self.hub, self.sandboxes, self.url = opened, sandboxes, url
        self.portal = self.agent = self.operator = self.stranger = None
        self._keys = count(1)

    def __getattr__(self, name):
        try:
            return self.sandboxes[name]
        except KeyError:
            raise AttributeError(name) from None

    @staticmethod
    def sample(folder, name):
        """Read a sample of a kind, or of a query."""
        return json.loads((HOME / f"routes/{folder}/samples/{name}.json").read_text("utf-8"))

    async def submit(self, folder, sample, **data):
        """Submit a sample of a kind, some of its data changed, and give its number."""
        said = self.sample(folder, sample)
        said["data"] |= data
        said["external_reference"] = f"SC-{next(self._keys):06d}"
        key = {"Idempotency-Key": said["external_reference"]}
        answer = await self.portal.post("/v1/requests", json=said, headers=key)
        assert answer.status_code == 202, answer.text
        return answer.json()["number"]

    def letters(self, number):
        """Give the mails about a request: recipient, subject, text, and files by name."""
        numero = f"{number[:3]} {number[3:6]} {number[6:]}"
        written = (Letter(received) for received in self.courriel.mailbox)
        return [letter for letter in written if numero in letter.subject + letter.text]

    async def letter(self, number, step, subject):
        """Wait for a step that writes a mail, and give the only one with such a subject."""
        await self.portal.until_step(number, step)
        found = [letter for letter in self.letters(number) if subject in letter.subject]
        assert len(found) == 1, [letter.subject for letter in self.letters(number)]
        return found[0]

    def taken(self, name, number):
        """Count how often a target took each delivery of a request."""
        return {key: times for key, times in self.sandboxes[name].taken().items() if key.startswith(f"{number}-")}

    async def delivery(self, number, step):
        """Find a delivery of a request as the operator sees it."""
        states = ["queued", "waiting", "uncertain", "parked", "delivered", "cancelled", "finalized"]
        listed = await self.operator.get("/v1/operations/deliveries", params={"state": states, "limit": 100})
        return next(one for one in listed.json()["deliveries"] if (one["number"], one["step"]) == (number, step))


class Letter:
    """A mail that was taken."""

    def __init__(self, received):
        message = received.message
        self.to, self.subject = received.recipients, str(message["Subject"])
        self.text = message.get_body(("plain",)).get_content()
        self.files = {part.get_filename(): part.get_content() for part in message.iter_attachments()}


def own_wording(home):
    """Write this installation's own version of some routes."""
    for name, (said, instead) in IMPATIENT.items():
        folder = home / "routes" / name
        folder.mkdir(parents=True)
        for file in (HOME / "routes" / name).iterdir():
            if file.is_file():
                text = file.read_text("utf-8")
                (folder / file.name).write_text(text.replace(said, instead), "utf-8")
    return home


def settings_of(folder, sandboxes, url):
    """Say where everything is: the sandboxes, and for those that call the hub, its door."""
    said = sandboxes.settings()
    said["payfip"]["urlnotif"] = f"{url}/v1/targets/payfip"
    said["sig"]["emprise"] = TOWN
    aimed = aimed_at(Settings(), said)
    return aimed.model_copy(
        update={
            "database": f"sqlite:///{folder}/hub.db",
            "files": folder / "files",
            "secret_file": folder / "secret",
            "homes": (own_wording(folder / "home"),),
            "targets": {name: one.model_copy(update={"policy": BRISK}) for name, one in aimed.targets.items()},
            "front_ends": {**aimed.front_ends, "hubee": FrontEnd(callback="hubee")},
            "fetch_every": timedelta(milliseconds=200),
            "sweep_every": timedelta(milliseconds=100),
            "grace": timedelta(seconds=2),
        }
    )


@asynccontextmanager
async def at_its_door(opened, listener):
    """Answer on a port while the block lasts."""
    server = uvicorn.Server(uvicorn.Config(build_api(opened), log_config=None, access_log=False, lifespan="off"))
    serving = asyncio.create_task(server._serve([listener]))
    yield
    server.should_exit = True
    await serving


async def caller(opened, url, role, front_end):
    """Make a client with a new key."""
    plain, key = new_key(opened.secret, opened.ledger.book.now(), front_end=front_end, role=role)
    await opened.ledger.write(add_keys, key)
    return Caller(base_url=url, headers={"Authorization": f"Bearer {plain}"}, timeout=PATIENCE)


@asynccontextmanager
async def open_city(folder):
    """Open the sandboxes, the hub and its door."""
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        sandboxes = Sandboxes.find()
        await sandboxes.start()
        stack.push_async_callback(sandboxes.stop)
        sandboxes.running["regie_boutique"].urlnotif = f"{url}/v1/targets/regie_boutique"
        opened = await stack.enter_async_context(open_hub(settings_of(folder, sandboxes, url)))
        await stack.enter_async_context(at_its_door(opened, listener))
        city = City(opened, sandboxes.running, url)
        for name, role, front_end in (
            ("portal", Role.FRONT_END, FRONT_END),
            ("agent", Role.AGENT, "*"),
            ("operator", Role.OPERATOR, "*"),
        ):
            setattr(city, name, await stack.enter_async_context(await caller(opened, url, role, front_end)))
        city.stranger = await stack.enter_async_context(httpx.AsyncClient(base_url=url))
        yield city


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def whole_city(tmp_path_factory):
    """The city of all these tests: each has requests of its own in it."""
    async with open_city(tmp_path_factory.mktemp("city")) as city:
        yield city


@pytest_asyncio.fixture(loop_scope="session")
async def city(whole_city):
    """The city, all of whose systems work again afterwards."""
    yield whole_city
    for sandbox in whole_city.sandboxes.values():
        sandbox.mend()
