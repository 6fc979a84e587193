"""What people do with batches, whichever door they come by: within what they may see, refused in words.

Whoever is kept to a house, to kinds or to sites sees and steers the batches they planned themselves, and no others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Row

from hub.access import Principal
from hub.app import Hub
from hub.batch import Looked, Progress, RowsLooked, batches, find, rows
from hub.batch_plan import plan
from hub.batch_run import Start, Steer, Wish, start, steer
from hub.batch_selection import Wanted
from hub.batch_words import refusal_of
from hub.errors import ConflictError
from hub.problems import Problem, ProblemType
from hub.views import visible

EVERY_ROW: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Operator:
    """Who acts: what they may see, and their name in the audit."""

    principal: Principal
    actor: str

    @property
    def only(self) -> str:
        """Whose batches they see: their own, or everybody's."""
        return self.actor if visible(self.principal) else ""


async def make_plan(hub: Hub, who: Operator, wanted: Wanted) -> Progress:
    """Plan a change, and give the plan; raises Problem 409."""
    try:
        batch = await plan(hub.ledger, who.principal, who.actor, wanted)
    except ConflictError as error:
        raise Problem(ProblemType.CONFLICT, refusal_of(error)) from None
    return await read_batch(hub, who, batch)


async def read_batch(hub: Hub, who: Operator, batch: int) -> Progress:
    """Find a batch; raises Problem 404 where there is none, or it is another's business."""
    found = await hub.ledger.read(find, batch)
    if found is None or who.only not in {"", found.row.actor}:
        raise Problem(ProblemType.NOT_FOUND)
    return found


async def list_batches(hub: Hub, who: Operator, looked: Looked) -> Sequence[Progress]:
    """List batches, the newest first; one more than asked for says that there is another page."""
    return await hub.ledger.read(batches, replace(looked, actor=who.only))


async def read_rows(hub: Hub, who: Operator, batch: int, looked: RowsLooked) -> tuple[Progress, Sequence[Row[Any]]]:
    """Give a batch and its rows, one more than asked for; raises Problem 404."""
    found = await read_batch(hub, who, batch)
    return found, await hub.ledger.read(rows, batch, looked)


async def start_batch(hub: Hub, who: Operator, batch: int, reason: str) -> Progress:
    """Start a plan; one that was started before is the same batch. Raises Problem 404 or 409."""
    await read_batch(hub, who, batch)
    return await _write(hub, who, start, Start(hub.ledger.book, batch, reason, who.actor))


async def steer_batch(hub: Hub, who: Operator, batch: int, wish: Wish) -> Progress:
    """Pause, continue or stop a batch; raises Problem 404 or 409."""
    await read_batch(hub, who, batch)
    return await _write(hub, who, steer, Steer(hub.ledger.book, batch, wish, who.actor))


async def _write(hub: Hub, who: Operator, operation: Any, wanted: Start | Steer) -> Progress:
    try:
        await hub.ledger.write(operation, wanted)
    except ConflictError as error:
        raise Problem(ProblemType.CONFLICT, refusal_of(error)) from None
    return await read_batch(hub, who, wanted.batch)
