"""Starting the benchmark's processes, knowing when they are ready, and stopping them.

What a process prints is kept in a file of the trial's folder, whose last lines are told when it does not start.
"""

from __future__ import annotations

import http.client
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

SECONDS_TO_START: Final = 60.0
SECONDS_TO_STOP: Final = 15.0
LOG_LINES: Final = 15


class BenchError(ChildProcessError):
    """The benchmark itself could not run: which process, and the last it said."""


@dataclass(frozen=True)
class Command:
    """What to run, and where it prints; without `settings` its standard input stays open for as long as it runs.

    One that `announces` itself says one line of JSON on standard output.
    """

    words: Sequence[str]
    log: Path
    settings: Mapping[str, Any] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    announces: bool = False


@dataclass(frozen=True)
class Process:
    """A running process."""

    popen: subprocess.Popen[bytes]
    log: Path

    def announcement(self) -> dict[str, Any]:
        """Wait for what it says of itself; raises BenchError when it dies or takes too long."""
        line = b""
        if self.popen.stdout and select.select([self.popen.stdout], [], [], SECONDS_TO_START)[0]:
            line = self.popen.stdout.readline()
        if not line:
            raise self.failure()
        return orjson.loads(line)  # type: ignore[no-any-return]  # one object a line

    def wait_until_ready(self, url: str, path: str = "/health/ready") -> None:
        """Poll its readiness; raises BenchError when it dies or takes too long."""
        until = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < until and self.popen.poll() is None:
            try:
                read(url, path)
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise self.failure()

    def failure(self) -> BenchError:
        """Say that it did not start, with the last it said."""
        said = self.log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:]
        return BenchError("\n".join([f"{self.log.stem} did not start", *said]))


@contextmanager
def launched(command: Command) -> Iterator[Process]:
    """Run a process for the length of a block."""
    with command.log.open("wb") as printed:
        popen = subprocess.Popen(  # noqa: S603  # our own modules
            command.words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if command.announces else printed,
            stderr=printed,
            env=os.environ | command.environment,
        )
    try:
        if popen.stdin and command.settings is not None:
            with suppress(BrokenPipeError), popen.stdin as given:  # dead already: its log says why
                given.write(orjson.dumps(command.settings))
        yield Process(popen, command.log)
    finally:
        stop(popen)


def stop(popen: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, and end it when it does not."""
    popen.terminate()
    try:
        popen.wait(SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        popen.kill()
        popen.wait()
    for pipe in (popen.stdin, popen.stdout):
        if pipe:
            pipe.close()


def module(name: str) -> list[str]:
    """Name the command that runs one of this package's processes."""
    return [sys.executable, "-m", f"hub.bench.{name}"]


def output_of(command: Sequence[str], given: bytes = b"", environment: Mapping[str, str] | None = None) -> bytes:
    """Run a command to its end and give what it printed; raises BenchError with the last it said."""
    ended = subprocess.run(  # noqa: S603  # our own modules
        command, input=given, capture_output=True, check=False, env=os.environ | (environment or {})
    )
    if ended.returncode:
        said = ended.stderr.decode("utf-8", "replace").splitlines()[-LOG_LINES:]
        raise BenchError("\n".join([f"{' '.join(command[2:4])} failed", *said]))
    return ended.stdout


def read(url: str, path: str) -> bytes:
    """GET a path; raises OSError when there is no answer, or one that is not 200."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        content = answer.read()
    except http.client.HTTPException as error:
        raise OSError(type(error).__name__) from None
    finally:
        connection.close()
    if answer.status != 200:
        raise OSError(f"HTTP {answer.status}")
    return content
