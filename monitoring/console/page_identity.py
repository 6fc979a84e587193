"""The way in by the identity provider, and the way back from it."""

from __future__ import annotations

from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hub.accounts import new_stay, token_hash
from hub.app import Hub
from hub.identities import Admission, Arrival, admit
from hub.model import Instant
from monitoring.console.door import COOKIE, Here
from monitoring.console.identity import Vouched, finish
from monitoring.console.identity_errors import SignInError, meaning_of
from monitoring.console.identity_provider import Provider
from monitoring.console.identity_ticket import LASTS, draw, seal
from monitoring.console.page_entrance import HOME, inner, keep_stay
from monitoring.console.pages import render

log = structlog.get_logger()

router = APIRouter(prefix="/connexion")

TICKET: Final = "__Host-hub-sign-in"
"""The cookie of a sign-in under way."""


def provider_of(request: Request) -> Provider | None:
    """Give the provider that the settings name, if they name one."""
    known: Provider | None = request.app.state.provider
    return known


async def _provider(request: Request) -> Provider:
    known = provider_of(request)
    if known is None:
        raise HTTPException(404)
    return known


Known = Annotated[Provider, Depends(_provider)]


@router.get("/identite")
async def go_there(request: Request, hub: Here, provider: Known, suite: str = HOME) -> Response:
    """Send somebody to the provider, to say who they are."""
    ticket = draw(inner(suite), hub.ledger.book.now())
    try:
        there = await provider.way_in(ticket)
    except SignInError as refused:
        return _refuse(request, provider, refused.code)
    answer = RedirectResponse(there, 303)
    sealed, lasts = seal(hub.secret, ticket.model_dump_json()), int(LASTS.total_seconds())
    answer.set_cookie(TICKET, sealed, max_age=lasts, path="/", secure=True, httponly=True, samesite="lax")
    return answer


@router.get("/retour")
async def come_back(request: Request, hub: Here, provider: Known) -> Response:
    """Let in whom the provider vouches for and an account is of; a ticket serves once, whatever comes of it."""
    try:
        vouched = await finish(hub, provider, request.cookies.get(TICKET, ""), request.query_params.multi_items())
        answer = await _welcome(request, hub, provider, vouched)
    except SignInError as refused:
        answer = _refuse(request, provider, refused.code)
    answer.delete_cookie(TICKET, path="/", secure=True, httponly=True, samesite="lax")
    return answer


async def _welcome(request: Request, hub: Hub, provider: Provider, vouched: Vouched) -> Response:
    """Begin a stay of whom the provider vouches for: the one place where it does; raises SignInError."""
    before = token_hash(request.cookies.get(COOKIE, ""))
    token, stay = new_stay("", Instant(hub.ledger.book.now()), hub.settings.console.stay, before, vouched.id_token)
    admission = await hub.ledger.write(admit, Arrival(who=vouched.who, stay=stay))
    if admission is Admission.DISABLED:
        raise SignInError("account_disabled")
    if admission is Admission.UNKNOWN:
        log.warning("sign-in refused", code="identity_unknown")
        return render(
            request, None, "identity_unknown.html.j2", status=403, name=provider.settings.name, who=vouched.who
        )
    log.info("console entered", code="identity")
    answer = RedirectResponse(vouched.after, 303)
    keep_stay(answer, hub, token)
    return answer


def _refuse(request: Request, provider: Provider, code: str) -> Response:
    """Say that a sign-in lets nobody in, by its code: the one place where it does."""
    log.warning("sign-in refused", code=code)
    status, said = meaning_of(code)
    return render(
        request, None, "identity_refused.html.j2", status=status, name=provider.settings.name, said=said, code=code
    )
