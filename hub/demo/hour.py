"""The hour from end to end: a hub of its own with its sandboxes, the story, the proof, and then the visitor."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from rich.console import Console

from hub.client import HubClient
from hub.demo.control import Control
from hub.demo.proof import SHOWN, Proof, prove
from hub.demo.screen import show
from hub.demo.story import World, bring_trouble, decide_renewals, finish_parked, settled, submit_hour
from hub.demo.traffic import draw_hour, read_samples
from hub.processes import child, run, signalled
from hub.settings import HOME
from hub.terminal import own_name

SECONDS: Final = 12.0
"""How long the hour takes, or longer when there is too much of it for this pace."""

MOST_PER_SECOND: Final = 150.0
PATIENCE: Final = 120.0
"""Seconds after which whatever has not ended by then counts as lost."""

INTERRUPTED: Final = 130
"""The exit code of what a signal ended before its proof."""

SETTINGS: Final = "sweep_every: 250ms\ngrace: 5s\n"


@dataclass(frozen=True, slots=True)
class Plan:
    """How many requests, drawn from which seed, and whether to end by itself."""

    requests: int
    seed: int
    once: bool

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
        async with _opened(Path(folder), plan, console) as (world, announced):
            await _live(world, plan, console)
            proof = await prove(world.operator, world.control, world.accepted)
            if not plan.once:
                _invite(announced, console)
                _say(proof, console)
                await signalled()
            else:
                _say(proof, console)
    return int(not proof.holds)


@asynccontextmanager
async def _opened(home: Path, plan: Plan, console: Console) -> AsyncIterator[tuple[World, Mapping[str, Any]]]:
    """Start a hub with its sandboxes in a folder of its own, and let everybody in."""
    config = home / "hub.yaml"
    config.write_text(SETTINGS)
    console.print("starting a hub and its sandboxes…", highlight=False)
    start = ("up", "--config", str(config), "--sandboxes", "--port", "0", "--json", "--tied")
    async with AsyncExitStack() as stack:
        announced = (await stack.enter_async_context(child(*start, log=home / "var/hub.log"))).announced
        keys = announced["keys"]
        front_end, agent, operator = [
            await stack.enter_async_context(HubClient(announced["url"], keys[role]))
            for role in ("front_end", "agent", "operator")
        ]
        control = await stack.enter_async_context(Control(announced["sandboxes"]))
        chance = random.Random(plan.seed)  # noqa: S311  # a story, not a secret
        yield World(front_end, agent, operator, control, chance), announced


async def _live(world: World, plan: Plan, console: Console) -> None:
    """Let the hour go by, and wait until everything has come to its end."""
    drafts = list(draw_hour(read_samples(HOME), plan.requests, plan.seed))
    async with asyncio.TaskGroup() as group:
        for part in (bring_trouble(world, plan.requests), decide_renewals(world), finish_parked(world)):
            group.create_task(part)
        group.create_task(show(world, console))
        await submit_hour(world, drafts, plan.per_second)
        try:
            await asyncio.wait_for(settled(world), PATIENCE)
        except TimeoutError:
            world.tell("not everything has ended in time")
        world.over.set()


def _invite(announced: Mapping[str, Any], console: Console) -> None:
    """Say where to look, and what to try."""
    url, control, operator = announced["url"], announced["sandboxes"], announced["keys"]["operator"]
    lines = (
        "",
        f"API             {url}/docs",
        f"metrics         {url}/metrics",
        f"mailbox         {control}/mailbox",
        f"front end key   {announced['keys']['front_end']}",
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


def _say(proof: Proof, console: Console) -> None:
    """Print what does not add up, if anything, and the balance."""
    for name, found in (("lost", proof.lost), ("doubled", proof.doubled)):
        for one in found[:SHOWN]:
            console.print(f"{name}: {one}", markup=False, highlight=False)
    console.print(str(proof), markup=False, highlight=False, soft_wrap=True)
