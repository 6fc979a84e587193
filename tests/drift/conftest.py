"""A town with one target that shows its contract, served by a real server that a test may have say anything."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from hub.catalogue import Catalogue
from hub.drift.comparison import compare, watched
from hub.drift.shelf import Shelf
from hub.settings import Settings, TargetSettings

WSDL = """<?xml version="1.0" encoding="UTF-8"?>
<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
               xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:p="urn:parc" targetNamespace="urn:parc" name="Parc">
  <w:types>
    <xs:schema>
      <xs:import namespace="urn:parc" schemaLocation="parc.xsd"/>
      <xs:import namespace="urn:lieux" schemaLocation="lieux.xsd"/>
    </xs:schema>
  </w:types>
  <w:message name="Garer"><w:part name="parameters" element="p:Garer"/></w:message>
  <w:message name="Liberer"><w:part name="parameters" element="p:Liberer"/></w:message>
  <w:portType name="Parc">
    <w:operation name="Garer"><w:input message="p:Garer"/></w:operation>
    <w:operation name="Liberer"><w:input message="p:Liberer"/></w:operation>
  </w:portType>
  <w:binding name="ParcSoap" type="p:Parc">
    <soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
    <w:operation name="Garer"><soap:operation soapAction="urn:parc#Garer"/></w:operation>
    <w:operation name="Liberer"><soap:operation soapAction="urn:parc#Liberer"/></w:operation>
  </w:binding>
  <w:service name="Parc">
    <w:port name="ParcSoap" binding="p:ParcSoap"><soap:address location="http://adresse.invalid/parc"/></w:port>
  </w:service>
</w:definitions>
"""
PARC = """<?xml version="1.0" encoding="UTF-8"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:p="urn:parc" xmlns:l="urn:lieux"
           targetNamespace="urn:parc" elementFormDefault="qualified">
  <xs:import namespace="urn:lieux" schemaLocation="lieux.xsd"/>
  <xs:element name="Garer">
    <xs:complexType>
      <xs:sequence>
        <xs:element name="Plaque" type="p:Plaque"/>
        <xs:element name="Zone" type="l:Zone"/>
        <xs:element name="Motif" type="xs:string" minOccurs="0"/>
      </xs:sequence>
    </xs:complexType>
  </xs:element>
  <xs:element name="Liberer">
    <xs:complexType><xs:sequence><xs:element name="Numero" type="xs:string"/></xs:sequence></xs:complexType>
  </xs:element>
  <xs:simpleType name="Plaque">
    <xs:restriction base="xs:string"><xs:maxLength value="20"/></xs:restriction>
  </xs:simpleType>
</xs:schema>
"""
LIEUX = """<?xml version="1.0" encoding="UTF-8"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:lieux">
  <xs:simpleType name="Zone">
    <xs:restriction base="xs:string"><xs:enumeration value="VERTE"/><xs:enumeration value="ROUGE"/></xs:restriction>
  </xs:simpleType>
</xs:schema>
"""
SHIPPED = {"parc.wsdl": WSDL, "parc.xsd": PARC, "lieux.xsd": LIEUX}

MANIFEST = """
name = "parc"
title = "Parc"
vendor = "V"
owner = "o"
protocol = "soap"
certainty = "hypothetical"
stage = "Erreur Parc"

[operations.garer]
title = "Garer"
effect = "lookup"
contract = "contract/parc.xsd#Garer"

[operations.liberer]
title = "Libérer"
effect = "once"
contract = "contract/parc.xsd#Liberer"

[[live]]
kind = "wsdl"
path = "?wsdl"
contract = "contract/parc.wsdl"
"""
DATA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["plaque", "zone"],
    "properties": {
        "plaque": {"title": "Plaque", "type": "string", "pattern": "^[A-Z0-9-]*$", "minLength": 1, "maxLength": 20},
        "zone": {"title": "Zone", "enum": ["VERTE", "ROUGE"]},
        "motif": {"title": "Motif", "type": "string", "maxLength": 50},
    },
}
ROUTE = {
    "route": "stationnement",
    "title": "S",
    "owner": "o",
    "steps": [
        {"deliver": "parc", "using": "parc/garer"},
        {"deliver": "parc", "id": "fin", "using": "parc/liberer"},
    ],
}
GARER = {
    "mapping": "parc/garer",
    "from": "stationnement",
    "to": "parc.garer",
    "fields": {"Plaque": "data.plaque", "Zone": "data.zone", "Motif": "data.motif"},
    "examples": [
        {
            "name": "a plate",
            "given": {"data": {"plaque": "AB-123-CD", "zone": "VERTE"}},
            "expect": {"Plaque": "AB-123-CD", "Zone": "VERTE"},
        }
    ],
}
LIBERER = {
    "mapping": "parc/liberer",
    "from": "stationnement",
    "to": "parc.liberer",
    "fields": {"Numero": "$string(number)"},
    "examples": [{"name": "a number", "given": {"number": 100000000}, "expect": {"Numero": "100000000"}}],
}


def write(home, name, content):
    file = home / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))


@dataclass
class Served:
    """What a server answers, by what follows its address, and what it was asked."""

    url: str = ""
    pages: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)

    async def answer(self, request):
        self.asked.append((request.path_qs, request.headers.get("Authorization")))
        said = self.pages.get(request.path_qs, web.Response(status=404))
        if callable(said):
            return await said(request)
        return said if isinstance(said, web.Response) else web.Response(body=said, content_type="text/xml")

    def show(self, *edits, **files):
        """Show the contract at `/parc?wsdl`, with each text of an edit replaced by the other."""
        shown = {**SHIPPED, **{f"{name}.xsd": text for name, text in files.items()}}
        for old, new in edits:
            assert any(old in text for text in shown.values()), old
            shown = {name: text.replace(old, new) for name, text in shown.items()}
        self.pages |= {"/parc?wsdl": shown["parc.wsdl"].encode()}
        self.pages |= {f"/{name}": text.encode() for name, text in shown.items() if name.endswith(".xsd")}


@asynccontextmanager
async def serving(ssl_context=None):
    """Run a server for the length of a block."""
    served = Served()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", served.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context).start()
    served.url = f"{'https' if ssl_context else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    yield served
    await runner.cleanup()


@pytest.fixture
async def server():
    async with serving() as served:
        yield served


@pytest.fixture
async def elsewhere():
    """Another server, which no target names."""
    async with serving() as served:
        yield served


@dataclass
class Town:
    """An installation in a folder: its catalogue, its targets, its shelf."""

    home: Path
    settings: dict

    @property
    def catalogue(self):
        return Catalogue.read(self.home)

    @property
    def shelf(self):
        return Shelf(self.home / "shelf")

    @property
    def targets(self):
        return {"parc": TargetSettings.model_validate({"connector": "parc", **self.settings})}

    @property
    def installation(self):
        told = {"connector": "parc", **self.settings}
        return Settings.model_validate(
            {"homes": [self.home], "contracts": self.home / "shelf", "targets": {"parc": told}}
        )

    @property
    def target(self):
        return watched(self.catalogue, self.targets)["parc"]

    async def compare(self):
        """Compare the one contract of the one target."""
        report = await compare(self.target, self.shelf, self.catalogue, (self.home,))
        [comparison] = report.comparisons
        return comparison

    def declare(self, live):
        """Have the connector's manifest say where its contract is in other words."""
        kept, _, _ = MANIFEST.partition("[[live]]")
        write(self.home, "connectors/parc/connector.toml", kept + live)


@pytest.fixture
def town(tmp_path, server):
    write(tmp_path, "connectors/parc/connector.toml", MANIFEST)
    write(tmp_path, "connectors/parc/errors.toml", "")
    for name, text in SHIPPED.items():
        write(tmp_path, f"connectors/parc/contract/{name}", text)
    write(tmp_path, "routes/stationnement/route.yaml", ROUTE)
    write(tmp_path, "routes/stationnement/schema.json", DATA)
    write(tmp_path, "mappings/parc/garer.yaml", GARER)
    write(tmp_path, "mappings/parc/liberer.yaml", LIBERER)
    return Town(tmp_path, {"settings": {"url": f"{server.url}/parc"}})


def today():
    return datetime.now(UTC)


async def until_cancelled(_request):
    await asyncio.Event().wait()
