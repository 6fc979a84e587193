"""A server's tables are brought forward beside whoever uses them, by one process at a time, and back again."""

from concurrent.futures import ThreadPoolExecutor

import alembic.command
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlmodel import SQLModel
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from hub import database as module
from hub.database import open_database, upgrade

HEAD = ScriptDirectory.from_config(module._migrations()).get_current_head()
WAITS = text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%' AND wait_event_type = 'Lock'")


@pytest.fixture
def engine(postgres_url):
    """An empty database on a server."""
    opened = open_database(postgres_url)
    yield opened
    opened.dispose()


def move(engine, verb, revision):
    """Bring tables to a revision."""
    config = module._migrations()
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        verb(config, revision)


def test_the_migrations_make_the_tables_on_a_server_too(engine):
    upgrade(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []


def test_what_was_brought_forward_can_be_brought_back(engine):
    upgrade(engine)
    move(engine, alembic.command.downgrade, "0001")
    indexes = {index["name"] for index in inspect(engine).get_indexes("delivery")}
    assert {"delivery_due", "delivery_held", "delivery_troubled"} <= indexes
    assert "delivery_ready" not in indexes


def test_an_index_is_made_while_others_write(engine):
    move(engine, alembic.command.upgrade, "0001")
    with ThreadPoolExecutor(1) as beside, engine.connect() as slow, engine.connect() as quick:
        slow.execute(text("LOCK TABLE request IN ROW EXCLUSIVE MODE"))
        upgrading = beside.submit(upgrade, engine)
        until_it_waits(engine)
        quick.execute(text("SET lock_timeout = '2s'"))
        quick.execute(text("LOCK TABLE request IN ROW EXCLUSIVE MODE"))
        quick.rollback()
        assert not upgrading.done()
        slow.rollback()
        upgrading.result(30)
    assert "request_kind" in {index["name"] for index in inspect(engine).get_indexes("request")}


def test_those_who_migrate_at_once_take_turns(engine):
    with ThreadPoolExecutor(3) as together:
        list(together.map(upgrade, [engine] * 3))
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT version_num FROM alembic_version")).all() == [HEAD]


def test_an_index_left_half_made_is_made_again(engine):
    move(engine, alembic.command.upgrade, "0001")
    with engine.begin() as connection:
        connection.execute(text("CREATE INDEX request_kind ON request (kind)"))
        connection.execute(text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'request_kind'::regclass"))
    upgrade(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []
        assert not connection.scalar(text("SELECT count(*) FROM pg_index WHERE NOT indisvalid"))


@retry(retry=retry_if_result(lambda waiting: not waiting), wait=wait_fixed(0.02), stop=stop_after_delay(30))
def until_it_waits(engine):
    """Wait until an index waits for those who were there before it."""
    with engine.connect() as connection:
        return connection.scalar(WAITS)
