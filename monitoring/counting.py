"""Counting a ledger without weighing on it: what takes long is counted the more seldom, and no scrape waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Final, Generic, TypeVar

from sqlalchemy import Connection

from hub.ledger import Ledger

CHEAP: Final = 0.2
"""Seconds: what takes no longer is counted at every scrape."""

SPARING: Final = 100
"""How many times as long as it took a count is good for: counting takes a hundredth of the time at most."""

WAITS: Final = 1.0
"""Seconds a scrape waits for a count; then it publishes the one before. Prometheus gives a scrape ten."""

Counted = TypeVar("Counted")


class Counting(Generic[Counted]):
    """One question to the ledger, its last answer, and when it is worth asking again."""

    def __init__(self, ledger: Ledger, question: Callable[[Connection, int], Counted]) -> None:
        self._ledger, self._question = ledger, question
        self._lock = threading.Lock()
        self._running: Future[Counted] | None = None
        self._last: Counted | None = None
        self._cost = 0.0
        self._counted_at = float("-inf")

    def latest(self) -> Counted | None:
        """Give the last answer, a new one if that is due; None while the first is being made.

        Raises what the ledger raises.
        """
        with self._lock:
            if self._running is None and self._is_due():
                self._running = self._begin()
            running = self._running
        if running is not None:
            wait([running], WAITS)
            if running.done():
                self._take(running)
        return self._last

    def _is_due(self) -> bool:
        return self._cost < CHEAP or time.monotonic() - self._counted_at > self._cost * SPARING

    def _begin(self) -> Future[Counted]:
        running: Future[Counted] = Future()
        threading.Thread(target=self._count, args=(running,), name="counting", daemon=True).start()
        return running

    def _count(self, running: Future[Counted]) -> None:
        began = time.monotonic()
        try:
            counted = self._ledger.look(self._question, self._ledger.book.now())
        except BaseException as error:  # noqa: BLE001  # handed to whoever scrapes
            running.set_exception(error)
        else:
            self._counted_at = time.monotonic()
            self._cost = self._counted_at - began
            running.set_result(counted)

    def _take(self, running: Future[Counted]) -> None:
        """Keep an answer, once; one that failed is asked for again at the next scrape."""
        with self._lock:
            if self._running is running:
                self._running = None
        self._last = running.result()
