"""Open requests on the city's map: how many in each district at each status, and where a bounded number of them are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic import Field
from sqlalchemy import ColumnElement, Connection, Row, func, select

from hub.access import Principal
from hub.census import OPEN_STATUSES
from hub.facets import NOWHERE
from hub.model import Frozen, Status
from hub.tables import REQUESTS
from hub.tables_operations import PLACES
from hub.views import Word, visible

MOST_POINTS: Final = 1_000
"""Points a map is given at most: more than people can tell apart, and less than a browser minds."""


class Around(Frozen):
    """Which of the placed requests are looked for; only open ones are on the map."""

    kind: Word | None = None
    district: Word | None = Field(default=None, description="« - » : hors de tout quartier.")
    status: Status | None = None


def placed_kinds(connection: Connection) -> list[str]:
    """List the kinds that have a place on the map, leaping from one to the next through their index."""
    found: list[str] = []
    kind = connection.scalar(select(func.min(PLACES.c.kind)))
    while kind is not None:
        found.append(kind)
        kind = connection.scalar(select(func.min(PLACES.c.kind)).where(PLACES.c.kind > kind))
    return found


def by_district(connection: Connection, caller: Principal, around: Around) -> Sequence[Row[Any]]:
    """Count the open requests of each district at each status: rows of `district`, `status`, `requests`."""
    by = PLACES.c.district, REQUESTS.c.status
    counted = select(*by, func.count().label("requests")).join(PLACES, PLACES.c.request == REQUESTS.c.number)
    return connection.execute(counted.where(*_meant(connection, caller, around)).group_by(*by).order_by(*by)).all()


def points(connection: Connection, caller: Principal, around: Around, limit: int) -> Sequence[Row[Any]]:
    """List where the newest open requests are, and at which status; nothing else is said of them."""
    listed: list[Any] = [PLACES.c[name] for name in ("request", "kind", "district", "longitude", "latitude")]
    found = select(*listed, *(REQUESTS.c[name] for name in ("status", "received_at")))
    placed = found.join(PLACES, PLACES.c.request == REQUESTS.c.number).where(*_meant(connection, caller, around))
    return connection.execute(placed.order_by(REQUESTS.c.number.desc()).limit(limit)).all()


def _meant(connection: Connection, caller: Principal, around: Around) -> list[ColumnElement[bool]]:
    """Keep to what is looked for, in words that one index answers: kind and status."""
    kinds = [around.kind] if around.kind else placed_kinds(connection)
    statuses = [around.status] if around.status else list(OPEN_STATUSES)
    open_ones = [status for status in statuses if status in OPEN_STATUSES]
    conditions = [REQUESTS.c.kind.in_(kinds), REQUESTS.c.status.in_(open_ones), *visible(caller)]
    if around.district is not None:
        conditions.append(PLACES.c.district == ("" if around.district == NOWHERE else around.district))
    return conditions
