"""What is generated is valid, reaches the limits of its schema, and bears names of every alphabet."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import pytest

from hub.catalogue import Catalogue
from hub.gate import validate_envelope
from hub.proof.drawing import drawn
from hub.proof.generation import questions, requests, values
from hub.proof.patterns import compiled, texts_of

CATALOGUE: Final = Catalogue.read(Path(__file__).parents[2])

SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "one of two must be there": {
        "type": "object",
        "properties": {"siret": {"type": "string", "pattern": "^[0-9]{14}$"}, "rna": {"type": "string"}},
        "anyOf": [{"required": ["siret"]}, {"required": ["rna"]}],
    },
    "a condition": {
        "type": "object",
        "required": ["qualite"],
        "properties": {"qualite": {"enum": ["soi", "autre"]}, "mandant": {"$ref": "#/$defs/nom"}},
        "if": {"properties": {"qualite": {"const": "autre"}}},
        "then": {"required": ["mandant"]},
        "else": {"properties": {"mandant": False}},
        "$defs": {"nom": {"type": "string", "minLength": 1, "maxLength": 12}},
    },
    "one field and no more": {
        "type": "object",
        "properties": {name: {"type": "integer", "minimum": 1, "maximum": 9} for name in "abc"},
        "minProperties": 1,
        "maxProperties": 1,
    },
    "either shape": {"oneOf": [{"type": "boolean"}, {"type": "array", "items": {"const": 1}, "maxItems": 2}]},
    "one asks for the other": {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "number", "exclusiveMinimum": 0}},
        "dependentRequired": {"a": ["b"]},
    },
    "nothing is said": {},
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_what_is_generated_is_what_the_schema_allows(schema):
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    found = drawn(values(schema), 60)
    assert len(found) > 1
    assert all(map(validator.is_valid, found))


@pytest.mark.parametrize("kind", ["rapo", "saisine", "election.preinscription"])
def test_the_door_takes_every_generated_request(kind):
    definition = CATALOGUE.kinds[kind]
    for request in drawn(requests(definition), 60):
        assert validate_envelope(request).kind == kind
        assert definition.validator.is_valid(request["data"])


def test_a_question_of_which_one_in_seven_was_right_by_chance_is_right_every_time():
    query = CATALOGUE.queries["famille.quotient"]
    found = drawn(questions(query), 60)
    assert len(found) == 60
    assert all(query.validator.is_valid(asked["data"]) for asked in found)


def test_names_are_of_every_alphabet_and_as_long_as_they_may_be():
    people = [one["applicant"]["identity"] for one in drawn(requests(CATALOGUE.kinds["question"]), 200)]
    names = {person[name] for person in people for name in ("family_name", "given_name")}
    assert max(map(len, names)) == 255
    assert any(re.search(r"[\u4e00-\u9fff]", name) for name in names)
    assert any(re.search(r"[\u0370-\u03ff]", name) for name in names)


def test_what_is_optional_is_sometimes_there_and_sometimes_not():
    forms = [one["data"] for one in drawn(requests(CATALOGUE.kinds["rapo"]), 100)]
    assert {"raison_sociale" in form for form in forms} == {True, False}
    assert {"mandant" in form for form in forms if form["qualite"] == "mandataire"} == {True}


@pytest.mark.parametrize(
    ("pattern", "longest"),
    [("^[0-9]{10,26}$", 26), ("^[A-Z][a-zéè' -]*$", 40), (r"^(\d{5}|2[AB]\d{3})$", 5), ("^20[0-9]{2}-", 40)],
)
def test_a_pattern_s_texts_fit_it_and_some_are_as_long_as_they_may_be(pattern, longest):
    found = drawn(texts_of(pattern, 40), 60)
    assert all(compiled(pattern).search(text) for text in found)
    assert max(map(len, found)) == longest


def test_a_line_feed_at_the_end_does_not_slip_through_a_pattern():
    assert compiled("^a$").search("a\n") is None
    assert compiled(r"^\d$").search("٣") is None
