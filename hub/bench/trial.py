"""One trial: a target, a system before it, a load upon it, and the count of what arrived."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import orjson
from rich.console import Console
from rich.status import Status

from hub.bench.launch import BenchError, module, output_of, read
from hub.bench.meter import Cost, cost_of
from hub.bench.report import Measured, Options, Report, Row, typical
from hub.bench.systems import CONTENDERS, Site, System, servers, sink

EVERY: Final = 0.2
"""Seconds between two looks at the sink."""

SETTLE: Final = 1.0
"""Seconds a system keeps after its last delivery, to commit outcomes, and perhaps to send something twice."""

LONGEST_LOAD: Final = 3600.0
"""Seconds after which a load gives up what is left of it."""

CONSOLE: Final = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Count:
    """What the sink has taken; `last_at` is the monotonic time of its last new key."""

    distinct: int
    total: int
    doubled: int
    last_at: float

    @classmethod
    def of(cls, sink: System) -> Count:
        """Ask the sink."""
        return cls(**orjson.loads(read(sink.url, "/count")))


def compare(options: Options) -> Report:
    """Measure each system in turn, `repeat` times, and keep the typical repetition of each."""
    names = ("hub",) if options.url else options.systems
    return Report(systems=tuple(typical(_repeat(name, options)) for name in names))


def _repeat(name: str, options: Options) -> list[Row]:
    rows = []
    for repetition in range(options.repeat):
        once = options.model_copy(update={"seed": options.seed + repetition})
        with CONSOLE.status(name) as shown:
            rows.append(_try_url(options.url, once) if options.url else _try(name, once, shown))
        CONSOLE.print(f"{name}: {rows[-1].accepted_per_s:,.0f} accepted/s, {rows[-1].lost} lost")
    return rows


def _try_url(url: str, options: Options) -> Row:
    """Measure the door of a hub that runs elsewhere: what becomes of the requests is for its own metrics to say."""
    return Row(name="hub", mode="running", **_door(put_under_load(url, options)))


def _try(name: str, options: Options, shown: Status) -> Row:
    """Measure a system that we start ourselves, from the first byte accepted to the last message delivered."""
    contender = CONTENDERS[name]
    options.folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="bench-", dir=options.folder) as folder, ExitStack() as stack:
        workdir = Path(folder).resolve()
        target = stack.enter_context(sink(contender.latency, workdir))
        used = stack.enter_context(servers(workdir)) if contender.served else ()
        system = stack.enter_context(contender.start(Site(workdir, target.url, *(server.url for server in used))))
        watched = system.pids, [server.pid for server in used]
        before = [cost_of(pids) for pids in watched]
        measured = put_under_load(system.url, options, system.headers)
        _wait_for(target, measured.accepted, options.patience, shown)
        costs = [cost_of(pids).since(earlier) for pids, earlier in zip(watched, before, strict=True)]
        count = Count.of(target)
    return _row(name, measured, count, costs)


def put_under_load(url: str, options: Options, headers: Mapping[str, str] | None = None) -> Measured:
    """Run the load as a process of its own; raises BenchError when nothing at all was accepted."""
    plan = {
        "url": url,
        "headers": options.headers | dict(headers or {}),
        "requests": options.requests,
        "connections": options.connections,
        "seed": options.seed,
        "within": LONGEST_LOAD,
    }
    if options.submission is not None:
        plan["submission"] = options.submission
    measured = Measured.model_validate_json(output_of(module("load"), orjson.dumps(plan)))
    if not measured.accepted:
        raise BenchError(f"nothing was accepted: {measured.statuses}")
    return measured


def _wait_for(sink: System, expected: int, patience: float, shown: Status) -> None:
    """Wait until the sink has everything, or nothing has come for `patience` seconds; then let things settle."""
    had, since = -1, time.monotonic()
    while had < expected and time.monotonic() - since < patience:
        count = Count.of(sink)
        if count.distinct != had:
            had, since = count.distinct, time.monotonic()
        shown.update(f"{had:,} of {expected:,} delivered")
        time.sleep(EVERY)
    time.sleep(SETTLE)


def _row(name: str, measured: Measured, count: Count, costs: Sequence[Cost]) -> Row:
    """Put a row together; `costs` are the system's own, and its servers'."""
    row = Row(
        name=name,
        mode=CONTENDERS[name].mode,
        **_door(measured),
        end_to_end_per_s=round(count.distinct / max(count.last_at - measured.began, 1e-9), 1),
        **_costs("", costs[0], measured.accepted),
        lost=max(0, measured.accepted - count.distinct),
        doubled=count.doubled,
    )
    return row.model_copy(update=_costs("servers_", costs[1], measured.accepted)) if CONTENDERS[name].served else row


def _costs(whose: str, cost: Cost, requests: int) -> dict[str, float]:
    return {
        f"{whose}cpu_ms_per_request": round(cost.cpu / requests * 1000, 3),
        f"{whose}peak_memory_mb": round(cost.peak / 1e6, 1),
    }


def _door(measured: Measured) -> dict[str, float]:
    """Round what any load can tell, wherever the hub runs."""
    return {
        "accepted_per_s": round(measured.accepted / measured.seconds, 1),
        "accept_p50_ms": round(measured.p50_ms, 2),
        "accept_p99_ms": round(measured.p99_ms, 2),
    }
