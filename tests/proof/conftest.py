"""A home of one kind, one query's worth of files, and a connector of its own."""

from pathlib import Path

import pytest

MANIFEST = """
name = "voirie"
title = "Voirie"
vendor = "Exemple"
owner = "direction"
protocol = "soap"
certainty = "hypothetical"
stage = "Erreur Voirie"
[operations.signaler]
title = "Signaler"
effect = "once"
contract = "contract/voirie.wsdl#Signaler"
"""
WSDL = """<?xml version="1.0"?>
<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:xs="http://www.w3.org/2001/XMLSchema"
  xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:v="urn:v" targetNamespace="urn:v" name="Voirie">
  <w:types><xs:schema targetNamespace="urn:v">
    <xs:element name="Signaler"><xs:complexType><xs:sequence>
      <xs:element name="Reference" type="xs:string"/><xs:element name="Lieu"><xs:simpleType>
        <xs:restriction base="xs:string"><xs:maxLength value="40"/></xs:restriction></xs:simpleType></xs:element>
    </xs:sequence></xs:complexType></xs:element>
    <xs:element name="Chercher"><xs:complexType><xs:sequence>
      <xs:element name="Reference" type="xs:string"/></xs:sequence></xs:complexType></xs:element>
    <xs:element name="Panne"><xs:complexType><xs:sequence>
      <xs:element name="texte" type="xs:string"/></xs:sequence></xs:complexType></xs:element>
  </xs:schema></w:types>
  <w:message name="Signaler"><w:part name="p" element="v:Signaler"/></w:message>
  <w:message name="Chercher"><w:part name="p" element="v:Chercher"/></w:message>
  <w:message name="Panne"><w:part name="p" element="v:Panne"/></w:message>
  <w:portType name="Voirie">
    <w:operation name="Signaler"><w:input message="v:Signaler"/><w:fault name="Panne" message="v:Panne"/></w:operation>
    <w:operation name="Chercher"><w:input message="v:Chercher"/></w:operation>
  </w:portType>
  <w:binding name="B" type="v:Voirie">
    <soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
    <w:operation name="Signaler"><soap:operation soapAction="urn:v#Signaler"/></w:operation>
  </w:binding>
</w:definitions>"""
SCHEMA = """{
  "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "title": "Trou",
  "additionalProperties": false, "required": ["lieu"],
  "properties": {"lieu": {"title": "Lieu", "type": "string", "minLength": 1, "maxLength": 200}}
}"""
MAPPING = """mapping: voirie/trou
from: trou
to: voirie.signaler
fields:
  Reference: $string(number)
  Lieu: $cut(data.lieu, 40)
examples:
  - name: a place
    given: {number: 167046020, data: {lieu: rue}}
    expect: {Reference: '167046020', Lieu: rue}
"""
ROUTE = """route: trou
title: Trou dans la chaussée
owner: direction
steps:
  - {deliver: voirie, using: voirie/trou}
"""
TOLD = """mapping: voirie/etape
from: '*'
to: voirie.signaler
fields: {Reference: $string(number), Lieu: '"mairie"'}
examples:
  - name: a stage
    given: {number: 167046020}
    bindings: {stage: {stage: Accepté, status: done, final: true, message: m, sequence: 1, at: '2026-09-07T09:00:00Z'}}
    expect: {Reference: '167046020', Lieu: mairie}
"""
SAMPLE = (
    """{"kind": "trou", "applicant": {"identity": {"family_name": "A", "given_name": "B"}}, "data": {"lieu": "%s"}}"""
)
ERRORS = """[[error]]
code = "Panne"
verdict = "transient"
"""
STAGES = "stages:\n" + "".join(
    f"  {label}: {{message: m}}\n"
    for label in (
        "Demande reçue",
        "En cours d'intégration",
        "Erreur lors de l'intégration de la demande",
        "Accepté",
        "Refusé",
        "Demande annulée",
        "Demande finalisée manuellement après erreur d'intégration",
    )
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Write a home whose only faults are those that a test makes; its operation is looked up by nobody."""
    accepted = MANIFEST + 'allow_once = "la recherche ne répond que le lendemain"\n'
    files = {
        "connectors/voirie/connector.toml": accepted,
        "connectors/voirie/errors.toml": ERRORS,
        "connectors/voirie/contract/voirie.wsdl": WSDL,
        "mappings/voirie/trou.yaml": MAPPING,
        "mappings/voirie/etape.yaml": TOLD,
        "routes/stages.yaml": STAGES,
        "routes/trou/route.yaml": ROUTE,
        "routes/trou/schema.json": SCHEMA,
        **{f"routes/trou/samples/{place}.json": SAMPLE % place for place in ("rue", "place", "quai")},
    }
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return tmp_path
