"""What an integrator's package brings is found wherever it is installed: connector, sandbox, mapping and route."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hub.app import open_hub
from hub.catalogue import Catalogue
from hub.errors import ConfigurationError
from hub.packages import find_packages, installed_homes
from hub.proof.check import check
from hub.sandboxes import Sandboxes, aimed_at
from hub.settings import HOME, Settings

SOURCE = Path(__file__).parent / "ville_parking"
INSTALL = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--no-compile"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder into which the package was really installed, by pip."""
    folder = tmp_path_factory.mktemp("installed")
    shutil.copytree(SOURCE, folder / "source")
    subprocess.run([sys.executable, *INSTALL, "--target", folder / "site", folder / "source"], check=True, timeout=120)
    return folder / "site"


@pytest.fixture
def installed(site, monkeypatch):
    monkeypatch.syspath_prepend(str(site))
    yield site
    for name in [one for one in sys.modules if one.partition(".")[0] == "ville_parking"]:
        del sys.modules[name]


@pytest.fixture
def pretended(tmp_path, monkeypatch):
    """Write entry points, as an installation would leave them on the path."""

    def pretend(group, name, module):
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: faux\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}\n")
        monkeypatch.syspath_prepend(str(tmp_path))

    return pretend


def test_without_the_package_there_is_no_such_connector():
    assert "parking" not in find_packages(HOME)
    assert installed_homes() == ()


def test_its_connector_is_known_by_its_manifest_and_its_errors(installed):
    catalogue = Catalogue.read(HOME, *installed_homes())
    assert catalogue.packages["parking"].folder == installed / "ville_parking/parking"
    assert catalogue.manifests["parking"].stage == "Erreur du stationnement"
    assert catalogue.errors["parking"].find("COMPLET") is not None
    assert catalogue.kinds["parking.abonnement"].route.carried[0].target == "parking"


@pytest.mark.usefixtures("installed")
def test_its_home_is_among_those_of_every_settings_file(tmp_path):
    (tmp_path / "hub.yaml").write_text("homes: [ici]\n")
    [theirs, ours, *_] = Settings.read(tmp_path / "hub.yaml").homes
    assert (theirs.name, ours) == ("ville_parking", tmp_path / "ici")


def test_nothing_is_wrong_with_what_it_brings(installed):
    found = check(HOME, *installed_homes())
    assert [finding for finding in found if str(installed) in finding.file or "parking" in finding.file] == []


def test_a_mistake_in_it_is_found_where_it_is_installed(installed, tmp_path):
    shutil.copytree(installed / "ville_parking", tmp_path / "ville_parking")
    route = tmp_path / "ville_parking/routes/parking_abonnement/route.yaml"
    route.write_text(route.read_text("utf-8").replace("parking/abonnement", "parking/autre"))
    assert [finding.file for finding in check(HOME, tmp_path / "ville_parking")] == [str(route)]


@pytest.mark.usefixtures("installed")
async def test_a_request_is_delivered_to_its_sandbox(tmp_path, open_desk):
    async with parking() as (sandbox, settings), open_hub(installation(tmp_path, parking=settings)) as hub:
        portal = await open_desk(hub)
        number = await portal.submitted("parking.abonnement", data={"plaque": "AB-123-CD"}, name="Lefèvre")
        await portal.until(number, "done")
    assert list(sandbox.subscribed.values()) == [{"titulaire": "LEFÈVRE", "plaque": "AB-123-CD"}]


@asynccontextmanager
async def parking():
    """Run the sandbox that the hub's own command would run, and give a target's settings for it."""
    sandbox = Sandboxes.find().running["parking"]
    await sandbox.start()
    yield sandbox, aimed_at(Settings(), {"gru": {}, "parking": sandbox.settings()}).targets["parking"]
    await sandbox.stop()


def installation(folder, **targets):
    places = {"database": f"sqlite:///{folder}/hub.db", "files": folder / "files", "secret_file": folder / "secret"}
    return Settings.read(None).model_copy(update={**places, "targets": targets})


def test_it_sits_the_exam_in_a_process_that_only_finds_it_installed(site, tmp_path):
    run = [sys.executable, "-c", "from hub.cli_exam import exams; exams()", "parking", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    said = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120)
    certificate = json.loads(said.stdout)
    assert (certificate["connector"], certificate["tier"], said.returncode) == ("parking", "silver", 0)


def test_a_home_holds_connectors_that_can_be_imported(tmp_path):
    folder = tmp_path / "connectors/essai_local"
    shutil.copytree(SOURCE / "ville_parking/parking", folder)
    manifest = folder / "connector.toml"
    manifest.write_text(manifest.read_text("utf-8").replace('"parking"', '"essai_local"'))
    package = find_packages(HOME, tmp_path)["essai_local"]
    assert package.load("sandbox").__name__ == "connectors.essai_local.sandbox"
    assert Sandboxes.find(homes=(tmp_path,)).running["essai_local"].menu["full"]


def test_the_guide_shows_the_entry_points_that_are_read():
    guide = (HOME / "docs/packages.md").read_text("utf-8")
    [shown] = re.findall(r"^```toml pyproject.toml\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    written = tomllib.loads((SOURCE / "pyproject.toml").read_text("utf-8"))
    for table, said in tomllib.loads(shown)["project"].items():
        assert written["project"][table] == said
    assert written["tool"]["setuptools"]["package-data"] == tomllib.loads(shown)["tool"]["setuptools"]["package-data"]


def test_two_connectors_of_one_name_are_refused(tmp_path):
    folder = tmp_path / "connectors/logitud"
    folder.mkdir(parents=True)
    (folder / "connector.toml").touch()
    with pytest.raises(ConfigurationError, match="the connector 'logitud' is in"):
        find_packages(HOME, tmp_path)


@pytest.mark.parametrize(
    ("group", "name", "module", "expected"),
    [
        ("hub.connectors", "absent", "paquet_absent.parking", "faux: hub.connectors: absent: .* paquet_absent.parking"),
        ("hub.connectors", "Parking", "json", "the name of a connector: lower case"),
        ("hub.connectors", "sans_manifeste", "json", "the manifest that faux: hub.connectors: sans_manifeste promises"),
        ("hub.homes", "absent", "paquet_absent", "a package that can be imported: paquet_absent is none"),
        ("hub.homes", "un_module", "keyword", "a package that can be imported: keyword is none"),
    ],
)
def test_a_promise_that_is_not_kept_is_named(pretended, group, name, module, expected):
    pretended(group, name, module)
    with pytest.raises(ConfigurationError, match=expected):
        find_packages() if group == "hub.connectors" else installed_homes()
