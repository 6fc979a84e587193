"""GraphQL's schema language → JSON Schema: each query and mutation, the document that asks it, what it answers.

An operation takes its field's arguments; it asks for every field that needs no argument, a few levels deep. An answer
that is no object is given as `value`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import graphql as g

from hub.contracts.openapi import snake
from hub.errors import ConfigurationError

DEEP: Final = 3
"""How many levels of an answer are asked for; a type that is within itself is asked for once."""

SCALARS: Final[dict[str, dict[str, Any]]] = {
    "String": {"type": "string"},
    "ID": {"type": "string"},
    "Int": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    "Float": {"type": "number"},
    "Boolean": {"type": "boolean"},
    "Date": {"type": "string", "format": "date"},
    "DateTime": {"type": "string", "format": "date-time"},
    "Time": {"type": "string"},
    "UUID": {"type": "string", "format": "uuid"},
    "JSON": {},
    "JSONObject": {"type": "object"},
}
"""The scalars of the language, and those that most schemas add; what is not listed is text."""


@dataclass(frozen=True, slots=True)
class GraphqlOperation:
    """One field of Query or of Mutation, and the document that asks it."""

    name: str
    title: str
    field: str
    is_query: bool
    document: str
    input: dict[str, Any]
    output: dict[str, Any]


def operations_of_graphql(file: Path) -> tuple[GraphqlOperation, ...]:
    """Read every operation of a schema; raises ConfigurationError naming the file and the line."""
    schema = load(file)
    roots = ((schema.query_type, True), (schema.mutation_type, False))
    found = [
        _operation(schema, name, field, is_query=is_query)
        for root, is_query in roots if root
        for name, field in root.fields.items()
    ]  # fmt: skip
    if not found:
        raise ConfigurationError(file, "a type Query or Mutation with a field")
    return tuple(found)


def schema_of_operation(file: Path, operation: str) -> dict[str, Any]:
    """Give the JSON Schema of what a query or mutation takes, by its name; raises ConfigurationError."""
    known = {one.name: one for one in operations_of_graphql(file)}
    if (name := snake(operation)) not in known:
        raise ConfigurationError(file, f"no operation is called {operation!r}; there are: {', '.join(known)}")
    return known[name].input


def load(file: Path) -> g.GraphQLSchema:
    """Build a schema from its text."""
    try:
        return g.build_schema(file.read_text("utf-8"))
    except g.GraphQLError as error:
        line = error.locations[0].line if error.locations else None
        raise ConfigurationError(file, error.message, line) from None
    except (OSError, TypeError, ValueError) as error:
        raise ConfigurationError(file, str(error).split("\n", maxsplit=1)[0]) from None


def _operation(schema: g.GraphQLSchema, name: str, field: g.GraphQLField, *, is_query: bool) -> GraphqlOperation:
    inputs, outputs = _Inputs(), _Outputs(schema)
    selection, answer = outputs.read(field.type, 0)
    variables = ", ".join(f"${one}: {argument.type}" for one, argument in field.args.items())
    passed = ", ".join(f"{one}: ${one}" for one in field.args)
    head = "query" if is_query else "mutation"
    document = (
        f"{head} {name}{f'({variables})' if variables else ''} {{\n  "
        f"{name}{f'({passed})' if passed else ''}{_indented(selection)}\n}}\n"
    )
    title = (field.description or name).strip().splitlines()[0]
    return GraphqlOperation(
        snake(name), title, name, is_query, document, inputs.arguments(field.args), _answer(answer, is_query=is_query)
    )


class _Inputs:
    """What arguments and input types take."""

    def __init__(self) -> None:
        self._definitions: dict[str, Any] = {}

    def arguments(self, listed: Any) -> dict[str, Any]:
        schema = self._members(listed)
        return schema | ({"$defs": self._definitions} if self._definitions else {})

    def _members(self, listed: Any) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {name: _described(self.read(one.type), one.description) for name, one in listed.items()},
            "required": [name for name, one in listed.items() if g.is_required_argument(one) or _is_required(one)],
            "additionalProperties": False,
        }

    def read(self, sort: Any) -> dict[str, Any]:
        if g.is_non_null_type(sort):
            return self._given(sort.of_type)
        return _nullable(self._given(sort))

    def _given(self, sort: Any) -> dict[str, Any]:
        if g.is_list_type(sort):
            return {"type": "array", "items": self.read(sort.of_type)}
        if not g.is_input_object_type(sort):
            return _leaf(sort)
        if sort.name not in self._definitions:
            self._definitions[sort.name] = {}
            self._definitions[sort.name] = self._members(sort.fields)
        return {"$ref": f"#/$defs/{sort.name}"}


class _Outputs:
    """What is asked of an answer, and what it then holds."""

    def __init__(self, schema: g.GraphQLSchema) -> None:
        self._schema = schema
        self._within: list[str] = []

    def _names(self, sort: Any) -> list[str]:
        """Name the types that an answer may be of."""
        return [one.name for one in self._schema.get_possible_types(sort)] if g.is_abstract_type(sort) else [sort.name]

    def _is_asked(self, field: Any, depth: int) -> bool:
        """Tell whether a field is asked for: it needs no argument, and leads neither too deep nor back."""
        if any(map(g.is_required_argument, field.args.values())):
            return False
        sort = g.get_named_type(field.type)
        return g.is_leaf_type(sort) or (depth < DEEP and sort.name not in self._within)

    def read(self, sort: Any, depth: int) -> tuple[str, dict[str, Any]]:
        """Give the selection of a type, "" for a scalar, and its schema."""
        if g.is_non_null_type(sort):
            return self._given(sort.of_type, depth)
        selection, schema = self._given(sort, depth)
        return selection, _nullable(schema)

    def _given(self, sort: Any, depth: int) -> tuple[str, dict[str, Any]]:
        if g.is_list_type(sort):
            selection, items = self.read(sort.of_type, depth)
            return selection, {"type": "array", "items": items}
        if g.is_leaf_type(sort):
            return "", _leaf(sort)
        parts, properties = [], {}
        if g.is_abstract_type(sort):
            parts, properties = ["__typename"], {"__typename": {"type": "string", "enum": self._names(sort)}}
        self._within.append(sort.name)
        for name, field in getattr(sort, "fields", {}).items():
            if self._is_asked(field, depth):
                selection, schema = self.read(field.type, depth + 1)
                parts.append(f"{name}{selection}")
                properties[name] = _described(schema, field.description)
        self._within.pop()
        if not parts:
            parts, properties = ["__typename"], {"__typename": {"type": "string", "enum": self._names(sort)}}
        schema = {"type": "object", "properties": properties, "required": list(properties)}
        return " {\n" + "".join(f"  {part}\n" for part in _lines(parts)) + "}", schema


def _lines(parts: list[str]) -> list[str]:
    return [line for part in parts for line in part.splitlines()]


def _indented(selection: str) -> str:
    return selection.replace("\n", "\n  ")


def _leaf(sort: Any) -> dict[str, Any]:
    if g.is_enum_type(sort):
        return {"type": "string", "enum": list(sort.values)}
    return dict(SCALARS.get(sort.name, {"type": "string"}))


def _is_required(argument: Any) -> bool:
    return g.is_non_null_type(argument.type) and argument.default_value is g.Undefined


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    sort = schema.get("type")
    if not isinstance(sort, str):
        return {"anyOf": [schema, {"type": "null"}]} if schema else schema
    enum = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [sort, "null"], **enum}


def _described(schema: dict[str, Any], said: str | None) -> dict[str, Any]:
    return {"description": " ".join(said.split()), **schema} if said and "$ref" not in schema else schema


def _answer(schema: dict[str, Any], *, is_query: bool) -> dict[str, Any]:
    """Give an answer as an object: what is none as `value`; null answers a question, and says nothing of a mutation."""
    if not is_query and schema.get("type") == ["object", "null"]:
        schema = {**schema, "type": "object"}
    if schema.get("type") == "object":
        return schema
    return {"type": "object", "properties": {"value": schema}, "required": ["value"]}
