"""A mapping compiles once, says which field failed, and never shows a value."""

from typing import Any

import pytest
from pydantic import BaseModel

from hub.errors import ConfigurationError, MappingError
from hub.mapping import CompiledMapping
from hub.yamlfile import read_yaml

TEXT = """
mapping: concerto/inscription
from: periscolaire.renouvellement
to: concerto.inscrire
fields:
  Enfant:
    Nom: $upper($ascii($item.nom))
    Naissance: $date_fr($item.naissance)
  Telephone: $phone_fr(applicant.contact.phone)
examples:
  - name: names are plain capitals
    given: {}
    bindings: {item: {nom: Lefèvre, naissance: 2019-03-14}}
    expect: {Enfant: {Nom: LEFEVRE, Naissance: 14/03/2019}}
"""


def read(text=TEXT):
    return CompiledMapping.read("mappings/concerto/inscription.yaml", text)


def test_it_keeps_its_own_example():
    mapping = read()
    example = mapping.examples[0]
    assert mapping.apply(example.given, example.bindings) == example.expect


def test_what_is_missing_is_left_out_rather_than_written_empty():
    assert read().apply({}, {"item": {"nom": "A"}}) == {"Enfant": {"Nom": "A"}}


def test_a_failure_names_the_fields_and_no_value():
    with pytest.raises(MappingError) as failure:
        read().apply({"applicant": {"contact": {"phone": "canari-12"}}}, {"item": {"naissance": "canari"}})
    assert failure.value.fields == ("Enfant.Naissance", "Telephone")
    assert "canari" not in str(failure.value)


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        (TEXT.replace("$upper($ascii(", "$upper(($ascii("), 7, "Enfant.Nom"),
        (TEXT.replace("to: concerto.inscrire", "to: concerto"), 4, "to"),
        (TEXT[: TEXT.index("examples:")], None, "examples"),
        (TEXT.replace("fields:", "fields: ["), 7, "expected"),
        (TEXT.replace("examples:", "surprise: 1\nexamples:"), 10, "surprise"),
    ],
)
def test_a_wrong_file_says_on_which_line(text, line, expected):
    with pytest.raises(ConfigurationError, match=expected) as failure:
        read(text)
    assert failure.value.line == line


def test_an_expression_that_never_ends_is_stopped():
    endless = TEXT.replace("$date_fr($item.naissance)", "($f := function($n) { $f($n + 1) }; $f(0))")
    with pytest.raises(MappingError, match="Naissance"):
        read(endless).apply({}, {"item": {}})


def test_files_go_along_unless_the_mapping_chooses():
    document = {"attachments": ["a", "b"], "data": {"photo": "b"}}
    assert read().attachments(document) == ["a", "b"]
    assert read(TEXT.replace("examples:", "files: data.photo\nexamples:")).attachments(document) == ["b"]


def test_what_one_reader_does_to_a_file_s_content_no_other_sees():
    class Box(BaseModel):
        held: dict[str, Any]

    text = "held: {a: [1]}"
    read_yaml("a.yaml", text, Box).held["a"].append(2)
    assert read_yaml("a.yaml", text, Box).held == {"a": [1]}
