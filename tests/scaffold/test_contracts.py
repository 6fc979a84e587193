"""OpenAPI and GraphQL as JSON Schema; and an example of whatever a schema allows."""

import jsonschema_rs
import pytest

from hub.contracts import read_schema
from hub.contracts.graphql import operations_of_graphql
from hub.contracts.openapi import read_openapi
from hub.scaffold.examples import NoExampleError, example_of

from .conftest import CONTRACTS

OPENAPI = {one.name: one for one in read_openapi(CONTRACTS / "depot.yaml").operations}
GRAPHQL = {one.name: one for one in operations_of_graphql(CONTRACTS / "arbres.graphql")}


def takes(schema, value):
    return jsonschema_rs.validator_for(schema, validate_formats=True).is_valid(value)


def test_what_may_be_null_in_3_0_is_null_in_json_schema():
    person = OPENAPI["creer_dossier"].input["$defs"]["Personne"]
    assert person["properties"]["naissance"]["type"] == ["string", "null"]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"objet": "ARBRE", "demandeur": {"nom": "Martin"}}, True),
        ({"objet": "ARBRE", "demandeur": {"nom": "Martin", "conjoint": {"nom": "Petit", "naissance": None}}}, True),
        ({"objet": "AUTRE", "demandeur": {"nom": "Martin"}}, False),
        ({"objet": "ARBRE", "demandeur": {"nom": "M" * 41}}, False),
        ({"objet": "ARBRE", "demandeur": {"nom": "Martin", "conjoint": {}}}, False),
    ],
)
def test_a_schema_of_openapi_binds_as_it_does_there(message, expected):
    assert takes(OPENAPI["creer_dossier"].input, message) is expected


def test_what_only_answers_hold_is_not_asked_for():
    asked, answered = OPENAPI["creer_dossier"].input, OPENAPI["lister_dossiers"].output["$defs"]["Dossier"]
    assert "numero" not in asked["allOf"][0]["properties"]
    assert "numero" in answered["allOf"][0]["properties"]


def test_parameters_stand_beside_the_body_by_their_names():
    replace = OPENAPI["remplacer"]
    assert list(replace.input["properties"]) == ["numero", "X-Motif", "body"]
    assert replace.input["required"] == ["numero", "X-Motif"]


def test_a_contract_of_a_manifest_may_be_an_operation_of_openapi_or_graphql():
    assert read_schema(CONTRACTS / "depot.yaml", "creerDossier") == OPENAPI["creer_dossier"].input
    assert read_schema(CONTRACTS / "arbres.graphql", "signaler") == GRAPHQL["signaler"].input


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"signalement": {"espece": "If", "lieux": ["Rue Basse"]}}, True),
        ({"signalement": {"espece": "If", "etat": "SAIN", "lieux": []}, "reference": None}, True),
        ({"signalement": {"espece": "If", "lieux": [None]}}, False),
        ({"signalement": {"espece": "If", "etat": "MORT", "lieux": []}}, False),
        ({}, False),
    ],
)
def test_arguments_of_graphql_bind_as_they_do_there(variables, expected):
    assert takes(GRAPHQL["signaler"].input, variables) is expected


def test_a_question_of_graphql_may_be_answered_by_nothing():
    assert takes(GRAPHQL["arbre"].output, {"value": None})
    assert not takes(GRAPHQL["signaler"].output, {"value": None})


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^(0|\\+33)[1-9]( ?[0-9]{2}){4}$"},
        {"type": "string", "pattern": "^[\\p{Lu} '-]{1,5}$", "maxLength": 5},
        {"type": "string", "pattern": "[0-9]{3}-[A-F]+", "minLength": 9},
        {"type": "string", "minLength": 30, "maxLength": 30},
        {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5},
        {"type": "integer", "multipleOf": 7, "minimum": 10},
        {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 2, "uniqueItems": True},
        {"type": ["object", "null"], "required": ["a"], "properties": {"a": {"type": "string", "format": "uuid"}}},
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
        {
            "anyOf": [{"$ref": "#/$defs/X"}, {"type": "null"}],
            "$defs": {"X": {"properties": {"x": {"$ref": "#/$defs/X"}}}},
        },
        {"allOf": [{"type": "object", "required": ["a"], "properties": {"a": {"const": 1}}}, {"required": ["a"]}]},
    ],
)
def test_an_example_is_what_the_schema_allows(schema):
    assert takes(schema, example_of(schema))
    assert takes(schema, example_of(schema, whole=False))


def test_what_allows_nothing_that_can_be_found_says_where():
    with pytest.raises(NoExampleError, match="a"):
        example_of({"type": "object", "required": ["a"], "properties": {"a": {"type": "string", "pattern": "^(?!.)x"}}})
