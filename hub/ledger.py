"""The ledger: the only truth. Everything written goes through one writer; reading uses connections of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine

from hub import acts, claims, intake, records, targets
from hub import book as book_module
from hub.acts import Act, Done
from hub.book import Book
from hub.catalogue import Catalogue
from hub.claims import Intent, Order, Taken
from hub.errors import HubError
from hub.intake import Acceptance, Arrival
from hub.records import Outcome, Recorded
from hub.writer import Writer

Params = ParamSpec("Params")
Result = TypeVar("Result")

Acting = Callable[[Connection, Sequence[Act]], Sequence[Done | HubError]]

Keeping = Callable[[Connection, Sequence[Catalogue]], Sequence[None]]
Switching = Callable[[Connection, Sequence[targets.Switch]], Sequence[bool]]

BLOCK: Final = 500
"""Request numbers taken at a time; what is left of a block at a stop is never used."""


class Ledger:
    """What can be done with the ledger; each call returns once its commit is on disk."""

    def __init__(self, engine: Engine, book: Book) -> None:
        self.engine, self.book = engine, book
        self._writer = Writer(engine)
        self._claim = partial(claims.claim, book)
        self._record = partial(records.record, book)
        self._act: Acting = partial(acts.act, book)
        self._switch: Switching = partial(targets.switch, book)
        self._keep: Keeping = partial(book_module.keep, book)
        self._numbers = range(0)
        self._refill = asyncio.Lock()

    async def number(self) -> int:
        """Take the next request number."""
        while not self._numbers:
            async with self._refill:
                if not self._numbers:
                    self._numbers = await self._writer.run(intake.take_numbers, BLOCK)
        first, self._numbers = self._numbers[0], self._numbers[1:]
        return first

    async def accept(self, arrival: Arrival) -> Acceptance:
        """Write a request down; raises KeyReusedError or ReferenceTakenError."""
        return await self._writer.run(intake.accept, arrival)

    async def claim(self, order: Order) -> Taken:
        """Take due deliveries of one target in hand."""
        return await self._writer.run(self._claim, order)

    async def intend(self, batch: Sequence[Intent]) -> list[bool]:
        """Commit the intent to send a batch; False for one that is no longer in our hands."""
        return await self._writer.run(claims.intend, batch)

    async def record(self, outcome: Outcome) -> Recorded:
        """Write down what came of a claim."""
        return await self._writer.run(self._record, outcome)

    async def act(self, act: Act) -> Done:
        """Do what a person asked; raises ConflictError when it no longer applies."""
        return await self._writer.run(self._act, act)

    async def keep(self, catalogue: Catalogue) -> None:
        """Write down every definition of a catalogue."""
        await self._writer.run(self._keep, catalogue)

    async def switch(self, wanted: targets.Switch) -> bool:
        """Pause or resume a target; False when there is none of that name."""
        return await self._writer.run(self._switch, wanted)

    async def write(self, operation: Callable[[Connection, Sequence[Any]], Sequence[Any]], item: Any) -> Any:
        """Run any other statement; `operation` must be the same object each time, to be batched."""
        return await self._writer.run(operation, item)

    async def read(
        self, query: Callable[Concatenate[Connection, Params], Result], *args: Params.args, **named: Params.kwargs
    ) -> Result:
        """Run a query on a connection of its own, away from the event loop."""
        return await asyncio.to_thread(lambda: self.look(query, *args, **named))

    def look(
        self, query: Callable[Concatenate[Connection, Params], Result], *args: Params.args, **named: Params.kwargs
    ) -> Result:
        """Run a query here and now."""
        with self.engine.connect().execution_options(sqlite_begin="DEFERRED") as connection:
            return query(connection, *args, **named)

    async def declare(self, target: targets.Declared) -> None:
        """Write down a target of this installation, keeping its switch and its breaker."""
        await self._writer.run(targets.declare, target)

    async def close(self) -> None:
        """Finish what waits, and let go of the database."""
        await self._writer.close()
        self.engine.dispose()
