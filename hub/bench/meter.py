"""What processes and their children cost: processor time, and the most memory they held."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor seconds so far, and the sum of each process's own peak of memory, in bytes.

    What processes share counts once, as far as their peaks shared what they share now.
    """

    cpu: float
    peak: int

    def since(self, before: Cost) -> Cost:
        """Give what was spent since an earlier reading; the peak is the peak."""
        return Cost(self.cpu - before.cpu, self.peak)


def cost_of(pids: Iterable[int]) -> Cost:
    """Read what process trees have cost so far, the children they have buried included."""
    roots = [psutil.Process(pid) for pid in pids]
    costs = [_cost(process) for root in roots for process in (root, *root.children(recursive=True))]
    return Cost(sum(cost.cpu for cost in costs), sum(cost.peak for cost in costs))


def _cost(process: psutil.Process) -> Cost:
    try:
        times = process.cpu_times()
        return Cost(times.user + times.system + times.children_user + times.children_system, _peak(process))
    except psutil.NoSuchProcess:
        return Cost(0.0, 0)


def _peak(process: psutil.Process) -> int:
    """Read the kernel's own high-water mark, less what is others' now; where there is none, what is held."""
    held = process.memory_info()
    try:
        status = Path(f"/proc/{process.pid}/status").read_text("ascii")
        shared = held.rss - process.memory_full_info().pss
    except (OSError, psutil.AccessDenied):
        return held.rss
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 - shared
