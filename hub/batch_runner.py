"""The loop that carries batches: in every process that carries deliveries, beside its engine.

All it knows is in the ledger, so any number of them may run, and a batch goes on whichever of them dies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hub.batch_run import Moved, Turn, advance, under_way
from hub.database import will_pass
from hub.events import Announcer, Attempted, HubEvent
from hub.ledger import Ledger

BREATH: Final = 0.02
"""Seconds between two turns: outcomes that come meanwhile are seen together."""

log = structlog.get_logger()


class BatchRunner:
    """Takes turn after turn of every batch under way, until cancelled."""

    def __init__(
        self,
        ledger: Ledger,
        wake: Callable[[Mapping[str, Collection[int]]], None],
        announce: Announcer,
        *,
        every: timedelta,
    ) -> None:
        """Look round `every` so often, and at once when an attempt ends while a batch is under way."""
        self._ledger, self._wake, self._announce = ledger, wake, announce
        self._every = every.total_seconds()
        self._stirred = asyncio.Event()
        announce.listen(self._hear)

    async def run(self) -> None:
        """Carry batches; a ledger that fails for a while is waited for."""
        while True:
            try:
                begun = await self.turn()
            except SQLAlchemyError as error:
                if not will_pass(error):
                    raise
                log.warning("the ledger fails", error=type(error).__name__)
                begun = 0
            await asyncio.sleep(BREATH)
            if not begun:
                await self._something()

    async def turn(self) -> int:
        """Take one turn of each batch under way; gives how many rows were begun."""
        self._stirred.clear()
        begun = 0
        for batch in await self._ledger.read(under_way):
            moved: Moved = await self._ledger.write(advance, Turn(self._ledger.book, batch))
            begun += moved.begun
            for change in moved.stages:
                self._announce(change)
            if moved.due:
                self._wake(moved.due)
        return begun

    async def _something(self) -> None:
        try:
            async with asyncio.timeout(self._every):
                await self._stirred.wait()
        except TimeoutError:
            pass

    def _hear(self, event: HubEvent) -> None:
        if isinstance(event, Attempted):
            self._stirred.set()
