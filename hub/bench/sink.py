"""The target of the benchmark: a process that takes every message, and counts how often it saw each key.

Answers any POST with 201 after `latency`, many at once; `GET /count` tells what was taken so far. Its
settings come as JSON on standard input.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

import orjson
import uvloop
from pydantic import Field

from hub.model import Frozen

LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
REASONS: Final[Mapping[int, str]] = {200: "OK", 201: "Created", 400: "Bad Request", 404: "Not Found"}


class Settings(Frozen):
    """Where the sink listens, which header holds the key, and how long it takes to answer, in seconds."""

    port: int
    header: str = Field(default="Idempotency-Key", pattern=r"^[A-Za-z0-9-]+$")
    latency: float = Field(default=0.0, ge=0)


class Tally:
    """How often each key was taken; `last_at` is the monotonic time of the last one that was new."""

    def __init__(self) -> None:
        self.total = self.doubled = 0
        self.last_at = 0.0
        self._seen: dict[bytes, int] = {}

    def take(self, key: bytes) -> None:
        """Count one message; a key is doubled once, however often it comes back."""
        self.total += 1
        times = self._seen[key] = self._seen.get(key, 0) + 1
        if times == 1:
            self.last_at = time.monotonic()
        elif times == 2:
            self.doubled += 1

    def count(self) -> dict[str, Any]:
        """Tell what was taken so far."""
        return {
            "distinct": len(self._seen),
            "total": self.total,
            "doubled": self.doubled,
            "last_at": self.last_at,
        }


class Conversation(asyncio.Protocol):
    """One kept connection of a client."""

    def __init__(self, settings: Settings, tally: Tally) -> None:
        self._tally, self._latency = tally, settings.latency
        self._key = re.compile(rb"\r\n%s: *([^\r]+)" % settings.header.encode(), re.IGNORECASE)
        self._received = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # TCP gives no less
        """Take the transport."""
        self._transport, self._loop = transport, asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        """Answer every message that is whole."""
        self._received += data
        while end := end_of_message(self._received):
            message, self._received = self._received[:end], self._received[end:]
            self._respond(message)

    def _respond(self, message: bytes) -> None:
        if message.startswith(b"GET /count "):
            self._transport.write(answer(200, self._tally.count()))
        elif not message.startswith(b"POST "):
            self._transport.write(answer(404, {}))
        elif key := self._key.search(message):
            self._tally.take(key[1])
            self._answer_later(answer(201, {"reference": f"S{self._tally.total:09d}"}))
        else:
            self._transport.write(answer(400, {"missing": "key"}))

    def _answer_later(self, said: bytes) -> None:
        if self._latency:
            self._loop.call_later(self._latency, self._transport.write, said)
        else:
            self._transport.write(said)


def end_of_message(received: bytes) -> int:
    """Find where the first whole request ends; 0 while some of it is missing."""
    head = received.find(b"\r\n\r\n")
    if head < 0:
        return 0
    length = LENGTH.search(received, 0, head + 2)
    end = head + 4 + (int(length[1]) if length else 0)
    return end if len(received) >= end else 0


def answer(status: int, content: Mapping[str, Any]) -> bytes:
    """Write a JSON answer."""
    body = orjson.dumps(content)
    return (
        b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        % (status, REASONS[status].encode(), len(body))
        + body
    )


async def serve(settings: Settings) -> None:
    """Listen on the loopback address until the process is stopped."""
    tally = Tally()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Conversation(settings, tally), "127.0.0.1", settings.port)
    await server.serve_forever()


def main() -> None:
    """Read settings from standard input, then serve."""
    uvloop.run(serve(Settings.model_validate_json(sys.stdin.buffer.read())))


if __name__ == "__main__":
    main()
