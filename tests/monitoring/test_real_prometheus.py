"""A real Prometheus scrapes a hub: an outage is one alert from beginning to end, and all queries are answered."""

import json
import re
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest

from hub.app import open_hub
from hub.settings import Settings
from monitoring.definitions import DEFINITIONS
from monitoring.grafana.boards import BOARDS
from monitoring.grafana.generate import FOLDER, made
from tests.monitoring.conftest import ALERTS, PORTAL, home, prometheus_of, served, settings_of, submission, until

SPANS = re.compile(r"\b(for|keep_firing_for): \w+$", re.MULTILINE)
VARIABLES = {"$__rate_interval": "10s", "$target": ".*", "$kind": ".*"}

MAY_BE_EMPTY = {
    "Legal time": "no kind of this town has a clock",
    "Alerts": "none need fire",
    "Contract": "this target shows none",
    "Broker answers": "there is no broker",
    "Hints in the broker": "there is no broker",
    "Questions": "nobody asks any",
    "Fetched": "no target of this town is a source",
}


@asynccontextmanager
async def watched(folder, target):
    """Open a hub that asks its target often, and a Prometheus that watches it, with rules that wait two seconds."""
    said = settings_of(home(folder), target, probe_every=0.5, sweep_every=0.2)
    said["targets"]["cible"]["policy"] = {"breaker_cooldown": 0.5, "base": 0.2, "cap": 0.5, "breaker_threshold": 2}
    rules = SPANS.sub(r"\1: 2s", ALERTS.read_text("utf-8"))
    async with (
        open_hub(Settings.model_validate(said)) as hub,
        served(hub) as url,
        prometheus_of(folder / "prometheus", url, rules) as client,
    ):
        yield hub, client


async def result(client, query):
    """Ask Prometheus, which must understand; gives what it found."""
    answer = (await client.get("/api/v1/query", params={"query": query})).json()
    assert answer["status"] == "success", (query, answer)
    return answer["data"]["result"]


async def states(client, alert):
    """Say in which states an alert is."""
    alerts = (await client.get("/api/v1/alerts")).json()["data"]["alerts"]
    return [one["state"] for one in alerts if one["labels"]["alertname"] == alert]


async def firing(client):
    alerts = (await client.get("/api/v1/alerts")).json()["data"]["alerts"]
    return [one["labels"]["alertname"] for one in alerts if one["state"] == "firing"]


async def test_an_outage_is_one_alert_that_opens_and_closes(tmp_path, target):
    async with watched(tmp_path, target) as (hub, client):
        await until(lambda: result(client, "max(hub_probe_up) == 1"))
        assert await firing(client) == []
        await target.stop()
        for number in range(3):
            await hub.inbox.submit(PORTAL, f"down-{number}", submission())
        await until(lambda: states(client, "HubTargetDown"), lambda seen: seen == ["pending"])
        await until(lambda: states(client, "HubTargetDown"), lambda seen: seen == ["firing"])
        assert await firing(client) == ["HubTargetDown"]
        await target.start()
        await until(lambda: states(client, "HubTargetDown"), lambda seen: seen == [])
        await until(lambda: result(client, 'max(hub_requests{kind="essai", status="done"}) == 3'))
        assert await firing(client) == []


async def test_every_query_of_every_panel_is_answered_and_those_that_must_show_something_do(tmp_path, target):
    async with watched(tmp_path, target) as (hub, client):
        await until(lambda: result(client, "hub_ledger_up"))
        for number in range(5):
            await hub.inbox.submit(PORTAL, f"key-{number}", submission())
        await until(lambda: result(client, "rate(hub_phase_seconds_count{phase='record'}[10s]) > 0"))
        await until(lambda: result(client, "max(hub_probe_up) == 1"))
        await until(lambda: unanswered(client), lambda empty: empty == [])
        [scraped] = (await client.get("/api/v1/targets")).json()["data"]["activeTargets"]
        assert scraped["health"] == "up"


async def unanswered(client):
    """Name the panels that show nothing, and may not."""
    empty = []
    for name in BOARDS:
        for panel in json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["panels"]:
            for target in panel["targets"]:
                query = target["expr"]
                for variable, value in VARIABLES.items():
                    query = query.replace(variable, value)
                if not await result(client, query) and panel["title"] not in MAY_BE_EMPTY:
                    empty.append((name, panel["title"], query))
    return empty


async def test_prometheus_knows_each_metric_as_it_is_defined(tmp_path, target):
    async with watched(tmp_path, target) as (_, client):
        await until(lambda: result(client, "max(hub_probe_up) == 1"))
        known = (await client.get("/api/v1/targets/metadata")).json()["data"]
        told = {one["metric"]: (one["type"], one["help"]) for one in known}
        for said in DEFINITIONS.values():
            sort = "gauge" if said.sort == "info" else str(said.sort)
            shown = said.name if said.sort == "histogram" else said.scraped[0]
            assert told[shown] == (sort, said.meaning)


@pytest.mark.parametrize("name", BOARDS)
def test_the_committed_dashboards_are_what_the_code_makes(name):
    assert (FOLDER / f"{name}.json").read_text("utf-8") == made(name)


def test_nothing_that_runs_needs_what_makes_dashboards():
    script = "import monitoring.prometheus, hub.app, sys; sys.exit(any('grafana' in name for name in sys.modules))"
    assert subprocess.run((sys.executable, "-c", script), check=False, timeout=60).returncode == 0
