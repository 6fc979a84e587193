"""What a benchmark is asked and what it found: frozen values, as JSON or as a table."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from statistics import median_low
from typing import Any, Final, Literal

from pydantic import Field, SerializerFunctionWrapHandler, computed_field, model_serializer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from hub.model import Frozen

Mode = Literal["embedded", "distributed"]
SystemName = Literal[
    "hub", "plain-stack", "hub-slow-target", "hub-distributed", "plain-celery", "hub-distributed-slow-target"
]

SYSTEMS: Final[Mapping[Mode, tuple[SystemName, ...]]] = {
    "embedded": ("hub", "plain-stack", "hub-slow-target"),
    "distributed": ("hub-distributed", "plain-celery", "hub-distributed-slow-target"),
}
BASELINES: Final[Mapping[SystemName, SystemName]] = {"hub": "plain-stack", "hub-distributed": "plain-celery"}
"""What each system is held against."""

COLUMNS: Final = (
    ("system", "name"),
    ("end to\nend /s", "end_to_end_per_s"),
    ("accept\n/s", "accepted_per_s"),
    ("p50\nms", "accept_p50_ms"),
    ("p99\nms", "accept_p99_ms"),
    ("CPU\nms", "cpu_ms_per_request"),
    ("servers'\nCPU ms", "servers_cpu_ms_per_request"),
    ("peak\nMB", "peak_memory_mb"),
    ("lost", "lost"),
    ("doubled", "doubled"),
)

SERVERS: Final = frozenset({"servers_cpu_ms_per_request", "servers_peak_memory_mb"})


class Options(Frozen):
    """What to measure.

    With `url`, the load goes to a hub that already runs, with `headers` and `submission` (its own kinds); a
    `seed` it has seen makes every request a replay. `folder` holds the databases: on a file system in
    memory their commits would cost nothing. `patience` is how many seconds without a delivery end a trial.
    """

    requests: int = Field(default=10_000, ge=1, le=1_000_000)
    connections: int = Field(default=32, ge=1, le=1024)
    mode: Mode = "embedded"
    systems: tuple[SystemName, ...] = Field(default_factory=lambda said: SYSTEMS[said["mode"]])
    repeat: int = Field(default=1, ge=1, le=20)
    seed: int = Field(default_factory=lambda: secrets.randbelow(2**31), ge=0)
    url: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    submission: dict[str, Any] | None = None
    folder: Path = Path("var")
    patience: float = Field(default=10.0, gt=0)


class Measured(Frozen):
    """What the load saw: `began` is a monotonic time, times are those of the 202 answers, status 0 is no answer."""

    began: float
    seconds: float
    accepted: int
    statuses: dict[int, int]
    p50_ms: float
    p99_ms: float
    cpu_us_per_request: float


class Row(Frozen):
    """What one system did; None where only its own machine would know, or where there are no servers."""

    name: str
    mode: str
    end_to_end_per_s: float | None = None
    accepted_per_s: float
    accept_p50_ms: float
    accept_p99_ms: float
    cpu_ms_per_request: float | None = None
    peak_memory_mb: float | None = None
    servers_cpu_ms_per_request: float | None = None
    servers_peak_memory_mb: float | None = None
    lost: int | None = None
    doubled: int | None = None

    @model_serializer(mode="wrap")
    def leave_servers_out(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Say nothing of servers where there are none."""
        said: dict[str, Any] = write(self)
        return (
            said if self.servers_cpu_ms_per_request is not None else {k: v for k, v in said.items() if k not in SERVERS}
        )


class Report(Frozen):
    """One row a system, in the order they were measured."""

    systems: tuple[Row, ...]

    @computed_field  # type: ignore[prop-decorator]  # mypy takes no property under another decorator
    @property
    def times_baseline(self) -> float | None:
        """How many times as fast as its baseline, from end to end, the hub was; None without both."""
        speeds = {row.name: row.end_to_end_per_s for row in self.systems}
        for system, baseline in BASELINES.items():
            ours, theirs = speeds.get(system), speeds.get(baseline)
            if ours and theirs:
                return round(ours / theirs, 1)
        return None

    def as_json(self) -> str:
        """Write the report for machines."""
        return self.model_dump_json(indent=2)

    def as_table(self) -> Table:
        """Draw the report for people."""
        times = f", {self.times_baseline} times the baseline" if self.times_baseline else ""
        table = Table(title=f"Same load, same machine{times}", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        for title, name in COLUMNS:
            table.add_column(title, no_wrap=True, justify="left" if name == "name" else "right")
        for row in self.systems:
            table.add_row(*(show(getattr(row, name)) for _, name in COLUMNS))
        return table


def percentile(values: Sequence[float], rank: float) -> float:
    """Take the smallest value that `rank` per cent of the values do not exceed (nearest rank); 0.0 of nothing."""
    if not values:
        return 0.0
    return sorted(values)[max(0, ceil(len(values) * rank / 100) - 1)]


def typical(rows: Sequence[Row]) -> Row:
    """Keep the middle repetition by speed, with everything that any of them lost or doubled."""
    speeds = {row.end_to_end_per_s or row.accepted_per_s: row for row in rows}
    middle = speeds[median_low(speeds)]
    return middle.model_copy(
        update={"lost": _total([row.lost for row in rows]), "doubled": _total([row.doubled for row in rows])}
    )


def _total(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def show(value: object) -> str:
    """Write a figure for people."""
    match value:
        case None:
            return "–"
        case float():
            return f"{value:,.2f}" if value < 10 else f"{value:,.0f}"
        case _:
            return str(value)
