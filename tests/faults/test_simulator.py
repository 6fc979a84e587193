"""Whatever goes wrong, in whatever order: nothing is lost or doubled, nothing is left to a person without cause.

A schedule says what goes wrong, decision by decision; everything else goes well. `{"send 1": "reset after",
"W5 2": "dies"}` loses the first answer, and kills the process the second time it is about to write an outcome down.
A schedule that fails is printed as `assert_ends_well` takes it: add it to REMEMBERED, and it is played each time.
"""

import asyncio
import random
from collections import Counter
from datetime import timedelta

import pytest

from hub.claims import POISON_CLAIMS
from hub.lifecycle import FINAL, State
from hub.model import Effect
from hub.settlement import ROOM
from tests.faults.played import LOST, WELL, WRONG_ASKS, Target, wrong_sends
from tests.faults.simulation import UNDONE, UNHEARD, Point, Process, SimulatedLoop, Town, in_simulated_time

DIES = "dies"
AT_REST = FINAL | {State.PARKED}
DELIVERED_OR_PARKED = {State.DELIVERED, State.PARKED}
TOGETHER = 2
"""So many things go wrong in every way they can."""

AT_MOST, SAMPLES = 4, 300
"""So many things go wrong in a sample, and so many samples are taken of each effect."""

LONGEST = timedelta(days=1).total_seconds()

REMEMBERED = [
    (Effect.LOOKUP, {"W2 1": DIES, "send 1": "refused"}),
    (Effect.LOOKUP, {"send 1": "reset after", "ask 1": "behind"}),
    (Effect.LOOKUP, {"send 1": "reset after", "send 2": "refused", "ask 1": "behind"}),
    (Effect.LOOKUP, {"send 1": "late", "ask 1": "no connection"}),
    (Effect.IDEMPOTENT, {"send 1": "timeout after", "send 2": "refused"}),
    (Effect.ONCE, {"intend 1": UNHEARD, "W5 1": DIES}),
]


class Script:
    """A schedule as it is played: the decisions that were met, in order, and what else each could have been."""

    def __init__(self, said=()):
        self.said, self.met, self._times = dict(said), {}, Counter()

    def choose(self, what, wrong):
        """Say what happens this time: well, or something wrong."""
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
    """A schedule that is made up while it is played: one decision in five goes wrong, until enough has."""

    def __init__(self, seed):
        super().__init__()
        self._dice = random.Random(seed)

    def choose(self, what, wrong):
        """Throw for what happens, and remember it."""
        super().choose(what, wrong)
        if len(self.said) == AT_MOST or self._dice.random() > 0.2:
            return WELL
        decision = list(self.met)[-1]
        self.said[decision] = self._dice.choice(wrong)
        return self.said[decision]


class Simulation:
    """One town in which schedules are played one after the other, each about one request."""

    def __init__(self, folder, loop):
        self._loop, self._effect, self._script = loop, Effect.SAFE, Script()
        self.town = Town(folder, Target(self), loop, sweep=timedelta(seconds=30))

    def send(self, _number):
        """Say what becomes of the next message."""
        return self._script.choose("send", wrong_sends(self._effect))

    def ask(self, _number):
        """Say what becomes of the next question."""
        return self._script.choose("ask", WRONG_ASKS)

    def play(self, effect, script):
        """Play one schedule to its end, and give the request's number."""
        random.seed(0)
        self._effect, self._script = effect, script
        return self._loop.run_until_complete(self._play())

    async def _play(self):
        self.town.forget_failures()
        number = await self.town.submit(self._effect)
        hinted = self._script.choose("hint", ["lost"]) == WELL
        while not await self._live(number, hinted=hinted):
            hinted = False
        return number

    async def _live(self, number, *, hinted):
        """Let a process live until the delivery is at rest, or for ever, or until the schedule kills it."""
        dead = asyncio.Event()

        async def pause(point):
            if point is not Point.SWEEPING and self._script.choose(point, [DIES]) == DIES:
                dead.set()
                self.town.news.set()
            if dead.is_set():
                await asyncio.get_running_loop().create_future()

        process = Process(self.town, self.town.ledger, pause, lambda what: self._script.choose(what, [UNDONE, UNHEARD]))
        if hinted:
            process.engine.hint("cible", [number * ROOM + 1])
        try:
            async with asyncio.timeout(LONGEST):
                while not dead.is_set() and self.town.delivery(number).state not in AT_REST:
                    self.town.news.clear()
                    await self.town.news.wait()
        except TimeoutError:
            return True
        finally:
            await process.kill()
        return not dead.is_set()


def wrong_with(town, number, effect, script):
    """List what is not as it should be at the end of a schedule."""
    delivery, taken = town.delivery(number), town.target.taken[number]
    if delivery.state not in DELIVERED_OR_PARKED:
        yield f"it is left {delivery.state}"
    if taken > 1:
        yield f"it was taken {taken} times"
    if delivery.state == State.DELIVERED and not taken and effect is not Effect.SAFE:
        yield "it counts as delivered and was not taken"
    if delivery.state == State.PARKED and taken and not delivery.ever_uncertain:
        yield f"it counts as not taken ({delivery.code}) and was"
    if number in town.target.blind:
        yield "it was sent again although nobody could know whether it was taken"
    if delivery.state == State.PARKED and not has_cause(effect, script):
        yield f"it is left to a person without cause ({delivery.code})"


def has_cause(effect, script):
    """Say whether a person must look: the target said no or has something else, or it cannot be asked."""
    causes = {"refused", "different"} | (LOST.keys() | {DIES} if effect is Effect.ONCE else set())
    claimed_in_vain = sum(decision.startswith(Point.CLAIMED) for decision in script.said)
    return not causes.isdisjoint(script.said.values()) or claimed_in_vain >= POISON_CLAIMS


def assert_ends_well(simulation, effect, script):
    """Play a schedule, and show what is wrong with its end and how it came to that."""
    number = simulation.play(effect, script)
    wrong = list(wrong_with(simulation.town, number, effect, script))
    story = [f"{one.kind} {one.outcome} {one.code}" for one in simulation.town.attempts(number)]
    assert not wrong, f"{wrong}\n({effect!s}, {script.said})\n{story}"


@pytest.fixture(scope="module")
def simulation(tmp_path_factory):
    """Open one town for all schedules."""
    loop = SimulatedLoop()
    with in_simulated_time(loop):
        opened = Simulation(tmp_path_factory.mktemp("simulation"), loop)
        yield opened
        loop.run_until_complete(opened.town.close())


def explored(play, together):
    """Play every schedule in which at most so many things go wrong, each once; counts them."""
    waiting = [Script()]
    for script in waiting:
        play(script)
        if len(script.said) < together:
            waiting += map(Script, script.further())
    return len(waiting)


@pytest.mark.parametrize("effect", Effect)
def test_whatever_two_things_go_wrong_it_ends_well(simulation, effect):
    assert explored(lambda script: assert_ends_well(simulation, effect, script), TOGETHER) > 300


@pytest.mark.parametrize("effect", Effect)
def test_however_much_goes_wrong_it_ends_well(simulation, effect):
    for seed in range(SAMPLES):
        assert_ends_well(simulation, effect, Dice(seed))


@pytest.mark.parametrize(("effect", "said"), REMEMBERED)
def test_what_was_hard_once_ends_well(simulation, effect, said):
    assert_ends_well(simulation, effect, Script(said))


def test_what_kills_each_process_that_maps_it_is_not_sent_and_goes_to_a_person(simulation):
    number = simulation.play(Effect.LOOKUP, Script({f"W1 {time}": DIES for time in range(1, POISON_CLAIMS + 1)}))
    assert (simulation.town.delivery(number).code, simulation.town.target.taken[number]) == ("poison", 0)
