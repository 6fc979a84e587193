"""Opening the ledger's database, with the settings that make a commit durable or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import alembic.command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, make_url, text

from hub.errors import ConfigurationError

PRAGMAS: Final = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: an acknowledged commit survives a power cut
    "foreign_keys": 1,
    "busy_timeout": 10_000,
}


def open_database(url: str) -> Engine:
    """Open the ledger; raises ConfigurationError when its commits would not be durable."""
    place = make_url(url)
    if place.get_backend_name() != "sqlite":
        return create_engine(url, hide_parameters=True, pool_pre_ping=True)
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


def upgrade(engine: Engine) -> None:
    """Bring the database's tables to this version of the hub."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")


def is_ready(engine: Engine) -> bool:
    """Say whether the database answers."""
    with engine.connect() as connection:
        return bool(connection.execute(text("SELECT 1")).scalar() == 1)


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing: `_begin` does
    for name, value in PRAGMAS.items():
        connection.execute(f"PRAGMA {name} = {value}")


def _begin(connection: Any) -> None:
    """Begin as a writer at once: a claim that starts as a reader could be made twice."""
    mode = connection.get_execution_options().get("sqlite_begin", "IMMEDIATE")
    connection.exec_driver_sql(f"BEGIN {mode}")
