"""A database server that is cut off, away, full or killed: what was acknowledged is there, the rest can be repeated."""

import asyncio
import base64
import os

import httpx
import pytest

from tests.faults.test_disk import full_disk, is_ready
from tests.faults.town import KINDS, check_refusal, distributed

pytestmark = distributed

CUT = {"before it arrives": False, "before it is answered": True}
SEGMENT = 16 * 1024 * 1024
"""The size of the files that PostgreSQL writes ahead to: they exist whole, so that its tables meet the limit."""

REQUESTS, KILLS, WORKERS, CONNECTIONS = 300, 2, 4, 8


@pytest.mark.parametrize("arrives", CUT.values(), ids=CUT)
async def test_a_commit_that_is_cut_is_no_acceptance_and_its_repetition_makes_one_request(
    new_town, mode, server, new_line, arrives
):
    """Row 2: the link is lost during COMMIT; the hub cannot know whether the request is there, and says 503."""
    town = await new_town()
    line = await new_line(server.port)
    town.behind(database=line)
    door = await town.start(*mode.door)
    async with httpx.AsyncClient() as client:
        await town.submit(client, lambda: door.url, "before")
        line.trap(b"during", b"COMMIT", arrives=arrives)
        answer = await town.post(client, door.url, "during")
        assert (line.sprung.is_set(), answer.status_code) == (True, 503)
        check_refusal(answer)
        there = "SELECT 1 FROM request WHERE idempotency_key = 'during'"
        await town.until(lambda: len(town.rows(there)) == int(arrives))
        await town.submit(client, lambda: door.url, "during")
    assert len(town.rows("SELECT 1 FROM request")) == 2
    await town.start(*mode.engine)
    await town.settle()
    assert town.check() == {("idempotent", "done"): 2}


async def test_a_database_that_is_down_accepts_nothing_and_is_found_again(new_town, mode, server):
    """Row 3: 503 while it is away, and the same processes go on once it is back."""
    town = await new_town()
    door = await town.serve(mode)
    async with httpx.AsyncClient() as client:
        await town.submit(client, lambda: door.url, "before")
        assert "hub_ledger_up 1.0" in (await client.get(f"{door.url}/metrics")).text
        await server.kill()
        try:
            answer = await town.post(client, door.url, "during")
            assert answer.status_code == 503
            check_refusal(answer)
            assert not await is_ready(client, door)
        finally:
            await server.start()
        await town.submit(client, lambda: door.url, "during")
        assert await is_ready(client, door)
        assert "hub_ledger_up 1.0" in (await client.get(f"{door.url}/metrics")).text
    await town.settle()
    assert town.check() == {("idempotent", "done"): 2}


async def test_a_database_whose_disk_is_full_accepts_nothing_and_goes_on_with_room(new_town, mode, server):
    """Row 3: what it cannot store is refused with 503, whole, again and again; with room the same processes go on."""
    town = await new_town()
    door = await town.start(*mode.door)
    heavy = base64.b64encode(os.urandom(1_000_000)).decode()
    refused = None
    async with httpx.AsyncClient(timeout=30) as client:
        await town.submit(client, lambda: door.url, "before")
        with full_disk(server.pid, SEGMENT):
            for index in range(40):
                refused = await town.post(client, door.url, f"heavy-{index}", objet=heavy)
                if refused.status_code != 202:
                    break
            assert refused.status_code == 503
            check_refusal(refused)
            assert len(town.rows("SELECT 1 FROM request")) == index + 1
        await town.submit(client, lambda: door.url, "after")
        await town.submit(client, lambda: door.url, f"heavy-{index}", objet=heavy)
    assert len(town.rows("SELECT 1 FROM request")) == index + 3


async def test_forty_posts_at_two_doors_under_one_key_make_one_request(new_town, mode):
    """Row 4: one creation and replays; another body under the same key is refused."""
    town = await new_town()
    doors = [await town.start(*mode.door) for _ in range(2)]
    async with httpx.AsyncClient() as client:
        same = [town.post(client, doors[index % 2].url, "k") for index in range(40)]
        said = await asyncio.gather(*same)
        other = await town.post(client, doors[0].url, "k", objet="autre")
    assert ({answer.status_code for answer in said}, other.status_code) == ({202}, 422)
    assert len({answer.json()["number"] for answer in said}) == 1
    assert len(town.rows("SELECT 1 FROM request")) == len(town.rows("SELECT 1 FROM delivery")) == 1


async def test_a_database_killed_while_four_workers_send_forgets_nothing_it_acknowledged(new_town, mode, server):
    """Row 11: every request with a 202 is there; what was on its way is asked about, or left to a person."""
    town = await new_town(concurrency=100)
    door = await town.start(*mode.door)
    town.target.latency = 0.2
    await asyncio.gather(*(town.start(*mode.engine) for _ in range(WORKERS)))
    left = iter(range(REQUESTS))

    async def front_end(client):
        for index in left:
            await town.submit(client, lambda: door.url, f"key-{index}", KINDS[index % len(KINDS)])

    async def killer():
        for kill in range(1, KILLS + 1):
            await town.until(lambda: len(town.numbers) >= kill * REQUESTS // (KILLS + 1))  # noqa: B023  # awaited at once
            await server.kill()
            await server.start()

    async with httpx.AsyncClient(timeout=30) as client:
        await asyncio.gather(killer(), *(front_end(client) for _ in range(CONNECTIONS)))
    await town.settle()
    ends = town.check()
    assert sum(ends.values()) == len(town.numbers) == REQUESTS
    assert {kind for kind, status in ends if status != "done"} <= {"once"}
    assert len(town.rows("SELECT DISTINCT owner FROM delivery")) == WORKERS
