"""A target that is played: it stands where the connector `rest` would open a connection, and fails as it is told to."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import aiohttp
import orjson

from connectors._transport.http import Answer, meaning_of
from hub.model import Effect
from tests.faults.simulation import HERE, VISIBLE_AFTER, Point

WELL = "well"
JSON = {"content-type": "application/json"}
RESET, TIMEOUT = aiohttp.ServerDisconnectedError(), aiohttp.ServerTimeoutError()
NO_CONNECTION = aiohttp.ClientConnectorError(None, OSError())


class Fate(NamedTuple):
    """What becomes of a message: whether the target takes it, and what the hub hears."""

    taken: bool
    heard: Answer | Exception
    written: bool = True


SURELY_NOT = {
    "no connection": Fate(taken=False, heard=NO_CONNECTION, written=False),
    "busy": Fate(taken=False, heard=Answer(429, {"retry-after": "7"}, b"")),
    "unavailable": Fate(taken=False, heard=Answer(503, {}, b"")),
}
LOST = {
    "reset before": Fate(taken=False, heard=RESET),
    "reset after": Fate(taken=True, heard=RESET),
    "timeout before": Fate(taken=False, heard=TIMEOUT),
    "timeout after": Fate(taken=True, heard=TIMEOUT),
    "500 before": Fate(taken=False, heard=Answer(500, {}, b"")),
    "502 after": Fate(taken=True, heard=Answer(502, {}, b"")),
    "page before": Fate(taken=False, heard=Answer(200, {"content-type": "text/html"}, b"<html>")),
    "empty after": Fate(taken=True, heard=Answer(200, JSON, b"")),
    "late": Fate(taken=True, heard=TIMEOUT),
    "different": Fate(taken=True, heard=RESET),
}
"""What leaves a doubt: `late` is shown as late as the target may, `different` is taken with another content."""

SENDING = {
    WELL: Fate(taken=True, heard=Answer(201, JSON, b'{"statut": "ok", "numero": "BO-1"}')),
    "refused": Fate(taken=False, heard=Answer(422, JSON, b'{"statut": "ko", "erreur": "OBJET_INCONNU"}')),
    "exists": Fate(taken=True, heard=Answer(409, JSON, b"{}")),
    **SURELY_NOT,
    **LOST,
}
ASKING = {
    "no connection": NO_CONNECTION,
    "busy": Answer(429, {"retry-after": "7"}, b""),
    "timeout": TIMEOUT,
    "500": Answer(500, {}, b""),
    "empty": Answer(200, JSON, b""),
}
BEHIND = "behind"
"""A question that comes to a replica which does not know yet what the target has."""

ONLY_ASKED = frozenset({"exists", "late", "different"})
"""What only a target that can be asked is made to do."""


def wrong_sends(effect):
    """List what may go wrong with a message."""
    return [name for name in SENDING if name != WELL and (effect == Effect.LOOKUP or name not in ONLY_ASKED)]


WRONG_ASKS = [BEHIND, *ASKING]


@dataclass
class Record:
    """What the target keeps of one message."""

    key: str
    number: int
    objet: str
    shown_at: float


class Target:
    """Keeps what it is sent, twice if it is sent twice; only for the header Idempotency-Key does it know a key again.

    `fortune.send` and `fortune.ask` say what becomes of the next message or question about a request. `doubts` are
    the requests it may have without the hub knowing; `blind`, those it was sent all the same though nobody can ask.
    """

    def __init__(self, fortune):
        self._fortune = fortune
        self.records: list[Record] = []
        self.doubts: set[int] = set()
        self.blind: list[int] = []

    @property
    def taken(self):
        """Count how often each request was taken."""
        return Counter(record.number for record in self.records)

    async def call(self, method, path, *, exchange, deadline, content=b"", headers=None):  # noqa: PLR0913  # as it is there
        """Stand in for `HttpClient.call`."""
        exchange.wrote(content)
        if method == "GET":
            return await self._asked(path.partition("=")[2], deadline)
        said = orjson.loads(content)
        if path == "/signalements" and said["numero"] in self.doubts:
            self.blind.append(said["numero"])
        return await self._sent(said, said.get("reference_externe") or said.get("remarque"), headers, deadline)

    async def _sent(self, said, key, headers, deadline):
        name = self._fortune.send(said["numero"])
        fate = SENDING[name]
        if fate.written:
            await HERE.get().pause(Point.HALF_WRITTEN)
        if name in LOST:
            self.doubts.add(said["numero"])
        if fate.taken:
            self._take(key or headers.get("Idempotency-Key"), said, name, deadline)
        if fate.written:
            await HERE.get().pause(Point.WRITTEN)
        return await _heard(fate.heard, deadline)

    def _take(self, key, said, name, deadline):
        if key is None or ("remarque" not in said and "reference_externe" not in said and self._of(key)):
            return
        now = asyncio.get_running_loop().time()
        shown_at = now + deadline.left + VISIBLE_AFTER - 0.001 if name == "late" else now
        self.records.append(Record(key, said["numero"], "autre" if name == "different" else said["objet"], shown_at))

    def _of(self, key):
        return [record for record in self.records if record.key == key]

    async def _asked(self, key, deadline):
        await HERE.get().pause(Point.TO_ASK)
        name = self._fortune.ask(int(key.partition("-")[0]))
        now = asyncio.get_running_loop().time()
        found = [] if name == BEHIND else [record for record in self._of(key) if record.shown_at <= now]
        shown = [{"reference_externe": key, "numero": "BO-1", "objet": record.objet} for record in found]
        return await _heard(ASKING.get(name, Answer(200, JSON, orjson.dumps({"dossiers": shown}))), deadline)


async def _heard(heard, deadline):
    """Answer in a blink, let the deadline pass, or break, in the words of the transport."""
    await asyncio.sleep(deadline.left if heard is TIMEOUT else 0.05)
    if isinstance(heard, Exception):
        raise meaning_of(heard)
    return heard
