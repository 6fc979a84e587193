"""Two workers over one ledger, in any order that hypothesis finds: each request is taken once at most, and ends.

A rule lets something happen; a worker stops where it is told to hold, and goes on when it is let go. What happened
is printed when something is wrong, and can be run again as it stands.
"""

import asyncio
from collections import defaultdict, deque
from contextlib import suppress
from datetime import timedelta
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from hub import acts
from hub.errors import ConflictError
from hub.lifecycle import FINAL, State
from hub.model import Effect
from hub.settlement import ROOM
from tests.faults.played import SENDING, WELL, WRONG_ASKS, Target, wrong_sends
from tests.faults.simulation import Point, Process, SimulatedLoop, Town, in_simulated_time

WORKERS = st.integers(0, 1)
PLACES = [point for point in Point if point is not Point.SWEEPING]
AT_REST = FINAL | {State.PARKED}
HOURS = 6 * 3600


class Worker:
    """A process of the hub that stops where it is told to hold; `cut` when its lock is lost although it lives."""

    def __init__(self, town):
        self._town = town
        self.holds, self.held = set(), []
        self.cut = False
        self._ledger = town.open_ledger()
        self.process = Process(town, self._ledger, self._pause)

    async def _pause(self, point):
        # What is frozen between its last look at the clock and the first byte is safe only while its lock is held.
        if point in self.holds and not (self.cut and point is Point.HALF_WRITTEN):
            held = asyncio.get_running_loop().create_future()
            self.held.append((point, held))
            await held

    def let_go(self):
        """Go on, and hold no more."""
        self.holds = set()
        for _, held in self.held:
            if not held.done():
                held.set_result(None)
        self.held = []

    @property
    def is_about_to_write(self):
        """Whether it is held where it will not look at the clock again before it writes."""
        return any(point is Point.HALF_WRITTEN and not held.done() for point, held in self.held)

    async def end(self):
        """Die."""
        await self.process.kill()
        self._ledger.engine.dispose()


class Interleaving(RuleBasedStateMachine):
    """What may happen to two workers and their requests."""

    requests = Bundle("requests")

    def __init__(self):
        super().__init__()
        self._loop, self._folder = SimulatedLoop(), TemporaryDirectory()
        self._time = in_simulated_time(self._loop)
        self._time.__enter__()
        self._sends, self._asks = defaultdict(deque), defaultdict(deque)
        self._kinds, self._excused = {}, set()
        self._run(self._open())

    async def _open(self):
        target = Target(lambda number: self._next(self._sends[number]), lambda number: self._next(self._asks[number]))
        self.town = Town(self._folder.name, target, sweep=timedelta(seconds=15))
        await self.town.declare()
        self.workers = [Worker(self.town), Worker(self.town)]

    def _next(self, plan):
        return plan.popleft() if plan else WELL

    def _run(self, what):
        self._loop.run_until_complete(what)

    @rule(
        target=requests,
        effect=st.sampled_from([Effect.LOOKUP, Effect.ONCE, Effect.IDEMPOTENT]),
        data=st.data(),
        ask=st.sampled_from([WELL, *WRONG_ASKS]),
    )
    def submit(self, effect, data, ask):
        """Somebody submits a request, about which one or two messages and a question may go wrong."""
        sends = data.draw(st.lists(st.sampled_from(wrong_sends(effect)), max_size=2))
        box = []

        async def submitted():
            box.append(await self.town.submit(effect))

        self._run(submitted())
        [number] = box
        self._kinds[number] = effect
        self._sends[number].extend(sends)
        self._asks[number].append(ask)
        return number

    @rule(worker=WORKERS, request=requests)
    def hint(self, worker, request):
        """A hint comes, of use or not."""
        self.workers[worker].process.engine.hint("cible", [request * ROOM + 1])
        self.wait(1)

    @rule(worker=WORKERS, point=st.sampled_from(PLACES))
    def hold(self, worker, point):
        self.workers[worker].holds.add(point)

    @rule(worker=WORKERS)
    def freeze(self, worker):
        self.workers[worker].holds |= set(Point)

    @rule(worker=WORKERS)
    def let_go(self, worker):
        self.workers[worker].let_go()
        self.wait(1)

    @rule(worker=WORKERS)
    def die(self, worker):
        self._run(self._replace(worker))

    async def _replace(self, worker):
        await self.workers[worker].end()
        self.workers[worker] = Worker(self.town)

    @rule(worker=WORKERS)
    def cut(self, worker):
        """Its lock is lost, as when the line to the database is."""
        if not self.workers[worker].is_about_to_write:
            self.workers[worker].cut = True
            self.workers[worker].process.owner.close()

    @rule(seconds=st.sampled_from([1, 15, 60]))
    def wait(self, seconds):
        self._run(asyncio.sleep(seconds))

    @rule(request=requests, act=st.sampled_from(["retry", "verify", "finalize", "cancel", "correct", "retry_sure"]))
    def act(self, request, act):
        """A person acts; who is sure has looked, and nothing is there."""
        delivery = request * ROOM + 1
        wanted = {
            "retry": acts.Retry(delivery),
            "retry_sure": acts.Retry(delivery, sure=True),
            "verify": acts.Verify(delivery),
            "finalize": acts.Finalize(delivery, "fait au guichet", "G-1"),
            "cancel": acts.Cancel(request),
            "correct": acts.Correct(request, {"objet": "corrigé"}),
        }[act]
        if act == "retry_sure" and self.town.target.taken[request]:
            return

        async def acted():
            with suppress(ConflictError):
                await self.town.ledger.act(wanted)
                if act == "retry_sure":
                    self.town.target.doubts.discard(request)
                if act in ("verify", "correct"):
                    self._excused.add(request)

        self._run(acted())

    @invariant()
    def nothing_is_doubled(self):
        assert all(times == 1 for times in self.town.target.taken.values()), self.town.target.taken
        assert not self.town.target.blind

    @invariant()
    def what_the_ledger_says_is_so(self):
        for row in self.town.rows("SELECT request, state, ever_uncertain FROM delivery"):
            taken = self.town.target.taken[row.request]
            if row.state == State.DELIVERED:
                assert taken == 1
            if row.state == State.CANCELLED or (row.state == State.PARKED and not row.ever_uncertain):
                assert taken == 0, row

    def teardown(self):
        try:
            self._run(self._end_well())
        finally:
            self._run(self._close())
            self._time.__exit__(None, None, None)
            self._folder.cleanup()

    async def _end_well(self):
        self._sends.clear()
        self._asks.clear()
        for index, worker in enumerate(self.workers):
            if worker.cut:
                await self._replace(index)
            worker.let_go()
        async with asyncio.timeout(HOURS):
            while self._open_ones():
                await asyncio.sleep(30)
        self.nothing_is_doubled()
        self.what_the_ledger_says_is_so()

    def _open_ones(self):
        return [row for row in self.town.rows("SELECT request, state FROM delivery") if row.state not in AT_REST]

    async def _close(self):
        for worker in self.workers:
            await worker.end()
        await self.town.ledger.close()


TestInterleaving = Interleaving.TestCase
TestInterleaving.settings = settings(
    max_examples=150,
    stateful_step_count=30,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
