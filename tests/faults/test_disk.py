"""A disk that is full, a database that is away: nothing is called accepted that is not there, and all comes back."""

import subprocess
from contextlib import contextmanager

import httpx
import psutil

from tests.faults.town import check_refusal, embedded


@contextmanager
def full_disk(pid, size):
    """Let a process and its children write no byte beyond `size` in any file, as if the disk ended there.

    The kernel refuses such a write as it does on a full disk, in containers too and on any file system.
    """
    limit(pid, size)
    try:
        yield
    finally:
        limit(pid, "unlimited")


def limit(pid, size):
    """Set the largest size of a file for a process and its children, in the name of whoever runs them."""
    process = psutil.Process(pid)
    for one in (process, *process.children(recursive=True)):
        command = ["prlimit", "--pid", str(one.pid), f"--fsize={size}:"]
        subprocess.run(command, check=True, user=one.uids().real, group=one.gids().real)


def size_of(town):
    """Give the size up to which the ledger's journal may be written."""
    return (town.folder / "hub.db-wal").stat().st_size


async def is_ready(client, door):
    """Ask a process for its health."""
    return (await client.get(f"{door.url}/health/ready")).status_code == 200


@embedded
async def test_a_full_disk_accepts_nothing_and_takes_up_again_by_itself(new_town, mode):
    """Row 3: 503, no row, no half of one; with room on the disk the same process goes on."""
    town = await new_town()
    door = await town.start(*mode.door)
    async with httpx.AsyncClient() as client:
        await town.submit(client, lambda: door.url, "before")
        await town.settle()
        with full_disk(door.pid, size_of(town)):
            answer = await town.post(client, door.url, "during")
            assert answer.status_code == 503
            check_refusal(answer)
            assert not await is_ready(client, door)
            assert len(town.rows("SELECT 1 FROM request")) == 1
        await town.submit(client, lambda: door.url, "during")
        assert await is_ready(client, door)
    await town.settle()
    assert town.check() == {("idempotent", "done"): 2}


@embedded
async def test_what_a_target_said_while_the_disk_was_full_is_written_down_once_there_is_room(new_town, mode):
    """Row 3: the answer is in one process's memory alone until then."""
    town = await new_town(deadline="30s")
    town.target.latency = 0.3
    door = await town.start(*mode.door)
    async with httpx.AsyncClient() as client:
        number = await town.submit(client, lambda: door.url, "before", "once")
        await town.until(lambda: town.rows("SELECT 1 FROM delivery WHERE state = 'sending'"))
        with full_disk(door.pid, size_of(town)):
            await town.until(lambda: town.target.taken()[f"{number}-1"])
            assert (await town.post(client, door.url, "during")).status_code == 503
    await town.settle()
    assert town.check() == {("once", "done"): 1}
    assert [row.outcome for row in town.rows("SELECT outcome FROM attempt")] == ["accepted"]
