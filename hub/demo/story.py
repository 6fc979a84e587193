"""What happens during the hour: citizens submit, targets fail, agents decide, operators finish what is parked."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from hub.client import HubClient, RefusalError
from hub.demo.control import Control
from hub.demo.traffic import Draft
from hub.lifecycle import FINAL, State

AT_ONCE: Final = 16
"""Front-end connections."""

BETWEEN_ROUNDS: Final = 2.0
"""Seconds between two rounds of people: long enough to see what waits for them."""

OPEN_STATUSES: Final = ("in_progress", "waiting", "uncertain", "parked")
REFUSED_IN: Final = 4
"""One renewal in so many is refused, from the second on."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that goes wrong: when (share of the hour), at which sandbox, which fault, how many times."""

    at: float
    connector: str
    fault: str
    times: int


TROUBLES: Final = (
    Trouble(0.05, "logitud", "cut_after_commit", 3),
    Trouble(0.10, "technocarte", "unpaid_invoices", 3),
    Trouble(0.18, "technocarte", "cut_after_commit", 3),
    Trouble(0.22, "logitud", "maintenance", 2),
    Trouble(0.28, "technocarte", "address_proof_missing", 2),
    Trouble(0.32, "courriel", "busy", 4),
    Trouble(0.38, "technocarte", "slow", 3),
    Trouble(0.45, "logitud", "acte_introuvable", 2),
    Trouble(0.50, "technocarte", "error_500", 6),
    Trouble(0.58, "courriel", "cut_after_commit", 3),
    Trouble(0.62, "gru", "unavailable", 5),
    Trouble(0.72, "technocarte", "cut_before", 3),
    Trouble(0.85, "technocarte", "cutoff_passed", 3),
)
"""The hour's troubles, in order; a sandbox plays one at a time."""


@dataclass
class World:
    """Everybody in the story: who speaks to the hub with which key, the sandboxes, and what was told so far."""

    front_end: HubClient
    agent: HubClient
    operator: HubClient
    control: Control
    chance: random.Random
    accepted: list[str] = field(default_factory=list)
    """The numbers of the requests accepted so far."""
    told: list[str] = field(default_factory=list)
    """What happened, a line each."""
    decisions: Iterator[int] = field(default_factory=count)
    counted: asyncio.Condition = field(default_factory=asyncio.Condition)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def reached(self, accepted: int) -> None:
        """Wait until so many requests are accepted."""
        async with self.counted:
            await self.counted.wait_for(lambda: len(self.accepted) >= accepted)

    async def count(self, number: str) -> None:
        """Write down that a request was accepted."""
        async with self.counted:
            self.accepted.append(number)
            self.counted.notify_all()

    def tell(self, line: str) -> None:
        """Write down what happens."""
        self.told.append(line)


async def submit_hour(world: World, drafts: Sequence[Draft], per_second: float) -> None:
    """Submit the hour's requests, a few at a time, at the pace of the hour."""
    started = asyncio.get_running_loop().time()
    lines = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as group:
        for index, draft in enumerate(drafts):
            await asyncio.sleep(max(0.0, started + index / per_second - asyncio.get_running_loop().time()))
            await lines.acquire()
            task = group.create_task(_submit(world, draft))
            task.add_done_callback(lambda _: lines.release())


async def _submit(world: World, draft: Draft) -> None:
    await world.count(await submit_one(world, draft))


async def submit_one(world: World, draft: Draft) -> str:
    """Submit a request with its files; gives its number."""
    files = [await world.front_end.attach(paper.name, paper.media_type, paper.content) for paper in draft.papers]
    receipt = await world.front_end.submit({**draft.submission, "attachments": files}, draft.key)
    return str(receipt["number"])


async def bring_trouble(world: World, requests: int) -> None:
    """Break the sandboxes as the hour goes by."""
    menu = await world.control.menu()
    for trouble in TROUBLES:
        await world.reached(math.ceil(trouble.at * requests))
        await world.control.break_with(trouble.connector, trouble.fault, trouble.times)
        world.tell(f"{trouble.connector} {menu[trouble.connector][trouble.fault]} ({trouble.times} times)")


async def strike(world: World, requests: int, disaster: Callable[[], Awaitable[str]]) -> None:
    """Let a disaster happen to the hub itself, in the middle of the hour."""
    await world.reached(requests // 2)
    world.tell(await disaster())


async def decide_renewals(world: World) -> None:
    """Be the agents: accept what awaits a decision, and refuse a little of it with a reason."""
    while not await passed(world.over, BETWEEN_ROUNDS):
        async for found in world.agent.requests(status="waiting"):
            if found["awaiting"]:
                await _decide(world, found["number"])


async def _decide(world: World, number: str) -> None:
    seen = await world.agent.request(number)
    accept = next(world.decisions) % REFUSED_IN != 1
    reason = "" if accept else world.chance.choice(seen["reasons"])
    await _ask(world.agent.decide(number, accept=accept, reason=reason))
    world.tell(f"agent: {seen['numero']} {'accepted' if accept else f'refused, « {reason} »'}")


async def finish_parked(world: World) -> None:
    """Be the operators: look at the target where it may have been taken, and retry or finalize accordingly."""
    connectors = {target["name"]: target["connector"] for target in await world.operator.targets()}
    while not await passed(world.over, BETWEEN_ROUNDS):
        parked = [one async for one in world.operator.deliveries(state=[State.PARKED])]
        for target in sorted({one["target"] for one in parked}):
            taken = await world.control.taken(connectors[target])
            for delivery in parked:
                if delivery["target"] == target:
                    await _finish(world, delivery, taken=taken)


async def _finish(world: World, delivery: Any, *, taken: Iterable[str]) -> None:
    key, target = delivery["key"], delivery["target"]
    if not delivery["perhaps_taken"]:
        await _ask(world.operator.retry(key))
        world.tell(f"operator: {key} {target} refused it ({delivery['code']}); put right, sent again")
    elif key in taken:
        reason = f"Vue dans {target} : la demande y est."
        await _ask(world.operator.finalize(key, reason, f"{target.upper()}-{key}"))
        world.tell(f"operator: {key} is in {target}, although its answer was lost: finalized by hand")
    else:
        await _ask(world.operator.retry(key, sure=True))
        world.tell(f"operator: {key} is not in {target}: sent again, for sure")


async def passed(event: asyncio.Event, seconds: float) -> bool:
    """Wait so long, or less when the event comes; says whether it came."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


async def settled(world: World) -> None:
    """Wait until every request and every delivery has come to its end."""
    while await _unfinished(world.operator):  # noqa: ASYNC110  # what is awaited happens in another process
        await asyncio.sleep(0.3)


async def _unfinished(operator: HubClient) -> bool:
    if await operator.causes(state=[state for state in State if state not in FINAL]):
        return True
    for status in OPEN_STATUSES:
        async for _ in operator.requests(status=status, limit=1):
            return True
    return False


async def _ask(asked: Any) -> None:
    """Ask something that the hub may refuse because it moved on in the meantime."""
    try:
        await asked
    except RefusalError as error:
        if error.status != 409:
            raise
