"""Group commit: one writer, whose batch is whatever came in while the last commit was under way.

An *operation* is a function `(connection, items) -> results`, one result an item, in order. Items of one
operation that wait together run together, in one statement where the operation knows how. Nobody waits for
a batch to fill: an idle ledger commits one item at once.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine

from hub.errors import HubError

Item = TypeVar("Item")
Result = TypeVar("Result")
Operation = Callable[[Connection, Sequence[Any]], Sequence[Any]]

LARGEST_BATCH: Final = 512


@dataclass(slots=True)
class Job:
    """One item waiting for its turn, and whom to tell."""

    operation: Operation
    item: Any
    done: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class Writer:
    """The thread through which everything reaches the ledger."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="ledger-writer", daemon=True)
        self._thread.start()

    async def run(
        self, operation: Callable[[Connection, Sequence[Item]], Sequence[Result | HubError]], item: Item
    ) -> Result:
        """Run `operation` on `item` with whatever waits beside it; returns once the commit is on disk.

        A HubError among the results is raised here, to the one who asked.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Result] = loop.create_future()
        self._jobs.put(Job(operation, item, done, loop))
        return await done

    def close(self) -> None:
        """Finish what waits, and stop."""
        self._jobs.put(None)
        self._thread.join(timeout=30)

    def _work(self) -> None:
        while (first := self._jobs.get()) is not None:
            batch = [first]
            stop = False
            while len(batch) < LARGEST_BATCH and not stop:
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    stop = True
                else:
                    batch.append(job)
            self._commit(batch)
            if stop:
                return

    def _commit(self, batch: list[Job]) -> None:
        outcomes = self._attempt(batch)
        for loop in {job.loop for job in batch}:
            mine = [pair for pair in outcomes if pair[0].loop is loop]
            if not loop.is_closed():
                loop.call_soon_threadsafe(_tell, mine)

    def _attempt(self, batch: list[Job]) -> list[tuple[Job, Any]]:
        """Run a batch in one transaction; when it fails, each item in its own, so that one harms no other."""
        try:
            return self._together(batch)
        except Exception as error:  # noqa: BLE001  # the writer's edge: whoever asked is told, the thread lives on
            if len(batch) == 1:
                return [(batch[0], error)]
            return [outcome for job in batch for outcome in self._attempt([job])]

    def _together(self, batch: list[Job]) -> list[tuple[Job, Any]]:
        outcomes: list[tuple[Job, Any]] = []
        with self._engine.begin() as connection:
            for operation in dict.fromkeys(job.operation for job in batch):
                jobs = [job for job in batch if job.operation is operation]
                results = operation(connection, [job.item for job in jobs])
                outcomes += zip(jobs, results, strict=True)
        return outcomes


def _tell(outcomes: Sequence[tuple[Job, Any]]) -> None:
    for job, outcome in outcomes:
        if job.done.done():
            continue
        if isinstance(outcome, BaseException):
            job.done.set_exception(outcome)
        else:
            job.done.set_result(outcome)
