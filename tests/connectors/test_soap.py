"""SOAP over our own HTTP: what each answer means, and a WSDL that can reach nothing but its folder."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import web

from connectors._transport.http import Answer, HttpClient, HttpSettings
from connectors._transport.soap import InvalidMessageError, SoapPort
from hub.connector import Deadline, Exchange
from hub.errors import ConfigurationError, RefusedError, TransientError, UncertainError
from hub.manifest import ErrorRow, ErrorTable
from hub.model import Verdict

CANARY = "CANARI"
ERRORS = ErrorTable(
    error=(
        ErrorRow(code="A2", verdict=Verdict.REFUSED, stage="Refusé"),
        ErrorRow(code="TechIndisponible", verdict=Verdict.TRANSIENT),
        ErrorRow(code="locked", pattern="verrouill", verdict=Verdict.TRANSIENT),
        ErrorRow(code="Client.Auth", verdict=Verdict.TRANSIENT),
    )
)

SCHEMA = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:essai" targetNamespace="urn:essai"
  elementFormDefault="qualified">{imports}
  <xs:element name="Dire"><xs:complexType><xs:sequence>
    <xs:element name="Nom"><xs:simpleType><xs:restriction base="xs:string"><xs:maxLength value="5"/>
      </xs:restriction></xs:simpleType></xs:element>
    <xs:element name="Jour" type="xs:date" minOccurs="0"/>
  </xs:sequence></xs:complexType></xs:element>
  <xs:element name="DireReponse"><xs:complexType><xs:sequence>
    <xs:element name="Numero" type="xs:string"/><xs:element name="Age" type="xs:int" minOccurs="0"/>
  </xs:sequence></xs:complexType></xs:element>
  <xs:element name="Taire"><xs:complexType/></xs:element>
</xs:schema>"""

WSDL = """<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
  xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:e="urn:essai" targetNamespace="urn:essai">{imports}
  <types><xs:schema><xs:import namespace="urn:essai" schemaLocation="essai.xsd"/></xs:schema></types>
  <message name="Dire"><part name="parameters" element="e:Dire"/></message>
  <message name="DireReponse"><part name="parameters" element="e:DireReponse"/></message>
  <portType name="P"><operation name="Dire"><input message="e:Dire"/><output message="e:DireReponse"/></operation>
  </portType>
  <binding name="B" type="e:P"><soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="Dire"><soap:operation soapAction="urn:essai#Dire"/>
      <input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation>
  </binding>
  <service name="S"><port name="P" binding="e:B"><soap:address location="{location}"/></port></service>
</definitions>"""


def envelope(body: str) -> bytes:
    namespace = "http://schemas.xmlsoap.org/soap/envelope/"
    return f'<s:Envelope xmlns:s="{namespace}"><s:Body>{body}</s:Body></s:Envelope>'.encode()


def fault(code: str = "s:Server", text: str = "Erreur", detail: str = "") -> bytes:
    inside = f"<faultcode>{code}</faultcode><faultstring>{text}</faultstring><detail>{detail}</detail>"
    return envelope(f"<s:Fault>{inside}</s:Fault>")


ANSWER = envelope("<DireReponse xmlns='urn:essai'><Numero>7</Numero><Age>3</Age></DireReponse>")
FUNCTIONAL = "<f:FonctionnelleErreur xmlns:f='urn:x'><code>A2</code><libelle>non</libelle></f:FonctionnelleErreur>"


def write_contract(folder, *, wsdl_imports="", schema_imports="", location="http://ailleurs.invalid/"):
    (folder / "essai.xsd").write_text(SCHEMA.format(imports=schema_imports))
    wsdl = folder / "essai.wsdl"
    wsdl.write_text(WSDL.format(imports=wsdl_imports, location=location))
    return wsdl


def port_to(url: str, wsdl, **options) -> SoapPort:
    return SoapPort(wsdl, HttpClient(HttpSettings(url=url)), ERRORS, **options)


@pytest.fixture
def port(tmp_path):
    return port_to("http://127.0.0.1:9/", write_contract(tmp_path), unavailable=frozenset({503}))


@asynccontextmanager
async def serving(answer):
    visits = []

    async def serve(request):
        visits.append((request.method, request.path, request.headers.copy(), await request.read()))
        return answer()

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", serve)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", visits
    finally:
        await runner.cleanup()


def test_an_answer_is_plain_values_under_the_contract_s_names(port):
    assert port.read("Dire", Answer(200, {}, ANSWER)) == {"Numero": "7", "Age": 3}


@pytest.mark.parametrize(
    ("status", "body", "failure", "code"),
    [
        (500, fault(detail=FUNCTIONAL), RefusedError, "A2"),
        (200, fault(detail=FUNCTIONAL), RefusedError, "A2"),
        (500, fault(detail="<TechIndisponible><code>99</code></TechIndisponible>"), TransientError, "TechIndisponible"),
        (500, fault(text="Registre Verrouillé"), TransientError, "locked"),
        (500, fault(code="s:Client.Auth"), TransientError, "Client.Auth"),
        (500, fault(code="s:Client"), RefusedError, "unmapped"),
        (500, fault(code="s:Server"), UncertainError, "unmapped"),
        (503, fault(code="s:Server"), UncertainError, "unmapped"),
        (500, envelope("<s:Fault/>"), UncertainError, "unmapped"),
        (500, b"", UncertainError, "http_500"),
        (502, b"<html>Bad gateway", UncertainError, "http_502"),
        (500, ANSWER, UncertainError, "http_500"),
        (503, b"", TransientError, "http_503"),
        (429, b"", TransientError, "http_429"),
        (401, b"", RefusedError, "http_401"),
        (408, b"", UncertainError, "unreadable"),
        (202, ANSWER, UncertainError, "unreadable"),
        (200, b"", UncertainError, "unreadable"),
        (200, b"<!doctype html><title>Maintenance</title>", UncertainError, "unreadable"),
        (200, ANSWER[:-9], UncertainError, "unreadable"),
        (200, envelope(""), UncertainError, "unreadable"),
        (200, envelope("<Taire xmlns='urn:essai'/>"), UncertainError, "unreadable"),
        (200, envelope("<Autre xmlns='urn:essai'/>"), UncertainError, "unreadable"),
        (200, envelope("<DireReponse xmlns='urn:essai'/>"), UncertainError, "unreadable"),
        (200, ANSWER.replace(b">3<", b">trois<"), UncertainError, "unreadable"),
        (200, ANSWER.replace(b"soap/envelope/", b"2003/05/soap-envelope"), UncertainError, "unreadable"),
        (200, b"<!DOCTYPE s>" + ANSWER, UncertainError, "unreadable"),
    ],
)
def test_each_answer_means_one_thing(port, status, body, failure, code):
    with pytest.raises(failure) as caught:
        port.read("Dire", Answer(status, {}, body))
    assert (type(caught.value), caught.value.code) == (failure, code)


def test_a_fault_brings_the_stage_of_its_row(port):
    with pytest.raises(RefusedError) as caught:
        port.read("Dire", Answer(500, {}, fault(detail=FUNCTIONAL)))
    assert caught.value.stage == "Refusé"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"Nom": CANARY}, "Dire.Nom"),
        ({"Nom": "LÉA", "Jour": "hier"}, "Dire.Jour"),
        ({}, "Dire.Nom"),
        ({"Nom": "LÉA", "Intrus": CANARY}, "Dire"),
        ({"Nom": "L\x00A"}, "Dire"),
        ({"Nom": {"Sous": CANARY}}, "Dire"),
        ({"Nom": "LÉA", "Jour": 3}, "Dire"),
    ],
)
async def test_a_message_that_breaks_the_contract_is_not_sent(port, fields, named):
    exchange = Exchange()
    with pytest.raises(InvalidMessageError, match=r"^message_invalid$"):
        await port.call("Dire", fields, exchange=exchange, deadline=Deadline(timedelta(seconds=5)))
    assert (exchange.sent, exchange.fault) == (b"", named)


async def test_the_bytes_go_to_the_settings_url_and_never_to_the_wsdl_s_location(tmp_path):
    async with (
        serving(lambda: web.Response(body=ANSWER)) as (trap, trapped),
        serving(lambda: web.Response(body=ANSWER)) as (url, visits),
    ):
        port = port_to(f"{url}/guichet", write_contract(tmp_path, location=trap))
        exchange = Exchange()
        await port.call("Dire", {"Nom": "LÉA"}, exchange=exchange, deadline=Deadline(timedelta(seconds=5)))
    (method, path, headers, body) = visits[0]
    assert (method, path, headers["SOAPAction"]) == ("POST", "/guichet", '"urn:essai#Dire"')
    assert "LÉA".encode() in body
    assert (exchange.sent, exchange.answered, exchange.http_status) == (body, ANSWER, 200)
    assert trapped == []


async def test_a_fault_over_http_500_is_understood(tmp_path):
    async with serving(lambda: web.Response(status=500, body=fault(detail=FUNCTIONAL))) as (url, _):
        port = port_to(url, write_contract(tmp_path))
        with pytest.raises(RefusedError, match=r"^A2$"):
            await port.call("Dire", {"Nom": "LÉA"}, exchange=Exchange(), deadline=Deadline(timedelta(seconds=5)))


IMPORTS = {
    "a schema over http": {"schema_imports": "<xs:import namespace='urn:z' schemaLocation='{url}/z.xsd'/>"},
    "a WSDL over http": {"wsdl_imports": "<import namespace='urn:z' location='{url}/z.wsdl'/>"},
    "a schema by file://": {"schema_imports": "<xs:import namespace='urn:z' schemaLocation='file://{out}'/>"},
    "a WSDL by file://": {"wsdl_imports": "<import namespace='urn:z' location='file://{out}'/>"},
    "a schema by an absolute path": {"schema_imports": "<xs:import namespace='urn:z' schemaLocation='{out}'/>"},
    "a WSDL by an absolute path": {"wsdl_imports": "<import namespace='urn:z' location='{out}'/>"},
    "an included schema above": {"schema_imports": "<xs:include schemaLocation='../dehors.xsd'/>"},
    "a link that leads out": {"schema_imports": "<xs:include schemaLocation='lien.xsd'/>"},
    "a file that is not there": {"schema_imports": "<xs:include schemaLocation='absent.xsd'/>"},
}


@pytest.mark.parametrize("imports", IMPORTS.values(), ids=IMPORTS)
async def test_a_wsdl_that_needs_more_than_its_folder_is_refused_and_nothing_is_fetched(tmp_path, imports):
    outside = tmp_path / "dehors.xsd"
    outside.write_text("<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='urn:z'/>")
    folder = tmp_path / "contract"
    folder.mkdir()
    (folder / "lien.xsd").symlink_to(outside)
    async with serving(lambda: web.HTTPFound("/ailleurs.xsd")) as (url, visits):
        written = {name: text.format(url=url, out=outside) for name, text in imports.items()}
        with pytest.raises(ConfigurationError):
            port_to(url, write_contract(folder, **written))
    assert visits == []


@pytest.mark.parametrize(
    "text", ["<!DOCTYPE a [<!ENTITY b 'c'>]><definitions/>", "<definitions", "<definitions xmlns='urn:x'/>"]
)
def test_a_broken_wsdl_refuses_to_start(tmp_path, text):
    wsdl = tmp_path / "x.wsdl"
    wsdl.write_text(text)
    with pytest.raises(ConfigurationError):
        port_to("http://127.0.0.1:9/", wsdl)


async def test_no_message_reaches_a_log(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("zeep", "zeep.transports", "zeep.xsd.types.simple", "zeep.wsdl.bindings.soap"):
        caplog.set_level(logging.DEBUG, logger=name)
    answer = envelope(f"<DireReponse xmlns='urn:essai'><Numero>{CANARY}</Numero><Age>{CANARY}</Age></DireReponse>")
    async with serving(lambda: web.Response(body=answer)) as (url, _):
        port = port_to(url, write_contract(tmp_path))
        with pytest.raises(UncertainError):
            await port.call("Dire", {"Nom": "LÉA"}, exchange=Exchange(), deadline=Deadline(timedelta(seconds=5)))
    assert CANARY not in caplog.text
    assert "LÉA" not in caplog.text
