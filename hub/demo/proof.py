"""The proof at the end: what the hub says was delivered, against what the sandboxes say they took."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console

from hub.catalogue import Catalogue
from hub.client import HubClient
from hub.demo.control import Control
from hub.lifecycle import State
from hub.model import FINAL_STATUSES, Effect, Status
from hub.settings import HOME

IMBALANCE: Final = re.compile(r"^hub_ledger_imbalance(?:\{[^}]*\})? (\S+)$", re.MULTILINE)
LARGEST_PAGE: Final = 100
SHOWN: Final = 10

NAMED: Final[Mapping[Status, str]] = {
    Status.DONE: "delivered",
    Status.FINALIZED: "finalized",
    Status.REFUSED: "refused",
}
"""The ends that the balance counts under a name; the others are « other »."""

OTHER_KEYS: Final[Mapping[str, str]] = {"payfip": "DEM{number}"}
"""Target → by what it counts a request, where our key does not reach it."""


@dataclass(frozen=True)
class Proof:
    """Accepted requests by how they ended, and what does not add up.

    `lost`: requests without an end, and deliveries their sandbox has not taken. `doubled`: keys a sandbox
    took more than once.
    """

    accepted: int
    ends: Counter[str]
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    imbalance: int

    @property
    def holds(self) -> bool:
        """Say whether nothing was lost, doubled or out of balance."""
        return not (self.lost or self.doubled or self.imbalance)

    def __str__(self) -> str:
        """Write the balance on one line."""
        ends = " ".join(f"{name}={self.ends[name]}" for name in (*NAMED.values(), "other"))
        return (
            f"balance: accepted={self.accepted} {ends}"
            f" lost={len(self.lost)} doubled={len(self.doubled)} imbalance={self.imbalance}"
        )


async def prove(operator: HubClient, control: Control, accepted: Sequence[str]) -> Proof:
    """Count at the hub, count at the sandboxes, and compare."""
    status = {one["number"]: Status(one["status"]) async for one in operator.requests(limit=LARGEST_PAGE)}
    lost = [number for number in accepted if status.get(number) not in FINAL_STATUSES]
    ends = Counter(NAMED.get(status[number], "other") for number in accepted if number in status)
    doubled: list[str] = []
    asking, menu = steps_that_ask(await asyncio.to_thread(Catalogue.read, HOME)), await control.menu()
    for target in await operator.targets():
        if target["connector"] in menu:
            taken = await control.taken(str(target["connector"]))
            doubled += [key for key, times in taken.items() if times > 1]
            lost += await _missing(operator, str(target["name"]), taken, asking)
    return Proof(len(accepted), ends, tuple(lost), tuple(doubled), await imbalance(operator))


def mappings_that_ask(catalogue: Catalogue) -> frozenset[str]:
    """Give the mappings that only ask, of which a target keeps no key."""
    mappings = {name: one for kind in catalogue.kinds.values() for name, one in kind.mappings.items()}
    operations = {name: catalogue.manifests[one.connector].operations[one.operation] for name, one in mappings.items()}
    return frozenset(name for name, operation in operations.items() if operation.effect is Effect.SAFE)


def names_of(target: str, key: str, reference: str) -> set[str]:
    """Give the names by which a target may count a delivery: our key, its own reference, or what stands for it."""
    return {key, reference, OTHER_KEYS.get(target, "{key}").format(key=key, number=key.partition("-")[0])}


def steps_that_ask(catalogue: Catalogue) -> frozenset[tuple[str, str]]:
    """Give the kind and the name of every step that only asks."""
    reading = mappings_that_ask(catalogue)
    return frozenset(
        (name, step.name)
        for name, kind in catalogue.kinds.items()
        for step in kind.route.carried
        if step.using in reading
    )


async def _missing(
    operator: HubClient, target: str, taken: Mapping[str, int], asking: frozenset[tuple[str, str]]
) -> list[str]:
    """Find what was delivered and was not taken."""
    states = [State.DELIVERED, State.FINALIZED]
    found = operator.deliveries(target=target, state=states, limit=LARGEST_PAGE)
    return [
        one["key"]
        async for one in found
        if (one["kind"], one["step"]) not in asking
        and not any(taken.get(name) for name in names_of(target, one["key"], one["reference"]))
    ]


async def imbalance(operator: HubClient) -> int:
    """Read what the hub publishes of itself, each kind's imbalance counted whatever its sign."""
    return sum(abs(int(float(value))) for value in IMBALANCE.findall(await operator.metrics()))


def say_proof(proof: Proof, console: Console) -> None:
    """Print what does not add up, if anything, and the balance."""
    for name, found in (("lost", proof.lost), ("doubled", proof.doubled)):
        for one in found[:SHOWN]:
            console.print(f"{name}: {one}", markup=False, highlight=False)
    console.print(str(proof), markup=False, highlight=False, soft_wrap=True)
