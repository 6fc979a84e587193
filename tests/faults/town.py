"""An installation of the hub made of real processes, and what tests ask of it: its ledger, its target, its ends."""

import asyncio
import json
import re
import secrets
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from sqlalchemy import create_engine, text

from connectors.rest.sandbox import Sandbox
from hub.access import Principal, Role
from hub.app import open_hub
from hub.balance import balance
from hub.database import open_database, upgrade
from hub.locksmith import Wanted, make_keys
from hub.settings import Settings
from tests.engine.conftest import quick_target, write_home
from tests.faults.processes import Process

FRONT_END = "portail"
KINDS = ("idempotent", "lookup", "once")
ENDED = frozenset({"done", "refused", "finalized", "cancelled", "parked"})
QUICK = {"deadline": "1s", "base": "50ms", "cap": "200ms", "concurrency": 16, "breaker_threshold": 100_000}
CANARIES = ("Canarival", "299017512345678", "canari@exemple.fr", "FR7699999000010000000000199")
"""A name, a social security number, an address and an account that may appear in a ledger and nowhere else."""


@dataclass(frozen=True)
class Mode:
    """How a hub runs: on which ledger, what serves its API, and what its engine."""

    ledger: str
    door: tuple[str, ...]
    engine: tuple[str, ...]

    @property
    def whole(self):
        """Every verb it takes to serve."""
        return dict.fromkeys((self.door, self.engine))


MODES = {
    "sqlite": Mode("sqlite", ("up",), ("up",)),
    "postgresql": Mode("postgresql", ("api",), ("worker",)),
}

embedded = pytest.mark.parametrize("mode", ["sqlite"], indirect=True)
distributed = pytest.mark.parametrize("mode", ["postgresql"], indirect=True)


class Town:
    """One ledger, one target, and the processes that serve them."""

    def __init__(self, folder, target, database, broker=None):
        self.folder, self.target = folder, target
        self.env = {"HUB_DATABASE_URL": database} | ({"HUB_BROKER_URL": broker} if broker else {})
        self.settings = Settings.read(folder / "hub.yaml").model_copy(update={"database": database})
        migrate(database)
        self.engine = create_engine(database, pool_pre_ping=True)
        self.processes = []
        self.numbers = {}
        """Idempotency key → the number that its 202 gave."""
        self.key = make_keys(self.settings, Wanted(FRONT_END, Role.FRONT_END))[0]
        self.principal = Principal(prefix="0", front_end=FRONT_END, role=Role.FRONT_END)

    def behind(self, **lines):
        """Let the processes to come reach their `database` or their `broker` through a proxy."""
        for name, proxy in lines.items():
            variable = f"HUB_{name.upper()}_URL"
            self.env[variable] = re.sub(r":\d+/", f":{proxy.port}/", self.env[variable])

    def process(self, *arguments, **faults):
        """Make a process of this town, not yet started; `faults` are the victim's."""
        config = ("--config", str(self.folder / "hub.yaml"))
        port = ("--port", "0")
        process = Process((*arguments, *config, *port), self.folder / "hub.log", env=self.env, **faults)
        self.processes.append(process)
        return process

    async def start(self, *arguments, **faults):
        """Start a process of this town."""
        return await self.process(*arguments, **faults).start()

    async def serve(self, mode):
        """Start whatever serves this town; gives the door."""
        return (await asyncio.gather(*(self.start(*verb) for verb in mode.whole)))[0]

    async def seed(self, *kinds, **over):
        """Accept one request of each of these kinds beside whoever serves; gives their numbers."""
        async with open_hub(self.settings, serve=False) as hub:
            accepted = [
                await hub.inbox.submit(self.principal, secrets.token_hex(8), submission(kind, **over)) for kind in kinds
            ]
        numbers = [one.number for one in accepted]
        self.numbers |= {f"seed-{number}": number for number in numbers}
        return numbers

    async def leave_in_doubt(self):
        """Send two requests whose answers are lost: one that the target took, one that it did not."""
        numbers = []
        async with open_hub(self.settings) as hub:
            for fault in ("cut_after_commit", "cut_before"):
                self.target.break_with(fault)
                accepted = await hub.inbox.submit(self.principal, fault, submission("lookup"))
                numbers.append(self.numbers.setdefault(fault, accepted.number))
                await self.until(lambda: self.states(numbers) == ("uncertain",) * len(numbers))
        return numbers

    async def post(self, client, url, key, kind="idempotent", **over):
        """Submit a request once."""
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": key}
        return await client.post(f"{url}/v1/requests", json=submission(kind, **over), headers=headers)

    async def submit(self, client, url, key, kind="idempotent", **over):
        """Submit as a front end does: the same key again and again until it is told something for good."""
        while True:
            try:
                answer = await self.post(client, url(), key, kind, **over)
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code == 503:
                check_refusal(answer)
                await asyncio.sleep(0.05)
                continue
            assert answer.status_code == 202, answer.text
            number = int(answer.json()["number"])
            assert self.numbers.setdefault(key, number) == number
            return number

    def rows(self, sql, **values):
        """Read the ledger."""
        with self.engine.connect() as connection:
            return connection.execute(text(sql), values).all()

    def change(self, sql, **values):
        """Change the ledger behind the hub's back."""
        with self.engine.begin() as connection:
            connection.execute(text(sql), values)

    def states(self, numbers):
        """Give the state of the first delivery of each of these requests."""
        state = {row.request: row.state for row in self.rows("SELECT request, state FROM delivery WHERE ordinal = 1")}
        return tuple(state[number] for number in numbers)

    async def until(self, condition, seconds=60):
        """Wait for something to become true, or fail."""
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.02)

    async def settle(self, seconds=60):
        """Wait until every request has ended, or waits for a person."""
        await self.until(lambda: not self.rows(OPEN), seconds)

    def check(self):
        """Hold the ledger, the target and the logs to the invariants I1 to I4; gives the requests by kind and status.

        I6, the chain of the audit, does not exist here.
        """
        found = self.rows(ENDS)
        taken = self.target.taken()
        assert set(self.numbers.values()) <= {row.number for row in found}, "I1: accepted and lost"
        assert {row.status for row in found} <= ENDED, "I1: without an end"
        assert {key: times for key, times in taken.items() if times > 1} == {}, "I2: taken twice"
        absent = [row.number for row in found if row.state == "delivered" and taken[f"{row.number}-1"] != 1]
        assert absent == [], "I3: delivered, and not there"
        self.check_logs()
        with self.engine.connect() as connection:
            assert [kind.kind for kind in balance(connection) if kind.imbalance] == [], "the balance"
        return Counter((row.kind, row.status) for row in found)

    def check_logs(self):
        """Look for what belongs in no log (I4)."""
        printed = "".join(log.read_text("utf-8", "replace") for log in self.folder.glob("*.log"))
        assert [canary for canary in CANARIES if canary in printed] == [], "I4: personal data in a log"

    async def close(self):
        """Kill what still runs."""
        for process in self.processes:
            await process.kill()
        self.engine.dispose()


OPEN = f"SELECT 1 FROM request WHERE status NOT IN ({', '.join(map(repr, sorted(ENDED)))}) LIMIT 1"  # noqa: S608
ENDS = (
    "SELECT r.number, r.kind, r.status, d.state, d.ever_uncertain "
    "FROM request r JOIN delivery d ON d.request = r.number ORDER BY r.number"
)


def migrate(database):
    """Make the tables of a new ledger."""
    engine = open_database(database)
    upgrade(engine)
    engine.dispose()


def submission(kind, objet="certificat", **over):
    """Make a submission full of canaries."""
    name, nir, email, account = CANARIES
    return {
        "kind": kind,
        "applicant": {"identity": {"family_name": name, "given_name": "Léa"}, "contact": {"email": email}},
        "data": {"objet": objet, "nir": nir, "iban": account},
        **over,
    }


def check_refusal(answer):
    """Hold an answer to what a hub without its ledger says: a problem, when to come again, nothing of the citizen."""
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert [canary for canary in CANARIES if canary in answer.text] == []


def write_settings(folder, target, *, visible_after="100ms", sweep_every="100ms", seen=None, **policy):
    """Write the settings of a town whose target is `target`, reached as `seen` says rather than directly."""
    configured = quick_target(target)
    operations = {name: dict(said) for name, said in configured["operations"].items()}
    operations["enregistrer"]["visible_after"] = visible_after
    configured |= {"operations": operations, **(seen or {})}
    said = {
        "homes": ["."],
        "sweep_every": sweep_every,
        "grace": "2s",
        "targets": {"cible": {"connector": "rest", "settings": configured, "policy": QUICK | policy}},
    }
    (folder / "hub.yaml").write_text(json.dumps(said))


@asynccontextmanager
async def open_town(folder, database=None, broker=None, *, target=None, **said):
    """Open a town in a folder of its own: a SQLite file unless a database's URL is given."""
    folder.mkdir(parents=True, exist_ok=True)
    write_home(folder)
    own = target is None
    target = target or Sandbox()
    if own:
        await target.start()
    write_settings(folder, target, **said)
    town = Town(folder, target, database or f"sqlite:///{folder}/hub.db", broker)
    try:
        yield town
    finally:
        await town.close()
        if own:
            await target.stop()
