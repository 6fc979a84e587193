"""The hour from end to end: a hub of its own with its sandboxes, the story, the proof, and then the visitor."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.console import Console

from hub.client import HubClient
from hub.connector import LOOPBACK
from hub.demo.city import City, open_city
from hub.demo.control import Control
from hub.demo.leftover import leave_some
from hub.demo.proof import prove, say_proof
from hub.demo.screen import show
from hub.demo.story import World, bring_trouble, decide_renewals, finish_parked, settled, strike, submit_hour
from hub.demo.traffic import draw_hour, read_samples
from hub.processes import run, signalled
from hub.settings import HOME
from hub.terminal import own_name

SECONDS: Final = 12.0
"""How long the hour takes, or longer when there is too much of it for this pace."""

MOST_PER_SECOND: Final = 150.0
PATIENCE: Final = 120.0
"""Seconds after which whatever has not ended by then counts as lost."""

INTERRUPTED: Final = 130
"""The exit code of what a signal ended before its proof."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many requests, drawn from which seed, whether to end by itself, and how the hub is laid out."""

    requests: int
    seed: int
    once: bool
    mode: str = "embedded"

    @property
    def per_second(self) -> float:
        """The pace of the hour."""
        return min(MOST_PER_SECOND, max(self.requests / SECONDS, 10.0))


def run_demo(plan: Plan) -> int:
    """Show the hour, and give the exit code: 0 when nothing was lost, doubled or out of balance."""
    try:
        return run(show_hour(plan))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED


async def show_hour(plan: Plan) -> int:
    """Show the hour, and give the exit code."""
    main = asyncio.current_task()
    if main:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, main.cancel)
    console = Console()
    with TemporaryDirectory(prefix="hub-demo-") as folder:
        async with _opened(Path(folder), plan, console) as (world, city):
            await live(world, plan, city, console)
            proof = await prove(world.operator, world.control, world.accepted)
            if not plan.once:
                console.print("leaving a few requests for you to see to…", highlight=False)
                await leave_some(world, read_samples(HOME))
                _invite(city, console)
                say_proof(proof, console)
                await signalled()
            else:
                say_proof(proof, console)
    return int(not proof.holds)


@asynccontextmanager
async def _opened(home: Path, plan: Plan, console: Console) -> AsyncIterator[tuple[World, City]]:
    """Start a hub with its sandboxes in a folder of its own, and let everybody in."""
    console.print(f"starting a hub ({plan.mode}) and its sandboxes…", highlight=False)
    async with AsyncExitStack() as stack:
        city = await stack.enter_async_context(open_city(plan.mode, home))
        front_end, agent, operator = [
            await stack.enter_async_context(HubClient(city.url, city.keys[role]))
            for role in ("front_end", "agent", "operator")
        ]
        control = await stack.enter_async_context(Control(city.control))
        chance = random.Random(plan.seed)  # noqa: S311  # a story, not a secret
        yield World(front_end, agent, operator, control, chance), city


async def live(world: World, plan: Plan, city: City, console: Console | None = None) -> None:
    """Let the hour go by, shown on a console if there is one, and wait until everything has come to its end."""
    drafts = list(draw_hour(read_samples(HOME), plan.requests, plan.seed))
    async with asyncio.TaskGroup() as group:
        for part in (bring_trouble(world, plan.requests), decide_renewals(world), finish_parked(world)):
            group.create_task(part)
        struck = group.create_task(strike(world, plan.requests, city.disaster)) if city.disaster else None
        if console:
            group.create_task(show(world, console))
        await submit_hour(world, drafts, plan.per_second)
        if struck:
            await struck  # starting another process takes a while, and is told before the story ends
        try:
            await asyncio.wait_for(settled(world), PATIENCE)
        except TimeoutError:
            world.tell("not everything has ended in time")
        world.over.set()


def _invite(city: City, console: Console) -> None:
    """Say where to look, and what to try."""
    url, control, operator = city.url, city.control, city.keys["operator"]
    lines = (
        "",
        f"console         {url.replace(LOOPBACK, 'localhost')}/console/",
        f"                as {city.login}, with the password {city.password}",
        f"API             {url}/docs",
        f"metrics         {url}/metrics",
        f"mailbox         {control}/mailbox",
        f"front end key   {city.keys['front_end']}",
        "",
        "Try, in another terminal:",
        f"  export HUB_URL={url} HUB_KEY={operator}",
        f"  {own_name()} list --status refused",
        f"  {own_name()} targets pause technocarte --reason essai",
        f"""  curl -X POST {control}/faults -d '{{"connector": "logitud", "fault": "slow", "times": 3}}'""",
        "",
        "Ctrl-C ends it all.",
    )
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
