"""Opening the ledger's database, with the settings that make a commit durable or not at all."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import alembic.command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from hub.errors import ConfigurationError
from hub.lifecycle import State
from hub.model import Status

PRAGMAS: Final = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: an acknowledged commit survives a power cut
    "foreign_keys": 1,
    "busy_timeout": 10_000,
    "secure_delete": 1,  # what is deleted is overwritten: a purge leaves no bytes in free pages
}

LASTING: Final = frozenset({"SQLITE_ERROR", "SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_SCHEMA", "SQLITE_MISMATCH"})
"""What SQLite calls the failures that are still there after a wait: a table that is missing, a damaged file."""

LASTING_CLASSES: Final = ("22", "23", "42")
"""The classes of PostgreSQL's codes that a wait does not mend: data, constraints, and what is missing or forbidden."""

DRIVER: Final = "postgresql+psycopg"

REACH: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "application_name": "hub",
        "connect_timeout": 5,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
        "options": "-c statement_timeout=30s -c idle_in_transaction_session_timeout=30s",
    }
)
"""How a PostgreSQL is spoken to: a dead line is noticed, and nothing is held for ever. Seconds, but where said."""

NEEDED: Final[Mapping[str, tuple[frozenset[str], str]]] = MappingProxyType(
    {
        "fsync": (frozenset({"on"}), "set fsync = on in postgresql.conf and restart the server"),
        "full_page_writes": (frozenset({"on"}), "set full_page_writes = on in postgresql.conf and reload the server"),
        "synchronous_commit": (
            frozenset({"on", "local", "remote_write", "remote_apply"}),
            "remove it from postgresql.conf, or ALTER ROLE … RESET synchronous_commit (ALTER DATABASE … too)",
        ),
        "server_encoding": (frozenset({"UTF8"}), "create the database with ENCODING 'UTF8'"),
        "transaction_read_only": (frozenset({"off"}), "name the primary server, not a standby"),
    }
)
"""What PostgreSQL must say of itself, and how to bring it there: else an acknowledged request could be lost."""

SNAPSHOT: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "sqlite": {"sqlite_begin": "DEFERRED"},
        "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
    }
)
"""How a connection reads: everything as of one moment, and holding nobody up."""

LIVE: Final = "READ COMMITTED"
"""How a connection writes, whatever its server's default: each statement sees what others have committed by then.

With one snapshot a transaction, two who settle deliveries of one request would each miss what the other did.
"""

SERVED: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "hide_parameters": True,
        "connect_args": dict(REACH),
        "pool_timeout": 10,
        "pool_pre_ping": True,
        "isolation_level": LIVE,
    }
)
"""How a server's database is opened, whoever waits for it."""

OLDEST_SERVER: Final = 130_000

MIGRATING: Final = 4_828_114_203_551_774
"""The advisory lock of whoever migrates: two that start together take turns."""


def is_server(url: str) -> bool:
    """Say whether a database is a server's, which several processes may share, rather than a file of ours."""
    return _place(url).get_backend_name() == "postgresql"


def open_database(url: str) -> Engine:
    """Open the ledger; raises ConfigurationError when its commits would not be durable."""
    place = _place(url)
    engine = OPENING[place.get_backend_name()](place)
    try:
        with engine.connect() as connection:
            _check(connection, CHECKS[engine.dialect.name])
    except OperationalError as error:
        said = str(error.orig).strip().splitlines()[0]
        raise ConfigurationError(_shown(place), f"a database that can be opened: {said}") from None
    return engine


def beside_the_loop(engine: Engine) -> AsyncEngine:
    """Open a server's database a second time, for an event loop."""
    return create_async_engine(engine.url, pool_size=5, max_overflow=15, **SERVED)


def will_pass(error: SQLAlchemyError) -> bool:
    """Tell a failure that time or a person may mend (disk full, locked, unreachable) from one that restarting shows."""
    cause = getattr(error, "orig", None)
    if getattr(cause, "sqlite_errorname", "") in LASTING:
        return False
    return not (getattr(cause, "sqlstate", None) or "").startswith(LASTING_CLASSES)


def prepare(engine: Engine) -> None:
    """Bring a file of ours up to date; raise ConfigurationError for a server's old tables: others may be using them."""
    if engine.dialect.name == "sqlite":
        upgrade(engine)
    else:
        require_upgraded(engine)


def migrate(url: str) -> None:
    """Open a ledger only to bring its tables to this version of the hub."""
    database = open_database(url)
    upgrade(database)
    database.dispose()


def upgrade(engine: Engine) -> None:
    """Bring the database's tables to this version of the hub; a newer hub's tables are left as they are."""
    config = _migrations()
    with MIGRATION[engine.dialect.name](engine) as connection:
        if _is_known(connection, config):
            if engine.dialect.name == "postgresql":
                connection.rollback()  # the transaction in which we looked
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, "head")
        check_names(connection)


def require_upgraded(engine: Engine) -> None:
    """Raise ConfigurationError when the tables are older than this hub, or hold states it does not know."""
    config = _migrations()
    with engine.connect() as connection:
        wanted, found = ScriptDirectory.from_config(config).get_current_head(), _revision(connection)
        if found != wanted and _is_known(connection, config):
            said = f"tables of revision {wanted}, they are at {found}: run `hub migrate`"
            raise ConfigurationError(_shown(engine.url), said)
        check_names(connection)


def check_names(connection: Connection) -> None:
    """Refuse a ledger with states of deliveries or statuses of requests that this hub does not know.

    Read from the tables' own constraints, so that no row need be looked at; raises ConfigurationError.
    """
    for table, constraint, known in (("delivery", "delivery_state", State), ("request", "request_status", Status)):
        said = {one["name"]: one["sqltext"] for one in inspect(connection).get_check_constraints(table)}
        unknown = set(re.findall(r"'(\w+)'", said.get(constraint, ""))) - {str(name) for name in known}
        if unknown:
            wanted = f"a hub that knows {', '.join(sorted(unknown))} ({table}s): this one is older than the ledger"
            raise ConfigurationError(_shown(connection.engine.url), wanted)


def _place(url: str) -> URL:
    """Read a database's address; raises ConfigurationError without its password."""
    try:
        place = make_url(url)
    except (ArgumentError, ValueError):  # its text shows part of a password
        place = None
    if place is None or place.get_backend_name() not in OPENING:
        shown = _shown(place) if place else "the database"
        raise ConfigurationError(shown, "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE")
    return place.set(drivername=DRIVER) if place.drivername == "postgresql" else place


def _shown(url: URL) -> str:
    """Name a database without who enters it, nor how."""
    return URL.create(url.drivername, host=url.host, port=url.port, database=url.database).render_as_string()


def _open_file(place: URL) -> Engine:
    if not place.database or place.database == ":memory:":
        raise ConfigurationError(_shown(place), "the ledger needs a file: memory loses what was accepted")
    Path(place.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(place, hide_parameters=True, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _open_server(place: URL) -> Engine:
    return create_engine(place, pool_size=3, max_overflow=2, **SERVED)


OPENING: Final[Mapping[str, Callable[[URL], Engine]]] = {"sqlite": _open_file, "postgresql": _open_server}


def _check(connection: Connection, checks: Mapping[str, tuple[frozenset[Any], str]]) -> None:
    """Raise ConfigurationError for the first setting that is not what it must be."""
    pragma = "PRAGMA" if connection.dialect.name == "sqlite" else "SHOW"
    for name, (wanted, fix) in checks.items():
        found = connection.exec_driver_sql(f"{pragma} {name}").scalar()
        if found not in wanted:
            raise ConfigurationError(_shown(connection.engine.url), f"{name} is {found}: {fix}")
    if pragma == "SHOW" and int(connection.exec_driver_sql("SHOW server_version_num").scalar_one()) < OLDEST_SERVER:
        raise ConfigurationError(_shown(connection.engine.url), "PostgreSQL 13 or newer")


CHECKS: Final[Mapping[str, Mapping[str, tuple[frozenset[Any], str]]]] = {
    "sqlite": {name: (frozenset({value}), f"{value} was asked for and is needed") for name, value in PRAGMAS.items()},
    "postgresql": NEEDED,
}


@contextmanager
def _beside_others(engine: Engine) -> Iterator[Connection]:
    """Give a connection that is in no transaction, one process at a time.

    An index is built beside those who write, and waits for every transaction: the lock is tried again and again,
    because waiting for it would be one.
    """
    alone = engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection, alone.connect() as lock:
        while not lock.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": MIGRATING}):
            time.sleep(0.1)
        try:
            yield connection
        finally:
            lock.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": MIGRATING})


MIGRATION: Final[Mapping[str, Callable[[Engine], AbstractContextManager[Connection]]]] = {
    "sqlite": Engine.begin,
    "postgresql": _beside_others,
}
"""How tables are brought forward: a file's in one transaction, a server's without stopping those who use it."""


def _migrations() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _is_known(connection: Connection, config: Config) -> bool:
    """Say whether the tables' revision is one of ours; a newer hub's is not, and only adds to what we know."""
    found = _revision(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    return found is None or found in known


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing: `_begin` does
    for name, value in PRAGMAS.items():
        connection.execute(f"PRAGMA {name} = {value}")


def _begin(connection: Any) -> None:
    """Begin as a writer at once: a claim that starts as a reader could be made twice."""
    mode = connection.get_execution_options().get("sqlite_begin", "IMMEDIATE")
    connection.exec_driver_sql(f"BEGIN {mode}")
