"""How a batch's transaction runs: on a file of ours, or on a server that any number of processes share.

On SQLite statements run on the event loop and only the commit, with its fsync, leaves it: a statement takes
microseconds, while a second thread would wait for the interpreter's lock at each of them (measured: half the
throughput). On PostgreSQL every wait for the server gives the loop back, for the same reason and without threads.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import RootTransaction
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

Result = TypeVar("Result")
Work = Callable[[Connection], Result]

PATIENCE: Final = 10.0
"""Seconds for which the database may be busy, or silent, before a batch fails."""

LOCK: Final = "hashtextextended(:owner, 0)"
"""The number of an owner's advisory lock."""

HOLD: Final = text(f"SELECT pg_advisory_lock_shared({LOCK})")
"""Every connection that writes holds its process's lock: a commit proves that the process counts as alive."""


class UnavailableError(OperationalError):
    """The database could not be had, or went away before it answered: what waits together fails together, once."""


class Transactions(Protocol):
    """One connection, and one transaction at a time on it."""

    async def run(self, work: Work[Result]) -> Result:
        """Run `work` in a transaction; returns once its commit is on disk. Raises UnavailableError."""
        ...

    async def close(self) -> None:
        """Let go of the connection."""
        ...


class FileTransactions:
    """Transactions on a SQLite file."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")

    async def run(self, work: Work[Result]) -> Result:
        """Run `work` here, and commit in a thread."""
        if self._connection is None or self._connection.invalidated:
            self._connection = _impatient(self._engine)
        transaction = await _begin_when_free(self._connection)
        try:
            result = work(self._connection)
            await asyncio.get_running_loop().run_in_executor(self._thread, transaction.commit)
        except BaseException:
            transaction.rollback()
            raise
        return result

    async def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
        self._thread.shutdown()


class ServerTransactions:
    """Transactions on a PostgreSQL server, each in the name of `owner`."""

    def __init__(self, engine: AsyncEngine, owner: str) -> None:
        self._engine, self._owner = engine, owner
        self._connection: AsyncConnection | None = None

    async def run(self, work: Work[Result]) -> Result:
        """Run `work` while the loop goes on; a server that falls silent is hung up on."""
        connection = self._connection or await self._open()
        try:
            with _answering(connection):
                async with connection.begin():
                    return await connection.run_sync(work)
        except SQLAlchemyError as error:
            if _is_open(connection):
                raise
            await self.close()
            raise unavailable(error) from error

    async def close(self) -> None:
        """Let go of the connection, and of the lock it holds."""
        if self._connection is not None:
            await self._connection.invalidate()
            await self._connection.close()
            self._connection = None

    async def _open(self) -> AsyncConnection:
        """Connect, and hold the process's lock before anything is written in its name."""
        self._connection = connection = await _connected(self._engine)
        try:
            with _answering(connection):
                async with connection.begin():
                    await connection.execute(HOLD, {"owner": self._owner})
        except SQLAlchemyError as error:
            await self.close()
            raise unavailable(error) from error
        return connection


async def read_beside(engine: AsyncEngine, work: Work[Result]) -> Result:
    """Run a query on a connection of its own while the loop goes on; raises UnavailableError."""
    connection = await _connected(engine)
    try:
        with _answering(connection):
            return await connection.run_sync(work)
    except DBAPIError as error:
        raise unavailable(error) from error
    finally:
        await connection.close()


async def _connected(engine: AsyncEngine) -> AsyncConnection:
    """Take a connection that answers; one that falls silent as it is tried is left behind. Raises UnavailableError."""
    opening = asyncio.ensure_future(engine.connect().start())
    try:
        await asyncio.wait({opening}, timeout=PATIENCE)
    except asyncio.CancelledError:
        _leave(opening)
        raise
    if not opening.done():
        _leave(opening)
        raise unavailable(TimeoutError())
    try:
        return opening.result()
    except (SQLAlchemyError, OSError) as error:
        raise unavailable(error) from error


def _leave(opening: asyncio.Future[AsyncConnection]) -> None:
    """Want a connection no more: it is given back if it came, or comes, all the same."""
    opening.cancel()
    opening.add_done_callback(_let_go)


def _let_go(opening: asyncio.Future[AsyncConnection]) -> None:
    """Close a connection that came too late for whoever wanted it."""
    if not opening.cancelled() and opening.exception() is None:
        closing = asyncio.ensure_future(opening.result().close())
        closing.add_done_callback(asyncio.Future.exception)


@contextmanager
def _answering(connection: AsyncConnection) -> Iterator[None]:
    """Hang up on a server that does not answer within PATIENCE."""
    silence = asyncio.get_running_loop().call_later(PATIENCE, _hang_up, connection)
    try:
        yield
    finally:
        silence.cancel()


def unavailable(error: Exception) -> UnavailableError:
    """Say that the database was not to be had, keeping what the driver said apart from our statement."""
    return UnavailableError("", None, getattr(error, "orig", None) or error, hide_parameters=True)


def _raw(connection: AsyncConnection) -> Any:
    """Give the driver's connection; None when the line was lost and put away already."""
    proxied = connection.sync_connection
    if proxied is None or proxied.closed or proxied.invalidated:
        return None
    return proxied.connection.driver_connection


def _is_open(connection: AsyncConnection) -> bool:
    raw = _raw(connection)
    return raw is not None and not raw.closed


def _hang_up(connection: AsyncConnection) -> None:
    """Cut the line, so that whoever waits for an answer hears that none will come."""
    raw = _raw(connection)
    if raw is not None and not raw.closed:
        with socket.socket(fileno=os.dup(raw.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)


def _impatient(engine: Engine) -> Connection:
    """Open a connection that fails at once when another process writes: the loop does the waiting."""
    connection = engine.connect()
    connection.connection.driver_connection.execute("PRAGMA busy_timeout = 0")  # type: ignore[union-attr]  # open
    return connection


async def _begin_when_free(connection: Connection) -> RootTransaction:
    """Begin once no other process writes, without holding the event loop up; raises UnavailableError."""
    until = asyncio.get_running_loop().time() + PATIENCE
    while True:
        try:
            return connection.begin()
        except OperationalError as error:
            if asyncio.get_running_loop().time() > until:
                raise unavailable(error) from error
            await asyncio.sleep(0.002)
