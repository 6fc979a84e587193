"""Clocks that are wrong or set: nobody takes over too early, nothing waits for an hour that never comes."""

import asyncio

import httpx

from tests.faults.town import KINDS, distributed, embedded

HOUR, BACK = 3600, 300
REQUESTS = 60
RETRIED = 3
"""How many calls the target first refuses, so that some deliveries wait for a moment."""

SETTABLE = (
    "CREATE SCHEMA settable",
    "CREATE TABLE settable.off (seconds double precision NOT NULL)",
    "INSERT INTO settable.off VALUES (0)",
    """CREATE FUNCTION settable.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql AS
       'SELECT pg_catalog.clock_timestamp() + make_interval(secs => seconds) FROM settable.off'""",
    """DO $$ BEGIN EXECUTE format(
       'ALTER DATABASE %I SET search_path = settable, pg_catalog, public', current_database()); END $$""",
)
"""Give a database a clock of its own that can be set: the function is found before the server's."""


async def submit_many(town, client, door, name):
    """Submit many requests of every kind at once."""
    submitting = (
        town.submit(client, lambda: door.url, f"{name}-{index}", KINDS[index % len(KINDS)]) for index in range(REQUESTS)
    )
    await asyncio.gather(*submitting)


def taken_too_early(town):
    """List what was taken from somebody who lived, or recorded too late."""
    return town.rows("SELECT delivery, code FROM attempt WHERE code = 'owner_lost' OR late")


@distributed
async def test_a_worker_an_hour_ahead_and_one_an_hour_behind_share_the_databases_time(new_town, mode):
    """Row 13: no early takeover, no retry an hour late."""
    town = await new_town()
    town.target.latency = 0.1
    door, *_ = await asyncio.gather(
        town.start(*mode.door), *(town.start(*mode.engine, clock_off=off) for off in (HOUR, -HOUR, 0))
    )
    town.target.break_with("unavailable", times=RETRIED)
    rounds = 0
    async with httpx.AsyncClient() as client, asyncio.timeout(60):
        while len(town.rows("SELECT DISTINCT owner FROM delivery WHERE owner <> ''")) < 3:
            await submit_many(town, client, door, f"round-{rounds}")
            rounds += 1
    await town.settle()
    assert town.check() == {(kind, "done"): rounds * REQUESTS // len(KINDS) for kind in KINDS}
    assert taken_too_early(town) == []


@distributed
async def test_a_databases_clock_set_back_loses_nothing_and_lets_nobody_in_too_early(new_town, mode):
    """Row 13: five minutes back in mid-load, and right again."""
    town = await new_town()
    for statement in SETTABLE:
        town.change(statement)
    town.engine.dispose()
    town.target.latency = 0.2
    door, *_ = await asyncio.gather(town.start(*mode.door), *(town.start(*mode.engine) for _ in range(2)))
    async with httpx.AsyncClient() as client, asyncio.timeout(60):
        first = await town.submit(client, lambda: door.url, "first")
        await submit_many(town, client, door, "before")
        town.change("UPDATE settable.off SET seconds = :back", back=-BACK)
        number = first
        while received_at(town, number) >= received_at(town, first):
            number = await town.submit(client, lambda: door.url, f"probe-{number}")
        await submit_many(town, client, door, "after")
        await town.until(lambda: town.states([number]) == ("delivered",))
    town.change("UPDATE settable.off SET seconds = 0")
    await town.settle()
    assert {status for _, status in town.check()} == {"done"}
    assert taken_too_early(town) == []


def received_at(town, number):
    """Give the moment at which the ledger says that a request came."""
    return town.rows("SELECT received_at FROM request WHERE number = :n", n=number)[0].received_at


@embedded
async def test_a_machine_whose_clock_is_an_hour_wrong_delivers_all_the_same(new_town, mode):
    """Row 13: alone with its file, a hub measures time by itself."""
    town = await new_town()
    town.target.break_with("unavailable", times=RETRIED)
    door = await town.start(*mode.door, clock_off=HOUR)
    async with httpx.AsyncClient() as client:
        await submit_many(town, client, door, "k")
    await town.settle()
    assert town.check() == {(kind, "done"): REQUESTS // len(KINDS) for kind in KINDS}
