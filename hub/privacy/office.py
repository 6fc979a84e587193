"""Opens a ledger for the verbs of personal data, whether a hub runs on it or not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, select

from hub.audit import Entry, Outcome, Unsaid
from hub.auditor import add_to_audit
from hub.book import Book
from hub.catalogue import read_catalogue
from hub.clock import system_clock
from hub.database import open_database, prepare
from hub.locker import vault_beside
from hub.privacy.doomed import doom_orphans, doomed, forget, spared
from hub.privacy.extension import Extension, extend
from hub.privacy.janitor import AT_ONCE, Report, Run, counted, put_down, wanted
from hub.privacy.person import Sought, under, within
from hub.privacy.purge import Purge, Purged, purge
from hub.privacy.remains import wipe
from hub.privacy.retention import Due, due, terms_of
from hub.settings import Settings
from hub.stores import Store, open_store
from hub.tables import REQUESTS


@dataclass(frozen=True)
class Office:
    """A ledger, what must be known to read it, and where its files are."""

    settings: Settings
    engine: Engine
    book: Book

    def due(self, *, ahead: bool = False, limit: int = 1_000) -> list[Due]:
        """List what is due now, or will soon be."""
        terms = terms_of(self.book.catalogue, self.settings.retention)
        with self.reading() as connection:
            return due(connection, terms, self.book.now(), ahead=ahead, limit=limit)

    def numbers(self, sought: Sought) -> list[int]:
        """Find the requests of one person; in every body there is, where the search is `deep`."""
        with self.reading() as connection:
            if sought.number is not None:
                mine = select(REQUESTS.c.number).where(REQUESTS.c.number == sought.number)
                return list(connection.scalars(mine))
            if sought.deep:
                return within(connection, self.book, sought.said)
            return under(connection, self.settings.secret(is_new=False), sought.said)

    def extend(self, wanted: Extension) -> bool:
        """Keep a request longer; False when there is nothing to keep."""
        with self.engine.begin() as connection:
            [done] = extend(self.book, connection, [wanted])
            said = {"ground": str(wanted.ground), "until": wanted.until, "reason": Unsaid(wanted.reason)}
            self.tell(connection, "gdpr.extend", wanted.actor, f"request {wanted.number:09d}", said, done=done)
        return done

    def purge_due(self, actor: str) -> Report:
        """Take away everything that is due, as the loop of a hub does."""
        return self.purge(wanted(self.due(), actor), actor)[0]

    def purge(self, asked: Sequence[Purge], actor: str) -> tuple[Report, list[Purged]]:
        """Take these requests away, a few in each transaction, then their files, then what is left of either."""
        done: list[Purged] = []
        for first in range(0, len(asked), AT_ONCE):
            some = asked[first : first + AT_ONCE]
            with self.engine.begin() as connection:
                done += purge(self.book, connection, some)
                for one, said in zip(some, done[first:], strict=True):
                    why = {"why": one.why, "held": str(said.held or "")}
                    about = f"request {one.number:09d}"
                    self.tell(connection, "gdpr.purge", actor, about, why, done=said.held is None)
        with self.engine.begin() as connection:
            doom_orphans(connection, [self.book.now()])
        report = counted(asked, done, asyncio.run(self._files()))
        if not report.is_empty:
            with self.engine.begin() as connection:
                put_down(connection, [Run(self.book.now(), actor, report.purged, report.trimmed, report.files)])
            wipe(self.engine)
        return report, done

    def tell(  # noqa: PLR0913  # what the audit holds of it
        self, connection: Connection, action: str, actor: str, about: str, said: Mapping[str, Any], *, done: bool = True
    ) -> None:
        """Write down in the audit what somebody at this machine did."""
        outcome = Outcome.DONE if done else Outcome.DENY
        add_to_audit(self.settings, connection, Entry(actor, action, about, outcome, said))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection to look with."""
        with self.engine.connect().execution_options(sqlite_begin="DEFERRED") as connection:
            yield connection

    async def store(self) -> Store:
        """Open the store of attachments; raises ConfigurationError."""
        return await open_store(self.settings.files)

    async def _files(self) -> int:
        with self.reading() as connection:
            names = doomed(connection)
            going = [name for name in names if not spared(connection, name)]
        store = await self.store() if going else None
        for name in going:
            if store is not None:
                await store.delete(name)
        with self.engine.begin() as connection:
            forget(connection, names)
        return len(going)


@contextmanager
def open_office(settings: Settings) -> Iterator[Office]:
    """Open an installation's ledger; raises ConfigurationError."""
    engine = open_database(settings.database)
    try:
        prepare(engine)
        with engine.connect() as connection:
            vault = vault_beside(settings, connection)
        yield Office(settings, engine, Book(read_catalogue(settings), clock=system_clock, vault=vault))
    finally:
        engine.dispose()
