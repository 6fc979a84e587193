"""The throwaway servers are real, come back with what they had, and leave nothing running."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest
from kombu import Connection

from hub.errors import ConfigurationError
from hub.servers import Postgres, RabbitMQ, missing
from hub.throwaway import LOOPBACK

PATIENCE = 30.0
SCRIPT = Path(__file__).parents[1] / "servers.sh"
BOTH = pytest.mark.parametrize("kind", [Postgres, RabbitMQ])
STARTER = """
import asyncio, sys, time
from pathlib import Path
from hub.servers import {kind}

server = {kind}(Path(sys.argv[1]))
asyncio.run(server.start())
print(server.data, flush=True)
time.sleep(600)
"""


@pytest.fixture
def server(kind, request):
    """The shared server of a kind."""
    return request.getfixturevalue("postgres_server" if kind is Postgres else "rabbitmq_server")


async def ask(url, *statements):
    """Run statements; give the value that the last one says."""
    async with await psycopg.AsyncConnection.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in statements:
            said = await connection.execute(statement)
        return (await said.fetchone())[0]


@contextmanager
def mailbox(url):
    """Open a durable queue whose broker says that it has what is put there."""
    with Connection(url, transport_options={"confirm_publish": True}) as line, line.SimpleQueue("kept") as queue:
        yield queue


def at_home(data):
    """Find every process that works in a server's folder: all of its own do."""
    return [process for process in psutil.process_iter() if works_in(data, process)]


def works_in(data, process):
    with suppress(psutil.Error, OSError):
        return Path(process.cwd()).is_relative_to(data)
    return False


def left_of(data):
    return at_home(data) + list(data.parent.glob(data.name))


async def test_each_database_is_empty_and_alone(postgres_server):
    first, second = [await postgres_server.database(name) for name in ("first", "second")]
    assert await ask(first, "CREATE TABLE kept (n int)", "SELECT count(*) FROM pg_tables WHERE tablename = 'kept'") == 1
    assert await ask(second, "SELECT count(*) FROM pg_tables WHERE tablename = 'kept'") == 0


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit", "full_page_writes"])
async def test_what_it_commits_is_on_disk(postgres_url, setting):
    assert await ask(postgres_url, f"SHOW {setting}") == "on"


@pytest.mark.parametrize("ending", [Postgres.stop, Postgres.kill])
async def test_postgresql_comes_back_with_its_data(postgres_server, postgres_url, ending):
    await ask(postgres_url, "CREATE TABLE kept AS SELECT 7 AS n", "SELECT n FROM kept")
    await ending(postgres_server)
    with pytest.raises(psycopg.OperationalError):
        await ask(postgres_url, "SELECT n FROM kept")
    await postgres_server.start()
    assert await ask(postgres_url, "SELECT n FROM kept") == 7


@pytest.mark.parametrize("ending", [RabbitMQ.stop, RabbitMQ.kill])
async def test_rabbitmq_comes_back_with_its_messages(rabbitmq_server, ending):
    with mailbox(rabbitmq_server.url) as queue:
        queue.put("kept")
    await ending(rabbitmq_server)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, rabbitmq_server.port))
    await rabbitmq_server.start()
    with mailbox(rabbitmq_server.url) as queue:
        message = queue.get(timeout=PATIENCE)
        assert message.payload == "kept"
        message.ack()


@BOTH
async def test_one_that_was_killed_by_others_is_started_again(server):
    os.kill(server.pid, signal.SIGKILL)
    await server.start()
    assert len({process.pid for process in at_home(server.data)} & {server.pid}) == 1


@BOTH
def test_it_listens_to_this_machine_alone(server):
    heard = [one for process in at_home(server.data) for one in process.net_connections() if one.status == "LISTEN"]
    assert server.port in {one.laddr.port for one in heard}
    assert {one.laddr.ip for one in heard} <= {LOOPBACK, "::1"}


@BOTH
async def test_nothing_is_left_of_it(kind, tmp_path):
    async with kind(tmp_path) as server:
        assert at_home(server.data)
    assert left_of(server.data) == []


@BOTH
async def test_a_killed_starter_leaves_nothing_behind(kind, tmp_path):
    starter = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STARTER.format(kind=kind.__name__), tmp_path, stdout=asyncio.subprocess.PIPE
    )
    data = Path((await starter.stdout.readline()).decode().strip())
    assert at_home(data)
    starter.kill()
    await starter.wait()
    async with asyncio.timeout(PATIENCE):
        while left_of(data):
            await asyncio.sleep(0.02)


async def test_one_that_cannot_start_says_why(tmp_path):
    server = Postgres(tmp_path)
    with socket.create_server((LOOPBACK, server.port)), pytest.raises(ChildProcessError, match="in use"):
        async with server:
            pass
    assert left_of(server.data) == []


@BOTH
async def test_a_missing_program_is_named_with_its_package(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(kind, "places", "nowhere")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigurationError, match=f"Debian package {kind.package}"):
        await kind(tmp_path).start()


def test_a_missing_server_skips_but_not_in_ci(tmp_path, monkeypatch, request):
    shared = request.config.pluginmanager.get_plugin(str(Path(__file__).parents[1] / "conftest.py"))
    monkeypatch.setattr(Postgres, "places", "nowhere")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="postgresql"):
        next(shared.running(Postgres(tmp_path)))
    monkeypatch.setenv("CI", "true")
    with pytest.raises(ConfigurationError):
        next(shared.running(Postgres(tmp_path)))


@pytest.mark.parametrize(
    ("user", "present", "said"),
    [
        ("0", ["id"], "no apt-get here"),
        ("1000", ["id", "apt-get"], "neither root nor sudo without a password"),
    ],
)
def test_what_cannot_be_installed_is_said_and_stops_nothing(user, present, said, tmp_path):
    for name in present:
        (tmp_path / name).write_text(f"#!/bin/sh\necho {user}\n")
        (tmp_path / name).chmod(0o755)
    command = ["/bin/sh", SCRIPT, "postgresql", "rabbitmq-server"]
    ended = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True)
    assert ended.stderr.startswith(f"{said}: postgresql rabbitmq-server not installed")


@pytest.mark.usefixtures("postgres_server", "rabbitmq_server")
def test_nothing_is_missing_where_both_run():
    assert list(missing()) == []


def test_what_is_missing_is_a_list_of_packages(monkeypatch):
    monkeypatch.setattr(RabbitMQ, "places", "nowhere")
    monkeypatch.setenv("PATH", "")
    assert "rabbitmq-server" in missing()
