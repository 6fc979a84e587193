"""Targets that do what the contract does not foresee: each message says what is to go wrong with it, once."""

import asyncio

import orjson
from aiohttp import web

from connectors._transport.sandbox import MAINTENANCE
from connectors.rest.sandbox import Sandbox

ENDLESS = 1_000_000_000
PAGE = {"Content-Type": "text/html; charset=utf-8"}


async def reset(request):
    """Cut the line."""
    request.transport.abort()
    return web.Response()


async def half(request):
    """Cut the line in the middle of the answer."""
    answer = await begin(request, length=100)
    await answer.write(b'{"statut": ')
    return await reset(request)


async def drip(request):
    """Answer, one byte at a time, without end."""
    answer = await begin(request, length=ENDLESS)
    while True:
        await answer.write(b" ")
        await asyncio.sleep(0.02)


async def endless(request):
    """Answer a gigabyte."""
    answer = await begin(request, length=ENDLESS)
    for _ in range(ENDLESS // 65536):
        await answer.write(b" " * 65536)
    return answer


async def silence(_request):
    """Answer nothing."""
    await asyncio.sleep(60)
    return web.Response()


async def begin(request, length):
    """Begin an answer."""
    answer = web.StreamResponse(headers={"Content-Length": str(length), "Content-Type": "application/json"})
    await answer.prepare(request)
    return answer


def say(status, text="", **headers):
    """Make a play that always answers the same."""

    async def answer(_request):
        return web.Response(status=status, text=text, headers=headers)

    return answer


PLAYS = {
    "reset": reset,
    "silence": silence,
    "error 500": say(500),
    "error 502": say(502, "<h1>Bad Gateway</h1>"),
    "error 504": say(504),
    "page": say(200, MAINTENANCE, **PAGE),
    "empty": say(200),
    "half": half,
    "drip": drip,
    "endless": endless,
    "moved": say(307, Location="http://ailleurs.invalid/"),
}


class Scripted(Sandbox):
    """Plays what a message names, `<fault> before` or `<fault> after` it was taken, the first time it comes.

    What it takes it shows `lag` seconds later.
    """

    def __init__(self, lag=0.0):
        super().__init__()
        self.lag = lag
        self._played, self._shown = set(), {}

    async def _answer(self, request):
        if request.method == "GET":
            return await self._look(request)
        record = orjson.loads(await request.read())
        fault, _, when = record["objet"].lower().rpartition(" ")
        key = request.headers.get("Idempotency-Key") or record.get("reference_externe") or record["remarque"]
        first = key not in self._played
        self._played.add(key)
        if fault not in PLAYS or not first:
            return await self._take(key, request)
        if when == "after":
            await self._take(key, request)
        return await PLAYS[fault](request)

    async def _take(self, key, request):
        self._shown.setdefault(key, asyncio.get_running_loop().time() + self.lag)
        return await self.serve(request)

    async def _look(self, request):
        shown = self._shown.get(request.query["reference_externe"])
        if shown is None or asyncio.get_running_loop().time() < shown:
            return web.json_response({"dossiers": []})
        return await self.serve(request)

    def alter(self, key):
        """Let the target hold another content than was sent."""
        self._records[key]["objet"] = "autre chose"
