"""An installation of which a test knows every file, a mail server, and forms to install there."""

import json
import shutil

import pytest
import yaml

import hub.app
import hub.settings
from connectors.courriel.sandbox import Sandbox
from hub.forms.shelf import Shelf
from hub.settings import HOME, Settings

PARTY = {
    "code": "fete_des_voisins",
    "title": "Fête des voisins",
    "description": "Fermer une rue le temps d'un repas entre voisins.",
    "service": {"title": "Vie des quartiers", "email": "quartiers@ville.example"},
    "error": {"title": "Erreur courriel", "message": "Votre fête N° [numdemande] demande une vérification."},
    "steps": [
        {
            "type": "Étape",
            "title": "La fête",
            "fields": [
                {"type": "Commentaire", "title": "À savoir", "help": "Un mois avant."},
                {"type": "Texte", "code": "rue", "title": "Rue", "required": True, "max_length": 100},
                {"type": "Date", "code": "jour", "title": "Jour", "required": True},
                {
                    "type": "Bouton radio",
                    "code": "barrieres",
                    "title": "Barrières",
                    "required": True,
                    "options": [{"value": "oui", "title": "Oui, à livrer"}, {"value": "non", "title": "Non"}],
                },
                {
                    "type": "Adresse",
                    "code": "livraison",
                    "title": "Où les livrer",
                    "required": True,
                    "visible_if": {"field": "barrieres", "equals": "oui"},
                },
            ],
        },
        {
            "title": "Les voisins",
            "fields": [
                {
                    "type": "Collection",
                    "code": "voisins",
                    "title": "Voisin",
                    "min": 1,
                    "max": 3,
                    "fields": [
                        {"type": "Texte", "code": "nom", "title": "Nom", "required": True},
                        {"type": "Case à cocher", "code": "mineur", "title": "Mineur"},
                        {
                            "type": "Date",
                            "code": "naissance",
                            "title": "Naissance",
                            "required": True,
                            "visible_if": {"field": "mineur", "equals": True},
                        },
                    ],
                },
                {"type": "Fichier", "code": "plan", "title": "Plan"},
            ],
        },
    ],
}


@pytest.fixture
def party():
    """A form that has a bit of everything, to be changed at will."""
    return json.loads(json.dumps(PARTY))


@pytest.fixture
def base(tmp_path, monkeypatch):
    """Stand for the hub's own files: its connectors, its stages, its call-backs."""
    folder = tmp_path / "hub"
    shutil.copytree(HOME / "mappings/gru", folder / "mappings/gru")
    (folder / "connectors").symlink_to(HOME / "connectors")
    (folder / "routes").mkdir()
    stages = yaml.safe_load((HOME / "routes/stages.yaml").read_text())
    (folder / "routes/stages.yaml").write_text(yaml.safe_dump(stages, allow_unicode=True))
    monkeypatch.setattr(hub.settings, "HOME", folder)
    monkeypatch.setattr(hub.app, "attach_monitors", lambda _hub: None)
    return folder


@pytest.fixture
async def mail():
    """A mail server that can be broken."""
    sandbox = Sandbox()
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
def settings(tmp_path, base, mail):
    """An installation whose forms are taken when it is asked to."""
    policy = {"base": "20ms", "deadline": "2s", "breaker_threshold": 1000}
    return Settings(
        database=f"sqlite:///{tmp_path}/hub.db",
        files=tmp_path / "files",
        secret_file=tmp_path / "secret",
        homes=(tmp_path / "forms",),
        forms=tmp_path / "forms",
        targets={"courriel": {"connector": "courriel", "settings": mail.settings(), "policy": policy}},
        sweep_every="50ms",
        grace="2s",
        reload_every="0s",
    )


@pytest.fixture
def shelf(tmp_path):
    """Where forms are installed."""
    return Shelf(tmp_path / "forms")
