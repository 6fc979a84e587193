"""A stand-in for addok, the server of the BAN, over real HTTP: a few streets, its answers, its errors, its limit.

Its scores are likenesses of letters and of importance, as addok's are, without being the same.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import orjson
from aiohttp import web

from connectors._transport.sandbox import COMMON, HttpSandbox
from connectors.adresse.wire import PROBE
from hub.connector import Fault
from hub.model import Verdict

CONTEXT: Final = "13, Bouches-du-Rhône, Provence-Alpes-Côte d'Azur"
LONGEST: Final = 200
LEAST: Final = 0.2
"""The score below which nothing is shown."""
NEAR: Final = 2000
"""Metres around a position in which it knows addresses."""
METRES_A_DEGREE: Final = 111_320
IMPORTANCE: Final = 0.1
WAIT: Final = 5
"""Seconds it makes wait whoever asks too often; what is left of them is said, so that it decreases."""

MENU: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        **COMMON,
        "invalid_parameter": Fault(title="answers 400, one parameter being invalid", verdict=Verdict.REFUSED),
        "too_long": Fault(title="answers 413, the words being too many", verdict=Verdict.REFUSED),
        "unknown_path": Fault(title="answers 404, being no geocoder", verdict=Verdict.REFUSED),
        "blocked": Fault(title="answers 403, our address being blocked", verdict=Verdict.TRANSIENT),
        "nothing_found": Fault(title="answers 200 without any address", verdict=Verdict.ACCEPTED),
        "other_json": Fault(title="answers 200 with JSON of another sort", verdict=Verdict.UNCERTAIN),
        "no_position": Fault(title="answers an address without its position", verdict=Verdict.UNCERTAIN),
    }
)


def street(code: str, name: str, lon: float, lat: float, numbers: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    """Describe a street of Aix-en-Provence."""
    return {"id": f"13001_{code}", "type": "street", "name": name, "at": (lon, lat), "numbers": numbers}


PLACES: Final[tuple[Mapping[str, Any], ...]] = (
    street("5270", "Rue de l'Opéra", 5.4535, 43.5283, {"4": (5.4531, 43.5281), "12": (5.4539, 43.5285)}),
    street("4380", "Cours Mirabeau", 5.4489, 43.5267, {"10": (5.4480, 43.5268)}),
    street("6550", "Rue Paul Cézanne", 5.4562, 43.5276, {"7": (5.4564, 43.5277)}),
    {"id": "13001", "type": "municipality", "name": "Aix-en-Provence", "at": (5.4454, 43.5298), "numbers": {}},
)
POSTCODE: Final = "13100"
CITYCODE: Final = "13001"
CITY: Final = "Aix-en-Provence"


class Sandbox(HttpSandbox):
    """Searches a few streets by their letters, or by a position."""

    menu = MENU

    def sample(self, operation: str) -> dict[str, Any]:
        """Give a question that has an answer."""
        if operation == "inverse":
            return {"lon": 5.4539, "lat": 43.5285}
        return {"texte": "12 rue de l'Opéra 13100 Aix-en-Provence", "postcode": POSTCODE, "citycode": CITYCODE}

    async def is_delivery(self, request: web.Request) -> bool:
        """Tell a question from a probe."""
        return request.query.get("q") != PROBE

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one question; a slash at the end of the path changes nothing."""
        view = VIEWS.get(request.path.rstrip("/"))
        return view(request.query) if view else error(404, "404 Not Found")

    async def play(self, fault: str, request: web.Request, answer: web.Response | None) -> web.StreamResponse:
        """Play what a geocoder says, or what is common to all servers."""
        if fault == "too_many":
            return web.Response(status=429, headers={"Retry-After": str(max(1, WAIT - self._waited()))})
        return PLAYS[fault]() if fault in PLAYS else await super().play(fault, request, answer)

    def break_with(self, fault: str, times: int = 1) -> None:
        """Play `fault` for the next `times` deliveries."""
        super().break_with(fault, times)
        self._asked = times

    def _waited(self) -> int:
        return self._asked - self._times - 1


def search(query: Mapping[str, str]) -> web.Response:
    """Search by words."""
    words = query.get("q", "")
    if not words:
        return missing("q")
    if len(words) > LONGEST:
        return error(413, f"Query too long, {len(words)} chars, limit is {LONGEST}")
    if wrong := next(invalid(query), None):
        return wrong
    filters = {name: query[name].split() for name in ("postcode", "citycode") if query.get(name)}
    if any(known not in filters.get(name, [known]) for name, known in KNOWN.items()):
        return collection([], query=words, filters=filters)
    found = sorted((describe(place, words) for place in PLACES), key=lambda one: -one["properties"]["score"])
    shown = [one for one in found if one["properties"]["score"] >= LEAST]
    limit = int(query.get("limit") or 5)
    return collection(shown[:limit], query=words, limit=limit, **({"filters": filters} if filters else {}))


def reverse(query: Mapping[str, str]) -> web.Response:
    """Search around a position."""
    for name in ("lon", "lat"):
        if name not in query:
            return missing(name)
    if wrong := next(invalid(query), None):
        return wrong
    here = (float(query["lon"]), float(query["lat"]))
    spots = [(place, number, at) for place in PLACES for number, at in place["numbers"].items()]
    place, number, at = min(spots, key=lambda spot: distance(here, spot[2]))
    metres = distance(here, at)
    near = [feature(place, number, at, score=1 - metres / NEAR, distance=int(metres))] if metres < NEAR else []
    return collection(near, limit=1)


VIEWS: Final[Mapping[str, Callable[[Mapping[str, str]], web.Response]]] = {"/search": search, "/reverse": reverse}
KNOWN: Final = {"postcode": POSTCODE, "citycode": CITYCODE}
RANGES: Final = {"lon": 180, "lat": 90}


def describe(place: Mapping[str, Any], words: str) -> dict[str, Any]:
    """Describe a place as found by these words: at a house when they begin with the number of one."""
    begins = re.match(r"\s*(\d+)\b", words)
    number = begins[1] if begins and begins[1] in place["numbers"] else ""
    name = f"{number} {place['name']}".strip()
    like = max(likeness(words, label) for label in (name, f"{name} {CITY}", f"{name} {POSTCODE} {CITY}"))
    importance = IMPORTANCE * 0.6 if like else 0.0
    at = place["numbers"].get(number, place["at"])
    return feature(place, number, at, score=(like + importance) / (1 + IMPORTANCE))


def feature(place: Mapping[str, Any], number: str, at: tuple[float, float], **measures: float) -> dict[str, Any]:
    """Write a feature as addok does: what is empty is left out."""
    name = f"{number} {place['name']}".strip()
    house = {"housenumber": number, "id": f"{place['id']}_{number:0>5}", "type": "housenumber"} if number else {}
    properties = {
        "label": name if name == CITY else f"{name} {POSTCODE} {CITY}",
        **measures,
        "id": place["id"],
        "type": place["type"],
        **house,
        "name": name,
        "postcode": POSTCODE,
        "citycode": CITYCODE,
        "city": CITY,
        "context": CONTEXT,
        "importance": 0.6,
        place["type"]: place["name"],
    }
    return {"type": "Feature", "geometry": {"type": "Point", "coordinates": list(at)}, "properties": properties}


def likeness(left: str, right: str) -> float:
    """Compare two texts by their pairs of letters, without regard to case and accents: 0 to 1."""
    ours, theirs = pairs(left), pairs(right)
    return len(ours & theirs) / len(ours | theirs) if ours | theirs else 0.0


def pairs(words: str) -> set[str]:
    """List the pairs of letters of a text."""
    plain = unicodedata.normalize("NFD", words.lower()).encode("ascii", "ignore").decode()
    plain = re.sub(r"\W+", " ", plain).strip()
    return {plain[start : start + 2] for start in range(len(plain) - 1)}


def distance(here: tuple[float, float], there: tuple[float, float]) -> float:
    """Measure the metres between two near positions."""
    east = (there[0] - here[0]) * math.cos(math.radians(here[1]))
    return math.hypot(east, there[1] - here[1]) * METRES_A_DEGREE


def invalid(query: Mapping[str, str]) -> Iterator[web.Response]:
    """Find what is wrong with a position."""
    for name, most in RANGES.items():
        try:
            if abs(float(query.get(name) or 0)) > most:
                yield error(400, "Invalid parameter", f'The "{name}" parameter is invalid. out of range')
        except ValueError:
            yield error(400, "Invalid parameter", f'The "{name}" parameter is invalid. invalid value')


def missing(name: str) -> web.Response:
    """Ask for a parameter."""
    return error(400, "Missing parameter", f'The "{name}" parameter is required.')


def error(status: int, title: str, description: str = "") -> web.Response:
    """Answer as addok's framework does."""
    said = {"title": title, **({"description": description} if description else {})}
    return web.Response(status=status, body=orjson.dumps(said), content_type="application/json")


def collection(features: list[dict[str, Any]], **asked: Any) -> web.Response:
    """Answer features, and what was asked."""
    source = {"attribution": "BAN", "licence": "ETALAB-2.0"}
    document = {"type": "FeatureCollection", "version": "draft", "features": features, **source, **asked}
    return web.json_response(body=orjson.dumps(document))


PLAYS: Final[Mapping[str, Callable[[], web.Response]]] = {
    "invalid_parameter": lambda: error(400, "Invalid parameter", 'The "lat" parameter is invalid. out of range'),
    "too_long": lambda: error(413, "Query too long, 201 chars, limit is 200"),
    "unknown_path": lambda: error(404, "404 Not Found"),
    "blocked": lambda: error(403, "403 Forbidden"),
    "nothing_found": lambda: collection([], query="nulle part", limit=5),
    "other_json": lambda: web.json_response({"status": "HEALTHY", "redis_version": "7.0.15"}),
    "no_position": lambda: collection([{"type": "Feature", "geometry": None, "properties": {"label": "?"}}]),
}
