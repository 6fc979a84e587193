"""A home in which everything was scaffolded once: from a WSDL, an XSD, OpenAPI, GraphQL, and from nothing."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from hub.cli_new import new

CONTRACTS = Path(__file__).parent / "contracts"
GIVEN = {
    "guichet": "guichet.wsdl",
    "demandes": "demandes.xsd",
    "depot": "depot.yaml",
    "arbres": "arbres.graphql",
    "neuf": None,
}


@dataclass
class Home:
    """A folder, and the verbs of `hub new` in it."""

    folder: Path

    def new(self, *arguments):
        """Write something; give what is said of it."""
        ended = CliRunner().invoke(new, [*arguments, "--into", str(self.folder), "--json"], catch_exceptions=False)
        assert ended.exit_code == 0, ended.output
        return orjson.loads(ended.stdout)

    def read(self, name):
        return (self.folder / name).read_text("utf-8")


@pytest.fixture(scope="session")
def scaffolded(tmp_path_factory):
    """A home with a connector of each sort, a kind, and a mapping from it to each connector. Nobody changes it."""
    home = Home(tmp_path_factory.mktemp("home"))
    for name, contract in GIVEN.items():
        home.new("connector", name, *(["--from", str(CONTRACTS / contract)] if contract else []))
    home.new("kind", "voirie.arbre", "--field", "objet", "--field", "nombre:integer?", "--field", "ligne:list?")
    for operation in ("guichet.deposer", "demandes.demande", "depot.creer_dossier", "arbres.signaler", "neuf.deposer"):
        home.new("mapping", operation, "--from", "voirie.arbre")
    return home


@pytest.fixture
def home(tmp_path):
    """An empty home."""
    return Home(tmp_path)


@pytest.fixture
def copied(scaffolded, tmp_path):
    """A copy of the scaffolded home, to be changed."""
    shutil.copytree(scaffolded.folder, tmp_path / "home")
    return Home(tmp_path / "home")
