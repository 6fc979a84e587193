"""Kill -9 of the hub in mid-load: every 202 ends, nothing is doubled, what cannot be asked waits for a person."""

import asyncio
import json
import random
import signal
import sys
from collections import Counter

import httpx
import pytest

from connectors.rest.sandbox import Sandbox
from hub.access import Role
from hub.database import open_database
from hub.locksmith import Wanted, make_keys
from hub.settings import Settings
from hub.throwaway import free_port

KINDS = ("idempotent", "lookup", "once")
REQUESTS, KILLS, CONNECTIONS = 300, 4, 8
POLICY = {"deadline": "1s", "base": "50ms", "cap": "200ms", "concurrency": 16, "breaker_threshold": 100_000}


class Hub:
    """A hub in a process of its own, that can be killed and started again on the same ledger and port."""

    def __init__(self, folder, settings):
        self.folder, self.settings = folder, settings
        self.url, self._process = "", None

    async def start(self):
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "hub",
            "up",
            "--config",
            str(self.folder / "hub.yaml"),
            "--json",
            stdout=asyncio.subprocess.PIPE,
            stderr=(self.folder / "hub.log").open("ab"),
        )
        self.url = json.loads(await asyncio.wait_for(self._process.stdout.readline(), 60))["url"]

    async def kill(self):
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    def count(self, sql):
        engine = open_database(self.settings.database)
        with engine.connect().execution_options(sqlite_begin="DEFERRED") as connection:
            rows = connection.exec_driver_sql(sql).all()
        engine.dispose()
        return rows


@pytest.fixture
async def target():
    sandbox = Sandbox()
    await sandbox.start()
    sandbox.latency = 0.02
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def hub(tmp_path, target, home):
    operations = {name: dict(said) for name, said in target.settings()["operations"].items()}
    operations["enregistrer"]["visible_after"] = "100ms"
    said = {
        "homes": ["."],
        "port": free_port(),
        "sweep_every": "100ms",
        "targets": {
            "cible": {
                "connector": "rest",
                "settings": {**target.settings(), "operations": operations},
                "policy": POLICY,
            }
        },
    }
    (tmp_path / "hub.yaml").write_text(json.dumps(said))
    settings = Settings.read(tmp_path / "hub.yaml")
    running = Hub(tmp_path, settings)
    running.key = make_keys(settings, Wanted("portail", Role.FRONT_END))[0]
    await running.start()
    yield running
    await running.kill()


async def submit(hub, client, index):
    """Submit one request as a front end does: the same key until a 202 comes."""
    raw = {
        "kind": KINDS[index % len(KINDS)],
        "external_reference": f"ref-{index}",
        "applicant": {"identity": {"family_name": "Lefèvre", "given_name": "Léa"}},
        "data": {"objet": f"certificat {index}"},
    }
    headers = {"Authorization": f"Bearer {hub.key}", "Idempotency-Key": f"key-{index}"}
    while True:
        try:
            answer = await client.post(f"{hub.url}/v1/requests", json=raw, headers=headers)
        except httpx.TransportError:
            await asyncio.sleep(0.05)
            continue
        assert answer.status_code == 202, answer.text
        return int(answer.json()["number"])


async def test_every_accepted_request_ends_and_none_is_doubled(hub, target):
    dice = random.Random(20260924)
    left = iter(range(REQUESTS))
    numbers = []

    async def front_end(client):
        for index in left:
            numbers.append(await submit(hub, client, index))

    async def killer():
        for kill in range(KILLS):
            while len(numbers) < (kill + 1) * REQUESTS // (KILLS + 1):
                await asyncio.sleep(0.01)
            await asyncio.sleep(dice.uniform(0, 0.1))
            await hub.kill()
            await hub.start()

    async with httpx.AsyncClient(timeout=5) as client:
        await asyncio.gather(killer(), *(front_end(client) for _ in range(CONNECTIONS)))
    async with asyncio.timeout(60):
        while hub.count("SELECT 1 FROM request WHERE status NOT IN ('done', 'parked') LIMIT 1"):
            await asyncio.sleep(0.1)

    states = hub.count(
        "SELECT r.number, r.kind, r.status, d.ever_uncertain FROM request r JOIN delivery d ON d.request = r.number"
    )
    taken = target.taken()
    assert {row.number for row in states} == set(numbers)
    assert len(set(numbers)) == REQUESTS
    assert [key for key, times in taken.items() if times > 1] == []
    assert all(taken[f"{row.number}-1"] == 1 for row in states if row.status == "done")
    parked = Counter(row.kind for row in states if row.status == "parked")
    assert set(parked) <= {"once"}
    assert all(row.ever_uncertain for row in states if row.status == "parked")
