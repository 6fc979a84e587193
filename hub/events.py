"""What the hub announces to whoever listens: monitoring hangs here, so that a metric never changes a delivery."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request was written down."""

    kind: str
    replayed: bool


@dataclass(frozen=True, slots=True)
class Attempted:
    """A target was sent something, or asked; `outcome` is a lifecycle event, `code` comes from a table."""

    target: str
    operation: str
    asked: bool
    outcome: str
    code: str
    seconds: float
    late: bool


@dataclass(frozen=True, slots=True)
class Staged:
    """A request reached a stage."""

    kind: str
    stage: str


@dataclass(frozen=True, slots=True)
class Swept:
    """A claim was taken back from an owner that died or overran its lease."""

    target: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A live question was answered, or not; `code` comes from a table."""

    query: str
    status: str
    code: str
    remembered: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Collected:
    """A thing that a target held for the city was fetched: a request was made of it, or could not be."""

    target: str
    taken: bool


HubEvent = Accepted | Attempted | Staged | Swept | Asked | Collected
Listener = Callable[[HubEvent], None]


class Announcer:
    """Tells every listener what happened."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Add a listener; it must be quick and must not raise."""
        self._listeners.append(listener)

    def __call__(self, event: HubEvent) -> None:
        """Announce."""
        for listener in self._listeners:
            listener(event)
