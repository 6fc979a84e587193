"""Every exchange of the guide for front ends is made again, in order, and its programs read what the hub then says."""

import asyncio
import base64
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import orjson
import pytest
from aiohttp import web

from connectors.gru.wire import read_secret, sign
from hub.access import Role
from hub.api import build_api
from hub.app import open_hub
from hub.locksmith import Wanted, make_keys
from hub.sandboxes import Sandboxes, aimed_at
from hub.settings import HOME, Settings

PATIENCE = 15.0
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
VOLATILE = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z")
ID = re.compile(r"[0-9a-f]{32}")


@dataclass
class FrontEnd:
    """A portal that listens, and keeps what it hears as it came."""

    heard: list = field(default_factory=list)

    @asynccontextmanager
    async def listening(self):
        application = web.Application()
        application.router.add_post("/rappels", self._hear)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/rappels"
        await runner.cleanup()

    async def _hear(self, request):
        self.heard.append((dict(request.headers), await request.read()))
        return web.Response(status=204)


@asynccontextmanager
async def portal_of(folder):
    """Serve a hub with every sandbox; give a client with a portal's key, and what the portal hears."""
    sandboxes, portal = Sandboxes.find(), FrontEnd()
    await sandboxes.start()
    async with portal.listening() as url:
        places = {"database": f"sqlite:///{folder}/hub.db", "files": folder / "files", "secret_file": folder / "secret"}
        reached = sandboxes.settings() | {"gru": {"url": url, "secrets": [SECRET]}}
        settings = aimed_at(Settings.model_validate(places), reached)
        [key] = make_keys(settings, Wanted("portail", Role.FRONT_END))
        async with open_hub(settings) as hub:
            transport = httpx.ASGITransport(build_api(hub), raise_app_exceptions=False)
            headers = {"Authorization": f"Bearer {key}"}
            async with httpx.AsyncClient(transport=transport, base_url="http://hub", headers=headers) as client:
                yield client, portal
    await sandboxes.stop()


@dataclass
class Replay:
    """The exchanges of a document, made again; ids that were drawn then stand for those drawn now."""

    client: httpx.AsyncClient
    drawn: dict = field(default_factory=dict)
    last: str = ""

    async def exchange(self, asked, shown):
        """Ask again, and hold the answer to the one shown; what a request leads to is awaited."""
        self.last = asked or self.last
        status, headers, expected = read_answer(shown)
        async with asyncio.timeout(PATIENCE):
            while True:
                answer = await self._ask(self.last)
                missing = list(self._missing(expected, answer.json()))
                if not missing or not self.last.startswith("GET"):
                    break
                await asyncio.sleep(0.02)
        assert answer.status_code == status, answer.text
        assert missing == []
        for name, value in headers.items():
            assert list(self._missing(value, answer.headers.get(name))) == []

    async def _ask(self, text):
        head, _, body = text.partition("\n\n")
        first, *lines = head.splitlines()
        headers = {"content-type": "application/json"} | {
            name.lower(): value for name, value in (line.split(": ", 1) for line in lines)
        }
        headers.pop("authorization", None)
        method, path = first.split()[:2]
        if body.startswith("@"):
            body = (HOME / body[1:].strip()).read_text("utf-8")
        return await self.client.request(method, path, content=body.rstrip("\n").encode(), headers=headers)

    def _missing(self, shown, now, place=""):
        """Tell where what was shown is not what is: members left out of a document do not matter."""
        match shown, now:
            case dict(), dict():
                for name, value in shown.items():
                    yield from self._missing(value, now.get(name, KeyError), f"{place}/{name}")
            case list(), list() if len(shown) == len(now):
                for index, pair in enumerate(zip(shown, now, strict=True)):
                    yield from self._missing(*pair, f"{place}/{index}")
            case str(), str() if VOLATILE.fullmatch(shown) and VOLATILE.fullmatch(now):
                return
            case str(), str() if ID.search(shown) and ID.search(now):
                drawn = self.drawn.setdefault(ID.search(shown)[0], ID.search(now)[0])
                if shown.replace(ID.search(shown)[0], drawn) != now:
                    yield f"{place}: {shown} is {now}"
            case _ if shown != now:
                yield f"{place}: {shown} is {now}"


def read_answer(text):
    """Cut a shown answer into its status, its headers and its JSON."""
    head, _, body = text.partition("\n\n")
    first, *lines = head.splitlines()
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), json.loads(body)


async def test_every_exchange_of_the_guide_for_front_ends_is_what_the_hub_says(document, tmp_path):
    async with portal_of(tmp_path) as (client, portal):
        replay, asked = Replay(client), ""
        for block in document("docs/front-ends.md").blocks("http"):
            if block.label == "request":
                asked = block.text
            else:
                await replay.exchange("" if block.label == "again" else asked, block.text)
        await check_callbacks(document("docs/call-backs.md"), portal)


async def check_callbacks(document, portal):
    """Hold what the portal heard to what the guide shows, and read it by the guide's own programs."""
    head, _, body = document.block("callback").partition("\n\n")
    shown = dict(line.split(": ", 1) for line in head.splitlines()[1:])
    async with asyncio.timeout(PATIENCE):
        while not (heard := [one for one in portal.heard if one[0]["webhook-id"] == shown["webhook-id"]]):
            await asyncio.sleep(0.02)
    [(headers, content)] = heard
    assert shown.keys() <= headers.keys()
    said, now = json.loads(body), json.loads(content)
    assert SECRET in document.text
    moment = int(shown["webhook-timestamp"])
    assert shown["webhook-signature"] == sign(read_secret(SECRET), shown["webhook-id"], moment, orjson.dumps(said))
    assert list(said) == list(now)
    assert list(Replay(None)._missing(said, now)) == []
    for program in document.files().values():
        check_program(program, headers, content, now)


def check_program(program, headers, content, said):
    """A program of the guide reads a genuine call-back, and none that was touched or is old."""
    names = {}
    exec(program, names)  # noqa: S102  # the document's own program
    read = names["read_callback"]
    assert read(SECRET, headers, content) == said
    old = {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 3600)}
    for wrong in ((SECRET, headers, content + b" "), (SECRET, old, content)):
        with pytest.raises(Exception, match=r"\S"):
            read(*wrong)
