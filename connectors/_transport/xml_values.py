"""XML read as values by the JSON Schema of its element: bare names, attributes as members, text as `_value_1`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from lxml import etree

from connectors._transport.xml import Element

VALUE: Final = "_value_1"
NIL: Final = "{http://www.w3.org/2001/XMLSchema-instance}nil"

Schema = Mapping[str, Any]


def read_values(node: Element, schema: Schema, root: Schema | None = None) -> Any:
    """Read an element; what the schema does not describe is left out, what is not of its type is left as text."""
    root = schema if root is None else root
    if node.get(NIL) in {"true", "1"}:
        return None
    said = opened(schema, root)
    if "properties" in said or said.get("type") == "object":
        return _read_members(node, said, root)
    return read_text(node.text or "", said)


def opened(schema: Schema, root: Schema) -> Schema:
    """Give the schema that a reference, or what may also be null, stands for."""
    if "$ref" in schema:
        return opened(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "anyOf" in schema and "properties" not in schema and "type" not in schema:
        choices = [one for one in schema["anyOf"] if one.get("type") != "null"]
        return opened(choices[0], root) if len(choices) == 1 else schema
    return schema


def _read_members(node: Element, schema: Schema, root: Schema) -> dict[str, Any]:
    members: dict[str, Any] = {}
    properties = schema.get("properties", {})
    for name, text in node.attrib.items():
        bare = etree.QName(name).localname
        if bare in properties:
            members[bare] = read_text(str(text), opened(properties[bare], root))
    for child in node.iterchildren(etree.Element):
        name = etree.QName(child).localname
        within = opened(properties[name], root) if name in properties else None
        if within is None:
            continue
        if sort_of(within) == "array":
            members.setdefault(name, []).append(read_values(child, within.get("items", {}), root))
        else:
            members[name] = read_values(child, properties[name], root)
    if VALUE in properties and not len(node):
        members[VALUE] = read_text(node.text or "", opened(properties[VALUE], root))
    return members


def sort_of(schema: Schema) -> Any:
    """Give the type of a value, null aside."""
    sort = schema.get("type")
    return next((one for one in sort if one != "null"), None) if isinstance(sort, list) else sort


def read_text(text: str, schema: Schema) -> Any:
    """Read a text as a value of the schema's type; what is none is left as text."""
    try:
        return READS.get(sort_of(schema), str)(text)
    except ValueError:
        return text


READS: Final[Mapping[Any, Callable[[str], Any]]] = {
    "integer": int,
    "number": float,
    "boolean": lambda text: text.strip() in {"true", "1"},
    "array": str.split,
}
