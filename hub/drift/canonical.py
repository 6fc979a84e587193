"""What a contract says, whichever way it is written: equal for two texts that mean the same.

In XML comments, blanks, prefixes, documentation, addresses and the order of definitions say nothing; in JSON the order
of members, titles, descriptions and examples. The digest of the text keeps all of that but the addresses, to tell what
was touched from what was not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson
from lxml import etree

from hub.drift.certificate import facts_of
from hub.drift.documents import NAMING, WSDL, XS, Documents, Node, is_xml
from hub.manifest import LiveKind

SOAP: Final = ("http://schemas.xmlsoap.org/wsdl/soap/", "http://schemas.xmlsoap.org/wsdl/soap12/")
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"

ADDRESSES: Final = frozenset(f"{{{space}}}address" for space in SOAP)
SILENT: Final = frozenset({f"{{{XS}}}annotation", f"{{{WSDL}}}documentation", *ADDRESSES, *NAMING})
"""Elements that say nothing of the contract."""
HOLDERS: Final = frozenset({f"{{{XS}}}schema", f"{{{WSDL}}}definitions", f"{{{WSDL}}}types"})
"""Elements whose children are definitions, each for itself."""
NAMES: Final = frozenset(
    {"type", "ref", "base", "element", "message", "binding", "itemType", "substitutionGroup", "refer", "memberTypes"}
)
"""Attributes that hold names, written with prefixes."""
IN_ANY_ORDER: Final = frozenset(
    f"{{{space}}}{name}"
    for space, names in {
        XS: ("all", "restriction", "attributeGroup"),
        WSDL: ("portType", "binding", "service"),
    }.items()
    for name in names
)
"""Elements whose children may stand in any order; `ordered` knows when a restriction is none of them."""
PARTICLES: Final = frozenset(f"{{{XS}}}{name}" for name in ("sequence", "choice", "all", "group"))
FORMS: Final = {f"{{{XS}}}element": "elementFormDefault", f"{{{XS}}}attribute": "attributeFormDefault"}
USUAL: Final[Mapping[str, str]] = {
    "minOccurs": "1",
    "maxOccurs": "1",
    "nillable": "false",
    "abstract": "false",
    "mixed": "false",
    "use": "optional",
    "processContents": "strict",
}
"""What an attribute says when it is not there."""

WORDS: Final = frozenset(
    {"title", "description", "summary", "example", "examples", "$comment", "externalDocs", "$id", "$schema"}
    | {"operationId", "tags"}
)
"""Keywords of JSON that say nothing of the contract."""
OF_THE_WHOLE: Final = frozenset({"info", "servers", "tags", "externalDocs"})
"""The same, at the top of an OpenAPI document."""
MAPS: Final = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "schemas", "dependentRequired", "dependentSchemas"}
    | {"responses", "parameters", "requestBodies", "headers", "paths", "callbacks", "content", "securitySchemes"}
)
"""Members whose own members bear names that somebody chose: none of those is a keyword."""
SETS: Final = frozenset({"required", "enum", "type", "security", "anyOf", "oneOf", "allOf"})


def digest(documents: Documents) -> str:
    """Give the digest of what a contract says."""
    if documents.kind is LiveKind.CERTIFICATE:
        return _hash(dumps(facts_of(documents)))
    said = definitions(documents) if is_xml(documents.kind) else {"": dumps(plain_json(documents.content, top=True))}
    return _hash("\n".join(f"{name}\t{text}" for name, text in sorted(said.items())))


def text_digest(documents: Documents) -> str:
    """Give the digest of how a contract is written, addresses aside."""
    if not is_xml(documents.kind):
        return _hash(*documents.texts.values())
    return _hash(*sorted(_text(root) for root in documents.roots.values()))


def definitions(documents: Documents) -> dict[str, str]:
    """Give each definition of a contract in XML: sort and name, in its namespace → what it says."""
    found: dict[str, str] = {}
    roots = documents.roots
    spaces = _spaces(roots)
    for name, root in roots.items():
        for node in _tops(root):
            within = _space_of(node) or spaces.get(name, "")
            key = f"{etree.QName(node).localname} {node.get('name') or ''} {within}".strip()
            said = dumps(_node(node, within))
            found[key] = said if found.get(key) in {None, said} else f"{found[key]}\n{said}"
    return found


def spaces(documents: Documents) -> set[str]:
    """Give the namespaces that a contract in XML defines."""
    return {_space_of(node) for root in documents.roots.values() for node in _tops(root)} - {""}


def _spaces(roots: Mapping[str, Node]) -> dict[str, str]:
    """Give the namespace of schemas that have none and are included by one that has."""
    spaces: dict[str, str] = {}
    for _ in roots:
        for name, root in roots.items():
            own = root.get("targetNamespace") or spaces.get(name, "")
            for node in root.iter(f"{{{XS}}}include", f"{{{XS}}}redefine"):
                spaces.setdefault(node.get("schemaLocation", ""), _space_of(node) or own)
    return spaces


def _tops(node: Node) -> Iterator[Node]:
    if node.tag not in HOLDERS:
        yield node
        return
    for child in node:
        if isinstance(child.tag, str) and child.tag not in SILENT:
            yield from _tops(child)


def _space_of(node: Node) -> str:
    for above in (node, *node.iterancestors()):
        if space := above.get("targetNamespace"):
            return space
    return ""


def _node(node: Node, space: str) -> list[Any]:
    """Write an element as values: its name, its attributes, its text, its children."""
    children = [_node(child, space) for child in node if isinstance(child.tag, str) and child.tag not in SILENT]
    if _in_any_order(node):
        children.sort(key=dumps)
    elif node.tag in PARTICLES or str(node.tag).startswith(f"{{{XS}}}"):
        children = [one for one in children if not _is_attribute(one)] + sorted(
            (one for one in children if _is_attribute(one)), key=dumps
        )
    text = "" if len(node) else (node.text or "").strip()
    return [str(node.tag), dict(sorted(_attributes(node, space))), text, children]


def _in_any_order(node: Node) -> bool:
    """Tell an element whose children are a set: a restriction is one when it holds facets alone."""
    return node.tag in IN_ANY_ORDER and not any(child.tag in PARTICLES for child in node)


def _is_attribute(written: list[Any]) -> bool:
    return written[0] in {f"{{{XS}}}attribute", f"{{{XS}}}attributeGroup"}


def _attributes(node: Node, space: str) -> Iterator[tuple[str, str]]:
    for name, value in node.attrib.items():
        attribute, said = str(name), str(value).strip()
        if attribute.startswith(f"{{{XSI}}}") or USUAL.get(attribute) == said:
            continue
        in_xml = str(node.tag).startswith((f"{{{XS}}}", f"{{{WSDL}}}"))
        names = in_xml and attribute in NAMES
        yield attribute, " ".join(_name(node, one, space) for one in said.split()) if names else said
    if (default := FORMS.get(str(node.tag))) and "form" not in node.attrib and "ref" not in node.attrib:
        schema = next(node.iterancestors(f"{{{XS}}}schema"), None)
        if schema is not None and node.getparent() is not schema and schema.get(default) == "qualified":
            yield "form", "qualified"


def _name(node: Node, said: str, space: str) -> str:
    """Write a name with its namespace instead of its prefix."""
    prefix, _, bare = said.rpartition(":")
    named = node.nsmap.get(prefix or None)
    return f"{{{named if named is not None else '' if prefix else space}}}{bare}"


def _text(root: Node) -> str:
    """Write a document as it is, but for the addresses and names of documents in it."""
    copy = etree.fromstring(etree.tostring(root))
    for node in copy.iter(*NAMING):
        node.set(NAMING[str(node.tag)], "")
    for node in copy.iter(*ADDRESSES):
        node.set("location", "")
    return str(etree.canonicalize(etree.tostring(copy, encoding="unicode"), with_comments=True))


def plain_json(value: Any, *, names: bool = False, top: bool = False, within: str = "") -> Any:
    """Leave out of a JSON document what says nothing of the contract; `names`: the members are somebody's names."""
    if isinstance(value, dict):
        left_out = frozenset() if names else WORDS | (OF_THE_WHOLE if top else frozenset())
        return {
            name: plain_json(one, names=not names and name in MAPS and isinstance(one, dict), within=name)
            for name, one in value.items()
            if name not in left_out
        }
    if isinstance(value, list):
        each = [plain_json(one) for one in value]
        return sorted(each, key=dumps) if within in SETS else each
    return value


def dumps(value: Any) -> str:
    """Write values in one way."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _hash(*texts: str | bytes) -> str:
    hashed = hashlib.sha256()
    for text in texts:
        hashed.update(text.encode() if isinstance(text, str) else text)
        hashed.update(b"\0")
    return hashed.hexdigest()
