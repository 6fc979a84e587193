"""The headers that every answer of the API bears, on whatever way it leaves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]

GUARDS: Final = {
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
}
"""Headers that every answer bears, unless its route says otherwise."""

OVER_TLS: Final = {**GUARDS, b"strict-transport-security": b"max-age=31536000"}
"""The same on a connection in TLS: browsers then come by no other for a year."""


def guard(headers: Iterable[tuple[bytes, bytes]], scheme: str = "http") -> Headers:
    """Add the guards to an answer's headers; what the answer says itself stands."""
    said = list(headers)
    names = {name for name, _ in said}
    guards = OVER_TLS if scheme == "https" else GUARDS
    return said + [(name, value) for name, value in guards.items() if name not in names]


class Guarded:
    """An application whose every answer bears the guards."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, adding the guards that the answer lacks."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = guard(message.get("headers", ()), scope["scheme"])
            await send(message)

        await self._app(scope, receive, guarded)
