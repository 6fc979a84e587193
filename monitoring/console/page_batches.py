"""« Lots »: many changed at once, from what was ticked in the list to what became of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy import Connection, select
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hub.app import Hub
from hub.batch import MOST, UNDER_WAY, Change, Looked, Progress, RowsLooked, Verb
from hub.batch_door import EVERY_ROW, Operator, list_batches, make_plan, read_batch, read_rows, start_batch, steer_batch
from hub.batch_run import Wish
from hub.batch_selection import Wanted
from hub.book import Book
from hub.criteria import Criteria
from hub.listing import Subjects, count, subjects
from hub.model import Frozen
from hub.problems import Problem, ProblemType
from hub.representations_batches import BatchLine, as_csv
from hub.routing import Await
from hub.settlement import ROOM
from hub.tables import REQUESTS
from hub.tables_operations import BatchState, Outlook, RowOutcome
from hub.views import visible
from monitoring.console.batch_labels import ACTIONS, OUTCOMES, OUTLOOKS, STATES, told
from monitoring.console.door import FormError, Here, Person, Proved, Reader, form_of
from monitoring.console.pages import render
from monitoring.console.texts import marked

router = APIRouter()

PAGE: Final = "/console/lots"
ROWS: Final = 50

SAID: Final[Mapping[str, str]] = {
    "plan": marked("Nothing is changed yet: this is what would be done."),
    "lancer": marked("The batch is started: three rows first, then the others if they arrive."),
    "pause": marked("The batch is paused: what was begun goes to its end."),
    "reprise": marked("The batch goes on."),
    "arret": marked("The batch is stopped: what was not begun is left as it is."),
}
"""What the page says of what was just done."""

WISHES: Final[Mapping[str, Wish]] = {"pause": Wish.PAUSE, "reprise": Wish.CONTINUE, "arret": Wish.STOP}

BatchId = Annotated[int, Path(ge=1, le=2**53)]


class Shown(Frozen):
    """Which rows of a batch are shown, from where, and what was just done."""

    issue: RowOutcome | None = None
    prevision: Outlook | None = None
    apres: Annotated[int, Field(ge=-1, le=MOST)] = -1
    dit: Annotated[str, Field(max_length=20)] = ""


class Chosen(BaseModel):
    """What was ticked, or everything that the list finds, whatever it asks for; and what is to be done."""

    subject: list[Annotated[int, Field(ge=0, le=999_999_999_999)]] = Field(default=[], max_length=2 * MOST)
    query: str = Field(default="", max_length=4000)
    everything: bool = False
    verb: Verb | None = None
    owner: str = Field(default="", max_length=80)
    accept: bool = False
    reason: str = Field(default="", max_length=120)

    @property
    def change(self) -> Change | None:
        """The change, once a verb is chosen."""
        return Change(self.verb, self.owner.strip(), self.accept, self.reason.strip()) if self.verb else None


class Why(BaseModel):
    """Why a plan is carried out."""

    reason: str = Field(min_length=1, max_length=255, pattern=r"\S")


@router.get("/lots")
async def show_batches(
    request: Request,
    hub: Here,
    person: Reader,
    etat: BatchState | None = None,
    apres: Annotated[int | None, Query(ge=1, le=2**53)] = None,
) -> Response:
    """List batches, the newest first."""
    found = await list_batches(hub, _who(person), Looked(state=etat, after=apres, limit=ROWS))
    shown = found[:ROWS]
    more = request.url.include_query_params(apres=shown[-1].row.id).query if len(found) > ROWS else ""
    return _render(request, person, "batches.html.j2", batches=shown, more=more, state=etat)


@router.post("/lots/plan")
async def choose(request: Request, hub: Here, person: Reader, form: Proved) -> Response:
    """Ask what is to be done to what was chosen; or plan it, once that is known."""
    chosen = _chosen(form)
    if not chosen.subject and not chosen.everything:
        return await _ask(request, hub, person, chosen, (422, marked("Tick some rows first.")))
    change = chosen.change
    if change is None:
        return await _ask(request, hub, person, chosen)
    person.require(ACTIONS[change.verb].right)
    if change.verb is Verb.REJECT and not change.reason:
        return await _ask(request, hub, person, chosen, (422, marked("Say why they are rejected.")))
    try:
        plan = await make_plan(hub, _who(person), await _wanted(hub, person, chosen, change))
    except Problem as problem:
        if problem.kind is not ProblemType.CONFLICT:
            raise
        return await _ask(request, hub, person, chosen, (409, problem.detail))
    return RedirectResponse(f"{PAGE}/{plan.row.id}?dit=plan", 303)


@router.get("/lots/{batch}")
async def show_batch(
    request: Request, hub: Here, person: Reader, batch: BatchId, shown: Annotated[Shown, Query()]
) -> Response:
    """Show one batch: its plan, how far it is, and its rows."""
    return await _show(request, hub, person, batch, shown)


@router.get("/lots/{batch}/suivi")
async def follow(request: Request, hub: Here, person: Reader, batch: BatchId) -> Response:
    """Give how far a batch is, to be put in its page."""
    progress = await read_batch(hub, _who(person), batch)
    return _render(request, person, "batch_progress.html.j2", **_standing(progress))


@router.get("/lots/{batch}/commandes")
async def controls(request: Request, hub: Here, person: Reader, batch: BatchId, etat: str = "") -> Response:
    """Give what may be done to a batch, if that is no longer what its page shows: who has the focus there keeps it."""
    progress = await read_batch(hub, _who(person), batch)
    if progress.row.state == etat:
        return Response(status_code=204)
    return _render(request, person, "batch_controls.html.j2", **_standing(progress), may=_may(person, progress))


@router.get("/lots/{batch}/lignes.csv")
async def download(hub: Here, person: Reader, batch: BatchId) -> Response:
    """Give what became of each row, as CSV."""
    progress, rows = await read_rows(hub, _who(person), batch, RowsLooked(limit=EVERY_ROW))
    of_deliveries = Change.of(progress.row).is_of_deliveries
    written = as_csv(BatchLine.of(row, of_deliveries=of_deliveries) for row in rows)
    named = {"Content-Disposition": f'attachment; filename="lot-{batch}.csv"'}
    return Response(written, media_type="text/csv; charset=utf-8", headers=named)


@router.post("/lots/{batch}/lancer")
async def launch(
    request: Request, hub: Here, person: Reader, batch: BatchId, why: Annotated[Why, form_of(Why)]
) -> Response:
    """Carry a plan out, unless it no longer holds: then the page says so."""
    await _allow(hub, person, batch)
    try:
        await start_batch(hub, _who(person), batch, why.reason.strip())
    except Problem as problem:
        return await _refused(request, hub, person, batch, problem)
    return RedirectResponse(f"{PAGE}/{batch}?dit=lancer", 303)


@router.post("/lots/{batch}/{wish}")
async def steer(  # a path of two parts, a form
    request: Request, *, hub: Here, person: Reader, batch: BatchId, wish: str, _proved: Proved
) -> Response:
    """Pause, continue or stop a batch."""
    if wish not in WISHES:
        raise Problem(ProblemType.NOT_FOUND)
    await _allow(hub, person, batch)
    try:
        await steer_batch(hub, _who(person), batch, WISHES[wish])
    except Problem as problem:
        return await _refused(request, hub, person, batch, problem)
    return RedirectResponse(f"{PAGE}/{batch}?dit={wish}", 303)


async def _allow(hub: Hub, person: Person, batch: int) -> None:
    """Let pass who has the right that the batch's verb takes; raises Problem or ForbiddenError."""
    found = await read_batch(hub, _who(person), batch)
    person.require(ACTIONS[Change.of(found.row).verb].right)


async def _refused(request: Request, hub: Hub, person: Person, batch: int, problem: Problem) -> Response:
    """Show the batch, and why what was asked of it could not be done."""
    if problem.kind is not ProblemType.CONFLICT:
        raise problem
    return await _show(request, hub, person, batch, Shown(), problem.detail)


async def _show(  # noqa: PLR0913, PLR0917  # what the page says beside the batch
    request: Request, hub: Hub, person: Person, batch: int, shown: Shown, wrong: str = ""
) -> Response:
    looked = RowsLooked(shown.issue, shown.prevision, shown.apres, ROWS)
    progress, found = await read_rows(hub, _who(person), batch, looked)
    rows = found[:ROWS]
    address = request.url.remove_query_params("dit")
    return _render(
        request,
        person,
        "batch.html.j2",
        status=409 if wrong else 200,
        **_standing(progress),
        figures=progress.row.figures,
        rows=rows,
        shown=shown,
        more=address.include_query_params(apres=rows[-1].position).query if len(found) > ROWS else "",
        may=_may(person, progress),
        said=SAID.get(shown.dit, ""),
        wrong=wrong,
    )


async def _ask(
    request: Request, hub: Hub, person: Person, chosen: Chosen, wrong: tuple[int, str] = (200, "")
) -> Response:
    """Ask what is to be done; where that was asked in vain, say why."""
    status, said = wrong
    meant = await hub.ledger.read(_meant, person, chosen)
    reasons = await hub.ledger.read(_reasons, hub.ledger.book, person, [one // ROOM for one in meant])
    return _render(
        request, person, "batch_choice.html.j2", status=status, chosen=chosen, reasons=reasons, wrong=said, most=MOST
    )


def _render(request: Request, person: Person, template: str, *, status: int = 200, **values: Any) -> Response:
    words: dict[str, Any] = {"actions": ACTIONS, "states": STATES, "outcomes": OUTCOMES, "outlooks": OUTLOOKS}
    return render(
        request, person, template, status=status, told=lambda note: told(note, person.language), **words, **values
    )


def _standing(progress: Progress) -> dict[str, Any]:
    """Say of a batch what every part of its page says."""
    row, outcomes = progress.row, progress.outcomes
    ended = sum(outcomes[one] for one in (RowOutcome.OK, RowOutcome.FAILED, RowOutcome.SKIPPED))
    return {
        "batch": row,
        "change": Change.of(row),
        "counts": outcomes,
        "ended": ended,
        "tenths": 10 * (10 * ended // row.total) if row.total else 100,
        "moves": row.state in UNDER_WAY or bool(outcomes[RowOutcome.STARTED]),
    }


def _may(person: Person, progress: Progress) -> bool:
    return person.may(ACTIONS[Change.of(progress.row).verb].right)


def _who(person: Person) -> Operator:
    return Operator(person.principal, person.actor)


def _chosen(form: FormData) -> Chosen:
    """Read what was chosen; raises FormError."""
    said: dict[str, Any] = {name: value for name, value in form.items() if name != "csrf" and value != ""}
    said |= {"subject": form.getlist("subject"), "everything": "query" in form}
    try:
        return Chosen.model_validate(said)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        raise FormError({".".join(map(str, one["loc"])): one["type"] for one in found}) from None


async def _wanted(hub: Hub, person: Person, chosen: Chosen, change: Change) -> Wanted:
    """Give the subjects that were ticked, or all that the list's address finds, with how many more there are."""
    if chosen.subject and not chosen.everything:
        return Wanted(change, tuple(chosen.subject))
    criteria = _criteria(chosen)
    found, counted = await hub.ledger.read(_find, person, criteria)
    left, more = (0, False) if found.is_all else (max(0, counted.found - len(found.found)), counted.more)
    return Wanted(change, tuple(found.found), searched=criteria.query("x", "key"), left=left, more=more)


def _criteria(chosen: Chosen) -> Criteria:
    try:
        return Criteria.of_query(chosen.query)
    except ValidationError:
        raise Problem(ProblemType.NOT_FOUND) from None


def _find(connection: Connection, person: Person, criteria: Criteria) -> tuple[Subjects, Any]:
    return subjects(connection, person.principal, criteria, MOST), count(connection, person.principal, criteria)


def _meant(connection: Connection, person: Person, chosen: Chosen) -> Sequence[int]:
    """Give the subjects that were ticked, or what all that the list finds amounts to."""
    if not chosen.everything:
        return chosen.subject
    return subjects(connection, person.principal, _criteria(chosen), MOST).found


def _reasons(connection: Connection, book: Book, person: Person, numbers: Sequence[int]) -> list[str]:
    """List the reasons by which the steps that these requests await may be refused, of those this person may see."""
    columns = REQUESTS.c
    awaited = select(columns.version, columns.awaiting).where(
        columns.number.in_(numbers[:MOST]), columns.awaiting != "", *visible(person.principal)
    )
    steps = [
        book.known(row.version).route.named.get(row.awaiting)
        for row in connection.execute(awaited.distinct())
        if book.can_read(connection, row.version)
    ]
    return sorted({reason for step in steps if isinstance(step, Await) for reason in step.reasons})
