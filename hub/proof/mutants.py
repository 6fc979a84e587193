"""Mutants: one small change to a contract or to a form's schema, and why it would matter in production.

Changes that do not matter are here too: none of them may be noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

NEW: Final = "nouveau"
"""The name of what a change adds."""


EVERYWHERE: Final = "everywhere"


@dataclass(frozen=True)
class Mutant:
    """One change: to what place, what was done, why it matters, and how it is made.

    `make` gives the schema, or the mapping's text. For a form `direct` gives a schema that allows only what is new, and
    `known` holds the values there were.
    """

    place: str
    change: str
    why: str
    make: Callable[[], Any]
    direct: Callable[[], Any] | None = None
    known: tuple[Any, ...] = ()


Edit = Callable[[dict[str, Any]], None]
Node = tuple[tuple[str, ...], dict[str, Any]]


def nodes(schema: Any, path: tuple[str, ...] = ()) -> Iterator[Node]:
    """Give every schema within a schema that describes a value, with where it stands."""
    if not isinstance(schema, Mapping):
        return
    yield path, dict(schema)
    for keyword in ("properties", "$defs", "definitions"):
        for name, field in schema.get(keyword, {}).items():
            yield from nodes(field, (*path, keyword, name))
    yield from nodes(schema.get("items"), (*path, "items"))
    for keyword in ("oneOf", "anyOf", "allOf"):
        for rank, way in enumerate(schema.get(keyword, ())):
            yield from nodes(way, (*path, keyword, str(rank)))


def edited(schema: Mapping[str, Any], path: tuple[str, ...], edit: Edit) -> dict[str, Any]:
    """Copy a schema with one of those within changed."""
    whole = deepcopy(dict(schema))
    node: Any = whole
    for part in path:
        node = node[int(part)] if isinstance(node, list) else node[part]
    edit(node)
    return whole


def shown(path: tuple[str, ...]) -> str:
    """Write a place as people read it."""
    return ".".join(part for part in path if part not in {"properties", "items"}) or "the whole"


# -- contracts -------------------------------------------------------------------------------------------------------

FORBIDDING: Final[Mapping[str, str]] = {
    "no letter with an accent, or of another alphabet": r"^[\x00-\x7f]*$",
    "no space": r"^[^ ]*$",
    "no digit": r"^[^0-9]*$",
    "no letter": r"^[^A-Za-zÀ-ÿ]*$",
}
"""A tighter pattern → what it forbids."""


def mutants_of_contract(schema: Mapping[str, Any]) -> Iterator[Mutant]:
    """Change what a target takes, once in every way at every place."""
    for path, node in nodes(schema):
        for change, why, edit in _contract_edits(node):
            yield Mutant(shown(path), change, why, partial(edited, schema, path, edit))


def _contract_edits(node: dict[str, Any]) -> Iterator[tuple[str, str, Edit]]:
    for name in node.get("properties", {}):
        yield f"rename the element {name}", "the target no longer knows it", _renaming(name)
        if name not in node.get("required", ()):
            yield f"require {name}", "the target refuses a message without it", _requiring(name)
    if node.get("properties"):
        yield f"require a new element {NEW}", "nothing feeds it", _adding(required=True)
    for value in node.get("enum", ()):
        if len(node["enum"]) > 1:
            yield f"drop the value {value!r}", "the target refuses what the form still offers", _without(value)
    yield from _text_edits(node) if node.get("type") == "string" else ()
    if node.get("type") == "array":
        yield "take one item at most", "the second one is refused", lambda one: one.update(maxItems=1)
        yield "take two items at least", "a list of one is refused", lambda one: one.update(minItems=2)
    if isinstance(node.get("type"), str) and (other := OTHER_TYPE.get(node["type"])):
        yield f"make it {other}", "the target reads another type", _retyped(other)
    if isinstance(node.get("type"), list) and "null" in node["type"]:
        rest = [one for one in node["type"] if one != "null"]
        yield "refuse null", "what is empty is refused", lambda one: one.update(type=rest)


OTHER_TYPE: Final = {"string": "integer", "integer": "string", "number": "string", "boolean": "string"}


def _text_edits(node: dict[str, Any]) -> Iterator[tuple[str, str, Edit]]:
    if "enum" in node or "const" in node:
        return
    if node.get("maxLength", 0) > 1:
        half = node["maxLength"] // 2
        yield f"shorten it to {half}", "longer texts are refused", lambda one: one.update(maxLength=half)
    for said, pattern in FORBIDDING.items():
        yield f"tighten it: {said}", "some texts are refused", _joining({"pattern": pattern})


def _renaming(name: str) -> Edit:
    def edit(node: dict[str, Any]) -> None:
        node["properties"] = {(f"{one}_" if one == name else one): of for one, of in node["properties"].items()}
        if name in node.get("required", ()):
            node["required"] = [f"{one}_" if one == name else one for one in node["required"]]

    return edit


def _requiring(name: str) -> Edit:
    return lambda node: node.update(required=[*node.get("required", ()), name])


def _adding(*, required: bool) -> Edit:
    def edit(node: dict[str, Any]) -> None:
        node["properties"] = {**node["properties"], NEW: {"type": "string"}}
        if required:
            _requiring(NEW)(node)

    return edit


def _without(value: Any) -> Edit:
    return lambda node: node.update(enum=[one for one in node["enum"] if one != value])


def _retyped(name: str) -> Edit:
    def edit(node: dict[str, Any]) -> None:
        for keyword in ("enum", "const", "pattern", "format"):
            node.pop(keyword, None)
        node["type"] = name

    return edit


def _joining(schema: Mapping[str, Any]) -> Edit:
    return lambda node: node.update(allOf=[*node.get("allOf", ()), schema])


# -- schemas of forms ------------------------------------------------------------------------------------------------


def mutants_of_form(schema: Mapping[str, Any]) -> Iterator[Mutant]:
    """Change what a form lets through, once in every way at every field."""
    for path, node in nodes(schema):
        for name, field in node.get("properties", {}).items():
            if not isinstance(field, Mapping):
                continue
            place = shown((*path, name))
            for change, why, edit, directed in _field_edits(node, name, dict(field)):
                only = partial(edited, schema, path, directed) if directed else None
                known = tuple(field.get("enum", ()) if change.startswith("add the value") else ())
                yield Mutant(place, change, why, partial(edited, schema, path, edit), only, known)


def _field_edits(
    node: dict[str, Any], name: str, field: dict[str, Any]
) -> Iterator[tuple[str, str, Edit, Edit | None]]:
    yield "rename the field", "the mapping reads what is no longer there", _renaming(name), None
    yield "drop the field", "the mapping reads what is no longer there", _dropping(name), None
    if "enum" in field:
        wider = _field(name, enum=[*field["enum"], NEW])
        yield f"add the value {NEW!r}", "no element stands for it", wider, _always(name, {"const": NEW})
    if "maxLength" in field and "enum" not in field:
        longer, least = field["maxLength"] * 3, field["maxLength"] + 1
        directed = _always(name, {**field, "maxLength": longer, "minLength": least})
        yield f"let it be {longer} long", "the target takes no such length", _field(name, maxLength=longer), directed
    if name in node.get("required", ()):
        optional = [one for one in node["required"] if one != name]
        why = "nothing feeds what the target requires"
        yield "let it stay empty", why, lambda one: one.update(required=optional), _dropping(name)
    if "pattern" in field and field.get("format") != "date":
        free = {keyword: said for keyword, said in field.items() if keyword != "pattern"}
        yield "take any text", "the target takes no such text", _put(name, free), _always(name, free)


def _dropping(name: str) -> Edit:
    def edit(node: dict[str, Any]) -> None:
        node["properties"] = {one: of for one, of in node["properties"].items() if one != name}
        node["required"] = [one for one in node.get("required", ()) if one != name]

    return edit


def _put(name: str, field: Mapping[str, Any]) -> Edit:
    return lambda node: node["properties"].update({name: dict(field)})


def _field(name: str, **said: Any) -> Edit:
    return lambda node: node["properties"][name].update(said)


def _always(name: str, field: Mapping[str, Any]) -> Edit:
    def edit(node: dict[str, Any]) -> None:
        _put(name, field)(node)
        node["required"] = list({**dict.fromkeys(node.get("required", ())), name: None})

    return edit


# -- what does not matter --------------------------------------------------------------------------------------------


def harmless_to_contract(schema: Mapping[str, Any]) -> Iterator[Mutant]:
    """Change a contract in ways that no mapping need know of."""
    for change in HARMLESS:
        yield Mutant(EVERYWHERE, change, "nothing is refused that was taken", partial(_everywhere, schema, change))


def harmless_to_form(schema: Mapping[str, Any]) -> Iterator[Mutant]:
    """Change a form's schema in ways that let nothing new through."""
    for change in COSMETIC:
        yield Mutant(EVERYWHERE, change, "nothing comes through that did not", partial(_everywhere, schema, change))


def _everywhere(schema: Mapping[str, Any], change: str) -> dict[str, Any]:
    changed = dict(schema)
    for path, _ in nodes(schema):
        changed = edited(changed, path, HARMLESS[change])
    return changed


def _turned(node: dict[str, Any]) -> None:
    """Turn the order of members round, and of what has no order in JSON Schema."""
    for keyword in ("properties", "required", "enum"):
        if keyword in node:
            said = node[keyword]
            node[keyword] = dict(reversed(said.items())) if isinstance(said, dict) else said[::-1]
    turned = dict(reversed(node.items()))
    node.clear()
    node.update(turned)


def _longer(node: dict[str, Any]) -> None:
    node.update({"maxLength": node["maxLength"] * 2} if "maxLength" in node else {})


def _wider(node: dict[str, Any]) -> None:
    node.update({"enum": [*node["enum"], NEW]} if "enum" in node and node.get("type", "string") == "string" else {})


def _roomier(node: dict[str, Any]) -> None:
    if node.get("properties"):
        _adding(required=False)(node)


HARMLESS: Final[Mapping[str, Edit]] = {
    "turn the order round": _turned,
    "add comments": lambda node: node.update({"$comment": "…", "description": "…"}),
    "double every length": _longer,
    "add an optional element": _roomier,
    "take one more value": _wider,
}
COSMETIC: Final = ("turn the order round", "add comments")
