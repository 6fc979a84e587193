"""The HTTP API: builds the application from its routes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from jinja2 import Environment, FileSystemLoader
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from hub import (
    api_batches,
    api_files,
    api_kinds,
    api_operations,
    api_queries,
    api_requests,
    api_statistics,
    api_targets,
)
from hub.api_door import MEANINGS, problem_of
from hub.api_schema import DESCRIPTION, TITLE, describer
from hub.app import Hub
from hub.audit_door import heed
from hub.headers import Guarded, guard
from hub.health import HEALTH
from hub.problems import Problem, install, on_unknown
from hub.tracing import begun, heard, within

UNTOLD: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False}
"""The framework tells nobody anything: monitors do, and exceptions' texts may hold personal data."""

PAGE_POLICY: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
}

PAGES: Final = Environment(loader=FileSystemLoader(Path(__file__).parent / "pages"), autoescape=True)
PAGES.policies["json.dumps_kwargs"] = {"ensure_ascii": False}


MODULES: Final = (
    api_requests,
    api_files,
    api_kinds,
    api_queries,
    api_operations,
    api_batches,
    api_statistics,
    api_targets,
)
"""What the API answers, in the order in which it is described."""


class Door(FastAPI):
    """The application, with its guards on every answer, even on those that a bug brought about.

    Submissions, nearly all of a hub's traffic, pass beside the framework's layers: a fifth of what they cost.
    """

    submissions = ServerErrorMiddleware(api_requests.submissions, handler=on_unknown)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, adding the guards that the answer lacks, unless the audit cannot tell what it shows."""
        is_withheld = False

        async def guarded(message: Message) -> None:
            nonlocal is_withheld
            if is_withheld:
                return
            if message["type"] == "http.response.start":
                try:
                    await heed(self.state.hub, scope, message["status"])
                except Problem as problem:  # the framework has begun to answer, and would hang up
                    is_withheld = True
                    await Guarded(problem.response())(scope, receive, send)
                    return
                message["headers"] = guard(message.get("headers", ()), scope["scheme"])
            await send(message)

        if scope["type"] != "http":
            await super().__call__(scope, receive, guarded)
            return
        caller = heard(scope["headers"])
        if (scope["method"], scope["path"]) == api_requests.SUBMISSION:
            scope["app"] = self
            with within(caller and begun(caller)):  # without a context, the request's number gives one
                await self.submissions(scope, receive, guarded)
        else:
            with within(begun(caller)):
                await super().__call__(scope, receive, guarded)


def build_api(hub: Hub) -> FastAPI:
    """Build the application that serves `hub`, with what monitors added to it."""
    app = Door(title=TITLE, description=DESCRIPTION, version="1", docs_url=None, redoc_url=None, telemetry=UNTOLD)
    app.state.hub = hub
    install(app)
    for error in MEANINGS:
        app.add_exception_handler(error, _refuse)
    for module in MODULES:
        app.include_router(module.router)
    app.router.routes += [*OWN, *hub.routes]
    app.openapi = describer(app, hub.catalogue)  # type: ignore[method-assign]  # as FastAPI documents
    return app


async def docs(request: Request) -> Response:
    """Show the API to people, on a page that needs nothing from elsewhere."""
    page = PAGES.get_template("docs.html.j2").render(schema=request.app.openapi())
    return HTMLResponse(page, headers=PAGE_POLICY)


async def home(_request: Request) -> Response:
    """Lead to the documentation."""
    return RedirectResponse("/docs")


OWN: Final = [
    Route("/", home),
    Route("/docs", docs),
    *HEALTH,
]


async def _refuse(_request: Request, error: Exception) -> Response:
    return problem_of(error).response()
