"""`hub check` and a home of one kind: each rule beyond the mapping's own proof."""

import json

import pytest

from hub.catalogue import Catalogue
from hub.errors import ConfigurationError
from hub.proof.admission import admit
from hub.proof.check import check, check_all


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def change(home, name, old, new):
    file = home / name
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


def test_a_sound_home_has_no_finding_but_the_one_it_accepts(home):
    assert check(home) == []
    [accepted] = check_all(home)
    assert (accepted.code, accepted.accepted) == ("look-up", "la recherche ne répond que le lendemain")


@pytest.mark.parametrize(
    ("name", "change_made", "code", "said"),
    [
        ("connectors/voirie/connector.toml", ("allow_once", "# allow"), "look-up", "Chercher, which asks by Reference"),
        ("connectors/voirie/errors.toml", ('"Panne"', '"Autre"'), "error-unjudged", "voirie.wsdl declares Panne"),
        (
            "mappings/voirie/trou.yaml",
            ("$cut(data.lieu, 40)", "data.lieu"),
            "length",
            "when data.lieu is 200 characters",
        ),
        ("mappings/voirie/trou.yaml", ("data.lieu, 40", "data.lieux, 40"), "path-unknown", "did you mean data.lieu?"),
        ("mappings/voirie/trou.yaml", ("  Reference: $string(number)\n", ""), "element-missing", "Reference"),
        (
            "mappings/voirie/etape.yaml",
            ("Reference: $string(number)", "Reference: data.x"),
            "element-absent",
            "Reference",
        ),
        (
            "routes/trou/route.yaml",
            ("steps:\n", "steps:\n  - {refuse: Refusé}\n"),
            "step",
            "steps.1: no request comes here, since every way before it ends the route",
        ),
        (
            "routes/trou/route.yaml",
            ("steps:\n", 'steps:\n  - {branch: "1 = 2", then: [{refuse: Refusé}]}\n'),
            "step",
            "steps.0.then: no request comes here, since its condition never holds",
        ),
        (
            "routes/trou/route.yaml",
            ("using: voirie/trou", 'using: voirie/trou, for_each: "data.lieux"'),
            "path-unknown",
            "steps.0.for_each: reads data.lieux, which trou has not: did you mean data.lieu?",
        ),
    ],
)
def test_each_mistake_has_its_code_file_line_and_advice(home, name, change_made, code, said):
    change(home, name, *change_made)
    found = [finding for finding in check(home) if finding.code == code]
    assert any(said in finding.message for finding in found), check(home)
    first = next(finding for finding in found if said in finding.message)
    assert first.file.endswith(name)
    assert first.advice
    assert first.line or name.startswith("connectors/")


def test_a_mapping_that_is_not_proved_does_not_load(home):
    admit(Catalogue.read(home), [home])
    change(home, "mappings/voirie/trou.yaml", "$cut(data.lieu, 40)", "data.lieu")
    with pytest.raises(ConfigurationError, match=r"trou\.yaml:6: not proved: Lieu: is longer than 40 characters"):
        admit(Catalogue.read(home), [home])


def test_a_mapping_that_says_why_loads_unproved_and_its_findings_are_shown_as_accepted(home):
    change(home, "mappings/voirie/trou.yaml", "$cut(data.lieu, 40)", "data.lieu")
    change(home, "mappings/voirie/trou.yaml", "from: trou", "from: trou\nallow_unproved: la voirie coupe elle-même")
    admit(Catalogue.read(home), [home])
    assert check(home) == []
    assert {finding.accepted for finding in check_all(home) if finding.code == "length"} == {
        "la voirie coupe elle-même"
    }


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("routes/trou/schema.json", '"maxLength": 200', '"maxLength": 201'),
        ("connectors/voirie/contract/voirie.wsdl", 'maxLength value="40"', 'maxLength value="39"'),
        ("mappings/voirie/trou.yaml", "lieu, 40", "lieu, 41"),
    ],
)
def test_a_proof_is_remembered_until_something_it_depends_upon_changes(home, name, old, new, tmp_path):
    from hub.proof.admission import cache_folder

    admit(Catalogue.read(home), [home])
    marks = set(cache_folder().iterdir())
    admit(Catalogue.read(home), [home])
    assert set(cache_folder().iterdir()) == marks
    change(home, name, old, new)
    if "201" in new:
        admit(Catalogue.read(home), [home])
        assert len(set(cache_folder().iterdir())) > len(marks)
    else:
        with pytest.raises(ConfigurationError, match="not proved"):
            admit(Catalogue.read(home), [home])


def test_a_proof_is_made_again_where_it_cannot_be_remembered(home, monkeypatch, tmp_path):
    blocked = tmp_path / "fichier"
    blocked.write_text("", "utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    admit(Catalogue.read(home), [home])
    change(home, "mappings/voirie/trou.yaml", "lieu, 40", "lieu, 50")
    with pytest.raises(ConfigurationError, match="not proved"):
        admit(Catalogue.read(home), [home])


def test_findings_are_data(home):
    from dataclasses import asdict

    change(home, "mappings/voirie/trou.yaml", "$cut(data.lieu, 40)", "data.lieu")
    [finding] = check(home)
    assert json.loads(json.dumps(asdict(finding)))["field"] == "Lieu"
