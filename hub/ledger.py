"""The ledger: the only truth. Everything written goes through one writer; reading uses connections of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, Pool

from hub import acts, claims, intake, records, targets, testimony
from hub import book as book_module
from hub.acts import Act, Done
from hub.audit import Chain, Operation, Telling
from hub.book import Book
from hub.catalogue import Catalogue
from hub.claims import Intent, Order, Taken
from hub.database import SNAPSHOT, beside_the_loop
from hub.errors import HubError
from hub.intake import Acceptance, Arrival
from hub.records import Outcome, Recorded
from hub.transactions import FileTransactions, ServerTransactions, read_beside
from hub.writer import Writer

Params = ParamSpec("Params")
Result = TypeVar("Result")

Acting = Callable[[Connection, Sequence[Act]], Sequence[Done | HubError]]

Keeping = Callable[[Connection, Sequence[Catalogue]], Sequence[None]]
Switching = Callable[[Connection, Sequence[targets.Switch]], Sequence[bool]]

BLOCK: Final = 500
"""Request numbers taken at a time; what is left of a block at a stop is never used."""


ACT, SWITCH, KEEP = acts.act, targets.switch, book_module.keep
"""Our own verbs that the audit tells of, as whoever tells it names them."""


class Ledger:
    """What can be done with the ledger; each call returns once its commit is on disk."""

    def __init__(self, engine: Engine, book: Book, owner: str) -> None:
        """Open the ledger for one process: on a server, every write proves that `owner` lives."""
        self.engine, self.book = engine, book
        self._server = beside_the_loop(engine) if engine.dialect.name == "postgresql" else None
        self._writer = self._open_writer(owner)
        self._accept = partial(intake.accept, book)
        self._claim = partial(claims.claim, book)
        self._record = partial(records.record, book)
        self._act: Acting = partial(acts.act, book)
        self._switch: Switching = partial(targets.switch, book)
        self._nudge = partial(testimony.nudge, book)
        self._hear = partial(testimony.hear, book)
        self._keep: Keeping = partial(book_module.keep, book)
        self._audited: Mapping[Operation, Operation] = {}
        self._numbers = range(0)
        self._refill = asyncio.Lock()

    @property
    def pools(self) -> Mapping[str, Pool]:
        """Connections to the database by what they are for: looking from a thread, and the event loop's on a server."""
        return {"looking": self.engine.pool, **({"serving": self._server.sync_engine.pool} if self._server else {})}

    def _open_writer(self, owner: str) -> Writer:
        if self._server is None:
            return Writer(partial(FileTransactions, self.engine))
        return Writer(partial(ServerTransactions, self._server, owner), apart=True)

    def audit_with(self, chain: Chain, telling: Mapping[Operation, Telling], verbs: Mapping[Any, Telling]) -> None:
        """Have operations, and those of our own verbs, write what they do in the audit from now on."""
        self._audited = {operation: chain.beside(operation, told) for operation, told in telling.items()}
        self._act = chain.beside(self._act, verbs[ACT])
        self._switch = chain.beside(self._switch, verbs[SWITCH])
        self._keep = chain.beside(self._keep, verbs[KEEP])

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
        return await self._writer.run(self._accept, arrival)

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

    async def nudge(self, said: testimony.Nudge) -> list[int]:
        """Make what waits under a target's reference due now, and give it."""
        return await self._writer.run(self._nudge, said)

    async def hear(self, word: testimony.Word) -> testimony.Heard:
        """Take a target's word for one of its deliveries."""
        return await self._writer.run(self._hear, word)

    async def keep(self, catalogue: Catalogue) -> None:
        """Write down every definition of a catalogue."""
        await self._writer.run(self._keep, catalogue)

    async def switch(self, wanted: targets.Switch) -> bool:
        """Pause or resume a target; False when there is none of that name."""
        return await self._writer.run(self._switch, wanted)

    async def write(self, operation: Callable[[Connection, Sequence[Any]], Sequence[Any]], item: Any) -> Any:
        """Run any other statement; `operation` must be the same object each time, to be batched."""
        return await self._writer.run(self._audited.get(operation, operation), item)

    async def read(
        self, query: Callable[Concatenate[Connection, Params], Result], *args: Params.args, **named: Params.kwargs
    ) -> Result:
        """Run a query in one snapshot on a connection of its own, while the event loop goes on."""
        if self._server is None:
            return await asyncio.to_thread(lambda: self.look(query, *args, **named))
        snapshot = self._server.execution_options(**SNAPSHOT["postgresql"])
        return await read_beside(snapshot, lambda connection: query(connection, *args, **named))

    def look(
        self, query: Callable[Concatenate[Connection, Params], Result], *args: Params.args, **named: Params.kwargs
    ) -> Result:
        """Run a query in one snapshot, here and now."""
        with self.engine.connect().execution_options(**SNAPSHOT[self.engine.dialect.name]) as connection:
            return query(connection, *args, **named)

    async def declare(self, target: targets.Declared) -> None:
        """Write down a target of this installation, keeping its switch and its breaker."""
        await self._writer.run(targets.declare, target)

    async def close(self) -> None:
        """Finish what waits, and let go of the database."""
        await self._writer.close()
        if self._server is not None:
            await self._server.dispose()
        self.engine.dispose()
