"""Simple types of XML Schema → JSON Schema: the built-in ones, and their facets."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from hub.contracts.xml_documents import XS, Components, Node, QName, line_in, local, parts_of
from hub.contracts.xml_patterns import translate
from hub.errors import ConfigurationError

ZONE: Final = r"(Z|[+-][0-9]{2}:[0-9]{2})?"
TIME: Final = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
DAY: Final = r"-?[0-9]{4,}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
LARGEST: Final = {"byte": 8, "short": 16, "int": 32, "long": 64}

BUILT_IN: Final[dict[str, dict[str, Any]]] = {
    "boolean": {"type": "boolean"},
    "decimal": {"type": "number"},
    "float": {"type": "number"},
    "double": {"type": "number"},
    "integer": {"type": "integer"},
    "positiveInteger": {"type": "integer", "minimum": 1},
    "nonNegativeInteger": {"type": "integer", "minimum": 0},
    "negativeInteger": {"type": "integer", "maximum": -1},
    "nonPositiveInteger": {"type": "integer", "maximum": 0},
    "date": {"type": "string", "format": "date"},
    "dateTime": {"type": "string", "pattern": f"^{DAY}T{TIME}{ZONE}$", "$comment": "xs:dateTime"},
    "time": {"type": "string", "pattern": f"^{TIME}{ZONE}$", "$comment": "xs:time"},
    "gYear": {"type": "string", "pattern": f"^-?[0-9]{{4,}}{ZONE}$"},
    "gYearMonth": {"type": "string", "pattern": f"^-?[0-9]{{4,}}-[0-9]{{2}}{ZONE}$"},
    "anyURI": {"type": "string"},
    "base64Binary": {"type": "string", "contentEncoding": "base64"},
    "hexBinary": {"type": "string", "pattern": "^([0-9a-fA-F]{2})*$"},
    "anyType": {},
    "anySimpleType": {"type": ["string", "number", "boolean"]},
    **{
        name: {"type": "integer", "minimum": -(2 ** (b - 1)), "maximum": 2 ** (b - 1) - 1}
        for name, b in LARGEST.items()
    },
    **{
        f"unsigned{name.capitalize()}": {"type": "integer", "minimum": 0, "maximum": 2**bits - 1}
        for name, bits in LARGEST.items()
    },
}
"""What is not listed is text."""

BOUNDS: Final = {
    "minInclusive": "minimum",
    "maxInclusive": "maximum",
    "minExclusive": "exclusiveMinimum",
    "maxExclusive": "exclusiveMaximum",
}
LENGTHS: Final = {"length": ("minLength", "maxLength"), "minLength": ("minLength",), "maxLength": ("maxLength",)}
BOOLEANS: Final = {True: ("true", "1"), False: ("false", "0")}
NUMBERS: Final = frozenset({"integer", "number"})


class SimpleTypes:
    """The simple types of some components."""

    def __init__(self, components: Components) -> None:
        self._components = components

    def of(self, name: QName, asked_by: Node) -> dict[str, Any]:
        """Give the schema of a simple type by its name."""
        if name[0] == XS:
            return dict(BUILT_IN.get(name[1], {"type": "string"}))
        return self.define(self._components.find("simpleType", name, asked_by))

    def define(self, node: Node) -> dict[str, Any]:
        """Give the schema that an xs:simpleType defines."""
        for part in parts_of(node, "restriction", "list", "union"):
            match local(part):
                case "restriction":
                    return self.restrict(self._base(part, "base"), part)
                case "list":
                    return {"type": "array", "items": self._base(part, "itemType")}
                case _:
                    return {"anyOf": self._members(part)}
        raise ConfigurationError(self._components.file, "a simple type says what it restricts", line_in(node))

    def restrict(self, base: dict[str, Any], node: Node) -> dict[str, Any]:
        """Lay the facets of a restriction over what it restricts."""
        schema = dict(base)
        facets = [(local(part), part.get("value", "")) for part in parts_of(node)]
        values = [read_value(said, schema) for name, said in facets if name == "enumeration"]
        if values:
            schema["enum"] = values
        for name, said in facets:
            _lay_bound(schema, name, said)
        _lay_patterns(schema, [said for name, said in facets if name == "pattern"])
        return schema

    def _base(self, node: Node, attribute: str) -> dict[str, Any]:
        named = node.get(attribute)
        if named:
            return self.of(self._components.name(node, named), node)
        within = next(parts_of(node, "simpleType"), None)
        return self.define(within) if within is not None else {"type": "string"}

    def _members(self, node: Node) -> list[dict[str, Any]]:
        named = [self.of(self._components.name(node, said), node) for said in node.get("memberTypes", "").split()]
        return named + [self.define(part) for part in parts_of(node, "simpleType")]


def read_value(said: str, schema: dict[str, Any]) -> Any:
    """Read a value as a JSON value of its type."""
    try:
        match schema.get("type"):
            case "integer":
                return int(said)
            case "number":
                return _number(said)
            case "boolean":
                return said.strip() in {"true", "1"}
    except (ValueError, InvalidOperation):
        pass
    return said


def _number(said: str) -> int | float:
    number = Decimal(said)
    return int(number) if number == number.to_integral_value() else float(number)


def _lay_bound(schema: dict[str, Any], name: str, said: str) -> None:
    if name in BOUNDS and schema.get("type") in NUMBERS:
        schema[BOUNDS[name]] = read_value(said, schema)
    for bound in LENGTHS.get(name, ()):
        items = schema.get("type") == "array"
        schema[bound.replace("Length", "Items") if items else bound] = int(said)
    if name == "fractionDigits" and schema.get("type") == "number":
        schema |= {"type": "integer"} if said == "0" else {"multipleOf": float(f"1e-{said}")}
    if name == "totalDigits" and schema.get("type") in NUMBERS:
        schema.setdefault("maximum", 10 ** int(said) - 1)


def _lay_patterns(schema: dict[str, Any], patterns: list[str]) -> None:
    """Add the patterns of one restriction, of which one must fit, to those of its base, which must fit too."""
    said = [translate(pattern) for pattern in patterns]
    if said and schema.get("type") == "boolean":
        schema["enum"] = [value for value, words in BOOLEANS.items() if _fit(words, patterns)]
    known = [pattern for pattern in said if pattern is not None]
    if not said or len(known) < len(said) or schema.get("type") != "string":
        return
    pattern = known[0] if len(known) == 1 else "|".join(f"(?:{one})" for one in known)
    if "pattern" in schema:
        schema["allOf"] = [*schema.get("allOf", ()), {"pattern": schema["pattern"]}]
    schema["pattern"] = pattern


def _fit(words: tuple[str, str], patterns: list[str]) -> bool:
    return any(re.fullmatch(pattern, word) for pattern in patterns for word in words)
