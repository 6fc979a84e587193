"""A town whose hub is scraped over HTTP, and a real Prometheus that scrapes it."""

import asyncio
import json
from contextlib import asynccontextmanager, contextmanager

import httpx
import pytest
import uvicorn
import yaml
from prometheus_client.parser import text_string_to_metric_families

from connectors.rest.sandbox import Sandbox
from hub.access import Principal, Role
from hub.health import build_health
from hub.throwaway import LOOPBACK, free_port
from tests.deployment.conftest import ROOT, program

ALERTS = ROOT / "monitoring/prometheus/alerts.yml"
STEPS = [{"deliver": "cible", "using": "cible/essai"}]
MAPPING = {
    "mapping": "cible/essai",
    "from": "essai",
    "to": "rest.enregistrer",
    "fields": {"objet": "applicant.identity.family_name"},
    "examples": [{"name": "e", "given": {}, "expect": {}}],
}
PATIENCE = 30
PORTAL = Principal(prefix="0", front_end="portail", role=Role.FRONT_END)


def home(folder, mapping=MAPPING):
    """Write a home with one kind that goes to one target."""
    for place, name, content in (
        ("routes/essai", "route.yaml", {"route": "essai", "title": "E", "owner": "o", "steps": STEPS}),
        ("routes/essai", "schema.json", {"type": "object"}),
        ("mappings/cible", "essai.yaml", mapping),
    ):
        (folder / place).mkdir(parents=True, exist_ok=True)
        (folder / place / name).write_text(json.dumps(content))
    return folder


def settings_of(folder, target, **more):
    """Say what a hub in a folder is to be, beside its one target."""
    return {
        "database": f"sqlite:///{folder}/hub.db",
        "files": str(folder / "files"),
        "secret_file": str(folder / "secret"),
        "homes": [str(folder)],
        "targets": {"cible": {"connector": "rest", "settings": target.settings()}},
        **more,
    }


def samples_of(text):
    """Read what is scraped: name and labels → value."""
    families = text_string_to_metric_families(text)
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value for family in families for sample in family.samples
    }


async def scrape(hub):
    """Read `/metrics` as Prometheus would."""
    route = next(route for route in hub.routes if route.path == "/metrics")
    return samples_of((await route.endpoint(None)).body.decode())


async def until(look, what=bool):
    """Look again and again until what is seen is what is waited for; gives it."""
    seen = None
    try:
        async with asyncio.timeout(PATIENCE):
            while not what(seen := await look()):
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(seen) from None
    return seen


def submission(name="Canarinette"):
    return {"kind": "essai", "applicant": {"identity": {"family_name": name, "given_name": "A"}}, "data": {}}


@pytest.fixture
async def target():
    """Stand for the one target."""
    sandbox = Sandbox()
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@asynccontextmanager
async def prometheus_of(folder, url, rules):
    """Run a real Prometheus that scrapes a hub often; gives a client of its API."""
    prometheus, port = program("prometheus"), free_port()
    scraped = {"job_name": "hub", "static_configs": [{"targets": [url.removeprefix("http://")]}]}
    said = {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
        "rule_files": ["alerts.yml"],
        "scrape_configs": [scraped],
    }
    folder.mkdir()
    (folder / "alerts.yml").write_text(rules)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(said))
    place = ("--config.file=prometheus.yml", f"--storage.tsdb.path={folder}/data")
    address = f"{LOOPBACK}:{port}"
    with (folder / "log").open("wb") as log:
        running = await asyncio.create_subprocess_exec(
            prometheus, *place, f"--web.listen-address={address}", cwd=folder, stdout=log, stderr=log
        )
        try:
            async with httpx.AsyncClient(base_url=f"http://{address}", timeout=10) as client:
                await until(lambda: _is_ready(client))
                yield client
        finally:
            running.terminate()
            await running.wait()


async def _is_ready(client):
    try:
        return (await client.get("/-/ready")).is_success
    except httpx.TransportError:
        return False


class Server(uvicorn.Server):
    """An HTTP server beside a test, which keeps its signals."""

    @contextmanager
    def capture_signals(self):
        yield


@asynccontextmanager
async def served(hub):
    """Answer for a hub over HTTP, as a worker does; gives the URL."""
    config = uvicorn.Config(build_health(hub), host=LOOPBACK, port=free_port(), log_config=None, ws="none")
    server = Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        await until(lambda: asyncio.sleep(0, server.started))
        yield f"http://{LOOPBACK}:{config.port}"
    finally:
        server.should_exit = True
        await serving
