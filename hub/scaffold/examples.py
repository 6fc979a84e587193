"""One example of whatever a JSON Schema allows: invented, telling where it can be, and the same every time."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

import jsonschema_rs

from hub.scaffold.patterns import texts_of

Schema = Mapping[str, Any]

TELLING: Final[Mapping[str, str]] = {
    "prenom": "Léa",
    "givenname": "Léa",
    "firstname": "Léa",
    "nom": "Martin",
    "name": "Martin",
    "mail": "lea.martin@example.org",
    "courriel": "lea.martin@example.org",
    "tel": "06 39 98 12 34",
    "phone": "06 39 98 12 34",
    "codepostal": "13100",
    "postcode": "13100",
    "ville": "Aix-en-Provence",
    "commune": "Aix-en-Provence",
    "city": "Aix-en-Provence",
    "voie": "12 rue de l'Exemple",
    "rue": "12 rue de l'Exemple",
    "street": "12 rue de l'Exemple",
    "pays": "France",
    "numero": "A-0001",
    "reference": "A-0001",
}
"""What a text is that is called something like that."""

FORMATS: Final[Mapping[str, str]] = {
    "date": "2026-09-07",
    "date-time": "2026-09-07T09:12:45+02:00",
    "time": "09:12:45+02:00",
    "duration": "P1D",
    "email": "lea.martin@example.org",
    "hostname": "ville.example",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://ville.example/",
    "uri-reference": "/exemple",
    "uuid": "0f0e0d0c-0b0a-4908-8706-050403020100",
}
XML: Final[Mapping[str, str]] = {"xs:dateTime": "2026-09-07T09:12:45+02:00", "xs:time": "09:12:45"}
PLAIN: Final = ("Exemple", "exemple", "A", "1", "")
DEEP: Final = 12
ANNOTATIONS: Final = frozenset({"$defs", "$schema", "$comment", "title", "description"})


class NoExampleError(Exception):
    """No example could be made: where."""


def example_of(schema: Schema, *, whole: bool = True) -> Any:
    """Make an example, with what is optional if `whole`; raises NoExampleError with the places that stay wrong."""
    validator = jsonschema_rs.validator_for(dict(schema), validate_formats=True)
    made = None
    for optional in (True, False) if whole else (False,):
        made = _Maker(schema, optional=optional).value(schema)
        if validator.is_valid(made):
            return made
    places = sorted({".".join(map(str, error.instance_path)) or "the whole" for error in validator.iter_errors(made)})
    raise NoExampleError(", ".join(places))


class _Maker:
    def __init__(self, root: Schema, *, optional: bool) -> None:
        self._root, self._optional = root, optional
        self._open: list[str] = []

    def value(self, schema: Any, name: str = "") -> Any:
        if not isinstance(schema, Mapping) or not schema:
            return "Exemple"
        for given in _given(schema):
            if self._fits(given, schema):
                return given
        if "$ref" in schema:
            return self._referred(schema["$ref"], name)
        for word in ("oneOf", "anyOf"):
            if word in schema and not {"properties", "type"} & schema.keys():
                return self._first(schema[word], name)
        if "allOf" in schema and not {"properties", "type"} & schema.keys():
            return self._joined(schema, name)
        return self._of_sort(schema, name)

    def _referred(self, reference: str, name: str) -> Any:
        if self._open.count(reference) > 1 or len(self._open) > DEEP:
            return None
        self._open.append(reference)
        made = self.value(self._root["$defs"][reference.rpartition("/")[2]], name)
        self._open.pop()
        return made

    def _first(self, choices: list[Any], name: str) -> Any:
        for choice in choices:
            made = self.value(choice, name)
            if self._fits(made, choice):
                return made
        return None

    def _joined(self, schema: Schema, name: str) -> Any:
        rest = {word: said for word, said in schema.items() if word != "allOf" and word not in ANNOTATIONS}
        made = [self.value(part, name) for part in (rest, *schema["allOf"]) if part]
        if all(isinstance(one, dict) for one in made):
            return {key: value for one in made for key, value in one.items()}
        return made[-1]

    def _of_sort(self, schema: Schema, name: str) -> Any:
        sorts = schema.get("type", "object" if {"properties", "required"} & schema.keys() else "string")
        sort = next((one for one in sorts if one != "null"), "null") if isinstance(sorts, list) else sorts
        match sort:
            case "object":
                return self._object(schema)
            case "array":
                return self._array(schema, name)
            case "integer" | "number":
                return _number(schema, sort)
            case "boolean":
                return True
            case "null":
                return None
        return next((text for text in _texts(schema, name) if self._fits(text, schema)), "Exemple")

    def _object(self, schema: Schema) -> dict[str, Any]:
        chosen, left, bound = _choices(schema)
        wanted = {*schema.get("required", ()), *chosen}
        made: dict[str, Any] = {}
        for name, said in schema.get("properties", {}).items():
            within = {**said, **bound[name]} if name in bound and isinstance(said, Mapping) else said
            if name in wanted or (self._optional and name not in left and within is not False):
                value = self.value(within, name)
                if name in wanted or self._fits(value, within):
                    made[name] = value
        return made

    def _array(self, schema: Schema, name: str) -> list[Any]:
        least = schema.get("minItems", 1 if self._optional and schema.get("maxItems", 1) else 0)
        items = schema.get("items", {})
        if schema.get("uniqueItems") and least > 1 and isinstance(items, Mapping):
            return list(islice(self._different(items, name), least))
        return [self.value(items, name) for _ in range(least)]

    def _different(self, items: Schema, name: str) -> Iterator[Any]:
        yield from items.get("enum", ())
        first = self.value(items, name)
        for place in range(1, 100):
            other = f"{first} {place}" if isinstance(first, str) else place
            if self._fits(other, items):
                yield other

    def _fits(self, value: Any, schema: Any) -> bool:
        within = {**schema, "$defs": self._root.get("$defs", {})} if isinstance(schema, Mapping) else schema
        return jsonschema_rs.validator_for(within, validate_formats=True).is_valid(value)


def _given(schema: Schema) -> Iterator[Any]:
    """Give the examples that a schema brings itself."""
    for word in ("const", "default"):
        if word in schema and schema[word] is not None:
            yield schema[word]
    yield from schema.get("examples", ())
    yield from (one for one in schema.get("enum", ()) if one is not None)


def _choices(schema: Schema) -> tuple[set[str], set[str], Schema]:
    """Give the members that the first branch of each choice requires, those that only others do, and how it binds."""
    chosen: set[str] = set()
    named: set[str] = set()
    bound: dict[str, Any] = {}
    for rules in (schema, *schema.get("allOf", ())):
        for word in ("oneOf", "anyOf"):
            branches = [one for one in rules.get(word, ()) if isinstance(one, Mapping)]
            best = next((one for one in branches if one.get("required")), {})
            chosen |= set(best.get("required", ()))
            named |= {name for one in branches for name in one.get("required", ())}
            named |= {name for name, one in best.get("properties", {}).items() if one is False}
            bound |= {name: one for name, one in best.get("properties", {}).items() if isinstance(one, Mapping)}
    return chosen, named - chosen, bound


def _number(schema: Schema, sort: str) -> int | float:
    step = schema.get("multipleOf", 1)
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    most = schema.get("maximum", schema.get("exclusiveMaximum"))
    above = -(-(least or 0) // step) * step
    wished = [
        1,
        least,
        above,
        above + step,
        most,
        (least or 0) + step,
        (most or 0) - step,
        ((least or 0) + (most or 0)) / 2,
        step,
        0,
    ]
    validator = jsonschema_rs.validator_for({**schema, "type": sort, "$defs": {}})
    return next((one for one in wished if one is not None and validator.is_valid(one)), 1)


def _texts(schema: Schema, name: str) -> Iterator[str]:
    """Give what a text may be, the most telling first."""
    if schema.get("$comment") in XML:
        yield XML[schema["$comment"]]
    if schema.get("format") in FORMATS:
        yield FORMATS[schema["format"]]
    if schema.get("contentEncoding") == "base64":
        yield "RXhlbXBsZQ=="
    plain = bare(name)
    told = [text for part, text in TELLING.items() if part in plain]
    for text in (*told, *PLAIN):
        yield from (text, text.upper())
    for rules in (schema, *schema.get("allOf", ())):
        if "pattern" in rules:
            yield from texts_of(rules["pattern"])
    least, most = schema.get("minLength", 0), schema.get("maxLength", 7)
    yield "Exemple"[:most] + "e" * (least - 7)


def bare(name: str) -> str:
    """Write a name without accents, capitals and signs, to compare it."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(letter for letter in plain.lower() if letter.isalnum())
