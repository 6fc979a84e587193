"""A skeleton shows every element of a contract, and feeds it only by what is proved to fit."""

import pytest
import yaml

from hub.catalogue import Catalogue
from hub.contracts import read_contract
from hub.mapping import CompiledMapping
from hub.scaffold.examples import example_of
from hub.scaffold.skeleton import Wanted, write_skeleton
from hub.settings import HOME

CATALOGUE = Catalogue.read(HOME)
OPERATIONS = [
    (name, operation)
    for name, manifest in CATALOGUE.manifests.items()
    for operation in manifest.operations
    if (contract := read_contract(CATALOGUE.packages[name].folder, manifest, operation)) and contract.schema
]
DATA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["objet", "vu_le"],
    "properties": {
        "objet": {"type": "string", "minLength": 1, "maxLength": 200},
        "vu_le": {"type": "string", "format": "date"},
        "etat": {"type": "string", "enum": ["SAIN", "MORT"]},
        "lieux": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "string", "maxLength": 100}},
    },
}
SAMPLE = {
    "kind": "voirie.arbre",
    "applicant": {"identity": {"family_name": "Martin", "given_name": "Léa", "verified": False}, "contact": {}},
    "data": {"objet": "Un arbre", "vu_le": "2026-09-07", "lieux": ["Rue Basse"]},
}


def skeleton(**properties):
    """Write the skeleton of a contract whose elements are all required, from the kind above."""
    contract = {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": False}
    return write_skeleton(Wanted("a/b", "a.b", "voirie.arbre", contract, DATA, SAMPLE))


def fed(**properties):
    return yaml.safe_load(skeleton(**properties))["fields"]


@pytest.mark.parametrize(
    ("element", "schema", "expected"),
    [
        ("Objet", {"type": "string"}, "data.objet"),
        ("Objet", {"type": "string", "maxLength": 50}, "$cut(data.objet, 50)"),
        ("vuLe", {"type": "string", "format": "date"}, "data.vu_le"),
        ("Nom", {"type": "string", "minLength": 1, "maxLength": 30}, "$cut(applicant.identity.family_name, 30)"),
        ("ReferenceExterne", {"type": "string", "maxLength": 40}, "$key"),
    ],
)
def test_an_element_is_fed_by_what_bears_its_name_and_always_fits(element, schema, expected):
    assert fed(**{element: schema}) == {element: expected}


@pytest.mark.parametrize(
    ("element", "schema"),
    [
        ("etat", {"type": "string", "enum": ["SAIN", "MALADE"]}),
        ("Objet", {"type": "integer"}),
        ("Objet", {"type": "string", "pattern": "^[A-Z]+$"}),
        ("Courriel", {"type": "string", "minLength": 1}),
    ],
)
def test_what_might_not_fit_is_not_guessed_but_the_sample_of_the_contract(element, schema):
    [said] = fed(**{element: schema}).values()
    assert yaml.safe_load(said) == example_of(schema) or said.startswith('"')


def test_what_resembles_an_element_without_always_fitting_is_named_beside_it():
    text = skeleton(Courriel={"type": "string", "minLength": 1, "maxLength": 80})
    assert "# required, text, at least 1 long, at most 80 long; like applicant.contact.email" in text


def test_what_is_optional_is_fed_where_it_can_be_and_shown_behind_a_sign_where_not():
    contract = {"type": "object", "properties": {"objet": {"type": "string"}, "autre": {"type": "integer"}}}
    text = write_skeleton(Wanted("a/b", "a.b", "voirie.arbre", contract, DATA, SAMPLE))
    assert "  objet: data.objet  # text\n  # autre: integer\n" in text


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[".".join(one) for one in OPERATIONS])
def test_every_operation_of_ours_has_a_skeleton_that_its_contract_takes(name, operation):
    contract = read_contract(CATALOGUE.packages[name].folder, CATALOGUE.manifests[name], operation)
    text = write_skeleton(Wanted(f"{name}/{operation}", f"{name}.{operation}", "*", contract.schema))
    mapping = CompiledMapping.read("skeleton.yaml", text)
    [example] = mapping.examples
    assert list(contract.validator.iter_errors(example.expect)) == []


def test_a_kind_has_titles_in_french_and_three_samples(scaffolded):
    folder = scaffolded.folder / "routes/voirie_arbre"
    assert len(list(folder.glob("samples/*.json"))) == 3
    assert '"title": "Objet"' in (folder / "schema.json").read_text("utf-8")
    assert "Votre demande N° [numdemande]" in (folder / "texts.yaml").read_text("utf-8")
