"""The routes about kinds: which requests may be submitted, what their data hold, which way they go."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Path
from starlette.responses import Response

from hub.access import Principal
from hub.api_door import Here, Reader
from hub.api_schema import refusals
from hub.app import Hub
from hub.catalogue import Definition
from hub.problems import Problem, ProblemType
from hub.representations import KindDetail, KindSummary

router = APIRouter(prefix="/v1/kinds", tags=["Types de démarche"])

Kind = Annotated[str, Path(examples=["etat_civil.naissance"])]


@router.get(
    "",
    summary="Lister les types de démarche",
    description="Ceux que la clé d'accès couvre.",
    responses=refusals(),
)
async def list_kinds(hub: Here, caller: Reader) -> list[KindSummary]:
    """List the kinds that the caller's key covers."""
    return [KindSummary.of(kind) for kind in hub.catalogue.kinds.values() if _covers(caller, kind)]


@router.get(
    "/{kind}",
    summary="Lire un type de démarche",
    description="Son schéma, ses étapes et ce que l'usager lit à chacune, champs entre crochets compris.",
    responses=refusals(ProblemType.NOT_FOUND),
)
async def read_kind(hub: Here, caller: Reader, kind: Kind) -> KindDetail:
    """Show a kind."""
    failing = {target.name: target.stage for target in hub.targets.values()}
    return KindDetail.of_kind(hub.catalogue, _find(hub, caller, kind), failing)


@router.get(
    "/{kind}/schema",
    summary="Lire le schéma d'un type de démarche",
    description="Le JSON Schema 2020-12 du champ `data`.",
    responses={200: {"content": {"application/schema+json": {}}}, **refusals(ProblemType.NOT_FOUND)},
    response_class=Response,
)
async def read_schema(hub: Here, caller: Reader, kind: Kind) -> Response:
    """Give the JSON Schema of a kind's data."""
    schema = _find(hub, caller, kind).schema
    return Response(orjson.dumps(schema), media_type="application/schema+json")


def _find(hub: Hub, caller: Principal, kind: str) -> Definition:
    definition = hub.catalogue.kinds.get(kind)
    if definition is None:
        raise Problem(ProblemType.NOT_FOUND, hub.ledger.book.retired.get(kind, ""))
    if not _covers(caller, definition):
        raise Problem(ProblemType.NOT_FOUND)
    return definition


def _covers(caller: Principal, definition: Definition) -> bool:
    return not caller.kinds or definition.kind in caller.kinds
