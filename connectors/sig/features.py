"""OGC API Features: Part 4 creates, a property filter finds; positions are lon, lat, as GeoJSON has them; no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote, unquote

import orjson

from connectors._transport.http import Answer, check_not_page, check_status
from connectors.sig.wire import (
    KNOWN,
    UNREADABLE,
    Feature,
    Found,
    Position,
    Request,
    Ring,
    Settings,
    below,
    failure,
    number,
    position_of,
    read_json,
)
from hub.connector import Outbound
from hub.errors import DeliveryError, UncertainError
from hub.manifest import ErrorTable
from hub.model import Verdict

ACCEPT: Final = {"Accept": "application/geo+json, application/json"}
MOST: Final = 100


class Features:
    """A map that speaks OGC API Features."""

    exact = False
    shape = re.compile(r"(?!\.{1,2}\Z)[\w.:~-]{1,200}")

    def __init__(self, settings: Settings, errors: ErrorTable) -> None:
        self._settings, self._errors = settings, errors

    def create(self, message: Outbound) -> Request:
        """Write a feature; its id is our reference when the settings say so, or else the server's to choose."""
        feature = {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": list(position_of(message))},
            "properties": self._settings.columns(message),
        }
        if self._settings.identifiant == "reference":
            feature["id"] = message.key
        headers = {**ACCEPT, "Content-Type": "application/geo+json"}
        url = self._items(self._settings.couche_doleances)
        return Request("POST", url, orjson.dumps(feature), headers)

    def read_created(self, answer: Answer) -> str:
        """Read 201 and the id that ends its Location: QGIS puts it behind its own parameters."""
        self._check(answer)
        created = unquote(answer.headers.get("location", "").rpartition("/")[2].partition("?")[0])
        if answer.status != 201 or not created:
            check_not_page(answer)
            raise UncertainError(UNREADABLE)
        return created

    def search(self, key: str) -> Request:
        """Write the question by the property that holds the reference."""
        asked: dict[str, str | int] = {self._settings.champ_reference: key, "limit": MOST}
        return Request("GET", self._items(self._settings.couche_doleances, **asked), headers=ACCEPT)

    def find(self, reference: str) -> Request:
        """Write the question for the feature itself."""
        url = below(self._settings, f"{self._path(self._settings.couche_doleances)}/items/{quote(reference, safe='')}")
        return Request("GET", url, headers=ACCEPT)

    def read_one(self, answer: Answer) -> Found:
        """Read a feature; a 404 says that there is none when the map wrote it, and blames nothing else."""
        if answer.status == 404 and is_said(answer) and self._refusal(answer).code == "http_404":
            return Found([])
        self._check(answer)
        return Found([read_feature(read_json(answer, self._errors, self._settings))])

    def locate(self, position: Position) -> Request:
        """Write the question by a box of one point: districts whose own box holds it come back."""
        box = ",".join(map(number, (*position, *position)))
        return Request("GET", self._items(self._settings.couche_quartiers, bbox=box, limit=MOST), headers=ACCEPT)

    def read_found(self, answer: Answer) -> Found:
        """Read a FeatureCollection, which has a link to the next page when it is not whole."""
        self._check(answer)
        match read_json(answer, self._errors, self._settings):
            case {"type": "FeatureCollection", "features": list(features)} as document:
                links = document.get("links") or []
                more = any(link.get("rel") == "next" for link in links if isinstance(link, dict))
                return Found([read_feature(one) for one in features], whole=not more)
            case _:
                raise UncertainError(UNREADABLE)

    def describe(self) -> Request:
        """Write the question for the collection itself."""
        return Request("GET", below(self._settings, self._path(self._settings.couche_doleances)), headers=ACCEPT)

    def check_described(self, answer: Answer) -> None:
        """Find the collection; what its columns are called, not every server says."""
        self._check(answer)
        match read_json(answer, self._errors, self._settings):
            case {"id": str(name)} if name == self._settings.couche_doleances:
                return
            case _:
                raise UncertainError(UNREADABLE)

    def _items(self, layer: str, **asked: str | int) -> str:
        return below(self._settings, f"{self._path(layer)}/items", **asked)

    def _path(self, layer: str) -> str:
        return f"/collections/{quote(layer, safe='')}"

    def _check(self, answer: Answer) -> None:
        """Raise what a status of 400 or more stands for, by the code that comes with it when it has one.

        pygeoapi answers 500 for an id that it already has: what a 500 left behind, only a search can tell.
        """
        check_status(answer, unavailable=self._settings.unavailable)
        if answer.status == 409:
            raise self._errors.failure(KNOWN)
        if answer.status >= 400:
            raise self._refusal(answer)

    def _refusal(self, answer: Answer) -> DeliveryError:
        verdict = Verdict.UNCERTAIN if answer.status == 408 else Verdict.REFUSED
        try:
            said = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            said = None
        words = (
            [str(said.get(name, "")) for name in ("description", "detail", "code")] if isinstance(said, dict) else []
        )
        return failure(self._errors, [*words, f"http_{answer.status}"], "exception", verdict)


def is_said(answer: Answer) -> bool:
    """Tell an error that a map wrote, which is a JSON object, from one of another server's."""
    try:
        return isinstance(orjson.loads(answer.body), dict)
    except orjson.JSONDecodeError:
        return False


def read_feature(feature: Any) -> Feature:
    """Read a GeoJSON feature."""
    match feature:
        case {"type": "Feature", "properties": dict(columns)}:
            geometry = feature.get("geometry") or {}
            return Feature(str(feature.get("id", "")), columns, read_position(geometry), list(rings_of(geometry)))
        case _:
            raise UncertainError(UNREADABLE)


def read_position(geometry: Any) -> Position | None:
    """Read a point; None for any other geometry."""
    match geometry:
        case {"type": "Point", "coordinates": [int() | float() as lon, int() | float() as lat, *_]}:
            return Position(lon, lat)
        case _:
            return None


def rings_of(geometry: Any) -> Iterator[Ring]:
    """Read the rings of a surface, of one part or several; nothing for any other geometry."""
    match geometry:
        case {"type": "Polygon", "coordinates": list(rings)}:
            parts = [rings]
        case {"type": "MultiPolygon", "coordinates": list(parts)}:
            pass
        case _:
            return
    for part in parts:
        for ring in part:
            yield [(place[0], place[1]) for place in ring]
