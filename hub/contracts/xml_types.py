"""Elements and complex types of XML Schema → JSON Schema, their values as zeep takes them.

An element is a property of its bare name; an attribute too; the text of an element with attributes is `_value_1`, and
so are the rounds of a group that repeats. Named complex types are `$defs`, so that a type may hold itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from hub.contracts.xml_documents import XS, Components, Node, local, parts_of
from hub.contracts.xml_simple import SimpleTypes, read_value
from hub.errors import ConfigurationError

VALUE: Final = "_value_1"
COMPOSITORS: Final = ("sequence", "choice", "all", "group")


@dataclass
class Content:
    """What a complex type holds, its elements in order."""

    properties: dict[str, Any] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    rules: list[dict[str, Any]] = field(default_factory=list)
    open: bool = False

    def put(self, name: str, schema: dict[str, Any], *, required: bool) -> None:
        """Add a property, once."""
        self.properties.setdefault(name, schema)
        if required and name not in self.required:
            self.required.append(name)

    def take(self, other: Content) -> None:
        """Add the properties of another, not what it requires."""
        for name, schema in other.properties.items():
            self.properties.setdefault(name, schema)
        self.open |= other.open

    def as_schema(self) -> dict[str, Any]:
        """Write it as an object's schema."""
        schema: dict[str, Any] = {"type": "object", "properties": self.properties, "required": self.required}
        schema |= {"additionalProperties": self.open}
        return schema | _all(self.rules)

    def as_rule(self, banned: set[str]) -> dict[str, Any]:
        """Say what it requires, and what must not stand beside it."""
        rule: dict[str, Any] = {"required": self.required} if self.required else {}
        if banned:
            rule["properties"] = dict.fromkeys(sorted(banned), False)
        return rule | _all(self.rules)


class Types:
    """The elements and types of some components, and the definitions they came to need."""

    def __init__(self, components: Components) -> None:
        self.components = components
        self.simple = SimpleTypes(components)
        self.definitions: dict[str, Any] = {}
        self._names: dict[Node, str] = {}

    def element(self, node: Node) -> dict[str, Any]:
        """Give the schema of an element's value."""
        node = self._referred(node, "element")
        schema = self._type_of(node)
        if "fixed" in node.attrib:
            schema = {**schema, "const": read_value(node.get("fixed", ""), schema)}
        if "default" in node.attrib:
            schema = {**schema, "default": read_value(node.get("default", ""), schema)}
        if said := _documentation(node):
            schema = {**schema, "description": said}
        return nullable(schema) if node.get("nillable") in {"true", "1"} else schema

    def type(self, said: str, asked_by: Node) -> dict[str, Any]:
        """Give the schema of a type by the name that stands in a node."""
        name = self.components.name(asked_by, said)
        if name[0] == XS or self.components.get("complexType", name) is None:
            return self.simple.of(name, asked_by)
        return self.refer(self.components.find("complexType", name, asked_by))

    def refer(self, node: Node) -> dict[str, Any]:
        """Refer to the definition of a named complex type, which is made once."""
        if node not in self._names:
            bare = name = str(node.get("name"))
            while name in self.definitions:
                name = f"{bare}_{len(self.definitions)}"
            self._names[node], self.definitions[name] = name, {}
            self.definitions[name] = self.complex(node)
        return {"$ref": f"#/$defs/{self._names[node]}"}

    def complex(self, node: Node) -> dict[str, Any]:
        """Give the schema that an xs:complexType defines."""
        content = self._content(node)
        said = _documentation(node)
        return content.as_schema() | ({"description": said} if said else {})

    def _type_of(self, node: Node) -> dict[str, Any]:
        if named := node.get("type"):
            return self.type(named, node)
        for part in parts_of(node, "complexType", "simpleType"):
            return self.complex(part) if local(part) == "complexType" else self.simple.define(part)
        return {}

    def _content(self, node: Node) -> Content:
        for part in parts_of(node, "complexContent", "simpleContent"):
            for way in parts_of(part, "extension", "restriction"):
                return self._derived(way, simple=local(part) == "simpleContent")
        content = Content()
        self._fill(content, node)
        if node.get("mixed") in {"true", "1"}:
            content.put(VALUE, {"type": "string"}, required=False)
        return content

    def _derived(self, way: Node, *, simple: bool) -> Content:
        """Give what an extension adds to its base, or what a restriction leaves of it."""
        name = self.components.name(way, way.get("base", ""))
        base = self.components.get("complexType", name)
        extends = local(way) == "extension"
        known = self._content(base) if base is not None else Content()
        if simple:
            value = known.properties.get(VALUE) or self.simple.of(name, way)
            known.put(VALUE, value, required=True)
            known.properties[VALUE] = value if extends else self.simple.restrict(value, way)
        elif not extends:
            attributes = self._attributes_of(base) if base is not None else Content()
            known = attributes
        self._fill(known, way)
        return known

    def _attributes_of(self, node: Node) -> Content:
        whole, content = self._content(node), Content()
        elements = {
            child.get("name") or child.get("ref", "").rpartition(":")[2] for child in node.iter(f"{{{XS}}}element")
        }
        for name, schema in whole.properties.items():
            if name not in elements:
                content.put(name, schema, required=name in whole.required)
        return content

    def _fill(self, content: Content, node: Node) -> None:
        for part in parts_of(node, *COMPOSITORS):
            self._particle(content, part)
        for part in parts_of(node, "attribute", "attributeGroup", "anyAttribute"):
            self._attribute(content, part)

    def _attribute(self, content: Content, node: Node) -> None:
        match local(node):
            case "anyAttribute":
                content.open = True
            case "attributeGroup":
                self._fill(content, self._referred(node, "attributeGroup"))
            case _ if node.get("use") != "prohibited":
                said = self._referred(node, "attribute")
                content.put(
                    str(said.get("name")),
                    self._type_of(said) or {"type": "string"},
                    required=node.get("use") == "required",
                )

    def _particle(self, content: Content, node: Node) -> None:
        """Add an element, or a group of them, to what a type holds."""
        match local(node):
            case "element":
                schema, (least, most) = self.element(node), occurs(node)
                if most == 0:
                    return
                name = str(self._referred(node, "element").get("name"))
                content.put(name, schema if most == 1 else array(schema, least, most), required=least > 0)
            case "any":
                content.open = True
            case _:
                self._group(content, node)

    def _group(self, content: Content, node: Node) -> None:
        within, (least, most) = Content(), occurs(node)
        self._compose(within, node)
        if most == 0:
            return
        if most != 1:
            name = f"_value_{1 + sum(one.startswith('_value_') for one in content.properties)}"
            content.put(name, array(within.as_schema(), least, most), required=least > 0)
            return
        content.take(within)
        if least:
            content.required += [name for name in within.required if name not in content.required]
            content.rules += within.rules
        elif within.required or within.rules:
            content.rules.append({"anyOf": [Content().as_rule(set(within.properties)), within.as_rule(set())]})

    def _compose(self, content: Content, node: Node) -> None:
        match local(node):
            case "group":
                for part in parts_of(self._referred(node, "group"), *COMPOSITORS):
                    self._compose(content, part)
            case "choice":
                self._choose(content, node)
            case _:
                for part in parts_of(node, "element", "any", *COMPOSITORS):
                    self._particle(content, part)

    def _choose(self, content: Content, node: Node) -> None:
        """Add every branch of an xs:choice, and the rule that one of them stands."""
        branches = []
        for part in parts_of(node, "element", "any", *COMPOSITORS):
            branch = Content()
            self._particle(branch, part)
            branches.append(branch)
            content.take(branch)
        if all(len(branch.properties) == len(branch.required) == 1 and not branch.rules for branch in branches):
            content.rules.append({"oneOf": [{"required": branch.required} for branch in branches]})
        else:
            every = set(content.properties)
            rules = [branch.as_rule(set() if branch.open else every - set(branch.properties)) for branch in branches]
            content.rules.append({"anyOf": rules})

    def _referred(self, node: Node, sort: str) -> Node:
        said = node.get("ref")
        return self.components.find(sort, self.components.name(node, said), node) if said else node

    def with_definitions(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Make a schema whole: one reference to a definition is opened, and the definitions in use go with it."""
        if set(schema) == {"$ref"}:
            schema = self.definitions[schema["$ref"].rpartition("/")[2]]
        used = _used(schema, self.definitions, {})
        return schema | ({"$defs": used} if used else {})


def _used(schema: Any, definitions: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    match schema:
        case dict():
            if "$ref" in schema and (name := schema["$ref"].rpartition("/")[2]) not in found:
                found[name] = definitions[name]
                _used(definitions[name], definitions, found)
            for value in schema.values():
                _used(value, definitions, found)
        case list():
            for value in schema:
                _used(value, definitions, found)
    return found


def occurs(node: Node) -> tuple[int, int | None]:
    """Read how often a particle stands: at least, and at most (None: as often as one likes)."""
    most = node.get("maxOccurs", "1")
    try:
        return int(node.get("minOccurs", "1")), None if most == "unbounded" else int(most)
    except ValueError:
        raise ConfigurationError("an XML Schema", f"minOccurs and maxOccurs are numbers, not {most}") from None


def array(items: dict[str, Any], least: int, most: int | None) -> dict[str, Any]:
    """Write the schema of an element that may stand more than once."""
    schema: dict[str, Any] = {"type": "array", "items": items}
    return schema | ({"minItems": least} if least else {}) | ({"maxItems": most} if most is not None else {})


def nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """Let a value be null, as xsi:nil says it."""
    sort = schema.get("type")
    if not isinstance(sort, str):
        return {"anyOf": [schema, {"type": "null"}]} if schema else schema
    if "enum" in schema:
        schema = {**schema, "enum": [*schema["enum"], None]}
    return {**schema, "type": [sort, "null"]}


def _all(rules: list[dict[str, Any]]) -> dict[str, Any]:
    if len(rules) == 1:
        return rules[0] if not {"required", "properties"} & rules[0].keys() else {"allOf": rules}
    return {"allOf": rules} if rules else {}


def _documentation(node: Node) -> str:
    said = node.findtext(f"{{{XS}}}annotation/{{{XS}}}documentation") or ""
    return " ".join(said.split())
