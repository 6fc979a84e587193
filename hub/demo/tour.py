"""The tour: every kind once, its first sample, and where each request ended."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from rich.console import Console

from hub.client import HubClient
from hub.demo.city import City, apart
from hub.demo.control import Control
from hub.demo.people import People
from hub.demo.proof import prove, say_proof
from hub.demo.traffic import bill_to, read_samples, send_in_time
from hub.model import FINAL_STATUSES
from hub.processes import run
from hub.settings import HOME

FIRST_FAMILY: Final = 20_000
BETWEEN_ROUNDS: Final = 0.3
PATIENCE: Final = 90.0
"""Seconds after which whatever has not ended by then counts as lost."""


def run_tour(seed: int) -> int:
    """Visit every kind, and give the exit code: 0 when each ended, and nothing was lost, doubled or out of balance."""
    return run(_tour(seed, Console()))


async def _tour(seed: int, console: Console) -> int:
    console.print("starting a hub and its sandboxes…", highlight=False)
    with TemporaryDirectory(prefix="hub-demo-") as folder:
        async with AsyncExitStack() as stack:
            city = await apart(Path(folder), stack)
            people = await stack.enter_async_context(let_in(city, seed))
            numbers = await _submit_each(people)
            ended = await _wait_for(people, numbers)
            for kind, number in numbers.items():
                console.print(f"{kind:<30}{number}  {ended[kind]}", markup=False, highlight=False, soft_wrap=True)
            proof = await prove(people.operator, people.control, list(numbers.values()))
    say_proof(proof, console)
    return int(not proof.holds)


@asynccontextmanager
async def let_in(city: City, seed: int) -> AsyncIterator[People]:
    """Give everybody their key."""
    async with AsyncExitStack() as stack:
        front_end, agent, operator = [
            await stack.enter_async_context(HubClient(city.url, city.keys[role]))
            for role in ("front_end", "agent", "operator")
        ]
        control = await stack.enter_async_context(Control(city.control))
        chance = random.Random(seed)  # noqa: S311  # a story, not a secret
        yield await People(city, front_end, agent, operator, control, chance).look_round()


async def _submit_each(people: People) -> dict[str, str]:
    """Submit the first sample of every kind; gives kind → number."""
    numbers = {}
    for rank, (kind, samples) in enumerate(sorted(read_samples(HOME).items())):
        receipt = await people.front_end.submit(_own(samples[0], rank), f"tour-{kind}")
        numbers[kind] = str(receipt["number"])
    return numbers


def _own(sample: Mapping[str, Any], rank: int) -> Mapping[str, Any]:
    """Keep a sample from what another one, or the day, would make of it."""
    data = sample["data"]
    if "factures" in data:
        bill_to(data, str(FIRST_FAMILY + rank))
    if "avis" in data:
        send_in_time(data)
    return {**sample, "external_reference": f"VISITE-{rank:03d}", "attachments": []}


async def _wait_for(people: People, numbers: Mapping[str, str]) -> dict[str, str]:
    """Have everybody do their part until each request has ended; gives kind → its stage."""
    until = asyncio.get_running_loop().time() + PATIENCE
    while True:
        seen = {kind: await people.front_end.request(number) for kind, number in numbers.items()}
        over = all(one["status"] in FINAL_STATUSES for one in seen.values()) and not await people.count_open()
        if over or asyncio.get_running_loop().time() > until:
            return {kind: one["stage"] for kind, one in seen.items()}
        await people.do_their_part()
        await asyncio.sleep(BETWEEN_ROUNDS)
