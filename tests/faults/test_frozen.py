"""Processes that stand still and clocks that are wrong: nobody takes over too early, nobody sends too late."""

import asyncio
import signal

import pytest

from tests.faults.town import KINDS, distributed

STALE = 2.5
"""Seconds a sender stays frozen: longer than an intent stays fresh. Its lease is ended by hand."""

FROZEN_AT = {"intent": "before it looks whether its intent is fresh", "W2": "just before the first byte"}


async def freeze(town, mode, point):
    """Freeze a process of which three deliveries were about to be sent, past its lease; another one serves."""
    numbers = await town.seed(*KINDS)
    frozen = await town.process(*mode.engine, stops_at=point).launch()
    await frozen.frozen()
    assert [row.state for row in town.rows("SELECT state FROM delivery")] == ["sending"] * len(KINDS)
    town.change("UPDATE delivery SET lease_until = 0")
    await town.start(*mode.engine)
    return frozen, numbers


def delivered(town, numbers):
    """Say whether the target has all of them."""
    return all(town.target.taken()[f"{number}-1"] for number in numbers)


@pytest.mark.parametrize("point", FROZEN_AT, ids=FROZEN_AT.get)
async def test_nobody_takes_over_from_a_frozen_sender_that_still_holds_its_lock(new_town, mode, point):
    """Row 12: SIGSTOP past the lease between intent and first byte, a second worker active, then SIGCONT."""
    town = await new_town()
    frozen, numbers = await freeze(town, mode, point)
    later = await town.seed(*KINDS)
    await town.until(lambda: delivered(town, later))
    await asyncio.sleep(STALE)
    assert not any(town.target.taken()[f"{number}-1"] for number in numbers)
    frozen.send(signal.SIGCONT)
    await town.settle()
    assert town.check() == dict.fromkeys(((kind, "done") for kind in KINDS), 2)
    assert town.rows("SELECT code FROM attempt WHERE code = 'stalled'")


@distributed
async def test_a_frozen_sender_that_lost_its_lock_sends_nothing_when_it_wakes(new_town, mode):
    """Row 12: the second worker takes over and ends everything; what the first does afterwards comes too late."""
    town = await new_town()
    frozen, numbers = await freeze(town, mode, "intent")
    town.change(TERMINATE)
    await town.settle()
    await asyncio.sleep(STALE)
    kept = town.target.taken()
    frozen.send(signal.SIGCONT)
    await town.until(lambda: len(town.rows("SELECT 1 FROM attempt WHERE code = 'stalled' AND late")) == len(numbers))
    assert town.check() == {("idempotent", "done"): 1, ("lookup", "done"): 1, ("once", "parked"): 1}
    assert town.target.taken() == kept


TERMINATE = (
    "SELECT pg_terminate_backend(l.pid) FROM pg_locks l, "
    "(SELECT DISTINCT owner FROM delivery WHERE state = 'sending') d "
    "WHERE l.locktype = 'advisory' AND l.objsubid = 1 "
    "AND (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended(d.owner, 0)"
)
"""End every connection that holds the lock of whoever is sending."""
