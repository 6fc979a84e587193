"""Targets that do what the contract does not foresee: each message says what is to go wrong with it, once."""

import asyncio
from contextlib import suppress

import orjson
from aiohttp import web

from connectors._transport.sandbox import MAINTENANCE
from connectors.rest.sandbox import REFUSAL, Sandbox

ENDLESS = 1_000_000_000
REFUSED = orjson.dumps(REFUSAL).decode()
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
    with suppress(ConnectionError):
        while True:
            await answer.write(b" ")
            await asyncio.sleep(0.02)
    return answer


async def endless(request):
    """Answer a gigabyte."""
    answer = await begin(request, length=ENDLESS)
    with suppress(ConnectionError):
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
    with suppress(ConnectionError):
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


REFUSALS = {
    "unavailable": say(503, Retry_After="1"),
    "too many": say(429, Retry_After="1"),
}
"""What a target says before it reads anything."""

WHENS = ("before", "after", "later")
"""When the message is taken: not at all, before the fault, or LATER seconds after it, with nobody there to hear."""

LATER = 0.4


class Scripted(Sandbox):
    """Plays what a message names, `<fault> <when>`, the first time it comes; what it takes it shows `lag` later."""

    def __init__(self, lag=0.0):
        super().__init__()
        self.lag = lag
        self._played, self._shown, self._late = set(), {}, set()

    def script(self, record, key):
        """Say what goes wrong with a message, and when it is taken; None when all is well."""
        fault, _, when = record["objet"].lower().rpartition(" ")
        if fault not in PLAYS or key in self._played:
            return None
        self._played.add(key)
        return PLAYS[fault], when

    def question(self):
        """Say what goes wrong with a question; None when all is well."""

    async def _answer(self, request):
        if request.method == "GET":
            return await self._look(request)
        try:
            record = orjson.loads(await request.read())
        except ConnectionError:
            return web.Response()
        key = request.headers.get("Idempotency-Key") or record.get("reference_externe") or record["remarque"]
        if self.latency:
            await asyncio.sleep(self.latency)
        script = self.script(record, key)
        if script is None:
            return await self._take(key, request)
        play, when = script
        if when == "after":
            await self._take(key, request)
        if when == "later":
            self._late.add(asyncio.create_task(self._take(key, request, LATER)))
        return await play(request)

    async def _take(self, key, request, wait=0.0):
        await asyncio.sleep(wait)
        self._shown.setdefault(key, asyncio.get_running_loop().time() + self.lag)
        return await self.serve(request)

    async def _look(self, request):
        if play := self.question():
            return await play(request)
        shown = self._shown.get(request.query["reference_externe"])
        if shown is None or asyncio.get_running_loop().time() < shown:
            return web.json_response({"dossiers": []})
        return await self.serve(request)

    def alter(self, key):
        """Let the target hold another content than was sent."""
        self._records[key]["objet"] = "autre chose"


class Refusing(Scripted):
    """Refuses what it is sent a second time, whatever became of the first."""

    def script(self, record, key):
        """Play the message's script, then refuse."""
        known = key in self._played
        return (say(422, REFUSED), "before") if known else super().script(record, key)


class Moody(Scripted):
    """Does something wrong with a share of what it is sent, and of what it is asked, as the dice say."""

    def __init__(self, dice, share):
        super().__init__(lag=0.05)
        self._dice, self.share = dice, share

    def script(self, _record, _key):
        """Throw the dice."""
        if self._dice.random() >= self.share:
            return None
        plays = [*(play for name, play in PLAYS.items() if name != "endless"), *REFUSALS.values()]
        play = self._dice.choice(plays)
        return play, "before" if play in REFUSALS.values() else self._dice.choice(WHENS)

    def question(self):
        """Throw the dice."""
        return self._dice.choice([reset, silence, say(500), say(200)]) if self._dice.random() < self.share else None
