"""The shell blocks of the README and of the operators' guide, run as anybody would paste them."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hub.settings import HOME
from hub.throwaway import free_port

PATIENCE = 20.0


@contextmanager
def started(home):
    """Start a hub with its sandboxes in a folder; give what it announces. Closing its input ends it."""
    command = [sys.executable, "-m", "hub", "up", "--sandboxes", "--port", "0", "--json", "--tied"]
    with (home / "hub.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
    try:
        line = process.stdout.readline()
        assert line, (home / "hub.log").read_text()
        yield orjson.loads(line)
    finally:
        process.stdin.close()
        process.wait(30)


@dataclass
class Terminal:
    """A folder that looks like a checkout, and a shell in it."""

    home: Path
    announced: dict

    def run(self, script, key=None):
        """Run a block and give what it printed; the hub's usual address is that of ours."""
        env = {**os.environ, "HUB_URL": self.announced["url"], "HUB_KEY": self.announced["keys"].get(key, "")}
        path = f"{self.home / '.venv/bin'}:{env['PATH']}"
        script = script.replace("http://127.0.0.1:8080", self.announced["url"])
        ended = subprocess.run(
            ["/bin/sh", "-euc", script],
            cwd=self.home,
            env={**env, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def until(self, script, said, key="operator"):
        """Run a block until it says something."""
        until = time.monotonic() + PATIENCE
        while said not in (printed := self.run(script, key)):
            assert time.monotonic() < until, printed
            time.sleep(0.1)
        return printed


@pytest.fixture(scope="module")
def terminal(tmp_path_factory):
    home = tmp_path_factory.mktemp("checkout")
    (home / "routes").symlink_to(HOME / "routes")
    (home / ".venv/bin").mkdir(parents=True)
    hub = home / ".venv/bin/hub"
    hub.write_text(f'#!/bin/sh\nexec {sys.executable} -m hub "$@"\n')
    hub.chmod(0o755)
    with started(home) as announced:
        yield Terminal(home, announced)


def test_the_readme_runs_as_it_stands(document, terminal):
    make, _tour, up, first, look, person, _several = [block.text for block in document("README.md").blocks("sh")]
    assert set(re.findall(r"^make \w+", make + up, re.MULTILINE)) == {"make demo", "make test", "make up"}
    printed = terminal.run(first.replace("curl -sS", "curl -sS -i") + look)
    assert printed.startswith("HTTP/1.1 202")
    assert printed.count("100 000 000") >= 3  # told, listed, shown
    assert "Demande d'acte de naissance" in printed
    [entered] = re.findall(r"^agnes {2}(\S{20})$", terminal.run(person), re.MULTILINE)
    assert entered


def test_the_readme_s_tour_and_its_replay_lose_and_double_nothing(document, terminal):
    _make, tour, *_ = [block.text for block in document("README.md").blocks("sh")]
    printed = terminal.run(tour)
    assert "lost=0 doubled=0 imbalance=0" in printed
    told = json.loads(printed[printed.rindex("\n{") :])
    assert (told["lost"], told["doubled"], told["imbalance"]) == (0, 0, 0)


def test_several_processes_start_as_the_readme_says(document, terminal, postgres_url, rabbitmq_server):
    *_, several = [block.text for block in document("README.md").blocks("sh")]
    port = free_port()
    watched = several.replace("8080", str(port)).replace(" &", " --tied < wait 3>&- &")
    ready = f"until curl -fs http://127.0.0.1:{port}/health/ready; do sleep 0.1; done"
    script = f"mkfifo wait; exec 3<>wait\n{watched}\n{ready}; exec 3>&-; wait"
    env = {"HUB_DATABASE_URL": postgres_url, "HUB_BROKER_URL": rabbitmq_server.url}
    printed = terminal.run("".join(f"export {name}={url}\n" for name, url in env.items()) + script)
    assert '{"status":"ready"}' in printed
    assert "worker " in printed


def test_every_metric_is_explained_with_its_labels(document, terminal):
    terminal.run(document("README.md").blocks("sh")[3].text)
    text = httpx.get(terminal.announced["url"] + "/metrics").text
    rows = [re.fullmatch(r"`(\w+)(?:{(.*)})?`", row[0]) for row in document("docs/operators.md").table("metric")]
    explained = {row[1]: set(filter(None, (row[2] or "").split(", "))) for row in rows}
    assert sorted(explained) == sorted(re.findall(r"^# TYPE (\w+)(?<!_created) \w+$", text, re.MULTILINE))
    for family in text_string_to_metric_families(text):
        for sample in (one for one in family.samples if not one.name.endswith("_created")):
            name = family.name if family.type == "histogram" else sample.name
            assert set(sample.labels) - {"le"} == explained[name]


def test_the_balance_is_read_as_the_guide_says(document, terminal):
    [balance] = [block.text for block in document("docs/operators.md").blocks("sh") if "hub balance" in block.text]
    assert "imbalance: 0" in terminal.run(balance)


def break_sandbox(terminal, connector, fault, times=1):
    said = {"connector": connector, "fault": fault, "times": times}
    httpx.post(terminal.announced["sandboxes"] + "/faults", json=said).raise_for_status()


def submit(terminal, sample):
    """Submit a sample under a reference of its own; give its number."""
    submission = json.loads((HOME / "routes" / sample).read_text("utf-8"))
    submission["external_reference"] = f"DOC-{time.monotonic_ns()}"
    (terminal.home / "demande.json").write_text(json.dumps(submission))
    return json.loads(terminal.run(".venv/bin/hub submit demande.json --json", "front_end"))["number"]


def test_a_thousand_are_retried_at_once_as_the_guide_says(document, terminal):
    [many] = [block.text for block in document("docs/operators.md").blocks("sh") if "xargs" in block.text]
    break_sandbox(terminal, "technocarte", "full", times=2)
    numbers = [submit(terminal, "restauration_reservation/samples/un_seul_jour.json") for _ in range(2)]
    for number in numbers:
        terminal.until("hub deliveries --json", f"{number}-1")
    terminal.run(many, "operator")
    for number in numbers:
        terminal.until(f"hub show {number} --json", '"status": "done"')


def test_data_are_corrected_and_evidence_is_read_as_the_guide_says(document, terminal):
    blocks = [
        block.text for block in document("docs/operators.md").blocks("sh") if "hub delivery 100000000-1" in block.text
    ]
    evidence, correct = blocks
    break_sandbox(terminal, "courriel", "refused_content")
    number = submit(terminal, "courrier_maire/samples/eclairage_du_parc.json")
    terminal.until("hub deliveries --json", f"{number}-1")
    shown = terminal.run(evidence.replace("100000000", number), "operator").splitlines()
    assert {"attempts", "sent", "answered", "audit"} <= {line.strip() for line in shown}
    edit = "export EDITOR='sed -i s/éteints/rallumés/'\n"
    terminal.run(edit + correct.replace("100000000", number), "operator")
    terminal.until(f"hub show {number} --json", '"status": "done"')
    letters = httpx.get(terminal.announced["sandboxes"] + "/mailbox").json()
    assert any("rallumés" in letter["text"] for letter in letters)


def test_the_backup_is_taken_beside_a_working_hub_and_restored(document, terminal, tmp_path):
    guide = document("docs/operators.md")
    awaits = submit(terminal, "periscolaire_renouvellement/samples/enfant_unique_restauration_seule.json")
    terminal.run("hub targets pause logitud --reason Essai", "operator")
    queued = submit(terminal, "etat_civil_naissance/samples/copie_pour_un_mariage.json")
    terminal.run(guide.block("backup"))
    terminal.run("hub targets resume logitud", "operator")
    for name, place in (("routes", HOME / "routes"), (".venv", terminal.home / ".venv")):
        (tmp_path / name).symlink_to(place)
    shutil.move(terminal.home / "backup", tmp_path / "backup")
    (tmp_path / "var").mkdir()
    Terminal(tmp_path, terminal.announced).run(guide.block("restore"))
    with started(tmp_path) as announced:
        restored = Terminal(tmp_path, {**announced, "keys": terminal.announced["keys"]})
        assert f"{queued}-1" in restored.run("hub deliveries --code restored --json", "operator")
        assert "uncertain" in restored.run(f"hub retry {queued}-1", "operator")
        assert '"awaiting": "instruction"' in restored.run(f"hub show {awaits} --json", "operator")
        later = submit(restored, "courrier_maire/samples/eclairage_du_parc.json")
        assert int(later) >= 101_000_000
