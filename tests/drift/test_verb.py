"""`hub drift` says what changed and what it breaks, by words, JSON and exit code; a day's comparison keeps it."""

import asyncio
import json

import pytest
import yaml
from typer.testing import CliRunner

from hub.cli_drift import drifts
from hub.drift.watch import compare_what_is_due
from monitoring.contracts import DriftCollector

SHORTER = ('<xs:maxLength value="20"/>', '<xs:maxLength value="9"/>')


@pytest.fixture
def drift(town):
    """Run the verb, which has an event loop of its own, with the town's settings."""
    told = town.installation.model_dump(mode="json", include={"homes", "contracts", "targets"})
    told["targets"]["parc"].pop("contract_url")
    (town.home / "hub.yaml").write_text(yaml.safe_dump(told))

    async def run(*words):
        arguments = [*words, "-c", str(town.home / "hub.yaml")]
        return await asyncio.to_thread(CliRunner().invoke, drifts, arguments)

    return run


async def test_nothing_changed_is_exit_code_0(drift, server):
    server.show()
    ended = await drift()
    assert (ended.exit_code, ended.stdout) == (0, "parc  wsdl  unchanged, beside parc/contract/parc.wsdl\n")


async def test_a_change_is_exit_code_1_and_says_which_mapping_breaks_on_what(drift, server):
    server.show(SHORTER)
    ended = await drift("parc")
    assert ended.exit_code == 1
    first, broken, difference = ended.stdout.splitlines()
    assert first == "parc  wsdl  changed, beside parc/contract/parc.wsdl"
    assert broken.startswith("  mapping parc/garer breaks on Plaque: ")
    assert broken.endswith("(mappings/parc/garer.yaml:1)")
    assert difference == "  Garer.Plaque: shortened (maxLength 20 → maxLength 9)"


async def test_json_says_all_of_it(drift, server):
    server.show(SHORTER)
    [report] = json.loads((await drift("--json")).stdout)
    assert report.keys() == {"target", "standing", "checked_at", "contracts"}
    [contract] = report["contracts"]
    assert (report["target"], report["standing"], contract["contract"]) == ("parc", "changed", "wsdl")
    assert contract["differences"] == [
        {"change": "shortened", "element": "Garer.Plaque", "before": "maxLength 20", "after": "maxLength 9"}
    ]
    assert [(one["mapping"], one["operation"], one["element"]) for one in contract["breaks"]] == [
        ("parc/garer", "garer", "Plaque")
    ]


async def test_a_contract_that_cannot_be_read_is_exit_code_2(drift):
    ended = await drift()
    assert (ended.exit_code, ended.stdout) == (2, "parc  wsdl  unchecked (http_404)\n")


async def test_a_target_without_a_contract_is_a_mistake(drift):
    ended = await drift("autre")
    assert ended.exit_code == 2
    assert "parc" in ended.stderr


async def test_what_is_accepted_with_a_reason_is_gone_by(drift, server):
    server.show(SHORTER)
    assert (await drift("--accept", "parc")).exit_code == 2
    ended = await drift("--accept", "parc", "--reason", "version 4", "--json")
    assert json.loads(ended.stdout) == {"target": "parc", "accepted": ["wsdl"], "reason": "version 4"}
    ended = await drift()
    assert ended.exit_code == 0
    assert "version 4" in ended.stdout


async def test_nothing_is_accepted_that_cannot_be_read(drift, server, town):
    server.pages["/parc?wsdl"] = b"<html>"
    ended = await drift("--accept", "parc", "--reason", "x")
    assert ended.exit_code == 2
    assert town.shelf.accepted("parc", "wsdl") is None


def published(town):
    """Read the metrics of the one target."""
    families = DriftCollector(town.shelf, ("parc", "autre")).collect()
    return {one.name: [(sample.labels["target"], sample.value) for sample in one.samples] for one in families}


async def test_a_day_s_comparison_is_published_and_made_once(town, server):
    assert set(map(tuple, published(town).values())) == {()}
    server.show(SHORTER)
    both = await asyncio.gather(*(compare_what_is_due(town.installation, town.catalogue) for _ in range(2)))
    assert sorted(map(len, both)) == [0, 1]
    assert published(town)["hub_contract_drift"] == [("parc", 1)]
    assert await compare_what_is_due(town.installation, town.catalogue) == []


async def test_the_next_day_sees_that_it_is_over(town, server):
    soon = town.installation.model_copy(update={"drift_every": town.installation.drift_every / 10**9})
    server.show(SHORTER)
    await compare_what_is_due(soon, town.catalogue)
    server.show()
    await compare_what_is_due(soon, town.catalogue)
    assert published(town)["hub_contract_drift"] == [("parc", 0)]


async def test_a_target_that_is_down_hides_no_change_and_its_last_comparison_stays_old(town, server):
    soon = town.installation.model_copy(update={"drift_every": town.installation.drift_every / 10**9})
    server.show(SHORTER)
    await compare_what_is_due(soon, town.catalogue)
    known = published(town)
    server.pages.clear()
    [report] = await compare_what_is_due(soon, town.catalogue)
    assert str(report.standing) == "unchecked"
    assert published(town) == known
