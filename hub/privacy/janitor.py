"""Purging while the hub works: a loop that takes away what is due, a few requests at a time.

Several processes may do so beside each other: each request is locked before it is looked at, and is purged once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final, NamedTuple

import structlog
from sqlalchemy import Connection, select

from hub.audit import Entry, tell
from hub.ledger import Ledger
from hub.privacy.doomed import AT_ONCE as CONTENTS
from hub.privacy.doomed import Doomed, doom_orphans, doomed, forget, spared
from hub.privacy.purge import Purge, Purged, purge
from hub.privacy.remains import wipe
from hub.privacy.retention import Due, Held, Spot, Why, milliseconds, page, spots, terms_of
from hub.privacy.terms import Retention
from hub.statements import upsert
from hub.stores import Store, StoreError
from hub.tables import COUNTERS
from hub.tables_privacy import PURGE_RUNS

ACTOR: Final = "hub"
SINCE: Final = "purge.since"
"""The row that says when the first round was."""

AT_ONCE: Final = 16
"""Requests in one transaction: it holds others up meanwhile."""

REST: Final = 0.2
"""Seconds between two transactions, so that whatever is urgent goes before it."""

FEWEST: Final = timedelta(minutes=1)
"""A round begins no sooner after the start: a start has enough to do."""

DESPITE: Final[Mapping[Why, frozenset[Held]]] = {
    Why.ENDED: frozenset({Held.PARKED, Held.IN_PROGRESS}),
    Why.FAILED: frozenset({Held.PARKED}),
    Why.SOONER: frozenset(),
}
"""What does not keep a request whose time has come: a call-back that nobody took, a failure that nobody mended.

Fields that go sooner wait for the call-back, since what a route does next is read from them once more when it ends.
"""

log = structlog.get_logger()


class Run(NamedTuple):
    """A round as the ledger has it."""

    at: int
    actor: str
    purged: int
    trimmed: int
    files: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a round took away."""

    purged: int = 0
    trimmed: int = 0
    files: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing was due."""
        return not (self.purged or self.trimmed or self.files)


def wanted(found: Iterable[Due], actor: str) -> list[Purge]:
    """Say what is to be purged of what is due."""
    return [Purge(one.number, str(one.why), actor, DESPITE[one.why], one.classes) for one in found if one.held is None]


def counted(asked: Sequence[Purge], done: Sequence[Purged], files: int) -> Report:
    """Count what was taken away."""
    over = [bool(one.classes) for one, said in zip(asked, done, strict=True) if said.done]
    return Report(over.count(False), over.count(True), files)


def put_down(connection: Connection, runs: Sequence[Run]) -> list[None]:
    """Write down that rounds took something away."""
    connection.execute(PURGE_RUNS.insert(), [run._asdict() for run in runs])
    return [None] * len(runs)


def begin(connection: Connection, moments: Sequence[int]) -> list[int]:
    """Give the moment of the very first round in this ledger, which is now unless there was one."""
    row = {"name": SINCE, "value": min(moments)}
    connection.execute(upsert(COUNTERS).on_conflict_do_nothing(), row)
    first = int(connection.scalar(select(COUNTERS.c.value).where(COUNTERS.c.name == SINCE)) or 0)
    return [first] * len(moments)


class Janitor:
    """Takes away what is due, until cancelled.

    Nothing goes before people had the time of a warning to look at `hub gdpr due`, counted from the first round: a
    ledger that is older than its terms is not emptied overnight.
    """

    def __init__(self, ledger: Ledger, store: Store, usual: Retention, *, every: timedelta) -> None:
        self._ledger, self._store, self._usual, self._every = ledger, store, usual, every
        self._purge: Callable[[Connection, Sequence[Any]], Sequence[Any]] = partial(purge, ledger.book)
        self._chance = random.Random()  # noqa: S311  # when to look round

    async def run(self) -> None:
        """Look round again and again, the first time soon after the start."""
        rest = min(FEWEST, self._every)
        while True:
            await asyncio.sleep(rest.total_seconds() * self._chance.uniform(0.8, 1.2))
            rest = self._every
            try:
                await self.tidy()
            except Exception as error:  # noqa: BLE001  # what fails to be purged must not stop what is carried
                log.warning("the purge fails", error=type(error).__name__)

    async def tidy(self) -> Report:
        """Take away everything that is due now; raises SQLAlchemyError."""
        book = self._ledger.book
        if book.now() < await self._ledger.write(begin, book.now()) + milliseconds(self._usual.warn):
            return Report()
        asked, done, kinds = [], [], set()
        async for found in self._due():
            some = wanted(found, ACTOR)
            done += await self._take(some)
            asked += some
            kinds |= {one.kind for one in found}
        while await self._ledger.write(doom_orphans, book.now()) >= CONTENTS:
            continue
        report = counted(asked, done, await self._files())
        if not report.is_empty:
            run = Run(book.now(), ACTOR, report.purged, report.trimmed, report.files)
            await self._ledger.write(put_down, run)
            said = {"purged": report.purged, "trimmed": report.trimmed, "files": report.files}
            await self._ledger.write(tell, Entry(ACTOR, "gdpr.purge", detail=said))
            await asyncio.to_thread(wipe, self._ledger.engine)
            log.info("purged", kinds=len(kinds), files=report.files)
        return report

    async def _due(self) -> AsyncIterator[Sequence[Due]]:
        """Give what is due as the round begins, page by page."""
        terms, now = terms_of(self._ledger.book.catalogue, self._usual), self._ledger.book.now()
        for spot in await self._ledger.read(spots):
            following: Spot | None = spot
            while following is not None:
                found, following = await self._ledger.read(page, terms, now, following)
                yield found

    async def _take(self, asked: Sequence[Purge]) -> list[Purged]:
        """Take requests away, a few at a time."""
        done: list[Purged] = []
        for first in range(0, len(asked), AT_ONCE):
            some = asked[first : first + AT_ONCE]
            done += await asyncio.gather(*(self._ledger.write(self._purge, one) for one in some))
            await asyncio.sleep(REST)
        return done

    async def _files(self) -> int:
        """Delete from the store what no attachment names; what the store refuses is tried again next time."""
        gone, last = 0, Doomed()
        while some := await self._ledger.read(doomed, last):
            last = some[-1]
            for one in some:
                try:
                    if not await self._ledger.read(spared, one.stored):
                        await self._store.delete(one.stored)
                        gone += 1
                except StoreError:
                    continue
                await self._ledger.write(forget, one.stored)
        return gone
