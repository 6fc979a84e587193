"""Whatever goes wrong, in whatever order: nothing is lost, nothing is doubled, nothing is left to a person without cause.

A schedule says what goes wrong, decision by decision: `{"send 1": "reset after", "W5 2": "dies"}` loses the first
answer, and kills the process the second time it is about to write an outcome down. Everything else goes well.
To see one again: `play(town, "lookup", {"send 1": "reset after", "W5 2": "dies"})`.
"""

import asyncio
import random
from collections import Counter
from datetime import timedelta

import pytest

from hub.lifecycle import FINAL, State
from hub.model import Effect
from hub.settlement import ROOM
from tests.faults.played import LOST, WELL, WRONG_ASKS, Target, wrong_sends
from tests.faults.simulation import Point, Process, SimulatedLoop, Town, in_simulated_time

DIES = "dies"
AT_REST = FINAL | {State.PARKED}
MOST_WRONG = 2
SAMPLES = 300
LONGEST = timedelta(days=1)


class Script:
    """A schedule as it is played: the decisions that were met, in order, and what else each could have been."""

    def __init__(self, said=()):
        self.said, self.met, self._times = dict(said), {}, Counter()

    def choose(self, what, wrong):
        """Say what happens: well, or something wrong."""
        self._times[what] += 1
        decision = f"{what} {self._times[what]}"
        self.met[decision] = wrong
        return self.said.get(decision, WELL)

    def further(self):
        """List the schedules with one more thing wrong, later than all that goes wrong in this one."""
        decisions = list(self.met)
        last = max((decisions.index(decision) for decision in self.said), default=-1)
        return [{**self.said, later: wrong} for later in decisions[last + 1 :] for wrong in self.met[later]]


class Dice(Script):
    """A schedule that is made up while it is played."""

    def __init__(self, seed):
        super().__init__()
        self._dice = random.Random(seed)

    def choose(self, what, wrong):
        """Let one decision in four go wrong, six at most."""
        super().choose(what, wrong)
        if len(self.said) == 6 or self._dice.random() > 0.25:
            return WELL
        decision = list(self.met)[-1]
        self.said[decision] = self._dice.choice(wrong)
        return self.said[decision]


class Simulation:
    """One town in which schedules are played one after the other."""

    def __init__(self, folder, loop):
        self._loop, self._script = loop, Script()
        target = Target(
            lambda number: self._script.choose("send", wrong_sends(self._effect)),
            lambda number: self._script.choose("ask", WRONG_ASKS),
        )
        self._loop.run_until_complete(self._open(folder, target))

    async def _open(self, folder, target):
        self.town = Town(folder, target, sweep=timedelta(seconds=30))
        await self.town.declare()

    def play(self, effect, script):
        """Play one schedule to its end, and list what it shows to be wrong."""
        random.seed(0)
        self._effect, self._script = effect, script
        return self._loop.run_until_complete(self._play(effect))

    async def _play(self, effect):
        number = await self.town.submit(effect)
        self.town.target.doubts.discard(number)
        while not await self._live(number):
            pass
        return [*wrong_with(self.town, number, effect, self._script.said)]

    async def _live(self, number):
        """Let a process live until the delivery is at rest, or the schedule kills it."""
        dead = asyncio.Event()

        async def pause(point):
            if dead.is_set() or (point != Point.SWEEPING and self._script.choose(point, [DIES]) == DIES):
                dead.set()
                self.town.news.set()
                await asyncio.get_running_loop().create_future()

        process = Process(self.town, self.town.ledger, pause)
        try:
            async with asyncio.timeout(LONGEST.total_seconds()):
                while not dead.is_set() and self.town.delivery(number).state not in AT_REST:
                    self.town.news.clear()
                    await self.town.news.wait()
        except TimeoutError:
            return True
        finally:
            await process.kill()
        return not dead.is_set()


def wrong_with(town, number, effect, said):
    """List what the end of a schedule should not be."""
    delivery, taken = town.delivery(number), town.target.taken[number]
    happened = set(said.values())
    if delivery.state not in {State.DELIVERED, State.PARKED}:
        yield f"it is left {delivery.state}"
    if taken > 1:
        yield f"it was taken {taken} times"
    if delivery.state == State.DELIVERED and taken != 1 and effect != Effect.SAFE:
        yield "it is delivered, and was not taken"
    if delivery.state == State.PARKED and taken and not delivery.ever_uncertain:
        yield "it is said not to have been taken, and it was"
    if number in town.target.blind:
        yield "it was sent again while nobody could know"
    causes = {"refused", "different"} | (LOST.keys() | {DIES} if effect == Effect.ONCE else set())
    if delivery.state == State.PARKED and not happened & causes:
        yield f"it is left to a person for {delivery.code!r}"


@pytest.fixture(scope="module")
def simulation(tmp_path_factory):
    loop = SimulatedLoop()
    with in_simulated_time(loop):
        yield Simulation(tmp_path_factory.mktemp("simulation"), loop)


def explored(simulation, effect, most):
    """Play every schedule in which at most so many things go wrong, each once."""
    waiting = [{}]
    while waiting:
        script = Script(waiting.pop())
        yield script, simulation.play(effect, script)
        if len(script.said) < most:
            waiting += script.further()

import time
@pytest.mark.parametrize("effect", Effect)
def test_whatever_two_things_go_wrong_it_ends_well(simulation, effect):
    n=0; t=time.process_time()
    for script, wrong in explored(simulation, effect, MOST_WRONG):
        assert not wrong, (effect, script.said)
        n+=1
    dt=time.process_time()-t
    print(effect, n, dt, dt/n*1000)


@pytest.mark.parametrize("effect", Effect)
def test_however_much_goes_wrong_it_ends_well(simulation, effect):
    t=time.process_time(); c=Counter()
    for seed in range(SAMPLES):
        script = Dice(seed)
        assert not simulation.play(effect, script), (effect, script.said)
        c[len(script.said)]+=1
    dt=time.process_time()-t
    print(effect, SAMPLES, dt, dt/SAMPLES*1000, c)
