"""XML documents over HTTP, by a table of elements: the three verbs of a target of which only an XSD is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import zeep.exceptions
from lxml import etree
from zeep.xsd import Schema

from connectors._transport.contract import INVALID, KEY, Contract, reference_in
from connectors._transport.contract_api import ContractApi
from connectors._transport.http import Answer, HttpSettings, check_not_page, check_status
from connectors._transport.json_api import UNKNOWN_TO_US, read_failure
from connectors._transport.soap import SETTINGS, ContractFolder, paths_in
from connectors._transport.xml import UNREADABLE, Element, parse
from connectors._transport.xml_values import read_values
from hub.connector import Deadline, Exchange, Outbound, Receipt
from hub.errors import ConfigurationError, UncertainError
from hub.manifest import ErrorTable
from hub.model import Verdict

XML: Final = {"Content-Type": "application/xml; charset=utf-8", "Accept": "application/xml"}
ACCEPTED: Final = frozenset({200, 201, 202, 204})


@dataclass(frozen=True, slots=True)
class Document:
    """Which element an operation sends, and which one answers it; "" when a status alone does.

    `path`: where it is sent, below the target's address.
    """

    element: str
    answer: str = ""
    path: str = ""
    reference: str = ""
    key: str = ""


class Documents:
    """The documents that a schema describes, written and held to it."""

    def __init__(self, xsd: Path) -> None:
        """Compile a schema; raises ConfigurationError for one that is broken, or needs more than its folder."""
        folder: Any = ContractFolder(xsd.parent)
        try:
            root = etree.fromstring(xsd.read_bytes(), etree.XMLParser(no_network=True, resolve_entities=False))
            located: Any = {"transport": folder, "location": str(xsd.resolve()), "settings": SETTINGS}
            self._types = Schema(root, **located)  # type: ignore[no-untyped-call]  # zeep's border
            self._schema = etree.XMLSchema(file=str(xsd))
        except (zeep.exceptions.Error, etree.LxmlError) as error:
            raise ConfigurationError(xsd, f"{type(error).__name__}: an XSD that needs only its folder") from None
        self._elements = {one.qname.localname: one for one in self._types.elements}

    def write(self, element: str, fields: Mapping[str, Any]) -> Element:
        """Write an element; raises ValueError with the places that break the schema."""
        within = etree.Element("document")
        try:
            one = self._elements[element]
            one.render(within, one(**fields))
        except (zeep.exceptions.Error, TypeError, AttributeError):
            raise ValueError(element) from None
        root = etree.fromstring(etree.tostring(within[0]))
        if not self._schema.validate(root):
            raise ValueError(", ".join(paths_in(self._schema.error_log)))
        return root

    def allows(self, root: Element, element: str) -> bool:
        """Tell whether a document is an element of this name, and as the schema says."""
        return etree.QName(root).localname == element and bool(self._schema.validate(root))


class XmlApi(ContractApi):
    """A target that takes XML documents."""

    def __init__(
        self,
        settings: HttpSettings,
        errors: ErrorTable,
        contract: Contract,
        xsd: str,
        documents: Mapping[str, Document],
    ) -> None:
        """Speak to the target of these settings; `xsd` is a file of the contract's folder."""
        super().__init__(settings, errors, contract)
        self._documents = documents
        self._schema = Documents(contract.folder / "contract" / xsd)

    async def deliver(self, message: Outbound) -> Receipt:
        """Send the operation's document, and take its answer for one only as its contract says it."""
        document = self._documents[message.operation]
        answer = await self._http.call(
            "POST",
            document.path,
            exchange=message.exchange,
            deadline=message.deadline,
            content=self._write(message, document),
            headers={**XML, KEY: message.key},
        )
        check_status(answer, unavailable=self._unavailable)
        if answer.status not in ACCEPTED:
            raise read_failure(answer, self._errors)
        details = self._contract.details(message.operation, self._read(message.operation, document, answer))
        return Receipt(reference_in(details, document.reference), details)

    async def probe(self, deadline: Deadline) -> None:
        """Read its address: any answer will do but a failure, or that it does not know us."""
        answer = await self._http.call("GET", "", exchange=Exchange(), deadline=deadline)
        check_status(answer, unavailable=self._unavailable)
        if answer.status in UNKNOWN_TO_US:
            raise read_failure(answer, self._errors)

    def _write(self, message: Outbound, document: Document) -> bytes:
        fields = self._contract.fields(message, self._errors, document.key)
        try:
            root = self._schema.write(document.element, fields)
        except ValueError as places:
            message.exchange.fault = str(places)
            raise self._errors.failure(INVALID, Verdict.REFUSED) from None
        return etree.tostring(root, encoding="UTF-8", xml_declaration=True)

    def _read(self, operation: str, document: Document, answer: Answer) -> Any:
        check_not_page(answer)
        if not document.answer and not answer.body:
            return None
        root = parse(answer.body)
        if document.answer and not self._schema.allows(root, document.answer):
            raise UncertainError(UNREADABLE)
        return read_values(root, self._contract.answered.get(operation, {}))
