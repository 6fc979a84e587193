"""How often somebody may call: a bucket each, that leaks at a steady rate; counted in this process alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

MOST: Final = 20_000
"""Callers that are remembered; beyond, the one who came first is forgotten, and starts anew."""


class Buckets:
    """Says how long each caller must wait: `burst` calls at once, `per_second` in the long run.

    One number a caller is kept: the moment at which what they poured in has leaked away.
    """

    def __init__(
        self, per_second: float, burst: int, *, most: int = MOST, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._each, self._room = 1 / per_second, (burst - 1) / per_second
        self._most, self._clock = most, clock
        self._empty_at: dict[str, float] = {}

    def pour(self, who: str) -> float:
        """Count a call; gives the seconds to wait when it is one too many, which is not counted, else 0."""
        now = self._clock()
        empty_at = max(self._empty_at.get(who, now), now)
        if empty_at - now > self._room:
            return empty_at - now - self._room
        self._empty_at[who] = empty_at + self._each
        if len(self._empty_at) > self._most:
            del self._empty_at[next(iter(self._empty_at))]
        return 0.0

    def __len__(self) -> int:
        """Count the callers that are remembered."""
        return len(self._empty_at)
