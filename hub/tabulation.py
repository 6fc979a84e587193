"""Reading the census: how many requests there were, by any two of the things they are counted by."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final, Self

import orjson
from pydantic import Field, model_validator
from sqlalchemy import ColumnElement, Connection, case, func, select, text

from hub.access import Principal
from hub.census import OPEN_STATUSES
from hub.facets import AXES, FacetName
from hub.model import Channel, Frozen
from hub.tables import OPEN, REQUESTS, TALLY
from hub.tables_operations import CENSUS, CENSUS_BLOCKS, FACETED, TOTALS
from hub.views import Word, visible

IN_ORDER: Final = frozenset({"year", "month"})
"""What is read in its own order; anything else with the most frequent first."""

SOON: Final = 7 * 86_400_000
"""Milliseconds before the law's time is over in which a request is close to being late."""

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes a cell for a formula by."""

Month = Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$", examples=["2026-09"])]


class Question(Frozen):
    """What is to be counted by what, and which requests; `rows` and `columns` may be facets of the one `kind` meant."""

    rows: FacetName = "kind"
    columns: FacetName = "year"
    kind: Word | None = None
    site: Word | None = None
    channel: Channel | None = None
    district: Word | None = None
    since: Month | None = Field(default=None, alias="from", description="Premier mois compté.")
    until: Month | None = Field(default=None, alias="to", description="Dernier mois compté.")

    @model_validator(mode="after")
    def facets_are_of_a_kind(self) -> Self:
        """Refuse to count by what is declared when no kind is named, and one thing by itself."""
        if self.rows == self.columns:
            raise ValueError("rows and columns must be two things")
        if self.kind is None and not {self.rows, self.columns} <= set(AXES):
            raise ValueError("name the kind whose facets are meant")
        return self


@dataclass(frozen=True)
class Table:
    """Figures by two things; what was not said stands under an empty word."""

    rows: Sequence[str]
    columns: Sequence[str]
    cells: Mapping[tuple[str, str], int]

    @classmethod
    def of(cls, question: Question, counted: Mapping[tuple[str, str], int]) -> Table:
        """Lay figures out."""
        return cls(_ordered(question.rows, 0, counted), _ordered(question.columns, 1, counted), counted)

    def at(self, row: str, column: str) -> int:
        """Give a figure."""
        return self.cells.get((row, column), 0)

    @cached_property
    def of_rows(self) -> Mapping[str, int]:
        """Each row's total."""
        return _totals(0, self.cells)

    @cached_property
    def of_columns(self) -> Mapping[str, int]:
        """Each column's total."""
        return _totals(1, self.cells)

    @property
    def total(self) -> int:
        """How many there are altogether."""
        return sum(self.cells.values())


@dataclass(frozen=True, slots=True)
class Standing:
    """The open requests of one kind: how many, since when, and how many of them are late or soon will be."""

    kind: str
    requests: int
    oldest_at: int
    late: int = 0
    soon: int = 0


def cross(connection: Connection, caller: Principal, question: Question) -> Table:
    """Count by two things, from the census alone."""
    axes = question.rows, question.columns
    declared = [axis for axis in axes if axis not in AXES]
    columns = [_column(axis).label(axis) for axis in axes if axis in AXES]
    columns += [CENSUS.c.facets] if declared else []
    figures = select(*columns, func.sum(CENSUS.c.requests).label("requests"))
    counted: Counter[tuple[str, str]] = Counter()
    meant = figures.where(text(FACETED if declared else TOTALS), *_meant(caller, question))
    for row in connection.execute(meant.group_by(*columns)).mappings():
        said = {**row, **(orjson.loads(row["facets"]) if declared else {})}
        counted[said.get(axes[0], ""), said.get(axes[1], "")] += int(row["requests"])
    return Table.of(question, counted)


def choices(connection: Connection, caller: Principal) -> Mapping[str, list[str]]:
    """List what statistics can be kept to: the kinds, sites, channels and districts that have requests."""
    names = ("kind", "site", "channel", "district")
    columns = [CENSUS.c[name] for name in names]
    kept = select(*columns).where(text(TOTALS), *_meant(caller, Question())).distinct()
    found = connection.execute(kept).all()
    return {name: sorted({row[at] for row in found} - {""}) for at, name in enumerate(names)}


def counted_at(connection: Connection) -> int:
    """Say when anything was last counted: an instant, or 0."""
    return connection.scalar(select(func.max(CENSUS_BLOCKS.c.at))) or 0


def standing(connection: Connection, caller: Principal, now: int) -> list[Standing]:
    """Count each kind's open requests, those with the most first, from the ledger's own indexes."""
    known = [row.kind for row in connection.execute(select(TALLY.c.kind))]
    meant = REQUESTS.c.kind.in_(known), REQUESTS.c.status.in_(OPEN_STATUSES), *visible(caller)
    by = REQUESTS.c.kind, REQUESTS.c.status
    counted = select(*by, func.count().label("requests"), func.min(REQUESTS.c.number).label("oldest"))
    rows = connection.execute(counted.where(*meant).group_by(*by)).all()
    received = _received(connection, [row.oldest for row in rows])
    late = {row.kind: row for row in connection.execute(_late(caller, now))}
    found = {}
    for kind in {row.kind for row in rows}:
        mine = [row for row in rows if row.kind == kind]
        oldest = min(received[row.oldest] for row in mine)
        lateness = late.get(kind)
        figures = (int(lateness.late), int(lateness.soon)) if lateness else (0, 0)
        found[kind] = Standing(kind, sum(row.requests for row in mine), oldest, *figures)
    return sorted(found.values(), key=lambda one: (-one.requests, one.kind))


def _received(connection: Connection, numbers: Collection[int]) -> Mapping[int, int]:
    asked = select(REQUESTS.c.number, REQUESTS.c.received_at).where(REQUESTS.c.number.in_(numbers))
    return {row.number: row.received_at for row in connection.execute(asked)}


def _late(caller: Principal, now: int) -> Any:
    over = func.sum(case((REQUESTS.c.due_at < now, 1), else_=0)).label("late")
    near = func.sum(case((REQUESTS.c.due_at >= now, 1), else_=0)).label("soon")
    clock = text(OPEN), REQUESTS.c.due_at < now + SOON, *visible(caller)
    return select(REQUESTS.c.kind, over, near).where(*clock).group_by(REQUESTS.c.kind)


def _column(axis: str) -> ColumnElement[str]:
    return func.substr(CENSUS.c.month, 1, 4) if axis == "year" else CENSUS.c[axis]


def _meant(caller: Principal, question: Question) -> list[ColumnElement[bool]]:
    kept = question.model_dump(include={"kind", "site", "channel", "district"}, exclude_none=True)
    conditions = [CENSUS.c[name] == value for name, value in kept.items()]
    conditions += [CENSUS.c.month >= question.since] if question.since else []
    conditions += [CENSUS.c.month <= question.until] if question.until else []
    conditions += [CENSUS.c.kind.in_(caller.kinds)] if caller.kinds else []
    conditions += [CENSUS.c.site.in_(caller.sites)] if caller.sites else []
    return conditions


def _totals(at: int, cells: Mapping[tuple[str, str], int]) -> Counter[str]:
    totals: Counter[str] = Counter()
    for place, figure in cells.items():
        totals[place[at]] += figure
    return totals


def _ordered(axis: str, at: int, cells: Mapping[tuple[str, str], int]) -> Sequence[str]:
    totals = _totals(at, cells)
    return sorted(totals) if axis in IN_ORDER else sorted(totals, key=lambda word: (-totals[word], word))


def write_csv(lines: Iterable[Sequence[Any]], separator: str = ",") -> str:
    """Write lines as CSV; what a spreadsheet would run as a formula is written as a text."""
    written = io.StringIO()
    csv.writer(written, delimiter=separator).writerows([_cell(value) for value in line] for line in lines)
    return written.getvalue()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def lines_of(table: Table, head: Sequence[str], titles: Mapping[str, str]) -> Iterable[Sequence[Any]]:
    """Lay a table out as `tests/data/volumes.csv` is: a line a row, its word and its title, then the figures."""
    yield [*head, *table.columns, "total"]
    for row in table.rows:
        names = [row, titles.get(row, row)] if len(head) > 1 else [row]
        yield [*names, *(table.at(row, column) for column in table.columns), table.of_rows[row]]
