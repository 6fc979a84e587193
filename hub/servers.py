"""Throwaway servers: a real PostgreSQL and a real RabbitMQ on loopback, for the demo, the bench and the tests.

Each writes as durably as in production.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import psycopg
from psycopg.sql import SQL, Identifier

from hub.errors import ConfigurationError
from hub.throwaway import LOOPBACK, Server, free_port

AMQP: Final = b"AMQP\x00\x00\x09\x01"
"""What a client says first; a broker that is ready answers."""


class Postgres(Server):
    """A PostgreSQL server: `url` leads to the database that it always has, `database` makes others."""

    package = "postgresql"
    programs = ("initdb", "postgres")
    places = "usr/lib/postgresql/*/bin"
    orderly = signal.SIGINT

    @property
    def url(self) -> str:
        """Where its first database is, with the password."""
        return self._url("postgres")

    async def database(self, name: str, template: str = "template1") -> str:
        """Make an empty database, or a copy of one that nobody uses now; give its URL."""
        made = SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template))
        async with await self._connect() as connection:
            await connection.execute(made)
        return self._url(name)

    async def drop(self, name: str) -> None:
        """Delete a database, and end whoever uses it."""
        async with await self._connect() as connection:
            await connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))

    async def _launch(self) -> None:
        initdb, server = map(self.program, self.programs)
        files, user = self.data / "files", _service_user()
        if not files.exists():
            await self._initialize(initdb, files, user)
        self._run(server, "-D", files, *self._options(), user=user)

    async def _initialize(self, initdb: Path, files: Path, user: str | None) -> None:
        """Write the files of an empty server; only what it writes later must be durable."""
        password = self.data / "password"
        password.write_text(self.password)
        if user:
            shutil.chown(self.data, user)
            shutil.chown(password, user)
        options = ("--username=hub", "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync")
        self._run(initdb, "-D", files, f"--pwfile={password}", *options, user=user)
        if await asyncio.to_thread(self._processes[-1].wait):
            raise self._failure()

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
    programs = ("rabbitmq-server", "epmd")
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
        server, mapper = map(self.program, self.programs)
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


def missing() -> Iterator[str]:
    """Name the Debian packages that this machine lacks."""
    for kind in (Postgres, RabbitMQ):
        try:
            for name in kind.programs:
                kind.program(name)
        except ConfigurationError:
            yield kind.package


def _service_user() -> str | None:
    """Name who runs PostgreSQL, which refuses to be root."""
    return None if os.geteuid() else "postgres"
