"""Processes of our own: how one runs, and how it starts another that never outlives it.

A child announces itself by one line of JSON, and ends when its standard input closes: whatever ends the
parent, the kernel closes that pipe.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Final, TypeVar

import orjson
import uvloop

SECONDS_TO_START: Final = 60.0
SECONDS_TO_STOP: Final = 15.0
LAST_LINES: Final = 8

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Child:
    """A running child: its process, and what it announced."""

    process: asyncio.subprocess.Process
    announced: dict[str, Any]


def run(main: Coroutine[Any, Any, Value]) -> Value:
    """Run a coroutine on the fast event loop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


@asynccontextmanager
async def child(
    *arguments: str, log: Path, environment: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Child]:
    """Run `hub <arguments>` for the length of a block, in a session of its own, so that Ctrl-C is ours to handle.

    `environment` is laid over ours; what it prints on standard error goes to `log`. Raises ChildProcessError when
    it does not announce itself.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as printed:
        process = await _launch(arguments, printed, {**os.environ, **environment})
    try:
        yield Child(process, await _announcement(process, log))
    finally:
        await _end(process)


async def closed_stdin() -> None:
    """Wait until whoever started this process has let go of it."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


async def signalled() -> None:
    """Wait for Ctrl-C, or for SIGTERM."""
    heard = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, heard.set)
    await heard.wait()


async def _launch(
    arguments: tuple[str, ...], printed: IO[bytes], environment: Mapping[str, str]
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hub",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=printed,
        env=environment,
        start_new_session=True,
    )


async def _announcement(process: asyncio.subprocess.Process, log: Path) -> dict[str, Any]:
    line = b""
    if process.stdout:
        try:
            line = await asyncio.wait_for(process.stdout.readline(), SECONDS_TO_START)
        except TimeoutError:
            line = b""
    if not line:
        raise ChildProcessError("\n".join(["a process of ours did not start", *_last_lines(log)]))
    announced: dict[str, Any] = orjson.loads(line)
    return announced


def _last_lines(log: Path) -> list[str]:
    return log.read_text("utf-8", "replace").splitlines()[-LAST_LINES:]


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask it to end, and end it when it does not."""
    if process.returncode is None:
        process.terminate()
    if process.stdin:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), SECONDS_TO_STOP)
    except TimeoutError:
        process.kill()
        await process.wait()
