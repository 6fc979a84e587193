"""The ledger's time stays steady, whatever happens to the clocks it is read from."""

import asyncio

import pytest

from hub import clock
from hub.clock import SteadyClock, keep_time

NOON = 1_800_000_000_000


@pytest.mark.parametrize(("shared", "followed"), [(True, True), (False, False)])
def test_a_clock_that_was_set_is_followed_only_where_others_go_by_it_too(shared, followed):
    steady = SteadyClock(NOON, shared=shared)
    steady.follow(NOON + 3_600_000)
    assert (steady() >= NOON + 3_600_000) is followed


def test_a_clock_that_drifts_is_followed():
    steady = SteadyClock(NOON, shared=False)
    steady.follow(NOON + 1500)
    assert NOON + 1500 <= steady() < NOON + 3_600_000


async def test_a_reading_that_was_long_on_its_way_moves_nothing_back(monkeypatch):
    passed, asked_again = [0], asyncio.Event()
    monkeypatch.setattr(clock, "EVERY", 0)
    monkeypatch.setattr(clock, "elapsed", lambda: passed[0])
    steady = SteadyClock(NOON, shared=True)

    async def read():
        if passed[0]:
            asked_again.set()
            await asyncio.Event().wait()
        passed[0] = 3000  # the process stood still for as long
        return NOON

    keeping = asyncio.create_task(keep_time(steady, read))
    await asked_again.wait()
    keeping.cancel()
    assert steady() == NOON + 3000
