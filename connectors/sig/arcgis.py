"""ArcGIS REST: applyEdits creates, query finds; every answer is HTTP 200, its refusals inside; no I/O."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from connectors._transport.http import Answer
from connectors.sig.wire import (
    UNREADABLE,
    Feature,
    Found,
    Position,
    Request,
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

WGS84: Final = 4326
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
JSON: Final = {"f": "json"}


class ArcGis:
    """A map that speaks ArcGIS REST; its layers are numbers below a FeatureServer."""

    exact = True
    shape = re.compile("[0-9]{1,18}")

    def __init__(self, settings: Settings, errors: ErrorTable) -> None:
        self._settings, self._errors = settings, errors

    def create(self, message: Outbound) -> Request:
        """Write an applyEdits of one add, which is undone when it fails."""
        lon, lat = position_of(message)
        feature = {
            "geometry": {"x": lon, "y": lat, "spatialReference": {"wkid": WGS84}},
            "attributes": self._settings.columns(message),
        }
        form = {**JSON, "adds": orjson.dumps([feature]).decode(), "rollbackOnFailure": "true"}
        url = below(self._settings, f"/{self._settings.couche_doleances}/applyEdits")
        return Request("POST", url, urlencode(form).encode(), FORM)

    def read_created(self, answer: Answer) -> str:
        """Read the one addResult."""
        match self._read(answer):
            case {"addResults": [{"success": True, "objectId": int() | str() as reference}]}:
                return str(reference)
            case {"addResults": [{"success": False, "error": dict(error)}]}:
                raise self._refusal(error, "insertion_refused", Verdict.REFUSED)
            case _:
                raise UncertainError(UNREADABLE)

    def search(self, key: str) -> Request:
        """Write the question by the reference; our keys hold nothing but digits and a hyphen."""
        return self._query(self._settings.couche_doleances, where=f"{self._settings.champ_reference}='{key}'")

    def find(self, reference: str) -> Request:
        """Write the question by the number of the object."""
        return self._query(self._settings.couche_doleances, objectIds=reference)

    def read_one(self, answer: Answer) -> Found:
        """Read a feature set of one feature, or of none."""
        return self.read_found(answer)

    def locate(self, position: Position) -> Request:
        """Write the question by what intersects a position."""
        return self._query(
            self._settings.couche_quartiers,
            geometry=",".join(map(number, position)),
            geometryType="esriGeometryPoint",
            inSR=WGS84,
            spatialRel="esriSpatialRelIntersects",
        )

    def read_found(self, answer: Answer) -> Found:
        """Read a feature set."""
        match self._read(answer):
            case {"features": list(features)} as document:
                name = document.get("objectIdFieldName", "OBJECTID")
                whole = not document.get("exceededTransferLimit")
                return Found([read_feature(one, name) for one in features], whole=whole)
            case _:
                raise UncertainError(UNREADABLE)

    def describe(self) -> Request:
        """Write the question for the layer itself."""
        return Request("GET", below(self._settings, f"/{self._settings.couche_doleances}", **JSON))

    def check_described(self, answer: Answer) -> None:
        """Find every column that is written, and the right to create."""
        match self._read(answer):
            case {"fields": list(fields), "capabilities": str(rights)}:
                names = {one.get("name") for one in fields if isinstance(one, dict)}
            case _:
                raise UncertainError(UNREADABLE)
        if {self._settings.champ_reference, *self._settings.champs.values()} - names:
            raise self._errors.failure("unknown_column")
        if not {"Create", "Editing"} & set(rights.split(",")):
            raise self._errors.failure("no_permission")

    def _query(self, layer: str, **asked: str | int) -> Request:
        given: dict[str, str | int] = {**JSON, "outFields": "*", "returnGeometry": "true", "outSR": WGS84}
        return Request("GET", below(self._settings, f"/{layer}/query", **asked, **given))

    def _read(self, answer: Answer) -> Any:
        """Read an answer; an `error` in it is what the status would be elsewhere."""
        match read_json(answer, self._errors, self._settings):
            case {"error": {"code": int(code)} as error}:
                verdict = Verdict.REFUSED if 400 <= code < 500 else Verdict.UNCERTAIN
                raise self._refusal(error, "exception", verdict)
            case document:
                return document

    def _refusal(self, error: dict[str, Any], otherwise: str, verdict: Verdict) -> DeliveryError:
        said = [str(error.get(name, "")) for name in ("description", "message")]
        return failure(self._errors, [f"arcgis_{error.get('code')}", *said], otherwise, verdict)


def read_feature(feature: Any, name: str) -> Feature:
    """Read an Esri feature."""
    match feature:
        case {"attributes": dict(columns)}:
            pass
        case _:
            raise UncertainError(UNREADABLE)
    match feature.get("geometry"):
        case {"x": int() | float() as lon, "y": int() | float() as lat}:
            return Feature(str(columns.get(name, "")), columns, position=Position(lon, lat))
        case {"rings": list(rings)}:
            places = [[(place[0], place[1]) for place in ring] for ring in rings]
            return Feature(str(columns.get(name, "")), columns, rings=places)
        case _:
            return Feature(str(columns.get(name, "")), columns)
