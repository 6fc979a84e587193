"""The routes of operations staff: what stands and why, who sees to it, and the switches of targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field, StringConstraints
from sqlalchemy import Connection, Row
from starlette.requests import Request

from hub import api_deliveries
from hub.access import Principal, everybody
from hub.acts import Assign, Note
from hub.api_door import Here, Number, Operator, Said, actor_of, body_of, find_request, next_page, perform
from hub.api_schema import STRICT_BODY, json_body, refusals
from hub.app import Hub
from hub.book import Book
from hub.model import Frozen
from hub.problems import Problem, ProblemType
from hub.representations_operations import (
    Assigned,
    Cause,
    CauseNote,
    Causes,
    DeliveryPage,
    DeliverySummary,
    TargetHealth,
    Targets,
)
from hub.standing import standings
from hub.targets import Switch, health
from hub.verbs import Standing
from hub.views import Trouble, causes, deliveries


class Charge(Frozen):
    """Who sees to a request: a login, or nobody."""

    owner: Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)] = Field(
        title="Personne chargée de la demande"
    )


class Remark(Frozen):
    """Who sees to a cause of failures, and what is known of it."""

    target: Annotated[str, StringConstraints(max_length=40)] = Field(title="Logiciel")
    code: Annotated[str, StringConstraints(max_length=60)] = Field(title="Code")
    stage: Annotated[str, StringConstraints(max_length=120)] = Field(title="Étape")
    owner: Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)] = Field(
        default="", title="Personne chargée de la cause"
    )
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)] = Field(default="", title="Note")


class Pause(Frozen):
    """Why a target is paused."""

    reason: Said = Field(title="Motif")


router = APIRouter(prefix="/v1/operations", tags=["Exploitation"])

TargetName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
router.include_router(api_deliveries.router)


@router.get(
    "/deliveries",
    summary="Lister les envois",
    description="Ceux qui attendent une personne (`parked`, `uncertain`), ou ceux des états demandés.",
    responses=refusals(ProblemType.INVALID),
)
async def list_deliveries(
    request: Request, hub: Here, caller: Operator, trouble: Annotated[Trouble, Query()]
) -> DeliveryPage:
    """List deliveries by state and cause."""
    rows = await hub.ledger.read(deliveries, caller, trouble)
    shown = rows[: trouble.limit]
    stand = await hub.ledger.read(_standing, hub.ledger.book, shown)
    more = next_page(request, shown[-1].id) if len(rows) > len(shown) else None
    return DeliveryPage(deliveries=[DeliverySummary.of(row, stand[row.id]) for row in shown], next=more)


@router.get(
    "/causes",
    summary="Compter les envois par cause",
    description="Par logiciel, code, étape et état ; les causes les plus fréquentes d'abord.",
    responses=refusals(ProblemType.INVALID),
)
async def count_causes(hub: Here, caller: Operator, trouble: Annotated[Trouble, Query()]) -> Causes:
    """Count deliveries by cause."""
    return Causes(causes=[Cause.of(row) for row in await hub.ledger.read(causes, caller, trouble)])


@router.post(
    "/causes/note",
    summary="Annoter une cause",
    description="Dit qui s'occupe d'une cause d'échec, et ce qu'on en sait ; vide, l'annotation disparaît.",
    responses=refusals(*STRICT_BODY),
    openapi_extra=json_body(
        Remark, target="technocarte", code="full", stage="Erreur Technocarte", owner="lmartin", note="Éditeur prévenu"
    ),
)
async def annotate(hub: Here, caller: Operator, remark: Annotated[Remark, Depends(body_of(Remark))]) -> CauseNote:
    """Say who sees to a cause."""
    said = remark.model_dump()
    await perform(hub, Note(**said, actor=actor_of(caller)))
    return CauseNote(**said)


@router.post(
    "/requests/{number}/assign",
    summary="Confier une demande",
    description="Dit qui s'en occupe ; une personne vide la rend à tous.",
    responses=refusals(*STRICT_BODY, ProblemType.NOT_FOUND),
    openapi_extra=json_body(Charge, owner="lmartin"),
)
async def assign(
    hub: Here, caller: Operator, number: Number, charge: Annotated[Charge, Depends(body_of(Charge))]
) -> Assigned:
    """Say who sees to a request."""
    await find_request(hub, caller, number)
    await perform(hub, Assign(number, charge.owner, actor_of(caller)))
    return Assigned(number=f"{number:09d}", owner=charge.owner)


@router.get(
    "/targets",
    summary="Lister les logiciels",
    description="Pause, disjoncteur, ce qui attend et depuis quand, dernier succès.",
    responses=refusals(),
)
async def list_targets(hub: Here, _caller: Operator) -> Targets:
    """See how every target is."""
    return Targets(targets=[TargetHealth.of(one) for one in await hub.ledger.read(health, hub.ledger.book.now())])


@router.post(
    "/targets/{name}/pause",
    summary="Mettre un logiciel en pause",
    description="Plus rien ne lui est envoyé ; ce qui est en route se termine, le reste attend.",
    responses=refusals(*STRICT_BODY, ProblemType.NOT_FOUND),
    openapi_extra=json_body(Pause, reason="Maintenance annoncée jusqu'à 14 h"),
)
async def pause(
    hub: Here, caller: Operator, name: TargetName, pausing: Annotated[Pause, Depends(body_of(Pause))]
) -> TargetHealth:
    """Stop sending to a target."""
    return await _switch(hub, caller, Switch(name, paused=True, reason=pausing.reason, actor=actor_of(caller)))


@router.post(
    "/targets/{name}/resume",
    summary="Reprendre les envois à un logiciel",
    description="Ce qui attendait repart, au rythme que le logiciel supporte.",
    responses=refusals(ProblemType.NOT_FOUND),
)
async def resume(hub: Here, caller: Operator, name: TargetName) -> TargetHealth:
    """Send to a target again."""
    resumed = await _switch(hub, caller, Switch(name, paused=False, actor=actor_of(caller)))
    hub.wake({name: ()})
    return resumed


def _standing(connection: Connection, book: Book, rows: Sequence[Row[Any]]) -> Mapping[int, Standing]:
    return standings(book, connection, rows)


async def _switch(hub: Hub, caller: Principal, wanted: Switch) -> TargetHealth:
    everybody(caller)
    if not await hub.ledger.switch(wanted):
        raise Problem(ProblemType.NOT_FOUND)
    shown = await hub.ledger.read(health, hub.ledger.book.now())
    return next(TargetHealth.of(one) for one in shown if one.name == wanted.target)
