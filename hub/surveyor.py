"""Keeping the census and the map up to date: a loop that counts again the blocks which are not as they were counted.

Several processes may do so beside each other: each takes blocks in an order of its own, and passes over what another
has just counted. It rests much longer than it works, so that whatever is urgent goes before it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

import orjson
import structlog

from hub import census
from hub.calendar import PARIS
from hub.census import BLOCK, Alike, Chunk, Counted, Due, Placed
from hub.facets import OTHER, UNSEEN
from hub.ledger import Ledger
from hub.vault import Vault

EVERY: Final = timedelta(seconds=10)
REST: Final = 30
"""How many times as long as its last look took it rests at least."""

ROUNDS: Final = 30
"""Every so many looks, all blocks are looked at, not only the newest."""

LONGEST_REST: Final = 300.0
"""Seconds after which it looks round again, however long it took."""

CHUNK: Final = 1_000
"""Requests read and counted at a time."""

MOST_VALUES: Final = 200
"""So many values one thing may be counted under in a block: with more it is no list, and nobody's text is shown."""

HOUR: Final = 3_600_000

log = structlog.get_logger()


class Surveyor:
    """Counts what is not counted yet, or not any more, until cancelled."""

    def __init__(self, ledger: Ledger, *, every: timedelta = EVERY) -> None:
        self._ledger, self._every = ledger, every
        self._chance = random.Random()  # noqa: S311  # an order to work in

    async def run(self) -> None:
        """Look round again and again."""
        looks = 0
        while True:
            began = time.monotonic()
            try:
                await self.survey(everywhere=looks % ROUNDS == 0)
                looks += 1
            except Exception as error:  # noqa: BLE001  # what fails to be counted must not stop what is carried
                log.warning("the census fails", error=type(error).__name__)
            rest = max(self._every.total_seconds(), REST * (time.monotonic() - began))
            await asyncio.sleep(min(rest, LONGEST_REST) * self._chance.uniform(0.8, 1.2))

    async def survey(self, *, everywhere: bool = True) -> int:
        """Count every block that is due; gives how many there were. Raises SQLAlchemyError."""
        found = await self._ledger.read(census.due, self._ledger.book, everywhere=everywhere)
        self._chance.shuffle(found)
        for due in found:
            if await self._ledger.read(census.is_as_seen, due):
                await self._ledger.write(census.put_down, await self._count(due))
        return len(found)

    async def _count(self, due: Due) -> Counted:
        """Count one block, resting as long as each of its chunks took."""
        count = Count(self._ledger.book.vault)
        for first in range(due.block * BLOCK, (due.block + 1) * BLOCK, CHUNK):
            began = time.monotonic()
            chunk = await self._ledger.read(census.chunk, self._ledger.book, first, first + CHUNK - 1)
            await asyncio.to_thread(count.add, chunk)
            await asyncio.sleep(time.monotonic() - began)
        return Counted(due, count.requests, count.alike(), count.places, self._ledger.book.now())


class Count:
    """What the requests of one block have in common."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self.requests = 0
        self.places: list[Placed] = []
        self._alike: Counter[tuple[Alike, tuple[tuple[str, str], ...]]] = Counter()
        self._faceted: set[str] = set()

    def add(self, chunk: Chunk) -> None:
        """Count some requests more."""
        for row in chunk.rows:
            observer = chunk.observers[row.kind, row.version]
            seen = observer.see(self._vault.shown(row), chunk.answers.get(row.number, {})) if observer else UNSEEN
            alike = Alike(row.kind, month_of(row.received_at // HOUR), row.site, row.channel, seen.district)
            self._alike[alike, tuple(sorted(seen.facets.items()))] += 1
            if seen.longitude is not None and seen.latitude is not None:
                self.places.append(Placed(row.number, row.kind, seen.district, seen.longitude, seen.latitude))
            if observer and observer.facets:
                self._faceted.add(row.kind)
        self.requests += len(chunk.rows)

    def alike(self) -> Mapping[Alike, int]:
        """Give the lines of the census: one without facets for every request, one with them where a kind has some."""
        unlisted = self._unlisted()
        lines: Counter[Alike] = Counter()
        for (alike, facets), requests in self._alike.items():
            lines[alike] += requests
            if alike.kind in self._faceted:
                said = {name: OTHER if (alike.kind, name) in unlisted else value for name, value in facets}
                lines[alike._replace(facets=orjson.dumps(said).decode())] += requests
        return lines

    def _unlisted(self) -> set[tuple[str, str]]:
        """Find what comes from no list: a kind's facets of too many values."""
        values: dict[tuple[str, str], set[str]] = defaultdict(set)
        for alike, facets in self._alike:
            for name, value in facets:
                values[alike.kind, name].add(value)
        return {which for which, among in values.items() if len(among) > MOST_VALUES}


@lru_cache(maxsize=4096)
def month_of(hour: int) -> str:
    """Give the month of an hour since the epoch, in Paris: `2026-09`."""
    return datetime.fromtimestamp(hour * 3600, PARIS).strftime("%Y-%m")
