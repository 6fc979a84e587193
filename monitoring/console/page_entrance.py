"""The entrance: a login and a password for a stay; wrong ones are counted, and never told apart."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hub.accounts import Trial, account_row, enter, is_locked, is_right, new_stay, token_hash
from hub.app import Hub
from monitoring.console.door import (
    COOKIE,
    Here,
    StrangerError,
    read_form,
    require_same_origin,
    somebody,
)
from monitoring.console.pages import render
from monitoring.console.texts import marked

log = structlog.get_logger()

router = APIRouter()

HOME: Final = "/console/"
ENTRANCE: Final = "/console/connexion"
LONGEST_LOGIN: Final = 80
AT_ONCE: Final = asyncio.Semaphore(2)
"""Passwords hashed at a time: each takes 64 MiB and a core."""

WRONG: Final = marked("Login or password are wrong, or the account is locked for a quarter of an hour.")
SAID: Final = {
    "sorti": marked("You have left."),
    "reste": marked("You have left the console; the identity provider could not be told, and may still know you."),
}
"""What the entrance says to who comes from the way out."""


@router.get("/connexion")
async def show_entrance(request: Request, suite: str = HOME, dit: str = "") -> Response:
    """Show the entrance; whoever is in already goes on."""
    try:
        await somebody(request)
    except StrangerError:
        return _page(request, inner(suite), done=SAID.get(dit, ""))
    return RedirectResponse(inner(suite), 303)


@router.post("/connexion")
async def try_to_enter(request: Request, hub: Here) -> Response:
    """Let in who gives the right password; raises ForgedError for a form of another site."""
    require_same_origin(request)
    form = await read_form(request)
    login, password = (str(form.get(name, "")) for name in ("login", "password"))
    login = login.strip().casefold()[:LONGEST_LOGIN]
    after = inner(str(form.get("suite", HOME)))
    token = await _try(hub, login, password, token_hash(request.cookies.get(COOKIE, "")))
    if token is None:
        return _page(request, after, said=WRONG, login=login)
    answer = RedirectResponse(after, 303)
    keep_stay(answer, hub, token)
    return answer


def _page(request: Request, after: str, *, said: str = "", login: str = "", done: str = "") -> Response:
    """Show the entrance: at first, with what came of the way out, or again after a wrong password."""
    status = 401 if said else 200
    return render(request, None, "entrance.html.j2", status=status, after=after, said=said, login=login, done=done)


def keep_stay(answer: Response, hub: Hub, token: str) -> None:
    """Have a browser keep what shows that its person is in."""
    lasts = int(hub.settings.console.stay.total_seconds())
    answer.set_cookie(COOKIE, token, max_age=lasts, path="/", secure=True, httponly=True, samesite="lax")


async def _try(hub: Hub, login: str, password: str, before: str) -> str | None:
    """Give what the browser is to show, or None; a wrong password and an unknown login take the same time."""
    now = hub.ledger.book.now()
    identity = hub.settings.console.identity
    by_password = identity is None or identity.opens_by_password(login)
    row: Any = await hub.ledger.read(account_row, login)
    async with AT_ONCE:
        right = await asyncio.to_thread(is_right, password, row.password if row else None)
    token, stay = new_stay(login, now, hub.settings.console.stay, before)
    if not by_password:
        log.info("console refused", code="password_closed")
        return None
    entered = await hub.ledger.write(enter, Trial(login=login, right=right, at=now, stay=stay))
    log.info("console entered" if entered else "console refused", locked=bool(row and is_locked(row, now)))
    return token if entered else None


def inner(path: str) -> str:
    """Give a page of the console's own to go on to: never another site's."""
    plain = path.isprintable() and "\\" not in path and "//" not in path
    return path if path.startswith(HOME) and plain else HOME
