"""Statements of the hot path: compiled once for each database, then run by their text.

SQLAlchemy spends 40 to 90 µs on a statement each time, the databases a tenth of that; every request needs
sixteen. The statements stay SQLAlchemy's, and so do connections, transactions and errors.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Executable, Row, Table, bindparam
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect

EXPANDING: Final = "__[POSTCOMPILE_{}]"


@dataclass(frozen=True)
class Text:
    """A statement in one database's words: its text, its parameters in order, and those it sets itself."""

    sql: str
    names: Sequence[str]
    constants: Mapping[str, Any]
    positional: bool

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """Put one row's values in the form the driver takes."""
        if self.constants:
            values = {**self.constants, **values}
        return tuple([values[name] for name in self.names]) if self.positional else values


class Prepared:
    """A statement with named parameters; one of them, `many`, may be a list for `IN`."""

    def __init__(self, statement: Executable, many: str = "") -> None:
        self._statement, self._many = statement, many
        self._texts: dict[tuple[str, int], Text] = {}

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run once for each row of values, in one call of the driver; gives how many rows were touched."""
        text = self._text(connection.dialect, 0)
        return connection.exec_driver_sql(text.sql, [text.parameters(row) for row in rows]).rowcount

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Row[Any]]:
        """Run once and give every row; no type is converted on the way."""
        text = self._text(connection.dialect, 0)
        return connection.exec_driver_sql(text.sql, text.parameters(values)).all()

    def among(self, connection: Connection, listed: Collection[Any]) -> Sequence[Row[Any]]:
        """Run once with a list for `IN`, and give every row."""
        text = self._text(connection.dialect, len(listed))
        values = {f"{self._many}_{index}": value for index, value in enumerate(listed)}
        return connection.exec_driver_sql(text.sql, text.parameters(values)).all()

    def _text(self, dialect: Dialect, length: int) -> Text:
        known = self._texts.get((dialect.name, length))
        if known is None:
            known = self._texts[dialect.name, length] = self._compile(dialect, length)
        return known

    def _compile(self, dialect: Dialect, length: int) -> Text:
        compiled: Any = self._statement.compile(dialect=dialect)  # type: ignore[attr-defined]  # Executable has no base
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        items = [f"{self._many}_{index}" for index in range(length)]
        marks = ["?" if compiled.positional else f"%({name})s" for name in items]
        sql = compiled.string.replace(EXPANDING.format(self._many), ", ".join(marks))
        names = list(_expanded(compiled.positiontup or (), self._many, items))
        return Text(sql, names, constants, compiled.positional)


def upsert(table: Table) -> Any:
    """Begin an INSERT … ON CONFLICT, in words that both databases understand."""
    return postgresql.insert(table)


def insertion(table: Table) -> Any:
    """Write an INSERT of every column but one the database numbers itself."""
    numbered = table.autoincrement_column
    return table.insert().values({one.name: bindparam(one.name) for one in table.columns if one is not numbered})


def _expanded(names: Sequence[str], many: str, items: Sequence[str]) -> Iterator[str]:
    for name in names:
        if name == many and many:
            yield from items
        else:
            yield name
