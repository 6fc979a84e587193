"""Statements of the hot path: compiled once for each database, then run by their text.

On PostgreSQL many rows, or a list, are one text whatever their number: the server prepares it once.

SQLAlchemy spends 40 to 90 µs on a statement each time, SQLite 3 to 10; every request needs sixteen. The
statements stay SQLAlchemy's, and so do connections, transactions and errors.
"""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Connection, Executable, Table, bindparam
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import OperationalError

LISTED: Final = "listed"
LENGTH: Final = re.compile(r"\(\d+\)")
"""A type's length."""

EACH: Final = -1
"""The length of a list for a statement that is run for each row of values."""

ROWS: Final = "rows_of_the_batch"
"""The one parameter of a statement run over many rows."""

EXPANDING: Final = f"__[POSTCOMPILE_{LISTED}]"


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

    def listing(self, among: Collection[Any]) -> Mapping[str, Any]:
        """Put a list's values in the form the statement names them: one by one, or as one array."""
        if self.positional:
            return {f"{LISTED}_{index}": value for index, value in enumerate(among)}
        numbers = all(isinstance(value, int) for value in among)
        return {LISTED: f"{{{','.join(map(str, among))}}}" if numbers else list(among)}


class Prepared:
    """A statement with named parameters, or with one list for `IN` (`listed`).

    Rows come as named tuples of what the driver gives: no type is converted. Raises OperationalError for
    whatever the driver raises.
    """

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._texts: dict[tuple[str, int], Text] = {}
        self._row: Any = None

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run for each row of values, in one call of the driver; gives how many rows were touched.

        A server runs it once over all the rows, so an update must touch each of its own rows once.
        """
        text = self._text(connection.dialect, EACH)
        with _cursor(connection, text) as cursor:
            if text.positional:
                cursor.executemany(text.sql, [text.parameters(row) for row in rows])
            else:
                cursor.execute(text.sql, text.parameters({ROWS: orjson.dumps(rows, default=_written_out).decode()}))
            return int(cursor.rowcount)

    def rows(self, connection: Connection, values: Mapping[str, Any], among: Collection[Any] = ()) -> list[Any]:
        """Run once, perhaps with a list for `IN`, and give every row."""
        text = self._text(connection.dialect, len(among))
        return self._fetch(connection, text, {**values, **text.listing(among)})

    def among(self, connection: Connection, values: Collection[Any]) -> list[Any]:
        """Run once with a list for `IN` and nothing else, and give every row."""
        return self.rows(connection, {}, values)

    def _fetch(self, connection: Connection, text: Text, values: Mapping[str, Any]) -> list[Any]:
        with _cursor(connection, text) as cursor:
            cursor.execute(text.sql, text.parameters(values))
            if self._row is None:
                self._row = _row_type(cursor.description)
            return list(map(self._row._make, cursor.fetchall()))

    def _text(self, dialect: Dialect, length: int) -> Text:
        form = length if length == EACH or dialect.positional else 0
        known = self._texts.get((dialect.name, form))
        if known is None:
            known = self._texts[dialect.name, form] = self._compile(dialect, length)
        return known

    def _compile(self, dialect: Dialect, length: int) -> Text:
        compiled: Any = self._statement.compile(dialect=dialect)  # type: ignore[attr-defined]  # Executable has no base
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        if compiled.positional:
            items = [f"{LISTED}_{index}" for index in range(length)]
            sql = compiled.string.replace(f"({EXPANDING})", f"({', '.join('?' * length)})")
            return Text(sql, list(_expanded(compiled.positiontup, items)), constants, positional=True)
        kinds = {name: bind.type for bind, name in compiled.bind_names.items() if name not in constants}
        if length == EACH:
            columns = {name: _unmeasured(kind, dialect) for name, kind in kinds.items()}
            return Text(_over_rows(compiled.string, columns), (), constants, positional=False)
        sql = compiled.string
        if LISTED in kinds:
            sql = sql.replace(f"IN ({EXPANDING})", f"= ANY (%({LISTED})s::{_unmeasured(kinds[LISTED], dialect)}[])")
        return Text(sql, (), constants, positional=False)


def _unmeasured(kind: Any, dialect: Dialect) -> str:
    """Name a type without its length: a cast cuts what is too long, where a column refuses it."""
    return LENGTH.sub("", kind.compile(dialect))


def _over_rows(sql: str, columns: Mapping[str, str]) -> str:
    """Write an INSERT or an UPDATE of one row as one of many (PostgreSQL), whose values are one text of JSON.

    The driver writes arrays in Python, each text through a regular expression: a third of the API's CPU (measured).
    """
    shape = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    source = f"FROM json_to_recordset(%({ROWS})s::json) AS batch({shape})"
    told = re.sub(
        r"%\((\w+)\)s(::[A-Z]+(\(\d+\))?)?",
        lambda found: f"batch.{found[1]}" if found[1] in columns else found[0],
        sql,
    )
    if told.startswith("INSERT"):
        return re.sub(r" VALUES \((.*?)\)(?= ON CONFLICT|$)", rf" SELECT \1 {source}", told, count=1)
    return told.replace(" WHERE ", f" {source} WHERE ", 1)


def _written_out(value: Any) -> str:
    """Write what JSON has no word for: bytes, as PostgreSQL reads them."""
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    raise TypeError(type(value).__name__)


def _row_type(description: Sequence[Any]) -> Any:
    """Make the named tuple that rows of this shape come as."""
    return namedtuple("Row", [column[0] for column in description])  # noqa: PYI024  # its fields are the statement's


@contextmanager
def _cursor(connection: Connection, text: Text) -> Iterator[Any]:
    """Give the driver's own cursor on the connection's transaction, its errors made SQLAlchemy's."""
    cursor = connection.connection.cursor()
    try:
        yield cursor
    except connection.dialect.loaded_dbapi.Error as error:
        raise OperationalError(text.sql, None, error, hide_parameters=True) from error
    finally:
        cursor.close()


def upsert(table: Table) -> Any:
    """Begin an INSERT … ON CONFLICT, in words that both databases understand."""
    return postgresql.insert(table)


def insertion(table: Table) -> Any:
    """Write an INSERT of every column but one the database numbers itself."""
    numbered = table.autoincrement_column
    values: dict[str, Any] = {one.name: bindparam(one.name) for one in table.columns if one is not numbered}
    return table.insert().inline().values(values)


def _expanded(names: Sequence[str], items: Sequence[str]) -> Iterator[str]:
    for name in names:
        if name == LISTED:
            yield from items
        else:
            yield name


def listed(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Write `column IN (…)` over the list that `Prepared.among` is given."""
    return column.in_(bindparam(LISTED, expanding=True))
