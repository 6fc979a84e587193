"""The doors of targets that call the hub: what they say is proved, or only makes the hub ask."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from hub.api_door import Here
from hub.api_schema import refusals
from hub.connector import Call, Called
from hub.desk import TargetDesk
from hub.gate import headers_of
from hub.problems import Problem, ProblemType

LARGEST_CALL: Final = 1_000_000
"""Bytes of what a target may say at once."""

router = APIRouter(prefix="/v1/targets", tags=["Logiciels"])

Target = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="Le nom du logiciel.")]
CALLED: Final = refusals(ProblemType.NOT_FOUND, ProblemType.TOO_LARGE)


async def answer(request: Request, hub: Here, target: Target, path: str = "") -> Response:
    """Let a target's connector answer its call."""
    live = hub.targets.get(target)
    if live is None or not isinstance(live.connector, Called):
        raise Problem(ProblemType.NOT_FOUND)
    call = Call(request.method, path, dict(request.query_params), headers_of(request), await _body(request))
    reply = await live.connector.serve(call, TargetDesk(hub.ledger, live, hub.wake, hub.announcer))
    return Response(reply.body, reply.status, media_type=reply.media_type, headers=dict(reply.headers))


for method in ("GET", "POST"):
    for place in ("/{target}", "/{target}/{path:path}"):
        router.add_api_route(
            place,
            answer,
            methods=[method],
            name=f"{method.lower()}{'_below' if 'path' in place else ''}",
            summary="Recevoir l'appel d'un logiciel",
            description="Une notification de paiement, un service que le logiciel interroge. La preuve est celle de "
            "chaque logiciel ; ce qui ne prouve rien ne fait que hâter la vérification auprès de lui.",
            response_class=Response,
            responses=CALLED,
        )


async def _body(request: Request) -> bytes:
    """Read what a target says, up to LARGEST_CALL; raises Problem 413."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_CALL:
            raise Problem(ProblemType.TOO_LARGE)
    return body
