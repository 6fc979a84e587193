"""Running a hub, or one part of it, in this process: until a signal ends it or it cannot be kept doing its part."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import uvicorn

from hub.api import build_api
from hub.app import open_hub
from hub.drift.watch import watching
from hub.health import build_health
from hub.settings import Settings

BACKLOG: Final = 2048


@dataclass(frozen=True)
class Part:
    """What a process does of a hub's work: whether it carries deliveries, and of which targets (None: of all).

    Alone it does everything; of several, some take requests in and others carry them, and a broker nudges.
    """

    takes: bool = True
    carries: bool = True
    targets: frozenset[str] | None = None

    @property
    def is_alone(self) -> bool:
        """Whether there is nobody to nudge."""
        return self.takes and self.carries


ALONE: Final = Part()
API: Final = Part(carries=False)

Announce = Callable[[str, str], None]
"""Is told the address, and by which name the ledger knows this process's claims."""


async def serve(
    settings: Settings, announce: Announce, tied_to: asyncio.Future[Any] | None = None, part: Part = ALONE
) -> int:
    """Serve until SIGINT or SIGTERM, or until `tied_to` is done; gives the exit code: 1 when it could not be kept.

    `announce` is called once requests are taken and signals heard. Raises OSError when the port is taken.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    hub_of = partial(open_hub, settings, serve=part.carries, hints=not part.is_alone, targets=part.targets)
    with socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG) as listener:
        async with hub_of() as hub, watching(hub):
            config = uvicorn.Config(
                build_api(hub) if part.takes else build_health(hub),
                http="httptools",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=int(settings.grace.total_seconds()),
            )
            server = Server(config, partial(announce, address_of(listener), hub.owner))
            settle_memory()
            async with _ended_by(server, hub.failed.wait(), *([tied_to] if tied_to else [])):
                _leave_signals_alone()
                await server.serve([listener])
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C does not wait for what is under way
            return int(hub.failed.is_set())


class Server(uvicorn.Server):
    """The HTTP server; `ready` is called once it answers, and signals end it in order."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self._ready()


def settle_memory() -> None:
    """Take what was loaded at start out of the collector's rounds: walking it held requests up, 100 ms at a time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def address_of(listener: socket.socket) -> str:
    """Say where a socket listens, as a URL."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _leave_signals_alone() -> None:
    """Let uvicorn alone hear signals: it raises them again at its end, while the engine must still stop in order."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


@asynccontextmanager
async def _ended_by(
    server: uvicorn.Server, *ends: Coroutine[Any, Any, Any] | asyncio.Future[Any]
) -> AsyncIterator[None]:
    """End the server when any of `ends` is done."""
    watching = [asyncio.ensure_future(end) for end in ends]

    def end(_: asyncio.Future[Any]) -> None:
        server.should_exit = True

    for watched in watching:
        watched.add_done_callback(end)
    try:
        yield
    finally:
        for watched in watching:
            watched.cancel()
