"""Everybody whom requests wait for: agents decide, citizens pay or give back an appointment, operators finish."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from hub.client import HubClient, RefusalError
from hub.demo.city import City, door_of
from hub.demo.control import Control
from hub.demo.proof import OTHER_KEYS
from hub.lifecycle import FINAL, State
from hub.routing import PENDING, TIMER

AT_ONCE: Final = 8
OPEN_STATES: Final = tuple(state for state in State if state not in FINAL)
LARGEST_PAGE: Final = 100

REFUSED_IN: Final = 8
"""One decision in so many is a refusal."""

UNPAID_IN: Final = 25
"""One payment in so many is refused by the payer's bank."""

PAID: Final = "P"
UNPAID: Final = "R"

PAYERS: Final = ("payfip", "regie_boutique")
"""The targets where citizens pay."""


@dataclass
class People:
    """Everybody, with the keys they speak with."""

    city: City
    front_end: HubClient
    agent: HubClient
    operator: HubClient
    control: Control
    chance: random.Random
    connectors: Mapping[str, str] = field(default_factory=dict)
    """Target → connector, of the targets that have a sandbox."""
    did: Counter[str] = field(default_factory=Counter)
    """What they had to do, and how often."""

    async def look_round(self) -> Self:
        """Learn which targets there are."""
        menu = await self.control.menu()
        targets = await self.operator.targets()
        self.connectors = {one["name"]: one["connector"] for one in targets if one["connector"] in menu}
        return self

    async def do_their_part(self) -> None:
        """Do once all that requests wait for."""
        await self.decide()
        await self.pay()
        await self.give_back()
        await self.finish()

    async def decide(self) -> None:
        """Be the agents: accept what awaits a decision, and refuse a little of it with a reason."""
        found = self.agent.requests(status="waiting", limit=LARGEST_PAGE)
        await _together([self._decide(one["number"]) async for one in found if one["awaiting"]])

    async def pay(self) -> None:
        """Be the citizens: pay what is to be paid, which not every bank lets them."""
        for target in PAYERS:
            if target in self.connectors:
                due = await self._waiting(target)
                await _together([self._pay(target, one["reference"]) for one in due if one["reference"]])

    async def give_back(self) -> None:
        """Be the citizens: cancel an appointment that is still to come, for nobody waits that long."""
        coming = [one for one in await self._waiting(TIMER) if one["kind"].startswith("rendez_vous.")]
        await _together([self._cancel(one["number"]) for one in coming])

    async def finish(self) -> None:
        """Be the operators: look at the target where it may have been taken, and retry or finalize accordingly."""
        parked = [one async for one in self.operator.deliveries(state=[State.PARKED], limit=LARGEST_PAGE)]
        for target in sorted({one["target"] for one in parked}):
            mine = [one for one in parked if one["target"] == target]
            taken = await self._taken(target, [one for one in mine if one["perhaps_taken"]])
            await _together([self._finish(one, is_there=key_at(one) in taken) for one in mine])

    async def count_open(self) -> int:
        """Count the deliveries that have not come to their end, or the requests that wait without one."""
        causes = await self.operator.causes(state=list(OPEN_STATES))
        deliveries = sum(int(cause["deliveries"]) for cause in causes)
        return deliveries or sum([1 async for _ in self.operator.requests(status="waiting", limit=LARGEST_PAGE)])

    async def _waiting(self, target: str) -> list[Any]:
        states = [State.WAITING]
        found = self.operator.deliveries(target=target, state=states, limit=LARGEST_PAGE)
        return [one async for one in found if one["code"] == PENDING]

    async def _taken(self, target: str, doubtful: Sequence[Any]) -> dict[str, int]:
        connector = self.connectors.get(target)
        return await self.control.taken(connector, *map(key_at, doubtful)) if connector and doubtful else {}

    async def _decide(self, number: str) -> None:
        self.did["decided"] += 1
        accept = self.did["decided"] % REFUSED_IN != 0
        reason = "" if accept else self.chance.choice((await self.agent.request(number))["reasons"])
        await ask(self.agent.decide(number, accept=accept, reason=reason))

    async def _pay(self, target: str, reference: str) -> None:
        self.did["paid"] += 1
        result = UNPAID if self.did["paid"] % UNPAID_IN == 0 else PAID
        await self.control.pay(self.connectors[target], reference, result, door_of(self.city.url, target))

    async def _cancel(self, number: str) -> None:
        self.did["cancelled"] += 1
        await ask(self.front_end.cancel(number, "Le rendez-vous ne convient plus."))

    async def _finish(self, delivery: Mapping[str, Any], *, is_there: bool) -> None:
        key, target = delivery["key"], delivery["target"]
        self.did["finished"] += 1
        if not delivery["perhaps_taken"]:
            await ask(self.operator.retry(key))
        elif is_there:
            await ask(self.operator.finalize(key, f"Vue dans {target} : la demande y est.", f"{target.upper()}-{key}"))
        else:
            await ask(self.operator.retry(key, sure=True))


def key_at(delivery: Mapping[str, Any]) -> str:
    """Say by what a delivery's target counts it."""
    return OTHER_KEYS.get(delivery["target"], "{key}").format(**delivery)


async def ask(asked: Awaitable[Any]) -> None:
    """Ask something that the hub may refuse because it moved on in the meantime."""
    try:
        await asked
    except RefusalError as error:
        if error.status != 409:
            raise


async def _together(acts: Sequence[Awaitable[None]]) -> None:
    """Have people act side by side, a few at a time."""
    left = iter(acts)

    async def one_after_the_other() -> None:
        for act in left:
            await act

    async with asyncio.TaskGroup() as group:
        for _ in range(min(AT_ONCE, len(acts))):
            group.create_task(one_after_the_other())
