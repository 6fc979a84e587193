"""The verbs of batches against a real hub and its sandboxes, as an operator types them."""

import csv
import io

import pytest
from typer import BadParameter

from hub.cli_batches import read_filter
from tests.hub.test_cli import CANTEEN, Running, eventually, started


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    home = tmp_path_factory.mktemp("hub")
    with started(home, "--sandboxes") as (_, announced):
        yield Running(home, **announced)


def test_what_failed_is_planned_started_and_listed(hub):
    hub.break_with("technocarte", "full", times=4)
    numbers = [hub.submit(CANTEEN) for _ in range(4)]
    keys = sorted(hub.parked(number)["key"] for number in numbers)
    plan = hub.read("batch", "plan", "retry", "--where", "target=technocarte", "--where", "state=parked")
    assert (plan["total"], plan["plan"]["outlooks"]["sure"]) == (4, 4)
    number = str(plan["id"])
    shown = hub.run("batch", "start", number, "--reason", "Le quota est relevé")
    assert shown.exit_code == 0, shown.output
    done = eventually(lambda: hub.read("batch", "show", number), lambda seen: seen["state"] == "done")
    assert done["outcomes"]["ok"] == 4
    table = list(csv.DictReader(io.StringIO(hub.run("batch", "rows", number, "--csv").stdout)))
    assert [(row["delivery"], row["outcome"]) for row in table] == [(key, "ok") for key in keys]
    assert [one["id"] for one in hub.read("batch", "list", "--state", "done")] == [plan["id"]]
    for verb in (["show", number], ["rows", number], ["list"]):
        assert hub.run("batch", *verb).exit_code == 0


def test_a_batch_is_stopped_before_it_was_started_and_is_started_no_more(hub):
    number = str(hub.read("batch", "plan", "verify", "100000099-1")["id"])
    assert hub.read("batch", "stop", number)["state"] == "stopped"
    for verb in (["pause", number], ["continue", number], ["start", number, "--reason", "x"]):
        refused = hub.run("batch", *verb)
        assert (refused.exit_code, "arrêté" in refused.stderr) == (2, True)


def test_criteria_are_read_by_name():
    said = read_filter(["state=parked", "state=uncertain", "q=a=b"])
    assert said == {"state": ["parked", "uncertain"], "q": "a=b"}
    with pytest.raises(BadParameter, match="NAME=VALUE"):
        read_filter(["parked"])
