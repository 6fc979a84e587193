"""What is counted of a kind's requests, and where they stand on the city's map: declared beside its route."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, NamedTuple

import orjson
from pydantic import AfterValidator, Field

from hub.errors import ConfigurationError
from hub.mapping import FAILURES, Expression
from hub.model import Frozen

DISTRICT: Final = "district"
"""The facet by which a kind without a place says its district."""

NOWHERE: Final = "-"
"""How a search says that a request has a place, and lies in no district."""

AXES: Final = ("kind", "year", "month", "site", "channel", DISTRICT)
"""What every request is counted by."""

OTHER: Final = "autre"
SEVERAL: Final = "plusieurs"
YES, NO = "oui", "non"

LONGEST_VALUE: Final = 60
"""Characters of a value that is counted: a longer one comes from no list."""

PATH: Final = re.compile(r"data(\.\w+)+")
"""An expression that reads one field as it is."""

RESERVED: Final = frozenset({*AXES, "longitude", "latitude"}) - {DISTRICT}
MOST_FACETS: Final = 4
MOST_EAST: Final = 180.0
MOST_NORTH: Final = 90.0


def _nobody_elses(facets: Mapping[str, str]) -> Mapping[str, str]:
    taken = sorted(RESERVED & set(facets))
    if taken:
        raise ValueError(f"{taken[0]}: the name means something else; give the facet another one")
    return facets


FacetName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,29}$")]
Facets = Annotated[Mapping[FacetName, str], Field(max_length=MOST_FACETS), AfterValidator(_nobody_elses)]


class Position(Frozen):
    """Where a request is on the city's map: expressions of its degrees (WGS 84), and of the district it lies in."""

    longitude: str
    latitude: str
    district: str | None = None


class Seen(NamedTuple):
    """What is counted of one request, and where it is."""

    facets: Mapping[str, str] = MappingProxyType({})
    district: str = ""
    longitude: float | None = None
    latitude: float | None = None


UNSEEN: Final = Seen()


class Observer:
    """Reads what is declared off the requests of one kind; false when nothing is."""

    def __init__(self, route: str, facets: Mapping[str, str], position: Position | None) -> None:
        sources = {f"facets.{name}": source for name, source in facets.items()}
        said = position.model_dump(exclude_none=True) if position else {}
        sources |= {f"place.{name}": source for name, source in said.items()}
        self.sources: Mapping[str, str] = sources
        """Where each stands in the route's file → the expression."""
        self.has_place = position is not None
        self.facets = tuple(sorted(set(facets) - {DISTRICT}))
        self._parts = {_own(name): _compiled(route, name, source) for name, source in sources.items()}
        self._whole = _compiled(route, "facets", _object({_own(name): source for name, source in sources.items()}))
        self.reads_answers = any("$answers" in source for source in sources.values())

    def __bool__(self) -> bool:
        """Whether there is anything to read."""
        return bool(self.sources)

    def see(self, body: str, answers: Mapping[str, Any]) -> Seen:
        """Read one request's body (JSON text), with what its steps were answered; what cannot be read is not there."""
        try:
            said = orjson.loads(self._whole.text(body, {"answers": dict(answers)}, 0, 0) or "{}")
        except FAILURES:
            said = dict(self._piecemeal(orjson.loads(body), answers))
        longitude, latitude = _degrees(said.get("longitude"), MOST_EAST), _degrees(said.get("latitude"), MOST_NORTH)
        if longitude is None or latitude is None:
            longitude = latitude = None
        words = {name: word(said.get(name)) for name in self.facets}
        return Seen({name: one for name, one in words.items() if one}, word(said.get(DISTRICT)), longitude, latitude)

    def _piecemeal(self, document: Any, answers: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for name, part in self._parts.items():
            try:
                yield name, part.value(document, {"answers": dict(answers)})
            except FAILURES:
                continue


def word(said: Any) -> str:
    """Give the word under which a value is counted: never a text that somebody wrote; empty when there is none."""
    match said:
        case None | "" | []:
            return ""
        case bool():
            return YES if said else NO
        case int():
            return str(said)
        case str() if len(said) <= LONGEST_VALUE and said.isprintable():
            return " ".join(said.split())
        case list():
            words = {word(one) for one in said} - {""}
            return words.pop() if len(words) == 1 else SEVERAL if words else ""
        case _:
            return OTHER


def leaf(schema: Mapping[str, Any], source: str) -> Mapping[str, Any] | None:
    """Find what a schema says of the field that a plain path reads, through lists; None for any other expression."""
    if not PATH.fullmatch(source):
        return None
    part: Mapping[str, Any] = schema
    for name in source.split("."):
        part = _followed(schema, _followed(schema, part).get("properties", {}).get(name, {}))
        part = _followed(schema, part.get("items", part))
    return part


def _followed(schema: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    name = str(part.get("$ref", "")).rpartition("/")[2]
    found: Mapping[str, Any] = {**schema.get("$defs", {}).get(name, {}), **part} if name else part
    return found


def _degrees(said: Any, most: float) -> float | None:
    is_number = isinstance(said, int | float) and not isinstance(said, bool)
    return float(said) if is_number and -most <= said <= most else None


def _own(name: str) -> str:
    return name.partition(".")[2]


def _object(sources: Mapping[str, str]) -> str:
    return "{" + ", ".join(f'"{name}": ({source})' for name, source in sources.items()) + "}"


def _compiled(route: str, name: str, source: str) -> Expression:
    try:
        return Expression(source)
    except FAILURES as error:
        raise ConfigurationError(f"the route of {route}", f"{name}: {source}: {error}") from None
