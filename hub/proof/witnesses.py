"""Documents that bear witness to a JSON Schema: the fullest, the barest, and each with one value at an extreme.

They are made of the schema alone, the same ones each time; what they do not show, generated documents may.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jsonschema_rs
import orjson

from hub.proof.extremes import FARTHEST, MOST_ITEMS, numbers, texts

Schema = Mapping[str, Any]
Place = tuple[str | int, ...]

DEEPEST: Final = 8
"""How far a type that holds itself is followed."""
REPAIRS: Final = 12
_GONE: Final = object()


@dataclass(frozen=True, slots=True)
class Witness:
    """A document, and what is particular about it: the value at `place` is `how`.

    `base` numbers the document it was made from, and `bends` tells whether its shape, and not one value alone, differs.
    """

    document: Any
    place: Place = ()
    how: str = ""
    bends: bool = True
    base: int = 0

    @property
    def path(self) -> str:
        """The place as an expression would write it: `data.avis.date`."""
        return ".".join(part for part in self.place if isinstance(part, str))

    @property
    def said(self) -> str:
        """Tell of it: `when data.avis.date is absent`."""
        return f" when {self.path} is {self.how}" if self.place else f" {self.how}".rstrip()


@dataclass(frozen=True, slots=True)
class Edit:
    """One value put into a document, or taken out of it."""

    place: Place
    how: str
    value: Any
    schemas: tuple[Schema, ...]
    bends: bool


class Witnesses:
    """The witnesses of a schema; `bases`, if given, are varied instead of documents made from it."""

    def __init__(self, schema: Schema, bases: Sequence[Any] = (), within: str = "") -> None:
        self._schema = schema
        self._validator = jsonschema_rs.Draft202012Validator(dict(schema), validate_formats=True)
        self._bases, self._within = tuple(bases), within

    def __iter__(self) -> Iterator[Witness]:
        """Give the bases, then each of them with one edit, as far as the schema allows them."""
        bases = list(self._made())
        yield from bases
        texts_of_bases = [orjson.dumps(base.document) for base in bases]
        for edit in self._edits(self._schema, (), ()):
            if self._within and edit.place[:1] != (self._within,):
                continue
            for number, base in enumerate(texts_of_bases):
                changed = self._apply(base, edit)
                if changed is not None:
                    yield Witness(changed, edit.place, edit.how, edit.bends, number)

    def _made(self) -> Iterator[Witness]:
        if self._bases:
            fit = [base for base in self._bases if self._validator.is_valid(base)]
            yield from (Witness(base, base=number) for number, base in enumerate(fit))
            return
        number = 0
        for full, how in ((True, "with every field"), (False, "with the fields that are required alone")):
            made = self._repair(self.make(self._schema, full=full))
            if made is not _GONE:
                yield Witness(made, how=how, base=number)
                number += 1

    def make(self, schema: Schema, *, full: bool, depth: int = 0) -> Any:  # noqa: PLR0911  # one for each type
        """Make a value of a schema: all of it, or as little as there may be."""
        schema = self._open(schema)
        if "const" in schema or "enum" in schema:
            return schema["const"] if "const" in schema else schema["enum"][0]
        match kind_of(schema):
            case "object":
                return self._object(schema, full=full, depth=depth)
            case "array":
                count = schema.get("minItems", 0) if not full or depth > DEEPEST else max(schema.get("minItems", 0), 1)
                return self._items(schema, count, full=full, depth=depth)
            case "string":
                known = texts(schema)
                return known[0].value if known else "Exemple"
            case "integer" | "number":
                return numbers(schema)[0].value
            case "boolean":
                return full
            case "null":
                return None
        for options in (schema.get("oneOf"), schema.get("anyOf")):
            if options:
                return self.make(options[0], full=full, depth=depth + 1)
        return {} if full else ""

    def _object(self, schema: Schema, *, full: bool, depth: int) -> dict[str, Any]:
        required = set(schema.get("required", ()))
        fields = schema.get("properties", {})
        wanted = [name for name in fields if name in required or (full and depth < DEEPEST)]
        return {
            name: self.make(fields[name], full=full, depth=depth + 1) for name in wanted if fields[name] is not False
        }

    def _items(self, schema: Schema, count: int, *, full: bool, depth: int = 0) -> list[Any]:
        items = schema.get("items", {})
        if not schema.get("uniqueItems"):
            return [self.make(items, full=full, depth=depth + 1)] * count
        found: list[Any] = []
        for value in self._different(items, full=full, depth=depth):
            if value not in found:
                found.append(value)
            if len(found) >= count:
                break
        return found[:count]

    def _different(self, schema: Schema, *, full: bool, depth: int) -> Iterator[Any]:
        """Give values of a schema that differ, as many as are known."""
        schema = self._open(schema)
        yield self.make(schema, full=full, depth=depth + 1)
        yield from schema.get("enum", ())
        for edit in self._edits(schema, (), ()):
            changed = edit.value if not edit.place else None
            if changed is not None and changed is not _GONE:
                yield changed
        if schema.get("format") == "date":
            fits = jsonschema_rs.Draft202012Validator(dict(schema), validate_formats=True).is_valid
            days = (
                f"{year}-{month:02d}-{day:02d}"
                for year in (2026, 2027)
                for month in range(1, 13)
                for day in range(1, 29)
            )
            yield from filter(fits, days)

    def _edits(self, schema: Schema, place: Place, above: tuple[Schema, ...], depth: int = 0) -> Iterator[Edit]:
        """Give every edit of a value and of what it holds."""
        schema = self._open(schema)
        chain = (*above, schema)
        if depth > DEEPEST or "const" in schema:
            return
        if "enum" in schema:
            for value in schema["enum"]:
                yield Edit(place, f"« {value} »", value, chain, bends=True)
            return
        match kind_of(schema):
            case "object":
                yield from self._edits_of_fields(schema, place, chain, depth)
            case "array":
                yield from self._edits_of_items(schema, place, chain, depth)
            case "string":
                yield from (Edit(place, one.how, one.value, chain, bends=False) for one in texts(schema))
            case "integer" | "number":
                yield from (Edit(place, one.how, one.value, chain, bends=False) for one in numbers(schema))
            case "boolean":
                yield from (Edit(place, str(one).lower(), one, chain, bends=True) for one in (True, False))
            case _:
                for option in [*schema.get("oneOf", ()), *schema.get("anyOf", ())]:
                    made = self.make(option, full=True, depth=depth)
                    yield Edit(place, f"a {kind_of(self._open(option)) or 'value'}", made, chain, bends=True)
                    yield from self._edits(option, place, above, depth + 1)

    def _edits_of_fields(self, schema: Schema, place: Place, chain: tuple[Schema, ...], depth: int) -> Iterator[Edit]:
        required = schema.get("required", ())
        for name, field in schema.get("properties", {}).items():
            if field is False:
                continue
            here = (*place, name)
            if name not in required:
                yield Edit(here, "absent", _GONE, chain, bends=True)
                made = self.make(field, full=False, depth=depth + 1)
                yield Edit(here, "present", made, (*chain, self._open(field)), bends=True)
            yield from self._edits(field, here, chain, depth + 1)
        if schema.get("maxProperties") == 1:
            for name, field in schema["properties"].items():
                yield Edit(place, f"made of {name} alone", {name: self.make(field, full=True)}, chain, bends=True)

    def _edits_of_items(self, schema: Schema, place: Place, chain: tuple[Schema, ...], depth: int) -> Iterator[Edit]:
        most = min(schema.get("maxItems", MOST_ITEMS), MOST_ITEMS)
        for count in dict.fromkeys((schema.get("minItems", 0), 1, 2, most)):
            if count <= most:
                made = self._items(schema, count, full=True)
                how = f"a list of {count}" if count else "an empty list"
                if len(made) == count:
                    yield Edit(place, how, made, chain, bends=True)
        items = self._open(schema.get("items", {}))
        if "enum" in items:
            for value in items["enum"]:
                yield Edit(place, f"[« {value} »]", [value], chain, bends=True)
        else:
            yield from self._edits(items, (*place, 0), chain, depth + 1)

    def _apply(self, base: bytes, edit: Edit) -> Any:
        """Put an edit into a copy of a document; None when the schema does not let it stand, or nothing changes."""
        changed = orjson.loads(base)
        if not edit.place:
            return None
        if not self._put(changed, edit):
            return None
        if not self._validator.is_valid(changed):
            changed = self._repair(changed, keep=edit)
        return None if changed is _GONE or orjson.dumps(changed) == base else changed

    def _put(self, value: Any, edit: Edit) -> bool:
        """Walk to the place, making what must stand above it; False when it cannot be reached."""
        *above, last = edit.place
        for depth, part in enumerate(above):
            if isinstance(value, list):
                if not value and part == 0:
                    value.append(self.make(edit.schemas[depth + 1], full=False))
                value = value[part] if value else None  # type: ignore[index]
            elif isinstance(value, dict):
                if part not in value:
                    if edit.value is _GONE or depth + 1 >= len(edit.schemas):
                        return False
                    value[part] = self.make(edit.schemas[depth + 1], full=False)
                value = value[part]
            if value is None:
                return False
        return self._set(value, last, edit)

    def _set(self, value: Any, last: str | int, edit: Edit) -> bool:
        if edit.value is _GONE:
            return isinstance(value, dict) and value.pop(last, _GONE) is not _GONE
        if edit.how == "present" and isinstance(value, dict) and last in value:
            return False
        if isinstance(value, list):
            value[:1] = [copy.deepcopy(edit.value)]
        elif isinstance(value, dict):
            value[last] = copy.deepcopy(edit.value)
        return isinstance(value, dict | list)

    def _repair(self, document: Any, keep: Edit | None = None) -> Any:
        """Bring a document nearer to its schema, error by error; nothing when it cannot be, or the edit would go."""
        for _ in range(REPAIRS):
            error = next(self._validator.iter_errors(document), None)
            if error is None:
                return document if keep is None or _stands(document, keep) else _GONE
            if not self._mend(document, error):
                return _GONE
        return _GONE

    def _mend(self, document: Any, error: Any) -> bool:  # noqa: C901, PLR0911  # one way for each keyword
        held, schema = document, self._schema
        path = list(error.instance_path)
        for part in path:
            held = held[part]
            schema = self._below(schema, part)
        match error.kind.name:
            case "required" if isinstance(held, dict):
                name = error.kind.property
                held[name] = self.make(self._below(schema, name), full=False)
                return True
            case "anyOf" | "oneOf" if isinstance(held, dict):
                return self._choose(held, schema, error.kind.name)
            case "minProperties" if isinstance(held, dict):
                ways = [{"required": [name]} for name in self._open(schema).get("properties", {})]
                return self._choose(held, {**self._open(schema), "anyOf": ways}, "anyOf")
            case "maxProperties" if isinstance(held, dict):
                for name in list(held)[error.kind.limit :]:
                    del held[name]
                return True
            case "additionalProperties" if isinstance(held, dict):
                for name in error.kind.unexpected:
                    del held[name]
                return True
            case "falseSchema" if path:
                return self._drop(document, path)
            case "uniqueItems" if isinstance(held, list):
                held[:] = [value for place, value in enumerate(held) if value not in held[:place]]
                return True
            case "minItems" if isinstance(held, list):
                held.extend(self._items(schema, error.kind.limit, full=False)[len(held) :])
                return len(held) >= int(error.kind.limit)
        return False

    def _choose(self, held: dict[str, Any], schema: Schema, keyword: str) -> bool:
        """Add what the first way of several requires that can be added."""
        schema = self._open(schema)
        for way in schema.get(keyword, ()):
            missing = [name for name in way.get("required", ()) if name not in held]
            if missing and all(name in schema.get("properties", {}) for name in missing):
                held |= {name: self.make(schema["properties"][name], full=False) for name in missing}
                return True
        return False

    def _drop(self, document: Any, path: list[Any]) -> bool:
        for part in path[:-1]:
            document = document[part]
        return isinstance(document, dict) and document.pop(path[-1], None) is not None

    def _below(self, schema: Schema, part: Any) -> Schema:
        schema = self._open(schema)
        if isinstance(part, int):
            return schema.get("items", {})  # type: ignore[no-any-return]  # a schema, by its place
        return schema.get("properties", {}).get(part, {})  # type: ignore[no-any-return]

    def _open(self, schema: Any) -> Schema:
        return opened(schema, self._schema)


def opened(schema: Any, root: Schema) -> Schema:
    """Follow a reference to a definition, what stands beside it laid over it."""
    for _ in range(DEEPEST):
        if not isinstance(schema, Mapping):
            return {}
        if "$ref" not in schema:
            break
        name = schema["$ref"].rpartition("/")[2]
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**root.get("$defs", {}).get(name, {}), **beside}
    return dict(schema)


def kind_of(schema: Schema) -> str:
    """Name the type of a schema's values, null left aside; "" when it does not say."""
    said = schema.get("type")
    if isinstance(said, list):
        return next((one for one in said if one != "null"), "null")
    if isinstance(said, str):
        return said
    return "object" if "properties" in schema else "array" if "items" in schema else ""


def _stands(document: Any, edit: Edit) -> bool:
    for part in edit.place:
        if isinstance(document, dict):
            if part not in document:
                return edit.value is _GONE
            document = document[part]
        elif isinstance(document, list) and document:
            document = document[part]  # type: ignore[index]
        else:
            return False
    return edit.value is not _GONE and (document == edit.value or isinstance(edit.value, dict))


__all__ = ["FARTHEST", "Place", "Schema", "Witness", "Witnesses", "kind_of", "opened"]
