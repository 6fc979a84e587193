"""The proxy breaks lines as it says: a fault that does not happen proves nothing."""

import asyncio

import pytest

from tests.faults.proxy import Mode


@pytest.fixture
async def line(new_line):
    """A proxy before a server that repeats what it hears."""

    async def echo(reader, writer):
        while chunk := await reader.read(1000):
            writer.write(chunk)

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    yield await new_line(server.sockets[0].getsockname()[1])
    server.close()


async def say(line, words):
    """Say something through a new connection, and hear it back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
    writer.write(words)
    return await reader.readexactly(len(words)), reader, writer


@pytest.mark.parametrize("mode", [Mode.OK, Mode.SLOW])
async def test_what_is_said_arrives(line, mode):
    await line.turn(mode)
    assert (await say(line, b"x" * 5000))[0] == line.heard == b"x" * 5000


async def test_a_black_hole_answers_nothing_and_keeps_everything(line):
    await line.turn(Mode.BLACKHOLE)
    saying = asyncio.create_task(say(line, b"words"))
    _, reader, writer = await _after(line, saying)
    await line.turn(Mode.BLACKHOLE)
    writer.write(b"more")
    while not line.held:
        await asyncio.sleep(0.01)
    await line.turn(Mode.OK)
    assert await reader.readexactly(4) == b"more"


async def _after(line, saying):
    """Mend the line of somebody who waits."""
    await asyncio.wait([saying], timeout=0.2)
    assert not saying.done()
    await line.turn(Mode.OK)
    return await saying


async def test_a_reset_ends_the_connections_there_are_and_those_to_come(line):
    _, reader, _ = await say(line, b"words")
    await line.turn(Mode.RESET)
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await say(line, b"words")


async def test_a_refusal_lets_nobody_connect_until_it_is_over(line):
    await line.turn(Mode.REFUSE)
    with pytest.raises(ConnectionRefusedError):
        await say(line, b"words")
    await line.turn(Mode.OK)
    assert (await say(line, b"words"))[0] == b"words"


@pytest.mark.parametrize("arrives", [True, False])
async def test_a_trap_cuts_the_line_that_says_its_words_in_order(line, arrives):
    line.trap(b"INSERT", b"COMMIT", arrives=arrives)
    assert (await say(line, b"COMMIT INS"))[0]
    _, reader, writer = await say(line, b"INSERT")
    writer.write(b"COMMIT")
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    assert line.sprung.is_set()
    assert (await say(line, b"INSERT COMMIT"))[0]
