"""What the hub announces to whoever listens: monitoring hangs here, so that a metric never changes a delivery."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hub.tracing import Span


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request was written down, or had been before; `seconds`: how long its commit took, None where none was."""

    kind: str
    replayed: bool
    seconds: float | None = None
    number: int = 0
    caller: Span | None = None
    """For traces alone, as the number: for what it was submitted."""


@dataclass(frozen=True, slots=True)
class Attempted:
    """Something came of a claim; `outcome` is a lifecycle event, `code` comes from a table.

    `seconds`: how long the target had it in hand, up to when its sender died if it did; None where nothing was said.
    `recording`: how long it took to write down what came of it.
    """

    target: str
    operation: str
    asked: bool
    outcome: str
    code: str
    seconds: float | None
    recording: float
    late: bool
    span: Span | None = None
    """For traces alone: as which the attempt is known there."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """Deliveries were taken in hand; `told`: somebody said that they were due, or else the sweep found them.

    `waits`: for how many seconds each had been due.
    """

    target: str
    told: bool
    waits: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Mapped:
    """The messages of a batch were written, in so many seconds."""

    target: str
    messages: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Throttled:
    """For so many seconds a target had more due than its rate let through."""

    target: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Probed:
    """A target was asked whether it is up and knows us; `up` is None when it is not to be asked now, or not by us."""

    target: str
    up: bool | None


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


HubEvent = Accepted | Attempted | Claimed | Mapped | Throttled | Probed | Staged | Swept | Asked | Collected
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
