"""The entrance and the way out: a login and a password for a stay; wrong ones are counted, and never told apart."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hub.accounts import Trial, account_row, enter, is_locked, is_right, leave, new_stay
from hub.app import Hub
from monitoring.console.door import (
    COOKIE,
    Here,
    Proved,
    Somebody,
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


@router.get("/connexion")
async def show_entrance(request: Request, suite: str = HOME) -> Response:
    """Show the entrance; whoever is in already goes on."""
    try:
        await somebody(request)
    except StrangerError:
        return render(request, None, "entrance.html.j2", after=inner(suite), said="", login="")
    return RedirectResponse(inner(suite), 303)


@router.post("/connexion")
async def try_to_enter(request: Request, hub: Here) -> Response:
    """Let in who gives the right password; raises ForgedError for a form of another site."""
    require_same_origin(request)
    form = await read_form(request)
    login, password = (str(form.get(name, "")) for name in ("login", "password"))
    login = login.strip().casefold()[:LONGEST_LOGIN]
    after = inner(str(form.get("suite", HOME)))
    token = await _try(hub, login, password)
    if token is None:
        return render(request, None, "entrance.html.j2", status=401, after=after, said=WRONG, login=login)
    answer = RedirectResponse(after, 303)
    lasts = int(hub.settings.console.stay.total_seconds())
    answer.set_cookie(COOKIE, token, max_age=lasts, path="/", secure=True, httponly=True, samesite="lax")
    return answer


@router.post("/sortie")
async def go_out(hub: Here, person: Somebody, _form: Proved) -> Response:
    """End a person's stay, and clear what their browser keeps of it."""
    await hub.ledger.write(leave, person.stay)
    answer = RedirectResponse(ENTRANCE, 303, headers={"Clear-Site-Data": '"cookies", "storage"'})
    answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return answer


async def _try(hub: Hub, login: str, password: str) -> str | None:
    """Give what the browser is to show, or None; a wrong password and an unknown login take the same time."""
    now = hub.ledger.book.now()
    row: Any = await hub.ledger.read(account_row, login)
    async with AT_ONCE:
        right = await asyncio.to_thread(is_right, password, row.password if row else None)
    token, stay = new_stay(login, now, hub.settings.console.stay)
    entered = await hub.ledger.write(enter, Trial(login=login, right=right, at=now, stay=stay))
    log.info("console entered" if entered else "console refused", locked=bool(row and is_locked(row, now)))
    return token if entered else None


def inner(path: str) -> str:
    """Give a page of the console's own to go on to: never another site's."""
    plain = path.isprintable() and "\\" not in path and "//" not in path
    return path if path.startswith(HOME) and plain else HOME
