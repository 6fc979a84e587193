"""What a process and its children cost: processor time, and the most memory they held."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor seconds so far, and the sum of each process's own peak of resident memory, in bytes."""

    cpu: float
    peak: int


def cost_of(pid: int) -> Cost:
    """Read what a process tree has cost so far, the children it has buried included."""
    root = psutil.Process(pid)
    tree = [root, *root.children(recursive=True)]
    return Cost(sum(map(_cpu, tree)), sum(map(_peak, tree)))


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system + times.children_user + times.children_system


def _peak(process: psutil.Process) -> int:
    """Read the kernel's own high-water mark; where there is none, what the process holds now."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text("ascii")
    except OSError:
        return process.memory_info().rss
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
