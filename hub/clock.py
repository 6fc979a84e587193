"""The ledger's time: read where all who share the ledger agree, and kept steady between two readings.

A process's own wall clock may be an hour wrong, and may jump; what elapses since a reading is counted on the
clock that does neither (CLOCK_BOOTTIME, which also counts the time a machine sleeps).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from hub.model import Instant

Clock = Callable[[], Instant]

JUMP: Final = 2000
"""Milliseconds beyond which two readings that differ are a clock that was set, not one that drifts."""

FRESH: Final = 500
"""Milliseconds a reading may take to arrive."""

EVERY: Final = 1.0
"""Seconds between two readings."""

DATABASE_TIME: Final = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")

log = structlog.get_logger()


def system_clock() -> Instant:
    """Read this machine's clock."""
    return Instant(time.time_ns() // 1_000_000)


def database_clock(connection: Connection) -> Instant:
    """Read a server's clock: the one all its clients share."""
    return Instant(connection.scalar(DATABASE_TIME))


def elapsed() -> int:
    """Count the milliseconds of a clock nobody can set."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


class SteadyClock:
    """Time from one reading on, that no setting of this machine's clock moves.

    `shared` readings come from a clock that others go by too: then a clock that was set is followed at once. One's
    own is not: whatever waits for a moment would come too early.
    """

    def __init__(self, reading: Instant, *, shared: bool) -> None:
        self._offset, self._shared = reading - elapsed(), shared

    def __call__(self) -> Instant:
        """Say what time it is."""
        return Instant(elapsed() + self._offset)

    def follow(self, reading: Instant) -> None:
        """Go by a new reading of the same clock."""
        ahead = reading - self()
        if self._shared or abs(ahead) <= JUMP:
            self._offset += ahead


async def keep_time(clock: SteadyClock, read: Callable[[], Awaitable[Instant]]) -> None:
    """Read the clock again every second, for ever; while it cannot be read, time goes on from the last reading."""
    while True:
        await asyncio.sleep(EVERY)
        try:
            asked, reading = elapsed(), await read()
            if elapsed() - asked < FRESH:  # one that was long on its way tells a time gone by
                clock.follow(reading)
        except SQLAlchemyError as error:
            log.warning("the ledger's clock cannot be read", error=type(error).__name__)
