"""« Détail »: the page of one request, its contents once somebody said why, and who sees to it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hub.accounts import Right
from hub.acts import Assign
from hub.api_door import perform
from hub.looks import Look, look
from monitoring.console.door import ForbiddenError, Here, Person, Proved, Reader, may
from monitoring.console.request_address import PREFIX, Asked
from monitoring.console.request_timeline import Reading
from monitoring.console.request_view import Told, find, show
from monitoring.console.texts import marked

router = APIRouter(prefix=PREFIX)

LONGEST_REASON: Final = 255
LONGEST_LIST: Final = 2_000
"""Characters of the address of the list that a page was opened from."""

SEES_TO_REQUESTS: Final = (Right.RETRY, Right.FINALIZE, Right.DECIDE)
"""Rights any of which lets one say who sees to a request."""

NO_REASON: Final = marked("Say why you need to see the contents.")

Ordinal = Annotated[int | None, Query(ge=1, le=999)]
AttemptId = Annotated[int | None, Query(ge=1, le=2**62)]
PaperId = Annotated[str, Query(pattern=r"^([0-9a-f]{32})?$")]
Listed = Annotated[str, Query(max_length=LONGEST_LIST)]


def _asked(  # noqa: PLR0913  # an address has as many parts
    number: int,
    *,
    envoi: Ordinal = None,
    essai: AttemptId = None,
    lecture: Reading = Reading.AGENT,
    dans: Listed = "",
    piece: PaperId = "",
    dit: Annotated[str, Query(max_length=20)] = "",
) -> Asked:
    return Asked(number=number, envoi=envoi, essai=essai, lecture=lecture, dans=dans, piece=piece, dit=dit)


Wanted = Annotated[Asked, Depends(_asked)]
"""What the address of a page asks for."""


def reason_of(form: FormData, name: str = "motif") -> str:
    """Read a reason that a person gave; empty when there is none."""
    return " ".join(str(form.get(name, "")).split())[:LONGEST_REASON]


@router.get("")
async def show_request(request: Request, hub: Here, person: Reader, asked: Wanted) -> Response:
    """Show a request."""
    return await show(request, hub, person, asked)


@router.post("/contenu")
async def reveal(
    request: Request, hub: Here, person: Annotated[Person, may(Right.CONTENT)], asked: Wanted, form: Proved
) -> Response:
    """Show a request with its contents, once, after who looks and why is written down."""
    sight = await find(hub, person, asked)
    why = reason_of(form)
    if not why:
        return await show(request, hub, person, asked, Told(status=422, slug="contenu", errors={"motif": NO_REASON}))
    what, about = _looked_at(sight)
    await hub.ledger.write(look, Look(asked.number, what, person.actor, hub.ledger.book.now(), why, about))
    return await show(request, hub, person, asked, Told(revealed=True))


def _looked_at(sight: Any) -> tuple[str, int | None]:
    attempt = sight.evidence.attempt
    about = sight.delivery.id if sight.delivery is not None else None
    return (f"attempt {attempt.id}" if attempt is not None else "data"), about


@router.post("/assigner")
async def assign(hub: Here, person: Reader, asked: Wanted, form: Proved) -> Response:
    """Say who sees to a request, or that nobody does."""
    await find(hub, person, asked)
    if not any(person.may(right) for right in SEES_TO_REQUESTS):
        raise ForbiddenError(SEES_TO_REQUESTS[0])
    owner = person.login if form.get("moi") else str(form.get("owner", "")).strip().casefold()[:80]
    await perform(hub, Assign(asked.number, owner, person.actor))
    return RedirectResponse(with_word(asked, "assigner"), 303)


def with_word(asked: Asked, done: str) -> str:
    """Write the address of the page that says what came of something."""
    return asked.to(dit=done)
