"""What the three protocols of a map share: its settings, a call, a feature, and what is made of those found; no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Protocol, Self
from urllib.parse import quote, urlencode

import jsonschema_rs
import orjson
from pydantic import Field, model_validator

from connectors._transport.http import Answer, HttpSettings, check_status
from hub.connector import DifferentError, Outbound, Receipt
from hub.errors import DeliveryError, UncertainError
from hub.manifest import ErrorTable
from hub.model import Frozen, Verdict

CONTRACT: Final = Path(__file__).parent / "contract"
MESSAGES: Final = {
    operation: jsonschema_rs.validator_for(orjson.loads((CONTRACT / f"{operation}.json").read_bytes()))
    for operation in ("creer_doleance", "quartier")
}

UNREADABLE: Final = "unreadable"
KNOWN: Final = "already_known"

TOLERANCE: Final = 1e-5
"""Degrees, about a metre, by which a position may have moved: maps round and project."""

Layer = Annotated[str, Field(pattern=r"^\w[\w.:-]*$", max_length=120)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$", max_length=64)]

Ring = Sequence[tuple[float, float]]


class Position(NamedTuple):
    """Degrees, WGS 84."""

    lon: float
    lat: float


class Champ(StrEnum):
    """What a complaint tells beside its position; each has its column, unless the settings leave it out."""

    CATEGORIE = "categorie"
    DESCRIPTION = "description"
    ADRESSE = "adresse"
    QUARTIER = "quartier"
    ORIGINE = "origine"
    DATE_SIGNALEMENT = "date_signalement"
    ETAT = "etat"
    PHOTO = "photo"


class Protocole(StrEnum):
    """How a map is spoken to."""

    WFS = "wfs"
    OGC_FEATURES = "ogc_features"
    ARCGIS = "arcgis"


class Temoin(Frozen):
    """A position whose district is known: the probe asks for it, so that swapped axes are noticed."""

    lon: float
    lat: float
    code: str


class Settings(HttpSettings):
    """How this town reaches its map, and what its layers and columns are called.

    `url`: the WFS, what stands before `collections`, or the FeatureServer. `champs`: our field → its column; a
    field that is not there is not written. `axes`, `srs`, `espace_noms` and `champ_geometrie` are for `wfs`.
    """

    protocole: Protocole
    couche_doleances: Layer = "doleances"
    couche_quartiers: Layer = "quartiers"
    champ_reference: Name = "reference"
    champs: Mapping[Champ, Name] = Field(default={champ: champ.value for champ in Champ})
    champ_code: Name = "code"
    champ_nom: Name = "nom"
    champ_geometrie: Name = "geometry"
    espace_noms: str = "http://www.qgis.org/gml"
    srs: Annotated[str, Field(pattern=r"^[A-Za-z0-9:/._#-]+$")] = "EPSG:4326"
    axes: Literal["lon,lat", "lat,lon"] = "lon,lat"
    identifiant: Literal["serveur", "reference"] = "serveur"
    emprise: tuple[float, float, float, float] | None = None
    relire: bool = True
    temoin: Temoin | None = None

    @model_validator(mode="after")
    def _is_a_box(self) -> Self:
        if self.emprise and not (self.emprise[0] < self.emprise[2] and self.emprise[1] < self.emprise[3]):
            raise ValueError("emprise: west, south, east, north, in degrees")
        return self

    def covers(self, position: Position) -> bool:
        """Tell whether a position is in the town, as far as the settings know it."""
        if self.emprise is None:
            return True
        west, south, east, north = self.emprise
        return west <= position.lon <= east and south <= position.lat <= north

    def columns(self, message: Outbound) -> dict[str, Any]:
        """Write a complaint's columns, its reference first."""
        told = {column: message.fields.get(champ) for champ, column in self.champs.items()}
        return {self.champ_reference: message.key, **{name: told[name] for name in told if told[name] is not None}}


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP call to the map."""

    method: str
    url: str
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of a layer: `position` of a point, `rings` of a surface, holes among them."""

    reference: str
    columns: Mapping[str, Any]
    position: Position | None = None
    rings: Sequence[Ring] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """Features of an answer; `whole` when the map has no more of them."""

    features: Sequence[Feature]
    whole: bool = True


class Dialect(Protocol):
    """One of the protocols: it writes calls and reads answers, raising the failures that they stand for.

    `exact`: it finds the districts of a position itself, instead of those whose box holds it. `shape`: what its own
    references may be.
    """

    exact: bool
    shape: re.Pattern[str]

    def create(self, message: Outbound) -> Request:
        """Write the creation of a complaint."""
        ...

    def read_created(self, answer: Answer) -> str:
        """Read the map's own reference of what it created."""
        ...

    def search(self, key: str) -> Request:
        """Write the question which complaints have our reference."""
        ...

    def find(self, reference: str) -> Request:
        """Write the question for the complaint of one of the map's own references."""
        ...

    def read_one(self, answer: Answer) -> Found:
        """Read the complaint that was asked for so, or none."""
        ...

    def locate(self, position: Position) -> Request:
        """Write the question which districts hold a position."""
        ...

    def read_found(self, answer: Answer) -> Found:
        """Read features."""
        ...

    def describe(self) -> Request:
        """Write the question what the layer of complaints is made of."""
        ...

    def check_described(self, answer: Answer) -> None:
        """Raise when the layer is not as the settings say."""
        ...


def faults_in(message: Outbound) -> tuple[str, ...]:
    """Name the fields that break the contract, never what they hold."""
    found = MESSAGES[message.operation].iter_errors(message.fields)
    return tuple(sorted({".".join(map(str, error.instance_path)) or "message" for error in found}))


def position_of(message: Outbound) -> Position:
    """Read where a message is about."""
    return Position(float(message.fields["lon"]), float(message.fields["lat"]))


def below(settings: HttpSettings, path: str = "", **query: str | int) -> str:
    """Write a full URL below the map's, keeping the parameters of its own (`MAP=` of QGIS).

    A blank is %20, for not every server takes a plus sign for one.
    """
    base, _, own = str(settings.url).partition("?")
    asked = "&".join(filter(None, (own, urlencode(query, quote_via=quote))))
    return f"{base.rstrip('/') if path else base}{path}{'?' if asked else ''}{asked}"


def number(value: float) -> str:
    """Write a coordinate, a millimetre exact, without exponent."""
    return f"{value:.8f}".rstrip("0").rstrip(".")


def recognise(found: Found, message: Outbound, settings: Settings) -> Receipt | None:
    """Find our complaint among those the map gave for its reference; None when it gave none.

    Raises UncertainError when it gave others, for then it did not filter; DifferentError when ours is there
    twice, elsewhere, or of another category.
    """
    if any(str(one.columns.get(settings.champ_reference)) != message.key for one in found.features):
        raise UncertainError("filter_ignored")
    if not found.features:
        if not found.whole:
            raise UncertainError(UNREADABLE)
        return None
    if len(found.features) > 1:
        raise DifferentError("twice")
    (ours,) = found.features
    if not (is_there(ours, position_of(message)) and is_alike(ours, message, settings)):
        raise DifferentError("different")
    return Receipt(ours.reference)


def holds_reference(found: Found, reference: str) -> bool:
    """Tell whether the map gave the complaint of its own reference; UncertainError when it gave others."""
    if any(one.reference != reference for one in found.features):
        raise UncertainError("filter_ignored")
    if not found.features and not found.whole:
        raise UncertainError(UNREADABLE)
    return bool(found.features)


def is_there(feature: Feature, position: Position) -> bool:
    """Tell whether a feature is where it was said to be."""
    there = feature.position
    return there is not None and max(abs(there.lon - position.lon), abs(there.lat - position.lat)) <= TOLERANCE


def is_alike(feature: Feature, message: Outbound, settings: Settings) -> bool:
    """Tell whether a feature has our category, where the layer keeps it."""
    column = settings.champs.get(Champ.CATEGORIE)
    return column is None or str(feature.columns.get(column)) == message.fields["categorie"]


def district(found: Found, position: Position, settings: Settings, *, exact: bool) -> Receipt:
    """Choose the district that holds a position; nulls when none does.

    One that an `exact` map gives alone is believed; several are told apart here.
    """
    alone = exact and len(found.features) == 1
    holding = [one for one in found.features if alone or holds(one.rings, position)]
    if not holding and (not found.whole or (exact and found.features)):
        raise UncertainError("districts_disagree")
    codes = sorted((text(one, settings.champ_code), text(one, settings.champ_nom)) for one in holding)
    code, name = codes[0] if codes else (None, None)
    return Receipt(code or "", {"trouve": bool(codes), "code": code, "nom": name})


def text(feature: Feature, column: str) -> str:
    """Read a column that must say something."""
    value = feature.columns.get(column)
    if value is None or value == "":
        raise UncertainError(UNREADABLE)
    return str(value)


def holds(rings: Sequence[Ring], position: Position) -> bool:
    """Tell whether rings, holes among them, hold a position: a ray from it crosses them an odd number of times."""
    crossed = (crosses(start, end, position) for ring in rings for start, end in pairwise(ring))
    return sum(crossed) % 2 == 1


def crosses(start: tuple[float, float], end: tuple[float, float], position: Position) -> bool:
    """Tell whether the ray that leaves a position for the east crosses a side."""
    (x1, y1), (x2, y2) = start, end
    if (y1 > position.lat) == (y2 > position.lat):
        return False
    return position.lon < x1 + (position.lat - y1) * (x2 - x1) / (y2 - y1)


def read_json(answer: Answer, errors: ErrorTable, settings: HttpSettings) -> Any:
    """Read the JSON of an answer whose status is 200; raises what any other stands for."""
    refuse_status(answer, errors, settings)
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        raise UncertainError(UNREADABLE) from None


def refuse_status(answer: Answer, errors: ErrorTable, settings: HttpSettings) -> None:
    """Raise what a bare status stands for, unless it is 200; 408 may come from a proxy that passed the message on."""
    check_status(answer, unavailable=settings.unavailable)
    if answer.status != 200:
        blamed = 400 <= answer.status < 500 and answer.status != 408
        raise errors.failure(f"http_{answer.status}", Verdict.REFUSED if blamed else Verdict.UNCERTAIN)


def failure(errors: ErrorTable, said: Sequence[str], otherwise: str, verdict: Verdict) -> DeliveryError:
    """Make the error that the first known of what a map said stands for; none known means `otherwise`."""
    for one in filter(None, said):
        if errors.find(one):
            return errors.failure(one)
    return errors.failure(otherwise) if verdict is Verdict.REFUSED else UncertainError(otherwise)
