"""Whoever dies, whatever comes late: what is in the ledger ends well."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from hub import claims
from hub import engine as engine_module
from hub.acts import NotNowError, Retry
from hub.claims import Intent, Order
from hub.connector import Exchange
from hub.judgement import Ruling
from hub.lifecycle import Event, State
from hub.owner import FileOwner
from hub.policy import Policy
from hub.records import Outcome
from hub.tables import DELIVERIES
from hub.transactions import ServerTransactions


@pytest.fixture
async def still(make_town):
    """A town whose engine does not run."""
    async with make_town(serve=False) as opened:
        yield opened


async def take(town, owner="somebody", **policy):
    """Claim one delivery by hand."""
    order = Order("cible", owner, 1, Policy(**policy))
    return (await town.hub.ledger.claim(order)).claims[0]


async def intend(town, claim):
    now = town.hub.ledger.book.now()
    return (await town.hub.ledger.intend([Intent(claim.id, claim.fence, now, now + 60_000)]))[0]


def outcome(claim, event, **ruling):
    return Outcome(claim, Ruling(event, **ruling), Policy(), 0, 1, Exchange())


@pytest.mark.parametrize(("kind", "state"), [("idempotent", "waiting"), ("lookup", "uncertain"), ("once", "parked")])
async def test_a_dead_owners_send_is_never_queued_again(still, kind, state):
    number = await still.submit(kind)
    assert await intend(still, await take(still))
    await still.hub.engine._sweep()
    assert (still.delivery(number).state, still.delivery(number).ever_uncertain) == (state, True)


async def test_a_dead_owners_claim_goes_back_to_the_queue(still):
    number = await still.submit("once")
    await take(still)
    await still.hub.engine._sweep()
    assert still.delivery(number).state == "queued"


@asynccontextmanager
async def living_owner(database):
    """Another process that lives, as far as the ledger can tell, for the length of a block; gives its name."""
    if database.startswith("sqlite"):
        owner = FileOwner(Path(make_url(database).database))
        yield owner.name
        owner.close()
        return
    engine = create_async_engine(make_url(database).set(drivername="postgresql+psycopg"))
    transactions = ServerTransactions(engine, "another")
    await transactions.run(lambda connection: connection.execute(text("SELECT 1")))
    yield "another"
    await transactions.close()
    await engine.dispose()


async def test_a_living_owner_keeps_what_it_sends_even_past_its_lease(still, database):
    number = await still.submit("lookup")
    async with living_owner(database) as other:
        assert await intend(still, await take(still, owner=other))
        still.hub.engine._ledger.book.now = lambda: 9_000_000_000_000
        await still.hub.engine._sweep()
        assert still.delivery(number).state == "sending"
    await still.hub.engine._sweep()
    assert still.delivery(number).state == "uncertain"


async def test_a_living_owner_that_stands_still_holds_up_nothing_it_has_not_begun_to_send(still, database):
    number = await still.submit("once")
    async with living_owner(database) as other:
        frozen = await take(still, owner=other)
        await still.hub.engine._sweep()
        assert still.delivery(number).state == "claimed"
        still.hub.engine._ledger.book.now = lambda: 9_000_000_000_000
        await still.hub.engine._sweep()
        assert still.delivery(number).state == "queued"
        assert not await intend(still, frozen)


async def test_what_its_owner_begins_to_send_meanwhile_is_not_taken_from_it(still, database):
    number = await still.submit("once")
    async with living_owner(database) as other:
        claim = await take(still, owner=other)
        engine, look = still.hub.engine, still.hub.engine._look

        def begun(connection, batches):
            claims.intend(connection, [[Intent(claim.id, claim.fence, 1, 2)]])
            return look(connection, batches)

        engine._look = begun
        still.hub.engine._ledger.book.now = lambda: 9_000_000_000_000
        await engine._sweep()
        assert still.delivery(number).state == "sending"


async def test_a_dead_owners_delivery_waits_for_a_worker_that_knows_its_target(still):
    number = await still.submit("lookup")
    assert await intend(still, await take(still, owner="dead"))
    target = still.hub.engine._live.pop("cible")
    await still.hub.engine._sweep()
    assert still.delivery(number).state == "sending"
    still.hub.engine._live["cible"] = target
    await still.hub.engine._sweep()
    assert still.delivery(number).state == "uncertain"


async def test_a_definition_that_cannot_be_compiled_parks_its_own_deliveries_only(make_town):
    async with make_town(serve=False) as town:
        number = await town.submit("once")
        town.change("UPDATE definition SET source = '[]', version = 'aaaa' WHERE kind = 'once'")
        town.change("UPDATE request SET version = 'aaaa' WHERE number = :n", n=number)
    async with make_town() as town:
        other = await town.submit("once")
        assert (await town.settle(other)).status == "done"
        assert (await town.settle(number)).status == "parked"


GOOD, BAD = "$uppercase(data.objet)", "$uppercase(data.objet"


async def test_what_was_being_sent_and_cannot_be_read_any_more_is_perhaps_taken(make_town, home):
    async with make_town(serve=False) as town:
        sent, held = await town.submit("once"), await town.submit("once")
        assert await intend(town, await take(town))
        await take(town)
        spoil = "UPDATE definition SET source = replace(source, :was, :now) WHERE kind = 'once'"
        town.change(spoil, was=GOOD, now=BAD)
    mapping = home / "mappings/cible/once.yaml"
    mapping.write_text(mapping.read_text().replace(GOOD, "$lowercase(data.objet)"))
    async with make_town(serve=False) as town:
        await town.hub.engine._sweep()
        seen = [town.delivery(number) for number in (sent, held)]
        assert [(one.state, one.code) for one in seen] == [("parked", claims.UNREADABLE)] * 2
        assert [bool(one.ever_uncertain) for one in seen] == [True, False]
        assert all(one.updated_at > one.created_at for one in seen)
        town.change(f"{spoil} AND source LIKE '%uppercase%'", was=BAD, now=GOOD)
    async with make_town(serve=False) as town:
        with pytest.raises(NotNowError, match="perhaps taken"):
            await town.act(Retry(sent * 1000 + 1, actor="agent"))
        await town.act(Retry(held * 1000 + 1, actor="agent"))


async def test_an_outcome_written_as_a_delivery_is_found_unreadable_stands(still):
    number = await still.submit("once")
    claim = await take(still)
    assert await intend(still, claim)
    with still.hub.ledger.engine.begin() as connection:
        query = select(DELIVERIES).where(DELIVERIES.c.id == claim.id)
        seen = connection.execute(query).one()
    await still.hub.ledger.record(outcome(claim._replace(state=State.SENDING), Event.ACCEPTED, reference="A-1"))
    still.change("UPDATE definition SET source = '[]', version = 'aaaa' WHERE kind = 'once'")
    still.change("UPDATE request SET version = 'aaaa' WHERE number = :n", n=number)
    with still.hub.ledger.engine.begin() as connection:
        assert not claims._with_requests(still.hub.ledger.book, connection, [seen])
    assert (still.delivery(number).state, still.delivery(number).reference) == ("delivered", "A-1")


async def test_the_fence_stops_an_owner_that_was_replaced(still):
    number = await still.submit("idempotent")
    old = await take(still)
    await still.hub.ledger.record(outcome(old, Event.RELEASED))
    new = await take(still, owner="another")
    assert not await intend(still, old)
    assert await intend(still, new)
    late = await still.hub.ledger.record(outcome(old._replace(state=State.SENDING), Event.ACCEPTED))
    assert (late.late, still.delivery(number).state) == (True, "sending")


async def test_a_late_yes_settles_what_was_left_open(still):
    number = await still.submit("lookup")
    claim = await take(still)
    assert await intend(still, claim)
    sending = claim._replace(state=State.SENDING)
    await still.hub.ledger.record(outcome(sending, Event.LOST, uncertain=True, next_at=9_000_000_000_000))
    recorded = await still.hub.ledger.record(outcome(sending, Event.ACCEPTED, reference="EC-7"))
    assert (recorded.late, still.delivery(number).state) == (False, "delivered")
    assert still.request(number).status == "done"


async def test_a_late_answer_is_kept_as_evidence_and_moves_nothing(still):
    number = await still.submit("once")
    claim = await take(still)
    await still.hub.ledger.record(outcome(claim, Event.GIVEN_UP, code="x"))
    recorded = await still.hub.ledger.record(outcome(claim, Event.LOST))
    assert recorded.late
    assert [row.late for row in still.rows("SELECT late FROM attempt ORDER BY id")] == [0, 1]
    assert still.delivery(number).state == "parked"


async def test_a_process_frozen_after_its_intent_does_not_send(make_town, monkeypatch):
    monkeypatch.setattr(engine_module, "FRESH_FOR", -1.0)
    async with make_town() as town:
        number = await town.submit("once")
        await town.until(lambda: len(town.outcomes(number)) >= 1)
        assert (town.outcomes(number)[0], town.delivery(number).attempts) == (Event.DEFERRED, 0)
        monkeypatch.setattr(engine_module, "FRESH_FOR", 2.0)
        await town.settle(number, "done")
        assert town.taken == {f"{number}-1": 1}


async def test_a_payload_that_kills_whoever_maps_it_goes_to_a_person(make_town):
    async with make_town(serve=False) as town:
        number = await town.submit("once")
        for _ in range(5):
            claim = await take(town)
            await town.hub.ledger.record(outcome(claim, Event.RELEASED))
        serving = asyncio.create_task(town.hub.engine.run())
        await town.settle(number, "parked")
        serving.cancel()
        assert (town.delivery(number).code, town.taken) == ("poison", {})


async def test_a_connector_that_breaks_is_an_uncertain_answer_and_stops_nothing(town, monkeypatch):
    async def broken(_message):
        raise ZeroDivisionError("secret of a citizen")

    with monkeypatch.context() as patch:
        patch.setattr(town.hub.targets["cible"].connector, "deliver", broken)
        number = await town.submit("once")
        await town.settle(number, "parked")
    assert town.delivery(number).code == "connector_bug"
    assert (await town.settle(await town.submit("once"))).status == "done"


async def test_the_ledger_is_taken_up_where_it_was_left(make_town):
    async with make_town({"base": "1h", "cap": "1h"}) as town:
        town.target.break_with("unavailable", times=-1)
        number = await town.submit("idempotent")
        await town.until(lambda: town.delivery(number).state == "waiting")
        town.rows("SELECT 1")
    async with make_town() as town:
        await town.hub.ledger.act(__import__("hub.acts", fromlist=["Retry"]).Retry(number * 1000 + 1))
        assert (await town.settle(number)).status == "done"
        assert await town.hub.ledger.number() > number


async def test_stopping_lets_what_is_under_way_end(make_town):
    async with make_town() as town:
        town.target.latency = 0.2
        number = await town.submit("once")
        await town.until(lambda: town.delivery(number).state == "sending")
        await town.hub.engine.stop(timedelta(seconds=5))
        assert town.delivery(number).state == "delivered"


async def test_a_connector_that_lets_its_deadline_pass_is_cut_off(make_town):
    async with make_town({"deadline": "100ms"}) as town:
        forever = asyncio.Event()

        async def hang(_message):
            await forever.wait()

        town.hub.targets["cible"].connector.deliver = hang
        number = await town.submit("once")
        await town.settle(number, "parked")
        assert (town.delivery(number).code, town.delivery(number).ever_uncertain) == ("timeout", True)


def lost_once(ledger, name, monkeypatch):
    """Let a call to the ledger be carried out and its answer be lost, the first time."""
    real = getattr(ledger, name)

    async def lost(*args):
        monkeypatch.setattr(ledger, name, real)
        await real(*args)
        raise OperationalError("COMMIT", None, ConnectionError())

    monkeypatch.setattr(ledger, name, lost)


async def test_an_intent_whose_commit_nobody_heard_of_is_put_off_and_not_left_to_a_person(town, monkeypatch):
    lost_once(town.hub.ledger, "intend", monkeypatch)
    number = await town.submit("once")
    assert (await town.settle(number)).status == "done"
    assert (town.taken[f"{number}-1"], town.outcomes(number)) == (1, ["accepted"])


async def test_an_outcome_whose_commit_nobody_heard_of_is_written_once(town, monkeypatch):
    lost_once(town.hub.ledger, "record", monkeypatch)
    number = await town.submit("once")
    assert (await town.settle(number)).status == "done"
    await town.until(lambda: town.hub.engine._in_hand == set())
    assert town.taken[f"{number}-1"] == 1
    assert town.request(number).status == "done"


async def test_a_late_acceptance_settles_what_was_left_to_a_person(still):
    number = await still.submit("once")
    claim = await take(still)
    assert await intend(still, claim)
    sending = claim._replace(state=State.SENDING)
    await still.hub.ledger.record(outcome(sending, Event.GIVEN_UP))
    recorded = await still.hub.ledger.record(outcome(sending, Event.ACCEPTED))
    assert (recorded.late, still.delivery(number).state, still.request(number).status) == (False, "delivered", "done")
