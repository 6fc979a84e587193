"""The connectors of this hub: their sandboxes show what is shipped; a vendor's change is told by mapping."""

import asyncio
import re
import tomllib
from datetime import timedelta

import pytest
import yaml

from connectors.sig.wire import Protocole
from hub.app import open_hub
from hub.catalogue import Catalogue
from hub.drift.comparison import Standing, compare, watched
from hub.drift.shelf import Shelf
from hub.drift.watch import watching
from hub.manifest import Live
from hub.sandboxes import Sandboxes
from hub.settings import HOME, Settings, TargetSettings

CATALOGUE = Catalogue.read(HOME)


async def compared(name, settings, folder):
    """Compare what a target of a connector shows."""
    said = {name: TargetSettings(connector=name, settings=settings)}
    return await compare(watched(CATALOGUE, said)[name], Shelf(folder), CATALOGUE, (HOME,))


@pytest.fixture
async def sandboxes():
    """The sandboxes, of which a test starts those that it speaks to."""
    found = Sandboxes.find().running
    yield found
    for sandbox in found.values():
        await sandbox.stop()


@pytest.mark.parametrize(
    "name", [name for name, one in CATALOGUE.manifests.items() if any(live.contract for live in one.live)]
)
async def test_a_sandbox_shows_the_contract_that_is_shipped(sandboxes, name, tmp_path):
    await sandboxes[name].start()
    report = await compared(name, sandboxes[name].settings(), tmp_path)
    assert [(one.standing, one.code) for one in report.comparisons] == [(Standing.UNCHANGED, "")]


@pytest.mark.parametrize(
    ("protocole", "shown"), [(Protocole.WFS, ["capabilities", "xsd"]), (Protocole.OGC_FEATURES, ["openapi"])]
)
async def test_a_map_is_compared_with_what_it_showed_first(sandboxes, protocole, shown, tmp_path):
    await sandboxes["sig"].start()
    for standing in (Standing.FIRST_SEEN, Standing.UNCHANGED):
        report = await compared("sig", sandboxes["sig"].settings(protocole), tmp_path)
        assert [(one.contract, one.standing) for one in report.comparisons] == [(name, standing) for name in shown]


async def test_a_layer_that_loses_a_column_has_changed(sandboxes, tmp_path, monkeypatch):
    await sandboxes["sig"].start()
    settings = sandboxes["sig"].settings()
    await compared("sig", settings, tmp_path)
    monkeypatch.setattr("connectors.sig.servers.COLUMNS", ("reference", "categorie"))
    found = {one.contract: one for one in (await compared("sig", settings, tmp_path)).comparisons}
    assert found["capabilities"].standing is Standing.UNCHANGED
    assert "doleances.description: removed" in map(str, found["xsd"].differences)


async def test_a_vendor_s_change_is_told_by_the_mapping_that_it_breaks(server, tmp_path):
    folder = HOME / "connectors/logitud/contract"
    for file in folder.glob("*.*s*"):
        server.pages[f"/{file.name}"] = file.read_bytes()
    wanted = re.compile(r'(<xs:complexType name="Recours">\s*<xs:sequence>)')
    text = (folder / "population.xsd").read_text("utf-8")
    assert wanted.search(text)
    server.pages["/population.xsd"] = wanted.sub(r'\1<xs:element name="NumeroFps" type="xs:string"/>', text).encode()
    server.pages["/etatcivil?wsdl"] = (folder / "etatcivil.wsdl").read_bytes()
    [found] = (await compared("logitud", {"url": f"{server.url}/etatcivil"}, tmp_path)).comparisons
    assert [str(one) for one in found.differences] == ["DeposerRapo.Recours.NumeroFps: added (– → required)"]
    assert {(one.mapping, one.element) for one in found.breaks} == {("logitud/rapo", "NumeroFps")}


@pytest.mark.parametrize(("serves", "wanted", "compared_times"), [(True, "1d", 1), (True, "0s", 0), (False, "1d", 0)])
async def test_a_process_that_carries_deliveries_compares_by_itself_unless_it_is_told_not_to(
    sandboxes, tmp_path, serves, wanted, compared_times
):
    await sandboxes["logitud"].start()
    settings = Settings.model_validate(
        {
            "database": f"sqlite:///{tmp_path}/hub.db",
            "files": tmp_path / "files",
            "secret_file": tmp_path / "secret",
            "contracts": tmp_path / "contracts",
            "drift_every": wanted,
            "targets": {"logitud": {"connector": "logitud", "settings": sandboxes["logitud"].settings()}},
        }
    )
    shelf = Shelf(settings.contracts)
    async with open_hub(settings, serve=serves) as hub, watching(hub, timedelta(milliseconds=1)):
        async with asyncio.timeout(15):
            while compared_times and not shelf.last("logitud"):
                await asyncio.sleep(0.01)
        [metrics] = [route for route in hub.routes if getattr(route, "path", "") == "/metrics"]
        text = (await metrics.endpoint(None)).body.decode()
    assert text.count('hub_contract_drift{target="logitud"} 0.0') == compared_times


def test_the_guide_speaks_of_what_there_is():
    guide, reference = ((HOME / "docs" / name).read_text("utf-8") for name in ("drift.md", "reference.md"))
    assert re.findall(r"^\| `([a-z ]+)` \| .* \| [0-9]", guide, re.MULTILINE) == list(Standing)
    _, _, listed = reference.partition("| of a live contract |")
    assert re.findall(r"^\| `(\w+)`", listed.partition("\n\n")[0], re.MULTILINE) == list(Live.model_fields)
    [declared] = re.findall(r"```toml live\n(.*?)```", guide, re.DOTALL)
    assert [Live.model_validate(one) for one in tomllib.loads(declared)["live"]] == list(
        CATALOGUE.manifests["logitud"].live
    )
    [settings] = re.findall(r"```yaml settings\n(.*?)```", guide, re.DOTALL)
    assert Settings.model_validate(yaml.safe_load(settings)).targets["logitud"].contract_hosts
