"""« À traiter », the first page: the balance, the targets, what needs somebody by cause, and batches under way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hub.access import Principal
from hub.accounts import Right
from hub.acts import Note
from hub.api_door import perform
from hub.app import Hub
from hub.batch import UNDER_WAY, Looked, Progress
from hub.batch_door import Operator, list_batches
from hub.calendar import PARIS
from hub.criteria import Criteria, Standing, Trouble, numbers_of
from hub.listing import Count
from hub.problems import Problem, ProblemType
from hub.tables_operations import BatchState, RowOutcome
from hub.targets import Switch
from hub.views import visible
from hub.worklist import Cause, causes, figures, note_of
from monitoring.console.door import Here, Person, Proved, Reader, form_of, may
from monitoring.console.home_targets import Seen, see_targets, strips
from monitoring.console.list_words import STANDINGS, Advice, advice, operation_of
from monitoring.console.pages import render
from monitoring.console.texts import marked

router = APIRouter()

LIST: Final = "/console/demandes"
WEEK: Final = 7
MOST_SHOWN: Final = 25
"""Causes on the page; there are never so many but when everything fails."""

PERIODS: Final[Mapping[str, tuple[int | None, str]]] = {
    "today": (0, marked("Today")),
    "week": (WEEK - 1, marked("7 days")),
    "all": (None, marked("Since the beginning")),
}
"""Each period: how many days before today it begins, and its name."""

SAID: Final[Mapping[str, str]] = {
    "note": marked("The note is kept."),
    "pause": marked("Nothing more is sent to this target."),
    "reprise": marked("What waited for this target is sent again."),
}
"""What the page says of what was just done."""

ENDED: Final = frozenset({RowOutcome.OK, RowOutcome.FAILED, RowOutcome.SKIPPED})
Target = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class Which(BaseModel):
    """Which cause."""

    target: str = Field(min_length=1, max_length=40)
    code: str = Field(default="", max_length=60)
    stage: str = Field(default="", max_length=120)


class Remark(Which):
    """Who sees to a cause, and what they note about it; both empty forget it."""

    owner: str = Field(default="", max_length=80)
    note: str = Field(default="", max_length=2000)


class Reason(BaseModel):
    """Why a target is paused."""

    reason: str = Field(min_length=1, max_length=255)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the balance: a period, how many came in, and where they stand; each with the address of its list."""

    name: str
    received: Count
    standing: Mapping[Standing, Count]
    query: Mapping[Standing | None, str]


@dataclass(frozen=True, slots=True)
class Line:
    """One cause as the page shows it."""

    cause: Cause
    advice: Advice
    operations: Sequence[str]
    kinds: Sequence[str]
    query: str
    note: str
    is_pressing: bool


@dataclass(frozen=True, slots=True)
class Board:
    """What the page reads of the ledger, in one snapshot."""

    figures: Mapping[str, Mapping[Standing, Count]]
    causes: Sequence[Cause]
    seen: Seen


@router.get("/")
async def show_home(request: Request, hub: Here, person: Reader, dit: str = "") -> Response:
    """Show what is to be handled."""
    now = hub.ledger.book.now()
    today = datetime.fromtimestamp(now / 1000, PARIS).date()
    board = await hub.ledger.read(read_board, person.principal, now, today)
    who = Operator(person.principal, person.actor)
    running = [await list_batches(hub, who, Looked(state=state, limit=10)) for state in UNDER_WAY_OR_PAUSED]
    return render(
        request,
        person,
        "home.html.j2",
        said=SAID.get(dit, ""),
        balance=[_row(name, found, today) for name, found in board.figures.items() if found],
        standings=STANDINGS,
        strips=list(strips(hub, board.seen, now)),
        lines=[_line(hub, person, cause, now) for cause in board.causes[:MOST_SHOWN]],
        others=max(0, len(board.causes) - MOST_SHOWN),
        total=sum(cause.deliveries for cause in board.causes),
        batches=[_progress(one) for found in running for one in found],
        kinds={kind: one.route.title for kind, one in hub.catalogue.kinds.items()},
        today=today,
    )


@router.get("/causes")
async def show_note(
    request: Request, hub: Here, person: Annotated[Person, may(Right.RETRY)], cause: Annotated[Which, Query()]
) -> Response:
    """Show the form of a cause's owner and note."""
    await _require_seen(hub, person, cause)
    noted = await hub.ledger.read(note_of, (cause.target, cause.code, cause.stage))
    return render(request, person, "home_note.html.j2", cause=cause, noted=noted)


@router.post("/causes")
async def note_cause(
    hub: Here, person: Annotated[Person, may(Right.RETRY)], said: Annotated[Remark, form_of(Remark)]
) -> Response:
    """Write down who sees to a cause, and what they note."""
    await _require_seen(hub, person, said)
    cause = (said.target, said.code, said.stage)
    await perform(hub, Note(*cause, owner=said.owner.strip(), note=said.note.strip(), actor=person.actor))
    return RedirectResponse("/console/?dit=note", 303)


@router.post("/logiciels/{name}/pause")
async def pause(
    hub: Here, name: Target, person: Annotated[Person, may(Right.CONFIGURE)], said: Annotated[Reason, form_of(Reason)]
) -> Response:
    """Stop sending to a target."""
    await _switch(hub, Switch(name, paused=True, reason=said.reason, actor=person.actor))
    return RedirectResponse("/console/?dit=pause", 303)


@router.post("/logiciels/{name}/reprise")
async def resume(hub: Here, name: Target, person: Annotated[Person, may(Right.CONFIGURE)], _proved: Proved) -> Response:
    """Send to a target again."""
    await _switch(hub, Switch(name, paused=False, actor=person.actor))
    hub.wake({name: ()})
    return RedirectResponse("/console/?dit=reprise", 303)


UNDER_WAY_OR_PAUSED: Final = (*UNDER_WAY, BatchState.PAUSED)


def read_board(connection: Connection, caller: Principal, now: int, today: date) -> Board:
    """Read everything that the page says of requests and targets."""
    counted = {
        name: figures(connection, caller, numbers_of(connection, _since(days, today)))
        for name, (days, _said) in PERIODS.items()
    }
    return Board(counted, causes(connection, caller, now), see_targets(connection, now))


def _since(days: int | None, today: date, **said: Any) -> Criteria:
    since = None if days is None else today - timedelta(days=days)
    return Criteria.model_validate({**({"from": since} if since else {}), **said})


def _row(name: str, found: Mapping[Standing, Count], today: date) -> Row:
    days, title = PERIODS[name]
    received = Count(sum(one.found for one in found.values()), any(one.more for one in found.values()))
    query: dict[Standing | None, str] = {None: _since(days, today).query()}
    query |= {standing: _since(days, today, status=standing).query() for standing in found}
    return Row(title, received, found, query)


def _line(hub: Hub, person: Person, cause: Cause, now: int) -> Line:
    said = {"target": cause.target, "code": cause.code, "cause_stage": cause.stage}
    criteria = Criteria.model_validate({"state": [Trouble.PARKED, Trouble.UNCERTAIN, Trouble.ASKING], **said})
    operations = sorted({operation_of(hub, cause.target, mapping) for mapping in cause.mappings})
    catalogue = hub.catalogue.kinds
    warn = [clock.warn for kind in cause.kinds if kind in catalogue and (clock := catalogue[kind].route.clock)]
    at_risk = max(warn, default=timedelta(days=WEEK)).total_seconds() * 1000
    return Line(
        cause,
        advice(hub, person.texts, cause),
        operations,
        sorted(catalogue[kind].route.title if kind in catalogue else kind for kind in cause.kinds),
        criteria.query(),
        urlencode({"target": cause.target, "code": cause.code, "stage": cause.stage}),
        cause.due_at is not None and cause.due_at - now < at_risk,
    )


def _progress(one: Progress) -> dict[str, Any]:
    done = sum(one.outcomes[outcome] for outcome in ENDED)
    return {"row": one.row, "done": done, "outcomes": one.outcomes}


async def _require_seen(hub: Hub, person: Person, which: Which) -> None:
    """Let pass who sees everything, or something that stands for this cause; raises Problem 404."""
    if visible(person.principal):
        found = await hub.ledger.read(causes, person.principal, hub.ledger.book.now())
        if (which.target, which.code, which.stage) not in {cause.key for cause in found}:
            raise Problem(ProblemType.NOT_FOUND)


async def _switch(hub: Hub, wanted: Switch) -> None:
    if not await hub.ledger.switch(wanted):
        raise Problem(ProblemType.NOT_FOUND)
