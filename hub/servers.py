"""Throwaway servers: a real PostgreSQL and a real RabbitMQ on loopback, for the demo, the bench and the tests.

Each writes as durably as in production, and ends with the process that started it, kill -9 included: beside it, in its
process group, a watcher reads a pipe that only that process holds, and acts when the kernel closes it. Unlike
PR_SET_PDEATHSIG, this depends neither on the thread that started it nor on Linux, and leaves no files behind.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

import psutil
import psycopg
from psycopg.sql import SQL, Identifier

from hub.errors import ConfigurationError

SECONDS_TO_START: Final = 90.0
SECONDS_TO_STOP: Final = 30.0
SECONDS_TO_ANSWER: Final = 2.0
SECONDS_BETWEEN_LOOKS: Final = 0.02
LAST_LINES: Final = 12
LOOPBACK: Final = "127.0.0.1"

QUIET_PORTS: Final = range(20000, 32768)
"""Below those that the system lends to clients: a server that is down for a moment finds its port free again."""

TIED: Final = '((read -r _ <&3 || { kill -KILL $$; rm -rf "$0"; }) &) 3<&0; exec "$@" </dev/null'
"""Become a command, beside a watcher that ends it and deletes $0; no other process can get that number meanwhile."""

AMQP: Final = b"AMQP\x00\x00\x09\x01"
"""What a client says first; a broker that is ready answers."""


class Server(ABC):
    """A server with a port, a password and data of its own; what it prints goes to a file of `folder`.

    Its data are kept when it is stopped or killed, and go with `end` or at the end of `async with`. They live under the
    system's temporary folder, where a user who is not root may go. No method depends on the event loop that calls it.
    """

    package: ClassVar[str]
    """The Debian package that holds its programs."""
    places: ClassVar[str]
    """Where packages hide its programs, before those of PATH."""
    orderly: ClassVar[signal.Signals]
    """What tells it to end in order."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.log = folder / f"{self.package}.log"
        self.password = secrets.token_urlsafe(12)
        self._data: Path | None = None
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    @abstractmethod
    def url(self) -> str:
        """Where it answers, with the password."""

    @property
    def pid(self) -> int:
        """The server's main process."""
        return self._processes[-1].pid

    @property
    def data(self) -> Path:
        """The folder of its data."""
        if self._data is None:
            self._data = Path(tempfile.mkdtemp(prefix=f"hub-{self.package}-"))
        return self._data

    @classmethod
    def program(cls, name: str) -> Path:
        """Find one of its programs, of the newest version; raises ConfigurationError when it is missing."""
        hidden = sorted(Path("/").glob(f"{cls.places}/{name}"), key=_version)
        found = hidden[-1] if hidden else shutil.which(name)
        if found is None:
            raise ConfigurationError(name, f"this program, of the Debian package {cls.package}: it is not installed")
        return Path(found)

    async def start(self) -> None:
        """Start it, on the data it had if any, and wait until it answers; what is left of an earlier life is buried.

        Raises ConfigurationError when its programs are missing, ChildProcessError when it does not start.
        """
        await self.kill()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        try:
            async with asyncio.timeout(SECONDS_TO_START):
                await self._launch()
                while not await self._answers_soon():
                    self._check_alive()
                    await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
        except BaseException:
            await self.kill()
            raise

    async def stop(self) -> None:
        """End it in order."""
        if self._processes:
            self._processes[-1].send_signal(self.orderly)
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._processes[-1].wait, SECONDS_TO_STOP)
        await self.kill()

    async def kill(self) -> None:
        """Kill all its processes at once, as a power cut would."""
        for process in reversed(self._processes):
            process.kill()
        await asyncio.to_thread(self._bury)

    async def end(self) -> None:
        """End it for good: its data go with it."""
        await self.stop()
        shutil.rmtree(self.data, ignore_errors=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.end()

    @abstractmethod
    async def _launch(self) -> None:
        """Launch its processes, the main one last."""

    @abstractmethod
    async def _answers(self) -> bool:
        """Tell whether it answers."""

    def _run(self, *command: str | Path, user: str | None = None, **environment: str) -> None:
        with self.log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  # programs that we found, options that we wrote
                ("/bin/sh", "-c", TIED, self.data, *command),
                cwd=self.data,
                env=os.environ | environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=user,
                group=pwd.getpwnam(user).pw_gid if user else None,
                extra_groups=[] if user else None,
            )
        self._processes.append(process)

    async def _answers_soon(self) -> bool:
        try:
            return await asyncio.wait_for(self._answers(), SECONDS_TO_ANSWER)
        except TimeoutError:
            return False

    def _check_alive(self) -> None:
        if self._processes[-1].poll() is not None:
            said = self.log.read_text("utf-8", "replace").splitlines()[-LAST_LINES:]
            raise ChildProcessError("\n".join([f"{self.package} did not start", *said]))

    def _bury(self) -> None:
        while self._processes and (left := list(self._left())):
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            time.sleep(SECONDS_BETWEEN_LOOKS)
        for ended in self._processes:
            ended.wait()
            if ended.stdin:
                ended.stdin.close()
        self._processes.clear()

    def _left(self) -> Iterator[psutil.Process]:
        """Find what runs where its data are, orphans too; a person who looks in has a terminal."""
        for process in psutil.process_iter(["cwd", "terminal", "status"]):
            folder, dead = Path(process.info["cwd"] or "/"), process.info["status"] == psutil.STATUS_ZOMBIE
            if folder.is_relative_to(self.data) and not dead and not process.info["terminal"]:
                yield process


class Postgres(Server):
    """A PostgreSQL server: `url` leads to the database that it always has, `database` makes others."""

    package = "postgresql"
    places = "usr/lib/postgresql/*/bin"
    orderly = signal.SIGINT

    @property
    def url(self) -> str:
        """Where its first database is, with the password."""
        return self._url("postgres")

    async def database(self, name: str) -> str:
        """Make an empty database; give its URL."""
        async with await self._connect() as connection:
            await connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        return self._url(name)

    async def _launch(self) -> None:
        server, files = self.program("postgres"), self.data / "files"
        if not files.exists():
            await self._initialize(files)
        self._run(server, "-D", files, *self._options(), user=_service_user())

    async def _initialize(self, files: Path) -> None:
        """Write the files of an empty server; only what it writes later must be durable."""
        user, password = _service_user(), self.data / "password"
        password.write_text(self.password)
        for path in (self.data, password):
            shutil.chown(path, user or os.geteuid())
        options = ("--username=hub", "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync")
        self._run(self.program("initdb"), "-D", files, f"--pwfile={password}", *options, user=user)
        if await asyncio.to_thread(self._processes[-1].wait):
            self._check_alive()

    def _options(self) -> Iterator[str]:
        options = {
            "port": self.port,
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": "",
            "max_connections": 200,
            "dynamic_shared_memory_type": "mmap",  # in its own folder: a kill leaves nothing in /dev/shm
        }
        for name, value in options.items():
            yield from ("-c", f"{name}={value}")

    async def _answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            await (await self._connect()).close()
            return True
        return False

    async def _connect(self) -> psycopg.AsyncConnection:
        return await psycopg.AsyncConnection.connect(self.url.replace("+psycopg", ""), autocommit=True)

    def _url(self, database: str) -> str:
        return f"postgresql+psycopg://hub:{self.password}@{LOOPBACK}:{self.port}/{database}"


class RabbitMQ(Server):
    """A RabbitMQ node without plugins, and a port mapper (epmd) of its own, which would outlive it otherwise."""

    package = "rabbitmq-server"
    places = "usr/lib/rabbitmq/bin"
    orderly = signal.SIGTERM

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._mapper_port, self._peers_port = free_port(), free_port()

    @property
    def url(self) -> str:
        """Where its own virtual host is, with the password."""
        return f"amqp://hub:{self.password}@{LOOPBACK}:{self.port}/hub"

    async def _launch(self) -> None:
        server, mapper = self.program("rabbitmq-server"), self.program("epmd")
        (self.data / "rabbitmq.conf").write_text(self._configuration())
        (self.data / "plugins").write_text("[].")
        self._run(mapper, "-port", str(self._mapper_port), "-address", LOOPBACK)
        self._run(server, **self._environment())

    def _configuration(self) -> str:
        settings = {
            "listeners.tcp.local": f"{LOOPBACK}:{self.port}",
            "default_vhost": "hub",
            "default_user": "hub",
            "default_pass": self.password,
            "log.console": "true",
        }
        return "".join(f"{name} = {value}\n" for name, value in settings.items())

    def _environment(self) -> dict[str, str]:
        """Keep the node away from the system's: its files, its port mapper, its settings."""
        return {
            "HOME": str(self.data),
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_FLAGS": f"-kernel inet_dist_use_interface {{{LOOPBACK.replace('.', ',')}}}",
            "RABBITMQ_NODENAME": "hub@localhost",
            "RABBITMQ_DIST_PORT": str(self._peers_port),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(self.data / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(self.data / "more/*.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.data / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.data / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.data / "nodes"),
            "RABBITMQ_LOG_BASE": str(self.data),
            "RABBITMQ_LOGS": "-",
            "RUNNING_UNDER_SYSTEMD": "true",  # its script becomes the node instead of watching over it
        }

    async def _answers(self) -> bool:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
            writer.write(AMQP)
            greeted = await reader.read(1)
            writer.close()
            return bool(greeted)
        return False


def free_port() -> int:
    """Find a loopback port that nobody uses."""
    while True:
        port = random.choice(QUIET_PORTS)  # noqa: S311  # no secret
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port


def _service_user() -> str | None:
    """Name who runs PostgreSQL, which refuses to be root."""
    return None if os.geteuid() else "postgres"


def _version(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(path))]
