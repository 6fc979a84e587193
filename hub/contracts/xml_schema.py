"""XSD and WSDL → JSON Schema, one schema an element or an operation's message."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hub.contracts.xml_documents import XS, Components, Node, beside, local, read_xml
from hub.contracts.xml_types import Types
from hub.errors import ConfigurationError

WSDL: Final = "http://schemas.xmlsoap.org/wsdl/"
SOAP: Final = ("http://schemas.xmlsoap.org/wsdl/soap/", "http://schemas.xmlsoap.org/wsdl/soap12/")


@dataclass(frozen=True, slots=True)
class Fault:
    """An error that an operation declares: its name, the element that describes it, and that element's schema."""

    name: str
    element: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class WsdlOperation:
    """One operation of a service: what is sent, what comes back, which errors it declares, where and how it is called.

    `input` and `output` are the schemas of `input_element` and `output_element`, None where there is no message;
    `style` is `document` or `rpc`.
    """

    name: str
    input_element: str
    input: dict[str, Any] | None
    output_element: str
    output: dict[str, Any] | None
    faults: tuple[Fault, ...]
    soap_action: str
    address: str
    style: str
    documentation: str


def schema_of_element(file: Path, element: str) -> dict[str, Any]:
    """Give the JSON Schema of an element of an XSD or WSDL, or of the type of that name when no element has it.

    Raises ConfigurationError naming the file and, where it is known, the line.
    """
    types = Types(_components(file))
    node = types.components.named("element", element)
    if node is not None:
        return types.with_definitions(types.element(node))
    node = types.components.named("complexType", element)
    if node is not None:
        return types.with_definitions(types.refer(node))
    known = ", ".join(types.components.names("element")[:12]) or "none"
    raise ConfigurationError(file, f"no element and no complex type is called {element!r}; its elements: {known}")


def elements_of_schema(file: Path) -> tuple[str, ...]:
    """List the elements that an XSD or WSDL declares at its top."""
    return tuple(_components(file).names("element"))


def operations_of_wsdl(file: Path) -> tuple[WsdlOperation, ...]:
    """Read the operations of a WSDL 1.1, in its order; raises ConfigurationError."""
    documents = list(_documents(file))
    if not any(local(root) == "definitions" for _, root in documents):
        raise ConfigurationError(file, f"a WSDL 1.1 (definitions of {WSDL})")
    return tuple(_Service([root for _, root in documents], Types(_components(file))).operations())


def _documents(file: Path, read: set[Path] | None = None) -> Iterator[tuple[Path, Node]]:
    """Give a WSDL and those it imports."""
    read = set() if read is None else read
    if file.resolve() in read:
        return
    read.add(file.resolve())
    root = read_xml(file)
    yield file, root
    for part in root.iterfind(f"{{{WSDL}}}import"):
        if location := part.get("location"):
            yield from _documents(beside(file, location), read)


def _components(file: Path) -> Components:
    components = Components(file)
    for place, root in _documents(file):
        if root.tag == f"{{{XS}}}schema":
            components.add(root, place)
        for schema in root.iterfind(f"{{{WSDL}}}types/{{{XS}}}schema"):
            components.add(schema, place)
    return components


class _Service:
    """The operations of a WSDL's documents, as its first SOAP binding says them."""

    def __init__(self, roots: list[Node], types: Types) -> None:
        self._roots, self._types = roots, types
        self._messages = {str(one.get("name")): one for one in self._every("message")}

    def operations(self) -> Iterator[WsdlOperation]:
        bindings = [one for one in self._every("binding") if _soap(one, "binding") is not None]
        bound = bindings[0] if bindings else None
        wanted = _bare(bound.get("type")) if bound is not None else None
        for port in self._every("portType"):
            if wanted in {None, port.get("name")}:
                for node in port.iterfind(f"{{{WSDL}}}operation"):
                    yield self._operation(node, bound)

    def _operation(self, node: Node, bound: Node | None) -> WsdlOperation:
        name = str(node.get("name"))
        binding = _soap(bound, "binding") if bound is not None else None
        said = _named(bound, name) if bound is not None else None
        action = _soap(said, "operation") if said is not None else None
        style = _attribute(action, "style") or _attribute(binding, "style") or "document"
        asked, given = (self._message(node.find(f"{{{WSDL}}}{way}"), name, style) for way in ("input", "output"))
        faults = tuple(Fault(str(one.get("name")), *self._fault(one)) for one in node.iterfind(f"{{{WSDL}}}fault"))
        documentation = " ".join((node.findtext(f"{{{WSDL}}}documentation") or "").split())
        return WsdlOperation(
            name, *asked, *given, faults, _attribute(action, "soapAction"), self._address(bound), style, documentation
        )

    def _message(self, node: Node | None, operation: str, style: str) -> tuple[str, dict[str, Any] | None]:
        """Give the element of a message and its schema; RPC has none but the operation, around the message's parts."""
        if node is None:
            return "", None
        parts = self._parts(node)
        if style == "document" and len(parts) == 1 and (said := parts[0].get("element")):
            return self._element(parts[0], said)
        fields = {str(part.get("name")): self._part(part) for part in parts}
        schema = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
        return operation, self._types.with_definitions(schema)

    def _fault(self, node: Node) -> tuple[str, dict[str, Any]]:
        for part in self._parts(node):
            if said := part.get("element"):
                element, schema = self._element(part, said)
                return element, schema or {}
            return str(part.get("name")), self._types.with_definitions(self._part(part))
        return "", {}

    def _element(self, part: Node, said: str) -> tuple[str, dict[str, Any]]:
        name = self._types.components.name(part, said)
        node = self._types.components.find("element", name, part)
        return name[1], self._types.with_definitions(self._types.element(node))

    def _part(self, part: Node) -> dict[str, Any]:
        if said := part.get("element"):
            return self._element(part, said)[1]
        return self._types.type(part.get("type", ""), part)

    def _parts(self, node: Node) -> list[Node]:
        message = self._messages.get(_bare(node.get("message")))
        return [] if message is None else list(message.iterfind(f"{{{WSDL}}}part"))

    def _address(self, bound: Node | None) -> str:
        for service in self._every("service"):
            for port in service.iterfind(f"{{{WSDL}}}port"):
                if bound is None or _bare(port.get("binding")) == bound.get("name"):
                    return _attribute(_soap(port, "address"), "location")
        return ""

    def _every(self, name: str) -> list[Node]:
        return [one for root in self._roots for one in root.iterfind(f"{{{WSDL}}}{name}")]


def _soap(node: Node, name: str) -> Node | None:
    return next((found for space in SOAP if (found := node.find(f"{{{space}}}{name}")) is not None), None)


def _named(node: Node, name: str) -> Node | None:
    return next((one for one in node.iterfind(f"{{{WSDL}}}operation") if one.get("name") == name), None)


def _attribute(node: Node | None, name: str) -> str:
    return "" if node is None else node.get(name, "")


def _bare(said: str | None) -> str:
    return (said or "").rpartition(":")[2]


__all__ = [
    "Fault",
    "WsdlOperation",
    "elements_of_schema",
    "operations_of_wsdl",
    "schema_of_element",
]
