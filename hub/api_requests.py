"""The routes about requests: submit one or many, read one, look for some, decide, cancel."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as ScopeType

from hub.access import Principal, blind
from hub.acts import Cancel, Correct, Decide
from hub.api_door import (
    KNOWN,
    Decider,
    Here,
    Number,
    Reader,
    Said,
    Submitter,
    actor_of,
    admit,
    body_of,
    check_correction,
    find_request,
    hub_of,
    next_page,
    perform,
    problem_of,
)
from hub.api_schema import IDEMPOTENCY, STRICT_BODY, json_body, refusals
from hub.app import Hub
from hub.gate import headers_of, read_body, read_json
from hub.inbox import LONGEST_KEY, read_key
from hub.intake import Acceptance
from hub.model import Frozen
from hub.problems import Problem, ProblemType
from hub.representations import BatchOutcome, Detail, Pressing, RequestPage, Summary, receipt
from hub.routing import Await
from hub.views import Limit, Search, Word, on_the_clock, page, whole
from hub.words import FieldError, choices

MOST_IN_BATCH: Final = 500
LARGEST_BATCH: Final = 4_000_000


class Batch(Frozen):
    """Up to 500 requests, submitted at once; each stands or falls alone."""

    requests: list[Any] = Field(min_length=1, max_length=MOST_IN_BATCH, title="Demandes")


class Choice(Frozen):
    """A person's decision: accept, or refuse with a reason of the route; perhaps with corrected data."""

    accept: bool = Field(title="Décision")
    reason: str = Field(default="", max_length=120, title="Motif du refus")
    data: dict[str, Any] | None = Field(default=None, title="Données corrigées")
    step: str = Field(default="", max_length=40, title="Étape décidée, telle que la demande l'attendait")


class Withdrawal(Frozen):
    """Why a request is cancelled."""

    reason: Said = Field(title="Motif de l'annulation")


class Correction(Frozen):
    """The data that replace a request's own."""

    data: dict[str, Any] = Field(title="Données corrigées")


class Due(Frozen):
    """Which requests on the law's clock are looked for."""

    kind: Word | None = None
    limit: Limit = 50


router = APIRouter(prefix="/v1/requests", tags=["Demandes"])


SUBMISSION: Final = ("POST", "/v1/requests")


async def submissions(scope: ScopeType, receive: Receive, send: Send) -> None:
    """Answer one submission, as an ASGI application of its own."""
    try:
        acceptance = await submit(Request(scope, receive, send))
    except KNOWN as error:
        await problem_of(error).response()(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 202, "headers": _headers(acceptance)})
    await send({"type": "http.response.body", "body": orjson.dumps(receipt(acceptance))})


async def submit(request: Request) -> Acceptance:
    """Accept one request: once this is back, it is on disk."""
    hub = hub_of(request)
    headers = headers_of(request)
    principal = await hub.callers.authenticate(headers.get("authorization"), request.scope)
    request.scope.setdefault("state", {})["caller"] = principal
    key = read_key(headers.get("idempotency-key"))
    raw = read_json(await read_body(request))
    return await hub.inbox.submit(principal, key, raw)


def _headers(acceptance: Acceptance) -> list[tuple[bytes, bytes]]:
    location = b"/v1/requests/%09d" % acceptance.number
    again = [(b"idempotency-replayed", b"true")] if acceptance.replayed else []
    return [(b"content-type", b"application/json"), (b"location", location), *again]


@router.post(
    "/batch",
    response_model=BatchOutcome,
    summary="Déposer jusqu'à 500 demandes",
    description="Chaque demande est acceptée ou refusée pour elle-même, sous la clé `<Idempotency-Key>/<rang>` : "
    "répéter le lot ne dépose rien deux fois. 200 quand toutes sont acceptées, 207 sinon. Les pointeurs d'un problème "
    "partent de sa demande. Un lot compte au plus 4 Mo.",
    responses={
        207: {"model": BatchOutcome, "description": "Une demande au moins est refusée"},
        **refusals(ProblemType.IDEMPOTENCY_KEY_REQUIRED, *STRICT_BODY),
    },
    openapi_extra={"parameters": [IDEMPOTENCY], **json_body(Batch, requests=[{}, {}])},
)
async def submit_batch(request: Request, hub: Here, caller: Submitter) -> Response:
    """Accept many requests at once: what waits together is committed together."""
    key = read_key(request.headers.get("idempotency-key"))
    if len(key) > LONGEST_KEY - len(f"/{MOST_IN_BATCH}"):
        raise Problem(
            ProblemType.IDEMPOTENCY_KEY_REQUIRED, "La clé d'idempotence d'un lot compte 4 caractères de moins."
        )
    batch = await read_batch(request)
    outcomes = await asyncio.gather(
        *(_outcome(hub, caller, f"{key}/{index}", raw) for index, raw in enumerate(batch.requests))
    )
    refused = sum("problem" in outcome for outcome in outcomes)
    said = {
        "accepted": len(outcomes) - refused,
        "refused": refused,
        "outcomes": [{"index": index, **outcome} for index, outcome in enumerate(outcomes)],
    }
    return Response(orjson.dumps(said), 207 if refused else 200, media_type="application/json")


@router.get(
    "",
    summary="Chercher des demandes",
    description="Les plus récentes d'abord. Un portail ne voit que les siennes.",
    responses=refusals(ProblemType.INVALID),
)
async def search_requests(
    request: Request, hub: Here, caller: Reader, search: Annotated[Search, Query()]
) -> RequestPage:
    """List the requests that the caller may see and that answer every criterion."""
    blinded = blind(hub.secret, search.q) if search.q else ""
    rows = await hub.ledger.read(page, caller, search, blinded)
    shown = rows[: search.limit]
    more = next_page(request, shown[-1].number) if len(rows) > len(shown) else None
    return RequestPage(requests=[Summary.of(row) for row in shown], next=more)


@router.get(
    "/due",
    summary="Lister les demandes à délai légal",
    description="Celles qui ne sont pas terminées, la plus pressée d'abord.",
    responses=refusals(ProblemType.INVALID),
)
async def list_due(hub: Here, caller: Reader, criteria: Annotated[Due, Query()]) -> Pressing:
    """List the open requests that the law gives a time for, by the time that is left."""
    rows = await hub.ledger.read(on_the_clock, caller, criteria.kind, criteria.limit)
    return Pressing(requests=[Summary.of(row) for row in rows])


@router.get(
    "/{number}",
    summary="Lire une demande",
    description="Son étape, son statut, ce que l'usager en lit, et son chemin ; rien de ce que dit un logiciel.",
    responses=refusals(ProblemType.NOT_FOUND),
)
async def read_request(hub: Here, caller: Reader, number: Number) -> Detail:
    """Show one request."""
    return await _show(hub, caller, number)


@router.post(
    "/{number}/decision",
    summary="Décider",
    description="Accepter, ou refuser pour l'un des motifs de l'étape, la demande qui attend une décision ; `data` "
    "remplace les données de la démarche.",
    responses=refusals(*STRICT_BODY, ProblemType.NOT_FOUND, ProblemType.CONFLICT),
    openapi_extra=json_body(Choice, accept=False, reason="Justificatif de domicile invalide"),
)
async def decide(
    hub: Here, caller: Decider, number: Number, choice: Annotated[Choice, Depends(body_of(Choice))]
) -> Detail:
    """Accept or refuse a request that awaits a person."""
    found = await find_request(hub, caller, number)
    step = found.definition.route.named.get(found.row.awaiting)
    if isinstance(step, Await) and not choice.accept and choice.reason not in step.reasons:
        raise Problem(ProblemType.INVALID, errors=[FieldError("/reason", "Motif du refus", choices(step.reasons))])
    check_correction(found, choice.data)
    await perform(hub, Decide(number, choice.accept, choice.reason, choice.data, actor_of(caller), choice.step))
    return await _show(hub, caller, number)


@router.post(
    "/{number}/cancel",
    summary="Annuler une demande",
    description="Possible tant qu'aucun logiciel n'a pu la recevoir, ou que son circuit sait reprendre ce qui a été "
    "fait : elle n'est alors annulée qu'une fois tout repris.",
    responses=refusals(*STRICT_BODY, ProblemType.NOT_FOUND, ProblemType.CONFLICT),
    openapi_extra=json_body(Withdrawal, reason="Déposée deux fois"),
)
async def cancel(
    hub: Here, caller: Decider, number: Number, withdrawal: Annotated[Withdrawal, Depends(body_of(Withdrawal))]
) -> Detail:
    """Cancel a request that no target has taken, or whose route takes back what was."""
    await find_request(hub, caller, number)
    await perform(hub, Cancel(number, withdrawal.reason, actor_of(caller)))
    return await _show(hub, caller, number)


@router.post(
    "/{number}/correct",
    summary="Corriger les données d'une demande",
    description="Remplace les données d'une demande en cours ; les anciennes sont conservées. Ce qu'un logiciel a pu "
    "recevoir ne change plus.",
    responses=refusals(*STRICT_BODY, ProblemType.NOT_FOUND, ProblemType.CONFLICT),
    openapi_extra=json_body(Correction, data={"objet": "Certificat d'adresse"}),
)
async def correct(
    hub: Here, caller: Decider, number: Number, correction: Annotated[Correction, Depends(body_of(Correction))]
) -> Detail:
    """Replace the data of a request under way."""
    check_correction(await find_request(hub, caller, number), correction.data)
    await perform(hub, Correct(number, correction.data, actor_of(caller)))
    return await _show(hub, caller, number)


read_batch: Final = body_of(Batch, LARGEST_BATCH)


async def _outcome(hub: Hub, caller: Principal, key: str, raw: Any) -> dict[str, Any]:
    try:
        acceptance = await hub.inbox.submit(caller, key, raw)
    except KNOWN as error:
        problem = problem_of(error)
        return {"status": problem.kind.status, "problem": orjson.Fragment(bytes(problem.response().body))}
    return {"status": 202, "request": receipt(acceptance), "replayed": acceptance.replayed}


async def _show(hub: Hub, caller: Principal, number: int) -> Detail:
    found = await hub.ledger.read(whole, hub.ledger.book, number)
    if found is None:
        raise Problem(ProblemType.NOT_FOUND)
    admit(caller, found.row)
    return Detail.of_whole(hub.catalogue, found)
