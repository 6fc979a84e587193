"""SOAP by a table of calls: the three verbs of a target that a WSDL describes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lxml import etree

from connectors._transport.contract import KEY, Contract, reference_in
from connectors._transport.contract_api import ContractApi
from connectors._transport.http import Answer, HttpClient, HttpSettings, check_status
from connectors._transport.soap import CONTENT_TYPE, WSDL, XSD, InvalidMessageError, SoapPort, first_in_body, read_body
from connectors._transport.xml import UNREADABLE, Element, parse
from connectors._transport.xml_values import read_values
from hub.connector import Deadline, Exchange, Outbound, Receipt
from hub.errors import ConfigurationError, UncertainError
from hub.manifest import ErrorTable

UNKNOWN_TO_US: Final = frozenset({401, 403})
GATEWAYS: Final = frozenset({429, 502, 503, 504})
"""What somebody before the target says, or the target when it is not up."""


@dataclass(frozen=True, slots=True)
class Call:
    """How one operation is called in the WSDL, and where its answer and its message bear references."""

    operation: str
    reference: str = ""
    key: str = ""


class WsdlPort(SoapPort):
    """One port of a target, its messages and answers held to every schema of its WSDL."""

    def __init__(self, wsdl: Path, http: HttpClient, errors: ErrorTable, unavailable: frozenset[int]) -> None:
        super().__init__(wsdl, http, errors, unavailable=unavailable)
        self._schema = load_every_schema(wsdl)

    async def ask(self, operation: str, fields: Mapping[str, Any], message: Outbound) -> Element:
        """Write, send once, and give the element that answers."""
        try:
            content = self.write(operation, **fields)
        except InvalidMessageError as error:
            message.exchange.fault = ", ".join(error.fields)
            raise
        action = f'"{self._operations[operation].soapaction}"'
        headers = {"Content-Type": CONTENT_TYPE, "SOAPAction": action, KEY: message.key}
        answer = await self._http.call(
            "POST", "", exchange=message.exchange, deadline=message.deadline, content=content, headers=headers
        )
        return self.answered(operation, answer)

    def answered(self, operation: str, answer: Answer) -> Element:
        """Give the element that answers an operation; raises what a fault means, and UncertainError for any other."""
        code = f"http_{answer.status}"
        if self._errors.find(code) and first_in_body(answer.body) is None:
            raise self._errors.failure(code)
        body = read_body(answer, self._errors, unavailable=self._unavailable)
        if body.tag != self._operations[operation].output.body.qname.text or not self.allows(body):
            raise UncertainError(UNREADABLE)
        return body

    def allows(self, body: Element) -> bool:
        """Tell whether the schemas allow an element."""
        return self._schema is None or bool(self._schema.validate(body))

    def asked_by(self, body: Element) -> str:
        """Name the operation that an element asks for; "" when none does."""
        bound = self._operations.items()
        return next((name for name, one in bound if one.input.body.qname.text == body.tag), "")

    def answer(self, operation: str, values: Mapping[str, Any]) -> bytes:
        """Write the envelope that answers an operation, as the target would."""
        envelope = self._operations[operation].output.serialize(**values).content
        return etree.tostring(envelope, encoding="UTF-8", xml_declaration=True)


class SoapApi(ContractApi):
    """A target that speaks SOAP 1.1, document/literal."""

    def __init__(
        self, settings: HttpSettings, errors: ErrorTable, contract: Contract, wsdl: str, calls: Mapping[str, Call]
    ) -> None:
        """Speak to the target of these settings; `wsdl` is a file of the contract's folder."""
        super().__init__(settings, errors, contract)
        self._calls = calls
        self._port = WsdlPort(contract.folder / "contract" / wsdl, self._http, errors, settings.unavailable)

    async def deliver(self, message: Outbound) -> Receipt:
        """Call the operation, and take its answer for one only as its contract says it."""
        call = self._calls[message.operation]
        fields = self._contract.fields(message, self._errors, call.key)
        answered = await self._port.ask(call.operation, fields, message)
        shape = self._contract.answered.get(message.operation, {})
        details = self._contract.details(message.operation, read_values(answered, shape))
        return Receipt(reference_in(details, call.reference), details)

    async def probe(self, deadline: Deadline) -> None:
        """Read its address: whatever a SOAP port answers to that, it is there, unless it does not know us."""
        answer = await self._http.call("GET", "", exchange=Exchange(), deadline=deadline)
        if answer.status in GATEWAYS:
            check_status(answer, unavailable=self._unavailable)
        if answer.status in UNKNOWN_TO_US:
            raise self._errors.failure(f"http_{answer.status}")


class Inline(etree.Resolver):
    """Gives the schemas that a WSDL holds to who imports their namespace."""

    def __init__(self, texts: Mapping[str, bytes]) -> None:
        self._texts = texts

    # lxml's stubs do not know the context that it passes.
    def resolve(self, url: str | None, _: object, context: Any) -> Any:  # type: ignore[override]
        """Give the text that a location stands for."""
        text = self._texts.get((url or "").rpartition("/")[2])
        return None if text is None else self.resolve_string(text, context, base_url=url)


def load_every_schema(wsdl: Path) -> etree.XMLSchema | None:
    """Compile the schemas that a WSDL holds and imports; None when it has none. Raises ConfigurationError."""
    found = parse(wsdl.read_bytes()).findall(f"{{{WSDL}}}types/{{{XSD}}}schema")
    names = {schema.get("targetNamespace", ""): f"inline-{place}.xsd" for place, schema in enumerate(found)}
    for schema in found:
        for part in schema.iterfind(f"{{{XSD}}}import"):
            place(part, names, wsdl.resolve().parent)
        for part in schema.iterfind(f"{{{XSD}}}include"):
            place(part, {}, wsdl.resolve().parent)
    parser = etree.XMLParser(no_network=True, resolve_entities=False, load_dtd=False)
    texts = {names[schema.get("targetNamespace", "")]: etree.tostring(schema) for schema in found}
    parser.resolvers.add(Inline(texts))
    whole = etree.Element(f"{{{XSD}}}schema")
    for space, name in names.items():
        named = {"namespace": space} if space else {}
        etree.SubElement(whole, f"{{{XSD}}}import", {**named, "schemaLocation": name})
    try:
        return etree.XMLSchema(etree.fromstring(etree.tostring(whole), parser)) if found else None
    except etree.XMLSchemaParseError as error:
        raise ConfigurationError(wsdl, str(error)) from None


def place(part: Element, names: Mapping[str, str], folder: Path) -> None:
    """Say where an imported schema is: beside the WSDL, or in it."""
    location, space = part.get("schemaLocation"), part.get("namespace", "")
    if location:
        part.set("schemaLocation", str(folder / location))
    elif space in names:
        part.set("schemaLocation", names[space])
