"""A target is spoken to as its policy, its breaker and its operators allow."""

import pytest

from hub import targets
from hub.claims import Order
from hub.policy import Policy
from hub.targets import Switch


@pytest.fixture
async def still(make_town):
    """A town whose engine does not run: tests claim by hand."""
    async with make_town(serve=False) as opened:
        yield opened


def order(policy=None, limit=100):
    return Order("cible", "me", limit, policy or Policy(concurrency=1000))


async def claim(town, policy=None, limit=100):
    return (await town.hub.ledger.claim(order(policy, limit))).claims


async def queue(town, count):
    return [await town.submit("idempotent") for _ in range(count)]


async def health(town):
    return next(
        one for one in await town.hub.ledger.read(targets.health, town.hub.ledger.book.now()) if one.name == "cible"
    )


async def test_no_more_are_in_hand_than_the_target_bears(still):
    await queue(still, 5)
    policy = Policy(concurrency=3)
    assert len(await claim(still, policy)) == 3
    assert len(await claim(still, policy)) == 0


async def test_a_rate_fills_by_the_second_and_never_beyond(still):
    await queue(still, 10)
    policy = Policy(concurrency=100, rate=3)
    clock = still.hub.ledger.book.now()
    still.hub.ledger.book.now = lambda: clock
    assert len(await claim(still, policy)) == 3
    assert len(await claim(still, policy)) == 0
    clock += 1000
    assert len(await claim(still, policy)) == 3
    clock += 3_600_000
    assert len(await claim(still, policy)) == 3


async def test_two_claims_never_share_a_delivery(still):
    await queue(still, 40)
    first, second = await claim(still, limit=25), await claim(still, limit=25)
    assert len({one.id for one in [*first, *second]}) == 40


async def test_a_claim_is_oldest_first(still):
    numbers = await queue(still, 5)
    assert [one.request for one in await claim(still, limit=2)] == numbers[:2]


async def test_a_paused_target_is_left_alone_until_it_is_resumed(town):
    await town.hub.ledger.switch(Switch("cible", paused=True, reason="migration"))
    number = await town.submit("idempotent")
    assert (await town.hub.ledger.claim(order())).claims == ()
    assert (await health(town)).paused_reason == "migration"
    await town.hub.ledger.switch(Switch("cible", paused=False))
    assert (await town.settle(number)).status == "done"


async def test_switching_a_target_that_does_not_exist_says_so(town):
    assert await town.hub.ledger.switch(Switch("ailleurs", paused=True)) is False


async def test_a_closed_target_is_left_alone(still):
    await queue(still, 1)
    clock = 2_109_996_000_000  # a Tuesday to come, 6 in the morning in Paris
    still.hub.ledger.book.now = lambda: clock
    hours = Policy(hours={"opens": "08:00", "closes": "18:00"})
    assert await claim(still, hours) == ()
    clock += 3 * 3_600_000
    assert len(await claim(still, hours)) == 1


async def test_the_breaker_opens_after_enough_failures_and_one_delivery_tries_it_again(make_town):
    policy = {"breaker_threshold": 3, "breaker_cooldown": "300ms", "concurrency": 1}
    async with make_town(policy) as town:
        town.target.break_with("unavailable", times=-1)
        numbers = await queue(town, 6)
        await town.until(lambda: town.rows("SELECT breaker FROM target WHERE name = 'cible'")[0][0] == "open")
        tried = town.rows("SELECT count(*) FROM attempt")[0][0]
        assert tried == 3
        town.target.mend()
        await town.until(lambda: all(town.request(number).status == "done" for number in numbers))
        assert (await health(town)).breaker == "closed"


async def test_a_breaker_that_tries_and_fails_opens_again(make_town):
    policy = {"breaker_threshold": 2, "breaker_cooldown": "100ms", "concurrency": 8}
    async with make_town(policy) as town:
        town.target.break_with("unavailable", times=-1)
        await queue(town, 1)
        await town.until(lambda: town.rows("SELECT count(*) FROM attempt")[0][0] >= 4)
        opened = town.rows("SELECT opened_at FROM target WHERE name = 'cible'")[0][0]
        await town.until(lambda: town.rows("SELECT opened_at FROM target WHERE name = 'cible'")[0][0] > opened)


async def test_one_dead_target_holds_no_other_up(make_town):
    async with make_town() as town:
        town.target.break_with("slow", times=-1)
        slow = [await town.submit("idempotent") for _ in range(8)]
        await town.until(lambda: len(town.rows("SELECT 1 FROM delivery WHERE state = 'sending'")) == 8)
        number = await town.submit("circuit", enfants=[])
        assert town.request(number).awaiting == "instruction"
        assert all(town.request(one).status != "done" for one in slow)
