"""Keeping the audit: refusals are written down, the last row is witnessed elsewhere, and rows too old are let go."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Row, select

from hub.anchor import Anchor, cast
from hub.audit import Chain, Entry, Prune, head_of, tell
from hub.audit_pages import as_line
from hub.denials import Denials
from hub.ledger import Ledger
from hub.model import Instant
from hub.policy import later
from hub.settings_audit import AuditSettings
from hub.stores import sync
from hub.tables_audit import AUDIT

LOOKS_EVERY: Final = timedelta(seconds=15)
"""How often minutes of refusals that are over are looked for."""

PRUNES_EVERY: Final = timedelta(hours=1)
AT_ONCE: Final = 1_000
"""Rows let go in one transaction."""

MOST_UNTOLD: Final = 1_000
"""Refusals kept while the ledger cannot be written."""

log = structlog.get_logger()


class AuditKeeper:
    """Keeps one process's part of the audit."""

    def __init__(self, ledger: Ledger, chain: Chain, settings: AuditSettings) -> None:
        self.denials = Denials()
        self._ledger, self._settings = ledger, settings
        self.digest = chain.digest
        self._prune = partial(_prune, chain)
        self._anchored = 0
        self._untold: list[Entry] = []
        self._alone, self._woken = asyncio.Lock(), asyncio.Event()

    def wake(self) -> None:
        """Have what is new written down at once."""
        self._woken.set()

    async def listen(self) -> None:
        """Write refusals down as they come, until cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), LOOKS_EVERY.total_seconds())
            self._woken.clear()
            await self._watched(self.write_denials(), "denials")

    async def witness(self) -> None:
        """Say the last row elsewhere, again and again."""
        while self._settings.anchor:
            await asyncio.sleep(self._settings.every.total_seconds())
            await self._watched(self.anchor(), "anchor")

    async def forget(self) -> None:
        """Let go of what is too old, again and again."""
        while True:
            await self._watched(self.prune(), "prune")
            await asyncio.sleep(PRUNES_EVERY.total_seconds())

    async def close(self) -> None:
        """Write down what is untold, and say the last row elsewhere once more."""
        await self._watched(self.write_denials(everything=True), "denials")
        await self._watched(self.anchor(), "anchor")

    async def write_denials(self, *, everything: bool = False) -> None:
        """Write down what is to be told by now, and what could not be before; raises SQLAlchemyError."""
        async with self._alone:
            taken = self.denials.take(self._ledger.book.now(), everything=everything)
            self._untold = [*self._untold, *taken][:MOST_UNTOLD]
            while self._untold:
                await self._ledger.write(tell, self._untold[0])
                del self._untold[0]

    async def anchor(self) -> None:
        """Say the last row elsewhere, if there is a new one; raises OSError or SQLAlchemyError."""
        head = await self._ledger.read(head_of)
        if self._settings.anchor and head is not None and head.n > self._anchored:
            anchor = Anchor(head.n, head.hash)
            await asyncio.to_thread(cast, self._settings.anchor, anchor, datetime.now(UTC))
            self._anchored = head.n

    async def prune(self) -> int:
        """Let go of every row that is too old, written down first where an archive is kept; gives how many."""
        pruned = 0
        before = later(self._ledger.book.now(), -self._settings.keep)
        while rows := await self._ledger.read(_old, before):
            if self._settings.archive:
                await asyncio.to_thread(_archive, self._settings.archive, rows)
            if not await self._ledger.write(self._prune, Prune(rows[-1].n, rows[-1].hash)):
                break
            pruned += len(rows)
            if len(rows) < AT_ONCE:
                break
        return pruned

    async def _watched(self, work: Any, task: str) -> None:
        """Let no failure whatever end the loop: nobody waits for it, so nobody would hear; the next round may do."""
        try:
            await work
        except Exception as error:  # noqa: BLE001  # nobody above hears
            log.error("the audit is not kept", code=task, error=type(error).__name__)  # noqa: TRY400  # texts may hold data


def _old(connection: Connection, before: Instant) -> Sequence[Row[Any]]:
    """Read the first rows, as far as they are too old."""
    rows = connection.execute(select(AUDIT).order_by(AUDIT.c.n).limit(AT_ONCE)).all()
    return list(takewhile(lambda row: row.at < before, rows))


def _prune(chain: Chain, connection: Connection, wanted: Sequence[Prune]) -> list[bool]:
    return [chain.prune(connection, one) for one in wanted]


def _archive(folder: Path, rows: Sequence[Row[Any]]) -> None:
    """Write rows down whole under a name of their own, and wait for the disk: whoever does it twice writes the same."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"audit-{rows[0].n:012d}-{rows[-1].n:012d}.jsonl"
    aside = file.with_suffix(".part")
    aside.write_bytes(b"".join(as_line(row) + b"\n" for row in rows))
    sync(aside)
    aside.rename(file)
    for place in (folder, *(made.parent for made in missing)):
        sync(place)
