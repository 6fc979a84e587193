"""The door of the catalogue that a process goes by: operators have it taken anew, monitors see whether it was refused.

It is the same on a process with an API and on one without: each takes for itself.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub.access import Scope, everybody, require
from hub.callers import Callers
from hub.problems import Problem, ProblemType
from hub.reload import Reloader, State
from hub.settlement import iso

PLACE: Final = "/v1/operations/reload"


def doors(reloader: Reloader, callers: Callers) -> list[Route]:
    """Make the routes: GET says what this process goes by, POST has it look now, the other is for monitors."""

    async def reload(request: Request) -> Response:
        """Take what changed, at once; for operators."""
        try:
            caller = await callers.authenticate(request.headers.get("authorization"), request.scope)
            request.state.caller = caller
            require(caller, Scope.OPERATE)
            if request.method == "POST":
                everybody(caller)
        except Problem as problem:
            return problem.response()
        except SQLAlchemyError:
            return Problem(ProblemType.UNAVAILABLE).response()
        state = await reloader.reload() if request.method == "POST" else reloader.state
        return JSONResponse({**summary(state), "findings": list(state.findings)})

    async def health(_request: Request) -> Response:
        """Say whether the files on disk are those that this process goes by, and name no file."""
        return JSONResponse({**summary(reloader.state), "findings": len(reloader.state.findings)})

    return [Route(PLACE, reload, methods=["GET", "POST"]), Route("/health/catalogue", health)]


def summary(state: State) -> dict[str, Any]:
    """Say what a process goes by, and since when."""
    return {"status": state.status, "version": state.version, "since": iso(state.since)}
