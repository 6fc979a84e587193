"""« Statistiques »: how many requests came, by what the census counts; what is open, and late; each table as a file."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import Field, ValidationError
from sqlalchemy import Connection
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import Response

from hub.access import Principal
from hub.app import Hub
from hub.model import Frozen
from hub.problems import Problem, ProblemType
from hub.tabulation import Question, Standing, Table, choices, counted_at, cross, standing, write_csv
from monitoring.console.charts import draw
from monitoring.console.door import Here, Reader
from monitoring.console.labels import Labels, labels_of
from monitoring.console.pages import environment, language_of, render

router = APIRouter()

PAGE: Final = "/console/statistiques"
LIST: Final = "/console/demandes"
SPREADSHEET: Final = "\N{BYTE ORDER MARK}"
"""By which a spreadsheet knows that a file is UTF-8."""

MONTHS_SHOWN: Final = 36
TABLES: Final[Mapping[str, tuple[str, str]]] = {
    "kinds": ("kind", "year"),
    "months": ("month", "channel"),
    "districts": ("district", "year"),
    "channels": ("channel", "year"),
    "sites": ("site", "year"),
}
"""The tables of the page: what is counted by what."""


class Wanted(Frozen):
    """What a person asks of the page; an empty field of its form asks for nothing."""

    kind: str = Field(default="", max_length=80)
    site: str = Field(default="", max_length=80)
    channel: str = Field(default="", max_length=20)
    district: str = Field(default="", max_length=120)
    since: str = Field(default="", max_length=7, alias="from")
    until: str = Field(default="", max_length=7, alias="to")
    rows: str = Field(default="", max_length=30)
    columns: str = Field(default="", max_length=30)
    sort: str = Field(default="", max_length=120)

    @property
    def kept(self) -> dict[str, str]:
        """Give the criteria that were said, by their names in an address."""
        said = self.model_dump(by_alias=True, exclude={"rows", "columns", "sort"})
        return {name: value for name, value in said.items() if value}

    def question(self, rows: str, columns: str) -> Question:
        """Ask for a table under these criteria; raises Problem 422 for what makes no sense."""
        try:
            return Question.model_validate({**self.kept, "rows": rows, "columns": columns})
        except ValidationError:
            raise Problem(ProblemType.INVALID) from None


Asked = Annotated[Wanted, Query()]


@dataclass(frozen=True)
class Figures:
    """What the page shows, as of one moment."""

    tables: Mapping[str, Table]
    standing: Sequence[Standing]
    choices: Mapping[str, list[str]]
    counted_at: int


@router.get("/statistiques")
async def show_statistics(request: Request, hub: Here, person: Reader, wanted: Asked) -> Response:
    """Show every table; one more where two things to cross were chosen."""
    questions = {name: wanted.question(*axes) for name, axes in TABLES.items()}
    labels = labels_of(hub, person, wanted.kind)
    if wanted.rows and wanted.columns:
        questions["cross"] = wanted.question(wanted.rows, wanted.columns)
    figures = await hub.ledger.read(_gather, person.principal, questions, hub.ledger.book.now())
    tables = figures.tables
    years, months = tables["kinds"].of_columns, tables["months"].of_rows
    return render(
        request,
        person,
        "statistics.html.j2",
        wanted=wanted,
        figures=figures,
        tables=tables,
        rows=_sorted(tables["kinds"], wanted.sort, labels),
        labels=labels,
        figure=labels.figure,
        axes=labels.axes,
        kinds={kind: labels.value("kind", kind) for kind in [*labels.kinds, *figures.choices["kind"]]},
        by_year=draw([(year, years[year]) for year in tables["kinds"].columns]),
        by_month=draw([(labels.value("month", at), months[at]) for at in tables["months"].rows[-MONTHS_SHOWN:]]),
        export=lambda what, rows, columns: _address(what, wanted, rows, columns),
        sorting=lambda column: str(URL(PAGE).include_query_params(**wanted.kept, sort=column)),
        axes_of=TABLES,
        listed=lambda kind: listed(kind, wanted, located=_is_located(hub, kind)),
    )


@router.get("/statistiques/tableau.csv")
async def export_table(hub: Here, person: Reader, wanted: Asked) -> Response:
    """Give a table for a spreadsheet."""
    question = wanted.question(wanted.rows or "kind", wanted.columns or "year")
    table = await hub.ledger.read(cross, person.principal, question)
    labels = labels_of(hub, person, wanted.kind)
    text = SPREADSHEET + write_csv(_lines(table, question, labels), ";")
    name = f"{question.rows}-{question.columns}.csv"
    return _file(text, "text/csv; charset=utf-8", name)


@router.get("/statistiques/ouvertes.csv")
async def export_standing(hub: Here, person: Reader) -> Response:
    """Give what is open and late for a spreadsheet."""
    found = await hub.ledger.read(standing, person.principal, hub.ledger.book.now())
    labels, _ = labels_of(hub, person), person.texts.gettext
    head = [_("Kind"), "", _("Open"), _("Late"), _("Late within 7 days")]
    lines = [[one.kind, labels.kinds.get(one.kind, one.kind), one.requests, one.late, one.soon] for one in found]
    return _file(SPREADSHEET + write_csv([head, *lines], ";"), "text/csv; charset=utf-8", "ouvertes.csv")


@router.get("/statistiques/graphique.svg")
async def export_chart(request: Request, hub: Here, person: Reader, wanted: Asked) -> Response:
    """Give the bars of a table's rows as a drawing."""
    question = wanted.question(wanted.rows or "year", wanted.columns or "kind")
    table = await hub.ledger.read(cross, person.principal, question)
    labels = labels_of(hub, person, wanted.kind)
    bars = [(labels.value(question.rows, row), table.of_rows[row]) for row in table.rows]
    page = environment(language_of(request, person)).get_template("chart.svg.j2")
    title = labels.axes.get(question.rows, question.rows)
    return _file(
        page.render(chart=draw(bars), title=title, figure=labels.figure), "image/svg+xml", f"{question.rows}.svg"
    )


def listed(kind: str, wanted: Wanted, *, located: bool) -> str:
    """Write the address of the list of what a kind's row counts; empty where no list would be of the same requests.

    The list knows the district of what has a place; the census, of what says its district too.
    """
    if wanted.district and not located:
        return ""
    days = {"from": f"{wanted.since}-01" if wanted.since else "", "to": _last_day(wanted.until)}
    said = wanted.model_copy(update={"kind": kind}).kept | days
    return str(URL(LIST).include_query_params(**{name: value for name, value in said.items() if value}))


def _last_day(month: str) -> str:
    if not month:
        return ""
    year, at = map(int, month.split("-"))
    return f"{month}-{calendar.monthrange(year, at)[1]}"


def _is_located(hub: Hub, kind: str) -> bool:
    found = hub.catalogue.kinds.get(kind)
    return found is not None and found.route.observer.has_place


def _gather(connection: Connection, caller: Principal, questions: Mapping[str, Question], now: int) -> Figures:
    tables = {name: cross(connection, caller, question) for name, question in questions.items()}
    return Figures(tables, standing(connection, caller, now), choices(connection, caller), counted_at(connection))


def _sorted(table: Table, column: str, labels: Labels) -> Sequence[str]:
    """Order rows by a column, the largest first, or by their titles."""
    if column == "kind":
        return sorted(table.rows, key=lambda row: labels.value("kind", row).casefold())
    if column in table.columns:
        return sorted(table.rows, key=lambda row: -table.at(row, column))
    return table.rows


def _lines(table: Table, question: Question, labels: Labels) -> Iterable[Sequence[Any]]:
    names = [labels.value(question.columns, column) for column in table.columns]
    yield [labels.axes.get(question.rows, question.rows), *names, labels.total]
    for row in table.rows:
        figures = [table.at(row, column) for column in table.columns]
        yield [labels.value(question.rows, row), *figures, table.of_rows[row]]
    yield [labels.total, *(table.of_columns[column] for column in table.columns), table.total]


def _address(what: str, wanted: Wanted, rows: str, columns: str) -> str:
    return str(URL(f"{PAGE}/{what}").include_query_params(**wanted.kept, rows=rows, columns=columns))


def _file(text: str, media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type=media_type, headers=headers)
