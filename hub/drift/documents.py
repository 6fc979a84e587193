"""The documents that a contract is written in, read within limits: nothing of them is resolved, followed or run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import orjson
from lxml import etree

from hub.errors import ConfigurationError
from hub.manifest import LiveKind

MOST_BYTES: Final = 2_000_000
"""Bytes of one document."""
MOST_MARKUP: Final = 200_000
"""How many `<` a document may hold: an element takes at least one, so this bounds them unparsed."""
MOST_DOCUMENTS: Final = 40
"""Documents of one contract."""

XS: Final = "http://www.w3.org/2001/XMLSchema"
WSDL: Final = "http://schemas.xmlsoap.org/wsdl/"
STANDARD: Final = ("http://www.w3.org/", "http://www.opengis.net/", "http://schemas.xmlsoap.org/")
"""How the namespaces begin that everybody imports and that no target changes: their schemas are not fetched."""
SUFFIXES: Final[Mapping[LiveKind, str]] = {
    LiveKind.WSDL: "wsdl",
    LiveKind.XSD: "xsd",
    LiveKind.CAPABILITIES: "xml",
    LiveKind.OPENAPI: "json",
    LiveKind.JSON_SCHEMA: "json",
    LiveKind.CERTIFICATE: "pem",
}
NAMING: Final[Mapping[str, str]] = {
    f"{{{XS}}}import": "schemaLocation",
    f"{{{XS}}}include": "schemaLocation",
    f"{{{XS}}}redefine": "schemaLocation",
    f"{{{XS}}}override": "schemaLocation",
    f"{{{WSDL}}}import": "location",
}
"""The elements that name another document, and in which attribute."""

Node = etree._Element  # noqa: SLF001  # lxml gives its elements no public name


class UnfitError(Exception):
    """A contract that is not read: `code` says why, in a word of ours."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True)
class Documents:
    """A contract whole: its documents by flat names of ours, the first being the one that names the others.

    Where one names another, it is by that flat name: no path and no address is left to follow.
    """

    kind: LiveKind
    texts: Mapping[str, bytes]

    @property
    def main(self) -> str:
        """The name of the first document."""
        return next(iter(self.texts))

    @property
    def roots(self) -> Mapping[str, Node]:
        """The documents of a contract in XML, parsed."""
        return {name: parse_xml(text) for name, text in self.texts.items()}

    @property
    def content(self) -> Any:
        """The document of a contract in JSON, parsed."""
        return parse_json(self.texts[self.main])

    def write(self, folder: Path) -> Path:
        """Write the documents into a folder; gives the file of the first."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.texts.items():
            (folder / name).write_bytes(text)
        return folder / self.main


def is_xml(kind: LiveKind) -> bool:
    """Tell whether contracts of this kind are written in XML."""
    return kind in {LiveKind.WSDL, LiveKind.XSD, LiveKind.CAPABILITIES}


def parse_xml(text: bytes) -> Node:
    """Parse a document; raises UnfitError for one that is too big, not well formed, or that has a document type."""
    if len(text) > MOST_BYTES or text.count(b"<") > MOST_MARKUP:
        raise UnfitError("too_big")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False, recover=False
    )
    try:
        root = etree.fromstring(text, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise UnfitError("unreadable") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise UnfitError("unreadable")
    return root


def parse_json(text: bytes) -> Any:
    """Parse a document that holds an object; raises UnfitError."""
    if len(text) > MOST_BYTES:
        raise UnfitError("too_big")
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise UnfitError("unreadable") from None
    if not isinstance(content, dict):
        raise UnfitError("unreadable")
    return content


def named_in(root: Node, address: str) -> Iterator[tuple[Node, str, str]]:
    """Give each element that names another document, its attribute, and the whole address of what it names.

    Those that name a schema that everybody knows name it no more.
    """
    for node in root.iter(*NAMING):
        attribute = NAMING[str(node.tag)]
        if node.get("namespace", "").startswith(STANDARD):
            node.attrib.pop(attribute, "")
        if location := node.get(attribute):
            yield node, attribute, urljoin(address, location)


def read_copy(file: Path, kind: LiveKind) -> Documents:
    """Read the copy that lies in a folder, with the files beside it that it names; raises ConfigurationError."""
    return gather_copy(file, kind).documents


def gather_copy(file: Path, kind: LiveKind) -> Gathered:
    """Gather the documents of a copy; raises ConfigurationError."""
    folder, gathered = file.parent.resolve(), Gathered(kind, str(file.resolve()))
    try:
        while (address := gathered.wanted) is not None:
            path = Path(address)
            if urlsplit(address).scheme or not path.resolve().is_relative_to(folder):
                raise ConfigurationError(file, f"names {address}, which is not in its folder")
            gathered.take(address, path.read_bytes())
    except OSError as error:
        raise ConfigurationError(error.filename or file, error.strerror or "a file that can be read") from None
    except UnfitError as error:
        raise ConfigurationError(file, f"a contract that can be read ({error.code})") from None
    return gathered


class Gathered:
    """The documents of a contract, gathered one after the other: `wanted` says the address of the next."""

    def __init__(self, kind: LiveKind, address: str) -> None:
        self._kind = kind
        self._names = {address: f"contract.{SUFFIXES[kind]}"}
        self._texts: dict[str, bytes] = {}

    @property
    def wanted(self) -> str | None:
        """The address of a document that is named and not there yet."""
        return next((address for address, name in self._names.items() if name not in self._texts), None)

    @property
    def documents(self) -> Documents:
        """What was gathered."""
        return Documents(self._kind, dict(self._texts))

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where the documents are from."""
        return tuple(self._names)

    def take(self, address: str, text: bytes) -> None:
        """Take a document in, and note which others it names; raises UnfitError."""
        if not is_xml(self._kind):
            parse_json(text)
            self._texts[self._names[address]] = text
            return
        root = parse_xml(text)
        for node, attribute, named in list(named_in(root, address)):
            if named not in self._names:
                if len(self._names) == MOST_DOCUMENTS:
                    raise UnfitError("too_many_documents")
                suffix = "wsdl" if node.tag == f"{{{WSDL}}}import" else "xsd"
                self._names[named] = f"named_{len(self._names)}.{suffix}"
            node.set(attribute, self._names[named])
        self._texts[self._names[address]] = etree.tostring(root.getroottree(), encoding="UTF-8", xml_declaration=True)
