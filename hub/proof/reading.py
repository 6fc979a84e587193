"""What an expression reads, as a tree of names, held against the schema of what there is to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from hub.functions import CLOSED_LIST
from hub.mapping import Expression
from hub.proof.witnesses import Place, Schema, kind_of, opened

Tree = Any
"""Name → what is read below it; True for all of it, nothing for none."""


def reads_of(expression: Expression) -> Tree:
    """Give what an expression reads: of the document, and of the bindings under `$name`."""
    said = expression.reads()
    bound = {f"${name}": of for name, of in said.get("bindings", {}).items() if name not in CLOSED_LIST}
    read = said.get("input", {})
    return True if read is True else {**read, **bound}


def joined(trees: Iterable[Tree]) -> Tree:
    """Put what several read together."""
    whole: dict[str, Any] = {}
    for tree in trees:
        if tree is True:
            return True
        for name, below in tree.items():
            whole[name] = joined([whole[name], below]) if name in whole else below
    return whole


def touches(tree: Tree, place: Place) -> bool:
    """Say whether what is read changes with the value at a place."""
    for part in place:
        if tree is True or not tree:
            return tree is not None
        if isinstance(part, int):
            continue
        if part not in tree:
            return False
        tree = tree[part]
    return True


def unknown(tree: Tree, schema: Schema, root: Schema, above: str = "") -> Iterator[tuple[str, str]]:
    """Give each path that is read where a schema lets nothing stand, and the name that comes nearest, if any does."""
    if tree is True or not tree:
        return
    fields, closed = fields_of(schema, root)
    for name, below in tree.items():
        path = f"{above}.{name}" if above else name
        if name in fields:
            yield from unknown(below, fields[name], root, path)
        elif closed and not (name.startswith("$") and not above):
            near = get_close_matches(name, fields, 1)
            yield path, f"{above}.{near[0]}" if near and above else "".join(near)


def fields_of(schema: Schema, root: Schema) -> tuple[dict[str, Any], bool]:
    """Give the fields of a value, of a list's items, of any of several shapes; and whether there can be no others."""
    schema = opened(schema, root)
    sort = kind_of(schema)
    if sort == "array":
        return fields_of(schema.get("items", {}), root)
    fields = dict(schema.get("properties", {}))
    closed = schema.get("additionalProperties") is False or sort in {"string", "integer", "number", "boolean", "null"}
    ways = [way for word in ("oneOf", "anyOf") for way in schema.get(word, ()) if isinstance(way, Mapping)]
    if ways and not fields:
        each = [fields_of(way, root) for way in ways]
        names = dict.fromkeys(name for of, _ in each for name in of)
        shapes = {name: [of[name] for of, _ in each if name in of] for name in names}
        return {name: {"anyOf": of} for name, of in shapes.items()}, all(shut for _, shut in each)
    return fields, closed
