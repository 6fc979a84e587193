"""Real servers for whoever asks: at most one of each in a pytest process, started by the first test that needs it."""

import asyncio
import gc
import os
import sqlite3
from contextlib import closing
from uuid import uuid4

import pytest
from sqlalchemy import inspect

import hub.database
from hub.database import migrate, open_database
from hub.errors import ConfigurationError
from hub.processes import run
from hub.servers import Postgres, RabbitMQ, missing


@pytest.fixture(scope="session", autouse=True)
def tables_made_once(tmp_path_factory):
    """Have each new SQLite ledger's tables copied from one that was migrated: that costs more than most tests."""
    migrated = tmp_path_factory.mktemp("template") / "hub.db"
    whole = hub.database.upgrade

    def upgrade(engine):
        if engine.dialect.name != "sqlite" or inspect(engine).get_table_names():
            whole(engine)
            return
        if not migrated.exists():
            template = open_database(f"sqlite:///{migrated}")
            whole(template)
            template.dispose()
        with engine.connect() as connection, closing(sqlite3.connect(migrated)) as tables:
            tables.backup(connection.connection.driver_connection)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub.database, "upgrade", upgrade)
        yield


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory):
    """A PostgreSQL server; whoever kills it starts it again."""
    yield from running(TidiedPostgres(tmp_path_factory.mktemp("postgresql")))


@pytest.fixture(scope="session")
def rabbitmq_server(tmp_path_factory):
    """A RabbitMQ broker; whoever kills it starts it again."""
    yield from running(RabbitMQ(tmp_path_factory.mktemp("rabbitmq")))


@pytest.fixture
def postgres_url(postgres_server):
    """An empty database of its own."""
    yield from fresh(postgres_server)


@pytest.fixture(scope="session")
def postgres_template(postgres_server):
    """A database with the ledger's tables, to be copied: a migration costs more than a test."""
    migrate(run(postgres_server.database("ledger")))
    return "ledger"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    """An empty ledger of its own on each of the two databases."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/hub.db"
    else:
        yield from fresh(*map(request.getfixturevalue, ("postgres_server", "postgres_template")))


@pytest.fixture(scope="session")
def require_servers():
    """Skip a test that starts servers itself where they are missing, except in CI."""
    if lacking := list(missing()):
        assert os.environ.get("CI") != "true", lacking
        pytest.skip(f"these Debian packages are not installed: {', '.join(lacking)}")


class TidiedPostgres(Postgres):
    """A server whose databases are deleted at once.

    That waits for whoever is coming in, for as long as they may take to prove themselves: a minute, where a test ended
    while its hub was connecting, and the socket is still there for the garbage collector to close.
    """

    async def drop(self, name):
        dropping = asyncio.create_task(super().drop(name))
        _, waits = await asyncio.wait({dropping}, timeout=1)
        if waits:
            gc.collect()
        await dropping


def fresh(server, template="template1"):
    """Give a database of its own, and delete it: hundreds would be gigabytes."""
    name = f"test_{uuid4().hex}"
    yield run(server.database(name, template))
    run(server.drop(name))


def running(server):
    """Run a server on no test's event loop; a machine without it skips, except in CI, where nothing is skipped."""
    try:
        run(server.start())
    except ConfigurationError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))
    yield server
    run(server.end())
