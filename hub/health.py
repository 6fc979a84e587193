"""Whether a process of the hub is worth keeping, and does its part: what a service manager asks over HTTP."""

from __future__ import annotations

import asyncio
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub.app import Hub
from hub.views import alive

ANSWERS_WITHIN: Final = 5.0
"""Seconds within which a ledger that works answers."""


async def live(request: Request) -> Response:
    """Say whether this process is worth keeping."""
    failed = request.app.state.hub.failed.is_set()
    return JSONResponse({"status": "failed" if failed else "alive"}, 503 if failed else 200)


async def ready(request: Request) -> Response:
    """Say whether this process does its part, and if not, what is out of order."""
    hub: Hub = request.app.state.hub
    parts = {"ledger": await _answers(hub), "engine": hub.is_carrying}
    reasons = [part for part, well in parts.items() if not well]
    said = {"status": "not ready", "reasons": reasons} if reasons else {"status": "ready"}
    return JSONResponse(said, 503 if reasons else 200)


HEALTH: Final = (Route("/health/live", live), Route("/health/ready", ready))


def build_health(hub: Hub) -> Starlette:
    """Build what a process without an API answers: its health, and what monitors added."""
    app = Starlette(routes=[*HEALTH, *hub.routes])
    app.state.hub = hub
    return app


async def _answers(hub: Hub) -> bool:
    """Ask the writer to read: it works, and the database answers."""
    try:
        async with asyncio.timeout(ANSWERS_WITHIN):
            answered = await hub.ledger.write(alive, None)
    except (SQLAlchemyError, TimeoutError):
        return False
    return bool(answered)
