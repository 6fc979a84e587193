"""One caller's connection: how long it may take to speak and to listen, how much a head may hold, how many there are.

Read by uvicorn; what is said here is refused before any of the hub sees it. One sweep a second looks at every
connection, so that a request costs no timer.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from dataclasses import dataclass
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from hub.callers import CERTIFICATE
from hub.headers import guard
from hub.problems import MEDIA_TYPE, Problem, ProblemType
from hub.settings_door import Limits

LARGEST_HEAD: Final = 32 * 1024
MOST_HEADERS: Final = 100
LONGEST_URL: Final = 8 * 1024
LARGEST_TRAILERS: Final = 4 * 1024
"""Bytes that may come after a body's last chunk, or between two: none of them is read."""

SWEPT_EVERY: Final = 1.0


class RefusedHeadError(Exception):
    """The head of a request is more than the hub reads."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a connection may take, in seconds, and how many there may be.

    `unread`: while nothing more is read of what the hub said, or an end is under way.
    """

    head: float
    body: float
    unread: float
    most: int

    @classmethod
    def of(cls, said: Limits) -> Allowance:
        """Read the settings."""
        head, body, unread = (one.total_seconds() for one in (said.head_within, said.body_within, said.idle))
        return cls(head, body, unread, said.connections)


def limited(said: Limits) -> type[HttpToolsProtocol]:
    """Make the protocol that keeps to these limits."""
    return type("Limited", (Connection,), {"allowance": Allowance.of(said)})


class Connection(HttpToolsProtocol):
    """A connection that may not drip, nor say more in a head than the hub reads."""

    allowance = Allowance.of(Limits())

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._due: float | None = None
        self._head, self._in_head, self._begun = 0, True, False
        self._beside, self._trailers, self._got_on = 0, 0, False
        self._unread, self._unread_until = 0, math.inf
        self._refusal = ProblemType.UNREADABLE

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Begin, unless there are too many; remember which certificate was shown."""
        super().connection_made(transport)
        self._due = time.monotonic() + self.allowance.head
        if len(self.connections) > self.allowance.most:
            self._refuse(ProblemType.UNAVAILABLE)
        elif (secured := transport.get_extra_info("ssl_object")) and (shown := secured.getpeercert(binary_form=True)):
            self.app_state = {**self.app_state, CERTIFICATE: hashlib.sha256(shown).hexdigest()}

    def data_received(self, data: bytes) -> None:
        """Read on, within the time that a request may take and the room that its head may."""
        if self.transport.is_closing():
            return
        if self._due is None:
            self._due = time.monotonic() + self.allowance.head
        self._head += len(data) if self._in_head else 0
        self._beside += 0 if self._in_head else len(data)
        self._got_on = False
        super().data_received(data)
        if self._got_on:
            self._beside = 0
        too_much = self._head > LARGEST_HEAD if self._in_head else self._beside > LARGEST_TRAILERS
        if too_much and not self.transport.is_closing():
            self._refuse(ProblemType.HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Count the time of a request that came with the one before, too."""
        super().on_message_begin()
        self._begun = True
        if self._due is None:
            self._due = time.monotonic() + self.allowance.head

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the fields of a head; what comes after the body is counted and dropped."""
        if self._in_head:
            super().on_header(name, value)
            return
        self._trailers += len(name) + len(value)
        if self._trailers > LARGEST_TRAILERS:
            self._refusal = ProblemType.HEAD_TOO_LARGE
            raise RefusedHeadError

    def on_headers_complete(self) -> None:
        """Refuse a head that holds too much; the body has its own time."""
        size = sum(len(name) + len(value) for name, value in self.headers[: MOST_HEADERS + 1])
        if len(self.url) > LONGEST_URL:
            self._refusal = ProblemType.URL_TOO_LONG
            raise RefusedHeadError
        if len(self.headers) > MOST_HEADERS or size > LARGEST_HEAD:
            self._refusal = ProblemType.HEAD_TOO_LARGE
            raise RefusedHeadError
        super().on_headers_complete()
        self._head, self._in_head, self._got_on, self._trailers = 0, False, True, 0
        self._due = time.monotonic() + self.allowance.body

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body: what else comes is counted from there."""
        self._got_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for the next one as long as a connection may be idle."""
        super().on_message_complete()
        self._in_head, self._begun, self._got_on, self._due = True, False, True, None

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's words, which are English
        """Refuse what is not HTTP, or too much of it."""
        self._refuse(self._refusal)

    def end_if_late(self, now: float) -> None:
        """End a request that takes too long to come; one whose answer is under way keeps its connection."""
        if self._due is None or now < self._due or self.transport.is_closing():
            return
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering and (self._in_head or self.cycle.response_started):
            return
        if self._begun:
            self._refuse(ProblemType.REQUEST_TIMED_OUT)
        else:
            self.transport.close()

    def end_if_unread(self, now: float) -> None:
        """Drop a connection whose other end reads nothing of what it was told, or does not let it end."""
        unread, before = self.transport.get_write_buffer_size(), self._unread
        self._unread = unread
        if not unread and not self.transport.is_closing():
            self._unread_until = math.inf
        elif unread < before or self._unread_until == math.inf:
            self._unread_until = now + self.allowance.unread
        elif now >= self._unread_until:
            self.transport.abort()

    def _refuse(self, kind: ProblemType) -> None:
        """Answer beside the application, unless that would be taken for its own answer; and close."""
        if self.cycle is None or (self.cycle.response_complete if self._in_head else not self.cycle.response_started):
            self._answer(kind)
        self.transport.close()

    def _answer(self, kind: ProblemType) -> None:
        answer = Problem(kind).response()
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", b"%d" % len(answer.body)),
            (b"connection", b"close"),
        ]
        lines = [b"%b: %b\r\n" % header for header in guard(headers, self.scheme or "http")]
        self.transport.write(b"".join([STATUS_LINE[kind.status], *lines, b"\r\n", bytes(answer.body)]))


async def sweep(state: ServerState) -> None:
    """End what takes too long, each second, until cancelled."""
    while True:
        await asyncio.sleep(SWEPT_EVERY)
        now = time.monotonic()
        for connection in list(state.connections):
            if isinstance(connection, Connection):
                connection.end_if_late(now)
                connection.end_if_unread(now)
