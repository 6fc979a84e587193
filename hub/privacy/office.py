"""Opens a ledger for the verbs of personal data, whether a hub runs on it or not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import OperationalError

from hub.audit import Entry, Outcome, Unsaid
from hub.auditor import add_to_audit
from hub.book import Book
from hub.catalogue import read_catalogue
from hub.clock import system_clock
from hub.database import open_database, prepare
from hub.errors import ConfigurationError
from hub.locker import vault_beside
from hub.privacy.doomed import AT_ONCE as CONTENTS
from hub.privacy.doomed import Doomed, doom_orphans, doomed, forget, spared
from hub.privacy.extension import Extension, extend
from hub.privacy.janitor import AT_ONCE, Report, Run, counted, put_down, wanted
from hub.privacy.person import Sought, under, within
from hub.privacy.purge import Purge, Purged, purge
from hub.privacy.remains import wipe
from hub.privacy.retention import Due, Spot, due, page, spots, terms_of
from hub.settings import Settings
from hub.stores import Store, StoreError, open_store
from hub.tables import REQUESTS
from hub.writer import CROSSED, CROSSINGS

Result = TypeVar("Result")


@dataclass(frozen=True)
class Office:
    """A ledger, what must be known to read it, and where its files are."""

    settings: Settings
    engine: Engine
    book: Book

    def due(self, *, ahead: bool = False) -> list[Due]:
        """List what is due now, or will soon be; a thousand of each kind at most, for each reason."""
        terms = terms_of(self.book.catalogue, self.settings.retention)
        with self.reading() as connection:
            return due(connection, terms, self.book.now(), ahead=ahead)

    def all_due(self) -> Iterator[Sequence[Due]]:
        """Give everything that is due now, page by page."""
        terms, now = terms_of(self.book.catalogue, self.settings.retention), self.book.now()
        with self.reading() as connection:
            every = spots(connection)
        for spot in every:
            following: Spot | None = spot
            while following is not None:
                with self.reading() as connection:
                    found, following = page(connection, terms, now, following)
                yield found

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

        def work(connection: Connection) -> bool:
            [done] = extend(self.book, connection, [wanted])
            said = {"ground": str(wanted.ground), "until": wanted.until, "reason": Unsaid(wanted.reason)}
            self.tell(connection, "gdpr.extend", wanted.actor, f"request {wanted.number:09d}", said, done=done)
            return done

        return self.write(work)

    def purge_due(self, actor: str) -> Report:
        """Take away everything that is due, as the loop of a hub does."""
        asked: list[Purge] = []
        done: list[Purged] = []
        for found in self.all_due():
            some = wanted(found, actor)
            asked += some
            done += self._take(some, actor)
        return self._finish(asked, done, actor)

    def purge(self, asked: Sequence[Purge], actor: str) -> tuple[Report, list[Purged]]:
        """Take these requests away, a few in each transaction, then their files, then what is left of either."""
        done = self._take(asked, actor)
        return self._finish(asked, done, actor), done

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """Do something in one transaction; one that stood in another's way, and was ended for it, runs again."""
        for left in reversed(range(CROSSINGS)):
            try:
                with self.engine.begin() as connection:
                    return work(connection)
            except OperationalError as error:
                if not left or getattr(error.orig, "sqlstate", "") not in CROSSED:
                    raise
        raise AssertionError("a transaction is tried at least once")

    def tell(  # noqa: PLR0913  # what the audit holds of it
        self, connection: Connection, action: str, actor: str, about: str, said: Mapping[str, Any], *, done: bool = True
    ) -> None:
        """Write down in the audit what somebody at this machine did."""
        outcome = Outcome.DONE if done else Outcome.DENY
        add_to_audit(self.settings, connection, Entry(actor, action, about, outcome, said))

    def _take(self, asked: Sequence[Purge], actor: str) -> list[Purged]:
        done: list[Purged] = []
        for first in range(0, len(asked), AT_ONCE):
            done += self.write(partial(self._purge, asked[first : first + AT_ONCE], actor))
        return done

    def _purge(self, some: Sequence[Purge], actor: str, connection: Connection) -> list[Purged]:
        """Take a few requests away, and say so in the audit: what a person typed is there as a digest alone."""
        done = purge(self.book, connection, some)
        for one, said in zip(some, done, strict=True):
            why = {
                "why": one.why,
                "held": str(said.held or ""),
                **({"reason": Unsaid(one.reason)} if one.reason else {}),
            }
            self.tell(connection, "gdpr.purge", actor, f"request {one.number:09d}", why, done=said.held is None)
        return done

    def _finish(self, asked: Sequence[Purge], done: Sequence[Purged], actor: str) -> Report:
        """Take the files away and what is left in the database; raises ConfigurationError after all of it."""
        while self.write(lambda connection: doom_orphans(connection, [self.book.now()]))[0] >= CONTENTS:
            pass
        unopened, files = None, 0
        try:
            files = asyncio.run(self._files())
        except ConfigurationError as error:
            unopened = error
        report = counted(asked, done, files)
        if not report.is_empty:
            run = Run(self.book.now(), actor, report.purged, report.trimmed, report.files)
            self.write(lambda connection: put_down(connection, [run]))
            wipe(self.engine)
        if unopened is not None:
            raise unopened
        return report

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection to look with."""
        with self.engine.connect().execution_options(sqlite_begin="DEFERRED") as connection:
            yield connection

    async def store(self) -> Store:
        """Open the store of attachments; raises ConfigurationError."""
        return await open_store(self.settings.files)

    async def _files(self) -> int:
        """Delete from the store what no attachment names; what it refuses is tried again next time."""
        last, gone = Doomed(), 0
        store: Store | None = None
        while some := self._doomed(last):
            last = some[-1]
            store = store or await self.store()
            for one in some:
                gone += await self._delete(store, one.stored)
        return gone

    def _doomed(self, after: Doomed) -> list[Doomed]:
        with self.reading() as connection:
            return doomed(connection, after)

    async def _delete(self, store: Store, name: str) -> bool:
        """Delete one content; False where somebody has it again, or where the store refuses."""
        with self.reading() as connection:
            is_spared = spared(connection, name)
        try:
            if not is_spared:
                await store.delete(name)
        except StoreError:
            return False
        self.write(lambda connection: forget(connection, [name]))
        return not is_spared


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
