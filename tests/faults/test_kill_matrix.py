"""Kill -9 of real processes at every crash point: each request ends as its effect allows, none lost, none doubled."""

import asyncio
import signal

import httpx

from tests.faults.town import KINDS

AT_ONCE = 3
"""Cases that run side by side."""

DONE, PARKED = "done", "parked"

SENDING = {  # point: (state the ledger is found in, then (end, times taken): idempotent, lookup, once)
    "W1": ("claimed", (DONE, 1), (DONE, 1), (DONE, 1)),
    "W2": ("sending", (DONE, 1), (DONE, 1), (PARKED, 0)),
    "W3": ("sending", (DONE, 1), (DONE, 1), (PARKED, 0)),
    "W4": ("sending", (DONE, 1), (DONE, 1), (PARKED, 1)),
    "W5": ("sending", (DONE, 1), (DONE, 1), (PARKED, 1)),
    "W6": ("delivered", (DONE, 1), (DONE, 1), (DONE, 1)),
}
ASKING = {  # point: (states found, then ends): what the target had taken, what it had not
    "R0": (("asking", "asking"), (DONE, 1), (DONE, 1)),
    "R1": (("asking", "asking"), (DONE, 1), (DONE, 1)),
    "R2": (("delivered", "uncertain"), (DONE, 1), (DONE, 1)),
}
ACCEPTING = {  # point: (requests found before the front end repeats itself, then ends)
    "A0": (0, (DONE, 1), (DONE, 1), (DONE, 1)),
    "A1": (0, (DONE, 1), (DONE, 1), (DONE, 1)),
    "A2": (3, (DONE, 1), (DONE, 1), (DONE, 1)),
}
ALONE = {"A1"}
"""Points inside a transaction: the first to come kills, for the others may not be there."""


async def all_of(table, run):
    """Run a case for each row of a table; gives the table as it was found."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(point):
        async with room:
            return await run(point)

    async with asyncio.TaskGroup() as group:
        cases = {point: group.create_task(one(point)) for point in table}
    return {point: case.result() for point, case in cases.items()}


def ends_of(town, numbers):
    """Give each request's end, and how often the target took it."""
    status = {row.number: row.status for row in town.rows("SELECT number, status FROM request")}
    taken = town.target.taken()
    return tuple((status[number], taken[f"{number}-1"]) for number in numbers)


async def recover(town, mode):
    """Let healthy processes take over, and everything end."""
    await town.serve(mode)
    await town.settle()
    town.check()


async def test_whoever_sends_may_die_at_any_point(new_town, mode):
    """Row 6: W1 to W6, for what the target recognises, can be asked about, and neither."""

    async def case(point):
        town = await new_town(point)
        numbers = await town.seed(*KINDS)
        victim = await town.process(*mode.engine, dies_at=point, dies_after=len(numbers)).launch()
        assert await victim.ended() == -signal.SIGKILL
        [found] = set(town.states(numbers))
        await recover(town, mode)
        return (found, *ends_of(town, numbers))

    assert await all_of(SENDING, case) == SENDING


async def test_whoever_asks_may_die_at_any_point(new_town, mode):
    """Row 6: R0 to R2, for what the target has and what it has not."""

    async def case(point):
        town = await new_town(point)
        numbers = await town.leave_in_doubt()
        victim = await town.process(*mode.engine, dies_at=point, dies_after=len(numbers)).launch()
        assert await victim.ended() == -signal.SIGKILL
        found = town.states(numbers)
        await recover(town, mode)
        return (found, *ends_of(town, numbers))

    assert await all_of(ASKING, case) == ASKING


async def test_a_front_end_that_repeats_itself_after_the_door_died_has_one_request(new_town, mode):
    """Row 1: A0 to A2; the repetition under the same key gives the number of whatever the dead process wrote."""

    async def case(point):
        town = await new_town(point)
        door = await town.start(*mode.door, dies_at=point, dies_after=1 if point in ALONE else len(KINDS))
        async with httpx.AsyncClient() as client:
            said = await asyncio.gather(
                *(town.post(client, door.url, kind, kind) for kind in KINDS), return_exceptions=True
            )
            assert [type(one) for one in said if not isinstance(one, httpx.TransportError)] == []
            assert await door.ended() == -signal.SIGKILL
            found = len(town.rows("SELECT number FROM request"))
            healthy = await town.start(*mode.door)
            numbers = await asyncio.gather(*(town.submit(client, lambda: healthy.url, kind, kind) for kind in KINDS))
        assert {row.number for row in town.rows("SELECT number FROM request")} == set(numbers)
        for verb in mode.whole.keys() - {mode.door}:
            await town.start(*verb)
        await town.settle()
        town.check()
        return (found, *ends_of(town, numbers))

    assert await all_of(ACCEPTING, case) == ACCEPTING
