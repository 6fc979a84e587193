"""Alerts and dashboards speak of metrics that exist, fire when they should, and each alert says what to do."""

import json
import re
import subprocess

import pytest
import yaml

from monitoring.definitions import DEFINITIONS
from tests.deployment.conftest import ROOT

PROMETHEUS = ROOT / "monitoring/prometheus"
GRAFANA = ROOT / "monitoring/grafana"
STORIES = ROOT / "tests/deployment/alerts.yml"
ITS_OWN = {"up", "ALERTS"}
NAME = re.compile(r"\b(hub_\w+|up|ALERTS)\b")
VARIABLES = {"$__rate_interval": "5m", "$target": ".*", "$kind": ".*"}
BOARDS = ("hub", "target", "kind", "engine")


@pytest.fixture(scope="module")
def alerts():
    """Every alert rule."""
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def boards():
    """The dashboards, as Grafana is given them."""
    return {name: json.loads((GRAFANA / f"dashboards/{name}.json").read_text("utf-8")) for name in BOARDS}


@pytest.fixture(scope="module")
def queries(boards):
    """What the dashboards ask of Prometheus, with Grafana's variables filled in."""
    found = [target["expr"] for board in boards.values() for panel in board["panels"] for target in panel["targets"]]
    for name, value in VARIABLES.items():
        found = [query.replace(name, value) for query in found]
    return found


@pytest.fixture(scope="module")
def stories(alerts):
    """The stories, with what each rule says of itself."""
    rules = {rule["alert"]: rule for rule in alerts}
    told = yaml.safe_load(STORIES.read_text("utf-8"))
    for case in cases(told):
        said = rules[case["alertname"]]
        for alert in case["exp_alerts"]:
            alert["exp_labels"] = said["labels"] | alert["exp_labels"]
            alert["exp_annotations"] = said["annotations"] | alert["exp_annotations"]
    return told


@pytest.fixture
def tell(promtool, stories, tmp_path):
    """Tell the stories of rules, or those in which one alert has a part: the exit code, and what promtool says."""

    def told(rules, alert=""):
        tests = [one for one in stories["tests"] if not alert or alert in {case["alertname"] for case in cases_of(one)}]
        (tmp_path / "alerts.yml").write_text(rules)
        paces = {pace: [one for one in tests if (one["interval"] == "5m") == (pace == "5m")] for pace in ("1m", "5m")}
        for pace, paced in paces.items():
            said = {"rule_files": ["alerts.yml"], "evaluation_interval": pace, "tests": paced}
            (tmp_path / f"{pace}.yml").write_text(yaml.safe_dump(said))
        return check(promtool, "test", "rules", "1m.yml", "5m.yml", cwd=tmp_path)

    return told


def cases(stories):
    return [case for story in stories["tests"] for case in cases_of(story)]


def cases_of(story):
    return story["alert_rule_test"]


PUBLISHED = {name for one in DEFINITIONS.values() for name in one.scraped}
"""Every metric that a hub publishes: that it does is for tests/monitoring to see."""


def names(queries):
    """Name the metrics that queries speak of."""
    return {name for query in queries for name in NAME.findall(re.sub(r'"[^"]*"', "", query))}


def check(*command, cwd=PROMETHEUS):
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)


def test_prometheus_takes_its_configuration_and_the_rules(promtool):
    ended = check(promtool, "check", "config", "prometheus.yml")
    assert ended.returncode == 0, ended.stderr
    assert "1 rule files found" in ended.stdout


def test_each_story_ends_with_the_alerts_it_should(tell):
    ended = tell((PROMETHEUS / "alerts.yml").read_text("utf-8"))
    assert ended.returncode == 0, ended.stderr


def test_every_alert_is_seen_to_fire_and_to_keep_quiet(stories, alerts):
    seen = {(case["alertname"], bool(case["exp_alerts"])) for case in cases(stories)}
    assert seen == {(rule["alert"], fires) for rule in alerts for fires in (True, False)}


@pytest.mark.parametrize(
    ("alert", "sharp", "blunt"),
    [
        ("HubLedgerImbalance", "max(hub_ledger_imbalance) > 0", "sum(hub_ledger_imbalance) > 0"),
        ("HubProcessDown", 'up{job="hub"} == 0\n        for: 1m', 'up{job="hub"} == 0\n        for: 1h'),
        ("HubTargetDown", '{state=~"open|half_open"}) == 1 and', '{state="open"}) == 1 and'),
        ("HubTargetDown", "            unless max by (target) (hub_target_paused) == 1\n", ""),
        ("HubTargetThrottled", "max by (target) (rate(hub_throttled", "sum by (target) (rate(hub_throttled"),
        ("HubKindSilent", "max by (kind) (hub_kind_expected_day) >= 5", "max by (kind) (hub_kind_expected_day) >= 1"),
        ("HubCertificateEndsSoon", "- time() > 7 * 86400", "- time() > 0"),
        ("HubTargetLate", "            and on (target) max by (target) (hub_target_open) == 1\n", ""),
        ("HubClockOffset", "abs(hub_clock_offset_seconds)", "hub_clock_offset_seconds"),
        ("HubUncertain", 'state=~"uncertain|asking"', 'state="uncertain"'),
    ],
)
def test_a_blunted_rule_would_be_found(tell, alert, sharp, blunt):
    rules = (PROMETHEUS / "alerts.yml").read_text("utf-8")
    assert sharp in rules
    assert tell(rules.replace(sharp, blunt), alert).returncode == 1


def test_alerts_and_dashboards_speak_of_metrics_that_exist(alerts, queries):
    watched, shown = names(rule["expr"] for rule in alerts), names(queries)
    assert len(watched) > 10
    assert len(shown) > 10
    assert watched | shown <= PUBLISHED | ITS_OWN


def test_the_stories_are_told_of_metrics_that_exist(stories):
    told = names(series["series"] for story in stories["tests"] for series in story["input_series"])
    assert told <= PUBLISHED | ITS_OWN


def test_every_alert_has_its_section_and_every_section_its_alert(alerts, operations):
    _, _, explained = operations.prose.partition("## What each alert means\n")
    sections = re.findall(r"^### (\w+)$\n+(.+?)(?=^#|\Z)", explained, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in sections] == [rule["alert"] for rule in alerts]
    assert all(len(said.split()) > 20 for _, said in sections)


def test_every_alert_says_how_bad_it_is_and_where_to_read_on(alerts):
    for rule in alerts:
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rule["annotations"]["summary"]
        assert len(rule["annotations"]["why"].split()) > 4
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"


def test_what_an_alert_is_grouped_by_is_no_process_and_no_person(alerts):
    assert {label for rule in alerts for label in rule["labels"]} == {"severity", "incident"}
    by = {
        label for rule in alerts for said in re.findall(r"by \(([^)]*)\)", rule["expr"]) for label in said.split(", ")
    }
    assert by <= {"target", "kind", "instance", "pool", "version", "le"}


def test_every_process_of_the_hub_is_scraped_where_it_listens(ours):
    scraped = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    [hub] = [job["static_configs"] for job in scraped if job["job_name"] == "hub"]
    listening = {name: said["command"] for name, said in ours.items() if said["command"][0] in {"api", "worker"}}
    ports = {name: command[command.index("--port") + 1] for name, command in listening.items()}
    assert sorted(target for group in hub for target in group["targets"]) == sorted(
        f"{name}:{port}" for name, port in ports.items()
    )


def test_every_query_of_the_dashboards_is_one_prometheus_understands(promtool, queries, tmp_path):
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    ended = check(promtool, "check", "rules", tmp_path / "panels.yml")
    assert ended.returncode == 0, ended.stderr
    assert f"{len(rules)} rules found" in ended.stdout


def test_the_dashboards_stand_where_grafana_looks_and_ask_a_source_it_knows(boards, services):
    sources = yaml.safe_load((GRAFANA / "datasources/prometheus.yml").read_text("utf-8"))["datasources"]
    [provider] = yaml.safe_load((GRAFANA / "dashboards/hub.yml").read_text("utf-8"))["providers"]
    mounted = dict(one.split(":")[:2] for one in services["grafana"]["volumes"])
    assert provider["options"]["path"] == f"{mounted['./monitoring/grafana']}/dashboards"
    assert sorted(one.stem for one in (GRAFANA / "dashboards").glob("*.json")) == sorted(BOARDS)
    known = {source["uid"] for source in sources}
    assert {panel["datasource"]["uid"] for board in boards.values() for panel in board["panels"]} == known
    assert sources[0]["url"] == "http://prometheus:9090"


@pytest.mark.parametrize("name", BOARDS)
def test_no_two_panels_of_a_dashboard_lie_on_each_other(boards, name):
    taken = set()
    for panel in boards[name]["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in boards[name]["panels"]}) == len(boards[name]["panels"])
