"""How a database answers: the plans of every statement that a block runs, as the database tells them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection

AUTO_EXPLAIN: Final = (
    "LOAD 'auto_explain'",
    "SET auto_explain.log_min_duration = 0",
    "SET client_min_messages = log",
)
SILENCE: Final = "SET auto_explain.log_min_duration = -1"


@contextmanager
def plans(connection: Connection) -> Iterator[list[str]]:
    """Gather plans on a connection outside of a transaction; the hub's own cursors are no exception."""
    driver = connection.connection.driver_connection
    gather = _on_server if connection.dialect.name == "postgresql" else _on_file
    with gather(driver) as found:
        yield found


@contextmanager
def _on_server(driver: Any) -> Iterator[list[str]]:
    found: list[str] = []

    def hear(said: Any) -> None:
        found.append(said.message_primary)

    for statement in AUTO_EXPLAIN:
        driver.execute(statement)
    driver.commit()
    driver.add_notice_handler(hear)
    try:
        yield found
    finally:
        driver.rollback()  # the last plan comes with the next answer
        driver.remove_notice_handler(hear)
        driver.execute(SILENCE)
        driver.commit()


@contextmanager
def _on_file(driver: Any) -> Iterator[list[str]]:
    statements: list[str] = []
    found: list[str] = []
    driver.set_trace_callback(statements.append)
    try:
        yield found
    finally:
        driver.set_trace_callback(None)
        for statement in statements:
            lines = [row[-1] for row in driver.execute(f"EXPLAIN QUERY PLAN {statement}")]
            found += ["\n".join([statement, *lines])] if lines else []
