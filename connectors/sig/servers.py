"""A small map behind three real protocols: what QGIS Server, pygeoapi and ArcGIS say on the wire, errors included."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl
from xml.sax import saxutils

import orjson
from aiohttp import web
from lxml import etree

from connectors._transport.xml import Element
from connectors.sig.wfs import EXCEPTIONS, GML, OGC, WFS
from connectors.sig.wire import Champ, Position, Ring, holds

OWS: Final = "http://www.opengis.net/ows"
QGS: Final = "http://www.qgis.org/gml"
XSD: Final = "http://www.w3.org/2001/XMLSchema"
DOLEANCES: Final = "doleances"
QUARTIERS: Final = "quartiers"
NUMBERED: Final = {"0": DOLEANCES, "1": QUARTIERS}
"""Layers as ArcGIS numbers them."""
COLUMNS: Final = ("reference", *Champ)


def square(west: float, south: float, east: float, north: float) -> Ring:
    """Draw a square."""
    return [(west, south), (east, south), (east, north), (west, north), (west, south)]


MAZARIN: Final = square(5.448, 43.524, 5.452, 43.528)


@dataclass(frozen=True, slots=True)
class District:
    """A district: parts, each an outer ring and its holes."""

    code: str
    nom: str
    parts: Sequence[Sequence[Ring]]

    @property
    def rings(self) -> list[Ring]:
        """All its rings."""
        return [ring for part in self.parts for ring in part]


DISTRICTS: Final = (
    District("CENTRE", "Centre-ville", [[square(5.44, 43.52, 5.46, 43.54), MAZARIN]]),
    District("MAZARIN", "Quartier Mazarin", [[MAZARIN]]),
    District("JAS", "Jas de Bouffan", [[square(5.40, 43.52, 5.42, 43.53)], [square(5.42, 43.53, 5.43, 43.54)]]),
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A feature of the layer of complaints."""

    name: str
    position: Position
    columns: Mapping[str, Any]


@dataclass(slots=True)
class CityMap:
    """What the map holds, and its whims.

    `axes`: the order in which its WFS reads and writes positions. `swaps`: it stores them the wrong way round.
    `filters`: whether it heeds the property asked for. `exists`: how it refuses an id that it has, by Part 4.
    """

    take: Callable[[str], None]
    stored: list[Stored] = field(default_factory=list)
    axes: str = "lon,lat"
    swaps: bool = False
    filters: bool = True
    exists: int = 500

    def add(self, position: Position, columns: Mapping[str, Any], name: str = "") -> Stored:
        """Store a complaint."""
        position = Position(position.lat, position.lon) if self.swaps else position
        feature = Stored(name or str(len(self.stored) + 1), position, columns)
        self.stored.append(feature)
        self.take(str(columns["reference"]))
        return feature

    def find(self, column: str, value: str) -> list[Stored]:
        """Find complaints by a column."""
        return [one for one in self.stored if not self.filters or one.columns.get(column) == value]

    def named(self, name: str) -> list[Stored]:
        """Find the complaint that the map itself calls so."""
        return [one for one in self.stored if not self.filters or one.name == name]

    def order(self, pair: Sequence[float]) -> Sequence[float]:
        """Turn lon, lat into the order of the WFS, or back."""
        return pair if self.axes == "lon,lat" else (pair[1], pair[0])

    def wfs(self, request: web.Request, body: bytes) -> web.Response:
        """Answer a Transaction, a GetFeature, a DescribeFeatureType or a GetCapabilities."""
        if request.method == "POST":
            return self._transact(body)
        if request.query.get("REQUEST") == "GetCapabilities":
            return capabilities()
        layer = request.query.get("TYPENAME", "")
        if layer not in {DOLEANCES, QUARTIERS}:
            return report("RequestNotWellFormed", f"TypeName '{layer}' could not be found")
        if request.query.get("REQUEST") == "DescribeFeatureType":
            return schema(layer)
        condition = etree.fromstring(request.query["FILTER"].encode())[0]
        if etree.QName(condition).localname == "Intersects":
            lon, lat = self.order(pair_of(condition))
            members = [self._surface(one) for one in DISTRICTS if holds(one.rings, Position(lon, lat))]
        elif etree.QName(condition).localname == "FeatureId":
            members = [self._point(one) for one in self.named(condition.get("fid", "").rpartition(".")[2])]
        else:
            column, value = (condition.findtext(f"{{*}}{name}", "") for name in ("PropertyName", "Literal"))
            members = [self._point(one) for one in self.find(column, value)]
        return xml(f"<wfs:FeatureCollection {NAMESPACES}>{''.join(members)}</wfs:FeatureCollection>")

    def _transact(self, body: bytes) -> web.Response:
        try:
            feature = etree.fromstring(body)[0][0]
        except (etree.XMLSyntaxError, IndexError):
            return report("RequestNotWellFormed", "error occurred while parsing element")
        layer = etree.QName(feature).localname
        if layer != DOLEANCES:
            return transaction(0, message=f"TypeName '{layer}' unknown")
        told = {etree.QName(one).localname: one.text or "" for one in feature if not len(one)}
        if not told.keys() <= set(COLUMNS):
            return report("InvalidParameterValue", "No such attribute")
        lon, lat = self.order(pair_of(feature))
        return transaction(1, fid=f"{DOLEANCES}.{self.add(Position(lon, lat), told).name}")

    def _point(self, one: Stored) -> str:
        place = " ".join(map(str, self.order(one.position)))
        told = "".join(f"<qgs:{name}>{escape(value)}</qgs:{name}>" for name, value in one.columns.items())
        shape = f'<Point xmlns="{GML}" srsName="EPSG:4326"><pos srsDimension="2">{place}</pos></Point>'
        return member(DOLEANCES, one.name, f"<qgs:geometry>{shape}</qgs:geometry>{told}")

    def _surface(self, one: District) -> str:
        ring = "<{0}><LinearRing><posList>{1}</posList></LinearRing></{0}>"
        patches = ""
        for part in one.parts:
            lists = [" ".join(str(number) for place in line for number in self.order(place)) for line in part]
            holes = "".join(ring.format("interior", line) for line in lists[1:])
            outer = ring.format("exterior", lists[0])
            patches += f"<surfaceMember><Polygon>{outer}{holes}</Polygon></surfaceMember>"
        shape = f'<MultiSurface xmlns="{GML}" srsName="EPSG:4326">{patches}</MultiSurface>'
        told = f"<qgs:code>{one.code}</qgs:code><qgs:nom>{one.nom}</qgs:nom>"
        return member(QUARTIERS, one.code, f"<qgs:geometry>{shape}</qgs:geometry>{told}")

    def features(self, request: web.Request, body: bytes) -> web.Response:
        """Answer for a collection or its items, or say what there is to ask."""
        if request.path.endswith("/api"):
            return answer(api())
        _, _, collections, layer, *items = request.path.split("/")
        if collections != "collections" or layer not in {DOLEANCES, QUARTIERS}:
            return complain(404, "NotFound", "Collection not found")
        if len(items) != 1:
            return self._item(items[1]) if items else answer({"id": layer, "title": layer, "links": []})
        if request.method == "POST":
            return self._post(request, layer, body)
        if layer == QUARTIERS:
            west, south, east, north = map(float, request.query["bbox"].split(","))
            touched = [one for one in DISTRICTS if touches(one.rings, (west, south, east, north))]
            return geojson([surface(one) for one in touched])
        asked = next(((name, request.query[name]) for name in COLUMNS if name in request.query), None)
        return geojson([point(one) for one in (self.find(*asked) if asked else self.stored)])

    def _item(self, name: str) -> web.Response:
        found = next(iter(self.named(name)), None)
        return answer(point(found)) if found else complain(404, "NotFound", "identifier not found")

    def _post(self, request: web.Request, layer: str, body: bytes) -> web.Response:
        if layer == QUARTIERS:
            return complain(400, "InvalidParameterValue", "Collection is not editable")
        try:
            feature = orjson.loads(body)
            position = Position(*feature["geometry"]["coordinates"])
            columns = feature["properties"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return complain(500, "NoApplicableCode", "generic error (check logs)")
        if any(one.name == feature.get("id") for one in self.stored):
            return complain(self.exists, "NoApplicableCode", "generic error (check logs)")
        name = self.add(position, columns, feature.get("id", "")).name
        return web.Response(status=201, headers={"Location": f"{request.url.with_query(None)}/{name}"})

    def arcgis(self, request: web.Request, body: bytes) -> web.Response:
        """Answer for a layer of the FeatureServer: what it is, a query, an edit; always with HTTP 200."""
        _, _, number, *verb = request.path.split("/")
        layer = NUMBERED.get(number)
        match layer, verb:
            case None, _:
                return answer({"error": {"code": 404, "message": "Layer not found", "details": []}})
            case _, []:
                fields = [{"name": name, "type": "esriFieldTypeString"} for name in COLUMNS]
                return answer({"id": int(number), "fields": fields, "capabilities": "Create,Query,Update,Editing"})
            case _, ["applyEdits"]:
                return self._apply(body)
            case "quartiers", _:
                lon, lat = map(float, request.query["geometry"].split(","))
                holding = [one for one in DISTRICTS if holds(one.rings, Position(lon, lat))]
                return answer(esri([{"attributes": told(one), "geometry": {"rings": one.rings}} for one in holding]))
            case _:
                column, _, value = request.query.get("where", "").partition("=")
                found = self.find(column, value.strip("'")) if column else self.named(request.query["objectIds"])
                shown = [
                    {
                        "attributes": {**one.columns, "OBJECTID": int(one.name)},
                        "geometry": {"x": one.position.lon, "y": one.position.lat},
                    }
                    for one in found
                ]
                return answer(esri(shown))

    def _apply(self, body: bytes) -> web.Response:
        adds = orjson.loads(dict(parse_qsl(body.decode()))["adds"])
        place, columns = adds[0]["geometry"], adds[0]["attributes"]
        if not columns.keys() <= set(COLUMNS):
            return answer(add_result(error={"code": 1000, "description": "Invalid field"}))
        number = int(self.add(Position(place["x"], place["y"]), columns).name)
        return answer(add_result(number))


NAMESPACES: Final = f'xmlns:wfs="{WFS}" xmlns:gml="{GML}" xmlns:qgs="{QGS}"'


def escape(value: Any) -> str:
    """Write a value in XML."""
    return saxutils.escape(str(value))


def pair_of(element: Element) -> Sequence[float]:
    """Read the coordinates somewhere in an element."""
    return [float(one) for one in element.findtext(".//{*}coordinates", "").split(",")]


def told(one: District) -> dict[str, Any]:
    """Tell the columns of a district."""
    return {"code": one.code, "nom": one.nom}


def touches(rings: Sequence[Ring], box: tuple[float, float, float, float]) -> bool:
    """Tell whether the box of rings touches another: no more than that is asked of `bbox`."""
    places = [place for ring in rings for place in ring]
    wests, souths = [place[0] for place in places], [place[1] for place in places]
    return min(wests) <= box[2] and max(wests) >= box[0] and min(souths) <= box[3] and max(souths) >= box[1]


def member(layer: str, name: str, content: str) -> str:
    """Write a member of a FeatureCollection."""
    return f'<gml:featureMember><qgs:{layer} gml:id="{layer}.{name}">{content}</qgs:{layer}></gml:featureMember>'


def transaction(inserted: int, *, fid: str = "", message: str = "") -> web.Response:
    """Write a TransactionResponse, without a prefix, as QGIS does."""
    parts = f"<TransactionSummary><totalInserted>{inserted}</totalInserted></TransactionSummary>"
    if message:
        action = f'<Action locator="Insert"><Message>{escape(message)}</Message></Action>'
        parts += f"<TransactionResults>{action}</TransactionResults>"
    if fid:
        parts += f'<InsertResults><Feature><ogc:FeatureId fid="{fid}"/></Feature></InsertResults>'
    return xml(f'<TransactionResponse xmlns="{WFS}" xmlns:ogc="{OGC}" version="1.1.0">{parts}</TransactionResponse>')


def schema(layer: str) -> web.Response:
    """Write the schema of a layer."""
    names = COLUMNS if layer == DOLEANCES else ("code", "nom")
    columns = "".join(f'<element name="{name}" type="string" minOccurs="0"/>' for name in ("geometry", *names))
    kind = f'<complexType name="{layer}Type"><sequence>{columns}</sequence></complexType>'
    element = f'<element name="{layer}" type="qgs:{layer}Type"/>'
    return xml(f'<schema xmlns="{XSD}" xmlns:qgs="{QGS}" targetNamespace="{QGS}">{element}{kind}</schema>')


def capabilities() -> web.Response:
    """Write what a WFS can do."""
    asked = ("GetCapabilities", "DescribeFeatureType", "GetFeature", "Transaction")
    operations = "".join(f'<ows:Operation name="{name}"/>' for name in asked)
    layers = "".join(
        f"<FeatureType><Name>{name}</Name><DefaultSRS>EPSG:4326</DefaultSRS></FeatureType>"
        for name in (DOLEANCES, QUARTIERS)
    )
    tests = "".join(f'<ogc:SpatialOperator name="{name}"/>' for name in ("BBOX", "Intersects"))
    return xml(
        f'<WFS_Capabilities xmlns="{WFS}" xmlns:ows="{OWS}" xmlns:ogc="{OGC}" version="1.1.0">'
        f"<ows:OperationsMetadata>{operations}</ows:OperationsMetadata><FeatureTypeList>{layers}</FeatureTypeList>"
        f"<ogc:Filter_Capabilities><ogc:SpatialOperators>{tests}</ogc:SpatialOperators></ogc:Filter_Capabilities>"
        "</WFS_Capabilities>"
    )


def api() -> dict[str, Any]:
    """Describe the two collections in OpenAPI."""
    text = {"type": "string"}
    feature = {
        "type": "object",
        "required": ["type", "geometry", "properties"],
        "properties": {
            "type": {"enum": ["Feature"]},
            "geometry": {"type": "object"},
            "properties": {"type": "object", "properties": {str(name): text for name in COLUMNS}},
        },
    }
    posted = {"required": True, "content": {"application/geo+json": {"schema": feature}}}
    found = {"200": {"description": "features", "content": {"application/geo+json": {"schema": {"type": "object"}}}}}
    box = {"name": "bbox", "in": "query", "schema": text}
    return {
        "openapi": "3.0.3",
        "info": {"title": "Carte", "version": "1"},
        "paths": {
            f"/collections/{DOLEANCES}/items": {
                "get": {"operationId": "getDoleances", "responses": found},
                "post": {
                    "operationId": "addDoleances",
                    "requestBody": posted,
                    "responses": {"201": {"description": "created"}},
                },
            },
            f"/collections/{QUARTIERS}/items": {
                "get": {"operationId": "getQuartiers", "parameters": [box], "responses": found}
            },
        },
    }


def report(code: str, message: str, *, status: int = 400, root: str = "ServiceExceptionReport") -> web.Response:
    """Write an exception report, of QGIS or (`ExceptionReport`) of GeoServer."""
    said = escape(message)
    if root not in EXCEPTIONS or root == "ServiceExceptionReport":
        return xml(f'<{root} xmlns="{OGC}"><ServiceException code="{code}">{said}</ServiceException></{root}>', status)
    blame = f'<Exception exceptionCode="{code}"><ExceptionText>{said}</ExceptionText></Exception>'
    return xml(f'<{root} xmlns="http://www.opengis.net/ows">{blame}</{root}>', status)


def xml(content: str, status: int = 200) -> web.Response:
    """Answer XML."""
    body = f'<?xml version="1.0" encoding="utf-8"?>{content}'.encode()
    return web.Response(status=status, body=body, headers={"Content-Type": "text/xml; charset=utf-8"})


def point(one: Stored) -> dict[str, Any]:
    """Write a complaint in GeoJSON."""
    geometry = {"type": "Point", "coordinates": list(one.position)}
    return {"type": "Feature", "id": one.name, "geometry": geometry, "properties": one.columns}


def surface(one: District) -> dict[str, Any]:
    """Write a district in GeoJSON: a polygon when it is of one part."""
    several = len(one.parts) > 1
    geometry = {
        "type": "MultiPolygon" if several else "Polygon",
        "coordinates": one.parts if several else one.parts[0],
    }
    return {"type": "Feature", "id": one.code, "geometry": geometry, "properties": told(one)}


def geojson(features: Sequence[Any]) -> web.Response:
    """Answer features."""
    return answer({"type": "FeatureCollection", "features": features, "links": [{"rel": "self", "href": "/"}]})


def complain(status: int, code: str, description: str) -> web.Response:
    """Answer as pygeoapi refuses."""
    return answer({"code": code, "type": code, "description": description}, status)


def esri(features: Sequence[Any]) -> dict[str, Any]:
    """Write a feature set."""
    return {"objectIdFieldName": "OBJECTID", "spatialReference": {"wkid": 4326}, "features": features}


def add_result(number: int | None = None, error: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Write what became of an add."""
    result = {"success": False, "error": error} if error else {"objectId": number, "globalId": None, "success": True}
    return {"addResults": [result], "updateResults": [], "deleteResults": []}


def answer(document: Any, status: int = 200) -> web.Response:
    """Answer JSON."""
    return web.Response(status=status, body=orjson.dumps(document), content_type="application/json")
