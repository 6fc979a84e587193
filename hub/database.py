"""Opening the ledger's database, with the settings that make a commit durable or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import alembic.command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import SQLAlchemyError

from hub.errors import ConfigurationError

PRAGMAS: Final = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: an acknowledged commit survives a power cut
    "foreign_keys": 1,
    "busy_timeout": 10_000,
}


LASTING: Final = frozenset({"SQLITE_ERROR", "SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_SCHEMA", "SQLITE_MISMATCH"})
"""What SQLite calls the failures that are still there after a wait: a table that is missing, a damaged file."""


def open_database(url: str) -> Engine:
    """Open the ledger; raises ConfigurationError when its commits would not be durable."""
    place = make_url(url)
    if place.get_backend_name() != "sqlite":
        raise ConfigurationError(place.render_as_string(), "a SQLite file: PostgreSQL comes with the distributed mode")
    if not place.database or place.database == ":memory:":
        raise ConfigurationError(url, "the ledger needs a file: memory loses what was accepted")
    Path(place.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, hide_parameters=True, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    with engine.connect() as connection:
        for name, wanted in PRAGMAS.items():
            found = connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            if found != wanted:
                raise ConfigurationError(url, f"PRAGMA {name} is {found}, {wanted} was asked for and is needed")
    return engine


def will_pass(error: SQLAlchemyError) -> bool:
    """Tell a failure that time or a person may mend (disk full, locked, unreachable) from one that restarting shows."""
    cause = getattr(error, "orig", None)
    return getattr(cause, "sqlite_errorname", "") not in LASTING


def upgrade(engine: Engine) -> None:
    """Bring the database's tables to this version of the hub."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing: `_begin` does
    for name, value in PRAGMAS.items():
        connection.execute(f"PRAGMA {name} = {value}")


def _begin(connection: Any) -> None:
    """Begin as a writer at once: a claim that starts as a reader could be made twice."""
    mode = connection.get_execution_options().get("sqlite_begin", "IMMEDIATE")
    connection.exec_driver_sql(f"BEGIN {mode}")
