"""Whatever a target does, before or after it has taken a message, the message is there once, or a person is asked."""

from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import product
from pathlib import Path

import httpx
import pytest

from connectors.rest.sandbox import Sandbox
from hub.app import open_hub
from tests.faults.targets import PLAYS, WHENS, Refusing, Scripted
from tests.faults.tls import Authority, Secured
from tests.faults.town import KINDS, embedded, submission

MEGABYTE = 1024  # in the kilobytes of /proc
MINUTE = 60_000
PENDING, OUTAGE, RATE = 2000, 30, 100
"""Deliveries that wait, minutes for which the target is down, deliveries a second it bears afterwards."""


@pytest.fixture
async def scripted():
    """A target that follows the messages' own script."""
    target = Scripted()
    await target.start()
    yield target
    await target.stop()


CASES = [*product(KINDS, PLAYS, WHENS)]
ENDS = {
    (kind, fault, when): ("parked", int(when != "before")) if kind == "once" else ("done", 1)
    for kind, fault, when in CASES
}


async def test_whatever_happens_before_or_after_a_message_was_taken_it_is_there_once(new_town, mode, scripted):
    """Rows 14, 15, 23 and 24: lost, cut, late, endless, unreadable and redirected answers, for every effect."""
    town = await new_town(target=scripted)
    numbers = {}
    async with open_hub(town.settings, serve=False) as hub:
        for kind, fault, when in CASES:
            raw = submission(kind, objet=f"{fault} {when}")
            accepted = await hub.inbox.submit(town.principal, f"{kind} {fault} {when}", raw)
            numbers[kind, fault, when] = accepted.number
    await town.start(*mode.engine)
    await town.settle()
    town.check()
    status = {row.number: row.status for row in town.rows("SELECT number, status FROM request")}
    found = {case: (status[number], scripted.taken()[f"{number}-1"]) for case, number in numbers.items()}
    assert found == ENDS


@embedded
async def test_an_endless_answer_takes_no_memory(new_town, mode, scripted):
    """Row 24: a gigabyte is announced and sent; what is read of it is bounded."""
    town = await new_town(target=scripted, deadline="30s")
    process = await town.start(*mode.engine)
    before = peak_of(process)
    await town.seed("once", objet="endless after")
    await town.settle()
    assert town.rows("SELECT code FROM delivery") == [("too_big",)]
    assert peak_of(process) - before < 64 * MEGABYTE


def peak_of(process):
    """Give the most memory a process ever had, in kilobytes."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


@embedded
async def test_a_target_that_shows_late_what_it_took_is_not_sent_it_again(new_town, mode):
    """Row 16: a lag up to the declared `visible_after`."""
    target = Scripted(lag=0.8)
    await target.start()
    town = await new_town(target=target, visible_after="1s", deadline="300ms")
    async with open_hub(town.settings) as hub:
        for fault in ("reset", "error 500", "empty", "page"):
            await hub.inbox.submit(town.principal, fault, submission("lookup", objet=f"{fault} after"))
        await town.settle()
    await target.stop()
    assert town.check() == {("lookup", "done"): 4}


@embedded
async def test_what_is_found_with_another_content_goes_to_a_person_and_is_not_sent_again(new_town, mode, scripted):
    """Row 19."""
    town = await new_town(target=scripted)
    async with open_hub(town.settings) as hub:
        accepted = await hub.inbox.submit(town.principal, "k", submission("lookup", objet="reset after"))
        key = f"{accepted.number}-1"
        await town.until(lambda: scripted.taken()[key])
        scripted.alter(key)
        await town.settle()
    assert town.rows("SELECT code, state FROM delivery") == [("different", "parked")]
    assert town.check() == {("lookup", "parked"): 1}


REFUSED_AFTER = {
    ("idempotent", "reset after"): (["send", "send"], True),
    ("lookup", "reset before"): (["send", "ask", "ask", "send"], False),
}
"""What was sent first, and what became of it → what was sent and asked, and whether it stays in doubt."""


@embedded
@pytest.mark.parametrize(("kind", "script"), REFUSED_AFTER)
async def test_a_refusal_after_a_lost_answer_is_believed_only_if_nothing_can_have_been_taken(
    new_town, mode, kind, script
):
    """Row 17: what is sent again and refused waits for a person, in doubt; what can be asked about was asked twice."""
    target = Refusing()
    await target.start()
    town = await new_town(target=target)
    async with open_hub(town.settings) as hub:
        await hub.inbox.submit(town.principal, "k", submission(kind, objet=script))
        await town.settle()
    await target.stop()
    [row] = town.rows("SELECT code, ever_uncertain FROM delivery")
    done = [attempt.kind for attempt in town.rows("SELECT kind FROM attempt ORDER BY id")]
    assert town.check() == {(kind, "parked"): 1}
    assert (done, bool(row.ever_uncertain)) == REFUSED_AFTER[kind, script]
    assert row.code == "OBJET_INCONNU"


@embedded
async def test_an_expired_certificate_is_waited_for_and_nothing_was_sent(new_town, mode, tmp_path):
    """Row 20: surely not taken; the breaker opens; with a new certificate what waits leaves by itself."""
    authority, target = Authority(tmp_path), Sandbox()
    await target.start()
    line = Secured(httpx.URL(target.url).port, authority.issue(-timedelta(days=1)))
    await line.start()
    seen = {"url": f"https://127.0.0.1:{line.port}", "ca_file": str(authority.file)}
    town = await new_town(target=target, seen=seen, breaker_threshold=2, breaker_cooldown="300ms")
    async with open_hub(town.settings) as hub:
        await hub.inbox.submit(town.principal, "k", submission("once"))
        await town.until(lambda: town.rows("SELECT breaker FROM target WHERE name = 'cible'") == [("open",)])
        [row] = town.rows("SELECT state, code, ever_uncertain FROM delivery")
        assert (row.state, row.code, bool(row.ever_uncertain), target.taken()) == ("waiting", "tls", False, {})
        line.show(authority.issue(timedelta(days=1)))
        await town.settle()
    await line.stop()
    await target.stop()
    assert town.check() == {("once", "done"): 1}


class Outage:
    """A hub whose target is down, on a clock that the test moves."""

    def __init__(self, town, hub, target):
        self._town, self._hub, self.target = town, hub, target
        self.now = hub.ledger.book.now()
        hub.ledger.book.now = lambda: self.now

    def calls(self):
        """Count how often the target was called."""
        return self._town.rows("SELECT count(*) FROM attempt")[0][0]

    def breaker(self):
        """Say how the breaker is, and since when."""
        return tuple(self._town.rows("SELECT breaker, opened_at FROM target WHERE name = 'cible'")[0])

    def pass_time(self, milliseconds):
        """Let time pass."""
        self.now += milliseconds
        self._hub.engine.wake(["cible"])


@asynccontextmanager
async def outage(town, target):
    """Let PENDING deliveries wait for a target that refuses everything, and give it up."""
    async with open_hub(town.settings) as hub:
        target.break_with("unavailable", times=-1)
        down = Outage(town, hub, target)
        for index in range(PENDING):
            await hub.inbox.submit(town.principal, f"k-{index}", submission("idempotent"))
        await town.until(lambda: down.breaker() == ("open", down.now))
        yield down


@embedded
async def test_a_long_outage_ends_without_a_rush(new_town, mode):
    """Row 22: one probe a minute while the target is down, no more than it bears once it is back, all done."""
    target = Sandbox()
    await target.start()
    town = await new_town(target=target, breaker_threshold=5, breaker_cooldown="60s", rate=RATE, concurrency=RATE)
    async with outage(town, target) as down:
        await town.until(lambda: not town.rows("SELECT 1 FROM delivery WHERE state IN ('claimed', 'sending')"))
        for _ in range(OUTAGE):
            called = down.calls()
            down.pass_time(MINUTE)
            await town.until(lambda: down.breaker() == ("open", down.now))
            assert down.calls() == called + 1
        target.mend()
        down.pass_time(MINUTE)
        for bearable in range(RATE, PENDING + RATE, RATE):
            await town.until(lambda: len(target.taken()) >= bearable)  # noqa: B023  # awaited at once
            assert len(target.taken()) == bearable
            down.pass_time(1000)
        await town.settle()
    await target.stop()
    assert town.check() == {("idempotent", "done"): PENDING}
