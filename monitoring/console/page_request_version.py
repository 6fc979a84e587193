"""« Relancer avec la version courante »: what it would change in the message, shown before it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from hub.app import Hub
from hub.catalogue import Definition
from hub.errors import ConfigurationError, MappingError
from hub.problems import Problem, ProblemType
from hub.rehearsal import hold, rehearse
from hub.trials import stored
from hub.trials.explanation import explain
from hub.trials.mask import masked
from hub.verbs import Why
from monitoring.console.door import Here, Reader
from monitoring.console.page_request import Wanted
from monitoring.console.page_request_verbs import Ordinal, action_of
from monitoring.console.pages import render
from monitoring.console.request_address import PREFIX, Asked
from monitoring.console.request_box import box_of
from monitoring.console.request_view import PLAIN, find
from monitoring.console.texts import marked

router = APIRouter(prefix=PREFIX)

SLUG: Final = "version-courante"

CAUSES: Final[Mapping[str, str]] = {
    "fails now": marked("can no longer be written"),
    "works now": marked("can be written now"),
    "added": marked("added"),
    "removed": marked("removed"),
    "fewer items": marked("fewer items"),
    "more items": marked("more items"),
    "other order": marked("another order"),
    "other type": marked("another type"),
    "emptied": marked("emptied"),
    "filled": marked("filled"),
    "spaces": marked("other spaces"),
    "case": marked("other capitals"),
    "accents": marked("other accents"),
    "spelling": marked("another spelling"),
    "format": marked("another format"),
    "shortened": marked("shortened"),
    "lengthened": marked("lengthened"),
    "other value": marked("another value"),
}
"""How an element changes, in words."""


@router.get("/envois/{ordinal:digits}/version-courante")
async def preview(request: Request, hub: Here, person: Reader, asked: Wanted, ordinal: Ordinal) -> Response:
    """Show how the message of a delivery changes under the current version of its kind; values stay masked."""
    action = action_of(SLUG, person)
    here = Asked(number=asked.number, envoi=ordinal, lecture=asked.lecture, dans=asked.dans)
    sight = await find(hub, person, here)
    delivery, pinned = sight.dossier.delivery(ordinal), sight.dossier.definition
    if delivery is None or pinned is None:
        raise Problem(ProblemType.NOT_FOUND)
    box = box_of(hub, sight.dossier, delivery, person)
    offer = next(one for one in box.offers if one.action.verb is action.verb)
    current = hub.catalogue.kinds.get(sight.dossier.request.kind)
    why = offer.why or (_unfit(current, sight.dossier.body) if current else Why.KIND_GONE)
    differences = [] if current is None else await _differences(hub, asked.number, current, delivery)
    return render(
        request,
        person,
        "request_version.html.j2",
        asked=here,
        box=box,
        offer=offer,
        told=PLAIN,
        why=why,
        title=pinned.route.title,
        pinned=pinned.version,
        current=current.version if current else "",
        differences=differences,
        causes=CAUSES,
    )


def _unfit(current: Definition, body: str) -> Why | None:
    """Say why a request's data are not for the current version, if they are not."""
    document = orjson.loads(body)
    try:
        hold(current, document["data"], document.get("attachments", []))
        rehearse(current.route, document)
    except Problem:
        return Why.DATA_UNFIT
    except MappingError:
        return Why.ROUTE_UNFIT
    return None


async def _differences(hub: Hub, number: int, current: Definition, delivery: Any) -> Sequence[Mapping[str, Any]]:
    """List what changes in the message of one delivery, masked."""
    try:
        found = await hub.ledger.read(stored.find, hub.ledger.book.vault, number)
    except ConfigurationError:
        return []
    if found is None:
        return []
    told = await explain(found, current, masked)
    mine = (one for one in told["differences"] if (one["step"], one["item"]) == (delivery.step, delivery.item))
    return [one for one in mine if "refused" not in one]
