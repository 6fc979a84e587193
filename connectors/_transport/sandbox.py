"""The ground HTTP sandboxes stand on: a real server on a loopback port, and the faults any can play."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from aiohttp import web

from connectors._transport.tally import Tally
from hub.connector import LOOPBACK, Fault
from hub.model import Verdict

LARGEST_REQUEST: Final = 64 * 1024 * 1024
GARBAGE: Final = random.Random(7).randbytes(512)  # noqa: S311  # the same noise every time
MAINTENANCE: Final = "<!doctype html><title>Maintenance</title><h1>Service momentanément indisponible</h1>"

COMMON: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        "slow": Fault(title="treats the message, answers too late", verdict=Verdict.UNCERTAIN, taken=True),
        "cut_before": Fault(title="cuts the line before treating the message", verdict=Verdict.UNCERTAIN),
        "cut_after_commit": Fault(
            title="treats the message, then cuts the line", verdict=Verdict.UNCERTAIN, taken=True
        ),
        "error_500": Fault(title="treats the message, answers 500", verdict=Verdict.UNCERTAIN, taken=True),
        "unavailable": Fault(title="answers 503 before treating anything", verdict=Verdict.UNCERTAIN),
        "too_many": Fault(title="answers 429, to be asked again later", verdict=Verdict.TRANSIENT),
        "garbage": Fault(title="treats the message, answers noise", verdict=Verdict.UNCERTAIN, taken=True),
        "empty": Fault(title="treats the message, answers nothing", verdict=Verdict.UNCERTAIN, taken=True),
        "maintenance": Fault(title="answers 200 with a maintenance page", verdict=Verdict.UNCERTAIN),
        "redirect": Fault(title="sends the caller to another host", verdict=Verdict.UNCERTAIN),
    }
)
"""What may happen between any HTTP client and any server; a subclass states where its target differs."""


class HttpSandbox:
    """A target's stand-in over HTTP: a subclass writes `serve`, `sample`, and what is special in its menu.

    `latency`, in seconds, is what each answer takes. The port stays the same when it is started again.
    """

    menu: Mapping[str, Fault] = COMMON

    def __init__(self) -> None:
        self.latency = 0.0
        self.host, self.port = LOOPBACK, 0
        self._fault, self._times = "", 0
        self._finding = ""
        self._taken: Tally | Counter[str] = Counter()
        self._stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    async def start(self) -> None:
        """Listen at `host`, on `port` or, when it is 0, on a free one that is kept."""
        self._stopping.clear()
        application = web.Application(client_max_size=LARGEST_REQUEST)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Let go of the port; answers still held back are given up."""
        self._stopping.set()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    def settings(self) -> dict[str, Any]:
        """Say how a connector reaches this sandbox."""
        return {"url": self.url}

    def break_with(self, fault: str, times: int = 1) -> None:
        """Play `fault` for the next `times` deliveries; for ever when negative."""
        if fault not in self.menu:
            raise KeyError(fault)
        self._fault, self._times = fault, times

    def break_finding(self, fault: str) -> None:
        """Play `fault` for the next question whether a reference of the target's own exists."""
        if fault not in self.menu:
            raise KeyError(fault)
        self._finding = fault

    def mend(self) -> None:
        """Play no fault any more."""
        self._fault, self._times, self._finding = "", 0, ""

    def take(self, key: str) -> None:
        """Count a message that was really taken."""
        self._taken[key] += 1

    def taken(self) -> Counter[str]:
        """Count how often each of our keys was taken."""
        return Counter(dict(self._taken.items()))

    def times_taken(self, key: str) -> int:
        """Say how often one of our keys was taken."""
        return self._taken[key]

    def forget(self) -> None:
        """Keep whose messages were taken in as little room as may be."""
        self._taken = Tally(self._taken)

    def sample(self, operation: str) -> dict[str, Any]:
        """Give a message this operation accepts."""
        raise NotImplementedError(operation)

    async def serve(self, request: web.Request) -> web.Response:
        """Answer as the target does when all is well, calling `take` for what it takes."""
        raise NotImplementedError

    async def is_delivery(self, request: web.Request) -> bool:
        """Tell a delivery from a question, a log-in or a probe: faults are only played on deliveries."""
        return request.method not in {"GET", "HEAD", "OPTIONS"}

    async def is_finding(self, request: web.Request) -> bool:  # noqa: ARG002  # what a subclass tells by
        """Tell the question whether a reference of the target's own exists, whose faults are played apart."""
        return False

    async def play(self, fault: str, request: web.Request, answer: web.Response | None) -> web.StreamResponse:
        """Play a fault; `answer` is what `serve` would have said, for the faults whose message is taken."""
        del answer
        return await COMMON_PLAYS[fault](self, request)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self.latency:
            await asyncio.sleep(self.latency)
        fault = await self._next_fault(request)
        if not fault:
            return await self.serve(request)
        answer = await self.serve(request) if self.menu[fault].taken else None
        return await self.play(fault, request, answer)

    async def _next_fault(self, request: web.Request) -> str:
        """Say which fault befalls a request; empty when none does."""
        if self._finding and await self.is_finding(request):
            fault, self._finding = self._finding, ""
            return fault
        if not self._times or not await self.is_delivery(request):
            return ""
        self._times -= 1
        return self._fault

    async def _hold_back(self, _: web.Request) -> web.StreamResponse:
        await self._stopping.wait()
        return web.Response(status=503)

    async def _cut(self, request: web.Request) -> web.StreamResponse:
        if request.transport:
            request.transport.abort()
        return web.Response()


def always(status: int, body: bytes = b"", **headers: str) -> Callable[..., Awaitable[web.Response]]:
    """Make a play that gives one and the same answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(*_: object) -> web.Response:
        return web.Response(status=status, body=body, headers=named)

    return answer


Play = Callable[[HttpSandbox, web.Request], Awaitable[web.StreamResponse]]

COMMON_PLAYS: Final[Mapping[str, Play]] = {
    "slow": HttpSandbox._hold_back,  # noqa: SLF001  # a table of its own methods
    "cut_before": HttpSandbox._cut,  # noqa: SLF001  # a table of its own methods
    "cut_after_commit": HttpSandbox._cut,  # noqa: SLF001  # a table of its own methods
    "error_500": always(500),
    "unavailable": always(503, Retry_After="1"),
    "too_many": always(429, Retry_After="1"),
    "garbage": always(200, GARBAGE),
    "empty": always(200),
    "maintenance": always(200, MAINTENANCE.encode(), Content_Type="text/html; charset=utf-8"),
    "redirect": always(302, Location="http://ailleurs.invalid/"),
}
