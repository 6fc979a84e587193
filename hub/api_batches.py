"""The routes of changes of many at once: plan, start, pause, continue, stop, and what became of each row."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field, StringConstraints, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from hub.access import Principal, blind
from hub.api_door import NUMBER, Here, Operator, Said, actor_of, body_of
from hub.api_schema import STRICT_BODY, json_body, refusals
from hub.app import Hub
from hub.batch import OF_DELIVERIES, Change, Looked, RowsLooked, Verb
from hub.batch_door import (
    EVERY_ROW,
    list_batches,
    make_plan,
    read_batch,
    read_rows,
    start_batch,
    steer_batch,
)
from hub.batch_door import Operator as Who
from hub.batch_run import Wish
from hub.batch_selection import Wanted
from hub.model import Frozen
from hub.problems import Problem, ProblemType
from hub.representations_batches import (
    BatchDetail,
    BatchLine,
    BatchPage,
    BatchRows,
    BatchSummary,
    as_csv,
)
from hub.settlement import ROOM, delivery_of
from hub.tables_operations import BatchState, Outlook, RowOutcome
from hub.views import Search, Trouble
from hub.words import FieldError, Form, explain_model

MOST_NAMED: Final = 20_000
Named = Annotated[list[str], Field(max_length=MOST_NAMED)]
Short = Annotated[str, StringConstraints(strip_whitespace=True, max_length=255)]


class Planning(Frozen):
    """A change to be planned: the verb, and either the subjects named or a filter."""

    verb: Literal["retry", "retry_current", "verify", "reject", "assign", "decide", "cancel"] = Field(title="Action")
    deliveries: Named = Field(default=[], title="Envois", description="Leurs clés, pour les actions sur des envois.")
    requests: Named = Field(default=[], title="Demandes", description="Leurs numéros, pour les autres actions.")
    filter: dict[str, Any] | None = Field(
        default=None,
        title="Filtre",
        description="Les critères de `GET /v1/operations/deliveries`, ou de `GET /v1/requests`.",
    )
    owner: Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)] = Field(
        default="", title="Personne chargée des demandes"
    )
    accept: bool = Field(default=False, title="Accord")
    reason: Short = Field(default="", title="Motif", description="Celui de chaque refus ou de chaque rejet.")


class Launch(Frozen):
    """Why a plan is carried out."""

    reason: Said = Field(title="Motif")


class Listed(Frozen):
    """Which batches are listed."""

    state: BatchState | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    after: Annotated[str, Field(pattern=r"^[0-9a-f]{1,14}$")] | None = None


class RowsListed(Frozen):
    """Which rows of a batch are listed."""

    outcome: RowOutcome | None = None
    outlook: Outlook | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    after: Annotated[str, Field(pattern=r"^[0-9a-f]{1,8}$")] | None = None


router = APIRouter(prefix="/v1/operations/batches", tags=["Changements par lot"])
BatchId = Annotated[int, Path(ge=1, le=2**53, description="Le numéro du lot.")]


@router.post(
    "",
    status_code=201,
    summary="Préparer un lot",
    description="Rien n'est changé : le plan dit ce qui serait fait, à quelles lignes, en combien de temps, et "
    "pourquoi certaines sont impossibles. Les lignes sont figées ; le plan vaut quinze minutes.",
    responses=refusals(*STRICT_BODY, ProblemType.CONFLICT),
    openapi_extra=json_body(Planning, verb="retry", filter={"target": "technocarte", "code": "full"}),
)
async def prepare(
    hub: Here, caller: Operator, planning: Annotated[Planning, Depends(body_of(Planning, 1_000_000))]
) -> BatchDetail:
    """Plan a change of many."""
    return BatchDetail.of(await make_plan(hub, _who(caller), _wanted(hub, planning)))


@router.get(
    "",
    summary="Lister les lots",
    description="Les plus récents d'abord.",
    responses=refusals(ProblemType.INVALID),
)
async def list_all(request: Request, hub: Here, caller: Operator, listed: Annotated[Listed, Query()]) -> BatchPage:
    """List batches."""
    after = int(listed.after, 16) if listed.after else None
    found = await list_batches(hub, _who(caller), Looked(state=listed.state, after=after, limit=listed.limit))
    shown = found[: listed.limit]
    more = _after(request, shown[-1].row.id) if len(found) > len(shown) else None
    return BatchPage(batches=[BatchSummary.of(one) for one in shown], next=more)


@router.get(
    "/{batch}",
    summary="Suivre un lot",
    description="Ce que prévoyait son plan, et ce qu'il en est : la somme des issues est toujours le total.",
    responses=refusals(ProblemType.NOT_FOUND),
)
async def follow(hub: Here, caller: Operator, batch: BatchId) -> BatchDetail:
    """Show one batch."""
    return BatchDetail.of(await read_batch(hub, _who(caller), batch))


@router.get(
    "/{batch}/rows",
    summary="Lister les lignes d'un lot",
    description="Dans l'ordre de réception des demandes ; par issue ou par prévision.",
    responses=refusals(ProblemType.NOT_FOUND, ProblemType.INVALID),
)
async def list_rows(
    request: Request, hub: Here, caller: Operator, batch: BatchId, listed: Annotated[RowsListed, Query()]
) -> BatchRows:
    """List a batch's rows."""
    after = int(listed.after, 16) if listed.after else -1
    looked = RowsLooked(listed.outcome, listed.outlook, after, listed.limit)
    progress, found = await read_rows(hub, _who(caller), batch, looked)
    shown, of_deliveries = found[: listed.limit], Change.of(progress.row).is_of_deliveries
    more = _after(request, shown[-1].position) if len(found) > len(shown) else None
    return BatchRows(rows=[BatchLine.of(row, of_deliveries=of_deliveries) for row in shown], next=more)


@router.get(
    "/{batch}/rows.csv",
    summary="Télécharger les lignes d'un lot",
    description="En CSV : `request`, `delivery`, `outcome`, `detail`, `at`.",
    responses={**refusals(ProblemType.NOT_FOUND), 200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
async def download(hub: Here, caller: Operator, batch: BatchId) -> Response:
    """Give a batch's rows as CSV."""
    progress, found = await read_rows(hub, _who(caller), batch, RowsLooked(limit=EVERY_ROW))
    of_deliveries = Change.of(progress.row).is_of_deliveries
    written = as_csv(BatchLine.of(row, of_deliveries=of_deliveries) for row in found)
    named = {"Content-Disposition": f'attachment; filename="lot-{batch}.csv"'}
    return Response(written, media_type="text/csv; charset=utf-8", headers=named)


@router.post(
    "/{batch}/start",
    summary="Lancer un lot",
    description="Les trois premières lignes d'abord ; les autres suivent seules si elles arrivent. Lancer deux fois "
    "n'est lancer qu'une fois. Un plan dont des lignes ont changé, ou trop ancien, est refusé.",
    responses=refusals(*STRICT_BODY, ProblemType.NOT_FOUND, ProblemType.CONFLICT),
    openapi_extra=json_body(Launch, reason="Le logiciel est de nouveau disponible"),
)
async def launch(
    hub: Here, caller: Operator, batch: BatchId, said: Annotated[Launch, Depends(body_of(Launch))]
) -> BatchDetail:
    """Start a plan."""
    return BatchDetail.of(await start_batch(hub, _who(caller), batch, said.reason))


STEERED: Final = refusals(ProblemType.NOT_FOUND, ProblemType.CONFLICT)


@router.post(
    "/{batch}/pause",
    summary="Mettre un lot en pause",
    description="Aucune ligne n'est plus commencée ; celles qui le sont vont à leur terme.",
    responses=STEERED,
)
async def pause(hub: Here, caller: Operator, batch: BatchId) -> BatchDetail:
    """Pause a batch."""
    return BatchDetail.of(await steer_batch(hub, _who(caller), batch, Wish.PAUSE))


@router.post(
    "/{batch}/continue",
    summary="Reprendre un lot",
    description="Après une pause, ou après l'échec de l'une des trois premières lignes.",
    responses=STEERED,
)
async def go_on(hub: Here, caller: Operator, batch: BatchId) -> BatchDetail:
    """Continue a batch."""
    return BatchDetail.of(await steer_batch(hub, _who(caller), batch, Wish.CONTINUE))


@router.post(
    "/{batch}/stop",
    summary="Arrêter un lot",
    description="Ce qui n'est pas commencé ne le sera pas ; ce qui l'est va à son terme.",
    responses=STEERED,
)
async def stop(hub: Here, caller: Operator, batch: BatchId) -> BatchDetail:
    """Stop a batch."""
    return BatchDetail.of(await steer_batch(hub, _who(caller), batch, Wish.STOP))


def _who(caller: Principal) -> Who:
    return Who(caller, actor_of(caller))


def _after(request: Request, last: int) -> str:
    url = request.url.include_query_params(after=f"{last:x}")
    return f"{url.path}?{url.query}"


def _wanted(hub: Hub, planning: Planning) -> Wanted:
    """Read what is to be planned; raises Problem 422."""
    verb = Verb(planning.verb)
    change = Change(verb, planning.owner, planning.accept, planning.reason)
    named = "deliveries" if verb in OF_DELIVERIES else "requests"
    if getattr(planning, "requests" if named == "deliveries" else "deliveries"):
        raise _wrong("requests" if named == "deliveries" else "deliveries", f"cette action porte sur « {named} »")
    listed = getattr(planning, named)
    if bool(listed) == (planning.filter is not None):
        raise _wrong(named, "soit cette liste, soit un filtre")
    if verb is Verb.REJECT and not planning.reason:
        raise _wrong("reason", "ce champ est obligatoire")
    if planning.filter is not None:
        matching = _matching(Trouble if verb in OF_DELIVERIES else Search, planning.filter)
        asked = getattr(matching, "q", None)
        return Wanted(change, matching=matching, blinded=blind(hub.secret, asked) if asked else "")
    return Wanted(change, tuple(_subject(named, index, one) for index, one in enumerate(listed)))


def _matching(model: type[Trouble | Search], said: dict[str, Any]) -> Trouble | Search:
    try:
        return model.model_validate(said)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        form = Form(model.model_json_schema())
        raise Problem(ProblemType.INVALID, errors=explain_model(map(dict, found), form, ("filter",))) from None


def _subject(named: str, index: int, said: str) -> int:
    """Read a delivery's key or a request's number; raises Problem 422."""
    if named == "deliveries" and (delivery := delivery_of(said)) is not None:
        return delivery
    if named == "requests" and NUMBER.fullmatch(said):
        return int(said.replace(" ", "")) * ROOM
    raise _wrong(f"{named}/{index}", "une clé d'envoi, 100000042-1" if named == "deliveries" else "neuf chiffres")


def _wrong(field: str, message: str) -> Problem:
    title = Planning.model_fields[field.partition("/")[0]].title or field
    return Problem(ProblemType.INVALID, errors=[FieldError(f"/{field}", title, message)])
