"""What goes wrong with one batch is that batch's alone: it says so and rests, and the others go on."""

import asyncio
import json
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event

from hub import batch_rows, batch_run
from hub.acts import Cancel, Correct, Decide
from hub.batch import RowsLooked, rows
from hub.batch_runner import BatchRunner
from hub.errors import ConflictError
from hub.events import Announcer, Attempted
from hub.targets import Switch
from tests.engine.test_batches import Lots, fill, park, shown

GOOD, BAD = "$uppercase(data.objet)", "$uppercase(data.objet"
ATTEMPTED = Attempted(
    "cible", "deposer", asked=False, outcome="accepted", code="", seconds=0.1, recording=0.1, late=False
)


def spoil(town, home, kind, mapping):
    """Leave a kind's requests with a version that no longer compiles; from the next start on, it has another."""
    said = "UPDATE definition SET source = replace(source, :good, :bad) WHERE kind = :kind"
    town.change(said, good=GOOD, bad=BAD, kind=kind)
    file = home / "mappings/cible" / f"{mapping}.yaml"
    written = json.loads(file.read_text())
    written["fields"]["objet"] = "$lowercase(data.objet)"
    file.write_text(json.dumps(written))


async def test_a_request_that_nobody_can_read_is_refused_in_words_and_foreseen(make_town, home):
    async with make_town(serve=False) as town:
        number = await town.submit("circuit", enfants=[])
        spoil(town, home, "circuit", "lookup")
    async with make_town() as town:
        lots, data = Lots(town), {"objet": "autre", "enfants": []}
        acts = Decide(number, accepted=True), Cancel(number, "x", "x"), Correct(number, data, "x")
        for wanted in acts:
            with pytest.raises(ConflictError, match="cannot be read any more"):
                await town.act(wanted)
        for decision in ({"accepted": True}, {"accepted": False, "reason": "Refusé"}):
            batch = await lots.run("decide", number * 1000, **decision)
            assert await lots.until(batch, "done") == {"skipped": 1}
            assert lots.rows(batch)[number * 1000].detail == "unreadable"
        assert not town.hub.failed.is_set()


async def test_a_request_that_becomes_unreadable_after_its_plan_is_skipped_and_its_batch_ends(make_town, home):
    async with make_town(serve=False) as town:
        lots = Lots(town)
        number = await town.submit("circuit", enfants=[])
        batch = await lots.run("decide", number * 1000, accepted=True)
        spoil(town, home, "circuit", "lookup")
    async with make_town() as town:
        lots = Lots(town)
        assert await lots.until(batch, "done") == {"skipped": 1}
        assert lots.rows(batch)[number * 1000].detail.startswith("refused")
        assert not town.hub.failed.is_set()


async def test_a_batch_that_fails_rests_and_says_so_while_the_next_goes_on(make_town):
    async with make_town(serve=False) as resting:
        lots = Lots(resting)
        deliveries = await fill(resting, 8)
        broken, sound = await lots.run("retry", *deliveries[:4]), await lots.run("retry", *deliveries[4:])
        resting.change("""UPDATE batch SET said = '{"surprise": 1}' WHERE id = :b""", b=broken)
    async with make_town() as town:
        lots = Lots(town)
        assert await lots.until(sound, "done") == {"ok": 4}
        assert await lots.until(broken, "paused") == {"waiting": 4}
        assert lots.seen(broken).row.detail == "broken TypeError"
        assert lots.audit(broken)[-1].note == f"batch {broken} paused: broken TypeError"
        assert not town.hub.failed.is_set()


@contextmanager
def looks_at_batches():
    """Count how often anybody looks which batches are under way."""
    looks = []

    def see(_connection, _cursor, statement, *_rest):
        if statement.startswith("SELECT batch.id") and "ended_at IS NULL" in statement:
            looks.append(statement)

    event.listen(Engine, "before_cursor_execute", see)
    yield looks
    event.remove(Engine, "before_cursor_execute", see)


async def test_attempts_have_nobody_look_round_unless_a_batch_is_under_way(make_town):
    async with make_town(serve=False) as town:
        lots, announcer = Lots(town), Announcer()
        runner = BatchRunner(town.hub.ledger, lambda _due: None, announcer, every=timedelta(hours=1))
        with looks_at_batches() as looks:
            running = asyncio.create_task(runner.run())
            await shown(lambda: looks)
            for _ in range(10):
                announcer(ATTEMPTED)
                await asyncio.sleep(0.03)
            assert len(looks) == 1
            await lots.run("retry", *await fill(town, 1))
            await runner.turn()
            seen = len(looks)
            await shown(lambda: announcer(ATTEMPTED) or len(looks) > seen)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def short_window(monkeypatch):
    """Look through few rows at a time."""
    monkeypatch.setattr(batch_rows, "WINDOW", 3)


@pytest.mark.usefixtures("short_window")
async def test_rows_of_a_paused_target_hold_up_none_of_another_behind_them(town):
    lots = Lots(town)
    deliveries = await park(town, 7)
    town.change("UPDATE delivery SET target = 'cible_annexe' WHERE id = :d", d=deliveries[-1])
    batch = await lots.plan("retry", *deliveries)
    await town.hub.ledger.switch(Switch("cible", paused=True, reason="maintenance", actor="x"))
    await lots.start(batch)
    await shown(lambda: lots.outcomes(batch) == {"ok": 1, "waiting": 6})
    assert lots.rows(batch)[deliveries[-1]].outcome == "ok"


@pytest.mark.usefixtures("short_window")
async def test_one_turn_fills_every_target_that_has_room(make_town):
    async with make_town({"concurrency": 1}, serve=False) as town:
        lots = Lots(town)
        deliveries = await fill(town, 8)
        town.change("UPDATE delivery SET target = 'cible_annexe' WHERE id = :d", d=deliveries[-1])
        batch = await lots.run("retry", *deliveries)
        assert (await lots.advance(batch)).begun == 2
        begun = {one for one, row in lots.rows(batch).items() if row.outcome == "started"}
        assert begun == {deliveries[0], deliveries[-1]}


async def test_a_start_that_collides_leaves_the_plan_as_it_was(town, monkeypatch):
    lots = Lots(town)
    deliveries = await park(town, 2)
    done = await town.submit("idempotent")
    await town.settle(done, "done")
    batch = await lots.plan("retry", *deliveries, done * 1000 + 1)
    planned, said = town.hub.ledger.look(rows, batch, RowsLooked()), lots.audit(batch)
    monkeypatch.setattr(batch_run, "COLLISIONS", 0)
    with pytest.raises(ConflictError, match="other batches take the same rows"):
        await lots.start(batch)
    assert (lots.seen(batch).row.state, lots.audit(batch)) == ("planned", said)
    assert town.hub.ledger.look(rows, batch, RowsLooked()) == planned
    monkeypatch.undo()
    assert await lots.start(batch) == batch
    assert await lots.until(batch, "done") == {"ok": 2, "skipped": 1}
