"""SOAP 1.1 to a target whose WSDL we keep: zeep for its types, our own HTTP for the bytes.

zeep sees nothing but the files beside the WSDL, never the network, and the `location` written there is not
used. A fault travels as HTTP 500 and is therefore read before the status.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import zeep.exceptions
import zeep.helpers
from lxml import etree
from zeep.settings import Settings
from zeep.wsdl import Document
from zeep.wsdl.bindings.soap import Soap11Binding

from connectors._transport.envelopes import Envelopes
from connectors._transport.http import Answer, HttpClient, check_status
from connectors._transport.xml import UNREADABLE, Element, parse
from hub.connector import Deadline, Exchange
from hub.errors import ConfigurationError, DeliveryError, RefusedError, UncertainError
from hub.manifest import UNMAPPED, ErrorTable

ENVELOPE: Final = "http://schemas.xmlsoap.org/soap/envelope/"
BODY: Final = f"{{{ENVELOPE}}}Body"
FAULT: Final = f"{{{ENVELOPE}}}Fault"
CONTENT_TYPE: Final = "text/xml; charset=utf-8"

XSD: Final = "http://www.w3.org/2001/XMLSchema"
WSDL: Final = "http://schemas.xmlsoap.org/wsdl/"

SETTINGS: Final = Settings(
    strict=True, forbid_dtd=True, forbid_entities=True, forbid_external=True, xml_huge_tree=False
)

# zeep logs messages, and values it cannot convert: none of that may leave by any handler.
logging.getLogger("zeep").propagate = False
logging.getLogger("zeep").addHandler(logging.NullHandler())


class InvalidMessageError(RefusedError):
    """The message breaks the target's contract, so it was not sent; `fields` says where, never what."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        self.fields = fields
        super().__init__("message_invalid")


@dataclass(frozen=True, slots=True)
class SoapFault:
    """How a target says no in SOAP.

    `code` is the local name of its faultcode, `Client` or `Server`; `said` is all that may identify it,
    nearest first: the `code` elements of its detail, the names of the detail's elements, its text.
    """

    code: str
    said: tuple[str, ...]

    @classmethod
    def read(cls, element: Element) -> SoapFault:
        """Read a Fault element."""
        detail = element.find("{*}detail")
        leaves = [] if detail is None else [leaf.text or "" for leaf in detail.iter("{*}code", "{*}Code")]
        names = [] if detail is None else [etree.QName(child).localname for child in detail]
        text = element.findtext("{*}faultstring", "")
        code = element.findtext("{*}faultcode", "").rpartition(":")[2]
        return cls(code, tuple(filter(None, map(str.strip, [*leaves, *names, text]))))

    def failure(self, errors: ErrorTable) -> DeliveryError:
        """Make the error it stands for: an unknown one refuses only when it blames the client."""
        for said in (*self.said, self.code):
            if errors.find(said):
                return errors.failure(said)
        return (RefusedError if self.code.startswith("Client") else UncertainError)(UNMAPPED)


class ContractFolder:
    """All that zeep may load: the files of one folder. It stands where zeep expects its own transport."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def load(self, location: str) -> bytes:
        """Read one file of the folder; raises ConfigurationError for anything else."""
        file = Path(location).resolve()
        if urlsplit(location).scheme or not file.is_relative_to(self._folder):
            raise ConfigurationError(self._folder, f"imports {location}, which is not in this folder")
        try:
            return file.read_bytes()
        except OSError as error:
            raise ConfigurationError(file, error.strerror or "cannot be read") from None


class SoapPort:
    """One document/literal port of one target, compiled from its WSDL when it is made.

    Raises ConfigurationError, when made, for a WSDL that is broken or that imports anything from outside of
    its own folder.
    """

    def __init__(
        self, wsdl: Path, http: HttpClient, errors: ErrorTable, *, unavailable: frozenset[int] = frozenset()
    ) -> None:
        self._http, self._errors, self._unavailable = http, errors, unavailable
        self._operations = load_operations(wsdl)
        self._envelopes = Envelopes(self._operations)
        self._schema = load_schema(wsdl)

    def write(self, operation: str, **fields: Any) -> bytes:
        """Write the envelope of `operation`; raises InvalidMessageError when `fields` break its contract."""
        try:
            envelope = self._envelopes.write(operation, fields)
        except zeep.exceptions.ValidationError as error:
            raise InvalidMessageError((".".join(error.path),)) from None
        except (TypeError, ValueError, AttributeError, zeep.exceptions.Error):
            raise InvalidMessageError((operation,)) from None
        if self._schema and not self._schema.validate(envelope[-1][0]):
            raise InvalidMessageError(paths_in(self._schema.error_log))
        return etree.tostring(envelope, encoding="UTF-8", xml_declaration=True)

    def read(self, operation: str, answer: Answer) -> Any:
        """Read what `operation` answered, as plain values keyed by the WSDL's own names.

        zeep's rule holds: an answer of one single element is given without its wrapper. Raises what the
        errors table says of a fault, and UncertainError("unreadable") for what the contract does not know.
        """
        body = read_body(answer, self._errors, unavailable=self._unavailable)
        bound = self._operations[operation]
        if body.tag != bound.output.body.qname.text or (self._schema and not self._schema.validate(body)):
            raise UncertainError(UNREADABLE)
        try:
            answered = bound.process_reply(body.getroottree().getroot())
        except (TypeError, ValueError, AttributeError, LookupError, zeep.exceptions.Error):
            raise UncertainError(UNREADABLE) from None
        return zeep.helpers.serialize_object(answered, dict)  # type: ignore[no-untyped-call]  # zeep's border

    async def call(self, operation: str, fields: Mapping[str, Any], *, exchange: Exchange, deadline: Deadline) -> Any:
        """Write, send once, read; raises as `write`, `read` and the HTTP client do."""
        try:
            message = self.write(operation, **fields)
        except InvalidMessageError as error:
            exchange.fault = ", ".join(error.fields)
            raise
        headers = {"Content-Type": CONTENT_TYPE, "SOAPAction": f'"{self._operations[operation].soapaction}"'}
        answer = await self._http.call(
            "POST", "", exchange=exchange, deadline=deadline, content=message, headers=headers
        )
        return self.read(operation, answer)


def read_body(answer: Answer, errors: ErrorTable, *, unavailable: frozenset[int] = frozenset()) -> Element:
    """Give the one element of an answer's Body; raises the failure that a fault, then the status, stands for.

    A bare 4xx is a refusal, except 408, which may come from a proxy after the message was passed on.
    """
    element = first_in_body(answer.body)
    if element is not None and element.tag == FAULT:
        raise SoapFault.read(element).failure(errors)
    check_status(answer, unavailable=unavailable)
    if 400 <= answer.status < 500 and answer.status != 408:
        raise RefusedError(f"http_{answer.status}")
    if element is None or answer.status != 200:
        raise UncertainError(UNREADABLE)
    return element


def first_in_body(text: bytes) -> Element | None:
    """Find the first element of a SOAP Body; None when this is no envelope or its Body is empty."""
    try:
        root = parse(text)
    except UncertainError:
        return None
    return root.find(f"{BODY}/*") if root.tag == f"{{{ENVELOPE}}}Envelope" else None


def load_operations(wsdl: Path) -> Mapping[str, Any]:
    """Compile the operations of a WSDL's first SOAP 1.1 port."""
    try:
        folder: Any = ContractFolder(wsdl.parent)
        document = Document(str(wsdl.resolve()), folder, settings=SETTINGS)
    except (zeep.exceptions.Error, etree.LxmlError) as error:
        raise ConfigurationError(wsdl, f"{type(error).__name__}: a WSDL that needs only its folder") from None
    for service in document.services.values():
        for port in service.ports.values():
            if isinstance(port.binding, Soap11Binding):
                return dict(port.binding.all())  # type: ignore[no-untyped-call]  # zeep's border
    raise ConfigurationError(wsdl, "has no SOAP 1.1 port")


def load_schema(wsdl: Path) -> etree.XMLSchema | None:
    """Compile the schemas a WSDL imports, which zeep does not check values against; None when it has none.

    Called after `load_operations`, which has followed every import and found it in the folder.
    """
    imports = parse(wsdl.read_bytes()).findall(f"{{{WSDL}}}types/{{{XSD}}}schema/{{{XSD}}}import")
    if not imports:
        return None
    schema = etree.Element(f"{{{XSD}}}schema")
    for found in imports:
        location = str(wsdl.resolve().parent / found.get("schemaLocation", ""))
        attributes = {"namespace": found.get("namespace", ""), "schemaLocation": location}
        etree.SubElement(schema, f"{{{XSD}}}import", attributes)
    try:
        return etree.XMLSchema(schema)
    except etree.XMLSchemaParseError as error:
        raise ConfigurationError(wsdl, str(error)) from None


def paths_in(log: Any) -> tuple[str, ...]:
    """List where a schema found fault, each once, in the contract's names: `Demandeur.Adresse.Ville`."""
    paths = (".".join(re.findall(r"/(?:\w+:)?([^/]+)", found.path)) for found in log)
    return tuple(dict.fromkeys(paths))
