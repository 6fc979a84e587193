"""Requests nobody has made: Hypothesis strategies for whatever a JSON Schema allows, for requests and for questions.

Only invented values come out of here. Texts reach the limits that their schema sets, names are of any alphabet.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from itertools import islice, product
from typing import Any, Final

import jsonschema_rs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from hub.catalogue import Definition
from hub.gate import ENVELOPE_SCHEMA
from hub.proof.patterns import CHARACTERS, LONGEST, compiled, texts_of
from hub.query import Query

Schema = Mapping[str, Any]

MOST: Final = 5
"""Items of a list, unless it must have more."""
WIDEST: Final = 1_000_000
"""How far from zero numbers go that have no bounds."""
WAYS: Final = 32
"""So many combinations of a schema's alternatives are told apart; beyond, what is drawn is only sifted."""

UNUSUAL: Final = (
    "王",
    "Nguyễn",
    "O’Œuvre-Þór",
    "D'Ærø",
    "Ο Σίσυφος",
    "محمد",
    "J",
    "\t",
    "’",
    "-",
    "Zoë\u0301",
    "😀",
    "ß",
)
"""Names that people have, and what they type into the field of a name."""

LIKELY: Final = (
    *("06 39 98 12 34", "0639981234", "+33 6 39 98 12 34", "0033639981234", "+32 2 555 12 12"),
    *("13100", "2A004", "97411", "99100", "AB-123-CD", "12 bis, rue de l’Église"),
)
"""What people type: offered to every pattern that it fits."""

EMAILS: Final = ("lea@example.org", f"{'a' * 60}@{'b' * 40}.example.org", "lea@é.example.org", "o'neil+a@example.org")

FORMATS: Final[Mapping[str, SearchStrategy[str]]] = {
    "date-time": st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).map(  # noqa: DTZ001  # its zone is written
        lambda moment: f"{moment.isoformat()}+02:00"
    ),
    "time": st.times().map(lambda time: f"{time.isoformat()}Z"),
    "email": st.sampled_from(EMAILS),
    "uuid": st.uuids().map(str),
    "uri": st.sampled_from(("https://ville.example/a?b=c", "urn:x:y")),
}
"""The `format` of a text → such texts; `date` has centuries, and is made of its pattern."""


def requests(definition: Definition) -> SearchStrategy[dict[str, Any]]:
    """Generate requests of a kind, as a front end submits them: whatever the door takes."""
    shared = dict(ENVELOPE)
    made = {"kind": st.just(definition.kind), "applicant": shared.pop("applicant"), "data": values(definition.schema)}
    return st.fixed_dictionaries(made, optional=shared)


def questions(query: Query) -> SearchStrategy[dict[str, Any]]:
    """Generate questions of a query, as its mapping reads them."""
    return st.fixed_dictionaries({"data": values(query.schema), "site": st.just("ville")})


def values(schema: Schema) -> SearchStrategy[Any]:
    """Generate what a JSON Schema (2020-12) allows; an object gets no member that its schema does not name."""
    return _valid(dict(schema), schema)


def _valid(schema: Schema, root: Schema) -> SearchStrategy[Any]:
    """Generate one of the ways that a schema leaves, sifted where the keywords alone do not make it so."""
    plain = _resolved(schema, root)
    ways = [_flat(way, root) for way in islice(_ways(plain, root), WAYS)]
    made = st.one_of([_of_types(way, root) for way in ways])
    return made if len(ways) == 1 and not plain.keys() & SIFTED else made.filter(_validator(plain, root).is_valid)


SIFTED: Final = frozenset(
    {"if", "not", "oneOf", "anyOf", "allOf", "dependentRequired", "minProperties", "maxProperties", "uniqueItems"}
    | {"multipleOf", "contains", "patternProperties", "propertyNames"}
)
"""Keywords that are not all in how values are made."""


def _validator(schema: Schema, root: Schema) -> jsonschema_rs.Draft202012Validator:
    place = {name: root[name] for name in ("$defs", "definitions") if name in root}
    return jsonschema_rs.Draft202012Validator({**place, **schema}, validate_formats=True)


def _resolved(schema: Any, root: Schema) -> dict[str, Any]:
    """Put what a `$ref` points to in its place."""
    if isinstance(schema, bool):
        return {}
    said = dict(schema)
    while "$ref" in said:
        found: Any = root
        for part in said.pop("$ref").removeprefix("#").strip("/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")] if part else found
        said = {**found, **said}
    return said


def _ways(schema: Schema, root: Schema) -> Iterator[dict[str, Any]]:
    """Lay the alternatives of a schema out, one schema for each combination."""
    base = {name: said for name, said in schema.items() if name not in ALTERNATIVES}
    choices: list[list[Schema]] = [[part] for part in schema.get("allOf", ())]
    choices += [list(schema[name]) for name in ("anyOf", "oneOf") if name in schema]
    if "if" in schema:
        choices.append([{"allOf": [schema["if"], schema.get("then", {})]}, schema.get("else", {})])
    for name, needed in schema.get("dependentRequired", {}).items():
        choices.append([{"required": [name, *needed]}, {"properties": {name: False}}])
    for chosen in product(*choices):
        way = base
        for part in chosen:
            way = _merged(way, _resolved(part, root), root)
        yield way


ALTERNATIVES: Final = ("allOf", "anyOf", "oneOf", "if", "then", "else", "dependentRequired")


def _flat(way: dict[str, Any], root: Schema) -> dict[str, Any]:
    """Lay out what the parts of an alternative hold in their turn; the first of their own alternatives stands."""
    while way.keys() & set(ALTERNATIVES):
        way = next(_ways(way, root))
    return way


def _merged(one: Schema, other: Schema, root: Schema) -> dict[str, Any]:
    """Say in one schema what two say of the same value, as far as making values needs it."""
    both = {**one, **other}
    if "required" in one and "required" in other:
        both["required"] = list(dict.fromkeys([*one["required"], *other["required"]]))
    if "properties" in one and "properties" in other:
        mine, theirs = one["properties"], other["properties"]
        shared = {name: _joined(mine[name], theirs[name], root) for name in mine if name in theirs}
        both["properties"] = {**mine, **theirs, **shared}
    if isinstance(one.get("allOf"), list) and isinstance(other.get("allOf"), list):
        both["allOf"] = [*one["allOf"], *other["allOf"]]
    return both


def _joined(one: Any, other: Any, root: Schema) -> Any:
    return False if one is False or other is False else _merged(_resolved(one, root), _resolved(other, root), root)


def _of_types(schema: Schema, root: Schema) -> SearchStrategy[Any]:
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    types = schema.get("type") or next((sort for mark, sort in TELLING.items() if mark in schema), list(MAKERS))
    names = [types] if isinstance(types, str) else types
    return st.one_of([MAKERS[name](schema, root) for name in names])


TELLING: Final = {
    "properties": "object",
    "required": "object",
    "items": "array",
    "pattern": "string",
    "format": "string",
}
"""A keyword → the type it is said of, where the schema leaves it out."""


def _object(schema: Schema, root: Schema) -> SearchStrategy[Any]:
    fields = {name: field for name, field in schema.get("properties", {}).items() if field is not False}
    required = [name for name in schema.get("required", ()) if name in fields]
    made = {name: _valid(_resolved(field, root), root) for name, field in fields.items()}
    least, most = schema.get("minProperties", 0), schema.get("maxProperties", len(made))
    if not required and 0 < most < len(made):  # one of them, as a rule: told apart, since sifting would find few
        return st.one_of([st.fixed_dictionaries({name: one}) for name, one in made.items()][: len(made) if most else 0])
    optional = {name: made[name] for name in fields if name not in required}
    drawn = st.fixed_dictionaries({name: made[name] for name in required}, optional=optional)
    return drawn.filter(lambda found: len(found) >= least) if least else drawn


def _array(schema: Schema, root: Schema) -> SearchStrategy[Any]:
    least = schema.get("minItems", 0)
    longest = schema.get("maxItems", MOST)
    most = max(least, min(longest, MOST))
    unique = json.dumps if schema.get("uniqueItems") else None
    items = _valid(_resolved(schema.get("items", {"type": "string"}), root), root)
    made = st.lists(items, min_size=least, max_size=most, unique_by=unique)
    return made if unique or longest <= MOST else made | made.map(lambda few: (few * longest)[:longest])


def _integer(schema: Schema, _root: Schema) -> SearchStrategy[Any]:
    least, most = _bounds(schema, 1)
    step = int(schema.get("multipleOf", 1)) or 1
    return st.integers(-(-least // step), most // step).map(lambda count: int(count * step))


def _number(schema: Schema, _root: Schema) -> SearchStrategy[Any]:
    least, most = _bounds(schema, 0)
    above, below = "exclusiveMinimum" in schema, "exclusiveMaximum" in schema
    return st.floats(least, most, allow_nan=False, allow_infinity=False, exclude_min=above, exclude_max=below)


def _bounds(schema: Schema, step: int) -> tuple[Any, Any]:
    least, most = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        least = schema["exclusiveMinimum"] + step
    if "exclusiveMaximum" in schema:
        most = schema["exclusiveMaximum"] - step
    least = least if least is not None else min(-WIDEST, most if most is not None else 0)
    return least, most if most is not None else max(WIDEST, least)


def _string(schema: Schema, _root: Schema) -> SearchStrategy[str]:
    """Generate dates, texts of a format or of a pattern, or any text; some as long as they may be."""
    least, most = schema.get("minLength", 0), schema.get("maxLength", LONGEST)
    match schema:
        case {"format": "date"}:
            return _dates(schema.get("pattern", ""))
        case {"pattern": pattern}:
            likely = [text for text in LIKELY if compiled(pattern).search(text)]
            drawn = texts_of(pattern, most) | st.sampled_from(likely) if likely else texts_of(pattern, most)
        case {"format": name} if name in FORMATS:
            drawn = FORMATS[name]
        case _:
            short = st.text(CHARACTERS, min_size=least, max_size=min(most, max(least, LONGEST)))
            drawn = short | short.map(lambda text: (text * most)[:most] if text else text)
            drawn |= st.sampled_from(UNUSUAL)
    return drawn.filter(lambda text: least <= len(text) <= most)


def _dates(pattern: str) -> SearchStrategy[str]:
    """Generate dates of the centuries that a pattern admits."""
    years = [year for year in range(1800, 2100) if re.search(pattern, f"{year}-06-15")] or [1800, 2099]
    made = st.dates(date(years[0], 1, 1), date(years[-1], 12, 31)).map(date.isoformat)
    return made.filter(lambda day: re.search(pattern, day) is not None) if pattern else made


MAKERS: Final[Mapping[str, Callable[[Schema, Schema], SearchStrategy[Any]]]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": lambda _schema, _root: st.booleans(),
    "null": lambda _schema, _root: st.none(),
}
"""A type → how its values are made."""

ENVELOPE: Final[Mapping[str, SearchStrategy[Any]]] = {
    name: _valid(_resolved(ENVELOPE_SCHEMA["properties"][name], ENVELOPE_SCHEMA), ENVELOPE_SCHEMA)
    for name in ("applicant", "channel", "external_reference", "received_at")
}
"""What every kind shares, of the envelope's own schema: not the site and the files, which an installation must have."""
