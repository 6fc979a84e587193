"""The components of an XML Schema: its own, and those of the files beside it that it includes or imports.

Nothing is fetched: a location on a network stands for the file of that name beside the one that names it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from lxml import etree

from hub.errors import ConfigurationError

XS: Final = "http://www.w3.org/2001/XMLSchema"
ELSEWHERE: Final = frozenset({"include", "import", "redefine", "override"})
COMPONENTS: Final = frozenset({"element", "complexType", "simpleType", "group", "attributeGroup", "attribute"})
PARSER: Final = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)

Node = etree._Element  # noqa: SLF001  # lxml gives its elements no public name
QName = tuple[str, str]


def read_xml(file: Path) -> Node:
    """Parse a file without its entities; raises ConfigurationError."""
    try:
        return etree.parse(file, PARSER).getroot()
    except (OSError, etree.XMLSyntaxError) as error:
        raise ConfigurationError(file, f"an XML document: {error}", getattr(error, "lineno", None)) from None


def beside(file: Path, location: str) -> Path:
    """Give the file that a location stands for: a path from `file`, or what an address ends with, beside it."""
    parts = urlsplit(location)
    name = PurePosixPath(parts.path).name or parts.query.replace("?", "_")
    found = file.parent / (name if parts.scheme else location)
    if not found.exists():
        raise ConfigurationError(file, f"{location} is not beside this file, and nothing is fetched: put {name} there")
    return found


def local(node: Node) -> str:
    """Give a node's name without its namespace."""
    return str(node.tag).rpartition("}")[2]


def parts_of(node: Node, *names: str) -> Iterator[Node]:
    """Give the children of the XML Schema namespace, those of some names only."""
    for child in node:
        if isinstance(child.tag, str) and child.tag.startswith(f"{{{XS}}}") and (not names or local(child) in names):
            yield child


def line_in(node: Node) -> int | None:
    """Give the line on which a node begins."""
    line: Any = node.sourceline
    return line  # type: ignore[no-any-return]  # lxml's stubs say Ellipsis where they mean any


class Components:
    """Every named component of a schema, by sort and name in its namespace."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._found: dict[tuple[str, QName], Node] = {}
        self._read: set[tuple[Path, str]] = set()
        self._homes: dict[Node, str] = {}

    def read(self, file: Path, into: str | None = None) -> None:
        """Read a schema's file; one without a namespace takes that of who includes it."""
        root = read_xml(file)
        if root.tag != f"{{{XS}}}schema":
            raise ConfigurationError(file, f"an xs:schema, not {root.tag}")
        self.add(root, file, into)

    def add(self, schema: Node, file: Path, into: str | None = None) -> None:
        """Take a schema's components in, and those of the files it names."""
        space = schema.get("targetNamespace") or into or ""
        place = (file.resolve(), f"{space} {schema.sourceline}")
        if place in self._read:
            return
        self._read.add(place)
        self._homes[schema] = space
        for part in parts_of(schema):
            if local(part) in COMPONENTS:
                self._found.setdefault((local(part), (space, part.get("name", ""))), part)
            elif local(part) in ELSEWHERE and (location := part.get("schemaLocation")):
                self.read(beside(file, location), None if local(part) == "import" else space)

    def name(self, node: Node, said: str) -> QName:
        """Read a name as it stands in a node: `tns:Adresse`."""
        prefix, _, name = said.rpartition(":")
        space = node.nsmap.get(prefix or None)
        if space is None and prefix:
            raise ConfigurationError(self.file, f"{said}: no namespace is called {prefix}", line_in(node))
        return space if space is not None else self._homes.get(_schema_of(node), ""), name

    def find(self, sort: str, name: QName, asked_by: Node | None = None) -> Node:
        """Find a component; raises ConfigurationError naming the line that asks for it."""
        found = self.get(sort, name)
        if found is None:
            line = line_in(asked_by) if asked_by is not None else None
            raise ConfigurationError(self.file, f"no {sort} is called {name[1]!r} in {name[0] or 'no namespace'}", line)
        return found

    def get(self, sort: str, name: QName) -> Node | None:
        """Find a component, or nothing."""
        return self._found.get((sort, name))

    def named(self, sort: str, name: str) -> Node | None:
        """Find a component of any namespace by its bare name."""
        return next((node for (one, (_, bare)), node in self._found.items() if (one, bare) == (sort, name)), None)

    def names(self, sort: str) -> list[str]:
        """List the bare names of a sort of component."""
        return sorted(bare for one, (_, bare) in self._found if one == sort)


def _schema_of(node: Node) -> Node:
    while local(node) != "schema" and (above := node.getparent()) is not None:
        node = above
    return node
