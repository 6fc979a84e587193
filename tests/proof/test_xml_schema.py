"""XSD and WSDL become JSON Schema: what the one accepts the other does, element by element."""

from pathlib import Path

import jsonschema_rs
import pytest
from lxml import etree

from hub.contracts import read_schema
from hub.contracts.xml_schema import operations_of_wsdl, schema_of_element
from hub.errors import ConfigurationError
from hub.proof.witnesses import Witnesses, opened

ROOT = Path(__file__).parents[2]
XSD = """<?xml version="1.0"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" targetNamespace="urn:t"
           elementFormDefault="qualified">
  <xs:include schemaLocation="http://editeur.example/xsd/commun.xsd"/>
  <xs:element name="Depot"><xs:complexType><xs:complexContent><xs:extension base="t:Demande"><xs:sequence>
    <xs:choice><xs:element name="Siret" type="t:Siret"/><xs:element name="Rna" type="xs:string"/></xs:choice>
    <xs:choice minOccurs="0">
      <xs:sequence><xs:element name="Voie" type="xs:string"/><xs:element name="Ville" type="xs:string"/></xs:sequence>
      <xs:element name="Point" type="xs:string"/>
    </xs:choice>
    <xs:element name="Piece" type="t:Piece" minOccurs="0" maxOccurs="3"/>
    <xs:element name="Enfant" type="t:Enfant" minOccurs="0"/>
    <xs:element name="Fin" type="xs:date" nillable="true"/>
  </xs:sequence></xs:extension></xs:complexContent></xs:complexType></xs:element>
  <xs:complexType name="Demande" abstract="true"><xs:sequence>
    <xs:element name="Quand" type="xs:dateTime"/><xs:element name="Motif" type="t:Motif"/>
    <xs:element name="Montant" type="t:Montant" minOccurs="0"/>
  </xs:sequence></xs:complexType>
  <xs:complexType name="Enfant"><xs:sequence>
    <xs:element name="Nom" type="xs:string"/>
    <xs:element name="Frere" type="t:Enfant" minOccurs="0" maxOccurs="unbounded"/>
  </xs:sequence></xs:complexType>
  <xs:complexType name="Piece"><xs:simpleContent><xs:extension base="xs:string">
    <xs:attribute name="type" type="xs:string" use="required"/></xs:extension></xs:simpleContent></xs:complexType>
</xs:schema>"""
COMMON = """<?xml version="1.0"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:simpleType name="Siret"><xs:restriction base="xs:string">
    <xs:pattern value="[0-9]{14}"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="Motif"><xs:restriction base="xs:string">
    <xs:enumeration value="A"/><xs:enumeration value="B"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="Montant"><xs:restriction base="xs:decimal">
    <xs:minInclusive value="0"/><xs:maxInclusive value="999.99"/></xs:restriction></xs:simpleType>
</xs:schema>"""


@pytest.fixture
def depot(tmp_path):
    (tmp_path / "depot.xsd").write_text(XSD, "utf-8")
    (tmp_path / "commun.xsd").write_text(COMMON, "utf-8")
    return tmp_path / "depot.xsd"


USUAL = {"Quand": "2026-09-07T09:00:00", "Motif": "A", "Rna": "W131000000", "Fin": None}


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        ({}, True),
        ({"Motif": "C"}, False),
        ({"Quand": "hier"}, False),
        ({"Montant": 12.5}, True),
        ({"Montant": 1000}, False),
        ({"Siret": "21130001500014"}, False),
        ({"Rna": ..., "Siret": "21130001500014"}, True),
        ({"Rna": ..., "Siret": "2113"}, False),
        ({"Rna": ...}, False),
        ({"Voie": "1 rue", "Ville": "Arles"}, True),
        ({"Voie": "1 rue"}, False),
        ({"Point": "43,5"}, True),
        ({"Point": "43,5", "Ville": "Arles", "Voie": "1 rue"}, False),
        ({"Piece": [{"_value_1": "x", "type": "pdf"}] * 3}, True),
        ({"Piece": [{"_value_1": "x", "type": "pdf"}] * 4}, False),
        ({"Piece": [{"_value_1": "x"}]}, False),
        ({"Fin": "2026-09-07"}, True),
        ({"Fin": ...}, False),
        ({"Enfant": {"Nom": "a", "Frere": [{"Nom": "b", "Frere": []}]}}, True),
        ({"Enfant": {"Nom": "a", "Frere": [{}]}}, False),
        ({"Inconnu": 1}, False),
    ],
)
def test_a_schema_takes_what_the_xsd_takes(depot, change, taken):
    value = {name: said for name, said in (USUAL | change).items() if said is not ...}
    schema = schema_of_element(depot, "Depot")
    assert jsonschema_rs.Draft202012Validator(schema, validate_formats=True).is_valid(value) is taken


def test_elements_keep_the_order_of_the_sequence_that_of_the_base_first(depot):
    names = list(schema_of_element(depot, "Depot")["properties"])
    assert names[:5] == ["Quand", "Motif", "Montant", "Siret", "Rna"]
    assert names[-1] == "Fin"


def test_a_type_is_given_by_its_name_where_no_element_has_it(depot):
    assert schema_of_element(depot, "Enfant")["required"] == ["Nom"]
    with pytest.raises(ConfigurationError, match="no complex type is called 'Enfants'"):
        schema_of_element(depot, "Enfants")


def test_what_is_not_beside_the_file_is_not_fetched(depot):
    (depot.parent / "commun.xsd").unlink()
    with pytest.raises(ConfigurationError, match="nothing is fetched: put commun"):
        schema_of_element(depot, "Depot")


def test_a_type_that_is_nowhere_is_found_with_its_line(depot):
    depot.write_text(XSD.replace('"t:Motif"', '"t:Motifs"'), "utf-8")
    with pytest.raises(ConfigurationError, match=r"depot\.xsd:16: no simpleType is called 'Motifs'"):
        schema_of_element(depot, "Depot")


def test_entities_of_a_schema_are_not_opened(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("valeur-secrete", "utf-8")
    entity = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'
    file = tmp_path / "x.xsd"
    file.write_text(XSD.replace("?>", f"?>{entity}", 1).replace('name="Depot">', 'name="Depot">&e;', 1), "utf-8")
    (tmp_path / "commun.xsd").write_text(COMMON, "utf-8")
    assert "valeur-secrete" not in str(schema_of_element(file, "Depot"))


def test_a_contract_names_the_part_of_it_that_a_mapping_writes(depot):
    with pytest.raises(ConfigurationError, match="say which part of it a mapping writes"):
        read_schema(depot)
    assert read_schema(depot, "Depot")["type"] == "object"


def test_the_operations_of_a_wsdl_are_read_with_their_faults():
    operations = {one.name: one for one in operations_of_wsdl(ROOT / "connectors/payfip/contract/payfip.wsdl")}
    create = operations["creerPaiementSecurise"]
    assert list(create.input["properties"]) == ["arg0"]
    assert [fault.name for fault in create.faults][:1] == ["FonctionnelleErreur"]
    assert create.address.startswith("https://")
    assert create.output_element == "creerPaiementSecuriseResponse"


def test_every_witness_of_an_element_is_valid_against_its_xsd():
    """What the JSON Schema allows at its extremes, the XSD it was made from allows too."""
    folder = ROOT / "connectors/technocarte/contract/demandes.xsd"
    element = "SchoolCanteenRegistrationRequest"
    xsd = etree.XMLSchema(file=str(folder))
    schema = schema_of_element(folder, element)
    found = [witness for witness in Witnesses(schema) if not _has_control(witness.document)]
    assert len(found) > 50
    for witness in found:
        said = etree.tostring(_element(element, witness.document, schema, schema))
        assert xsd.validate(etree.fromstring(said)), (witness.said, xsd.error_log)


def _element(name, value, schema, root):
    """Write an element, what it holds in the schema's order."""
    node, fields = etree.Element(name), opened(schema, root).get("properties", {})
    for child in sorted(value, key=list(fields).index) if isinstance(value, dict) else ():
        field = opened(fields[child], root)
        each = value[child] if field.get("type") == "array" else [value[child]]
        node.extend(_element(child, one, field.get("items", field), root) for one in each)
    if not isinstance(value, dict):
        node.text = str(value).lower() if isinstance(value, bool) else str(value)
    return node


def _has_control(value):
    match value:
        case dict():
            return any(map(_has_control, value.values()))
        case list():
            return any(map(_has_control, value))
        case str():
            return "\x01" in value
    return False
