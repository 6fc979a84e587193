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

from hub.batch_run import Halt, Moved, Turn, advance, halt, under_way
from hub.database import will_pass
from hub.events import Announcer, Attempted, HubEvent
from hub.ledger import Ledger
from hub.transactions import UnavailableError

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
        self._is_any_under_way = False
        self._broken: dict[int, str] = {}
        """Batches whose last turn failed, and by which kind of error."""
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
        """Take one turn of each batch under way; gives how many rows were begun.

        Raises what the ledger says when it fails for a while; what else a batch fails by is that batch's alone.
        """
        self._stirred.clear()
        found = await self._ledger.read(under_way)
        self._is_any_under_way = bool(found)
        self._broken = {batch: error for batch, error in self._broken.items() if batch in found}
        begun, passing = 0, None
        for batch in found:
            try:
                begun += await self._advance(batch)
            except UnavailableError:
                raise
            except Exception as error:  # noqa: BLE001  # one batch's bug must neither stop nor hold up the others
                if isinstance(error, SQLAlchemyError) and will_pass(error):
                    passing = error
                else:
                    await self._halt(batch, error)
        if passing is not None:
            raise passing
        return begun

    async def _advance(self, batch: int) -> int:
        """Take one batch's turn, and tell others what it led to."""
        moved: Moved = await self._ledger.write(advance, Turn(self._ledger.book, batch))
        self._broken.pop(batch, None)
        for change in moved.stages:
            self._announce(change)
        if moved.due:
            self._wake(moved.due)
        return moved.begun

    async def _halt(self, batch: int, error: Exception) -> None:
        """Let a batch rest; of one that rests already, and fails as before, nothing more is said."""
        kind = type(error).__name__
        await self._ledger.write(halt, Halt(self._ledger.book, batch, kind))
        if self._broken.get(batch) != kind:
            log.error("a batch fails", batch=batch, error=kind)
        self._broken[batch] = kind

    async def _something(self) -> None:
        try:
            async with asyncio.timeout(self._every):
                await self._stirred.wait()
        except TimeoutError:
            pass

    def _hear(self, event: HubEvent) -> None:
        if self._is_any_under_way and isinstance(event, Attempted):
            self._stirred.set()
