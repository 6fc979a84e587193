"""Group commit: one writer, whose batch is whatever came in while the last commit was under way.

An *operation* is a function `(connection, items) -> results`, one result an item, in order. Items of one
operation that wait together run together, in one statement where the operation knows how. Nobody waits for
a batch to fill: an idle ledger commits one item at once.

A SQLite file admits one writer, so all operations share one lane. A server admits many: there each operation has
a lane of its own, so that claims, intents and outcomes commit beside each other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from hub.errors import HubError
from hub.transactions import Transactions, UnavailableError

Item = TypeVar("Item")
Result = TypeVar("Result")
Operation = Callable[[Connection, Sequence[Any]], Sequence[Any]]

LARGEST_BATCH: Final = 128

CROSSED: Final = frozenset({"40001", "40P01"})
"""PostgreSQL's codes for transactions that stood in each other's way: the one it ended runs again."""

CROSSINGS: Final = 5
"""How often a batch may be ended that way in a row."""


class ClosedError(HubError):
    """The ledger was closed before this was asked of it."""


@dataclass(slots=True)
class Job:
    """One item waiting for its turn, and whom to tell."""

    operation: Operation
    item: Any
    done: asyncio.Future[Any]


class Writer:
    """The one way through which everything reaches the ledger; made and used on one event loop."""

    def __init__(self, connect: Callable[[], Transactions], *, apart: bool = False) -> None:
        """Write through connections that `connect` makes: one for everything, or one an operation when `apart`."""
        self._connect, self._apart = connect, apart
        self._lanes: dict[Operation | None, Lane] = {}
        self._closing = False

    async def run(
        self, operation: Callable[[Connection, Sequence[Item]], Sequence[Result | HubError]], item: Item
    ) -> Result:
        """Run `operation` on `item` with whatever waits beside it; returns once the commit is on disk.

        A HubError among the results is raised here, to the one who asked.
        """
        if self._closing:
            raise ClosedError("the ledger is closed")
        name = operation if self._apart else None
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = Lane(self._connect())
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        lane.put(Job(operation, item, done))
        return await done

    async def close(self) -> None:
        """Finish what waits, and stop."""
        self._closing = True
        for lane in self._lanes.values():
            await lane.close()


class Lane:
    """What waits for one connection, and the task that writes it."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._jobs: deque[Job] = deque()
        self._woken = asyncio.Event()
        self._closing = False
        self._working = asyncio.get_running_loop().create_task(self._work())

    def put(self, job: Job) -> None:
        """Let a job wait for the next batch."""
        self._jobs.append(job)
        self._woken.set()

    async def close(self) -> None:
        """Finish what waits, and let go of the connection."""
        self._closing = True
        self._woken.set()
        await self._working
        await self._transactions.close()

    async def _work(self) -> None:
        while self._jobs or not self._closing:
            await self._woken.wait()
            self._woken.clear()
            while self._jobs:
                batch = [self._jobs.popleft() for _ in range(min(len(self._jobs), LARGEST_BATCH))]
                for job, outcome in await self._attempt(batch):
                    _tell(job, outcome)

    async def _attempt(self, batch: Sequence[Job], crossings: int = 0) -> Sequence[tuple[Job, Any]]:
        """Run a batch in one transaction; when it fails, each item in its own, so that one harms no other."""
        try:
            return await self._transactions.run(partial(_run, batch=batch))
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001  # a panic of a library too is told to whoever asked
            if _crossed(error) and crossings < CROSSINGS:
                return await self._attempt(batch, crossings + 1)
            if len(batch) == 1 or isinstance(error, UnavailableError):
                return [(job, error) for job in batch]
            return [outcome for job in batch for outcome in await self._attempt([job])]


def _crossed(error: BaseException) -> bool:
    return isinstance(error, OperationalError) and getattr(error.orig, "sqlstate", "") in CROSSED


def _run(connection: Connection, batch: Sequence[Job]) -> Sequence[tuple[Job, Any]]:
    """Run every operation of a batch once, over all its items."""
    outcomes: list[tuple[Job, Any]] = []
    for operation in dict.fromkeys(job.operation for job in batch):
        jobs = [job for job in batch if job.operation is operation]
        outcomes += zip(jobs, operation(connection, [job.item for job in jobs]), strict=True)
    return outcomes


def _tell(job: Job, outcome: Any) -> None:
    if job.done.done():
        return
    if isinstance(outcome, BaseException):
        job.done.set_exception(outcome)
    else:
        job.done.set_result(outcome)
