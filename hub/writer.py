"""Group commit: one writer, whose batch is whatever came in while the last commit was under way.

An *operation* is a function `(connection, items) -> results`, one result an item, in order. Items of one
operation that wait together run together, in one statement where the operation knows how. Nobody waits for
a batch to fill: an idle ledger commits one item at once.

On SQLite statements run on the event loop and only the commit, with its fsync, leaves it: a statement takes
microseconds, while a second thread would wait for the interpreter's lock at each of them (measured: half the
throughput). Statements to a server go to the writer's thread whole.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import RootTransaction
from sqlalchemy.exc import OperationalError

from hub.errors import HubError

Item = TypeVar("Item")
Result = TypeVar("Result")
Operation = Callable[[Connection, Sequence[Any]], Sequence[Any]]

LARGEST_BATCH: Final = 128
PATIENCE: Final = 10.0
"""Seconds for which another process may hold the database before a batch fails."""


class BusyError(OperationalError):
    """Another process would not let go of the database: what waits together fails together, once."""


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

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._on_loop = engine.dialect.name == "sqlite"
        self._jobs: deque[Job] = deque()
        self._woken = asyncio.Event()
        self._closing = False
        self._connection: Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._working = asyncio.get_running_loop().create_task(self._work())

    async def run(
        self, operation: Callable[[Connection, Sequence[Item]], Sequence[Result | HubError]], item: Item
    ) -> Result:
        """Run `operation` on `item` with whatever waits beside it; returns once the commit is on disk.

        A HubError among the results is raised here, to the one who asked.
        """
        if self._closing:
            raise ClosedError("the ledger is closed")
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._jobs.append(Job(operation, item, done))
        self._woken.set()
        return await done

    async def close(self) -> None:
        """Finish what waits, and stop."""
        self._closing = True
        self._woken.set()
        await self._working
        if self._connection is not None:
            self._connection.close()
        self._thread.shutdown()

    async def _work(self) -> None:
        while self._jobs or not self._closing:
            await self._woken.wait()
            self._woken.clear()
            while self._jobs:
                batch = [self._jobs.popleft() for _ in range(min(len(self._jobs), LARGEST_BATCH))]
                for job, outcome in await self._attempt(batch):
                    _tell(job, outcome)

    async def _attempt(self, batch: Sequence[Job]) -> Sequence[tuple[Job, Any]]:
        """Run a batch in one transaction; when it fails, each item in its own, so that one harms no other."""
        try:
            return await self._together(batch)
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001  # a panic of a library too is told to whoever asked
            if len(batch) == 1 or isinstance(error, BusyError):
                return [(job, error) for job in batch]
            return [outcome for job in batch for outcome in await self._attempt([job])]

    async def _together(self, batch: Sequence[Job]) -> Sequence[tuple[Job, Any]]:
        if not self._on_loop:
            return await self._off_loop(self._whole, batch)
        if self._connection is None or self._connection.invalidated:
            self._connection = _impatient(self._engine)
        transaction = await _begin_when_free(self._connection)
        try:
            outcomes = _run(self._connection, batch)
            await self._off_loop(transaction.commit)
        except BaseException:
            transaction.rollback()
            raise
        return outcomes

    def _whole(self, batch: Sequence[Job]) -> Sequence[tuple[Job, Any]]:
        with self._engine.begin() as connection:
            return _run(connection, batch)

    async def _off_loop(self, work: Callable[..., Result], *args: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)


def _run(connection: Connection, batch: Sequence[Job]) -> Sequence[tuple[Job, Any]]:
    """Run every operation of a batch once, over all its items."""
    outcomes: list[tuple[Job, Any]] = []
    for operation in dict.fromkeys(job.operation for job in batch):
        jobs = [job for job in batch if job.operation is operation]
        outcomes += zip(jobs, operation(connection, [job.item for job in jobs]), strict=True)
    return outcomes


def _impatient(engine: Engine) -> Connection:
    """Open a connection that fails at once when another process writes: the loop does the waiting."""
    connection = engine.connect()
    connection.connection.driver_connection.execute("PRAGMA busy_timeout = 0")  # type: ignore[union-attr]  # open
    return connection


async def _begin_when_free(connection: Connection) -> RootTransaction:
    """Begin once no other process writes, without holding the event loop up; raises BusyError."""
    until = asyncio.get_running_loop().time() + PATIENCE
    while True:
        try:
            return connection.begin()
        except OperationalError as error:
            if asyncio.get_running_loop().time() > until:
                raise BusyError("BEGIN", None, error.orig or error, hide_parameters=True) from error
            await asyncio.sleep(0.002)


def _tell(job: Job, outcome: Any) -> None:
    if job.done.done():
        return
    if isinstance(outcome, BaseException):
        job.done.set_exception(outcome)
    else:
        job.done.set_result(outcome)
