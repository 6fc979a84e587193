"""A crowd at the door of one embedded hub: thousands of kept connections at once, and how much memory they take.

`python -m hub.bench.crowd` opens them, submits requests over all of them, and looks at the hub's memory meanwhile;
what came of it goes to standard output as JSON. It fails when anything was lost, doubled or left without an answer, or
when the hub held more than it may.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Final

import orjson
import psutil
from pydantic import Field

from hub.bench.launch import module, output_of
from hub.bench.load import Plan
from hub.bench.report import Measured
from hub.bench.systems import Site, System, hub_embedded, sink
from hub.bench.trial import EVERY, LONGEST_LOAD, SETTLE, Count
from hub.model import Frozen

CEILING_MB: Final = 512.0
"""Megabytes that an embedded hub may hold under 2,000 connections, whatever they send."""

SPARE_FILES: Final = 512
"""File descriptors a process wants beside one a connection."""

MEGABYTE: Final = 1e6


class Options(Frozen):
    """How many come, with how many requests in all; what the hub may hold; and for how long nothing may arrive."""

    connections: int = Field(default=2_000, ge=1, le=4_000)
    requests: int = Field(default=50_000, ge=1, le=1_000_000)
    ceiling_mb: float = Field(default=CEILING_MB, gt=0)
    folder: Path = Path("var")
    patience: float = Field(default=30.0, gt=0)


class Crowd(Frozen):
    """What came of it: `connections` is the most that the hub held at once, memory is what it held resident."""

    connections: int
    requests: int
    accepted: int
    refused: int
    errors: int
    seconds: float
    rss_start_mb: float
    rss_peak_mb: float
    rss_end_mb: float
    ceiling_mb: float
    lost: int
    doubled: int

    @property
    def is_well(self) -> bool:
        """Whether everything was answered, everything accepted arrived once, and the memory held."""
        return not (self.errors or self.lost or self.doubled) and self.rss_peak_mb <= self.ceiling_mb


class Watch:
    """Looks at a process again and again: the memory it holds, and the connections that others made to it."""

    def __init__(self, pid: int, port: int) -> None:
        self._process, self._port = psutil.Process(pid), port
        self.memory = self.most_memory = self._process.memory_info().rss
        self.most_connections = self._most_files = 0

    def look(self) -> None:
        """Look once."""
        self.memory = self._process.memory_info().rss
        self.most_memory = max(self.most_memory, self.memory)
        files = self._process.num_fds()
        if files <= self._most_files:
            return  # the list of connections is the whole machine's, and long
        self._most_files = files
        held = [one for one in self._process.net_connections("tcp") if one.status == psutil.CONN_ESTABLISHED]
        self.most_connections = max(self.most_connections, sum(one.laddr.port == self._port for one in held))


def gather(options: Options) -> Crowd:
    """Bring a crowd before a hub and its target, both on this machine, and wait until all is delivered.

    Raises BenchError when one of them does not start.
    """
    make_room(options.connections + SPARE_FILES)
    options.folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="crowd-", dir=options.folder) as folder, ExitStack() as stack:
        target = stack.enter_context(sink(0.0, Path(folder)))
        hub = stack.enter_context(hub_embedded(Site(Path(folder).resolve(), target.url)))
        [process] = hub.processes
        watch = Watch(process.popen.pid, int(hub.url.rpartition(":")[2].strip("/")))
        start = watch.memory
        with looking(watch.look):
            measured = submitted(hub, options)
            count = arrived(target, measured.accepted, options.patience)
        return _crowd(options, measured, count, watch, start)


def submitted(hub: System, options: Options) -> Measured:
    """Have another process submit everything, one request in flight on each connection."""
    plan = Plan(
        url=hub.url,
        headers=dict(hub.headers),
        requests=options.requests,
        connections=options.connections,
        within=LONGEST_LOAD,
    )
    return Measured.model_validate_json(output_of(module("load"), plan.model_dump_json().encode()))


def arrived(target: System, expected: int, patience: float) -> Count:
    """Wait until the target has everything, or nothing has come for `patience` seconds; then let things settle."""
    count, since = Count.of(target), time.monotonic()
    while count.distinct < expected and time.monotonic() - since < patience:
        time.sleep(EVERY)
        before, count = count, Count.of(target)
        if count.distinct != before.distinct:
            since = time.monotonic()
    time.sleep(SETTLE)
    return Count.of(target)


@contextmanager
def looking(look: Callable[[], None]) -> Iterator[None]:
    """Look every now and then for the length of a block, and once more at its end."""
    ended = Event()

    def repeat() -> None:
        while not ended.wait(EVERY):
            look()

    thread = Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    look()


def make_room(files: int) -> None:
    """Let this process and its children open so many files, as far as the machine lets them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files if hard == resource.RLIM_INFINITY else min(files, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _crowd(options: Options, measured: Measured, count: Count, watch: Watch, start: int) -> Crowd:
    statuses = measured.statuses
    refused = sum(times for status, times in statuses.items() if 400 <= status < 500)
    return Crowd(
        connections=watch.most_connections,
        requests=options.requests,
        accepted=measured.accepted,
        refused=refused,
        errors=sum(statuses.values()) - measured.accepted - refused,
        seconds=round(measured.seconds, 1),
        rss_start_mb=round(start / MEGABYTE, 1),
        rss_peak_mb=round(watch.most_memory / MEGABYTE, 1),
        rss_end_mb=round(watch.memory / MEGABYTE, 1),
        ceiling_mb=options.ceiling_mb,
        lost=max(0, measured.accepted - count.distinct),
        doubled=count.doubled,
    )


def main() -> int:
    """Read the numbers from the command line, write what came of them."""
    parser = argparse.ArgumentParser(prog="python -m hub.bench.crowd", description=__doc__)
    for name, field in Options.model_fields.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(field.default), default=field.default)
    crowd = gather(Options(**vars(parser.parse_args())))
    sys.stdout.write(orjson.dumps(crowd.model_dump()).decode() + "\n")
    return int(not crowd.is_well)


if __name__ == "__main__":
    sys.exit(main())
