"""The console, mounted beside the API: its pages, its files, and how what goes wrong reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from hub.app import Hub
from hub.problems import Problem
from monitoring.console import (
    page_batches,
    page_decisions,
    page_entrance,
    page_home,
    page_identity,
    page_journal,
    page_list,
    page_map,
    page_papers,
    page_request,
    page_request_correction,
    page_request_verbs,
    page_request_version,
    page_rights,
    page_statistics,
    page_way_out,
)
from monitoring.console.door import (
    ForbiddenError,
    ForgedError,
    FormError,
    Person,
    StrangerError,
    entrance,
    hub_of,
    is_fragment,
    somebody,
)
from monitoring.console.identity_provider import Provider
from monitoring.console.page_rights import MEANINGS
from monitoring.console.pages import STATIC, render
from monitoring.console.texts import marked

UNTOLD: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False}

ROUTERS: Final[tuple[APIRouter, ...]] = (
    page_entrance.router,
    page_identity.router,
    page_way_out.router,
    page_home.router,
    page_list.router,
    page_batches.router,
    page_request.router,
    page_request_version.router,
    page_request_correction.router,
    page_request_verbs.router,
    page_rights.router,
    page_decisions.router,
    page_papers.router,
    page_map.router,
    page_statistics.router,
    page_journal.router,
)
"""One a page."""

FOR_EVER: Final = "public, max-age=31536000, immutable"


class Files(StaticFiles):
    """The console's files, whose addresses name their edition."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Give a file, to be kept."""
        answer = await super().get_response(path, scope)
        answer.headers["Cache-Control"] = FOR_EVER
        return answer


def build_console(hub: Hub) -> FastAPI:
    """Build the console of a hub."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, telemetry=UNTOLD)
    app.state.hub = hub
    identity = hub.settings.console.identity
    app.state.provider = Provider(identity) if identity else None
    for router in ROUTERS:
        app.include_router(router)
    app.router.routes += [
        Mount("/static", Files(directory=STATIC)),
        Route("/theme.css", theme),
    ]
    app.add_exception_handler(StrangerError, lead_to_entrance)
    app.add_exception_handler(ForbiddenError, forbid)
    app.add_exception_handler(ForgedError, refuse_forged)
    app.add_exception_handler(FormError, refuse_form)
    app.add_exception_handler(Problem, show_problem)
    app.add_exception_handler(HTTPException, show_status)
    app.add_exception_handler(RequestValidationError, show_unreadable)
    app.add_exception_handler(SQLAlchemyError, show_unavailable)
    return app


def attach(hub: Hub) -> None:
    """Mount the console at `/console`."""
    hub.routes += [Route("/console", home), Mount("/console", build_console(hub), name="console")]


async def home(_request: Request) -> Response:
    """Lead to the first page."""
    return RedirectResponse("/console/")


async def theme(request: Request) -> Response:
    """Give the city's own style sheet, if it has one."""
    file = hub_of(request).settings.console.theme
    if file is None or not file.is_file():
        return Response(media_type="text/css")
    return FileResponse(file, media_type="text/css")


async def lead_to_entrance(request: Request, _error: Exception) -> Response:
    """Have somebody enter first; htmx is told to load the entrance as a page."""
    if is_fragment(request):
        return Response(status_code=401, headers={"HX-Redirect": entrance(request)})
    return RedirectResponse(entrance(request), 303)


async def forbid(request: Request, error: Exception) -> Response:
    """Say which right is lacking."""
    assert isinstance(error, ForbiddenError)  # noqa: S101  # registered for it alone
    return await _say(request, 403, marked("You may not do this"), right=MEANINGS[error.right][0])


async def refuse_forged(request: Request, _error: Exception) -> Response:
    """Refuse a form that no page of ours sent."""
    return await _say(request, 403, marked("This form is no longer valid: load the page again, then try again."))


async def refuse_form(request: Request, error: Exception) -> Response:
    """Name the fields that cannot be taken."""
    assert isinstance(error, FormError)  # noqa: S101  # registered for it alone
    return await _say(request, 422, marked("The form is incomplete or wrong."), fields=sorted(error.errors))


async def show_problem(request: Request, error: Exception) -> Response:
    """Show what the hub refused, in its own words."""
    assert isinstance(error, Problem)  # noqa: S101  # registered for it alone
    details = [f"{one.field or one.pointer} : {one.message}" for one in error.errors]
    said = error.detail or error.kind.title
    answer = await _say(request, error.kind.status, said, fields=details)
    answer.headers.update(error.headers)
    return answer


async def show_status(request: Request, error: Exception) -> Response:
    """Show an error of the framework as a page: what is not found, what may not be asked so."""
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for it alone
    said = {404: marked("There is no such page."), 405: marked("This page cannot be asked for like this.")}
    return await _say(request, error.status_code, said.get(error.status_code, marked("This did not work.")))


async def show_unreadable(request: Request, _error: Exception) -> Response:
    """Say that an address makes no sense, as that of a page that does not exist."""
    return await _say(request, 404, marked("There is no such page."))


async def show_unavailable(request: Request, _error: Exception) -> Response:
    """Say that the ledger does not answer; who asks is not looked up, for that takes a ledger."""
    said = marked("The ledger does not answer: try again in a moment.")
    values = {"message": said, "right": "", "fields": []}
    return render(request, None, "message.html.j2", status=503, headers={"Retry-After": "5"}, **values)


async def _say(
    request: Request,
    status: int,
    message: str,
    *,
    right: str = "",
    fields: Sequence[str] = (),
) -> Response:
    """Show a page that says one thing; a person whose stay is over is led to the entrance."""
    person: Person | None = getattr(request.state, "person", None)
    if person is None:
        try:
            person = await somebody(request)
        except StrangerError as stranger:
            if not request.url.path.startswith("/console/connexion"):
                return await lead_to_entrance(request, stranger)
    template = "alert.html.j2" if is_fragment(request) else "message.html.j2"
    return render(
        request,
        person,
        template,
        status=status,
        message=message,
        right=right,
        fields=fields,
    )
