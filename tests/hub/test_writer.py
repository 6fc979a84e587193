"""One writer, one commit for whatever waits; one item's failure harms no other."""

import asyncio
from functools import partial

import pytest
from sqlalchemy import text

from hub.database import open_database
from hub.errors import ConflictError
from hub.transactions import FileTransactions
from hub.writer import Writer


@pytest.fixture
def database(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path}/x.db")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER PRIMARY KEY)"))
    yield engine
    engine.dispose()


@pytest.fixture
async def writer(database):
    opened = Writer(partial(FileTransactions, database))
    yield opened
    await opened.close()


def numbers(database):
    with database.connect() as connection:
        return list(connection.execute(text("SELECT n FROM t ORDER BY n")).scalars())


def insert(connection, items):
    for item in items:
        connection.execute(text("INSERT INTO t VALUES (:n)"), {"n": item})
    return [item * 10 for item in items]


async def test_what_waits_is_committed_together_and_each_hears_its_own_result(writer, database):
    batches = []

    def count(connection, items):
        batches.append(len(items))
        return insert(connection, items)

    assert await asyncio.gather(*(writer.run(count, n) for n in range(20))) == [n * 10 for n in range(20)]
    assert batches == [20]
    assert numbers(database) == list(range(20))


async def test_another_process_that_writes_is_waited_for_without_holding_the_loop_up(writer, database):
    other = database.connect()
    transaction = other.begin()
    writing = asyncio.create_task(writer.run(insert, 1))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not writing.done()
    transaction.commit()
    assert await writing == 10
    other.close()


async def test_one_failure_harms_no_other(writer, database):
    await writer.run(insert, 3)
    outcomes = await asyncio.gather(*(writer.run(insert, n) for n in range(6)), return_exceptions=True)
    assert [type(one).__name__ for one in outcomes] == ["int", "int", "int", "IntegrityError", "int", "int"]
    assert numbers(database) == [0, 1, 2, 3, 4, 5]


async def test_a_refusal_among_the_results_reaches_the_one_who_asked(writer):
    def refuse_odd(_connection, items):
        return [ConflictError("odd") if item % 2 else item for item in items]

    outcomes = await asyncio.gather(*(writer.run(refuse_odd, n) for n in range(4)), return_exceptions=True)
    assert [type(one).__name__ for one in outcomes] == ["int", "ConflictError", "int", "ConflictError"]


async def test_a_bug_in_an_operation_is_told_and_the_writer_lives_on(writer, database):
    def broken(_connection, _items):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await writer.run(broken, 1)
    assert await writer.run(insert, 1) == 10
    assert numbers(database) == [1]


async def test_closing_finishes_what_waits(database):
    writer = Writer(partial(FileTransactions, database))
    tasks = [asyncio.create_task(writer.run(insert, n)) for n in range(10)]
    await asyncio.sleep(0)
    await writer.close()
    assert await asyncio.gather(*tasks) == [n * 10 for n in range(10)]
