"""Everything at once: processes, servers, lines and the target fail at random; nothing is lost, nothing is doubled.

The same seed throws the same dice: `HUB_CHAOS_SEED=20260924 pytest tests/faults/test_chaos.py` replays a failure.
"""

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from datetime import UTC, datetime

import httpx
import pytest

from tests.faults.proxy import Mode
from tests.faults.targets import Moody
from tests.faults.test_broker import deliveries_of, empty, hint
from tests.faults.town import CANARIES, KINDS, distributed

SEED = 20260924
SEEDS = (
    [int(os.environ["HUB_CHAOS_SEED"])]
    if "HUB_CHAOS_SEED" in os.environ
    else [SEED, int(datetime.now(UTC).strftime("%Y%m%d"))]
)
SECONDS = 45
FRONT_ENDS = 6
WORKERS = 2
SHARE = 0.35
"""The part of the target's calls that goes wrong."""

BREATH = 0.05
"""Seconds between two submissions of a front end."""

BROKEN = (Mode.BLACKHOLE, Mode.RESET, Mode.SLOW, Mode.REFUSE)


class Kept:
    """A process that is started again whenever it ends, as a service manager does."""

    def __init__(self, town, verb):
        self._town, self._verb = town, verb
        self.process, self.up = None, asyncio.Event()

    async def keep(self):
        """Keep it running until cancelled."""
        while True:
            process = self._town.process(*self._verb)
            try:
                await process.start()
            except ChildProcessError:
                await asyncio.sleep(0.2)
                continue
            self.process = process
            self.up.set()
            await process.ended(None)
            self.up.clear()


class Chaos:
    """A town with everything around it, and what may happen to each part."""

    def __init__(self, town, dice, servers, lines):
        self.town, self._dice, self._lines = town, dice, lines
        self.broker_line = lines[1]
        self.server, self.broker = servers
        self.door = Kept(town, ("api",))
        self.workers = [Kept(town, ("worker",)) for _ in range(WORKERS)]
        self.happened = Counter()
        self.deeds = {
            self.kill_a_worker: 4,
            self.freeze_a_worker: 3,
            self.kill_the_door: 2,
            self.kill_the_database: 1,
            self.kill_the_broker: 1,
            self.break_a_line: 6,
            self.repeat_hints: 1,
            self.lose_hints: 1,
        }

    @property
    def kept(self):
        """Every process of the hub."""
        return [self.door, *self.workers]

    async def rage(self, until):
        """Do one thing after another."""
        while asyncio.get_running_loop().time() < until:
            [deed] = self._dice.choices([*self.deeds], [*self.deeds.values()])
            self.happened[deed.__name__] += 1
            await deed()
            await asyncio.sleep(self._dice.uniform(0.1, 0.8))

    async def kill_a_worker(self):
        """Kill -9."""
        await self._kill(self._dice.choice(self.workers))

    async def kill_the_door(self):
        """Kill -9."""
        await self._kill(self.door)

    async def freeze_a_worker(self):
        """SIGSTOP, and SIGCONT: shorter or longer than an intent stays fresh."""
        worker = self._dice.choice(self.workers)
        await worker.up.wait()
        process = worker.process
        process.send(signal.SIGSTOP)
        await asyncio.sleep(self._dice.uniform(0.2, 3.0))
        process.send(signal.SIGCONT)

    async def kill_the_database(self):
        """Kill every process of PostgreSQL, and start it again."""
        await self.server.kill()
        await asyncio.sleep(self._dice.uniform(0, 1))
        await self.server.start()

    async def kill_the_broker(self):
        """Kill RabbitMQ, and start it again."""
        await self.broker.kill()
        await self.broker.start()

    async def break_a_line(self):
        """Break the line to the database, to the broker or to the target for a while."""
        line, mode = self._dice.choice(self._lines), self._dice.choice(BROKEN)
        await line.turn(mode)
        await asyncio.sleep(self._dice.uniform(0.2, 2.0))
        await line.turn(Mode.OK)

    async def repeat_hints(self):
        """Say again that everything is due."""
        await asyncio.to_thread(hint, self.broker, deliveries_of(self.town)[-50:], 10)

    async def lose_hints(self):
        """Purge the queue."""
        await asyncio.to_thread(empty, self.broker)

    async def _kill(self, kept):
        await kept.up.wait()
        kept.process.send(signal.SIGKILL)


async def submit_until(chaos, name, until):
    """Submit one request after another, as a front end that repeats itself until it has its 202."""
    async with httpx.AsyncClient(timeout=5) as client:
        index = 0
        while asyncio.get_running_loop().time() < until:
            kind = KINDS[index % len(KINDS)]
            await chaos.door.up.wait()
            await chaos.town.submit(client, lambda: chaos.door.process.url, f"{name}-{index}", kind)
            index += 1
            await asyncio.sleep(BREATH)


@pytest.fixture
async def chaos(request, new_town, server, broker, new_line):
    """A town on whose every line there is a proxy, before a target of a bad mood."""
    dice = random.Random(request.param)
    target = Moody(dice, SHARE)
    await target.start()
    lines = [await new_line(server.port), await new_line(broker.port), await new_line(httpx.URL(target.url).port)]
    town = await new_town(target=target, seen={"url": f"http://127.0.0.1:{lines[2].port}"})
    town.behind(database=lines[0], broker=lines[1])
    chaos = Chaos(town, dice, (server, broker), lines)
    keeping = [asyncio.create_task(kept.keep()) for kept in chaos.kept]
    await asyncio.gather(*(kept.up.wait() for kept in chaos.kept))
    yield chaos
    for task in keeping:
        task.cancel()
    await target.stop()


@distributed
@pytest.mark.parametrize("chaos", SEEDS, indirect=True)
async def test_nothing_is_lost_or_doubled_whatever_dies_and_in_whatever_order(chaos):
    """Rows 1 to 16 at once; I1 to I5."""
    town = chaos.town
    until = asyncio.get_running_loop().time() + SECONDS
    front_ends = (submit_until(chaos, f"front-end-{index}", until) for index in range(FRONT_ENDS))
    await asyncio.gather(chaos.rage(until), *front_ends)
    town.target.share = 0.0
    await asyncio.gather(*(kept.up.wait() for kept in chaos.kept))
    await town.settle(120)
    ends = town.check()
    attempts = Counter(row.outcome for row in town.rows("SELECT outcome FROM attempt"))
    said = {"happened": chaos.happened, "accepted": len(town.numbers), "ends": ends, "attempts": attempts}
    sys.stdout.write("\n".join(f"{name} {count}" for name, count in said.items()))
    assert {kind for kind, status in ends if status != "done"} <= {"once"}
    assert all(row.ever_uncertain for row in town.rows("SELECT * FROM delivery WHERE state = 'parked'"))
    assert sum(ends.values()) == len(town.numbers)
    await hold_to_its_word(chaos)


async def hold_to_its_word(chaos):
    """Hold every process to I5: well again, it says so; and to I4: it publishes nobody's data."""
    async with httpx.AsyncClient(timeout=30) as client:
        for kept in chaos.kept:
            answer = await client.get(f"{kept.process.url}/health/ready")
            assert answer.status_code == 200, answer.text
            metrics = (await client.get(f"{kept.process.url}/metrics")).text
            assert "hub_ledger_imbalance 0.0" in metrics
            assert [canary for canary in CANARIES if canary in metrics] == []
    heard = bytes(chaos.broker_line.heard)
    assert [canary for canary in CANARIES if canary.encode() in heard] == []
