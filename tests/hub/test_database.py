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


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_postgresql_is_refused_until_the_distributed_mode_and_its_password_not_repeated(driver):
    with pytest.raises(ConfigurationError, match="PostgreSQL comes with the distributed mode") as refused:
        open_database(f"{driver}://hub:motdepasse@localhost/hub")
    assert "motdepasse" not in str(refused.value)


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
