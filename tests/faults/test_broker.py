"""A broker that is away, silent, forgetful or repetitive: it only ever wakes, so nothing depends on it."""

import httpx
import pytest

from hub.queue import TASK, celery_app, queue_of
from tests.faults.proxy import Mode
from tests.faults.town import CANARIES, KINDS, distributed

pytestmark = distributed

NEVER = "1h"
"""How rarely a worker sweeps when hints alone are to wake it."""


@pytest.fixture
async def client():
    """A front end's connections."""
    async with httpx.AsyncClient() as opened:
        yield opened


@pytest.fixture
async def manned(new_town, mode):
    """A town with a door and a worker."""
    town = await new_town()
    return town, await town.serve(mode)


async def submit_each(town, client, door, name):
    """Submit one request of each kind."""
    for kind in KINDS:
        await town.submit(client, lambda: door.url, f"{name}-{kind}", kind)


def hint(broker, deliveries, times):
    """Publish a hint of some deliveries, again and again."""
    app = celery_app(broker.url, ["cible"])
    with app.connection_for_write() as connection:
        producer = app.amqp.Producer(connection)
        for _ in range(times):
            app.send_task(TASK, args=("cible", deliveries), producer=producer, queue=queue_of("cible"))


def empty(broker):
    """Purge the queue of hints; says how many there were."""
    with celery_app(broker.url, ["cible"]).connection_for_write() as connection:
        return queue_of("cible")(connection.channel()).purge()


def deliveries_of(town):
    """List every delivery."""
    return [row.id for row in town.rows("SELECT id FROM delivery ORDER BY id")]


def sends(town):
    """Count how often each delivery was sent."""
    found = town.rows("SELECT delivery, count(*) AS times FROM attempt WHERE kind = 'send' GROUP BY delivery")
    return {row.delivery: row.times for row in found}


async def test_hints_alone_wake_a_worker(new_town, mode, client):
    """The control of all that follows: where nothing sweeps, it is hints that carry."""
    town = await new_town(sweep_every=NEVER)
    door = await town.serve(mode)
    await submit_each(town, client, door, "k")
    await town.settle()
    assert town.check() == {(kind, "done"): 1 for kind in KINDS}


async def test_deliveries_go_on_while_the_broker_is_dead_and_after(manned, broker, client):
    """Row 8: killed, away, back."""
    town, door = manned
    await submit_each(town, client, door, "before")
    await broker.kill()
    try:
        await submit_each(town, client, door, "during")
        await town.settle()
    finally:
        await broker.start()
    await submit_each(town, client, door, "after")
    await town.settle()
    assert town.check() == {(kind, "done"): 3 for kind in KINDS}


async def test_hints_that_are_purged_are_not_missed(new_town, mode, broker, client):
    """Row 8: they wait in the queue, and are gone before a worker is there."""
    town = await new_town()
    door = await town.start(*mode.door)
    await submit_each(town, client, door, "k")
    await town.until(lambda: empty(broker))
    await town.start(*mode.engine)
    await town.settle()
    assert town.check() == {(kind, "done"): 1 for kind in KINDS}


async def test_a_hint_repeated_ten_times_sends_nothing_twice(manned, mode, broker, client):
    """Row 8: while two workers send, each hint comes ten times more, and again when all is done."""
    town, door = manned
    await town.start(*mode.engine)
    town.target.latency = 0.5
    await submit_each(town, client, door, "k")
    hint(broker, deliveries_of(town), 10)
    await town.settle()
    hint(broker, deliveries_of(town), 10)
    town.target.latency = 0.0
    await submit_each(town, client, door, "later")
    await town.settle()
    assert town.check() == {(kind, "done"): 2 for kind in KINDS}
    assert sends(town) == dict.fromkeys(deliveries_of(town), 1)


async def test_hints_of_what_does_not_exist_do_nothing(manned, broker, client):
    """Row 8: those of another ledger, of a delivery that never was."""
    town, door = manned
    hint(broker, [1, 999_999_999_999, 7], 10)
    await submit_each(town, client, door, "k")
    await town.settle()
    assert town.check() == {(kind, "done"): 1 for kind in KINDS}


async def test_a_black_hole_before_the_broker_delays_no_acceptance(new_town, mode, broker, new_line, client):
    """Row 9: each 202 comes while the hint of the one before it is provably still on its way."""
    town = await new_town()
    line = await new_line(broker.port)
    town.behind(broker=line)
    door = await town.start(*mode.door)
    await town.submit(client, lambda: door.url, "before")
    await line.turn(Mode.BLACKHOLE)
    await town.submit(client, lambda: door.url, "first")
    await town.until(lambda: line.held)
    for index in range(20):
        assert (await town.post(client, door.url, f"k-{index}")).status_code == 202
        assert line.held
    await line.turn(Mode.OK)
    await town.start(*mode.engine)
    await town.settle()
    assert town.check() == {("idempotent", "done"): 22}


async def test_a_link_reset_during_a_call_sends_nothing_twice(new_town, mode, broker, new_line, client):
    """Row 10: the broker hands the hint to a twin, and again to the first; the claim is taken."""
    town = await new_town(deadline="5s")
    line = await new_line(broker.port)
    town.behind(broker=line)
    door = await town.serve(mode)
    await town.start(*mode.engine)
    town.target.latency = 1.0
    await submit_each(town, client, door, "k")
    await town.until(lambda: len(town.rows("SELECT 1 FROM delivery WHERE state = 'sending'")) == len(KINDS))
    line.cut()
    hint(broker, deliveries_of(town), 2)
    await town.settle()
    assert town.check() == {(kind, "done"): 1 for kind in KINDS}
    assert sends(town) == dict.fromkeys(deliveries_of(town), 1)


async def test_no_hint_says_anything_about_anybody(new_town, mode, broker, new_line, client):
    """Row 8, I4: what passes towards the broker names deliveries by number."""
    town = await new_town()
    line = await new_line(broker.port)
    town.behind(broker=line)
    door = await town.serve(mode)
    await submit_each(town, client, door, "k")
    await town.settle()
    assert str(deliveries_of(town)[0]).encode() in line.heard
    assert [canary for canary in CANARIES if canary.encode() in line.heard] == []
