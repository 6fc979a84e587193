"""`hub check` on the command line: lines, JSON, SARIF, exit codes, and a request to paste."""

import json
from pathlib import Path

import pytest
from jsonschema_rs import Draft4Validator
from typer.testing import CliRunner

import hub.settings
from hub.cli_check import checks
from hub.proof.finding import Finding
from hub.proof.sarif import as_sarif

SARIF = json.loads((Path(__file__).parents[1] / "data/sarif-2.1.0.schema.json").read_text("utf-8"))


@pytest.fixture
def hub_check(home, tmp_path_factory, monkeypatch):
    """Run `hub check` on the home alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr(hub.settings, "HOME", home)
    monkeypatch.chdir(home)
    return lambda *said: CliRunner().invoke(checks, [*said])


def spoil(home):
    file = home / "mappings/voirie/trou.yaml"
    file.write_text(file.read_text("utf-8").replace("$cut(data.lieu, 40)", "data.lieu"), "utf-8")


def test_a_sound_home_ends_with_zero_and_says_what_is_accepted(hub_check):
    result = hub_check("--samples", "20")
    assert result.exit_code == 0
    assert "nothing to find fault with, 1 accepted" in result.stderr
    assert "(accepted: la recherche ne répond que le lendemain)" in result.stdout


def test_a_finding_ends_with_one_on_a_line_that_says_where_and_what_to_do(hub_check, home):
    spoil(home)
    result = hub_check("--samples", "0")
    assert result.exit_code == 1
    [line] = [line for line in result.stdout.splitlines() if "trou.yaml" in line]
    assert line.startswith(f"{home}/mappings/voirie/trou.yaml:6: Lieu: is longer than 40 characters")
    assert "[length] → cut it" in line


def test_json_bears_every_part_of_a_finding(hub_check, home):
    spoil(home)
    found = json.loads(hub_check("--json", "--samples", "0").stdout)
    assert {finding["code"] for finding in found} == {"length", "look-up"}
    assert found[0].keys() == {"file", "message", "line", "field", "advice", "code", "accepted", "example"}


def test_sarif_is_valid_against_its_schema_and_suppresses_what_is_accepted(hub_check, home):
    spoil(home)
    said = json.loads(hub_check("--sarif", "--samples", "0").stdout)
    assert [error.message for error in Draft4Validator(SARIF).iter_errors(said)] == []
    results = {result["ruleId"]: result for result in said["runs"][0]["results"]}
    place = results["length"]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "mappings/voirie/trou.yaml", "uriBaseId": "FOLDER"}
    assert place["region"] == {"startLine": 6}
    assert "suppressions" not in results["length"]
    assert results["look-up"]["suppressions"][0]["kind"] == "inSource"


def test_sarif_names_a_file_outside_of_the_folder_whole(tmp_path):
    findings = [Finding("/ailleurs/été.yaml", "faux"), Finding("ici/a b.yaml", "faux", 3, "Nom", "coupez", "length")]
    said = as_sarif(findings, tmp_path, "1.0.0")
    assert [error.message for error in Draft4Validator(SARIF).iter_errors(said)] == []
    uris = [one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in said["runs"][0]["results"]]
    assert uris == ["file:///ailleurs/%C3%A9t%C3%A9.yaml", "ici/a%20b.yaml"]


def test_what_only_made_up_requests_show_is_shown_by_the_smallest_one(hub_check, home):
    """A fault that no extreme value reaches: it needs a text to begin in a certain way."""
    file = home / "mappings/voirie/trou.yaml"
    wrong = "$contains(data.lieu, /^[DJN]/) ? number : $cut(data.lieu, 40)"
    file.write_text(file.read_text("utf-8").replace("$cut(data.lieu, 40)", f"'{wrong}'"), "utf-8")
    result = hub_check("--samples", "200")
    [request] = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    assert request["kind"] == "trou"
    assert len(request["data"]["lieu"]) <= 20
