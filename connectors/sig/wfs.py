"""WFS-T 1.1.0: a Transaction inserts, GetFeature finds by a filter. A 200 may hold a refusal; no I/O.

QGIS Server never answers an Insert whose element names no column of the layer, nor one with blanks between its
elements: nothing is written that the settings do not name, and nothing is indented.
"""

from __future__ import annotations

import re
from typing import Any, Final

from lxml import etree

from connectors._transport.http import Answer
from connectors._transport.xml import Element, parse
from connectors.sig.wire import (
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
    refuse_status,
)
from hub.connector import Outbound
from hub.errors import DeliveryError, UncertainError
from hub.manifest import ErrorTable
from hub.model import Verdict

WFS: Final = "http://www.opengis.net/wfs"
OGC: Final = "http://www.opengis.net/ogc"
GML: Final = "http://www.opengis.net/gml"
ASKED: Final = {"SERVICE": "WFS", "VERSION": "1.1.0"}
MOST: Final = 50
"""How many features are asked for: ours is one, a position has few districts."""

EXCEPTIONS: Final = frozenset({"ServiceExceptionReport", "ExceptionReport"})
"""The roots of a refusal, of QGIS (OGC) and of GeoServer (OWS)."""


class Wfs:
    """A map that speaks WFS-T."""

    exact = True
    shape = re.compile(r"[\w.:-]{1,200}")

    def __init__(self, settings: Settings, errors: ErrorTable) -> None:
        self._settings, self._errors = settings, errors

    def create(self, message: Outbound) -> Request:
        """Write a Transaction of one Insert."""
        prefix, _, layer = self._settings.couche_doleances.rpartition(":")
        ours = self._settings.espace_noms
        root = etree.Element(f"{{{WFS}}}Transaction", nsmap={"wfs": WFS, "gml": GML, prefix or "couche": ours})
        root.attrib.update({"service": "WFS", "version": "1.1.0"})
        feature = etree.SubElement(etree.SubElement(root, f"{{{WFS}}}Insert"), f"{{{ours}}}{layer}")
        etree.SubElement(feature, f"{{{ours}}}{self._settings.champ_geometrie}").append(
            self._point(position_of(message))
        )
        for column, value in self._settings.columns(message).items():
            etree.SubElement(feature, f"{{{ours}}}{column}").text = str(value)
        content = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
        return Request("POST", below(self._settings), content, {"Content-Type": "text/xml; charset=utf-8"})

    def read_created(self, answer: Answer) -> str:
        """Read a TransactionResponse: one feature and its fid, or none and why."""
        root = self._read(answer, "TransactionResponse")
        inserted = root.findtext("{*}TransactionSummary/{*}totalInserted", "0").strip()
        fids = [one.get("fid", "") for one in root.iterfind("{*}InsertResults/{*}Feature/{*}FeatureId")]
        if inserted == "0":
            said = [one.text or "" for one in root.iterfind("{*}TransactionResults/{*}Action/{*}Message")]
            raise failure(self._errors, said, "inserted_0", Verdict.REFUSED)
        if inserted != "1" or len(fids) != 1 or not fids[0]:
            raise UncertainError(UNREADABLE)
        return fids[0]

    def search(self, key: str) -> Request:
        """Write a GetFeature by the reference."""
        test = etree.Element(f"{{{OGC}}}PropertyIsEqualTo")
        etree.SubElement(test, f"{{{OGC}}}PropertyName").text = self._settings.champ_reference
        etree.SubElement(test, f"{{{OGC}}}Literal").text = key
        return self._get(self._settings.couche_doleances, test)

    def find(self, reference: str) -> Request:
        """Write a GetFeature by the identifier; QGIS gives all of a layer for one that begins otherwise."""
        return self._get(self._settings.couche_doleances, etree.Element(f"{{{OGC}}}FeatureId", fid=reference))

    def read_one(self, answer: Answer) -> Found:
        """Read a FeatureCollection of one feature, or of none."""
        return self.read_found(answer)

    def locate(self, position: Position) -> Request:
        """Write a GetFeature by what intersects a position."""
        test = etree.Element(f"{{{OGC}}}Intersects")
        etree.SubElement(test, f"{{{OGC}}}PropertyName").text = self._settings.champ_geometrie
        test.append(self._point(position))
        return self._get(self._settings.couche_quartiers, test)

    def read_found(self, answer: Answer) -> Found:
        """Read a FeatureCollection, of GML 2 or 3."""
        root = self._read(answer, "FeatureCollection")
        features = [
            self._feature(one) for member in root.iter("{*}featureMember", "{*}featureMembers") for one in member
        ]
        return Found(features, whole=len(features) < MOST)

    def describe(self) -> Request:
        """Write a DescribeFeatureType."""
        layer = self._settings.couche_doleances
        return Request("GET", below(self._settings, **ASKED, REQUEST="DescribeFeatureType", TYPENAME=layer))

    def check_described(self, answer: Answer) -> None:
        """Find the layer, and every column that is written, in its schema."""
        settings = self._settings
        names = {one.get("name") for one in self._read(answer, "schema").iter("{*}element")}
        if settings.couche_doleances.rpartition(":")[2] not in names:
            raise self._errors.failure("unknown_layer")
        if {settings.champ_geometrie, settings.champ_reference, *settings.champs.values()} - names:
            raise self._errors.failure("unknown_column")

    def _get(self, layer: str, test: Element) -> Request:
        """Write a GetFeature whose filter has its namespaces unprefixed, which every server reads."""
        condition = etree.Element(f"{{{OGC}}}Filter", nsmap={None: OGC})  # type: ignore[dict-item]  # lxml's own way to say: no prefix
        condition.append(test)
        asked = {**ASKED, "REQUEST": "GetFeature", "TYPENAME": layer, "SRSNAME": self._settings.srs}
        written = etree.tostring(condition, encoding="unicode")
        return Request("GET", below(self._settings, **asked, MAXFEATURES=MOST, FILTER=written))

    def _point(self, position: Position) -> Element:
        point = etree.Element(f"{{{GML}}}Point", nsmap={None: GML}, srsName=self._settings.srs)  # type: ignore[dict-item]  # as above
        pair = self._ordered(position)
        etree.SubElement(point, f"{{{GML}}}coordinates").text = ",".join(map(number, pair))
        return point

    def _ordered(self, pair: tuple[float, float]) -> tuple[float, float]:
        """Turn lon, lat into the server's order of axes, or back."""
        return pair if self._settings.axes == "lon,lat" else (pair[1], pair[0])

    def _feature(self, element: Element) -> Feature:
        columns = {etree.QName(child).localname: child.text or "" for child in element if not len(child)}
        point = element.find(".//{*}Point")
        places = [] if point is None else self._places(point)
        return Feature(
            reference=element.get(f"{{{GML}}}id") or element.get("fid") or "",
            columns=columns,
            position=Position(*places[0]) if places else None,
            rings=[self._places(ring) for ring in element.iter("{*}LinearRing")],
        )

    def _places(self, element: Element) -> Ring:
        """Read `pos`, `posList` or `coordinates`."""
        numbers: list[float] = []
        size = 2
        for found in element.iter("{*}pos", "{*}posList", "{*}coordinates"):
            words = re.split(r"[\s,]+", (found.text or "").strip())
            size = size_of(found)
            try:
                numbers += map(float, words)
            except ValueError:
                raise UncertainError(UNREADABLE) from None
        return [self._ordered((x, y)) for x, y in zip(numbers[::size], numbers[1::size], strict=False)]

    def _read(self, answer: Answer, expected: str) -> Element:
        """Read the root of an answer; an exception report is read before the status it comes with."""
        try:
            root = parse(answer.body)
        except UncertainError:
            refuse_status(answer, self._errors, self._settings)
            raise
        name = etree.QName(root).localname
        if name in EXCEPTIONS:
            raise self._exception(root, answer.status)
        refuse_status(answer, self._errors, self._settings)
        if name != expected:
            raise UncertainError(UNREADABLE)
        return root

    def _exception(self, root: Element, status: int) -> DeliveryError:
        """Make the error of an exception report: one that no row knows refuses when the status blames us."""
        blame: Any = next(root.iter("{*}ServiceException", "{*}Exception"), None)
        if blame is None:
            return UncertainError(UNREADABLE)
        code = blame.get("code") or blame.get("exceptionCode") or ""
        said = [blame.text or "", blame.findtext("{*}ExceptionText", ""), code]
        verdict = Verdict.REFUSED if 400 <= status < 500 else Verdict.UNCERTAIN
        return failure(self._errors, [one.strip() for one in said], "exception", verdict)


def size_of(element: Element) -> int:
    """Read how many numbers a place has: 2, unless it says 3."""
    if etree.QName(element).localname == "coordinates":
        first = (element.text or "").split()[:1]
        return 3 if first and first[0].count(",") == 2 else 2
    return 3 if element.get("srsDimension") == "3" else 2
