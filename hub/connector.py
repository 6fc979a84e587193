"""The contract between the hub and a connector: three verbs, and the values that pass between them.

A connector is a folder `connectors/<name>/` whose package offers `connect(settings, errors)`, and whose
module `sandbox` offers a class `Sandbox`: a real server on a loopback port that speaks the real protocol.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, runtime_checkable

import orjson

from hub.errors import UncertainError
from hub.manifest import ErrorTable, Operation
from hub.model import DeliveryKey, Frozen, Verdict

KEEP_BYTES: Final = 64 * 1024
"""How much of one message, or of one answer, an attempt keeps."""


class Deadline:
    """One absolute moment, on the monotonic clock, by which a whole call must have ended."""

    __slots__ = ("_at",)

    def __init__(self, within: timedelta) -> None:
        self._at = time.monotonic() + within.total_seconds()

    @property
    def left(self) -> float:
        """Seconds left; never negative."""
        return max(0.0, self._at - time.monotonic())


@dataclass(slots=True)
class Exchange:
    """What was said on the wire during one attempt: the evidence, kept in the ledger and shown to nobody else."""

    sent: bytes = b""
    answered: bytes = b""
    http_status: int | None = None
    fault: str = ""

    def wrote(self, message: bytes) -> None:
        """Keep what is about to be sent."""
        self.sent = message[:KEEP_BYTES]

    def read(self, answer: bytes, http_status: int | None = None, fault: str = "") -> None:
        """Keep what came back."""
        self.answered, self.http_status, self.fault = answer[:KEEP_BYTES], http_status, fault


@dataclass(frozen=True, slots=True)
class File:
    """An attachment a connector may send: its description, and how to read it.

    It is read whole before the first byte of a message leaves: a store that fails then has cost nothing.
    """

    name: str
    media_type: str
    size: int
    sha256: str
    read: Callable[[], AsyncIterator[bytes]]


@dataclass(slots=True)
class Outbound:
    """One message for one target: what the mapping wrote, under the key that never changes.

    `body` is JSON text in UTF-8, the mapping's output; `fields` is the same, parsed once when asked for.
    """

    key: DeliveryKey
    operation: str
    body: bytes
    deadline: Deadline
    files: tuple[File, ...] = ()
    exchange: Exchange = field(default_factory=Exchange)
    _fields: Any = None

    @property
    def fields(self) -> dict[str, Any]:
        """The mapping's output as a dict."""
        if self._fields is None:
            self._fields = orjson.loads(self.body)
        return self._fields  # type: ignore[no-any-return]  # parsed JSON, an object by the mapping's contract


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """A file that a target gives, whole."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the target gave back: its own reference, and what later steps, or whoever asked, may use of its answer.

    `details` is as the operation's `answer` schema says. It may hold personal data: it is kept as the request is,
    and so are `files`.
    """

    reference: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[IncomingFile, ...] = ()


class DifferentError(UncertainError):
    """The target has our key, but with another content: a person must look."""


class Connector(Protocol):
    """One target: three verbs, no state between calls but open connections.

    Each verb ends within `message.deadline`, raises only DeliveryError, and keeps in `message.exchange`
    what it wrote and read.
    """

    async def deliver(self, message: Outbound) -> Receipt:
        """Hand the message over; a Receipt means that the target has taken it, or has answered a `safe` operation."""
        ...

    async def look_up(self, message: Outbound) -> Receipt | None:
        """Ask whether the target has `message.key`; None when it says that it has not.

        Raises UncertainError when it cannot say, DifferentError when it has the key with another content.
        """
        ...

    async def probe(self, deadline: Deadline) -> None:
        """Find out whether the target is up and knows us, changing nothing."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@runtime_checkable
class Finder(Protocol):
    """A connector whose target can be asked for its own references: what a person closed by hand is so proved."""

    finds: frozenset[str]
    """The operations whose references it can ask for."""

    async def find(self, message: Outbound, reference: str) -> bool:
        """Say whether the target has `reference`, as what `message.operation` makes; its body is empty.

        Raises UncertainError when it cannot say, RefusedError when the reference cannot be one of its own.
        """
        ...


@runtime_checkable
class Configured(Protocol):
    """A connector whose operations come from its target's settings instead of its manifest (`rest`)."""

    operations: Mapping[str, Operation]


@dataclass(frozen=True, slots=True)
class Incoming:
    """Something that a target has for the city: what the target calls it for ever, its sort, and its content.

    `fields` is in the target's own words; a mapping `from: <connector>.<sort>` makes a request of it.
    """

    key: str
    sort: str
    fields: Mapping[str, Any]
    files: tuple[IncomingFile, ...] = ()


@runtime_checkable
class Source(Protocol):
    """A connector whose target holds things for the city, which the hub goes and fetches.

    Each verb ends within its deadline and raises only DeliveryError. What is not acknowledged is given again.
    """

    async def fetch(self, deadline: Deadline) -> Sequence[Incoming]:
        """Give the oldest of what the target holds, at most one of its pages; nothing when it holds nothing."""
        ...

    async def acknowledge(self, incoming: Incoming, deadline: Deadline) -> None:
        """Say that the hub has it, on disk: the target need not give it again."""
        ...

    async def decline(self, incoming: Incoming, reason: str, deadline: Deadline) -> None:
        """Say that the city cannot use it, in words without personal data, and that it need not be given again."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request of a target to its door at the hub, `path` below that door; header names in lower case."""

    method: str
    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the target is answered."""

    status: int
    media_type: str = "text/plain; charset=utf-8"
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Desk(Protocol):
    """What a target that calls may have done at the hub, to its own deliveries and to nothing else."""

    async def nudge(self, reference: str) -> bool:
        """Ask the target now, rather than later, about what waits under its `reference`; False when nothing does."""
        ...

    async def conclude(self, key: DeliveryKey, verdict: Verdict, code: str = "") -> bool:
        """Take the target's proved word: it has the delivery (ACCEPTED), or will not (REFUSED); False if unknown."""
        ...

    async def sent(self, operation: str, since: datetime, until: datetime) -> Sequence[Outbound]:
        """Give the messages of an operation written in that time, of requests that a person or a rule let through."""
        ...


@runtime_checkable
class Called(Protocol):
    """A connector whose target calls the hub: a notification, a service of ours that it polls."""

    async def serve(self, call: Call, desk: Desk) -> Reply:
        """Answer one call, whose proof is checked here; what proves nothing may only nudge. Raises nothing."""
        ...


Connect = Callable[[Mapping[str, Any], ErrorTable], Connector]
"""What a connector's package offers as `connect`: settings are validated there, unknown ones refused."""


class Fault(Frozen):
    """One way a target may fail, as its sandbox can play it and the exam expects it to be understood."""

    title: str
    verdict: Verdict
    taken: bool = False
    """Whether the sandbox has the message although it failed to say so."""
    operations: tuple[str, ...] = ()
    """The operations that it can befall; all, when none is named."""


LOOPBACK: Final = "127.0.0.1"


@runtime_checkable
class Findable(Protocol):
    """A sandbox that can also break the question of a Finder: its other faults befall deliveries."""

    def break_finding(self, fault: str) -> None:
        """Play `fault` for the next question whether a reference of the target's own exists."""
        ...


class Sandbox(Protocol):
    """A target's stand-in: a real server, speaking the real protocol, that can be broken.

    It is at `host`, by which others reach it too: a loopback address unless someone says otherwise.
    """

    menu: Mapping[str, Fault]
    host: str
    port: int

    async def start(self) -> None:
        """Listen at `host`, on `port` or, when it is 0, on a free one that is kept."""
        ...

    async def stop(self) -> None:
        """Let go of the port."""
        ...

    def settings(self) -> dict[str, Any]:
        """Say how a connector reaches this sandbox: what `connect` takes."""
        ...

    def break_with(self, fault: str, times: int = 1) -> None:
        """Play `fault` for the next `times` deliveries; for ever when negative."""
        ...

    def mend(self) -> None:
        """Play no fault any more."""
        ...

    def taken(self) -> Counter[str]:
        """Count how often each of our keys was taken."""
        ...

    def sample(self, operation: str) -> dict[str, Any]:
        """Give a message this operation accepts, as a mapping would have written it."""
        ...
