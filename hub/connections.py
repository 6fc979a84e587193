"""One caller's connection: how long its requests may take to come, how much their heads may hold, how many there are.

Read by uvicorn; what is said here is refused before any of the hub sees it. One sweep a second looks at every
connection, so that a request costs no timer.
"""

from __future__ import annotations

import asyncio
import hashlib
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
SWEPT_EVERY: Final = 1.0


class RefusedHeadError(Exception):
    """The head of a request is more than the hub reads."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a connection may take, in seconds, and how many there may be."""

    head: float
    body: float
    most: int

    @classmethod
    def of(cls, said: Limits) -> Allowance:
        """Read the settings."""
        return cls(said.head_within.total_seconds(), said.body_within.total_seconds(), said.connections)


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
        if self._due is None:
            self._due = time.monotonic() + self.allowance.head
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        if self._in_head and self._head > LARGEST_HEAD and not self.transport.is_closing():
            self._refuse(ProblemType.HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Count the time of a request that came with the one before, too."""
        super().on_message_begin()
        self._begun = True
        if self._due is None:
            self._due = time.monotonic() + self.allowance.head

    def on_headers_complete(self) -> None:
        """Refuse a head that holds too much; the body has its own time."""
        size = sum(len(name) + len(value) for name, value in self.headers) if self._head > LARGEST_HEAD else 0
        if len(self.url) > LONGEST_URL:
            self._refusal = ProblemType.URL_TOO_LONG
            raise RefusedHeadError
        if len(self.headers) > MOST_HEADERS or size > LARGEST_HEAD:
            self._refusal = ProblemType.HEAD_TOO_LARGE
            raise RefusedHeadError
        self._head, self._in_head = 0, False
        self._due = time.monotonic() + self.allowance.body
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait for the next one as long as a connection may be idle."""
        super().on_message_complete()
        self._in_head, self._begun, self._due = True, False, None

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

    def _refuse(self, kind: ProblemType) -> None:
        """Answer beside the application, and close."""
        answer = Problem(kind).response()
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", b"%d" % len(answer.body)),
            (b"connection", b"close"),
        ]
        lines = [b"%b: %b\r\n" % header for header in guard(headers, self.scheme or "http")]
        self.transport.write(b"".join([STATUS_LINE[kind.status], *lines, b"\r\n", bytes(answer.body)]))
        self.transport.close()


async def sweep(state: ServerState) -> None:
    """End what takes too long, each second, until cancelled."""
    while True:
        await asyncio.sleep(SWEPT_EVERY)
        now = time.monotonic()
        for connection in list(state.connections):
            if isinstance(connection, Connection):
                connection.end_if_late(now)
