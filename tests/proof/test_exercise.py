"""A mapping that some request breaks is found by that request, made as small as can be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hub.catalogue import Catalogue
from hub.gate import validate_envelope
from hub.proof.drawing import shrunk
from hub.proof.exercise import counter_examples
from hub.proof.generation import values

HOME = Path(__file__).parents[2]
CATALOGUE = Catalogue.read(HOME)

LONG = "  Lieu: data.lieu\n"


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


def findings(home: Path, name: str = "trou", **said):
    return list(counter_examples(Catalogue.read(home), name, **said))


def test_a_right_mapping_has_no_counter_example(home):
    assert findings(home) == []


def test_a_text_that_is_not_cut_is_shown_by_the_shortest_that_is_too_long(home):
    change(home / "mappings/voirie/trou.yaml", "  Lieu: $cut(data.lieu, 40)\n", LONG)
    [found] = findings(home)
    request = json.loads(found.example)
    assert (found.field, found.code, found.line) == ("Lieu", "counter-example", 6)
    assert found.file == str(home / "mappings/voirie/trou.yaml")
    assert len(request["data"]["lieu"]) == 41
    assert validate_envelope(request).kind == "trou"
    assert set(request["applicant"]) == {"identity"}


def test_an_expression_that_fails_for_some_is_found(home):
    change(home / "mappings/voirie/trou.yaml", "$string(number)", "$cog(data.lieu) & $string(number)")
    change(home / "mappings/voirie/trou.yaml", "lieu: rue}", "lieu: '13001'}")
    assert [(found.field, "the expression fails" in found.message) for found in findings(home)] == [("Reference", True)]


def test_a_mapping_is_asked_for_by_its_own_name(home):
    change(home / "mappings/voirie/trou.yaml", "  Lieu: $cut(data.lieu, 40)\n", LONG)
    assert [found.field for found in findings(home, "voirie/trou")] == ["Lieu"]
    assert findings(home, "voirie/inconnu") == []


def test_the_same_is_found_each_time(home):
    change(home / "mappings/voirie/trou.yaml", "  Lieu: $cut(data.lieu, 40)\n", LONG)
    assert findings(home) == findings(home)
    assert findings(home, seed=None)


ITEMS = """{
  "type": "object", "additionalProperties": false, "required": ["trous"],
  "properties": {"trous": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"$ref": "#/$defs/trou"}}},
  "$defs": {"trou": {"type": "object", "additionalProperties": false, "required": ["lieu", "taille"], "properties": {
    "lieu": {"type": "string", "minLength": 1}, "taille": {"type": "string", "enum": ["petit", "grand"]}}}}
}"""


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("$cut($item.lieux, 40)", "path-unknown"),
        ('$lookup({"petit": "P"}, $item.taille)', "value-unmapped"),
        ('$lookup({"petit": "P"}, $item.taille) ?: "G"', ""),
        ('$lookup({"petit": "P", "grand": "G"}, $item.taille)', ""),
        ("$cut($item.lieu, 40)", ""),
    ],
)
def test_the_items_of_a_list_have_what_is_read_of_them_and_tables_know_each_value(home, written, code):
    (home / "routes/trou/schema.json").write_text(ITEMS)
    change(home / "routes/trou/route.yaml", "using: voirie/trou", "using: voirie/trou, for_each: data.trous")
    change(home / "mappings/voirie/trou.yaml", "$cut(data.lieu, 40)", f"'{written}'")
    codes = {found.code for found in findings(home, samples=20)} - {"counter-example"}
    assert codes == ({code} if code else set())


@pytest.mark.parametrize("name", ["rapo", "famille.quotient", "technocarte/reservation"])
def test_nothing_is_held_against_mappings_that_are_right(name):
    assert list(counter_examples(CATALOGUE, name, samples=60)) == []


def test_nothing_is_printed_and_no_folder_is_left(home, tmp_path_factory):
    where = tmp_path_factory.mktemp("elsewhere")
    change(home / "mappings/voirie/trou.yaml", "  Lieu: $cut(data.lieu, 40)\n", LONG)
    script = (
        "import sys; from pathlib import Path; from hub.catalogue import Catalogue\n"
        "from hub.proof.exercise import counter_examples\n"
        "sys.exit(len(list(counter_examples(Catalogue.read(Path(sys.argv[1])), 'trou', samples=60))))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(home)],
        cwd=where,
        capture_output=True,
        check=False,
        env={"PYTHONPATH": str(HOME)},
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, b"", b"")
    assert list(where.iterdir()) == []


def test_what_nothing_shows_is_not_shown():
    assert shrunk(values({"type": "integer", "minimum": 0, "maximum": 9}), lambda found: found > 9, 50, 0) is None
    assert shrunk(values({"type": "integer", "minimum": 0, "maximum": 99}), lambda found: found > 9, 50, 0) == 10
