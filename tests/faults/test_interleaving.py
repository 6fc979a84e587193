"""Two workers on one ledger, a target and people, interleaved as hypothesis pleases: nothing doubles, all of it ends.

A worker stops wherever it was told to hold, and goes on once it is let go; everything else goes its way. What fails is
printed as the calls that led there, which can be run as they stand. The same examples are tried every time.
"""

import asyncio
from collections import defaultdict, deque
from contextlib import suppress
from datetime import timedelta
from enum import StrEnum
from itertools import product
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, precondition, rule

from hub.acts import Cancel, Correct, Finalize, Retry, Verify
from hub.errors import ConflictError
from hub.lifecycle import FINAL, State
from hub.model import Effect
from hub.settlement import ROOM
from tests.faults.played import SENDING, WELL, WRONG_ASKS, Target, wrong_sends
from tests.faults.simulation import UNDONE, UNHEARD, Point, Process, SimulatedLoop, Town, in_simulated_time

AT_REST = FINAL | {State.PARKED}
LONGEST = timedelta(hours=6).total_seconds()
EXAMPLES, STEPS = 250, 8

ACTS = {
    "retry": lambda number: Retry(number * ROOM + 1),
    "retry surely": lambda number: Retry(number * ROOM + 1, sure=True),
    "verify": lambda number: Verify(number * ROOM + 1),
    "correct": lambda number: Correct(number, {"objet": "corrigé"}),
    "cancel": Cancel,
    "finalize": lambda number: Finalize(number * ROOM + 1, "fait au guichet", "G-1"),
}
EFFECTS = (Effect.LOOKUP, Effect.ONCE, Effect.IDEMPOTENT)
CASE = st.tuples(st.lists(st.sampled_from(list(SENDING)), max_size=2), st.sampled_from([WELL, *WRONG_ASKS]))
CASES = st.tuples(*[CASE] * len(EFFECTS))
SECONDS = st.sampled_from([1, 40, 240])
COMMITS = st.lists(st.sampled_from([WELL, UNDONE, UNHEARD]), max_size=3)
WORKERS = st.sampled_from([0, 1])
POINTS = (
    Point.CLAIMED,
    Point.INTENDED,
    Point.HALF_WRITTEN,
    Point.WRITTEN,
    Point.ANSWERED,
    Point.TO_ASK,
    Point.TOLD,
)


class Manner(StrEnum):
    """How a worker stops: that one work alone, the whole process, or the whole process which then loses its lock."""

    HELD = "held"
    FROZEN = "frozen"
    REPLACED = "replaced"


STOPS = st.sampled_from(list(product(POINTS, Manner)))


class Worker:
    """A process on a line of its own to the ledger; `cut` says that its lock was lost although it lives."""

    def __init__(self, town):
        self.stop, self.fails = None, deque()
        self.cut = self._frozen = False
        self._held = []
        self.process = Process(town, town.reach_ledger(), self._pause, self._becomes)

    def _becomes(self, _commit):
        return self.fails.popleft() if self.fails else WELL

    async def _pause(self, point):
        here = self.stop is not None and self.stop[0] is point
        if here or self._frozen:
            self._stop(self.stop)
            if not (self.cut and point is Point.HALF_WRITTEN):
                self._held.append(asyncio.get_running_loop().create_future())
                await self._held[-1]

    def _stop(self, stop):
        point, manner = stop
        self._frozen = manner is not Manner.HELD
        # Between its last look at a clock and the first byte, only its lock keeps a process from being replaced.
        if manner is Manner.REPLACED and point is not Point.HALF_WRITTEN:
            self.cut = True
            self.process.owner.close()

    def let_go(self):
        """Go on, and stop nowhere any more."""
        self.stop, self._frozen = None, False
        for held in self._held:
            if not held.done():
                held.set_result(None)
        self._held = []

    async def end(self):
        """Die."""
        await self.process.kill()


class Interleaving(RuleBasedStateMachine):
    """What may happen, in any order."""

    requests = Bundle("requests")

    def __init__(self):
        super().__init__()
        self._loop, self._folder = SimulatedLoop(), TemporaryDirectory()
        self._time = in_simulated_time(self._loop)
        self._time.__enter__()
        self._sends, self._asks = defaultdict(deque), defaultdict(deque)
        self._accounted = set()
        self.town = Town(self._folder.name, Target(self), self._loop, sweep=timedelta(seconds=40))
        self.workers = self._do(self._start())

    async def _start(self):
        return [Worker(self.town), Worker(self.town)]

    def _do(self, what):
        return self._loop.run_until_complete(what)

    def send(self, number):
        """Say what becomes of the next message about a request."""
        return self._sends[number].popleft() if self._sends[number] else WELL

    def ask(self, number):
        """Say what becomes of the next question about a request."""
        return self._asks[number].popleft() if self._asks[number] else WELL

    @rule(
        target=requests,
        cases=CASES,
        worker=WORKERS,
        stops=st.tuples(STOPS, st.none() | STOPS),
        commits=COMMITS,
        seconds=SECONDS,
    )
    def submit(self, cases, worker, stops, commits, seconds):
        """Accept a request of each effect and hint them to a worker that will stop somewhere, as the other may too."""
        numbers = [self._submit(effect, *case) for effect, case in zip(EFFECTS, cases, strict=True)]
        for one, stop in zip((self.workers[worker], self.workers[1 - worker]), stops, strict=True):
            one.let_go()
            one.stop = stop
        self.workers[worker].fails.extend(commits)
        self._hint(worker, numbers)
        self.wait(seconds)
        return multiple(*numbers)

    def _submit(self, effect, sends, ask):
        number = self._do(self.town.submit(effect))
        self._sends[number].extend(name for name in sends if name == WELL or name in wrong_sends(effect))
        self._asks[number].append(ask)
        if effect is Effect.ONCE or {"refused", "different"} & set(sends):
            self._accounted.add(number)
        return number

    @rule(worker=WORKERS, request=requests)
    def hint(self, worker, request):
        """Hint at a delivery, due or not."""
        self._hint(worker, [request])

    def _hint(self, worker, numbers):
        self.workers[worker].process.engine.hint("cible", [number * ROOM + 1 for number in numbers])
        self.wait(1)

    @precondition(lambda self: self._sends)
    @rule(seconds=SECONDS)
    def wait(self, seconds):
        """Let time pass."""
        self._do(asyncio.sleep(seconds))

    @precondition(lambda self: self._sends)
    @rule(worker=WORKERS)
    def let_go(self, worker):
        """Let a worker go on."""
        self.workers[worker].let_go()
        self.wait(1)

    @precondition(lambda self: self._sends)
    @rule(worker=WORKERS)
    def die(self, worker):
        """Kill a worker, and start another in its place."""
        self._do(self._replace(worker))

    async def _replace(self, worker):
        await self.workers[worker].end()
        self.workers[worker] = Worker(self.town)

    @rule(request=requests, name=st.sampled_from(list(ACTS)))
    def act(self, request, name):
        """Let a person act, if it may be done; who is sure has looked, and the target has nothing."""
        if name == "retry surely" and self.town.target.taken[request]:
            return
        with suppress(ConflictError):
            self._do(self.town.ledger.act(ACTS[name](request)))
            if name == "retry surely":
                self.town.target.doubts.discard(request)
            if name in ("verify", "correct"):
                self._accounted.add(request)

    @invariant()
    def nothing_is_doubled(self):
        """No request is taken twice, nor sent again blindly."""
        doubled = {number: times for number, times in self.town.target.taken.items() if times > 1}
        assert (doubled, self.town.target.blind) == ({}, [])

    @invariant()
    def the_ledger_says_what_is_so(self):
        """What counts as delivered was taken; what counts as not taken was not."""
        taken = self.town.target.taken
        for row in self.town.rows("SELECT request, state, ever_uncertain FROM delivery"):
            if row.state == State.DELIVERED:
                assert taken[row.request] == 1, row
            if row.state == State.CANCELLED or (row.state == State.PARKED and not row.ever_uncertain):
                assert taken[row.request] == 0, row

    @invariant()
    def who_was_replaced_moves_nothing(self):
        """What was written in time was written by the last to have claimed."""
        latest = defaultdict(int)
        for row in self.town.rows("SELECT delivery, fence, late FROM attempt ORDER BY id"):
            assert row.late or row.fence >= latest[row.delivery], row
            latest[row.delivery] = max(latest[row.delivery], row.fence)

    def teardown(self):
        """Let everything go well from now on: all of it ends, and what a person must see to has a cause."""
        try:
            self._do(self._end_well())
        finally:
            self._do(self._close())
            self._time.__exit__(None, None, None)
            self._folder.cleanup()

    async def _end_well(self):
        self._sends.clear()
        self._asks.clear()
        for index, worker in enumerate(self.workers):
            worker.fails.clear()
            await asyncio.sleep(120)
            worker.let_go()
            await asyncio.sleep(1)
            if worker.cut:
                await self._replace(index)
        async with asyncio.timeout(LONGEST):
            while any(row.state not in AT_REST for row in self.town.rows("SELECT state FROM delivery")):
                await asyncio.sleep(30)
        self.nothing_is_doubled()
        self.the_ledger_says_what_is_so()
        parked = self.town.rows("SELECT request, code FROM delivery WHERE state = 'parked' AND code <> 'poison'")
        assert [row for row in parked if row.request not in self._accounted] == []

    async def _close(self):
        for worker in self.workers:
            await worker.end()
        await self.town.close()


TestInterleaving = Interleaving.TestCase
TestInterleaving.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("seconds", [60, 120])
@pytest.mark.parametrize("other", [None, *POINTS])
@pytest.mark.parametrize(("point", "manner"), list(product(POINTS, Manner)))
def test_wherever_two_workers_stop_nothing_is_doubled(point, manner, other, seconds):
    town = Interleaving()
    try:
        town.submit([((), WELL)] * len(EFFECTS), 0, ((point, manner), other and (other, Manner.HELD)), [], seconds)
        town.let_go(0)
        town.nothing_is_doubled()
        town.who_was_replaced_moves_nothing()
    finally:
        town.teardown()


@pytest.mark.parametrize("failures", [0, 3], ids=["in its hands", "and its breaker open"])
def test_a_frozen_process_keeps_its_deliveries_but_not_their_target_from_others(failures):
    town = Interleaving()
    try:
        held = [town._submit(Effect.IDEMPOTENT, (), WELL) for _ in range(1 if failures else 8)]
        town.workers[0].stop = (Point.HALF_WRITTEN, Manner.FROZEN)
        town._hint(0, held)
        other = town._submit(Effect.IDEMPOTENT, ["no connection"] * failures, WELL)
        town._hint(1, [other])
        town.wait(240)
        assert town.town.delivery(other).state == State.DELIVERED
    finally:
        town.teardown()
