"""A server that ends with the process that started it, kill -9 included, and leaves nothing behind.

Beside it, in its process group, a watcher reads a pipe that only that process holds, and acts when the kernel closes
it. Unlike PR_SET_PDEATHSIG, this depends neither on the thread that started it nor on Linux.
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
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

import psutil

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
"""Become a command, beside a watcher that kills it, then deletes $0 if there is such a file or folder.

The watcher is of its process group: while it waits, no other process gets that number."""


class Server(ABC):
    """A server with a port, a password and data of its own; what it prints goes to a file of `folder`.

    Its data are kept when it is stopped or killed, and go with `end` or at the end of `async with`. They live under the
    system's temporary folder, where a user who is not root may go. No method depends on the event loop that calls it.
    """

    package: ClassVar[str]
    """The Debian package that holds its programs."""
    programs: ClassVar[tuple[str, ...]]
    """The programs that must be there."""
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
            await self._launch()
            await self._ready()
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
        try:
            await self.start()
        except BaseException:
            await self.end()
            raise
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

    async def _ready(self) -> None:
        until = time.monotonic() + SECONDS_TO_START
        while not await self._answers_soon():
            if self._processes[-1].poll() is not None or time.monotonic() > until:
                raise self._failure()
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)

    async def _answers_soon(self) -> bool:
        try:
            return await asyncio.wait_for(self._answers(), SECONDS_TO_ANSWER)
        except TimeoutError:
            return False

    def _failure(self) -> ChildProcessError:
        said = self.log.read_text("utf-8", "replace").splitlines()[-LAST_LINES:]
        return ChildProcessError("\n".join([f"{self.package} did not start", *said]))

    def _bury(self) -> None:
        while self._processes and (left := self._left()):
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            time.sleep(SECONDS_BETWEEN_LOOKS)
        for ended in self._processes:
            ended.wait()
            if ended.stdin:
                ended.stdin.close()
        self._processes.clear()

    def _left(self) -> list[psutil.Process]:
        """Find what still runs where its data are, orphans too."""
        return [process for process in psutil.process_iter() if _works_in(self.data, process)]


def free_port() -> int:
    """Find a loopback port that nobody uses."""
    while True:
        port = random.choice(QUIET_PORTS)  # noqa: S311  # no secret
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port


def _version(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(path))]


def _works_in(folder: Path, process: psutil.Process) -> bool:
    """Tell whether a process lives in a folder; people who look in have a terminal, what just ended has no folder."""
    try:
        return Path(process.cwd()).is_relative_to(folder) and process.terminal() is None
    except (psutil.Error, OSError):
        return False
