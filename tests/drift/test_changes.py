"""Each change of a live contract is found, with the mappings it breaks and no other; the cosmetic raises nothing."""

import re

import pytest

from hub.drift.comparison import Standing, accept
from tests.drift.conftest import LIEUX, PARC, write

PLAQUE = '<xs:element name="Plaque" type="p:Plaque"/>'
MOTIF = '<xs:element name="Motif" type="xs:string" minOccurs="0"/>'
ROUGE = '<xs:enumeration value="ROUGE"/>'
LIBERER = '<xs:element name="Numero" type="xs:string"/>'

CHANGES = [
    pytest.param(
        ('<xs:maxLength value="20"/>', '<xs:maxLength value="9"/>'),
        {("Garer.Plaque", "shortened")},
        {("parc/garer", "Plaque")},
        id="shortened",
    ),
    pytest.param(
        ('<xs:maxLength value="20"/>', '<xs:maxLength value="30"/>'),
        {("Garer.Plaque", "lengthened")},
        set(),
        id="lengthened",
    ),
    pytest.param(
        (MOTIF, MOTIF + '<xs:element name="Payeur" type="xs:string"/>'),
        {("Garer.Payeur", "added")},
        {("parc/garer", "Payeur")},
        id="a required element added",
    ),
    pytest.param(
        (MOTIF, MOTIF + '<xs:element name="Payeur" type="xs:string" minOccurs="0"/>'),
        {("Garer.Payeur", "added")},
        set(),
        id="an optional element added",
    ),
    pytest.param((MOTIF, ""), {("Garer.Motif", "removed")}, {("parc/garer", "Motif")}, id="removed"),
    pytest.param(
        (MOTIF, MOTIF.replace(' minOccurs="0"', "")),
        {("Garer.Motif", "made required")},
        {("parc/garer", "Motif")},
        id="made required",
    ),
    pytest.param(
        (PLAQUE, PLAQUE.replace("/>", ' minOccurs="0"/>')),
        {("Garer.Plaque", "made optional")},
        set(),
        id="made optional",
    ),
    pytest.param((ROUGE, ""), {("Garer.Zone", "values removed")}, {("parc/garer", "Zone")}, id="value dropped"),
    pytest.param(
        (ROUGE, f'{ROUGE}<xs:enumeration value="BLEUE"/>'), {("Garer.Zone", "values added")}, set(), id="value added"
    ),
    pytest.param(
        (LIBERER, LIBERER.replace("xs:string", "xs:int")),
        {("Liberer.Numero", "type changed")},
        {("parc/liberer", "Numero")},
        id="type changed",
    ),
    pytest.param(
        (LIBERER, LIBERER.replace("Numero", "Ticket")),
        {("Liberer.Numero", "removed"), ("Liberer.Ticket", "added")},
        {("parc/liberer", "Numero"), ("parc/liberer", "Ticket")},
        id="renamed",
    ),
    pytest.param(
        (
            f'{PLAQUE}\n        <xs:element name="Zone" type="l:Zone"/>',
            f'<xs:element name="Zone" type="l:Zone"/>{PLAQUE}',
        ),
        {("Garer", "altered")},
        set(),
        id="order within an element",
    ),
    pytest.param(
        ('soapAction="urn:parc#Garer"', 'soapAction="urn:parc#Stationner"'),
        {("operation Garer", "altered")},
        set(),
        id="action",
    ),
    pytest.param(
        (' elementFormDefault="qualified"', ""),
        {("element Garer urn:parc", "altered"), ("element Liberer urn:parc", "altered")},
        set(),
        id="form",
    ),
]


@pytest.mark.parametrize(("edit", "differences", "breaks"), CHANGES)
async def test_a_change_is_found_with_the_mappings_that_it_breaks_and_no_other(town, server, edit, differences, breaks):
    server.show(edit)
    found = await town.compare()
    assert found.standing is Standing.CHANGED
    assert {(one.element, str(one.change)) for one in found.differences} == differences
    assert {(one.mapping, one.element) for one in found.breaks} == breaks
    assert all(one.file == f"mappings/{one.mapping}.yaml" for one in found.breaks)


TURNED = re.sub(r"\bxs\b", "x", re.sub(r"\bp(?=:[A-Z]|=)", "q", PARC))
START, LAST = PARC.index('  <xs:element name="Garer"'), PARC.index("  <xs:simpleType")
MOVED = PARC[:START] + PARC[LAST:].replace("</xs:schema>\n", "") + PARC[START:LAST] + "</xs:schema>\n"
FIRST, SECOND = (f'<xs:import namespace="urn:{name}" schemaLocation="{name}.xsd"/>' for name in ("parc", "lieux"))
OPERATIONS = [
    f'<w:operation name="{name}"><w:input message="p:{name}"/></w:operation>' for name in ("Garer", "Liberer")
]

COSMETIC = {
    "a comment": ("<w:types>", "<!-- Mai 2026 --><w:types>"),
    "blanks": ("<xs:sequence>", "<xs:sequence>\n\n   "),
    "documentation": (
        '<xs:simpleType name="Plaque">',
        '<xs:simpleType name="Plaque"><xs:annotation><xs:documentation>La plaque</xs:documentation></xs:annotation>',
    ),
    "other prefixes": (PARC, TURNED),
    "definitions in another order": (PARC, MOVED),
    "imports in another order": (f"{FIRST}\n      {SECOND}", SECOND + FIRST),
    "operations in another order": ("\n    ".join(OPERATIONS), "".join(reversed(OPERATIONS))),
    "values in another order": (
        f'<xs:enumeration value="VERTE"/>{ROUGE}',
        f'{ROUGE}<xs:enumeration value="VERTE"/>',
    ),
    "defaults written out": (PLAQUE, PLAQUE.replace("/>", ' minOccurs="1" maxOccurs="1" nillable="false"/>')),
}


@pytest.mark.parametrize("edit", COSMETIC.values(), ids=COSMETIC)
async def test_what_is_cosmetic_raises_nothing(town, server, edit):
    server.show(edit)
    found = await town.compare()
    assert (found.standing, found.differences, found.breaks) == (Standing.COSMETIC, (), ())


async def test_the_very_contract_is_unchanged_wherever_its_server_says_it_is(town, server):
    server.show(("http://adresse.invalid/parc", "https://parc.ville.example/ws"))
    found = await town.compare()
    assert (found.standing, found.against) == (Standing.UNCHANGED, "parc/contract/parc.wsdl")


async def test_a_schema_that_stands_within_the_wsdl_says_the_same(town, server):
    within = [text.partition("?>\n")[2].replace(SECOND, '<xs:import namespace="urn:lieux"/>') for text in (PARC, LIEUX)]
    types = f"<xs:schema>\n      {FIRST}\n      {SECOND}\n    </xs:schema>"
    server.show((types, "".join(within)))
    assert (await town.compare()).differences == ()


async def test_a_contract_that_cannot_be_taken_apart_any_more_has_changed(town, server):
    server.show(('<xs:simpleType name="Plaque">', '<xs:simpleType name="Immatriculation">'))
    found = await town.compare()
    assert found.standing is Standing.CHANGED
    assert {one.mapping for one in found.breaks} == {"parc/garer"}


async def test_what_is_accepted_is_what_the_hub_goes_by(town, server):
    server.show((ROUGE, ""))
    assert await accept(town.target, town.shelf, "annoncé par l'éditeur") == ["wsdl"]
    found = await town.compare()
    assert found.standing is Standing.UNCHANGED
    assert found.against.endswith("annoncé par l'éditeur")
    server.show()
    assert [str(one) for one in (await town.compare()).differences] == ["Garer.Zone: values added (– → ROUGE)"]


async def test_a_contract_without_a_copy_is_compared_with_what_was_seen_first(town, server):
    town.declare('[[live]]\nkind = "wsdl"\npath = "?wsdl"\n')
    server.show()
    assert (await town.compare()).standing is Standing.FIRST_SEEN
    assert (await town.compare()).standing is Standing.UNCHANGED
    server.show((ROUGE, ""))
    assert (await town.compare()).standing is Standing.CHANGED


async def test_a_mapping_whose_connector_has_its_own_contract_is_known_by_its_names(town, server):
    manifest = town.home / "connectors/parc/connector.toml"
    own = manifest.read_text().replace("contract/parc.xsd#Garer", "contract/garer.json")
    manifest.write_text(own + '\n[live.operations]\ngarer = "Garer"\n')
    write(town.home, "connectors/parc/contract/garer.json", {"type": "object"})
    server.show(('<xs:maxLength value="20"/>', '<xs:maxLength value="9"/>'))
    [broken] = (await town.compare()).breaks
    assert (broken.mapping, broken.element) == ("parc/garer", "Garer.Plaque")
    server.show((LIBERER, f'{LIBERER}<xs:element name="Motif" type="xs:string"/>'))
    [broken] = (await town.compare()).breaks
    assert (broken.mapping, broken.element) == ("parc/liberer", "Motif")
