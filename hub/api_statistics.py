"""The routes of statistics: how many requests there were, by any two of the things they are counted by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from hub.access import EVERY_HOUSE, Principal
from hub.api_door import Here, Operator
from hub.api_schema import refusals
from hub.app import Hub
from hub.model import Frozen
from hub.problems import Problem, ProblemType
from hub.tabulation import Question, Table, cross, lines_of, write_csv

router = APIRouter(prefix="/v1/operations", tags=["Exploitation"])

COUNTED: Final = (
    "Type de démarche par année, ou deux critères parmi `kind`, `year`, `month`, `site`, `channel`, `district` et ce "
    "que la démarche nommée fait compter. Lu dans le recensement : une demande y entre dans la minute."
)
CSV_TYPE: Final = "text/csv; charset=utf-8"


class Line(Frozen):
    """One row: its word, its title, a figure for each column that has one, and their sum."""

    value: str = Field(examples=["etat_civil.naissance"])
    title: str = Field(examples=["Acte de naissance"])
    figures: Mapping[str, int] = Field(examples=[{"2025": 4865, "2026": 2}])
    total: int


class Statistics(Frozen):
    """A table of figures; what was not said stands under an empty word."""

    columns: list[str] = Field(examples=[["2025", "2026"]])
    rows: list[Line]
    total: int


@router.get(
    "/statistics",
    summary="Compter les demandes",
    description=COUNTED,
    responses=refusals(ProblemType.INVALID),
)
async def count_requests(hub: Here, caller: Operator, question: Annotated[Question, Query()]) -> Statistics:
    """Count requests by two things."""
    table, titles = await _count(hub, caller, question), titles_of(hub)
    lines = [
        Line(
            value=row,
            title=titles.get(row, row),
            figures={column: table.at(row, column) for column in table.columns if table.at(row, column)},
            total=table.of_rows[row],
        )
        for row in table.rows
    ]
    return Statistics(columns=list(table.columns), rows=lines, total=table.total)


@router.get(
    "/statistics.csv",
    summary="Compter les demandes, en CSV",
    description=f"{COUNTED} Une ligne par valeur, avec son intitulé.",
    response_class=Response,
    responses={**refusals(ProblemType.INVALID), 200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def export_requests(hub: Here, caller: Operator, question: Annotated[Question, Query()]) -> Response:
    """Count requests by two things, for a spreadsheet."""
    table = await _count(hub, caller, question)
    lines: Any = lines_of(table, (question.rows, "label"), titles_of(hub))
    return Response(write_csv(lines), media_type=CSV_TYPE)


def titles_of(hub: Hub) -> dict[str, str]:
    """Give each kind's title."""
    return {kind: one.route.title for kind, one in hub.catalogue.kinds.items()}


async def _count(hub: Hub, caller: Principal, question: Question) -> Table:
    """Count, for somebody who works for every house: the census does not tell them apart."""
    if caller.front_end != EVERY_HOUSE:
        raise Problem(ProblemType.FORBIDDEN, "Cette clé ne couvre qu'un portail : les statistiques les comptent tous.")
    return await hub.ledger.read(cross, caller, question)
