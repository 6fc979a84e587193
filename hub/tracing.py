"""W3C Trace Context: which trace a request belongs to, and which span each attempt at a target is.

What a portal said in `traceparent` lies at the head of the request's stored body, and nowhere if it said nothing: the
ids are then made from the request's number, so that any process, after any restart, finds the same ones again. A span
is made from what the ledger knows of an attempt, its delivery and its fence. `tracestate` is not passed on: it holds
whatever others put there, and what the hub cannot read it does not carry to third parties.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b
from typing import Final, NamedTuple

HEADER: Final = "traceparent"

GRAMMAR: Final = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
"""The field's grammar; a version we do not know may say more, after one more dash."""

FORBIDDEN_VERSION: Final = "ff"
OURS: Final = "00"
SAMPLED: Final = 1
"""The one flag that version 00 has; the others are set to zero, as it asks."""

STORED: Final = re.compile(r'\{"number":\d+,"traceparent":"([0-9a-f-]{55})"')
"""The head of a stored body whose request came with a context: found without reading the body."""


class Span(NamedTuple):
    """One thing that is done for a trace; `parent` is the span that asked for it, "" for the first.

    `request` and `delivery` are those of the ledger, 0 where there is none.
    """

    trace_id: str
    id: str
    parent: str = ""
    sampled: bool = True
    request: int = 0
    delivery: int = 0

    @property
    def header(self) -> str:
        """What whoever is called for this span is told: its id is their parent."""
        return f"{OURS}-{self.trace_id}-{self.id}-{int(self.sampled):02x}"


CURRENT: Final[ContextVar[Span | None]] = ContextVar("span", default=None)
"""What is being done now: the log names it, and the HTTP transport tells it to targets."""


def read(value: str) -> Span | None:
    """Read a `traceparent`; None for one that is not by the grammar, which is then as if it had not come.

    The span is the caller's own: what is done for it has its id as parent.
    """
    said = GRAMMAR.fullmatch(value)
    if said is None or said["version"] == FORBIDDEN_VERSION or (said["version"] == OURS and said["more"]):
        return None
    if not int(said["trace"], 16) or not int(said["parent"], 16):
        return None
    return Span(said["trace"], said["parent"], sampled=bool(int(said["flags"], 16) & SAMPLED))


def heard(headers: Iterable[tuple[bytes, bytes]]) -> Span | None:
    """Read the context that came with an HTTP request; several are none."""
    said = [value for name, value in headers if name == b"traceparent"]
    return read(said[0].decode("latin-1")) if len(said) == 1 else None


def begun(caller: Span | None) -> Span:
    """Begin what is done at the door: in the caller's trace, or in a new one."""
    if caller is None:
        return Span(secrets.token_hex(16), secrets.token_hex(8))
    return Span(caller.trace_id, secrets.token_hex(8), caller.id, caller.sampled)


@contextmanager
def within(span: Span | None) -> Iterator[None]:
    """Do what the block does for `span`."""
    token = CURRENT.set(span)
    try:
        yield
    finally:
        CURRENT.reset(token)


def calling() -> Span | None:
    """Give the span of whoever called for what is being done now, if it told us of one."""
    span = CURRENT.get()
    return Span(span.trace_id, span.parent, sampled=span.sampled) if span and span.parent else None


def outgoing() -> dict[str, str]:
    """Give the header that says for which span a target is called; none when it is for no trace."""
    span = CURRENT.get()
    return {HEADER: span.header} if span else {}


class Tracer:
    """Makes the ids of an installation's spans.

    They are keyed by its secret: nobody finds a number in them, and two towns that share a collector do not meet.
    """

    def __init__(self, secret: bytes = b"") -> None:
        key = blake2b(secret, person=b"hub trace").digest()
        self._request, self._attempt = blake2b(key=key, digest_size=24), blake2b(key=key, digest_size=8)

    def accepting(self, number: int, caller: Span | None) -> Span:
        """Give the span of a request's acceptance, in the trace of whoever submitted it, or in one of its own."""
        trace_id, own = self._of_request(number)
        if caller is None:
            return Span(trace_id, own, request=number)
        return Span(caller.trace_id, own, caller.id, caller.sampled, number)

    def attempting(self, number: int, body: str, delivery: int, fence: int) -> Span:
        """Give the span of one attempt; `body` is the request's, as it is stored."""
        stored = STORED.match(body)
        caller = read(stored[1]) if stored else None
        trace_id, accepted = self._of_request(number)
        own = made(self._attempt, b"%d %d" % (delivery, fence))
        if caller is None:
            return Span(trace_id, own, accepted, True, number, delivery)  # noqa: FBT003  # a tuple, in its order
        return Span(caller.trace_id, own, accepted, caller.sampled, number, delivery)

    def _of_request(self, number: int) -> tuple[str, str]:
        """Make the id of a request's own trace, and that of its acceptance in whichever trace it is."""
        ids = made(self._request, b"%d" % number)
        return ids[:32], ids[32:]


def made(keyed: blake2b, of: bytes) -> str:
    """Make an id; a copy of what has taken its key in costs a quarter of keying anew."""
    one = keyed.copy()
    one.update(of)
    return one.hexdigest()
