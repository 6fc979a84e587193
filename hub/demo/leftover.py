"""What the visitor finds to do: after the hour, a few requests that fail, some that await a person, some on the map."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hub.demo.story import World, submit_one
from hub.demo.traffic import Draft, vary

SOON: Final = 20.0
"""Seconds after which the visitor is let in, whatever has come to stand by then."""

LOOKS_EVERY: Final = 0.3
STANDING: Final = ("parked", "uncertain", "waiting")


@dataclass(frozen=True, slots=True)
class Left:
    """Some requests of a kind, and the fault they meet, if any, at which sandbox."""

    kind: str
    requests: int
    connector: str = ""
    fault: str = ""


LEFT: Final = (
    Left("restauration.reservation", 4, "technocarte", "unpaid_invoices"),
    Left("etat_civil.naissance", 3, "logitud", "acte_introuvable"),
    Left("restauration.reservation", 2, "technocarte", "cut_after_commit"),
    Left("periscolaire.renouvellement", 3),
    Left("doleance", 12),
)
"""In order: a sandbox plays one fault at a time."""


async def leave_some(world: World, samples: Mapping[str, Sequence[Mapping[str, Any]]]) -> int:
    """Submit them, each group once the one before it stands; gives how many there are."""
    chance = random.Random(world.chance.random())  # noqa: S311  # a story, not a secret
    left = 0
    for group in LEFT:
        if group.kind not in samples:
            continue
        if group.fault:
            await world.control.break_with(group.connector, group.fault, group.requests)
        numbers = [await submit_one(world, draft) for draft in _drafts(group, samples[group.kind], chance)]
        left += len(numbers)
        await _stand(world, numbers)
        if group.fault:
            await world.control.mend(group.connector)
    return left


def _drafts(group: Left, samples: Sequence[Mapping[str, Any]], chance: random.Random) -> Iterator[Draft]:
    for index in range(group.requests):
        submission = vary(chance.choice(samples), chance)
        name = f"{group.kind}-{group.fault}-{index}"
        position = submission["data"].get("position")
        if position:
            position |= {"lon": _near(position["lon"], chance), "lat": _near(position["lat"], chance)}
        yield Draft(f"visite-{name}", submission | {"external_reference": f"VISITE-{name}"})


def _near(degrees: float, chance: random.Random) -> float:
    """Draw a place within a kilometre or two."""
    return round(degrees + chance.uniform(-0.012, 0.012), 5)


async def _stand(world: World, numbers: Sequence[str]) -> None:
    """Wait until each of them stands where it will stand without a person, or long enough."""
    waiting = set(numbers)
    try:
        async with asyncio.timeout(SOON):
            while waiting:
                seen = [await world.agent.request(number) for number in waiting]
                waiting -= {one["number"] for one in seen if one["final"] or one["status"] in STANDING}
                await asyncio.sleep(LOOKS_EVERY)
    except TimeoutError:
        world.tell(f"{len(waiting)} requests of the visit have not come to stand in time")
