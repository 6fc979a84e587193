"""Classes of personal data: a closed list, said of each field in a kind's schema as `x-class`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from hub.model import Submission

KEYWORD: Final = "x-class"
"""The keyword of a property's schema that says its class; what is below it has the same unless it says another."""

DATA: Final = "data"
"""Where a kind's own fields are in a request."""

Path = tuple[str, ...]
"""Names of members from the top of a document; a list's items are at the list's own path."""


class DataClass(StrEnum):
    """What a field tells of a person."""

    IDENTITY = "identity"
    CONTACT = "contact"
    ADDRESS = "address"
    MINOR = "minor"
    FAMILY = "family"
    HEALTH = "health"
    BANK = "bank"
    NIR = "nir"
    REFERENCE = "reference"
    ATTACHMENT = "attachment"
    FREE_TEXT = "free_text"
    PLACE = "place"
    NONE = "none"

    @property
    def label(self) -> str:
        """What the register calls it."""
        return TITLES[self]


TITLES: Final[Mapping[DataClass, str]] = MappingProxyType(
    {
        DataClass.IDENTITY: "Identité",
        DataClass.CONTACT: "Coordonnées",
        DataClass.ADDRESS: "Adresse",
        DataClass.MINOR: "Mineurs",
        DataClass.FAMILY: "Vie familiale",
        DataClass.HEALTH: "Santé et régime alimentaire",
        DataClass.BANK: "Coordonnées bancaires",
        DataClass.NIR: "Numéro de sécurité sociale (NIR)",
        DataClass.REFERENCE: "Numéros de dossier",
        DataClass.ATTACHMENT: "Pièces jointes",
        DataClass.FREE_TEXT: "Texte libre",
        DataClass.PLACE: "Lieu",
        DataClass.NONE: "Aucune donnée personnelle",
    }
)

ENVELOPE: Final[Mapping[Path, DataClass]] = MappingProxyType(
    {
        ("applicant", "identity"): DataClass.IDENTITY,
        ("applicant", "contact"): DataClass.CONTACT,
        ("applicant", "address"): DataClass.ADDRESS,
        ("attachments",): DataClass.ATTACHMENT,
        ("external_reference",): DataClass.REFERENCE,
    }
)
"""The classes of what every request has; the rest of the envelope tells nothing of a person."""


class Leaf(NamedTuple):
    """One field that holds a value: where it is, what it tells, and its schema with what it refers to put in place."""

    path: Path
    said: DataClass | None
    schema: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its path as people write it."""
        return ".".join(self.path)

    @property
    def data_class(self) -> DataClass:
        """Its class; a field that says none is taken for the words of a person."""
        return self.said or DataClass.FREE_TEXT


def leaves(schema: Mapping[str, Any], above: Path = ()) -> dict[Path, Leaf]:
    """Give every field of a schema that holds a value, by its path."""
    return {leaf.path: leaf for leaf, holds in _walk(schema, schema, above, None) if not holds}


def holders(schema: Mapping[str, Any], above: Path = ()) -> dict[Path, Leaf]:
    """Give every object of a schema that has a class: what is in it and is described nowhere has the same."""
    return {leaf.path: leaf for leaf, holds in _walk(schema, schema, above, None) if holds and leaf.said}


def classes_in(schema: Any) -> frozenset[DataClass]:
    """Give the classes that requests of a schema may have: those it says anywhere, the envelope's, a person's words."""
    return frozenset((*_said_in(schema), *ENVELOPE.values(), DataClass.FREE_TEXT))


def fields(schema: Mapping[str, Any]) -> dict[Path, Leaf]:
    """Give every field of a request whose data a schema describes: those of the envelope, and its own."""
    number = Leaf(("number",), DataClass.NONE, {"type": "integer"})
    return {number.path: number, **envelope(), **leaves(schema, (DATA,))}


@cache
def envelope() -> Mapping[Path, Leaf]:
    """Give every field of the envelope."""
    schema = Submission.model_json_schema()
    found = leaves(schema)
    return {path: leaf._replace(said=_class_of_envelope(path)) for path, leaf in found.items() if path[0] != DATA}


def unclassed(schema: Mapping[str, Any]) -> list[str]:
    """List the fields of a kind's schema that say no class."""
    return [leaf.name for leaf in leaves(schema).values() if leaf.said is None]


def opened(schema: Any, root: Mapping[str, Any]) -> dict[str, Any]:
    """Put what a schema refers to in its place; what stands beside the reference has the last word."""
    said = dict(schema) if isinstance(schema, Mapping) else {}
    while "$ref" in said:
        found: Any = root
        for part in str(said.pop("$ref")).removeprefix("#").strip("/").split("/"):
            found = found.get(part, {}) if part else found
        said = {**found, **said}
    ways = [way for word in ("anyOf", "oneOf") for way in said.get(word, ()) if isinstance(way, Mapping)]
    solid = [way for way in ways if way.get("type") != "null" and ("type" in way or "$ref" in way)]
    return {**opened(solid[0], root), **said} if len(solid) == 1 and "properties" not in said else said


def _walk(schema: Any, root: Mapping[str, Any], path: Path, above: DataClass | None) -> Iterator[tuple[Leaf, bool]]:
    """Give each field with its class, and each object that holds some (True)."""
    said = opened(schema, root)
    named = DataClass(said[KEYWORD]) if KEYWORD in said else above
    if "items" in said:
        yield from _walk(said["items"], root, path, named)
    elif "properties" in said:
        yield Leaf(path, named, {}), True
        below = None if named is DataClass.NONE else named
        for name, one in said["properties"].items():
            yield from _walk(one, root, (*path, name), below)
    else:
        yield Leaf(path, named, said), False


def _said_in(schema: Any) -> Iterator[DataClass]:
    """Give each class said in a schema, however deep."""
    match schema:
        case Mapping():
            if isinstance(said := schema.get(KEYWORD), str):
                yield DataClass(said)
            for one in schema.values():
                yield from _said_in(one)
        case list():
            for one in schema:
                yield from _said_in(one)


def _class_of_envelope(path: Path) -> DataClass:
    known = (ENVELOPE[path[:length]] for length in range(len(path), 0, -1) if path[:length] in ENVELOPE)
    return next(known, DataClass.NONE)
