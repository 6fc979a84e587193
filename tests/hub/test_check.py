"""`hub check` finds what is wrong in the files, and nothing in ours."""

import shutil
from pathlib import Path

import pytest

from hub.proof.check import check

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path):
    for part in ("connectors", "mappings", "routes"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return tmp_path


def break_file(home, name, old, new):
    file = home / name
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


def test_our_own_files_are_sound():
    assert check(ROOT) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("routes/etat_civil_naissance/route.yaml", "logitud/acte_naissance", "logitud/acte_inconnu", "no mapping is"),
        ("routes/etat_civil_naissance/route.yaml", "logitud/acte_naissance", "logitud/acte_deces", "is not made from"),
        ("mappings/logitud/acte_naissance.yaml", "to: logitud.", "to: logitude.", "no connector is called 'logitude'"),
        ("mappings/logitud/acte_naissance.yaml", "acte_naissance\n", "acte_naissances\n", "the file's own name"),
        ("connectors/logitud/connector.toml", 'name = "logitud"', 'name = "siecle"', "must be that of its folder"),
        ("connectors/logitud/connector.toml", "[operations", "[surprise]\n[operations", "surprise"),
        ("routes/periscolaire_renouvellement/route.yaml", "Assurance invalide", "Assurance périmée", "« Assurance pér"),
        ("routes/stages.yaml", "Demande annulée", "Demande effacée", "« Demande annulée »"),
    ],
)
def test_each_mistake_is_found_with_its_file(home, name, old, new, expected):
    break_file(home, name, old, new)
    findings = check(home)
    assert any(expected in finding.message for finding in findings), findings
    assert all(str(home) in finding.file or "mappings/" in finding.file for finding in findings)


def test_an_example_that_no_longer_holds_is_found(home):
    break_file(home, "mappings/gru/etape.yaml", "numero:", "numero_demande:")
    assert any("does not give what it expects" in finding.message for finding in check(home))


def test_a_sample_that_is_refused_is_found(home):
    sample = next((home / "routes/etat_civil_naissance/samples").glob("*.json"))
    sample.write_text(sample.read_text("utf-8").replace('"data"', '"donnees"'), "utf-8")
    assert any(str(sample) == finding.file for finding in check(home))
