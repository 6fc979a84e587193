"""The ledger's database is durable or refused, and its migrations make what the tables say."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel

from hub.database import PRAGMAS, open_database, upgrade
from hub.errors import ConfigurationError
from hub.lifecycle import State
from hub.model import Status
from hub.tables import Delivery


@pytest.fixture
def database(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path}/hub.db")
    upgrade(engine)
    yield engine
    engine.dispose()


def test_the_migrations_make_the_tables(database):
    with database.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []


def test_upgrading_twice_changes_nothing(database):
    upgrade(database)
    with database.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1


def test_every_connection_is_durable(database):
    reading = database.execution_options(sqlite_begin="DEFERRED")
    with reading.connect() as one, reading.connect() as other:
        for connection in (one, other):
            found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in PRAGMAS}
            assert found == PRAGMAS


def test_a_ledger_in_memory_is_refused():
    with pytest.raises(ConfigurationError, match="needs a file"):
        open_database("sqlite://")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://hub:motdepasse@127.0.0.1:1/hub",
        "postgresql://hub:p@motdepasse:w@127.0.0.1/hub",
        "postgresql://127.0.0.1:1/hub?user=hub&password=motdepasse",
        "mysql://hub:motdepasse@127.0.0.1/hub",
        "motdepasse",
    ],
)
def test_a_database_that_cannot_be_opened_is_named_without_its_password(url):
    with pytest.raises(ConfigurationError) as refused:
        open_database(url)
    assert "motdepasse" not in str(refused.value)


@pytest.mark.parametrize("setting", ["synchronous_commit = off", "default_transaction_read_only = on"])
def test_a_server_that_would_lose_what_it_acknowledged_is_refused_with_the_remedy(postgres_url, setting):
    change_default(postgres_url, setting)
    with pytest.raises(ConfigurationError, match=r"ALTER ROLE|primary"):
        open_database(postgres_url)


def test_each_statement_sees_what_others_have_committed_whatever_the_servers_default(postgres_url):
    change_default(postgres_url, "default_transaction_isolation = 'repeatable read'")
    with open_database(postgres_url).connect() as connection:
        assert connection.scalar(text("SHOW transaction_isolation")) == "read committed"


def change_default(url, setting):
    """Let later sessions of a database begin with another setting."""
    opened = open_database(url)
    with opened.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f'ALTER DATABASE "{opened.url.database}" SET {setting}'))
    opened.dispose()


@pytest.mark.parametrize(("table", "column", "good"), [("delivery", "state", State), ("request", "status", Status)])
def test_the_database_says_again_which_values_there_are(database, table, column, good):
    with database.connect() as connection:
        sql = connection.scalar(text("SELECT sql FROM sqlite_master WHERE name = :t"), {"t": table})
    assert all(f"'{value}'" in sql for value in good)


def test_a_state_nobody_knows_is_refused_by_the_database(database):
    blank = {column.name: column.type.python_type() for column in Delivery.__table__.columns}
    with database.begin() as connection, pytest.raises(IntegrityError, match="delivery_state"):
        connection.execute(Delivery.__table__.insert(), {**blank, "id": 1, "state": "lost"})


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        (
            "SELECT count(*) FROM delivery WHERE target = 'x' AND state IN ('asking', 'claimed', 'sending')",
            "delivery_held",
        ),
        ("SELECT kind, status, count(*) FROM request GROUP BY kind, status", "request_kind_status"),
        ("SELECT number FROM request WHERE name_index = 'x'", "request_name"),
        ("SELECT * FROM delivery WHERE request IN (1, 2)", "sqlite_autoindex_delivery"),
        ("SELECT * FROM attempt WHERE delivery = 1", "attempt_delivery"),
    ],
)
def test_the_hot_statements_use_their_index(database, sql, index):
    with database.connect() as connection:
        plan = " ".join(row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {sql}")))
    assert index in plan
