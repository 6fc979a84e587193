"""Whatever is scaffolded is green from the start: its own tests, the exam, hub check, the linter, the types."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub.mapping import CompiledMapping
from hub.proof.check import check_all
from hub.settings import HOME

from .conftest import CONTRACTS, GIVEN, Home

RUFF = [sys.executable, "-m", "ruff"]


def run(*command, cwd, **environment):
    ended = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    return ended.stdout


def test_its_own_tests_pass_and_with_them_the_exam(scaffolded):
    printed = run(
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "tests",
        cwd=scaffolded.folder, PYTHONPATH=str(HOME),
    )  # fmt: skip
    assert " passed" in printed
    assert not {"failed", "skipped"} & set(printed.split())
    tests = {file.stem for file in (scaffolded.folder / "tests/connectors").glob("test_*.py")}
    assert tests == {f"test_{name}" for name in GIVEN}


def test_hub_check_has_nothing_against_it(scaffolded):
    assert check_all(HOME, scaffolded.folder) == []


def test_the_linter_of_this_project_has_nothing_against_it(scaffolded):
    config = ["--config", str(HOME / "pyproject.toml"), "--no-cache", "connectors", "tests"]
    run(*RUFF, "check", *config, cwd=scaffolded.folder)
    run(*RUFF, "format", "--check", *config, cwd=scaffolded.folder)


def test_a_package_of_each_sort_is_typed_strictly_and_linted(home):
    packages = []
    for name, contract in GIVEN.items():
        given = ["--from", str(CONTRACTS / contract)] if contract else []
        home.new("connector", f"mon_{name}", "--package", *given)
        packages.append(home.folder / f"hub-mon-{name}")
        run(*RUFF, "check", "--no-cache", ".", cwd=packages[-1])
    names = [part for name in GIVEN for part in ("-p", f"hub_mon_{name}")]
    run(sys.executable, "-m", "mypy", *names, cwd=HOME, MYPYPATH=os.pathsep.join(map(str, packages)))


@pytest.mark.parametrize("name", [name for name in GIVEN if GIVEN[name]])
def test_the_contract_is_kept_as_it_was_given(scaffolded, name):
    kept = scaffolded.folder / "connectors" / name / "contract"
    given = (CONTRACTS / GIVEN[name]).read_bytes()
    assert given in [file.read_bytes() for file in kept.iterdir() if file.is_file()]


def test_the_files_that_a_contract_names_are_kept_beside_it(scaffolded):
    assert (scaffolded.folder / "connectors/demandes/contract/types/commun.xsd").exists()


def test_every_mapping_that_was_scaffolded_gives_what_it_promises(scaffolded):
    files = list(scaffolded.folder.glob("mappings/*/*.yaml"))
    assert len(files) > len(GIVEN)
    for file in files:
        mapping = CompiledMapping.read(file, file.read_text("utf-8"))
        for example in mapping.examples:
            assert mapping.apply(example.given, example.bindings) == example.expect


def test_a_package_says_how_the_hub_finds_it(home):
    home.new("connector", "mon_guichet", "--package", "--from", str(CONTRACTS / "guichet.wsdl"))
    said = home.read("hub-mon-guichet/pyproject.toml")
    assert '[project.entry-points."hub.connectors"]\nmon_guichet = "hub_mon_guichet.mon_guichet"' in said
    assert '[project.entry-points."hub.homes"]\nhub_mon_guichet = "hub_mon_guichet"' in said
    package = home.folder / "hub-mon-guichet/hub_mon_guichet"
    assert (package / "mon_guichet/connector.toml").exists()
    assert (package / "mappings/mon_guichet/deposer.yaml").exists()


def test_it_can_be_written_where_the_hub_itself_is(home):
    """Imports are in another order there, where the hub is no other project's."""
    here = Home(home.folder)
    for part in ("hub/scaffold", "connectors/_transport"):
        (here.folder / part).mkdir(parents=True)
    here.new("connector", "guichet", "--from", str(CONTRACTS / "guichet.wsdl"))
    client = here.read("connectors/guichet/client.py")
    assert "from connectors.guichet.wire import CALLS\nfrom hub.manifest import ErrorTable\n" in client
    assert Path(here.folder, "tests/connectors/test_guichet.py").exists()
