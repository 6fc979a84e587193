"""Running a hub, or one part of it, in this process: until a signal ends it or it cannot be kept doing its part."""

from __future__ import annotations

import asyncio
import gc
import math
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from hub.api import build_api
from hub.app import open_hub
from hub.connections import limited, sweep
from hub.drift.watch import watching
from hub.errors import ConfigurationError
from hub.headers import Guarded
from hub.health import build_health
from hub.settings import Settings
from hub.settings_door import Tls

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
    secured = secure(settings.tls) if settings.tls else None
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    hub_of = partial(open_hub, settings, serve=part.carries, hints=not part.is_alone, targets=part.targets)
    with socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG) as listener:
        async with hub_of() as hub, watching(hub):
            config = configure(build_api(hub) if part.takes else Guarded(build_health(hub)), settings, secured)
            place = address_of(listener, "https" if secured else "http")
            server = Server(config, partial(announce, place, hub.owner), settings.limits.head_within.total_seconds())
            settle_memory()
            async with _ended_by(server, hub.failed.wait(), *([tied_to] if tied_to else [])):
                _leave_signals_alone()
                await server.serve([listener])
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C does not wait for what is under way
            return int(hub.failed.is_set())


def configure(app: ASGIApp, settings: Settings, secured: ssl.SSLContext | None = None) -> uvicorn.Config:
    """Say how an application is served: within the limits of the settings, and in TLS if there is a certificate."""
    return uvicorn.Config(
        app,
        http=limited(settings.limits),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=math.ceil(settings.limits.idle.total_seconds()),
        timeout_graceful_shutdown=int(settings.grace.total_seconds()),
        ssl_context_factory=(lambda *_: secured) if secured else None,
    )


class Server(uvicorn.Server):
    """The HTTP server; `ready` is called once it answers, and signals end it in order.

    `secured_within`: seconds that a caller has to come to terms in TLS.
    """

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], secured_within: float = 10) -> None:
        super().__init__(config)
        self._ready, self._secured_within = ready, secured_within

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so; uvicorn's own way to listen would leave a caller a minute to come to terms in TLS."""
        await super().startup(sockets and [])
        make: Callable[[], asyncio.Protocol] = partial(
            self.config.http_protocol_class,  # type: ignore[call-arg]  # as in uvicorn
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        listen = partial(asyncio.get_running_loop().create_server, make, ssl=self.config.ssl, backlog=BACKLOG)
        within = self._secured_within if self.config.ssl else None
        self.servers += [await listen(sock=one, ssl_handshake_timeout=within) for one in sockets or ()]
        self._sweeping = asyncio.create_task(sweep(self.server_state))
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End in order."""
        await super().shutdown(sockets)
        self._sweeping.cancel()


def secure(said: Tls) -> ssl.SSLContext:
    """Read the certificate of the API, and of whose callers it asks for one; raises ConfigurationError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(said.certificate, said.key, _without_password)
    except (OSError, ValueError):  # SSLError is an OSError
        raise ConfigurationError(said.certificate, f"a certificate in PEM, and in {said.key} its key") from None
    if said.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(said.client_ca)
        except OSError:
            raise ConfigurationError(said.client_ca, "the certificates of authorities, in PEM") from None
    return context


def _without_password() -> str:
    """Give the password of a key that must have none, instead of asking whoever started the hub."""
    raise ValueError("the key has a password")


def settle_memory() -> None:
    """Take what was loaded at start out of the collector's rounds: walking it held requests up, 100 ms at a time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def address_of(listener: socket.socket, scheme: str = "http") -> str:
    """Say where a socket listens, as a URL."""
    host, port = listener.getsockname()[:2]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


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
