"""Settings that would open the door to anybody are refused when they are read."""

import pytest
from yarl import URL

from hub.errors import ConfigurationError
from hub.identity_settings import IdentitySettings
from hub.settings import Settings
from monitoring.console.identity_provider import Provider

OURS = {"address": "https://demandes.ville.example", "client_id": "hub", "client_secret_file": "secret"}


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"issuer": "http://fournisseur.example"}, "plain http is for this machine alone"),
        ({"issuer": "https://agent:secret@fournisseur.example"}, "expected https"),
        ({"issuer": "https://fournisseur.example", "algorithms": ["none"]}, "algorithms"),
        ({"issuer": "https://fournisseur.example", "algorithms": ["HS256"]}, "algorithms"),
        ({"issuer": "https://fournisseur.example", "algorithms": []}, "algorithms"),
        ({"issuer": "https://fournisseur.example", "scopes": ["email"]}, "expected openid"),
        ({"issuer": "https://fournisseur.example", "required_claims": {"iss": ["x"]}}, "checked in any case"),
        ({"issuer": "https://fournisseur.example", "break_glass": "secours"}, "every password opens"),
    ],
)
def test_settings_that_would_open_the_door_are_refused(said, error):
    with pytest.raises(ValueError, match=error):
        IdentitySettings.model_validate({**OURS, **said})


def test_a_console_does_not_start_without_the_secret_that_it_needs(tmp_path):
    said = {**OURS, "issuer": "https://fournisseur.example", "client_secret_file": tmp_path / "none"}
    with pytest.raises(ConfigurationError, match="the secret by which the identity provider knows this hub"):
        Provider(IdentitySettings.model_validate(said))


def test_the_clients_secret_lies_beside_the_settings(tmp_path):
    said = {**OURS, "issuer": "https://fournisseur.example"}
    placed = Settings(console={"identity": said}).beside(tmp_path, lambda _name: None)
    assert placed.console.identity.client_secret_file == tmp_path / "secret"


@pytest.mark.parametrize(
    ("url", "near"),
    [
        ("https://fournisseur.example/token", True),
        ("https://cles.fournisseur.example/jwks", True),
        ("https://ailleurs.example/token", False),
        ("http://fournisseur.example/token", False),
        ("https://agent@fournisseur.example/token", False),
        ("https://fournisseur.example@ailleurs.example/token", False),
        ("https://fournisseur.example.ailleurs.example/token", False),
        ("//fournisseur.example/token", False),
    ],
)
def test_a_provider_is_spoken_to_on_its_own_hosts_alone(url, near):
    said = {**OURS, "issuer": "https://fournisseur.example/", "hosts": ["cles.fournisseur.example"]}
    assert IdentitySettings.model_validate(said).is_near(URL(url)) is near
