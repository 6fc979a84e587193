"""A town in simulated time: what decides is the hub's own code, what it meets is played.

Real: the engine, the ledger and its statements on a SQLite file, owners and their locks, the mapping, and the connector
`rest` down to where it would open a connection. Played: time, which nobody waits for; threads, whose work is done at
once; the target and the line to it (`tests.faults.played`); the death of a process. Power cuts are left out: no fsync.
"""

import asyncio
import contextvars
import json
import selectors
import sqlite3
import time
from contextlib import ExitStack, closing
from enum import StrEnum
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from unittest.mock import patch

from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from connectors.rest.client import Rest
from connectors.rest.sandbox import ANSWER, ERRORS, OPERATIONS
from connectors.rest.wire import Settings
from hub.book import Book, keep
from hub.catalogue import Catalogue, Definition
from hub.database import open_database, upgrade
from hub.engine import Engine
from hub.intake import Arrival
from hub.ledger import Ledger
from hub.lifecycle import State
from hub.manifest import ErrorTable
from hub.model import Effect
from hub.owner import FileOwner
from hub.policy import Policy
from hub.settlement import ROOM
from hub.target import LiveTarget
from hub.targets import Declared, declare

EPOCH = 1_790_000_000_000
"""The instant at which every simulation begins."""

VISIBLE_AFTER = 5.0
POLICY = Policy(deadline="10s", base="1s", cap="8s", breaker_threshold=3, breaker_cooldown="20s", concurrency=8)

CALLED = {
    Effect.SAFE: "consulter",
    Effect.IDEMPOTENT: "deposer",
    Effect.LOOKUP: "enregistrer",
    Effect.ONCE: "signaler",
}
SERVICES = {
    **OPERATIONS,
    "consulter": {"title": "Consulter", "effect": "safe", "path": "/consultations", **ANSWER},
    "enregistrer": {**OPERATIONS["enregistrer"], "visible_after": VISIBLE_AFTER},
}
SETTINGS = {"url": "http://cible.invalid", "unavailable": [503], "operations": SERVICES, "errors": ERRORS}


class Point(StrEnum):
    """Where a process may die, or be held up: what has just happened, or is about to."""

    SWEEPING = "S0"
    CLAIMED = "W1"
    INTENDED = "W2"
    HALF_WRITTEN = "W3"
    WRITTEN = "W4"
    ANSWERED = "W5"
    RECORDED = "W6"
    TO_ASK = "R0"
    TOLD = "R1"
    SETTLED = "R2"


UNDONE, UNHEARD = "undone", "unheard"
"""What may become of a commit when the line to the ledger is lost: nothing, or done without a word."""


class Skipping(selectors.SelectSelector):
    """Waits for nothing: the time until the next timer has passed at once."""

    now = 0.0

    def select(self, timeout=None):
        """Let the time pass; raises RuntimeError when there is no timer left."""
        if timeout is None:
            raise RuntimeError("nothing will ever happen any more")
        self.now += max(0.0, timeout)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop in simulated time, whose threads do their work at once."""

    def __init__(self):
        self._skipping = Skipping()
        super().__init__(self._skipping)
        self.set_task_factory(_belonging)

    def time(self):
        """Give the simulated seconds since the beginning."""
        return self._skipping.now

    def run_in_executor(self, _executor, work, *args):
        """Do the work here and now."""
        done = self.create_future()
        try:
            done.set_result(work(*args))
        except BaseException as error:  # noqa: BLE001  # told to whoever awaits it, as a thread's would be
            done.set_exception(error)
        return done


HERE: contextvars.ContextVar["Process"] = contextvars.ContextVar("HERE")
"""The process that a task belongs to."""


def _belonging(loop, work, **said):
    task = asyncio.Task(work, loop=loop, **said)
    process = HERE.get(None)
    if process is not None:
        process.tasks.add(task)
        task.add_done_callback(process.tasks.discard)
    return task


class Clocks:
    """The module `time` as simulated processes see it: every clock shows the loop's time."""

    CLOCK_BOOTTIME = time.CLOCK_BOOTTIME

    def __init__(self, loop):
        self.monotonic = self.perf_counter = loop.time

    def clock_gettime(self, _which):
        """Read a clock, in seconds."""
        return self.monotonic()


class Line:
    """The ledger as one process reaches it: held up or dying beside each commit, which the line to it may lose."""

    def __init__(self, ledger, process, fails):
        self._ledger, self._process, self._fails = ledger, process, fails
        self.book = ledger.book

    async def read(self, query, *args):
        """Look round, as the sweep does."""
        await self._process.pause(Point.SWEEPING)
        return await self._ledger.read(query, *args)

    async def write(self, operation, item):
        """Look closer, as the sweep does at what may be gone."""
        await self._process.pause(Point.SWEEPING)
        return await self._ledger.write(operation, item)

    async def claim(self, order):
        """Claim, and go on."""
        taken = await self._commit("claim", order)
        if any(claim.state is State.CLAIMED for claim in taken.claims):
            await self._process.pause(Point.CLAIMED)
        return taken

    async def intend(self, batch):
        """Commit intents, and go on."""
        ours = await self._commit("intend", batch)
        await self._process.pause(Point.INTENDED)
        return ours

    async def record(self, outcome):
        """Write down what came of a claim, and go on."""
        await self._process.pause(Point.TOLD if outcome.asked else Point.ANSWERED)
        recorded = await self._commit("record", outcome)
        await self._process.pause(Point.SETTLED if outcome.asked else Point.RECORDED)
        return recorded

    async def _commit(self, what, item):
        becomes = self._fails(what)
        if becomes == UNDONE:
            raise OperationalError("", None, OSError("the line was lost"))
        result = await getattr(self._ledger, what)(item)
        if becomes == UNHEARD:
            raise OperationalError("", None, OSError("the line was lost"))
        return result


class Process:
    """One process of the hub, on the ledger it is given, until it is killed.

    `pause` is awaited at each point it comes to; `fails` says what becomes of each commit (UNDONE, UNHEARD, or well).
    """

    def __init__(self, town, ledger, pause, fails):
        self.tasks, self._dead = set(), False
        self._town, self._pause = town, pause
        self.owner = FileOwner(town.file)
        line = Line(ledger, self, fails)
        self.engine = Engine(line, town.live, self.owner, NoFiles(), town.hear, sweep_every=town.sweep)
        context = contextvars.copy_context()
        context.run(HERE.set, self)
        context.run(asyncio.get_running_loop().create_task, self.engine.run())

    async def pause(self, point):
        """Come to a point, and go on unless one is dead."""
        if not self._dead:
            await self._pause(point)
        if self._dead:
            raise asyncio.CancelledError

    async def kill(self):
        """End it without a word: what it was about to do is never done."""
        self._dead = True
        self._town.target.doubts |= self._town.being_sent(self.owner.name)
        tasks = set(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.owner.close()


class NoFiles:
    """Requests without files."""

    async def files(self, _ids):
        return ()

    async def keep(self, _files, _request):
        return []


class Town:
    """What the processes of a simulation share: the ledger's file, the target, the time."""

    def __init__(self, folder, target, loop, *, sweep):
        self.file, self.target, self.sweep = Path(folder) / "hub.db", target, sweep
        self.file.write_bytes(new_ledger())
        self._loop = loop
        self._database = open_database(f"sqlite:///{self.file}")
        self._database.dispose()
        event.listen(self._database, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = 0"))
        rest = connected(target)
        self.live = {"cible": LiveTarget("cible", "rest", rest, POLICY, rest.operations, "Erreur")}
        self._book = Book(CATALOGUE, {}, {"cible": rest.operations}, self.now)
        self.ledger = self.reach_ledger()
        self.news = asyncio.Event()
        self._eye = sqlite3.connect(self.file, isolation_level=None)
        self._eye.row_factory = _row

    async def close(self):
        """Let go of the file."""
        await self.ledger.close()
        self._eye.close()

    def reach_ledger(self):
        """Reach the ledger as one more process, on a connection of its own."""
        return Ledger(self._database, self._book, "")

    def now(self):
        """Read the ledger's clock."""
        return EPOCH + round(self._loop.time() * 1000)

    def hear(self, _announced):
        """Take note that something was announced."""
        self.news.set()

    async def submit(self, effect):
        """Have one request accepted, and give its number."""
        number = await self.ledger.number()
        await self.ledger.accept(_arrival(number, KINDS[effect], self.now()))
        return number

    def rows(self, sql, **values):
        """Read the ledger, from outside of the hub."""
        return self._eye.execute(sql, values).fetchall()

    def delivery(self, number):
        """Give the one delivery of a request."""
        return self.rows("SELECT * FROM delivery WHERE id = :id", id=number * ROOM + 1)[0]

    def attempts(self, number):
        """List what was tried for a request, in order."""
        return self.rows("SELECT * FROM attempt WHERE delivery = :id ORDER BY id", id=number * ROOM + 1)

    def forget_failures(self):
        """Close the target's breaker."""
        self.rows("UPDATE target SET breaker = 'closed', fails = 0")

    def being_sent(self, owner):
        """List the requests that an owner is sending."""
        found = self.rows("SELECT request FROM delivery WHERE state = 'sending' AND owner = :owner", owner=owner)
        return {row.request for row in found}


def _row(cursor, values):
    return SimpleNamespace(**dict(zip((column[0] for column in cursor.description), values, strict=True)))


def connected(target):
    """Connect the real connector to the played target."""
    with patch("connectors.rest.client.HttpClient", lambda _settings: target):
        return Rest(Settings.model_validate(SETTINGS), ErrorTable())


def in_simulated_time(loop):
    """Let the hub's modules read the loop's time; to be used as a context."""
    patches = ExitStack()
    for module in ("hub.engine", "hub.connector"):
        patches.enter_context(patch(f"{module}.time", Clocks(loop)))
    patches.callback(loop.close)
    return patches


def _kind(effect):
    mapping = {
        "mapping": f"cible/{effect}",
        "from": [effect],
        "to": f"rest.{CALLED[effect]}",
        "fields": {"objet": "data.objet", "numero": "number"},
        "examples": [{"name": "nothing is nothing", "given": {}, "expect": {}}],
    }
    steps = [{"deliver": "cible", "using": f"cible/{effect}"}]
    said = {
        "route": json.dumps({"route": effect, "title": effect, "owner": "essais", "steps": steps}),
        "schema": json.dumps({"type": "object"}),
        "texts": "messages: {}",
        "mappings": {f"cible/{effect}": json.dumps(mapping)},
    }
    return Definition.compile(json.dumps(said))


KINDS = {str(effect): _kind(effect) for effect in Effect}
CATALOGUE = Catalogue({}, {}, KINDS, {})


@cache
def new_ledger():
    """Make the file of a ledger that knows its kinds and its target, and no request."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "new.db"
        database = open_database(f"sqlite:///{file}")
        upgrade(database)
        with database.begin() as connection:
            keep(Book(CATALOGUE), connection, [CATALOGUE])
            declare(connection, [Declared("cible", "rest", POLICY)])
        with closing(database.raw_connection()) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.dispose()
        return file.read_bytes()


def _arrival(number, kind, now):
    document = {"number": number, "data": {"objet": "certificat"}}
    return Arrival(
        number=number,
        front_end="portail",
        site="ville",
        kind=kind.kind,
        channel="internet",
        external_reference=None,
        idempotency_key=str(number),
        fingerprint="",
        version=kind.version,
        body=json.dumps(document),
        progress=kind.route.progress(document, (), {}),
        name_index="",
        email_index=None,
        phone_index=None,
        received_at=now,
    )
