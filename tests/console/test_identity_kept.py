"""What a provider shows is asked for once for all who wait, kept while it is away, and not asked for at every step."""

import asyncio

import pytest

from monitoring.console.identity_errors import SignInError
from monitoring.console.identity_kept import ASKED_AGAIN, FRESH, GOOD_FOR, LEFT_ALONE, Kept
from tests.console.identity import Hand


class Shown:
    """Something that a provider shows: how often it was asked for, and why it cannot be had."""

    def __init__(self):
        self.asked, self.refusal = 0, None
        self.answers = asyncio.Event()
        self.answers.set()

    async def __call__(self):
        self.asked += 1
        await self.answers.wait()
        if self.refusal:
            raise SignInError(self.refusal)
        return self.asked


@pytest.fixture
def clock():
    """Its time."""
    return Hand()


@pytest.fixture
def shown():
    """What the provider shows."""
    return Shown()


@pytest.fixture
def kept(shown, clock):
    """What is kept of it."""
    return Kept(shown, clock)


async def waiting(kept, shown, number=10, **how):
    """Have several ask while the provider does not answer yet, then have it answer."""
    shown.answers.clear()
    asking = [asyncio.create_task(kept.get(**how)) for _ in range(number)]
    while not shown.asked:
        await asyncio.sleep(0)
    shown.answers.set()
    return await asyncio.gather(*asking, return_exceptions=True)


async def test_all_who_wait_share_one_asking(kept, shown):
    assert await waiting(kept, shown) == [1] * 10


async def test_all_who_wait_share_one_failure_and_so_do_those_who_come_just_after(kept, shown, clock):
    shown.refusal = "unreachable"
    assert [str(one) for one in await waiting(kept, shown)] == ["unreachable"] * 10
    shown.refusal = None
    clock.at += LEFT_ALONE - 1
    with pytest.raises(SignInError, match=r"^unreachable$"):
        await kept.get()
    assert shown.asked == 1
    clock.at += 1
    assert await kept.get() == 2


async def test_who_goes_away_takes_nothing_from_the_others(kept, shown):
    shown.answers.clear()
    first, second = (asyncio.create_task(kept.get()) for _ in range(2))
    while not shown.asked:
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    shown.answers.set()
    assert await second == 1


async def test_it_is_gone_by_for_a_day_when_it_cannot_be_had_anew(kept, shown, clock):
    assert await kept.get() == 1
    shown.refusal = "unreachable"
    clock.at += FRESH + 1
    assert await kept.get() == 1
    assert await kept.get() == 1
    assert shown.asked == 2
    clock.at += GOOD_FOR
    with pytest.raises(SignInError, match=r"^unreachable$"):
        await kept.get()


async def test_it_is_asked_for_anew_after_an_hour(kept, clock):
    assert [await kept.get(), await kept.get()] == [1, 1]
    clock.at += FRESH + 1
    assert await kept.get() == 2


async def test_what_will_not_do_is_asked_for_afresh_at_most_twice_a_minute(kept, clock):
    assert [await kept.get(), await kept.get(afresh=True), await kept.get(afresh=True)] == [1, 2, 2]
    clock.at += ASKED_AGAIN + 1
    assert await kept.get(afresh=True) == 3


async def test_a_failure_of_asking_afresh_is_said_while_what_is_kept_serves_the_others(kept, shown, clock):
    assert await kept.get() == 1
    shown.refusal = "unreachable"
    for _ in range(2):
        with pytest.raises(SignInError, match=r"^unreachable$"):
            await kept.get(afresh=True)
    assert (await kept.get(), shown.asked) == (1, 2)
    shown.refusal = None
    clock.at += LEFT_ALONE
    assert await kept.get(afresh=True) == 3
