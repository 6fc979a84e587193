"""The routes about requests: submit one or many, read one, look for some, decide, cancel."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Query
from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from hub.access import Principal, Scope, blind, require
from hub.acts import Cancel, Decide
from hub.api_door import (
    Decider,
    Here,
    Number,
    Reader,
    Submitter,
    actor_of,
    admit,
    body_of,
    check_correction,
    find_request,
    hub_of,
    perform,
    problem_of,
)
from hub.api_schema import BATCH_HEADERS, JSON_BODY, refusals
from hub.app import Hub
from hub.errors import ConflictError
from hub.gate import read_body, read_json
from hub.inbox import LONGEST_KEY, read_key
from hub.intake import Acceptance
from hub.model import Frozen
from hub.problems import Problem, ProblemType
from hub.representations import BatchOutcome, Detail, RequestPage, Summary, receipt
from hub.routing import Await
from hub.views import Search, page, whole
from hub.words import FieldError, choices

MOST_IN_BATCH: Final = 500
LARGEST_BATCH: Final = 4_000_000
SMALL: Final = 100_000
"""Bytes of a body that holds a decision: a person wrote it."""

Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]


class Batch(Frozen):
    """Up to 500 requests, submitted at once; each stands or falls alone."""

    requests: list[Any] = Field(min_length=1, max_length=MOST_IN_BATCH, title="Demandes")


class Verdict(Frozen):
    """A person's decision: accept, or refuse with a reason of the route; perhaps with corrected data."""

    accept: bool = Field(title="Décision")
    reason: str = Field(default="", max_length=120, title="Motif du refus")
    data: dict[str, Any] | None = Field(default=None, title="Données corrigées")


class Withdrawal(Frozen):
    """Why a request is cancelled."""

    reason: Said = Field(title="Motif de l'annulation")


router = APIRouter(prefix="/v1/requests", tags=["Demandes"])


async def submit(request: Request) -> Response:
    """Accept one request: 202 means that it is on disk."""
    hub = hub_of(request)
    principal = await hub.keyring.authenticate(request.headers.get("authorization"))
    key = read_key(request.headers.get("idempotency-key"))
    raw = read_json(await read_body(request))
    return accepted(await hub.inbox.submit(principal, key, raw))


def accepted(acceptance: Acceptance) -> Response:
    """Answer with the request's number, stage and address."""
    headers = {"Location": f"/v1/requests/{acceptance.number:09d}"}
    if acceptance.replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(orjson.dumps(receipt(acceptance)), 202, headers, "application/json")


@router.post(
    "/batch",
    response_model=BatchOutcome,
    summary="Déposer jusqu'à 500 demandes",
    description="Chaque demande est acceptée ou refusée pour elle-même, sous la clé `<Idempotency-Key>/<rang>` : répéter "
    "le lot ne dépose rien deux fois. 200 quand toutes sont acceptées, 207 sinon. Les pointeurs d'une erreur partent "
    "de sa demande. Un lot compte au plus 4 Mo.",
    responses={207: {"model": BatchOutcome, "description": "Une demande au moins est refusée."}, **refusals(400, 413)},
    openapi_extra=BATCH_HEADERS | JSON_BODY("Batch"),
)
async def submit_batch(request: Request, hub: Here, caller: Submitter) -> Response:
    """Accept up to 500 requests at once, in one commit when the ledger can."""
    key = read_key(request.headers.get("idempotency-key"))
    if len(key) > LONGEST_KEY - len(f"/{MOST_IN_BATCH}"):
        raise Problem(ProblemType.IDEMPOTENCY_KEY_REQUIRED, "La clé d'idempotence d'un lot est trop longue.")
    batch = await read_batch(request)
    outcomes = await asyncio.gather(
        *(_submit_one(hub, caller, f"{key}/{index}", raw) for index, raw in enumerate(batch.requests))
    )
    refused = sum("problem" in outcome for outcome in outcomes)
    said = {
        "accepted": len(outcomes) - refused,
        "refused": refused,
        "outcomes": [{"index": index, **outcome} for index, outcome in enumerate(outcomes)],
    }
    return Response(orjson.dumps(said), 207 if refused else 200, media_type="application/json")


read_batch = body_of(Batch, LARGEST_BATCH)


async def _submit_one(hub: Hub, caller: Principal, key: str, raw: Any) -> dict[str, Any]:
    try:
        acceptance = await hub.inbox.submit(caller, key, raw)
    except (Problem, *KNOWN) as error:
        problem = problem_of(error)
        return {"status": problem.kind.status, "problem": orjson.loads(problem.response().body)}
    return {"status": 202, "request": receipt(acceptance), "replayed": acceptance.replayed}
