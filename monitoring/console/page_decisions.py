"""« Décisions »: the single inbox of what awaits a person, and the page where one decides, papers beside the form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from sqlalchemy import Row
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hub.accounts import Right
from hub.acts import Decide
from hub.api_door import perform
from hub.app import Hub
from hub.looks import Look, look
from hub.pending import Pending, awaited, next_pending, pending
from hub.problems import Problem, ProblemType
from hub.routing import Await
from hub.views import Whole, whole
from monitoring.console.contents import asked_by, filled_in
from monitoring.console.door import Here, Person, form_of, may
from monitoring.console.pages import render
from monitoring.console.texts import marked

router = APIRouter()

PAGE: Final = "/console/decisions"
WHY: Final = "decision"

SAID: Final[Mapping[str, str]] = {
    "accepted": marked("The request is accepted; it goes on."),
    "refused": marked("The request is refused."),
    "gone": marked("That was the last request which awaited a decision here."),
}
"""What the page says of what was just done."""


class Asked(Pending):
    """Which requests are looked for, and what was just done."""

    dit: str = Field(default="", max_length=20)


Wanted = Annotated[Asked, Query()]
Number = Annotated[int, Path(ge=0, le=999_999_999)]
Decider = Annotated[Person, may(Right.DECIDE)]


class Choice(BaseModel):
    """What a person decides, and what they saw when they did: the step that was awaited, and since when."""

    accept: bool
    reason: str = Field(default="", max_length=120)
    step: str = Field(max_length=40)
    seen: int


@router.get("/decisions")
async def list_pending(request: Request, hub: Here, person: Decider, wanted: Wanted) -> Response:
    """List what awaits a decision, the first received first."""
    groups = await hub.ledger.read(awaited, person.principal)
    rows = await hub.ledger.read(pending, person.principal, wanted)
    shown = rows[: wanted.limit]
    more = _after(request, shown[-1].number) if len(rows) > len(shown) else None
    return render(
        request,
        person,
        "decisions.html.j2",
        groups=groups,
        total=sum(group.requests for group in groups),
        rows=shown,
        more=more,
        wanted=wanted,
        titles=titles(hub),
        query=urlencode(_said_of(wanted)),
        said=SAID.get(wanted.dit, ""),
    )


@router.get("/decisions/{number}")
async def show_pending(request: Request, *, hub: Here, person: Decider, number: Number, wanted: Wanted) -> Response:
    """Show one request that awaits a decision, with what was filled in and the papers, to who may see contents."""
    found = await find_whole(hub, person, number)
    return await _show(request, person, found, wanted, said=SAID.get(wanted.dit, ""))


@router.post("/decisions/{number}")
async def decide(  # noqa: PLR0913  # a path, a query, a form
    request: Request,
    *,
    hub: Here,
    person: Decider,
    number: Number,
    wanted: Wanted,
    choice: Annotated[Choice, form_of(Choice)],
) -> Response:
    """Decide, unless somebody else did meanwhile, and go on to the next one; says so in words otherwise."""
    found = await find_whole(hub, person, number)
    if (found.row.awaiting, found.row.updated_at) != (choice.step, choice.seen):
        return await _show(request, person, found, wanted, status=409, moved=True)
    step = found.definition.route.named.get(found.row.awaiting)
    reasons = step.reasons if isinstance(step, Await) else ()
    if not choice.accept and choice.reason not in reasons:
        wrong = marked("Say why you refuse: the citizen is told.")
        return await _show(request, person, found, wanted, status=422, wrong=wrong)
    reason = "" if choice.accept else choice.reason
    try:
        await perform(hub, Decide(number, choice.accept, reason, actor=person.actor, step=choice.step))
    except Problem as problem:
        if problem.kind is not ProblemType.CONFLICT:
            raise
        return await _show(request, person, await find_whole(hub, person, number), wanted, status=409, moved=True)
    following = await hub.ledger.read(next_pending, person.principal, wanted, number)
    done = "accepted" if choice.accept else "refused"
    where = URL(f"{PAGE}/{following}" if following else PAGE).include_query_params(
        **_said_of(wanted), dit=done if following else "gone"
    )
    return RedirectResponse(str(where), 303)


async def find_whole(hub: Hub, person: Person, number: int) -> Whole:
    """Find a request this person may see; raises Problem 404."""
    found = await hub.ledger.read(whole, hub.ledger.book, number)
    if found is None:
        raise Problem(ProblemType.NOT_FOUND)
    person.require_scope(found.row.kind, found.row.site)
    return found


def titles(hub: Hub) -> dict[str, str]:
    """Give each kind's title."""
    return {name: one.route.title for name, one in hub.catalogue.kinds.items()}


async def _show(  # noqa: PLR0913  # what the page says beside the request
    request: Request,
    person: Person,
    found: Whole,
    wanted: Asked,
    *,
    status: int = 200,
    said: str = "",
    wrong: str = "",
    moved: bool = False,
) -> Response:
    hub: Hub = request.app.state.hub
    row, body = found.row, orjson.loads(found.body)
    step = found.definition.route.named.get(row.awaiting)
    sees = person.may(Right.CONTENT) and bool(row.awaiting)
    if sees:
        await hub.ledger.write(look, Look(row.number, "data", person.actor, hub.ledger.book.now(), WHY))
    return render(
        request,
        person,
        "decision.html.j2",
        status=status,
        row=row,
        title=found.definition.route.title,
        stage=row.stage,
        reasons=step.reasons if isinstance(step, Await) else (),
        sees=sees,
        applicant=asked_by(body.get("applicant", {})) if sees else [],
        lines=filled_in(found.definition.schema, body.get("data", {})) if sees else [],
        papers=found.attachments,
        query=urlencode(_said_of(wanted)),
        back=_back(wanted),
        decided=_last(found.stages),
        said=said,
        wrong=wrong,
        moved=moved,
    )


def _last(stages: Sequence[Row[Any]]) -> Row[Any] | None:
    """Give the last thing that happened, for who comes second."""
    return stages[-1] if stages else None


def _said_of(wanted: Pending) -> dict[str, str]:
    return wanted.model_dump(exclude_none=True, exclude_defaults=True, include={"kind", "step", "site"})


def _back(wanted: Pending) -> str:
    return str(URL(PAGE).include_query_params(**_said_of(wanted)))


def _after(request: Request, last: int) -> str:
    url = request.url.remove_query_params("dit").include_query_params(after=f"{last:x}")
    return f"{url.path}?{url.query}"
