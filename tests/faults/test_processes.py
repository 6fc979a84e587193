"""Processes that are asked to end, that die of what they carry, that share one file."""

import asyncio
import signal

import httpx

from hub.app import open_hub
from hub.claims import POISON_CLAIMS
from tests.faults.town import KINDS, embedded, submission


async def in_flight(town, mode):
    """Start a process, and wait until every message is on its way."""
    process = await town.start(*mode.engine)
    await town.until(lambda: [row.state for row in town.rows("SELECT state FROM delivery")] == ["sending"] * len(KINDS))
    return process


async def test_what_is_under_way_ends_before_a_process_that_is_asked_to_end(new_town, mode):
    """Row 7: SIGTERM."""
    town = await new_town(deadline="3s")
    town.target.latency = 0.5
    await town.seed(*KINDS)
    process = await in_flight(town, mode)
    process.send(signal.SIGTERM)
    assert await process.ended() == 0
    assert town.check() == {(kind, "done"): 1 for kind in KINDS}


async def test_a_process_killed_while_it_was_ending_leaves_nothing_lost_or_doubled(new_town, mode):
    """Row 7: SIGTERM, then SIGKILL when the platform's patience is over; the target goes on with what it was sent."""
    town = await new_town(deadline="3s")
    town.target.latency = 2.0
    await town.seed(*KINDS)
    process = await in_flight(town, mode)
    process.send(signal.SIGTERM)
    process.send(signal.SIGKILL)
    await process.ended()
    town.target.latency = 0.0
    await town.start(*mode.engine)
    await town.settle()
    assert town.check() == {("idempotent", "done"): 1, ("lookup", "done"): 1, ("once", "parked"): 1}


@embedded
async def test_a_payload_that_kills_its_process_is_left_to_a_person_and_takes_no_other_along(new_town, mode):
    """Row 26: whoever maps it dies of it, POISON_CLAIMS times; the others flow."""
    town = await new_town()
    [poison] = await town.seed("idempotent", objet="poison")
    sound = await town.seed("idempotent", "lookup")
    for _ in range(POISON_CLAIMS):
        victim = await town.process(*mode.engine, dies_at="poison").launch()
        assert await victim.ended() == -signal.SIGKILL
    await town.start(*mode.engine, dies_at="poison")
    await town.settle()
    town.check()
    assert town.rows("SELECT code FROM delivery WHERE state = 'parked'") == [("poison",)]
    assert town.target.taken() == {f"{number}-1": 1 for number in sound}
    assert town.rows("SELECT status FROM request WHERE number = :n", n=poison) == [("parked",)]


@embedded
async def test_two_processes_on_one_file_claim_nothing_twice(new_town, mode):
    """Row 47: both take requests and both carry them."""
    town = await new_town()
    one, two = await town.start(*mode.door), await town.start(*mode.door)
    left = iter(range(200))

    async def front_end(client, door):
        for index in left:
            await town.submit(client, lambda: door.url, f"key-{index}", KINDS[index % len(KINDS)])

    async with httpx.AsyncClient() as client:
        await asyncio.gather(*(front_end(client, door) for door in (one, two) * 4))
    await town.settle()
    assert sum(town.check().values()) == 200
    assert len(town.rows("SELECT DISTINCT owner FROM delivery")) == 2


@embedded
async def test_an_engine_that_dies_is_started_again(new_town, monkeypatch):
    """Row 47: the embedded engine fails for a reason nobody foresaw; the process goes on serving."""
    town = await new_town()
    async with open_hub(town.settings) as hub:
        claim, failures = hub.ledger.claim, []

        async def failing(order):
            if not failures:
                failures.append(order)
                raise ZeroDivisionError
            return await claim(order)

        monkeypatch.setattr(hub.ledger, "claim", failing)
        await hub.inbox.submit(town.principal, "k", submission("once"))
        await town.settle()
        assert (len(failures), hub.failed.is_set()) == (1, False)
    assert town.check() == {("once", "done"): 1}
