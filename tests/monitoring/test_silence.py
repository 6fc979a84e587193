"""What always comes on such a day is known from the ledger alone, and what does not come is missed."""

from datetime import datetime

import pytest
from sqlalchemy import create_engine, insert, update
from sqlalchemy import text as sql

from hub.app import open_hub
from hub.calendar import PARIS, instant_of
from hub.lifecycle import State
from hub.settings import Settings
from hub.tables import DELIVERIES, REQUESTS
from monitoring.silence import DAY, WEEK, first_since, of_kinds, of_targets
from tests.monitoring.conftest import PORTAL, home, settings_of, submission, until

TUESDAY = instant_of(datetime(2026, 9, 29, 15, tzinfo=PARIS))
AFTER_ARMISTICE = instant_of(datetime(2026, 11, 12, 9, tzinfo=PARIS))
HOUR = 3_600_000


@pytest.fixture
async def ledger(tmp_path, target):
    """A ledger with one request that was carried home, to be copied; and nothing else."""
    async with open_hub(Settings.model_validate(settings_of(home(tmp_path), target))) as hub:
        await hub.inbox.submit(PORTAL, "first", submission())
        await until(lambda: hub.ledger.read(is_done))
    engine = create_engine(f"sqlite:///{tmp_path}/hub.db")
    with engine.begin() as connection:
        yield connection
        connection.rollback()
    engine.dispose()


def is_done(connection):
    return connection.scalar(sql("SELECT status FROM request")) == "done"


def receive(connection, *instants):
    """Put requests at these moments, numbered in the order given; the one that was there becomes the oldest of all."""
    request = dict(connection.execute(REQUESTS.select()).mappings().first())
    delivery = dict(connection.execute(DELIVERIES.select()).mappings().first())
    connection.execute(update(REQUESTS).values(received_at=0))
    connection.execute(update(DELIVERIES).values(created_at=0))
    for ordinal, at in enumerate(instants, 1):
        number = request["number"] + ordinal
        own = {"number": number, "idempotency_key": f"copy-{ordinal}", "received_at": at}
        connection.execute(insert(REQUESTS), request | own)
        own = {
            "id": delivery["id"] + ordinal * (delivery["id"] // request["number"]),
            "request": number,
            "created_at": at,
        }
        connection.execute(insert(DELIVERIES), delivery | own)


def weeks(now, count, each):
    """Give moments on the same day of the last weeks, the oldest first."""
    return [now - week * WEEK - hour * HOUR for week in range(count, 0, -1) for hour in range(each, 0, -1)]


def test_what_came_each_week_is_expected_and_missed(ledger):
    receive(ledger, *weeks(TUESDAY, 4, 6))
    kinds, targets = of_kinds(ledger, TUESDAY), of_targets(ledger, TUESDAY)
    assert (kinds.received.get("essai", 0), kinds.expected) == (0, {"essai": 6})
    assert targets.expected == {"cible": 6}


def test_the_least_of_the_weeks_is_what_is_expected(ledger):
    receive(ledger, *weeks(TUESDAY, 4, 6)[4:], TUESDAY - HOUR)
    found = of_kinds(ledger, TUESDAY)
    assert (found.received, found.expected) == ({"essai": 1}, {"essai": 2})


def test_a_kind_that_is_younger_than_the_weeks_is_not_expected(ledger):
    receive(ledger, *weeks(TUESDAY, 3, 6))
    assert of_kinds(ledger, TUESDAY).expected == {}


def test_nothing_is_expected_about_a_public_holiday(ledger):
    receive(ledger, *weeks(AFTER_ARMISTICE, 4, 6))
    assert of_kinds(ledger, AFTER_ARMISTICE).expected == {}
    assert of_kinds(ledger, AFTER_ARMISTICE + DAY).expected == {} != of_kinds(ledger, TUESDAY)


def test_numbers_that_another_process_took_earlier_are_found_at_their_moments(ledger):
    moments = weeks(TUESDAY, 4, 6)
    receive(ledger, *moments[::2], *moments[1::2])
    assert of_kinds(ledger, TUESDAY).expected == {"essai": 6}


def test_what_was_not_taken_is_not_what_a_target_takes(ledger):
    receive(ledger, *weeks(TUESDAY, 4, 6))
    ledger.execute(update(DELIVERIES).values(state=State.PARKED))
    assert of_targets(ledger, TUESDAY).expected == {}


def test_an_empty_ledger_has_no_habits(ledger):
    for table in ("delivery", "request"):
        ledger.execute(sql(f"DELETE FROM {table}"))  # noqa: S608  # two names of ours
    assert first_since(ledger, TUESDAY) == 0
    assert of_kinds(ledger, TUESDAY).expected == {}
