"""`hub config show`: every setting and where it comes from, and no secret of any."""

import json

import pytest
from typer.testing import CliRunner

from hub.cli import app
from hub.effective import HIDDEN, Source, _rows, shown, without_secrets

CANARY = "canari"

INSTALLATION = f"""
broker: amqp://hub:{CANARY}-1/a@b@rabbit.ville.example/hub
scanner: tcp://clamav.ville.example:3310
port: 9000
console: {{city: Évreux}}
encryption: {{command: [/usr/bin/coffre, --role, {CANARY}-15], file: keys}}
targets:
  guichet:
    connector: lutece
    settings:
      url: http://guichet.ville.example/ws?map=1&api_key={CANARY}-2
      username: hub
      password: {CANARY}-3
  etat:
    connector: hubee
    settings:
      url: https://hubee.example/teledossiers/v1
      token_url: https://hubee.example/token
      procedures: {{CERTDC: {{client_id: ville, client_secret: {CANARY}-4}}}}
  portail:
    connector: gru
    settings: {{url: "https://portail.example/", secrets: [whsec_{CANARY * 8}]}}
  inconnu:
    connector: nulle_part
    settings: {{url: "http://{CANARY}-5/", motdepasse: {CANARY}-6}}
  faux:
    connector: hubee
    settings: {{client_id: {CANARY}-7}}
  courrier:
    connector: courriel
    settings: {{host: mail.ville.example, domain: ville.example, sender: ville@ville.example, username: hub,
      password: {CANARY}-8}}
"""

VARIABLES = {
    "HUB_DATABASE_URL": f"postgresql+psycopg://hub:{CANARY}-9@db.ville.example/hub?password={CANARY}-10",
    "HUB_KEY": f"hub_{CANARY}-11",
    "HUB_LOG_LEVEL": "INFO",
    "AWS_ACCESS_KEY_ID": f"{CANARY}-12",
    "AWS_SECRET_ACCESS_KEY": f"{CANARY}-13",
    "AWS_SECRET_ACCESS_KEY_FILE": "/run/secrets/aws",
    "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Basic {CANARY}-14",
}


@pytest.fixture
def show(tmp_path, monkeypatch):
    """Run the verb on an installation full of secrets."""
    file = tmp_path / "hub.yaml"
    file.write_text(INSTALLATION)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)

    def run(*words):
        result = CliRunner().invoke(app, ["config", "show", "-c", str(file), *words], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return run


def test_no_secret_is_ever_shown(show):
    for words in ((), ("--json",)):
        assert CANARY not in show(*words)


def test_every_setting_says_its_value_and_where_it_comes_from(show):
    said = {one["setting"]: (one["value"], one["source"]) for one in json.loads(show("--json"))}
    assert (
        said
        | {
            "port": (9000, "file"),
            "host": ("127.0.0.1", "default"),
            "scanner": ("tcp://clamav.ville.example:3310", "file"),
            "broker": ("amqp://hub:***@rabbit.ville.example/hub", "file"),
            "database": ("postgresql+psycopg://hub:***@db.ville.example/hub?password=***", "environment"),
            "console.city": ("Évreux", "file"),
            "console.stay": ("10:00:00", "default"),
            "encryption.command": (["/usr/bin/coffre", HIDDEN, HIDDEN], "file"),
            "targets.guichet.connector": ("lutece", "file"),
            "targets.guichet.settings.url": ("http://guichet.ville.example/ws?map=***&api_key=***", "file"),
            "targets.guichet.settings.username": ("hub", "file"),
            "targets.guichet.settings.password": (HIDDEN, "file"),
            "targets.guichet.settings.bearer": (None, "default"),
            "targets.etat.settings.token_url": ("https://hubee.example/token", "file"),
            "targets.etat.settings.procedures.CERTDC.client_id": ("ville", "file"),
            "targets.etat.settings.procedures.CERTDC.client_secret": (HIDDEN, "file"),
            "targets.portail.settings.secrets": ([HIDDEN], "file"),
            "targets.inconnu.settings.url": (HIDDEN, "file"),
            "targets.faux.settings.client_id": (HIDDEN, "file"),
            "targets.courrier.settings.port": (587, "default"),
            "HUB_KEY": (HIDDEN, "environment"),
            "HUB_LOG_LEVEL": ("INFO", "environment"),
            "AWS_SECRET_ACCESS_KEY_FILE": ("/run/secrets/aws", "environment"),
            "OTEL_EXPORTER_OTLP_HEADERS": (HIDDEN, "environment"),
        }
        == said
    )


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("https://a.example/b", "https://a.example/b"),
        ("amqp://u:p@h/v", "amqp://u:***@h/v"),
        ("amqp://u:p/?#@x@h/v", "amqp://u:***@h/v"),
        ("https://jeton@h/", "https://***@h/"),
        ("https://h/?a=b&c=d#e", "https://h/?a=***&c=***#e"),
        ("sqlite:///var/hub.db", "sqlite:///var/hub.db"),
    ],
)
def test_an_address_keeps_everything_but_what_opens_it(address, safe):
    assert without_secrets(address) == safe


MORE = ["passphrase", "key_passphrase", "apikey", "api_key_prod", "x-api-key", "Authorization", "proxy_authorization"]


@pytest.mark.parametrize(
    "name", ["api_token", "motdepasse", "mot_de_passe", "jeton", "cle", "HUB_KEYS", "X_HEADERS", *MORE]
)
def test_what_is_called_a_secret_is_hidden_whatever_its_type(name):
    assert shown(name, CANARY) == HIDDEN


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("targets.x.settings.tokens.a", True),
        ("targets.x.settings.accounts.secrets.a.b", True),
        ("targets.x.settings.api_keys.prod", True),
        ("targets.tokens.settings.procedures.a", False),
        ("targets.x.settings.accounts.a", False),
        ("targets.tokens.connector", False),
        ("console.city", False),
    ],
)
def test_of_what_a_target_is_reached_by_any_part_of_the_name_hides(name, hidden):
    [row] = _rows(name, CANARY, Source.FILE)
    assert row.value == (HIDDEN if hidden else CANARY)


def test_what_is_not_a_secret_is_shown():
    assert shown("client_secret_file", "/run/secret") == "/run/secret"
    assert shown("monkey", "a") == "a"
