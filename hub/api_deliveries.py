"""The routes of operations staff about one delivery: read it, and everything that a person may do to it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from pydantic import Field, StringConstraints
from sqlalchemy import Connection

from hub.access import Principal
from hub.acts import Finalize, Reject, Reopen, Reroute, Retry, Second, Verify
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
    perform,
)
from hub.api_schema import STRICT_BODY, json_body, refusals
from hub.app import Hub
from hub.book import Book
from hub.finalization import FINALIZATION_DENIED
from hub.model import Frozen
from hub.problems import Problem, ProblemType
from hub.prospects import Prospects, prospects
from hub.representations_operations import DeliveryDetail, ElementChange, Preview
from hub.settlement import key_of
from hub.trials.difference import ABSENT
from hub.trials.preview import Change, preview
from hub.trials.stored import find
from hub.verbs import Verb, why_not
from hub.views import Dossier, dossier


class Again(Frozen):
    """How to try again: as it is or with corrected data, by which version, and whether someone is sure."""

    sure: bool = Field(default=False, title="Certitude que le logiciel ne l'a pas reçu")
    data: dict[str, Any] | None = Field(default=None, title="Données corrigées")
    current: bool = Field(default=False, title="Suivre désormais la version courante de la démarche")


class Closing(Frozen):
    """Why a delivery is closed by hand, and the reference the back office gave it."""

    reason: Said = Field(title="Motif")
    reference: Said = Field(title="Référence dans le logiciel")
    comment: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)] = Field(
        default="", title="Commentaire"
    )


class Reason(Frozen):
    """Why a person does something."""

    reason: Said = Field(title="Motif")


class Way(Frozen):
    """Where a delivery is sent instead."""

    target: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")] = Field(title="Logiciel")


router = APIRouter(prefix="/deliveries/{delivery}")

FOUND: Final = refusals(ProblemType.NOT_FOUND, ProblemType.CONFLICT)
ACTED: Final = refusals(*STRICT_BODY, ProblemType.NOT_FOUND, ProblemType.CONFLICT)


@router.get(
    "",
    summary="Lire un envoi",
    description="Tous ses essais, avec ce qui a été envoyé et répondu, les données de la demande, son journal, et ce "
    "qu'on peut faire maintenant ; ou pourquoi on ne le peut pas.",
    responses=refusals(ProblemType.NOT_FOUND),
)
async def read_delivery(hub: Here, caller: Operator, delivery: DeliveryId) -> DeliveryDetail:
    """Show one delivery."""
    return await _show(hub, caller, delivery)


@router.get(
    "/preview",
    summary="Comparer avec la version courante",
    description="Ce que l'envoi dirait si la demande suivait la version courante de sa démarche ; rien n'est changé.",
    responses=FOUND,
)
async def preview_delivery(hub: Here, caller: Operator, delivery: DeliveryId) -> Preview:
    """Show what the current version would change."""
    found = await _find(hub, caller, delivery)
    seen = await _prospects(hub, delivery)
    current = hub.catalogue.kinds.get(found.request.kind)
    change = Change(None, None)
    stored = await hub.ledger.read(find, hub.ledger.book.vault, found.request.number) if current else None
    if current is not None and stored is not None:
        change = await preview(stored, current, found.row.step, found.row.item)
    why = why_not(Verb.RETRY_CURRENT, seen.standing)
    return Preview(
        key=key_of(delivery),
        legal=why is None,
        why=why,
        sentence=why.sentence if why else "",
        version=found.request.version,
        current=current.version if current else None,
        before=change.before,
        after=change.after,
        differences=[
            ElementChange(
                element=one.path,
                cause=one.cause,
                before=None if one.before is ABSENT else one.before,
                after=None if one.after is ABSENT else one.after,
            )
            for one in change.differences
        ],
    )


@router.post(
    "/verify",
    summary="Vérifier auprès du logiciel",
    description="Demande au logiciel s'il a reçu l'envoi ; rien n'est renvoyé, quoi qu'il réponde.",
    responses=FOUND,
)
async def verify(hub: Here, caller: Operator, delivery: DeliveryId) -> DeliveryDetail:
    """Ask the target whether it has a delivery."""
    return await _act(hub, caller, Verify(delivery, actor_of(caller)))


@router.post(
    "/retry",
    summary="Reprendre un envoi",
    description="Tel quel, ou avec les données corrigées. Un envoi peut-être reçu est d'abord vérifié, sauf si `sure` "
    "affirme que le logiciel ne l'a pas ; ses données ne sont pas corrigées avant. Avec `current`, la demande suit "
    "désormais la version courante de sa démarche.",
    responses=ACTED,
    openapi_extra=json_body(Again, sure=False),
)
async def retry(
    hub: Here, caller: Operator, delivery: DeliveryId, again: Annotated[Again, Depends(body_of(Again))]
) -> DeliveryDetail:
    """Try a delivery again, perhaps with corrected data, perhaps by the current version."""
    found = await _find(hub, caller, delivery)
    if again.data is not None:
        current = hub.catalogue.kinds.get(found.request.kind) if again.current else None
        check_correction(await find_request(hub, caller, found.request.number), again.data, current)
    return await _act(hub, caller, Retry(delivery, again.sure, again.data, actor_of(caller), again.current))


@router.post(
    "/reroute",
    summary="Réorienter un envoi",
    description="Vers un autre logiciel du même genre, où il reste ; le premier ne l'a sûrement pas reçu.",
    responses=ACTED,
    openapi_extra=json_body(Way, target="esii_mairie_annexe"),
)
async def reroute(
    hub: Here, caller: Operator, delivery: DeliveryId, way: Annotated[Way, Depends(body_of(Way))]
) -> DeliveryDetail:
    """Send a delivery to another target."""
    return await _act(hub, caller, Reroute(delivery, way.target, actor_of(caller)))


@router.post(
    "/reject",
    summary="Rejeter un envoi",
    description="Clôt l'envoi, que le logiciel n'a sûrement pas, et refuse la demande ; ce qui peut être repris l'est.",
    responses=ACTED,
    openapi_extra=json_body(Reason, reason="Dossier hors de la commune"),
)
async def reject(
    hub: Here, caller: Operator, delivery: DeliveryId, said: Annotated[Reason, Depends(body_of(Reason))]
) -> DeliveryDetail:
    """End a delivery, and refuse its request."""
    return await _act(hub, caller, Reject(delivery, said.reason, actor_of(caller)))


@router.post(
    "/finalize",
    summary="Finaliser un envoi à la main",
    description="Clôt l'envoi sous la référence que le logiciel lui a donnée ; le motif reste au journal. La référence "
    "est ensuite demandée au logiciel, s'il sait répondre. S'il ne la connaît pas, l'envoi revient en erreur "
    "(`finalization_denied`) ; une affaire faite hors de lui se clôt en redisant la même référence, ou par quelqu'un "
    "d'autre : elle n'est plus demandée (`unconfirmable`, code `said_again`). Un paiement n'est que proposé : "
    "quelqu'un d'autre approuve.",
    responses=ACTED,
    openapi_extra=json_body(Closing, reason="Saisi au guichet de l'état civil", reference="EC20260417"),
)
async def finalize(
    hub: Here, caller: Operator, delivery: DeliveryId, closing: Annotated[Closing, Depends(body_of(Closing))]
) -> DeliveryDetail:
    """Close a delivery by hand."""
    said = closing.model_dump()
    return await _act(hub, caller, Finalize(delivery, **said, actor=actor_of(caller)))


@router.post(
    "/second",
    summary="Approuver une finalisation",
    description="Clôt l'envoi qu'une autre personne a proposé de finaliser.",
    responses=FOUND,
)
async def second(hub: Here, caller: Operator, delivery: DeliveryId) -> DeliveryDetail:
    """Agree to what another person proposed to close."""
    return await _act(hub, caller, Second(delivery, actor_of(caller)))


@router.post(
    "/reopen",
    summary="Rouvrir un envoi",
    description="Reprend l'envoi finalisé dont la référence n'est pas confirmée, ou retire la finalisation proposée.",
    responses=ACTED,
    openapi_extra=json_body(Reason, reason="La référence est celle d'un autre dossier"),
)
async def reopen(
    hub: Here, caller: Operator, delivery: DeliveryId, said: Annotated[Reason, Depends(body_of(Reason))]
) -> DeliveryDetail:
    """Take up again what was closed by hand."""
    return await _act(hub, caller, Reopen(delivery, said.reason, actor_of(caller)))


async def _find(hub: Hub, caller: Principal, delivery: int) -> Dossier:
    found = await hub.ledger.read(dossier, hub.ledger.book, delivery)
    if found is None:
        raise Problem(ProblemType.NOT_FOUND)
    admit(caller, found.request)
    return found


async def _prospects(hub: Hub, delivery: int) -> Prospects:
    seen = await hub.ledger.read(_look, hub.ledger.book, delivery)
    if seen is None:
        raise Problem(ProblemType.NOT_FOUND)
    return seen


def _look(connection: Connection, book: Book, delivery: int) -> Prospects | None:
    return prospects(book, connection, delivery)


async def _show(hub: Hub, caller: Principal, delivery: int) -> DeliveryDetail:
    found = await _find(hub, caller, delivery)
    hint = _hint(hub, found.row.target, found.row.code)
    return DeliveryDetail.of_dossier(found, await _prospects(hub, delivery), hint, actor_of(caller))


async def _act(
    hub: Hub, caller: Principal, wanted: Retry | Verify | Reject | Reroute | Finalize | Second | Reopen
) -> DeliveryDetail:
    found = await _find(hub, caller, wanted.delivery)
    instead = [wanted.target] if isinstance(wanted, Reroute) else []
    await perform(hub, wanted, found.row.target, *instead)
    return await _show(hub, caller, found.row.id)


DENIED: Final = (
    "Le logiciel ne connaît pas la référence donnée : finalisez sous la bonne, ou reprenez l'envoi. Si l'affaire a été "
    "faite hors de lui, redites la même référence, ou faites finaliser par quelqu'un d'autre : le hub s'en contente."
)
"""What to do about a finalization that the target denies."""


def _hint(hub: Hub, target: str, code: str) -> str:
    """Give what is advised about a code: by the hub, about its own, or else by the connector's errors table."""
    if code == FINALIZATION_DENIED:
        return DENIED
    live = hub.targets.get(target)
    rows = hub.catalogue.errors[live.connector_name].error if live else ()
    return next((row.hint for row in rows if row.code == code), "")
