"""The routes of operations staff: what stands and why, verify, retry, finalize by hand, pause a target."""

from __future__ import annotations

from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field
from starlette.requests import Request

from hub.access import Principal
from hub.acts import Act, Finalize, Retry, Verify
from hub.api_door import (
    DeliveryId,
    Here,
    Operator,
    Said,
    actor_of,
    admit,
    body_of,
    check_correction,
    find_request,
    next_page,
    perform,
)
from hub.api_schema import STRICT_BODY, json_body, refusals
from hub.app import Hub
from hub.model import Frozen
from hub.problems import Problem, ProblemType
from hub.representations_operations import (
    Cause,
    Causes,
    DeliveryDetail,
    DeliveryPage,
    DeliverySummary,
    TargetHealth,
    Targets,
)
from hub.targets import Switch, health
from hub.views import Dossier, Trouble, causes, deliveries, dossier

log = structlog.get_logger()


class Again(Frozen):
    """How to try again: as it is or with corrected data, and whether someone is sure that it was not taken."""

    sure: bool = Field(default=False, title="Certitude que le logiciel ne l'a pas reçu")
    data: dict[str, Any] | None = Field(default=None, title="Données corrigées")


class Closing(Frozen):
    """Why a delivery is closed by hand, and the reference the back office gave it."""

    reason: Said = Field(title="Motif")
    reference: Said = Field(title="Référence dans le logiciel")


class Pause(Frozen):
    """Why a target is paused."""

    reason: Said = Field(title="Motif")


router = APIRouter(prefix="/v1/operations", tags=["Exploitation"])

TargetName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
ACTED: Final = refusals(*STRICT_BODY, ProblemType.NOT_FOUND, ProblemType.CONFLICT)


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
    more = next_page(request, shown[-1].id) if len(rows) > len(shown) else None
    return DeliveryPage(deliveries=[DeliverySummary.of(row) for row in shown], next=more)


@router.get(
    "/causes",
    summary="Compter les envois par cause",
    description="Par logiciel, code, étape et état ; les causes les plus fréquentes d'abord.",
    responses=refusals(ProblemType.INVALID),
)
async def count_causes(hub: Here, caller: Operator, trouble: Annotated[Trouble, Query()]) -> Causes:
    """Count deliveries by cause."""
    return Causes(causes=[Cause.of(row) for row in await hub.ledger.read(causes, caller, trouble)])


@router.get(
    "/deliveries/{delivery}",
    summary="Lire un envoi",
    description="Tous ses essais, avec ce qui a été envoyé et répondu, les données de la demande et son journal.",
    responses=refusals(ProblemType.NOT_FOUND),
)
async def read_delivery(hub: Here, caller: Operator, delivery: DeliveryId) -> DeliveryDetail:
    """Show one delivery."""
    return await _show(hub, caller, delivery)


@router.post(
    "/deliveries/{delivery}/verify",
    summary="Vérifier auprès du logiciel",
    description="Demande au logiciel s'il a reçu l'envoi ; rien n'est renvoyé, quoi qu'il réponde.",
    responses=refusals(ProblemType.NOT_FOUND, ProblemType.CONFLICT),
)
async def verify(hub: Here, caller: Operator, delivery: DeliveryId) -> DeliveryDetail:
    """Ask the target whether it has a delivery."""
    found = await _find(hub, caller, delivery)
    return await _act(hub, caller, found, Verify(delivery, actor_of(caller)))


@router.post(
    "/deliveries/{delivery}/retry",
    summary="Reprendre un envoi",
    description="Tel quel, ou avec les données corrigées. Un envoi peut-être reçu est d'abord vérifié, sauf si `sure` "
    "affirme que le logiciel ne l'a pas.",
    responses=ACTED,
    openapi_extra=json_body(Again, sure=False),
)
async def retry(
    hub: Here, caller: Operator, delivery: DeliveryId, again: Annotated[Again, Depends(body_of(Again))]
) -> DeliveryDetail:
    """Try a delivery again, perhaps with corrected data."""
    found = await _find(hub, caller, delivery)
    if again.data is not None:
        check_correction(await find_request(hub, caller, found.request.number), again.data)
    return await _act(hub, caller, found, Retry(delivery, again.sure, again.data, actor_of(caller)))


@router.post(
    "/deliveries/{delivery}/finalize",
    summary="Finaliser un envoi à la main",
    description="Clôt l'envoi sous la référence que le logiciel lui a donnée ; le motif reste au journal.",
    responses=ACTED,
    openapi_extra=json_body(Closing, reason="Saisi au guichet de l'état civil", reference="LOG-2026-0417"),
)
async def finalize(
    hub: Here, caller: Operator, delivery: DeliveryId, closing: Annotated[Closing, Depends(body_of(Closing))]
) -> DeliveryDetail:
    """Close a delivery by hand."""
    found = await _find(hub, caller, delivery)
    return await _act(hub, caller, found, Finalize(delivery, closing.reason, closing.reference, actor_of(caller)))


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
    return await _switch(hub, Switch(name, paused=True, reason=pausing.reason, actor=actor_of(caller)))


@router.post(
    "/targets/{name}/resume",
    summary="Reprendre les envois à un logiciel",
    description="Ce qui attendait repart, au rythme que le logiciel supporte.",
    responses=refusals(ProblemType.NOT_FOUND),
)
async def resume(hub: Here, caller: Operator, name: TargetName) -> TargetHealth:
    """Send to a target again."""
    resumed = await _switch(hub, Switch(name, paused=False, actor=actor_of(caller)))
    hub.wake({name: ()})
    return resumed


async def _find(hub: Hub, caller: Principal, delivery: int) -> Dossier:
    found = await hub.ledger.read(dossier, delivery)
    if found is None:
        raise Problem(ProblemType.NOT_FOUND)
    admit(caller, found.request)
    return found


async def _show(hub: Hub, caller: Principal, delivery: int) -> DeliveryDetail:
    found = await _find(hub, caller, delivery)
    return DeliveryDetail.of_dossier(found, _hint(hub, found.row.target, found.row.code))


async def _act(hub: Hub, caller: Principal, found: Dossier, wanted: Act) -> DeliveryDetail:
    await perform(hub, wanted, found.row.target)
    return await _show(hub, caller, found.row.id)


def _hint(hub: Hub, target: str, code: str) -> str:
    """Give what the connector's errors table advises about a code."""
    live = hub.targets.get(target)
    rows = hub.catalogue.errors[live.connector_name].error if live else ()
    return next((row.hint for row in rows if row.code == code), "")


async def _switch(hub: Hub, wanted: Switch) -> TargetHealth:
    if not await hub.ledger.switch(wanted):
        raise Problem(ProblemType.NOT_FOUND)
    shown = await hub.ledger.read(health, hub.ledger.book.now())
    return next(TargetHealth.of(one) for one in shown if one.name == wanted.target)
