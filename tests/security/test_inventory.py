"""`hub security inventory`: what flows, what is logged and what lies where, as the settings say and without secrets."""

import json

import pytest
from typer.testing import CliRunner

from hub.cli import app
from hub.logs import FIELDS

CANARY = "canari"

INSTALLATION = f"""
database: postgresql+psycopg://hub:{CANARY}-1@db.ville.example/hub
broker: amqps://hub:{CANARY}-2@rabbit.ville.example/hub
files: {{url: "s3://pieces/hub", endpoint: "https://s3.ville.example"}}
scanner: tcp://clamav.ville.example:3310
audit: {{anchor: "syslog+tcp://journal.ville.example:514"}}
targets:
  guichet: {{connector: lutece, settings: {{url: "http://guichet.ville.example:8080/ws?cle={CANARY}-3"}}}}
  etat:
    connector: hubee
    settings:
      url: https://hubee.example/teledossiers/v1
      token_url: https://jetons.hubee.example/token
      procedures: {{CERTDC: {{client_id: ville, client_secret: {CANARY}-4}}}}
  boutique:
    connector: regie_boutique
    settings: {{url: "https://boutique.example/", bearer: {CANARY}-5}}
  courrier:
    connector: courriel
    settings: {{host: mail.ville.example, domain: ville.example, sender: ville@ville.example}}
"""


@pytest.fixture
def draw_up(tmp_path):
    """Run the verb on an installation that leans on everything."""
    file = tmp_path / "hub.yaml"
    file.write_text(INSTALLATION)

    def run(*words):
        result = CliRunner().invoke(app, ["security", "inventory", "-c", str(file), *words], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return run


def test_every_flow_of_an_installation_is_in_it(draw_up):
    said = draw_up("--json")
    flows = {(one["direction"], one["address"], one["encrypted"], one["proof"]) for one in json.loads(said)["flows"]}
    assert flows >= {
        ("in", "http://127.0.0.1:8080/v1", "by a proxy before it", "a key"),
        ("in", "http://127.0.0.1:8080/console", "by a proxy before it", "a password"),
        ("out", "http://guichet.ville.example:8080", "no", "none"),
        ("out", "https://hubee.example", "yes", "an account for each procedure"),
        ("out", "https://jetons.hubee.example", "yes", "an account for each procedure"),
        ("in", "fetched from there", "as above", "an account for each procedure"),
        ("out", "https://boutique.example", "yes", "a token"),
        ("in", "/v1/targets/boutique", "as the API", "its own"),
        ("out", "smtp+starttls://mail.ville.example:587", "yes", "none"),
        ("out", "postgresql+psycopg://db.ville.example", "no", "an account"),
        ("out", "amqps://rabbit.ville.example", "yes", "an account"),
        ("out", "https://s3.ville.example", "yes", "an account"),
        ("out", "tcp://clamav.ville.example:3310", "no", "none: to be kept inside"),
        ("out", "syslog+tcp://journal.ville.example:514", "no", "none"),
    }
    assert CANARY not in said


def test_every_field_of_the_log_is_in_it(draw_up):
    said = json.loads(draw_up("--json"))
    assert said["fields"] == dict(FIELDS)
    assert {"log", "audit", "metrics", "exchanges"} == {one["name"] for one in said["logs"]}


def test_it_is_an_annex_to_be_printed(draw_up):
    said = draw_up()
    assert [line for line in said.splitlines() if line.startswith("## ")] == [
        "## Flows",
        "## Logs",
        "## Where data lie",
        "## Fields of the log",
    ]
    assert all(line.count("|") >= 3 for line in said.splitlines() if line.startswith("|"))
    assert CANARY not in said
