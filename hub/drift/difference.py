"""The difference between two JSON Schemas, element by element, and what each means for whoever writes messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from hub.drift.canonical import dumps, plain_json

DEEPEST: Final = 12
MOST_ELEMENTS: Final = 20_000


class Change(StrEnum):
    """What may happen to an element of a contract."""

    ADDED = "added"
    REMOVED = "removed"
    REQUIRED = "made required"
    OPTIONAL = "made optional"
    SHORTENED = "shortened"
    LENGTHENED = "lengthened"
    VALUES_REMOVED = "values removed"
    VALUES_ADDED = "values added"
    TYPE = "type changed"
    ALTERED = "altered"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was: what happened, to which element, and what it was and is."""

    change: Change
    element: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        """Say it in a line."""
        told = f" ({self.before or '–'} → {self.after or '–'})" if self.before or self.after else ""
        return f"{self.element}: {self.change}{told}"


@dataclass
class Element:
    """What a schema says of one element, all its branches together."""

    required: bool = False
    said: dict[str, Any] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    """What it holds, where the order counts."""


FACETS: Final = (
    *("type", "maxLength", "minLength", "pattern", "format", "enum", "const", "minimum", "maximum"),
    *("exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "additionalProperties", "default"),
)
BRANCHES: Final = ("allOf", "anyOf", "oneOf")
UPPER: Final = frozenset({"maxLength", "maximum", "exclusiveMaximum", "maxItems"})
LOWER: Final = frozenset({"minLength", "minimum", "exclusiveMinimum", "minItems"})
NO_BOUND: Final = {**dict.fromkeys(UPPER, float("inf")), **dict.fromkeys(LOWER, float("-inf"))}


def flatten(schema: Mapping[str, Any], name: str, *, ordered: bool = False) -> dict[str, Element]:
    """Give every element of a schema by its path below `name`: `DemanderActe.Naissance.Nom`, `Enfants[].Nom`.

    `ordered`: the order of what an element holds counts, as in XML.
    """
    elements: dict[str, Element] = {}
    _walk(elements, Schema(plain_json(schema), schema), name, ())
    for path in elements if ordered else ():
        if path.rpartition(".")[0] in elements:
            elements[path.rpartition(".")[0]].order.append(path.rpartition(".")[2])
    return elements


@dataclass(frozen=True)
class Schema:
    """A schema, and the whole it belongs to, where its references lead."""

    said: Any
    whole: Mapping[str, Any]

    def of(self, said: Any) -> Schema:
        """Give a part of it."""
        return Schema(said, self.whole)

    @property
    def reference(self) -> str:
        """The reference that stands in it, "" when it has none."""
        reference = self.said.get("$ref", "") if isinstance(self.said, dict) else ""
        return reference if isinstance(reference, str) and reference.startswith("#/") else ""

    def follow(self) -> Schema:
        """Give what the reference leads to; nothing when that is not there."""
        found: Any = self.whole
        for step in self.reference.removeprefix("#/").split("/"):
            step_name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(step_name, {}) if isinstance(found, dict) else {}
        return self.of(plain_json(found))


def _walk(elements: dict[str, Element], schema: Schema, path: str, seen: tuple[str, ...]) -> None:
    if not isinstance(schema.said, dict) or path.count(".") > DEEPEST or len(elements) > MOST_ELEMENTS:
        return
    element = elements.setdefault(path, Element())
    if reference := schema.reference:
        if reference not in seen:
            _walk(elements, schema.follow(), path, (*seen, reference))
        return
    element.said |= {one: _merged(element.said.get(one), schema.said[one]) for one in FACETS if one in schema.said}
    _walk_within(elements, schema, path, seen)
    for branch in BRANCHES:
        if branch in schema.said:
            element.said[branch] = _merged(element.said.get(branch), [_rule(one) for one in schema.said[branch]])
            for one in schema.said[branch]:
                _walk(elements, schema.of(one), path, seen)


def _walk_within(elements: dict[str, Element], schema: Schema, path: str, seen: tuple[str, ...]) -> None:
    """Go on with what an element holds."""
    required = schema.said.get("required", ())
    for name, part in schema.said.get("properties", {}).items():
        below = f"{path}.{name}"
        _walk(elements, schema.of(part), below, seen)
        if below in elements and name in required:
            elements[below].required = True
    if "items" in schema.said:
        _walk(elements, schema.of(schema.said["items"]), f"{path}[]", seen)


def _merged(known: Any, said: Any) -> Any:
    """Put together what two branches say of one element."""
    if known is None or known == said:
        return said
    if isinstance(known, list) and isinstance(said, list):
        return sorted([*known, *(one for one in said if one not in known)], key=dumps)
    return known


def _rule(branch: Any) -> Any:
    """Keep of a branch which elements it wants: what they hold is told by themselves."""
    if not isinstance(branch, dict):
        return branch
    kept = {name: branch[name] for name in ("required", "$ref", "const", "enum", "type") if name in branch}
    return kept | ({"elements": sorted(branch["properties"])} if "properties" in branch else {})


def differences(before: Mapping[str, Element], after: Mapping[str, Element]) -> Iterator[Difference]:
    """Say what is not as it was; what is below an element that came or went goes without saying."""
    for path in before:
        if path not in after and above(path) not in before.keys() - after.keys():
            yield Difference(Change.REMOVED, path)
    for path, element in after.items():
        if path not in before and above(path) not in after.keys() - before.keys():
            yield Difference(Change.ADDED, path, after="required" if element.required else "optional")
    for path in before.keys() & after.keys():
        yield from _changes(path, before[path], after[path])


def above(path: str) -> str:
    """Give the path of the element that holds another."""
    return path.removesuffix("[]") if path.endswith("[]") else path.rpartition(".")[0]


def _changes(path: str, before: Element, after: Element) -> Iterator[Difference]:
    if before.required != after.required:
        yield Difference(Change.REQUIRED if after.required else Change.OPTIONAL, path)
    stood = [name for name in before.order if name in after.order]
    stands = [name for name in after.order if name in before.order]
    if stood != stands:
        yield Difference(Change.ALTERED, path, f"order {_say(stood)}", f"order {_say(stands)}")
    facets = sorted(before.said.keys() | after.said.keys())
    changed = [facet for facet in facets if before.said.get(facet) != after.said.get(facet)]
    for facet in ["type"] if "type" in changed else changed:  # of another type, its bounds are others
        yield from _change(path, facet, before.said.get(facet), after.said.get(facet))


def _change(path: str, facet: str, was: Any, now: Any) -> Iterator[Difference]:
    match facet:
        case "enum":
            yield from _values(path, was, now)
        case "type":
            yield Difference(Change.TYPE, path, _say(was), _say(now))
        case "const":
            yield Difference(Change.ALTERED, path, _say(was), _say(now))
        case _ if facet in NO_BOUND and all(isinstance(one, int | float) for one in (was, now) if one is not None):
            old, new = (NO_BOUND[facet] if one is None else one for one in (was, now))
            narrower = (new < old) == (facet in UPPER)
            told = (f"{facet} {'none' if one is None else one}" for one in (was, now))
            yield Difference(Change.SHORTENED if narrower else Change.LENGTHENED, path, *told)
        case _ if facet in BRANCHES:
            yield Difference(Change.ALTERED, path, facet, facet)
        case _:
            yield Difference(Change.ALTERED, path, f"{facet} {_say(was)}", f"{facet} {_say(now)}")


def _values(path: str, was: list[Any] | None, now: list[Any] | None) -> Iterator[Difference]:
    """Say which values an element may not have any more, or may have now; no enumeration admits all."""
    if was is None or now is None:
        change = Change.VALUES_REMOVED if was is None else Change.VALUES_ADDED
        yield Difference(change, path, "any" if was is None else _say(was), "any" if now is None else _say(now))
        return
    if gone := [one for one in was if one not in now]:
        yield Difference(Change.VALUES_REMOVED, path, before=_say(gone))
    if new := [one for one in now if one not in was]:
        yield Difference(Change.VALUES_ADDED, path, after=_say(new))


def _say(value: Any) -> str:
    match value:
        case None:
            return "none"
        case list():
            return ", ".join(map(_say, value))
        case str():
            return value
        case _:
            return dumps(value)
