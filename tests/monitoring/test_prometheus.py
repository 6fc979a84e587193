"""The metrics say what is on disk, and name nobody."""

import asyncio
import json
import re
from datetime import datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from connectors.rest.sandbox import Sandbox
from hub.access import Principal, Role
from hub.app import open_hub
from hub.calendar import PARIS
from hub.clock import system_clock
from hub.model import Status
from hub.policy import DAYS
from hub.settings import Settings

CANARY = "Canarinette"


@pytest.fixture
async def town(tmp_path):
    """A hub with one kind, one target, and a principal."""
    for folder, name, content in (
        ("routes/essai", "route.yaml", {"route": "essai", "title": "E", "owner": "o", "steps": STEPS}),
        ("routes/essai", "schema.json", {"type": "object"}),
        ("mappings/cible", "essai.yaml", MAPPING),
    ):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / name).write_text(json.dumps(content))
    target = Sandbox()
    await target.start()
    settings = Settings.model_validate(
        {
            "database": f"sqlite:///{tmp_path}/hub.db",
            "files": tmp_path / "files",
            "secret_file": tmp_path / "secret",
            "homes": [tmp_path],
            "targets": {
                "cible": {"connector": "rest", "settings": target.settings()},
                "fermee": {"connector": "rest", "settings": target.settings(), "policy": {"hours": CLOSED}},
            },
        }
    )
    async with open_hub(settings) as hub:
        yield hub, target
    await target.stop()


TODAY = datetime.now(PARIS).weekday()
CLOSED = {"opens": "00:00", "closes": "23:59", "days": [DAYS[(TODAY + 3) % 7]]}
STEPS = [{"deliver": "cible", "using": "cible/essai"}]
MAPPING = {
    "mapping": "cible/essai",
    "from": "essai",
    "to": "rest.signaler",
    "fields": {"nom": "applicant.identity.family_name"},
    "examples": [{"name": "e", "given": {}, "expect": {}}],
}


async def submit(hub, count):
    principal = Principal(prefix="0", front_end="portail", role=Role.FRONT_END)
    raw = {"kind": "essai", "applicant": {"identity": {"family_name": CANARY, "given_name": "A"}}, "data": {}}
    return [await hub.inbox.submit(principal, f"key-{n}", raw) for n in range(count)]


async def scrape(hub):
    """Read `/metrics` as Prometheus would."""
    route = next(route for route in hub.routes if route.path == "/metrics")
    response = await route.endpoint(None)
    body = response.body.decode()
    samples = {}
    for family in text_string_to_metric_families(body):
        for sample in family.samples:
            samples[sample.name, *sorted(sample.labels.items())] = sample.value
    return body, samples


async def until_standing(hub, status, count):
    def standing():
        sql = text("SELECT count(*) FROM request WHERE status = :s")
        return hub.ledger.look(lambda connection: connection.scalar(sql, {"s": status}))

    async with asyncio.timeout(10):
        while standing() != count:
            await asyncio.sleep(0.01)


async def test_the_balance_is_published_and_is_zero(town):
    hub, target = town
    target.break_with("cut_before", times=2)
    await submit(hub, 5)
    await until_standing(hub, "parked", 2)
    await until_standing(hub, "done", 3)
    _, samples = await scrape(hub)
    counts = {s: samples["hub_requests", ("kind", "essai"), ("status", s)] for s in Status}
    assert (counts["done"], counts["parked"], sum(counts.values())) == (3, 2, 5)
    assert samples["hub_ledger_accepted", ("kind", "essai")] == 5
    assert samples[("hub_ledger_imbalance",)] == 0


async def test_a_row_that_vanished_shows_as_an_imbalance(town):
    hub, _ = town
    await submit(hub, 2)
    await until_standing(hub, "done", 2)
    await hub.ledger.write(delete_one, None)
    _, samples = await scrape(hub)
    assert samples[("hub_ledger_imbalance",)] == 1


def delete_one(connection, items):
    number = connection.scalar(text("SELECT min(number) FROM request"))
    connection.execute(text("DELETE FROM delivery WHERE request = :n"), {"n": number})
    connection.execute(text("DELETE FROM request WHERE number = :n"), {"n": number})
    return list(items)


async def test_attempts_are_counted_by_outcome_even_when_no_answer_came(town):
    hub, target = town
    target.break_with("cut_before")
    await submit(hub, 2)
    seconds = ("hub_attempt_seconds_count", ("operation", "signaler"), ("target", "cible"))
    async with asyncio.timeout(10):
        while (samples := (await scrape(hub))[1]).get(seconds) != 2:
            await asyncio.sleep(0.01)

    def attempts(outcome):
        labels = {"kind": "send", "operation": "signaler", "outcome": outcome, "target": "cible"}
        return samples["hub_attempts_total", *sorted(labels.items())]

    assert (attempts("accepted"), attempts("given_up")) == (1, 1)


async def test_what_waits_for_a_person_is_counted_with_its_age(town):
    hub, target = town
    target.break_with("cut_before", times=2)
    await submit(hub, 2)
    await until_standing(hub, "parked", 2)
    await hub.ledger.write(age_all, None)
    _, samples = await scrape(hub)
    parked, waiting = (("state", "parked"), ("target", "cible")), (("state", "waiting"), ("target", "cible"))
    assert (samples["hub_troubled", *parked], samples["hub_troubled", *waiting]) == (2, 0)
    assert 3600 <= samples["hub_troubled_oldest_age_seconds", *parked] < 7200
    assert samples["hub_troubled_oldest_age_seconds", *waiting] == 0


def age_all(connection, items):
    connection.execute(text("UPDATE delivery SET created_at = created_at - 3600000"))
    return list(items)


async def test_rare_counters_are_there_before_their_first_event(town):
    hub, _ = town
    _, samples = await scrape(hub)
    rare = (
        "hub_retries_total",
        "hub_unmapped_errors_total",
        "hub_certificate_failures_total",
        "hub_late_outcomes_total",
        "hub_swept_total",
    )
    assert [samples[name, ("target", "cible")] for name in rare] == [0] * len(rare)


async def test_a_target_that_is_closed_is_told_from_one_that_is_open(town):
    hub, _ = town
    _, samples = await scrape(hub)
    assert samples["hub_target_open", ("target", "cible")] == 1
    assert samples["hub_target_open", ("target", "fermee")] == 0


async def test_a_ledger_that_fails_is_said_and_the_rest_is_still_published(town):
    hub, _ = town
    _, samples = await scrape(hub)
    assert samples[("hub_ledger_up",)] == 1
    await hub.ledger.write(rename_tally, None)
    _, samples = await scrape(hub)
    assert samples[("hub_ledger_up",)] == 0
    assert ("hub_ledger_imbalance",) not in samples
    assert samples["hub_swept_total", ("target", "cible")] == 0


def rename_tally(connection, items):
    connection.execute(text("ALTER TABLE tally RENAME TO elsewhere"))
    return list(items)


async def test_a_clock_that_was_set_is_seen_beside_the_ledger_s(town):
    hub, _ = town
    hub.ledger.book.now = lambda: system_clock() - 3_600_000
    _, samples = await scrape(hub)
    assert samples[("hub_clock_offset_seconds",)] == pytest.approx(3600, abs=60)


async def test_nothing_in_the_metrics_names_a_person_or_a_request(town):
    hub, _ = town
    accepted = await submit(hub, 3)
    await until_standing(hub, "done", 3)
    body, _ = await scrape(hub)
    assert CANARY.casefold() not in body.casefold()
    named = re.compile(
        "|".join(rf"(?<![0-9.]){one.number}(?![0-9.])" for one in accepted)
    )  # 0.0100000000000009 is none
    assert not [line for line in body.splitlines() if named.search(line)]
