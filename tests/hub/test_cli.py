"""The `hub` command against a real hub and its sandboxes, started as anybody would start them."""

import json
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer import BadParameter
from typer.main import get_command
from typer.testing import CliRunner

from hub.cli import app
from hub.cli_operations import read_balance
from hub.settings import HOME
from hub.terminal import harmless

SAMPLES = HOME / "routes"
PATIENCE = 30.0


@dataclass
class Running:
    """A hub with its sandboxes, and the command line pointed at it."""

    home: Path
    url: str
    sandboxes: str
    keys: dict[str, str]

    def run(self, *words, key="operator", said=None):
        env = {"HUB_URL": self.url, "HUB_KEY": self.keys.get(key, key)}
        return CliRunner().invoke(app, [*words], env=env, input=said)

    def read(self, *words, key="operator", said=None) -> Any:
        result = self.run(*words, "--json", key=key, said=said)
        assert result.exit_code == 0, result.output
        return orjson.loads(result.stdout)

    def submit(self, sample, **changes):
        """Submit a sample under a reference of its own; give its number."""
        submission = orjson.loads((SAMPLES / sample).read_bytes()) | changes
        submission["external_reference"] = f"CLI-{time.monotonic_ns()}"
        return self.read("submit", "-", key="front_end", said=json.dumps(submission))["number"]

    def break_with(self, connector, fault, times=1):
        return self.control("POST", "/faults", {"connector": connector, "fault": fault, "times": times})

    def control(self, method, path, body=None):
        content = orjson.dumps(body) if body is not None else None
        request = urllib.request.Request(self.sandboxes + path, data=content, method=method)  # noqa: S310
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.read()

    def until(self, status, number):
        """Read a request until it stands there."""
        return eventually(lambda: self.read("show", number), lambda seen: seen["status"] == status)

    def parked(self, number):
        """Give the request's parked delivery, once there is one."""
        found = eventually(
            lambda: [one for one in self.read("deliveries", "--state", "parked") if one["number"] == number], bool
        )
        return found[0]


def eventually(look, holds):
    until = time.monotonic() + PATIENCE
    while not holds(seen := look()):
        assert time.monotonic() < until, seen
        time.sleep(0.05)
    return seen


@contextmanager
def started(home, *options):
    """Run `hub up` in a folder, and give its process and what it announces; closing its input ends it."""
    command = [sys.executable, "-m", "hub", "up", "-c", "hub.yaml", "--port", "0", "--json", "--tied", *options]
    (home / "hub.yaml").write_text("sweep_every: 200ms\ngrace: 2s\n")
    with (home / "hub.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
    try:
        line = process.stdout.readline()
        assert line, (home / "hub.log").read_text()
        yield process, orjson.loads(line)
    finally:
        process.stdin.close()
        process.wait(30)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    home = tmp_path_factory.mktemp("hub")
    with started(home, "--sandboxes") as (process, announced):
        yield Running(home, **announced)
    assert process.returncode == 0


BIRTH = "etat_civil_naissance/samples/copie_pour_un_mariage.json"
CANTEEN = "restauration_reservation/samples/un_seul_jour.json"
RENEWAL = "periscolaire_renouvellement/samples/enfant_unique_restauration_seule.json"


def test_the_same_file_submitted_twice_is_one_request(hub):
    first = hub.run("submit", str(SAMPLES / BIRTH), key="front_end")
    second = hub.run("submit", str(SAMPLES / BIRTH), key="front_end")
    assert first.exit_code == 0
    assert first.stdout.split("  ")[0] == second.stdout.split("  ")[0]


def test_a_request_is_submitted_shown_and_found_again(hub):
    number = hub.submit(BIRTH)
    assert hub.until("done", number)["stage"] == "Accepté"
    assert number in [one["number"] for one in hub.read("list", number)]
    assert hub.read("list", "--kind", "courrier.maire", "--status", "parked") == []
    assert "Accepté" in hub.run("show", number).stdout


def test_a_kind_can_be_said_beside_the_file(hub):
    result = hub.run("submit", str(SAMPLES / BIRTH), "--kind", "n.existe.pas", key="front_end")
    assert result.exit_code == 2
    assert "ce type de démarche n'existe pas" in result.stderr


def test_what_the_hub_refuses_names_the_fields_on_standard_error(hub):
    submission = orjson.loads((SAMPLES / BIRTH).read_bytes())
    del submission["data"]["titulaire"]
    result = hub.run("submit", "-", "--json", key="front_end", said=json.dumps(submission))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Champs à corriger (422)" in result.stderr
    assert "/data" in result.stderr


@pytest.mark.parametrize(("said", "why"), [("{", "no JSON"), ("[]", "a JSON object"), (b"\xff", "no JSON")])
def test_what_is_no_request_is_told_where_it_was_given(hub, said, why):
    result = hub.run("submit", "-", key="front_end", said=said)
    assert (result.exit_code, result.stdout) == (2, "")
    assert why in result.stderr


def test_a_decision_lets_a_request_go_on(hub):
    number = hub.submit(RENEWAL)
    hub.until("waiting", number)
    assert hub.run("decide", number, "--accept", key="agent").exit_code == 0
    hub.until("done", number)


def test_a_refusal_gives_one_of_the_reasons_that_show_lists(hub):
    number = hub.submit(RENEWAL)
    reason = hub.until("waiting", number)["reasons"][0]
    assert hub.run("decide", number, "--refuse", "--reason", "Trop tard", key="agent").exit_code == 2
    assert hub.run("decide", number, "--refuse", "--reason", reason, key="agent").exit_code == 0
    assert hub.until("refused", number)["stage"] == reason


def test_a_request_nobody_has_taken_is_cancelled(hub):
    number = hub.submit(RENEWAL)
    result = hub.run("cancel", number, "--reason", "Déposée deux fois")
    assert result.exit_code == 0, result.output
    hub.until("cancelled", number)


def test_a_refused_delivery_is_retried(hub):
    hub.break_with("technocarte", "full")
    number = hub.submit(CANTEEN)
    parked = hub.parked(number)
    assert parked["code"] == "full"
    assert hub.run("retry", parked["key"]).exit_code == 0
    hub.until("done", number)


def test_a_delivery_is_shown_with_its_advice_what_was_sent_and_answered_and_who_did_what(hub):
    hub.break_with("technocarte", "full")
    key = hub.parked(hub.submit(CANTEEN))["key"]
    advised = hub.run("delivery", key).stdout
    assert hub.run("finalize", key, "--reason", "Saisie au guichet", "--reference", "TC-2").exit_code == 0
    finished = hub.run("delivery", key).stdout
    assert "Plus de place dans cette activité" in advised
    for said in ("ReceptionLibredemat", "Activité complète", "TC-2: Saisie au guichet"):
        assert said in finished
    assert [one["code"] for one in hub.read("delivery", key)["attempts_made"]] == ["full"]


def test_the_exchange_of_an_earlier_attempt_can_be_asked_for(hub):
    hub.break_with("technocarte", "full")
    number = hub.submit(CANTEEN)
    key = hub.parked(number)["key"]
    hub.run("retry", key)
    hub.until("done", number)
    assert "Activité complète" not in hub.run("delivery", key).stdout
    assert "Activité complète" in hub.run("delivery", key, "--attempt", "1").stdout
    assert hub.run("delivery", key, "--attempt", "3").exit_code == 2


def test_data_are_taken_out_corrected_and_sent_again(hub, tmp_path):
    hub.break_with("technocarte", "full")
    number = hub.submit(CANTEEN)
    key = hub.parked(number)["key"]
    data = orjson.loads(hub.run("delivery", key, "--data").stdout)
    (tmp_path / "wrong.json").write_bytes(orjson.dumps(data | {"regime": "cru"}))
    refused = hub.run("retry", key, "--data", str(tmp_path / "wrong.json"))
    assert (refused.exit_code, "/data/regime" in refused.stderr) == (2, True)
    (tmp_path / "right.json").write_bytes(orjson.dumps(data | {"regime": "sans_viande"}))
    assert hub.run("retry", key, "--data", str(tmp_path / "right.json")).exit_code == 0
    hub.until("done", number)
    assert hub.read("delivery", key, "--data") == data | {"regime": "sans_viande"}


def test_what_a_target_answers_never_commands_the_terminal():
    assert harmless("a\x1b]0;title\x07b\r\n\tc\u202ed") == "a�]0;title�b\n\tc�d"


def test_the_balance_holds_what_was_accepted_to_where_it_stands(hub):
    number = hub.submit(RENEWAL)
    hub.until("waiting", number)
    found = hub.read("balance")
    kind = next(kind for kind in found["kinds"] if kind["kind"] == "periscolaire.renouvellement")
    assert (found["imbalance"], kind["waiting"] >= 1) == (0, True)
    assert "imbalance: 0" in hub.run("balance").stdout


def test_a_request_that_is_missing_is_counted_and_no_figures_are_no_balance():
    published = 'hub_ledger_imbalance 1\nhub_ledger_accepted{kind="a"} 3\nhub_requests{kind="a",status="done"} 2\n'
    assert read_balance(published) == [{"kind": "a", "accepted": 3, "done": 2, "imbalance": 1}]
    for other in ("", "<!doctype html>", "up 1\n"):
        with pytest.raises(BadParameter):
            read_balance(other)


def test_a_delivery_that_may_have_been_taken_is_finalized_by_hand(hub):
    hub.break_with("technocarte", "cut_after_commit")
    number = hub.submit(CANTEEN)
    parked = hub.parked(number)
    assert parked["perhaps_taken"]
    assert parked["key"] in orjson.loads(hub.control("GET", "/taken/technocarte"))
    result = hub.run("finalize", parked["key"], "--reason", "Vue dans Technocarte", "--reference", "TC-1")
    assert result.stdout.split() == [parked["key"], "finalized"]
    hub.until("finalized", number)


def test_a_parked_delivery_is_verified_at_its_target(hub):
    hub.break_with("logitud", "acte_introuvable")
    parked = hub.parked(hub.submit(BIRTH))
    assert hub.run("verify", parked["key"]).exit_code == 0
    again = hub.run("verify", "000000000-1")
    assert (again.exit_code, again.stderr.splitlines()[0]) == (2, "Introuvable (404)")


def test_a_paused_target_says_why_until_it_is_resumed(hub):
    assert hub.run("targets", "pause", "rest", "--reason", "[Essai] à 14 h").exit_code == 0
    paused = {one["name"]: one["paused_reason"] for one in hub.read("targets") if one["paused"]}
    assert paused == {"rest": "[Essai] à 14 h"}
    assert [line.split()[0] for line in hub.run("targets").stdout.splitlines() if "[Essai] à 14 h" in line] == ["rest"]
    assert hub.run("targets", "resume", "rest").exit_code == 0
    assert not any(one["paused"] for one in hub.read("targets"))


def test_a_key_made_straight_in_the_ledger_opens_the_running_hub_until_it_is_revoked(hub):
    config = ["-c", str(hub.home / "hub.yaml")]
    made = [hub.read("keys", "create", "mairie", *config)["key"] for _ in range(2)]
    assert hub.run("list", key=made[0]).exit_code == 0
    assert hub.run("keys", "revoke", made[1][4:16], *config).exit_code == 0
    assert hub.run("list", key=made[1]).exit_code == 2
    assert hub.run("keys", "revoke", "0" * 12, *config).exit_code == 1
    listed = {one["prefix"]: one["alive"] for one in hub.read("keys", "list", *config)}
    assert [listed[key[4:16]] for key in made] == [True, False]
    assert made[0][17:] not in hub.run("keys", "list", *config).stdout
    assert hub.run("keys", "create", "mairie", "--role", "roi", *config).exit_code == 2


def test_probe_tells_a_target_that_answers_from_one_that_does_not(hub, tmp_path):
    settings = orjson.loads(hub.control("GET", "/settings"))["logitud"]
    dead = settings | {"url": "http://127.0.0.1:9/etatcivil"}
    targets = {"vivant": settings, "mort": dead}
    said = {"targets": {name: {"connector": "logitud", "settings": one} for name, one in targets.items()}}
    config = tmp_path / "hub.yaml"
    config.write_bytes(orjson.dumps(said))
    assert hub.read("probe", "vivant", "-c", str(config)) == {"target": "vivant", "up": True, "code": ""}
    assert hub.run("probe", "mort", "-c", str(config)).exit_code == 1
    assert hub.run("probe", "inconnu", "-c", str(config)).exit_code == 2


def test_check_names_the_file_that_is_wrong(hub, tmp_path):
    folder = tmp_path / "routes/essai"
    folder.mkdir(parents=True)
    (folder / "schema.json").write_text("{}")
    (folder / "route.yaml").write_text("route: essai\ntitle: Essai\nowner: personne\nsteps: []\n")
    (tmp_path / "hub.yaml").write_text("homes: [.]\n")
    result = hub.run("check", "-c", str(tmp_path / "hub.yaml"), "--json")
    assert result.exit_code == 1
    assert any(finding["file"].endswith("essai/route.yaml") for finding in orjson.loads(result.stdout))


def test_a_hub_that_is_not_there_is_one_helpful_line():
    result = CliRunner().invoke(app, ["list"], env={"HUB_URL": "http://127.0.0.1:9"})
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "hub up --sandboxes" in result.stderr


def test_settings_that_are_wrong_are_one_line_with_their_place(tmp_path):
    (tmp_path / "hub.yaml").write_text("port: quatre\n")
    command = [sys.executable, "-m", "hub", "up", "-c", "hub.yaml"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert "hub.yaml:1: port" in ended.stderr


def test_a_hub_ends_in_order_when_it_is_asked_to(tmp_path):
    with started(tmp_path) as (process, _):
        process.terminate()
        assert process.wait(30) == 0


def test_a_hub_whose_engine_cannot_be_kept_running_ends_with_1(tmp_path):
    with started(tmp_path) as (process, _):
        with closing(sqlite3.connect(tmp_path / "var/hub.db")) as ledger:
            ledger.execute("DROP TABLE delivery")
        assert process.wait(60) == 1


def test_the_mailbox_of_the_sandboxes_can_be_looked_at(hub):
    number = hub.submit("courrier_maire/samples/eclairage_du_parc.json")
    hub.until("done", number)
    letters = orjson.loads(hub.control("GET", "/mailbox"))
    assert any("Éclairage du parc" in letter["text"] for letter in letters)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/faults", {"connector": "logitud", "fault": "tea"}, 422),
        ("POST", "/faults", {"connector": "nobody", "fault": "slow"}, 404),
        ("POST", "/faults", ["logitud"], 422),
        ("GET", "/taken/nobody", None, 404),
        ("DELETE", "/faults/nobody", None, 404),
    ],
)
def test_the_sandboxes_refuse_what_they_do_not_know(hub, method, path, body, status):
    with pytest.raises(urllib.error.HTTPError) as refused:
        hub.control(method, path, body)
    assert refused.value.code == status


def verbs(command, *said):
    """Give the words of every verb of a command."""
    for name, verb in getattr(command, "commands", {}).items():
        yield (*said, name)
        yield from verbs(verb, *said, name)


@pytest.mark.parametrize("verb", list(verbs(get_command(app))), ids=" ".join)
def test_every_verb_is_explained_with_an_example(verb):
    assert "Example: " in CliRunner().invoke(app, [*verb, "--help"]).stdout
