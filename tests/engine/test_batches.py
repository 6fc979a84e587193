"""A change of many at once: what was planned is what is done, each row says what became of it, and nobody collides."""

import asyncio
import json
import subprocess
import sys
from collections import Counter

import pytest

from hub.access import EVERY_HOUSE, Principal, Role
from hub.acts import Decide, Finalize, Retry
from hub.batch import (
    Change,
    Looked,
    ReasonError,
    RowsLooked,
    StaleError,
    SteerError,
    StepsDifferError,
    Verb,
    find,
    rows,
)
from hub.batch import batches as listing
from hub.batch_plan import plan
from hub.batch_run import Start, Steer, Turn, Wish, advance, start, steer
from hub.batch_selection import Wanted
from hub.tables_operations import RowOutcome
from hub.targets import Switch
from hub.views import Search, Trouble

OPERATOR = Principal(prefix="0", front_end=EVERY_HOUSE, role=Role.OPERATOR)
MANY = 1_000


class Lots:
    """What an operator does with batches."""

    def __init__(self, town, caller=OPERATOR, actor="console/camille"):
        self.town, self.ledger, self.caller, self.actor = town, town.hub.ledger, caller, actor

    async def plan(self, verb, *subjects, matching=None, **said):
        wanted = Wanted(Change(Verb(verb), **said), tuple(subjects), matching)
        return await plan(self.ledger, self.caller, self.actor, wanted)

    async def start(self, batch, reason="La panne est finie"):
        return await self.ledger.write(start, Start(self.ledger.book, batch, reason, self.actor))

    async def steer(self, batch, wish):
        return await self.ledger.write(steer, Steer(self.ledger.book, batch, wish, self.actor))

    async def advance(self, batch):
        return await self.ledger.write(advance, Turn(self.ledger.book, batch))

    async def run(self, verb, *subjects, **said):
        return await self.start(await self.plan(verb, *subjects, **said))

    def seen(self, batch):
        return self.ledger.look(find, batch)

    def rows(self, batch):
        return {row.subject: row for row in self.ledger.look(rows, batch, RowsLooked(limit=10_000))}

    def outcomes(self, batch):
        """Count rows by outcome, after having held their sum to the total."""
        seen = self.seen(batch)
        assert sum(seen.outcomes.values()) == seen.row.total
        return {outcome.value: count for outcome, count in seen.outcomes.items() if count}

    async def until(self, batch, *states, seconds=240):
        """Look now and then until a batch is there, and over if that is an end."""
        async with asyncio.timeout(seconds):
            while not self._is_at(batch, states):
                await asyncio.sleep(0.05)
        return self.outcomes(batch)

    def _is_at(self, batch, states):
        seen = self.seen(batch).row
        return seen.state in states and (seen.state == "paused" or seen.ended_at is not None)

    def audit(self, batch):
        events = self.town.rows("SELECT * FROM event WHERE kind = 'batch' ORDER BY id")
        return [event for event in events if event.note.startswith(f"batch {batch} ")]


async def shown(holds):
    """Wait until the ledger shows something, on however slow a machine."""
    async with asyncio.timeout(240):
        while not holds():
            await asyncio.sleep(0.02)


async def park(town, count, kind="lookup", fault="refused"):
    """Have so many deliveries refused, and give their numbers; then mend the target."""
    town.target.break_with(fault, times=-1)
    numbers = sorted(await asyncio.gather(*(town.submit(kind) for _ in range(count))))
    standing = "SELECT count(*) AS n FROM request WHERE status = 'parked'"
    await shown(lambda: town.rows(standing)[0].n == count)
    town.target.mend()
    return [number * 1000 + 1 for number in numbers]


async def fill(town, count):
    """Have so many deliveries stand parked, in a town where nobody carries them, and give their numbers."""
    numbers = sorted(await asyncio.gather(*(town.submit("lookup") for _ in range(count))))
    town.change("UPDATE delivery SET state = 'parked', code = 'OBJET_INCONNU'")
    town.change("UPDATE request SET status = 'parked'")
    return [number * 1000 + 1 for number in numbers]


async def test_a_thousand_are_retried_and_each_arrives_once(make_town):
    async with make_town(serve=False) as resting:
        deliveries = await fill(resting, MANY)
    async with make_town({"concurrency": 16}, sweep_every="1s") as town:
        lots = Lots(town)
        batch = await lots.run("retry", matching=Trouble())
        assert await lots.until(batch, "done") == {"ok": MANY}
        assert set(lots.rows(batch)) == set(deliveries)
        assert (len(town.taken), set(town.taken.values())) == (MANY, {1})
        audit = lots.audit(batch)
        assert {event.delivery for event in audit if event.delivery} == set(deliveries)
        assert [event.note for event in audit if not event.delivery] == [
            f"batch {batch} planned: retry, {MANY} rows",
            f"batch {batch} started: La panne est finie",
            f"batch {batch} ended: {MANY} ok, 0 failed, 0 skipped",
        ]


async def test_rows_begin_in_the_order_of_reception_and_so_many_at_a_time(make_town):
    async with make_town({"concurrency": 2}) as town:
        lots = Lots(town)
        deliveries = await park(town, 12)
        town.target.latency = 0.02
        batch = await lots.run("retry", *reversed(deliveries))
        most = 0

        def is_done():
            nonlocal most
            most = max(most, lots.seen(batch).outcomes[RowOutcome.STARTED])
            return lots.seen(batch).row.state == "done"

        await shown(is_done)
        assert most <= 2
        begun = [event.delivery for event in lots.audit(batch) if event.delivery]
        assert begun == deliveries


async def test_what_one_says_of_a_plan_is_counted(make_town):
    async with make_town({"attempts": 1, "rate": 2.0}) as town:
        lots = Lots(town)
        refused = await park(town, 4)
        town.target.break_with("cut_after_commit", times=-1)
        once = await town.submit("once")
        await town.settle(once, "parked")
        town.target.mend()
        done = await town.submit("idempotent")
        await town.settle(done, "done")
        town.change("UPDATE request SET due_at = received_at + 1500 WHERE number = :n", n=refused[0] // 1000)
        batch = await lots.plan("retry", *refused, once * 1000 + 1, done * 1000 + 1, 999_999_999_001)
        figures = lots.seen(batch).row.figures
        assert figures["outlooks"] == {"sure": 4, "verify": 0, "differs": 0, "impossible": 2}
        assert {one["note"] for one in figures["notes"]} == {"ended", "perhaps_taken"}
        assert [(one["name"], one["rows"]) for one in figures["targets"]] == [("cible", 4)]
        assert figures["seconds"] >= 2
        assert figures["deadlines"] + figures["overdue"] == 1
        assert figures["unknown"] == 1


async def doubt(town, count):
    """Have so many deliveries arrive, and stand as if their answers had been lost for good."""
    numbers = sorted(await asyncio.gather(*(town.submit("lookup") for _ in range(count))))
    for number in numbers:
        await town.settle(number, "done")
    lost = "SET state = 'parked', code = 'timeout', reference = '', ever_uncertain = true WHERE step = 'cible'"
    town.change(f"UPDATE delivery {lost}")
    town.change("UPDATE request SET status = 'parked', ended_at = NULL")
    return [number * 1000 + 1 for number in numbers]


async def test_what_may_have_been_taken_is_asked_about_first_and_not_sent_again(town):
    lots = Lots(town)
    there = await doubt(town, 2)
    batch = await lots.run("retry", *there)
    assert {row.outlook for row in lots.rows(batch).values()} == {"verify"}
    assert await lots.until(batch, "done") == {"ok": 2}
    assert set(town.taken.values()) == {1}
    assert {kind.kind for kind in town.rows("SELECT kind FROM attempt")} == {"send", "ask"}


async def test_a_paused_target_makes_a_retry_impossible(town):
    lots = Lots(town)
    deliveries = await park(town, 2)
    await town.hub.ledger.switch(Switch("cible", paused=True, reason="maintenance", actor="x"))
    batch = await lots.run("retry", *deliveries)
    assert lots.outcomes(batch) == {"skipped": 2}
    assert {row.detail for row in lots.rows(batch).values()} == {"paused"}


async def test_starting_twice_at_once_is_one_operation(town):
    lots = Lots(town)
    deliveries = await park(town, 5)
    batch = await lots.plan("retry", *deliveries)
    assert await asyncio.gather(*(lots.start(batch) for _ in range(5))) == [batch] * 5
    assert await lots.until(batch, "done") == {"ok": 5}
    assert await lots.start(batch) == batch
    assert set(town.taken.values()) == {1}


async def test_a_plan_that_is_too_old_or_whose_rows_have_moved_is_refused(town):
    lots = Lots(town)
    deliveries = await park(town, 4)
    moved, old = await lots.plan("retry", *deliveries), await lots.plan("retry", *deliveries)
    for delivery in deliveries[:2]:
        await town.act(Finalize(delivery, "saisie", "BO-1", actor="agent"))
    with pytest.raises(StaleError, match="2 rows have changed"):
        await lots.start(moved)
    town.change("UPDATE batch SET created_at = created_at - 900001 WHERE id = :b", b=old)
    with pytest.raises(StaleError, match="too old"):
        await lots.start(old)
    assert lots.seen(old).row.state == "planned"
    assert not town.taken


async def test_of_two_batches_one_holds_a_row_and_the_other_says_which(make_town):
    async with make_town(serve=False) as town, make_town() as serving:
        first, second = Lots(serving), Lots(town, actor="console/dominique")
        deliveries = await park(serving, 6)
        await serving.hub.ledger.switch(Switch("cible_annexe", paused=False))
        plans = await first.plan("retry", *deliveries[:4]), await second.plan("retry", *deliveries[2:])
        await asyncio.gather(first.start(plans[0]), second.start(plans[1]))
        outcomes = [await first.until(one, "done") for one in plans]
        assert sum(one["ok"] for one in outcomes) == 6
        assert sum(one.get("skipped", 0) for one in outcomes) == 2
        skipped = [(one, row.detail) for one in plans for row in first.rows(one).values() if row.outcome == "skipped"]
        assert {detail for _, detail in skipped} <= {f"in_batch {one}" for one in plans}
        assert set(serving.taken.values()) == {1}


async def test_the_next_plan_says_which_batch_holds_a_row(town):
    lots = Lots(town)
    deliveries = await park(town, 5)
    town.target.break_with("refused", times=-1)
    batch = await lots.run("retry", *deliveries)
    await lots.until(batch, "paused")
    other = await lots.plan("verify", *deliveries)
    notes = Counter(row.note for row in lots.rows(other).values())
    assert notes[f"in_batch {batch}"] == 2
    await lots.steer(batch, Wish.STOP)
    again = await lots.plan("verify", *deliveries)
    assert {row.outlook for row in lots.rows(again).values()} == {"sure"}


async def test_the_first_three_must_arrive_before_the_others_begin(town):
    lots = Lots(town)
    deliveries = await park(town, 10)
    town.target.break_with("refused", times=-1)
    batch = await lots.run("retry", *deliveries)
    await lots.until(batch, "paused")
    await shown(lambda: lots.outcomes(batch) == {"failed": 3, "waiting": 7})
    assert "OBJET_INCONNU" in lots.seen(batch).row.detail
    assert {row.detail for row in lots.rows(batch).values() if row.outcome == "failed"} == {"OBJET_INCONNU"}
    town.target.mend()
    await lots.steer(batch, Wish.CONTINUE)
    assert await lots.until(batch, "done") == {"failed": 3, "ok": 7}


async def test_a_batch_is_paused_continued_and_stopped(make_town):
    async with make_town({"concurrency": 2}) as town:
        lots = Lots(town)
        deliveries = await park(town, 30)
        town.target.latency = 0.05
        batch = await lots.run("retry", *deliveries)
        await shown(lambda: lots.seen(batch).row.state == "running")
        await lots.steer(batch, Wish.PAUSE)
        await lots.steer(batch, Wish.PAUSE)
        await shown(lambda: not lots.seen(batch).outcomes[RowOutcome.STARTED])
        rested = lots.outcomes(batch)
        await lots.advance(batch)
        assert lots.outcomes(batch) == rested
        await lots.steer(batch, Wish.CONTINUE)
        await shown(lambda: lots.seen(batch).outcomes[RowOutcome.OK] > rested["ok"])
        await lots.steer(batch, Wish.STOP)
        outcomes = await lots.until(batch, "stopped")
        assert (outcomes["ok"] + outcomes["skipped"], set(outcomes)) == (30, {"ok", "skipped"})
        assert len(town.taken) == outcomes["ok"]
        assert {row.detail for row in lots.rows(batch).values() if row.outcome == "skipped"} == {"stopped"}
        with pytest.raises(SteerError, match="stopped"):
            await lots.steer(batch, Wish.CONTINUE)


async def test_the_sum_of_the_outcomes_is_the_total_whatever_others_do_meanwhile(make_town):
    async with make_town({"concurrency": 2}) as town:
        lots = Lots(town)
        deliveries = await park(town, 40)
        batch = await lots.run("retry", *deliveries)
        others = [Finalize(one, "saisie", "BO", actor="agent") for one in deliveries[20:30]]
        others += [Retry(one, actor="agent") for one in deliveries[30:]]
        refused = await asyncio.gather(*(town.act(one) for one in others), return_exceptions=True)
        seen = []
        await shown(lambda: seen.append(lots.outcomes(batch)) or lots.seen(batch).row.state == "done")
        outcomes = lots.outcomes(batch)
        ours = {one for one, row in lots.rows(batch).items() if row.outcome != "skipped"}
        assert set(outcomes) <= {"ok", "skipped"}
        assert len(ours) + outcomes.get("skipped", 0) == 40
        began = town.rows("SELECT delivery FROM event WHERE kind = 'retry' AND actor = 'console/camille' AND note = ''")
        assert {event.delivery for event in began} == ours
        assert all(times == 1 for times in town.taken.values()), refused


async def test_verifying_many_sends_nothing_and_says_what_the_target_has(town):
    lots = Lots(town)
    there = await doubt(town, 2)
    batch = await lots.run("verify", *there)
    assert await lots.until(batch, "done") == {"ok": 2}
    assert {row.detail for row in lots.rows(batch).values()} == {"found"}
    town.target.break_with("refused")
    number = await town.submit("lookup")
    await town.settle(number, "parked")
    batch = await lots.run("verify", number * 1000 + 1)
    assert await lots.until(batch, "done") == {"ok": 1}
    assert lots.rows(batch)[number * 1000 + 1].detail == "OBJET_INCONNU"
    assert set(town.taken) == {f"{one // 1000}-1" for one in there}


async def test_the_plan_shows_what_the_current_version_writes_otherwise(home, make_town):
    async with make_town() as before:
        deliveries = await park(before, 4)
    mapping = home / "mappings/cible/lookup.yaml"
    mapping.write_text(mapping.read_text().replace("$uppercase(data.objet)", "data.objet"))
    async with make_town() as town:
        lots = Lots(town)
        fresh = await town.submit("idempotent")
        await town.settle(fresh, "done")
        batch = await lots.plan("retry_current", *deliveries)
        assert lots.seen(batch).row.figures["differences"] == [{"note": "objet: case", "rows": 4}]
        await lots.start(batch)
        assert await lots.until(batch, "done") == {"ok": 4}
        again = await lots.plan("retry_current", *deliveries)
        assert {row.note for row in lots.rows(again).values()} == {"ended"}


async def test_requests_are_decided_only_from_the_same_step(town):
    lots = Lots(town)
    numbers = [await town.submit("circuit", enfants=[]) for _ in range(5)]
    done = await town.submit("idempotent")
    await town.settle(done, "done")
    subjects = [number * 1000 for number in (*numbers, done)]
    with pytest.raises(ReasonError, match="Refusé"):
        await lots.plan("decide", *subjects, accepted=False, reason="parce que")
    batch = await lots.run("decide", *subjects, accepted=False, reason="Refusé")
    assert await lots.until(batch, "done") == {"ok": 5, "skipped": 1}
    assert lots.rows(batch)[done * 1000].detail == "not_awaiting"
    assert {town.request(number).status for number in numbers} == {"refused"}


async def test_requests_at_several_steps_are_not_decided_at_once(town):
    lots = Lots(town)
    numbers = [await town.submit("circuit", enfants=[]) for _ in range(3)]
    town.change("UPDATE request SET awaiting = 'visa' WHERE number = :n", n=numbers[0])
    with pytest.raises(StepsDifferError, match="allowed only from the same stage") as refused:
        await lots.plan("decide", matching=Search(), accepted=True)
    assert refused.value.steps == {"circuit/instruction": 2, "circuit/visa": 1}


async def test_what_was_decided_since_is_skipped(make_town):
    async with make_town(serve=False) as town:
        lots = Lots(town)
        numbers = [await town.submit("circuit", enfants=[]) for _ in range(4)]
        batch = await lots.run("decide", *(number * 1000 for number in numbers), accepted=True)
        await town.act(Decide(numbers[-1], accepted=False, reason="Refusé", actor="agent"))
        while lots.seen(batch).row.state != "done":
            await lots.advance(batch)
        assert lots.outcomes(batch) == {"ok": 3, "skipped": 1}
        assert lots.rows(batch)[numbers[-1] * 1000].detail == "changed"
        assert town.request(numbers[-1]).status == "refused"


async def test_requests_are_assigned_and_cancelled(town):
    lots = Lots(town)
    numbers = [await town.submit("circuit", enfants=[]) for _ in range(4)]
    batch = await lots.run("assign", *(number * 1000 for number in numbers), owner="dominique")
    assert await lots.until(batch, "done") == {"ok": 4}
    owners = town.rows("SELECT owner, count(*) AS n FROM assignment GROUP BY owner")
    assert [(row.owner, row.n) for row in owners] == [("dominique", 4)]
    batch = await lots.run("cancel", *(number * 1000 for number in numbers))
    assert await lots.until(batch, "done") == {"ok": 4}
    assert {town.request(number).status for number in numbers} == {"cancelled"}


async def test_deliveries_are_rejected(town):
    lots = Lots(town)
    deliveries = await park(town, 4)
    batch = await lots.run("reject", *deliveries, reason="Hors de la ville")
    assert await lots.until(batch, "done") == {"ok": 4}
    assert {town.request(one // 1000).status for one in deliveries} == {"refused"}


async def test_the_filter_is_frozen_and_stays_within_what_the_caller_sees(town):
    deliveries = await park(town, 3)
    stranger = Lots(town, Principal(prefix="1", front_end=EVERY_HOUSE, role=Role.OPERATOR, kinds=frozenset({"once"})))
    assert stranger.seen(await stranger.plan("retry", matching=Trouble())).row.total == 0
    assert stranger.seen(await stranger.plan("retry", *deliveries)).row.figures["unknown"] == 3
    lots = Lots(town)
    batch = await lots.plan("retry", matching=Trouble(code="OBJET_INCONNU"))
    await shown(lambda: lots.seen(batch) is not None)
    assert json.loads(lots.seen(batch).row.criteria) == {"code": "OBJET_INCONNU"}
    assert next(one.row.id for one in town.hub.ledger.look(listing, Looked())) == batch


DYING = """
import asyncio, json, os, signal, sys
from hub import batch_rows
from hub.app import open_hub
from hub.settings import Settings

whole, begun = batch_rows.acts.act, 0

def act(book, connection, acts):
    global begun
    done = whole(book, connection, acts)
    begun += len(acts)
    if begun > 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return done

batch_rows.acts.act = act

async def main():
    async with open_hub(Settings.model_validate_json(sys.stdin.read())) as hub:
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_runner_killed_between_the_act_and_its_record_leaves_all_to_the_next(make_town, tmp_path):
    async with make_town(serve=False) as resting:
        async with make_town(sandbox=resting.target) as town:
            deliveries = await park(town, 20)
        lots = Lots(resting)
        batch = await lots.run("retry", *deliveries)
        said = resting.hub.settings.model_dump_json()
        dying = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", DYING],
            input=said,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert dying.returncode == -9, dying.stderr
        outcomes = lots.outcomes(batch)
        retried = resting.rows("SELECT count(*) AS n FROM event WHERE kind = 'retry'")[0].n
        assert retried == 20 - outcomes["waiting"] < 20
        async with make_town(sandbox=resting.target):
            assert await lots.until(batch, "done") == {"ok": 20}
        assert resting.rows("SELECT count(*) AS n FROM event WHERE kind = 'retry'")[0].n == 20
        assert (len(resting.taken), set(resting.taken.values())) == (20, {1})
