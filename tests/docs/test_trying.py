"""The guide to trying: its commands are run as they stand, on a ledger with one request."""

import json
import re
import shlex

import pytest
import typer
from typer.testing import CliRunner

from hub.bench.storing import store
from hub.catalogue import Catalogue
from hub.cli_regression import regressions
from hub.cli_trial import trials
from hub.settings import HOME
from hub.trials.difference import Cause
from hub.trials.trial import admitted

KIND = "rapo"
SAMPLE = "routes/rapo/samples/redevance_payee.json"
VERBS = typer.Typer()
VERBS.add_typer(trials)
VERBS.add_typer(regressions)


@pytest.fixture
def checkout(document, tmp_path, monkeypatch):
    """A folder that looks like a checkout, whose ledger has one request."""
    (tmp_path / "routes").symlink_to(HOME / "routes")
    new = tmp_path / "mappings/courriel/rapo_accuse.yaml"
    new.parent.mkdir(parents=True)
    old = (HOME / "mappings/courriel/rapo_accuse.yaml").read_text("utf-8")
    new.write_text(old.replace("$date_fr(data.avis.date)", "data.avis.date"))
    assert new.read_text() != old
    for name, text in document("docs/trying.md").files().items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hub.yaml").write_text(json.dumps({"database": f"sqlite:///{tmp_path}/hub.db"}))
    stored(f"sqlite:///{tmp_path}/hub.db")
    return tmp_path


def stored(database):
    catalogue = Catalogue.read(HOME)
    document = admitted(catalogue.kinds[KIND], (HOME / SAMPLE).read_bytes())
    store(database, catalogue, KIND, [(document, 1_788_000_000_000)])


def run(command):
    """Run a command of the guide; a file before its end is its standard input."""
    words, _, file = command.partition("<")
    given = (HOME / file.strip()).read_bytes() if file else None
    return CliRunner().invoke(VERBS, shlex.split(words), input=given)


def test_every_command_of_the_guide_does_what_it_says(document, checkout):
    shells = "\n".join(block.text for block in document("docs/trying.md").blocks("sh"))
    shown = re.findall(r"^hub (.*)$", shells, re.MULTILINE)
    ended = {command: run(command) for command in shown if "--approve" not in command}
    codes = {command: one.exit_code for command, one in ended.items()}
    changed = next(command for command in shown if "--kind" in command)
    assert codes == {command: int(command == changed) for command in ended}
    assert "Martin" in ended["explain 100000000 --reveal"].stdout
    assert "Martin" not in ended["explain 100000000"].stdout
    [group] = json.loads(ended[changed].stdout)["groups"]
    [approving] = [command for command in shown if "--approve" in command]
    assert run(approving.replace("0f1e2d3c4b", group["group"])).exit_code == 0
    assert (checkout / "mappings/courriel/rapo_accuse.approved.json").exists()


def test_every_cause_is_explained(document):
    rows = document("docs/trying.md").table("cause", "the element")
    assert [name for row in rows for name in re.findall(r"`([\w ]+)`", row[0])] == list(Cause)
