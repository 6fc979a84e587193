"""« Carte »: open requests on the city's map by district and state, and the same figures in a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Query
from pydantic import Field, ValidationError
from sqlalchemy import Connection
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import Response

from hub.access import Principal
from hub.accounts import Right
from hub.facets import NOWHERE
from hub.model import Frozen, Status
from hub.places import MOST_POINTS, Around, by_district, placed_kinds, points
from hub.problems import Problem, ProblemType
from monitoring.console.door import Here, Reader
from monitoring.console.labels import STATUSES, labels_of
from monitoring.console.pages import render
from monitoring.console.shapes import shapes_of, shown_classes

router = APIRouter()

PAGE: Final = "/console/carte"
LIST: Final = "/console/demandes"
GEOJSON: Final = "application/geo+json"
SIGNS: Final[Mapping[str, str]] = {
    Status.PARKED: "M4 1 10 7 16 1 19 4 13 10 19 16 16 19 10 13 4 19 1 16 7 10 1 4Z",
    Status.UNCERTAIN: "M10 1 19 10 10 19 1 10Z",
    Status.WAITING: "M2 2H18V18H2Z",
    Status.IN_PROGRESS: "M10 1.5A8.5 8.5 0 1 1 10 18.5 8.5 8.5 0 1 1 10 1.5Z",
}
"""The shape of a state's points, in a square of twenty: a cross, a lozenge, a square, a disc."""

ROUGHLY: Final = 2
"""Decimals of a degree for who may not see contents, about a kilometre: a door would tell who asked."""


class Wanted(Frozen):
    """What a person asks of the map; an empty field of its form asks for nothing."""

    kind: str = Field(default="", max_length=80)
    district: str = Field(default="", max_length=120)
    status: str = Field(default="", max_length=20)

    @property
    def kept(self) -> dict[str, str]:
        """Give the criteria that were said."""
        return {name: value for name, value in self.model_dump().items() if value}

    @property
    def around(self) -> Around:
        """Give them as the ledger is asked; raises Problem 422 for what makes no sense."""
        try:
            return Around.model_validate(self.kept)
        except ValidationError:
            raise Problem(ProblemType.INVALID) from None


Asked = Annotated[Wanted, Query()]


@dataclass(frozen=True)
class Districts:
    """Open requests by district and state."""

    cells: Mapping[tuple[str, str], int]

    @property
    def totals(self) -> Counter[str]:
        """Give each district's total, that of no district under an empty name."""
        totals: Counter[str] = Counter()
        for (district, _), requests in self.cells.items():
            totals[district] += requests
        return totals

    def of_status(self, status: str) -> int:
        """Give a state's total."""
        return sum(requests for (_, one), requests in self.cells.items() if one == status)


@router.get("/carte")
async def show_map(request: Request, hub: Here, person: Reader, wanted: Asked) -> Response:
    """Show the table, and the map where there are scripts."""
    counted, kinds = await hub.ledger.read(_count, person.principal, wanted.around)
    totals = counted.totals
    known = [shape.name for shape in shapes_of(hub.settings.console.districts)]
    names = sorted({*known, *totals} - {""}, key=lambda name: (-totals[name], name.casefold()))
    labels = labels_of(hub, person)
    everywhere = Wanted(kind=wanted.kind, status=wanted.status)
    return render(
        request,
        person,
        "map.html.j2",
        wanted=wanted,
        counted=counted,
        names=[*names, *([""] if totals[""] else [])],
        every=known or names,
        totals=totals,
        total=sum(totals.values()),
        statuses=STATUSES,
        signs=SIGNS,
        labels=labels,
        kinds={kind: labels.value("kind", kind) for kind in kinds},
        classes=shown_classes(totals),
        points_from=str(URL(f"{PAGE}/points.geojson").include_query_params(**wanted.kept)),
        districts_from=str(URL(f"{PAGE}/quartiers.geojson").include_query_params(**everywhere.kept)) if known else "",
        listed=lambda district, status: listed(wanted.kind, district, status),
    )


@router.get("/carte/points.geojson")
async def give_points(hub: Here, person: Reader, wanted: Asked) -> Response:
    """Give where open requests are, the newest first: no more than a map can show, and how many are left out."""
    shown, total = await hub.ledger.read(_points, person.principal, wanted.around)
    features = [_point(row, exactly=person.may(Right.CONTENT)) for row in shown]
    return _geojson({"features": features, "left_out": max(0, total - len(features))})


@router.get("/carte/quartiers.geojson")
async def give_districts(hub: Here, person: Reader, wanted: Asked) -> Response:
    """Give the districts' shapes, each with its open requests, their class, and the list it leads to."""
    counted, _ = await hub.ledger.read(_count, person.principal, wanted.around)
    totals = counted.totals
    classes = shown_classes(totals)
    features = [
        {
            "type": "Feature",
            "geometry": shape.geometry,
            "properties": {
                "name": shape.name,
                "requests": totals[shape.name],
                "class": next(at for at, one in enumerate(classes) if totals[shape.name] <= one.most),
                "list": listed(wanted.kind, shape.name, wanted.status),
            },
        }
        for shape in shapes_of(hub.settings.console.districts)
    ]
    return _geojson({"features": features})


def _point(row: Any, *, exactly: bool) -> dict[str, Any]:
    """Say where a request is and what leads to it; no more than roughly, nor of what kind, unless exactly."""
    at = [degrees if exactly else round(degrees, ROUGHLY) for degrees in (row.longitude, row.latitude)]
    names = ("kind", "district", "status") if exactly else ("status",)
    said = {"number": row.request} | {name: getattr(row, name) for name in names}
    return {"type": "Feature", "geometry": {"type": "Point", "coordinates": at}, "properties": said}


def listed(kind: str, district: str, status: str = "") -> str:
    """Write the address of the list of a district's requests."""
    said = {"kind": kind, "district": district or NOWHERE, "status": status}
    return str(URL(LIST).include_query_params(**{name: value for name, value in said.items() if value}))


def _count(connection: Connection, caller: Principal, around: Around) -> tuple[Districts, Sequence[str]]:
    rows = by_district(connection, caller, around)
    kinds = [kind for kind in placed_kinds(connection) if not caller.kinds or kind in caller.kinds]
    return Districts({(row.district, row.status): row.requests for row in rows}), kinds


def _points(connection: Connection, caller: Principal, around: Around) -> tuple[Sequence[Any], int]:
    shown = points(connection, caller, around, MOST_POINTS)
    if len(shown) < MOST_POINTS:
        return shown, len(shown)
    return shown, sum(row.requests for row in by_district(connection, caller, around))


def _geojson(said: Mapping[str, Any]) -> Response:
    return Response(orjson.dumps({"type": "FeatureCollection", **said}), media_type=GEOJSON)
