"""The proof at the end: what the hub says was delivered, against what the sandboxes say they took."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hub.client import HubClient
from hub.demo.control import Control
from hub.lifecycle import State
from hub.model import FINAL_STATUSES, Status

IMBALANCE: Final = re.compile(r"^hub_ledger_imbalance(?:\{[^}]*\})? (\S+)$", re.MULTILINE)
LARGEST_PAGE: Final = 100
SHOWN: Final = 10

NAMED: Final[Mapping[Status, str]] = {
    Status.DONE: "delivered",
    Status.FINALIZED: "finalized",
    Status.REFUSED: "refused",
}
"""The ends that the balance counts under a name; the others are « other »."""


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
    for target in await operator.targets():
        taken = await control.taken(str(target["connector"]))
        doubled += [key for key, times in taken.items() if times > 1]
        lost += [key for key in await _delivered(operator, str(target["name"])) if not taken.get(key)]
    return Proof(len(accepted), ends, tuple(lost), tuple(doubled), await _imbalance(operator))


async def _delivered(operator: HubClient, target: str) -> list[str]:
    states = [State.DELIVERED, State.FINALIZED]
    return [one["key"] async for one in operator.deliveries(target=target, state=states, limit=LARGEST_PAGE)]


async def _imbalance(operator: HubClient) -> int:
    """Read what the hub publishes of itself, each kind's imbalance counted whatever its sign."""
    return sum(abs(int(float(value))) for value in IMBALANCE.findall(await operator.metrics()))
