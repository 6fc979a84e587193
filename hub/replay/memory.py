"""What the hub and the sandboxes weigh while a replay goes on: what grows with the requests shows there."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import psutil

STEPS: Final = 10
MEGABYTE: Final = 1024 * 1024


@dataclass
class Scales:
    """Weighs processes, told by the port they listen on, at each tenth of `total`."""

    ports: Mapping[str, int]
    total: int
    readings: dict[str, list[int]] = field(default_factory=dict)
    _step: int = 0
    _found: dict[str, psutil.Process] = field(default_factory=dict)

    def weigh(self, done: int) -> None:
        """Weigh, when another tenth is done; a process that cannot be found weighs nothing."""
        step = done * STEPS // self.total if self.total else 0
        if step <= self._step:
            return
        self._step = step
        for name, process in self._processes().items():
            with suppress(psutil.Error):
                self.readings.setdefault(name, []).append(process.memory_info().rss // MEGABYTE)

    def as_json(self) -> dict[str, dict[str, int]]:
        """Give the first, the last and the largest reading of each, in megabytes."""
        return {
            name: {"first": seen[0], "last": seen[-1], "max": max(seen)} for name, seen in self.readings.items() if seen
        }

    def _processes(self) -> Mapping[str, psutil.Process]:
        if not self._found:
            listening = {
                getattr(one.laddr, "port", 0): one.pid
                for one in psutil.net_connections("tcp")
                if one.status == psutil.CONN_LISTEN and one.pid
            }
            known = {name: listening[port] for name, port in self.ports.items() if port in listening}
            with suppress(psutil.NoSuchProcess):
                self._found = {name: psutil.Process(pid) for name, pid in known.items()}
        return self._found
