"""What is left of deleted values in the database's files, and how it goes from there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import Engine

EMPTIED: Final = (
    *("request", "delivery", "attempt", "revision", "event", "decision", "attachment"),
    *("business_key", "finalization", "batch_row"),
)
"""The tables from which a purge takes something."""


def wipe(engine: Engine) -> bool:
    """Overwrite or release what was deleted; False when somebody who reads keeps part of it for now."""
    return WIPING[engine.dialect.name](engine)


def _wipe_file(engine: Engine) -> bool:
    """Bring the journal into the file, whose freed pages are overwritten already, and cut it to nothing."""
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        cursor.close()
    finally:
        raw.close()
    return not busy


def _wipe_server(engine: Engine) -> bool:
    """Let the server take back the rows that were replaced: their room is written over as it is needed."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql(f"VACUUM {', '.join(EMPTIED)}")
        connection.exec_driver_sql("RESET statement_timeout")
    return True


WIPING: Final[Mapping[str, Callable[[Any], bool]]] = {"sqlite": _wipe_file, "postgresql": _wipe_server}
