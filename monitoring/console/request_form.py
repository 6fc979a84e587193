"""A form made from a kind's JSON Schema, and what was typed in it made data again; what is not simple is JSON text."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from hub.enclosures import KEYWORD
from hub.gate import read_json
from hub.problems import Problem
from hub.words import FieldError, Place, pointer
from monitoring.console.texts import marked

LONG: Final = 120
"""Characters from which a text is typed in several lines."""

DEEPEST: Final = 4
"""Groups within groups; what lies deeper is JSON text."""

UNREADABLE: Final = marked("This is not JSON.")
NOT_A_NUMBER: Final = marked("A number is expected.")


class Sort(StrEnum):
    """How a value is typed."""

    TEXT = "text"
    LINES = "lines"
    DATE = "date"
    NUMBER = "number"
    TRUTH = "truth"
    CHOICE = "choice"
    JSON = "json"
    GROUP = "group"
    FILE = "file"


SIMPLE: Final[Mapping[str, Sort]] = {
    "string": Sort.TEXT,
    "integer": Sort.NUMBER,
    "number": Sort.NUMBER,
    "boolean": Sort.TRUTH,
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field: where its value stands, what it is called, how it is typed, what it holds, what is wrong with it."""

    place: Place
    title: str
    sort: Sort
    hint: str = ""
    required: bool = False
    text: str = ""
    choices: tuple[str, ...] = ()
    longest: int | None = None
    fields: tuple[Field, ...] = ()
    error: str = ""

    @property
    def name(self) -> str:
        """Its name in the form, a JSON pointer."""
        return pointer(("data", *self.place))


class TypingError(Exception):
    """What was typed cannot be data: each field's name → why, a sentence of the catalogue."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(sorted(errors))
        self.errors = dict(errors)


def fields_of(schema: Mapping[str, Any], data: Mapping[str, Any]) -> tuple[Field, ...]:
    """Make the fields of a schema, filled with data; one without properties is one field of JSON."""
    fields = tuple(_group(schema, schema, data, ()))
    names = [field.name for field in _every(fields)]
    told_apart = len(set(names)) == len(names)  # names are told in plain letters, which may make two of them one
    return fields if fields and told_apart else (Field((), str(schema.get("title", "")), Sort.JSON, text=_json(data)),)


def typed_data(fields: Sequence[Field], data: Mapping[str, Any], typed: Mapping[str, str]) -> dict[str, Any]:
    """Lay what was typed over data; raises TypingError. What is left empty is left out."""
    errors: dict[str, str] = {}
    found = _typed(fields, data, typed, errors)
    if errors:
        raise TypingError(errors)
    return found


def again(fields: Sequence[Field], typed: Mapping[str, str], errors: Mapping[str, str]) -> tuple[Field, ...]:
    """Give the fields as they were typed and no other way, each with what is wrong with it, or with anything inside it.

    What the ledger holds is not in them: nobody wrote down that this page was looked at.
    """
    return tuple(
        replace(
            field,
            text=typed.get(field.name, ""),
            fields=again(field.fields, typed, errors),
            error=_error(field, errors),
        )
        for field in fields
    )


def told(found: Sequence[FieldError]) -> dict[str, str]:
    """Index the hub's own words by the place they are about."""
    return {one.pointer: one.message for one in reversed(found)}


def unplaced(fields: Sequence[Field], found: Sequence[FieldError]) -> list[FieldError]:
    """List what is wrong with no field of the form, for its head."""
    names = {field.name for field in _every(fields) if field.sort is not Sort.GROUP}
    inside = tuple(f"{field.name}/" for field in _every(fields) if field.sort is Sort.JSON)
    return [one for one in found if one.pointer not in names and not one.pointer.startswith(inside)]


def _every(fields: Sequence[Field]) -> Iterator[Field]:
    for field in fields:
        yield field
        yield from _every(field.fields)


def _error(field: Field, errors: Mapping[str, str]) -> str:
    if field.sort is Sort.GROUP:
        return ""
    within = f"{field.name}/" if field.sort is Sort.JSON else None
    inside = (f"{name.removeprefix(field.name)} : {said}" for name, said in errors.items() if _is_in(name, within))
    return errors.get(field.name) or "; ".join(inside)


def _is_in(name: str, within: str | None) -> bool:
    return within is not None and name.startswith(within)


def _group(whole: Mapping[str, Any], node: Mapping[str, Any], data: Any, place: Place) -> Iterator[Field]:
    known = data if isinstance(data, Mapping) else {}
    required = node.get("required", ())
    for name, said in node.get("properties", {}).items():
        schema = _resolved(whole, said)
        yield _field(whole, schema, known.get(name), (*place, name), required=name in required)


def _field(whole: Mapping[str, Any], schema: Mapping[str, Any], value: Any, place: Place, *, required: bool) -> Field:
    title, hint = str(schema.get("title", place[-1])), str(schema.get("description", ""))
    sort = _sort(schema, value, len(place))
    bare = Field(place, title, sort, hint, required)
    match sort:
        case Sort.GROUP:
            return replace(bare, fields=tuple(_group(whole, schema, value, place)))
        case Sort.CHOICE:
            return replace(bare, choices=tuple(map(str, schema["enum"])), text=_text(value))
        case Sort.JSON:
            return replace(bare, text=_json(value) if value is not None else "")
        case Sort.TRUTH:
            return replace(bare, text={True: "true", False: "false"}.get(value, ""))
        case _:
            return replace(bare, text=_text(value), longest=schema.get("maxLength"))


def _sort(schema: Mapping[str, Any], value: Any, depth: int) -> Sort:
    """Choose how a value is typed; one that is not of the sort its schema foresees is JSON."""
    kind = str(schema.get("type"))
    if schema.get(KEYWORD):
        return Sort.FILE
    if kind == "object" and schema.get("properties"):
        return Sort.GROUP if depth < DEEPEST and isinstance(value, Mapping | None) else Sort.JSON
    if kind not in SIMPLE or not isinstance(value, FITS[kind] | None):
        return Sort.JSON
    return _sort_of_text(schema) if kind == "string" else SIMPLE[kind]


def _sort_of_text(schema: Mapping[str, Any]) -> Sort:
    if "enum" in schema:
        return Sort.CHOICE
    if schema.get("format") == "date":
        return Sort.DATE
    return Sort.LINES if schema.get("maxLength", LONG + 1) > LONG else Sort.TEXT


FITS: Final[Mapping[str, Any]] = {"string": str, "integer": int, "number": int | float, "boolean": bool}


def _resolved(whole: Mapping[str, Any], said: Any) -> Mapping[str, Any]:
    """Follow a reference; what is said beside it is said nearer."""
    node = said if isinstance(said, Mapping) else {}
    reference = str(node.get("$ref", ""))
    if not reference.startswith("#/"):
        return node
    found: Any = whole
    for step in reference.removeprefix("#/").split("/"):
        found = found.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(found, Mapping) else {}
    return {**(found if isinstance(found, Mapping) else {}), **node}


def _typed(fields: Sequence[Field], data: Any, typed: Mapping[str, str], errors: dict[str, str]) -> dict[str, Any]:
    found = dict(data) if isinstance(data, Mapping) else {}
    for field in fields:
        if not field.place:
            return _whole(field, typed, errors)
        name = str(field.place[-1])
        value = _value(field, found.get(name), typed, errors)
        if value is None or (field.sort is Sort.GROUP and not value and name not in found):
            found.pop(name, None)
        else:
            found[name] = value
    return found


def _whole(field: Field, typed: Mapping[str, str], errors: dict[str, str]) -> dict[str, Any]:
    value = _value(field, None, typed, errors)
    if isinstance(value, dict):
        return value
    errors.setdefault(field.name, UNREADABLE)
    return {}


def _value(field: Field, known: Any, typed: Mapping[str, str], errors: dict[str, str]) -> Any:
    if field.sort is Sort.GROUP:
        return _typed(field.fields, known, typed, errors)
    if field.name not in typed or field.sort is Sort.FILE:
        return known
    text = typed[field.name].replace("\r\n", "\n")
    if not text.strip():
        return "" if field.required and known == "" else None
    read = READ.get(field.sort)
    try:
        return read(text) if read else text
    except (ValueError, Problem):
        errors[field.name] = NOT_A_NUMBER if field.sort is Sort.NUMBER else UNREADABLE
        return None


def _number(text: str) -> int | float:
    plain = text.strip().replace(",", ".")
    if plain.lstrip("+-").isdecimal():
        return int(plain)
    value = float(plain)
    if not math.isfinite(value):
        raise ValueError(plain)
    return value


READ: Final[Mapping[Sort, Callable[[str], Any]]] = {
    Sort.TRUTH: lambda text: text == "true",
    Sort.NUMBER: _number,
    Sort.JSON: lambda text: read_json(text.encode()),
}
"""What is typed other than as it is."""


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
