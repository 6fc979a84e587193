"""The systems under test, each started as a process of its own on a free loopback port.

The settings of our own processes go through their standard input; what they print is kept in a file
of the trial's folder, whose last lines are told when a process does not start.
"""

from __future__ import annotations

import http.client
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

ASSETS: Final = Path(__file__).parent / "assets"
HUB: Final = (sys.executable, "-m", "hub")
SECONDS_TO_START: Final = 60.0
SECONDS_TO_STOP: Final = 15.0
LOG_LINES: Final = 15


class BenchError(ChildProcessError):
    """The benchmark itself could not run: which process, and the last it said."""


@dataclass(frozen=True)
class System:
    """A running process: where it listens, what a front end sends it, where it says that it is ready."""

    url: str
    headers: Mapping[str, str]
    process: subprocess.Popen[bytes]
    log: Path
    ready: str = "/health/ready"


@dataclass(frozen=True)
class Contender:
    """One row of the report: how to start it, and how many seconds its target takes to answer."""

    mode: str
    start: Callable[[str, Path], System] = field(repr=False)
    latency: float = 0.0


def start_hub(sink_url: str, workdir: Path) -> System:
    """Start the hub with one plain JSON target, the sink, and one kind, `banc.essai`."""
    port, config = free_port(), workdir / "hub.yaml"
    shutil.copytree(ASSETS, workdir, dirs_exist_ok=True)
    written = Template(config.read_text("utf-8")).substitute(port=port, sink=sink_url)
    config.write_text(written, "utf-8")
    key = orjson.loads(output_of([*HUB, "keys", "create", "banc", "--config", str(config), "--json"]))["key"]
    started = launch([*HUB, "up", "--config", str(config)], workdir / "hub.log")
    return System(f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {key}"}, *started)


def start_plain(sink_url: str, workdir: Path) -> System:
    """Start the baseline."""
    port, key = free_port(), secrets.token_hex(16)
    settings = {
        "port": port,
        "database": str(workdir / "plain.db"),
        "target": f"{sink_url}/inscriptions",
        "key": key,
    }
    headers = {"Authorization": f"Bearer {key}"}
    started = launch(module("plain"), workdir / "plain.log", settings)
    return System(f"http://127.0.0.1:{port}", headers, *started)


def start_sink(latency: float, workdir: Path) -> System:
    """Start the target."""
    port = free_port()
    started = launch(module("sink"), workdir / "sink.log", {"port": port, "latency": latency})
    return System(f"http://127.0.0.1:{port}", {}, *started, ready="/count")


CONTENDERS: Final[Mapping[str, Contender]] = {
    "hub": Contender("embedded", start_hub),
    "plain-stack": Contender("one task a request", start_plain),
    "hub-slow-target": Contender("embedded, target answers in 50 ms", start_hub, latency=0.05),
}


@contextmanager
def running(system: System) -> Iterator[System]:
    """Wait until a system is ready, and stop it at the end; raises BenchError when it never is."""
    try:
        wait_until_ready(system)
        yield system
    finally:
        stop(system.process)


def wait_until_ready(system: System) -> None:
    """Poll its readiness; raises BenchError, with the end of its log, when it dies or takes too long."""
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until and system.process.poll() is None:
        try:
            read(system.url, system.ready)
        except OSError:
            time.sleep(0.05)
        else:
            return
    said = system.log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:]
    raise BenchError("\n".join([f"{system.log.stem} did not start", *said]))


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


def module(name: str) -> list[str]:
    """Name the command that runs one of this package's processes."""
    return [sys.executable, "-m", f"hub.bench.{name}"]


def launch(
    command: Sequence[str], log: Path, settings: Mapping[str, Any] | None = None
) -> tuple[subprocess.Popen[bytes], Path]:
    """Start a process that prints into `log`, and hand it its settings."""
    with log.open("wb") as printed:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=printed, stderr=printed)  # noqa: S603  # our own modules
    if process.stdin is not None:
        with suppress(BrokenPipeError), process.stdin as given:  # dead already: its log says why
            given.write(orjson.dumps(settings or {}))
    return process, log


def output_of(command: Sequence[str], given: bytes = b"") -> bytes:
    """Run a command to its end and give what it printed; raises BenchError with the last it said."""
    ended = subprocess.run(command, input=given, capture_output=True, check=False)  # noqa: S603  # our own modules
    if ended.returncode:
        said = ended.stderr.decode("utf-8", "replace").splitlines()[-LOG_LINES:]
        raise BenchError("\n".join([f"{' '.join(command[2:4])} failed", *said]))
    return ended.stdout


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, and end it when it does not."""
    process.terminate()
    try:
        process.wait(SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """Find a loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
