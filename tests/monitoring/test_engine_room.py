"""What the engine announces becomes samples: who found the work, what held it back, what a dead process left."""

from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry
from sqlalchemy import text

from hub.app import open_hub
from hub.database import open_database, prepare
from hub.events import Claimed, Probed
from hub.prober import Turn, take_turns
from hub.queue import Herald
from hub.settings import Settings
from monitoring.machinery import BrokerCollector
from tests.monitoring.conftest import PORTAL, home, scrape, settings_of, submission, until

CIBLE = ("target", "cible")
UP = ("hub_probe_up", CIBLE)


@asynccontextmanager
async def town(folder, target, policy=None, **more):
    """Open a hub with one target."""
    said = settings_of(home(folder), target, **more)
    said["targets"]["cible"]["policy"] = policy or {}
    async with open_hub(Settings.model_validate(said)) as hub:
        yield hub


async def submit(hub, count):
    return [await hub.inbox.submit(PORTAL, f"key-{number}", submission()) for number in range(count)]


async def until_done(hub, count):
    def done(connection):
        return connection.scalar(text("SELECT count(*) FROM request WHERE status = 'done'")) == count

    await until(lambda: hub.ledger.read(done))


async def test_work_that_was_told_of_is_told_from_work_that_the_sweep_finds(tmp_path, target):
    async with town(tmp_path, target, sweep_every=0.1) as hub:
        await submit(hub, 2)
        await until_done(hub, 2)
        await hub.ledger.write(put_back, None)
        await until_done(hub, 2)
        samples = await until(lambda: scrape(hub), lambda seen: claimed(seen, "sweep") > 0)
        assert (claimed(samples, "hint"), claimed(samples, "sweep")) == (2, 2)


def claimed(samples, found):
    return samples["hub_claimed_total", ("found", found), CIBLE]


def put_back(connection, items):
    """Put all in the queue again, and tell nobody."""
    connection.execute(text("UPDATE delivery SET state = 'queued', next_at = 0"))
    connection.execute(text("UPDATE request SET status = 'in_progress'"))
    return list(items)


async def test_a_rate_that_holds_deliveries_back_is_told_in_seconds(tmp_path, target):
    async with town(tmp_path, target, {"rate": 4}, sweep_every=0.1) as hub:
        await submit(hub, 8)
        await until_done(hub, 8)
        samples = await scrape(hub)
        assert samples["hub_throttled_seconds_total", CIBLE] > 0.1


async def test_a_target_without_a_rate_is_never_held_back(tmp_path, target):
    async with town(tmp_path, target, {"concurrency": 1}, sweep_every=0.1) as hub:
        await submit(hub, 6)
        await until_done(hub, 6)
        assert (await scrape(hub))["hub_throttled_seconds_total", CIBLE] == 0


async def test_every_phase_of_a_request_is_measured_once(tmp_path, target):
    async with town(tmp_path, target) as hub:
        await submit(hub, 3)
        await until_done(hub, 3)
        samples = await until(lambda: scrape(hub), lambda seen: phase(seen, "record") == 3)
        assert [phase(samples, one) for one in ("commit", "wait", "map", "send", "record")] == [3] * 5


def phase(samples, name):
    return samples["hub_phase_seconds_count", ("phase", name)]


async def test_what_could_not_be_sent_took_a_target_no_time(tmp_path, target):
    async with town(tmp_path, target, sweep_every=0.1) as hub:
        await submit(hub, 1)
        await until_done(hub, 1)
        await hub.ledger.write(poison, None)
        samples = await until(lambda: scrape(hub), lambda seen: phase(seen, "record") == 2)
        assert phase(samples, "send") == 1


def poison(connection, items):
    """Put a delivery in the queue again, as one that killed whoever took it in hand."""
    connection.execute(text("UPDATE delivery SET state = 'queued', next_at = 0, claims = 5"))
    return list(items)


async def test_what_a_dead_process_was_sending_is_counted_with_the_time_it_was_in_its_hands(tmp_path, target):
    async with town(tmp_path, target, sweep_every=0.1) as hub:
        await submit(hub, 1)
        await until_done(hub, 1)
        await hub.ledger.write(leave_behind, None)
        labels = ("kind", "send"), ("operation", "enregistrer"), ("outcome", "lost"), CIBLE
        samples = await until(lambda: scrape(hub), lambda seen: seen.get(("hub_attempts_total", *labels)) == 1)
        assert samples["hub_swept_total", CIBLE] == 1
        assert samples["hub_attempt_seconds_sum", ("operation", "enregistrer"), CIBLE] > 3600


def leave_behind(connection, items):
    """Leave a delivery in the hands of a process that is no more, which began to send it an hour ago."""
    values = "state = 'sending', owner = 'gone', sent_at = sent_at - 3600000, lease_until = lease_until - 3600000"
    connection.execute(text(f"UPDATE delivery SET {values}"))  # noqa: S608  # ours
    return list(items)


async def test_probes_say_whether_a_target_is_up_apart_from_traffic(tmp_path, target):
    async with town(tmp_path, target, probe_every=0.1) as hub:
        await until(lambda: scrape(hub), lambda seen: seen.get(UP) == 1)
        await target.stop()
        samples = await until(lambda: scrape(hub), lambda seen: seen.get(UP) == 0)
        assert not any(name == "hub_attempts_total" for name, *_ in samples)
        await target.start()
        await until(lambda: scrape(hub), lambda seen: seen.get(UP) == 1)


async def test_a_paused_target_is_not_asked_and_has_no_sample(tmp_path, target):
    async with town(tmp_path, target, probe_every=0.1) as hub:
        await until(lambda: scrape(hub), lambda seen: seen.get(UP) == 1)
        await hub.ledger.write(pause, None)
        await until(lambda: scrape(hub), lambda seen: UP not in seen)


def pause(connection, items):
    connection.execute(text("UPDATE target SET paused = true"))
    return list(items)


async def test_without_an_interval_nobody_is_asked(tmp_path, target):
    async with town(tmp_path, target, probe_every=0) as hub:
        heard = []
        hub.announcer.listen(heard.append)
        await submit(hub, 1)
        await until_done(hub, 1)
        assert not [event for event in heard if isinstance(event, Probed)]
        assert [event.told for event in heard if isinstance(event, Claimed)] == [True]


async def test_one_process_asks_until_it_has_been_gone_for_a_while(database):
    engine = open_database(database)
    prepare(engine)
    with engine.begin() as connection:

        def take(mine, now, until):
            return take_turns(connection, [Turn("cible", mine, now, until)])

        assert take(-1, 1000, 4000) == [True]
        assert take(-1, 2000, 5000) == [False]
        assert take(4000, 2000, 5000) == [True]
        assert take(4000, 3000, 6000) == [False]
        assert take(-1, 5001, 8000) == [True]
        assert take_turns(connection, [Turn("autre", -1, 1000, 4000)]) == [True]
    engine.dispose()


async def test_a_broker_is_asked_for_its_queues_and_missed_when_it_is_gone(rabbitmq_server):
    registry = CollectorRegistry()
    herald = Herald(rabbitmq_server.url, ["file"])
    herald.wake({"file": [1, 2, 3]})
    registry.register(BrokerCollector(rabbitmq_server.url, ["sans-file", "file"]))
    await until(lambda: waiting(registry, "file"), lambda seen: seen == (1, 1))
    herald.close()
    gone = CollectorRegistry()
    gone.register(BrokerCollector("amqp://hub:hub@127.0.0.1:1/", ["x"]))
    assert gone.get_sample_value("hub_broker_up") == 0


async def waiting(registry, target):
    return registry.get_sample_value("hub_broker_up"), registry.get_sample_value("hub_broker_hints", {"target": target})
