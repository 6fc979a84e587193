"""Alerts and dashboard speak of metrics that exist, fire when they should, and each alert says what to do."""

import json
import re
import subprocess

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from hub.app import open_hub
from hub.settings import Settings
from tests.deployment.conftest import ROOT

PROMETHEUS = ROOT / "monitoring/prometheus"
GRAFANA = ROOT / "monitoring/grafana"
STORIES = ROOT / "tests/deployment/alerts.yml"
ITS_OWN = {"up", "ALERTS"}
NAME = re.compile(r"\b(hub_\w+|up|ALERTS)\b")
VARIABLES = {"$__rate_interval": "5m", "$target": ".*"}


@pytest.fixture(scope="module")
def alerts():
    """Every alert rule."""
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def dashboard():
    """The dashboard, as Grafana is given it."""
    return json.loads((GRAFANA / "dashboards/hub.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def queries(dashboard):
    """What the dashboard asks of Prometheus, with Grafana's variables filled in."""
    found = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    for name, value in VARIABLES.items():
        found = [query.replace(name, value) for query in found]
    return found


@pytest.fixture
async def published(tmp_path):
    """Name every metric that a hub publishes, with or without a sample."""
    settings = Settings(database=f"sqlite:///{tmp_path}/hub.db", secret_file=tmp_path / "secret", files=tmp_path)
    async with open_hub(settings, serve=False) as hub:
        [metrics] = [route for route in hub.routes if route.path == "/metrics"]
        text = (await metrics.endpoint(None)).body.decode()
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "info": ["_info"]}
    families = text_string_to_metric_families(text)
    return {one.name + suffix for one in families for suffix in suffixes.get(one.type, [""])}


def names(queries):
    """Name the metrics that queries speak of."""
    return {name for query in queries for name in NAME.findall(re.sub(r'"[^"]*"', "", query))}


def check(*command, cwd=PROMETHEUS):
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)


def test_prometheus_takes_its_configuration_and_the_rules(promtool):
    ended = check(promtool, "check", "config", "prometheus.yml")
    assert ended.returncode == 0, ended.stderr
    assert "1 rule files found" in ended.stdout


def test_each_story_ends_with_the_alerts_it_should(promtool):
    ended = check(promtool, "test", "rules", STORIES)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("sharp", "blunt"),
    [
        ("max(hub_ledger_imbalance) > 0", "sum(hub_ledger_imbalance) > 0"),
        ('up{job="hub"} == 0\n        for: 1m', 'up{job="hub"} == 0\n        for: 1h'),
        ("            and on (target) max by (target) (hub_target_open) == 1\n", ""),
        ("abs(hub_clock_offset_seconds)", "hub_clock_offset_seconds"),
        ('state=~"uncertain|asking"', 'state="uncertain"'),
    ],
)
def test_a_blunted_rule_would_be_found(promtool, tmp_path, sharp, blunt):
    rules = (PROMETHEUS / "alerts.yml").read_text("utf-8")
    assert sharp in rules
    (tmp_path / "alerts.yml").write_text(rules.replace(sharp, blunt))
    stories = STORIES.read_text("utf-8").replace("../../monitoring/prometheus/alerts.yml", "alerts.yml")
    (tmp_path / "stories.yml").write_text(stories)
    assert check(promtool, "test", "rules", "stories.yml", cwd=tmp_path).returncode == 1


async def test_alerts_and_dashboard_speak_of_metrics_that_exist(alerts, queries, published):
    watched, shown = names(rule["expr"] for rule in alerts), names(queries)
    assert len(watched) > 10
    assert len(shown) > 10
    assert watched | shown <= published | ITS_OWN


async def test_the_stories_are_told_of_metrics_that_exist(published):
    stories = yaml.safe_load(STORIES.read_text("utf-8"))["tests"]
    told = names(series["series"] for story in stories for series in story["input_series"])
    assert told <= published | ITS_OWN


def test_every_alert_has_its_section_and_every_section_its_alert(alerts, operations):
    _, _, explained = operations.prose.partition("## What each alert means\n")
    sections = re.findall(r"^### (\w+)$\n+(.+?)(?=^#|\Z)", explained, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in sections] == [rule["alert"] for rule in alerts]
    assert all(len(said.split()) > 20 for _, said in sections)


def test_every_alert_says_how_bad_it_is_and_where_to_read_on(alerts):
    for rule in alerts:
        assert rule["labels"] in [{"severity": severity} for severity in ("critical", "warning", "info")]
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"


def test_every_process_of_the_hub_is_scraped_where_it_listens(ours):
    scraped = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    [hub] = [job["static_configs"] for job in scraped if job["job_name"] == "hub"]
    listening = {name: said["command"] for name, said in ours.items() if said["command"][0] in {"api", "worker"}}
    ports = {name: command[command.index("--port") + 1] for name, command in listening.items()}
    assert sorted(target for group in hub for target in group["targets"]) == sorted(
        f"{name}:{port}" for name, port in ports.items()
    )


def test_every_query_of_the_dashboard_is_one_prometheus_understands(promtool, queries, tmp_path):
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    ended = check(promtool, "check", "rules", tmp_path / "panels.yml")
    assert ended.returncode == 0, ended.stderr
    assert f"{len(rules)} rules found" in ended.stdout


def test_the_dashboard_stands_where_grafana_looks_and_asks_a_source_it_knows(dashboard, services):
    sources = yaml.safe_load((GRAFANA / "datasources/prometheus.yml").read_text("utf-8"))["datasources"]
    [provider] = yaml.safe_load((GRAFANA / "dashboards/hub.yml").read_text("utf-8"))["providers"]
    mounted = dict(one.split(":")[:2] for one in services["grafana"]["volumes"])
    assert provider["options"]["path"] == f"{mounted['./monitoring/grafana']}/dashboards"
    known = {source["uid"] for source in sources}
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == known
    assert sources[0]["url"] == "http://prometheus:9090"


def test_no_two_panels_of_the_dashboard_lie_on_each_other(dashboard):
    taken = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
