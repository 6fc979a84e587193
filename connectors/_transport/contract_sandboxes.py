"""The stand-ins of each protocol that a contract may be of: JSON, SOAP, GraphQL, XML documents."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import graphql
import orjson
from aiohttp import web
from lxml import etree
from pydantic import HttpUrl

from connectors._transport.contract_sandbox import ContractSandbox
from connectors._transport.graphql_api import PROBE, Ask
from connectors._transport.http import HttpClient, HttpSettings
from connectors._transport.json_api import PLACE, WHOLE, Call
from connectors._transport.soap import CONTENT_TYPE, ENVELOPE, first_in_body
from connectors._transport.soap_api import Call as SoapCall
from connectors._transport.soap_api import WsdlPort
from connectors._transport.xml import parse
from connectors._transport.xml_api import XML, Document, Documents
from connectors._transport.xml_values import opened, read_text, sort_of
from hub.errors import UncertainError
from hub.manifest import ErrorTable

NOWHERE: Final = HttpSettings(url=HttpUrl("http://127.0.0.1:9/"))
INVALID: Final = "CONTRAT"


class JsonSandbox(ContractSandbox):
    """A stand-in that speaks JSON over HTTP, by a table of calls."""

    calls: Mapping[str, Call]

    def told_by_an_empty_answer(self) -> tuple[str, ...]:
        """Name the operations of which 200 and nothing else is no answer."""
        calls = self.calls.items()
        return tuple(name for name, call in calls if name in self.contract.answers or 200 not in call.accepted)

    async def is_delivery(self, request: web.Request) -> bool:
        """Tell a call of an operation from a probe."""
        return self._named(request) is not None

    async def serve(self, request: web.Request) -> web.Response:
        """Answer a call by its operation's exchange."""
        named = self._named(request)
        if named is None:
            return web.json_response({}, status=200 if request.path == "/" else 404)
        operation, found = named
        fields = await self._fields(operation, found, request)
        if not self.allows(operation, fields):
            return web.json_response({"code": INVALID}, status=400)
        self.accept(operation, request)
        exchanged = self.contract.exchanges[operation]
        if exchanged.answered is None and operation not in self.contract.answers:
            return web.Response(status=exchanged.status)
        content = orjson.dumps(exchanged.answered)
        return web.Response(status=exchanged.status, body=content, content_type="application/json")

    def refuse(self, code: str) -> web.Response:
        """Refuse by a status."""
        return web.json_response({}, status=int(code.removeprefix("http_")))

    def _named(self, request: web.Request) -> tuple[str, Mapping[str, str]] | None:
        """Find the operation that a request calls, the one that says most of its path, and what its path says."""
        found = [
            (len(PLACE.sub("", call.path)), name, matched.groups())
            for name, call in self.calls.items()
            if call.method == request.method and (matched := pattern(call.path).fullmatch(request.path))
        ]
        if not found:
            return None
        _, name, said = max(found)
        return name, dict(zip(PLACE.findall(self.calls[name].path), said, strict=True))

    async def _fields(self, operation: str, found: Mapping[str, str], request: web.Request) -> Any:
        call, shape = self.calls[operation], self.contract.asked[operation]
        content = await request.read()
        body = orjson.loads(content) if content else None
        if call.body == WHOLE:
            return body
        said: dict[str, Any] = {**found, **{name: request.headers.get(name) for name in call.headers}}
        said |= {name: request.query.getall(name) for name in call.query if name in request.query}
        fields = {name: typed(value, opened(shape["properties"][name], shape)) for name, value in said.items()}
        fields |= {call.body: body} if call.body else {}
        return {name: value for name, value in fields.items() if value is not None}


def pattern(path: str) -> re.Pattern[str]:
    """Write the pattern that the paths of a call have."""
    return re.compile("([^/]+)".join(re.escape(part) for part in re.split(PLACE.pattern.replace("(", "(?:"), path)))


def typed(said: Any, schema: Mapping[str, Any]) -> Any:
    """Read what an address or a header says as its schema means it."""
    if isinstance(said, list):
        values = [read_text(one, opened(schema.get("items", schema), schema)) for one in said]
        return values if sort_of(schema) == "array" else values[0]
    return said if said is None else read_text(said, schema)


class GraphqlSandbox(ContractSandbox):
    """A stand-in that executes GraphQL against its schema, on the answers of its exchanges."""

    schema: str
    asks: Mapping[str, Ask]

    def __init__(self) -> None:
        super().__init__()
        contract = self.folder / "contract"
        self._schema = graphql.build_schema((contract / self.schema).read_text("utf-8"))
        self._named = {(contract / f"{name}.graphql").read_text("utf-8"): name for name in self.asks}

    async def is_delivery(self, request: web.Request) -> bool:
        """Tell an operation from the question whether it is up."""
        return request.method == "POST" and await request.read() != PROBE

    async def serve(self, request: web.Request) -> web.Response:
        """Execute what is asked."""
        said = orjson.loads(await request.read())
        operation = self._named.get(said["query"], "")
        answers = {self.asks[operation].field: self.contract.exchanges[operation].answered} if operation else {}
        result = graphql.graphql_sync(self._schema, said["query"], answers, variable_values=said.get("variables"))
        if operation and not result.errors:
            self.accept(operation, request)
        return web.json_response(result.formatted, status=400 if result.data is None else 200)

    def refuse(self, code: str) -> web.Response:
        """Refuse before anything is begun."""
        return web.json_response({"errors": [{"message": "no", "extensions": {"code": code}}]})


class SoapSandbox(ContractSandbox):
    """A stand-in that reads SOAP against the schemas of its WSDL."""

    wsdl: str
    calls: Mapping[str, SoapCall]

    def __init__(self) -> None:
        super().__init__()
        wsdl = self.folder / "contract" / self.wsdl
        self._port = WsdlPort(wsdl, HttpClient(NOWHERE), ErrorTable(), frozenset())
        self._names = {call.operation: name for name, call in self.calls.items()}

    def told_by_an_empty_answer(self) -> tuple[str, ...]:
        """Name every operation: no envelope is no answer."""
        return tuple(self.contract.effects)

    async def is_delivery(self, request: web.Request) -> bool:
        """Tell a call from the question whether it is up."""
        return request.method == "POST"

    async def serve(self, request: web.Request) -> web.Response:
        """Answer a call by its operation's exchange."""
        if request.method != "POST":
            return web.Response(text="SOAP")
        body = first_in_body(await request.read())
        called = "" if body is None else self._port.asked_by(body)
        if body is None or called not in self._names or not self._port.allows(body):
            return fault("Client", "the message breaks the contract")
        operation = self._names[called]
        self.accept(operation, request)
        answered = self.contract.exchanges[operation].answered
        return web.Response(body=self._port.answer(called, answered), headers={"Content-Type": CONTENT_TYPE})

    def refuse(self, code: str) -> web.Response:
        """Refuse by a fault whose detail is named so."""
        return fault("Server", "refused", code)


def fault(code: str, said: str, detail: str = "") -> web.Response:
    """Write a SOAP fault."""
    root = etree.Element(f"{{{ENVELOPE}}}Envelope", nsmap={"s": ENVELOPE})
    within = etree.SubElement(etree.SubElement(root, f"{{{ENVELOPE}}}Body"), f"{{{ENVELOPE}}}Fault")
    etree.SubElement(within, "faultcode").text = f"s:{code}"
    etree.SubElement(within, "faultstring").text = said
    if detail:
        etree.SubElement(etree.SubElement(within, "detail"), detail)
    return web.Response(status=500, body=etree.tostring(root), headers={"Content-Type": CONTENT_TYPE})


class XmlSandbox(ContractSandbox):
    """A stand-in that reads XML documents against their schema."""

    xsd: str
    documents: Mapping[str, Document]

    def __init__(self) -> None:
        super().__init__()
        self._schema = Documents(self.folder / "contract" / self.xsd)

    async def serve(self, request: web.Request) -> web.Response:
        """Answer a document by its operation's exchange."""
        if request.method != "POST":
            return web.Response(text="XML")
        try:
            root = parse(await request.read())
        except UncertainError:
            return web.Response(status=400)
        documents = self.documents.items()
        operation = next((name for name, one in documents if self._schema.allows(root, one.element)), "")
        if not operation:
            return web.Response(status=400)
        self.accept(operation, request)
        if not self.documents[operation].answer:
            return web.Response(status=201)
        answer = self._schema.write(self.documents[operation].answer, self.contract.exchanges[operation].answered)
        return web.Response(body=etree.tostring(answer, encoding="UTF-8"), headers=XML)

    def refuse(self, code: str) -> web.Response:
        """Refuse by a status."""
        return web.Response(status=int(code.removeprefix("http_")))
