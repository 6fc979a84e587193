"""The load: a process that submits requests over kept connections, one in flight on each, and times the answers.

A plan comes as JSON on standard input, so that a key never shows in the list of processes; what was
measured goes as JSON to standard output:

    echo '{"url": "http://127.0.0.1:8000", "headers": {"Authorization": "Bearer …"}}' | python -m hub.bench.load
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections import Counter
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import uvloop
from pydantic import Field

from hub.bench.report import Measured, percentile
from hub.bench.request import Write, sample, writer
from hub.model import Frozen

UNANSWERED: Final = 0
"""The status of a request whose connection died before the answer."""

LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
CLOSES: Final = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)

HeaderValue = Annotated[str, Field(pattern=r"^[\x20-\x7e]*$")]


class Plan(Frozen):
    """What to submit, where, and for how long at most (`within`, in seconds)."""

    url: str = Field(pattern=r"^https?://[^/]+/?$")
    headers: dict[str, HeaderValue] = Field(default_factory=dict)
    requests: int = Field(default=10_000, ge=1, le=10_000_000)
    connections: int = Field(default=32, ge=1, le=4096)
    seed: int = 0
    submission: dict[str, Any] = Field(default_factory=sample)
    within: float = Field(default=600.0, gt=0)


class Connection(asyncio.Protocol):
    """One kept connection: one question, then its answer."""

    def __init__(self) -> None:
        self.open = False
        self._received = b""
        self._answer: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.WriteTransport) -> None:  # type: ignore[override]  # TCP gives no less
        """Take the transport."""
        self._transport, self.open = transport, True
        self._loop = asyncio.get_running_loop()

    def ask(self, message: bytes) -> asyncio.Future[int]:
        """Send one request; the future's result is the status of its answer."""
        self._answer = self._loop.create_future()
        self._transport.write(message)
        return self._answer

    def data_received(self, data: bytes) -> None:
        """Gather the answer, and give its status once it is whole."""
        self._received += data
        status = read_status(self._received)
        if status is not None:
            self.open = not CLOSES.search(self._received)
            self._received = b""
            self._settle(status)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        """Settle what will never be answered."""
        self.open = False
        self._settle(UNANSWERED)

    def close(self) -> None:
        """Let go of the connection."""
        self._transport.close()

    def _settle(self, status: int) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(status)


class Load:
    """What is left to submit, and what came of the rest."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.statuses: Counter[int] = Counter()
        self.seconds: list[float] = []
        self._write: Write = writer(plan.url, plan.headers, plan.submission, plan.seed)
        self._ordinals = iter(range(plan.requests))

    async def run(self) -> None:
        """Submit everything, or as much as the plan's time allows."""
        try:
            async with asyncio.timeout(self.plan.within), asyncio.TaskGroup() as group:
                for _ in range(min(self.plan.connections, self.plan.requests)):
                    group.create_task(self._submit_in_turn())
        except TimeoutError:
            self.statuses[UNANSWERED] += self.plan.requests - self.statuses.total()

    async def _submit_in_turn(self) -> None:
        """Submit one request after the other on one connection, opened again when it was lost."""
        connection: Connection | None = None
        for ordinal in self._ordinals:
            try:
                if connection is None or not connection.open:
                    connection = await self._connect()
            except OSError:
                self.statuses[UNANSWERED] += 1
                continue
            began = time.perf_counter()
            self._record(await connection.ask(self._write(ordinal)), time.perf_counter() - began)
        if connection is not None:
            connection.close()

    async def _connect(self) -> Connection:
        place = urlsplit(self.plan.url)
        secure = place.scheme == "https"
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            Connection, place.hostname or "", place.port or (443 if secure else 80), ssl=secure or None
        )
        return connection

    def _record(self, status: int, seconds: float) -> None:
        self.statuses[status] += 1
        if status == 202:
            self.seconds.append(seconds)


def read_status(received: bytes) -> int | None:
    """Read the status of a whole HTTP/1.1 answer; None while some of it is missing."""
    head, ended, body = received.partition(b"\r\n\r\n")
    length = LENGTH.search(head)
    if not ended or (length and len(body) < int(length[1])):
        return None
    if not length and CHUNKED.search(head) and not body.endswith(b"0\r\n\r\n"):
        return None
    return int(received[9:12])


async def measure(plan: Plan) -> Measured:
    """Carry a plan out and say what it took."""
    load = Load(plan)
    began, cpu = time.monotonic(), time.process_time()
    await load.run()
    seconds, cost = time.monotonic() - began, time.process_time() - cpu
    return Measured(
        began=began,
        seconds=seconds,
        accepted=load.statuses[202],
        statuses=dict(load.statuses),
        p50_ms=percentile(load.seconds, 50) * 1000,
        p99_ms=percentile(load.seconds, 99) * 1000,
        cpu_us_per_request=cost / plan.requests * 1e6,
    )


def main() -> None:
    """Read a plan from standard input, write what was measured to standard output."""
    plan = Plan.model_validate_json(sys.stdin.buffer.read())
    sys.stdout.write(uvloop.run(measure(plan)).model_dump_json() + "\n")


if __name__ == "__main__":
    main()
