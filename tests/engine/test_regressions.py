"""Defects that were found by looking for them: each stays found."""

import asyncio
import json
import sqlite3
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from connectors.rest.sandbox import Sandbox
from hub import app, claims, intake, routing, transactions
from hub import engine as engine_module
from hub.claims import Intent, Order, milliseconds
from hub.errors import ConfigurationError, ConflictError, HubError
from hub.intake import Acceptance
from hub.judgement import Ruling
from hub.lifecycle import Event, State
from hub.mapping import CompiledMapping
from hub.policy import Policy
from hub.problems import Problem, ProblemType
from hub.records import Outcome

PDF = b"%PDF-1.7\n1 0 obj <<>> endobj\ntrailer <<>>\n%%EOF\r\n"


@pytest.fixture
async def still(make_town):
    """A town whose engine does not run: tests do its work by hand."""
    async with make_town(serve=False) as opened:
        yield opened


async def take(town, limit=1, **policy):
    """Claim by hand, as a process that is not there any more."""
    order = Order("cible", "somebody", limit, Policy(concurrency=1000, **policy))
    return (await town.hub.ledger.claim(order)).claims


async def intend(town, claim):
    """Commit the intent to send one delivery."""
    now = town.hub.ledger.book.now()
    assert await town.hub.ledger.intend([Intent(claim.id, claim.fence, now, now + 60_000)]) == [True]
    return claim._replace(state=State.SENDING)


async def come_of(town, claim, event, **ruling):
    """Record what came of a claim."""
    return await town.hub.ledger.record(Outcome(claim, Ruling(event, **ruling), Policy(), 0, 1))


async def upload(town):
    """Keep a file for the front end."""

    async def stream():
        yield PDF

    return (await town.hub.attachments.receive(stream(), "acte.pdf", "portail")).id


@pytest.fixture
async def sandbox():
    """A target that outlives the hub."""
    opened = Sandbox()
    await opened.start()
    yield opened
    await opened.stop()


def hand_in(town, key, kind, files):
    """Submit a request with attachments, under a key."""
    raw = {
        "kind": kind,
        "applicant": {"identity": {"family_name": "Lefèvre", "given_name": "Léa"}},
        "data": {"objet": "certificat"},
        "attachments": files,
    }
    return town.hub.inbox.submit(town.principal, key, raw)


async def fail_to_submit(town, monkeypatch, kind):
    """Submit a request that the ledger does not take."""
    with monkeypatch.context() as patch:
        patch.setattr(intake, "_follow_up", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await town.submit(kind)


def count(town, table):
    return town.rows(f"SELECT count(*) FROM {table}")[0][0]  # noqa: S608  # the tests' own words


def fail_first(call, times, error):
    """Make a call that fails a few times before it works, and a list of its failures."""
    failed = []

    async def failing(*args, **named):
        if len(failed) < times:
            failed.append(error)
            raise error
        return await call(*args, **named)

    return failing, failed


def rewrite(home, kind, expression):
    """Change what a kind's mapping writes, and so the kind's version."""
    file = home / f"mappings/cible/{kind}.yaml"
    said = json.loads(file.read_text())
    said["fields"]["objet"] = expression
    file.write_text(json.dumps(said))


BUSY = OperationalError("SELECT 1", None, Exception("disk I/O error"))


async def test_every_definition_is_in_the_ledger_even_when_the_first_request_fails(make_town, monkeypatch):
    async with make_town(serve=False) as town:
        offered = {definition.version for definition in town.hub.catalogue.kinds.values()}
        await fail_to_submit(town, monkeypatch, "lookup")
        await town.submit("lookup")
        assert offered <= {row.version for row in town.rows("SELECT version FROM definition")}


async def test_a_request_ends_by_its_own_definition_after_its_kind_has_changed(make_town, home, monkeypatch):
    async with make_town(serve=False) as town:
        await fail_to_submit(town, monkeypatch, "lookup")
        number = await town.submit("lookup")
    rewrite(home, "lookup", "$lowercase(data.objet)")
    async with make_town() as town:
        await town.settle(number, "done")
        assert b"CERTIFICAT" in town.attempts(number * 1000 + 1)[0].sent


async def test_a_definition_that_no_longer_compiles_parks_its_requests_and_stops_nothing_else(make_town, home):
    async with make_town(serve=False) as town:
        unreadable, readable = await town.submit("lookup"), await town.submit("once")
        town.change(
            "UPDATE definition SET source = replace(source, :good, :bad) WHERE kind = 'lookup'",
            good="$uppercase(data.objet)",
            bad="$uppercase(data.objet",
        )
    rewrite(home, "lookup", "$lowercase(data.objet)")
    async with make_town() as town:
        await town.settle(unreadable, "parked")
        await town.settle(readable, "done")
        await town.settle(await town.submit("lookup"), "done")
        assert (town.delivery(unreadable).state, town.hub.failed.is_set()) == ("parked", False)


async def test_a_submission_with_files_that_is_repeated_gets_the_same_number(still):
    files = [await upload(still)]
    first = await hand_in(still, "same", "lookup", files)
    again = await hand_in(still, "same", "lookup", files)
    assert (again.number, again.replayed) == (first.number, True)
    assert count(still, "request") == 1


async def test_two_submissions_that_name_one_file_are_one_request_and_one_refusal(still):
    shared, one, other = [await upload(still) for _ in range(3)]
    both = [hand_in(still, key, "lookup", [shared, own]) for key, own in (("one", one), ("other", other))]
    outcomes = await asyncio.gather(*both, return_exceptions=True)
    [accepted] = [outcome for outcome in outcomes if isinstance(outcome, Acceptance)]
    [refused] = [outcome for outcome in outcomes if outcome is not accepted]
    assert isinstance(refused, Problem | ConflictError)
    assert [count(still, table) for table in ("request", "delivery")] == [1, 1]
    assert still.rows("SELECT accepted FROM tally WHERE kind = 'lookup'")[0].accepted == 1
    bound = Counter(row.request for row in still.rows("SELECT request FROM attachment"))
    assert bound == {None: 1, accepted.number: 2}


async def test_a_list_too_long_to_be_numbered_is_refused_at_the_door(still):
    await still.submit("circuit", enfants=["Zoé"] * routing.MOST_ITEMS)
    with pytest.raises(Problem) as refused:
        await still.submit("circuit", enfants=["Zoé"] * (routing.MOST_ITEMS + 1))
    assert (refused.value.kind, count(still, "request")) == (ProblemType.INVALID, 1)


async def test_a_file_that_is_gone_parks_its_delivery_rather_than_leaving_without_it(make_town):
    async with make_town(serve=False) as town:
        accepted = await hand_in(town, "files", "idempotent", [await upload(town), await upload(town)])
        town.change("DELETE FROM attachment WHERE id = (SELECT max(id) FROM attachment)")
    async with make_town() as town:
        await town.settle(accepted.number, "parked")
        assert (town.delivery(accepted.number).code, town.taken) == ("file_missing", {})


async def test_what_was_claimed_in_vain_is_claimed_alone(still):
    suspect = await still.submit("once")
    for _ in range(2):
        [claim] = await take(still)
        await come_of(still, claim, Event.RELEASED)
    others = [await still.submit("once") for _ in range(3)]
    assert [claim.request for claim in await take(still, limit=100)] == [suspect]
    assert [claim.request for claim in await take(still, limit=100)] == others


async def test_a_payload_that_kills_its_process_takes_no_other_to_the_grave(still):
    numbers = [await still.submit("once") for _ in range(4)]
    killer = numbers[2]
    for _ in range(20):
        taken = await take(still, limit=100)
        poisoned = {claim.request for claim in taken if claim.claims > claims.POISON_CLAIMS}
        dies = killer in {claim.request for claim in taken} - poisoned
        for claim in taken:
            if claim.request in poisoned:
                await come_of(still, claim, Event.GIVEN_UP, code="poison")
            elif dies:
                await come_of(still, claim, Event.RELEASED)
            else:
                await come_of(still, await intend(still, claim), Event.ACCEPTED)
    states = [(still.delivery(number).state, still.delivery(number).code) for number in numbers]
    assert states == [("delivered", ""), ("delivered", ""), ("parked", "poison"), ("delivered", "")]


async def test_a_bug_in_one_mapping_parks_that_delivery_and_sends_the_others(make_town, monkeypatch):
    write = CompiledMapping.write

    def broken(self, document, bindings=None):
        if self.name == "cible/once" and document["data"]["objet"] == "piège":
            raise ZeroDivisionError("secret of a citizen")
        return write(self, document, bindings)

    monkeypatch.setattr(CompiledMapping, "write", broken)
    async with make_town(serve=False) as town:
        numbers = [await town.submit("once", objet=objet) for objet in ("acte", "piège", "livret")]
    async with make_town() as town:
        ends = [(await town.settle(number)).status for number in numbers]
        assert (ends, town.delivery(numbers[1]).code) == (["done", "parked", "done"], "mapping")


@pytest.mark.parametrize(("sent", "rests_at"), [(True, {"parked"}), (False, {"queued", "parked"})])
async def test_what_was_in_hand_for_a_target_that_is_gone_comes_to_rest(make_town, monkeypatch, sent, rests_at):
    monkeypatch.setattr(engine_module, "NOBODYS", -milliseconds(timedelta(hours=1)))
    async with make_town(serve=False) as town:
        number = await town.submit("lookup")
        [claim] = await take(town)
        if sent:
            await intend(town, claim)
    async with make_town(without=("cible",)) as town:
        await town.until(lambda: town.delivery(number).state in rests_at)


async def test_a_call_back_through_a_target_that_does_not_exist_stops_the_start(make_town):
    with pytest.raises(ConfigurationError, match="ailleurs"):
        async with make_town(front_ends={"portail": {"callback": "ailleurs"}}):
            pytest.fail("the hub has started")


@pytest.mark.parametrize("call", ["claim", "read"])
async def test_a_database_that_fails_for_a_while_uses_up_no_restart(make_town, monkeypatch, call):
    monkeypatch.setattr(app, "RESTARTS", 0)
    async with make_town() as town:
        failing, failed = fail_first(getattr(town.hub.ledger, call), 3, BUSY)
        monkeypatch.setattr(town.hub.ledger, call, failing)
        number = await town.submit("once")
        await town.until(lambda: len(failed) == 3 or town.hub.failed.is_set())
        assert not town.hub.failed.is_set()
        monkeypatch.undo()
        await town.settle(number, "done")
        assert town.taken == {f"{number}-1": 1}


@pytest.mark.parametrize("committed", [False, True], ids=["before the intent", "after the intent"])
async def test_stopping_between_claim_and_call_leaves_nothing_half_sent(make_town, sandbox, monkeypatch, committed):
    reached, release = asyncio.Event(), asyncio.Event()
    async with make_town(sandbox=sandbox) as town:
        commit = town.hub.ledger.intend

        async def pausing(batch):
            ours = await commit(batch) if committed else None
            reached.set()
            await release.wait()
            return ours or await commit(batch)

        monkeypatch.setattr(town.hub.ledger, "intend", pausing)
        number = await town.submit("once")
        await reached.wait()
        stopping = asyncio.create_task(town.hub.engine.stop(timedelta(seconds=5)))
        await asyncio.sleep(0)
        release.set()
        await stopping
        stopped_at, taken = town.delivery(number).state, dict(town.taken)
        assert stopped_at != "sending"
        assert (stopped_at == "delivered") == bool(taken)
    assert sandbox.taken() == taken
    async with make_town(sandbox=sandbox) as town:
        await town.settle(number, "done")
        assert town.taken == {f"{number}-1": 1}


async def test_an_intent_that_comes_after_the_end_of_grace_is_neither_committed_nor_sent(
    make_town, sandbox, monkeypatch
):
    reached, release = asyncio.Event(), asyncio.Event()
    async with make_town(sandbox=sandbox) as town:
        commit = town.hub.ledger.intend

        async def pausing(batch):
            reached.set()
            await release.wait()
            return await commit(batch)

        monkeypatch.setattr(town.hub.ledger, "intend", pausing)
        number = await town.submit("once")
        await reached.wait()
        await town.hub.engine.stop(timedelta(0))
        under_way = set(town.hub.engine._tasks)
    release.set()
    async with asyncio.timeout(5):
        await asyncio.gather(*under_way, return_exceptions=True)
    assert sandbox.taken() == {}
    async with make_town(sandbox=sandbox) as town:
        await town.settle(number, "done")
        assert town.taken == {f"{number}-1": 1}


async def test_a_closed_ledger_says_so_rather_than_let_anybody_wait(make_town):
    async with make_town(serve=False) as town:
        await town.submit("once")
    with pytest.raises((HubError, SQLAlchemyError, RuntimeError)):
        async with asyncio.timeout(2):
            await town.hub.ledger.write(echo, 1)


def echo(_connection, items):
    return list(items)


class Panic(BaseException):
    """What a library written in Rust raises when it gives up."""


def panic(_connection, _items):
    raise Panic


async def test_a_panic_is_told_to_whoever_asked_and_the_writer_lives_on(still):
    async with asyncio.timeout(5):
        with pytest.raises(Panic):
            await still.hub.ledger.write(panic, 1)
        assert await still.hub.ledger.write(echo, 2) == 2
        together = [still.hub.ledger.write(operation, 3) for operation in (echo, panic, echo)]
        outcomes = await asyncio.gather(*together, return_exceptions=True)
    assert [outcomes[0], type(outcomes[1]), outcomes[2]] == [3, Panic, 3]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_batch_that_cannot_have_the_database_fails_together_and_once(still, tmp_path, monkeypatch):
    tries, begin = [], transactions._begin_when_free

    async def counted(connection):
        tries.append(connection)
        return await begin(connection)

    await still.hub.ledger.write(echo, 0)
    monkeypatch.setattr(transactions, "PATIENCE", 0.05)
    monkeypatch.setattr(transactions, "_begin_when_free", counted)
    other = sqlite3.connect(tmp_path / "hub.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    outcomes = await asyncio.gather(*(still.hub.ledger.write(echo, n) for n in range(20)), return_exceptions=True)
    other.execute("ROLLBACK")
    other.close()
    assert [isinstance(outcome, OperationalError) for outcome in outcomes] == [True] * 20
    assert len(tries) == 1
    assert await still.hub.ledger.write(echo, 1) == 1


async def test_a_connector_that_cancels_itself_is_an_uncertain_answer_and_leaves_nothing_in_hand(town, monkeypatch):
    async def cancelled(_message):
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(town.hub.targets["cible"].connector, "deliver", cancelled)
        number = await town.submit("once")
        await town.settle(number, "parked")
    await town.until(lambda: not town.hub.engine._in_hand)
    assert town.delivery(number).ever_uncertain
    assert (await town.settle(await town.submit("once"))).status == "done"


async def test_a_delivery_that_moved_since_it_was_held_is_not_taken_back(still):
    number = await still.submit("once")
    [old] = await take(still)
    ledger, look = still.hub.ledger, still.hub.engine._look
    held = await ledger.read(claims.held, "me", ledger.book.now())
    assert [claim.fence for claim in await ledger.write(look, held)] == [old.fence]
    await come_of(still, old, Event.RELEASED)
    [new] = await take(still)
    assert (new.request, new.fence) == (number, old.fence + 1)
    assert await ledger.write(look, held) == []


async def test_a_call_that_never_left_says_nothing_about_its_target(make_town, monkeypatch):
    monkeypatch.setattr(engine_module, "FRESH_FOR", -1.0)
    async with make_town(serve=False) as town:
        number = await town.submit("once")
        town.change("UPDATE target SET breaker = 'open', fails = 5, opened_at = 1 WHERE name = 'cible'")
    async with make_town() as town:
        await town.until(lambda: len(town.outcomes(number)) >= 2)
        [health] = town.rows("SELECT breaker, last_success_at FROM target WHERE name = 'cible'")
        assert (health.breaker != "closed", health.last_success_at) == (True, 0)
        monkeypatch.undo()
        await town.settle(number, "done")
        assert town.rows("SELECT breaker FROM target WHERE name = 'cible'")[0].breaker == "closed"


async def test_a_process_that_dies_as_it_tries_a_broken_target_says_nothing_about_it(make_town):
    async with make_town(serve=False) as town:
        number = await town.submit("once")
        town.change("UPDATE delivery SET state = 'sending', owner = 'gone', fence = 1, sent_at = 1, lease_until = 2")
        town.change("UPDATE target SET breaker = 'half_open', fails = 5, opened_at = 1 WHERE name = 'cible'")
    async with make_town() as town:
        await town.settle(number, "parked")
        assert town.outcomes(number) == ["given_up"]
        [health] = town.rows("SELECT breaker, fails, last_success_at FROM target WHERE name = 'cible'")
        assert tuple(health) == ("half_open", 5, 0)


async def test_a_bucket_filled_by_a_clock_that_was_set_back_fills_again(still):
    numbers = [await still.submit("idempotent") for _ in range(5)]
    clock = still.hub.ledger.book.now()
    still.hub.ledger.book.now = lambda: clock
    still.change("UPDATE target SET tokens = 0, tokens_at = :later WHERE name = 'cible'", later=clock + 3_600_000)
    taken = []
    for _ in range(4):
        clock += 1000
        taken += await take(still, limit=100, rate=1)
    assert [claim.request for claim in taken] == numbers[: len(taken)]
    assert len(taken) >= 2


async def test_a_breaker_opened_by_a_clock_that_was_set_back_is_tried_again(still):
    number = await still.submit("idempotent")
    later = still.hub.ledger.book.now() + 3_600_000
    still.change("UPDATE target SET breaker = 'open', fails = 9, opened_at = :later WHERE name = 'cible'", later=later)
    assert [claim.request for claim in await take(still, limit=100)] == [number]
