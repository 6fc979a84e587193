"""The way out: of the console, and of the identity provider by which one came."""

from __future__ import annotations

from typing import Final

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hub.accounts import leave
from hub.app import Hub
from hub.audit import Entry, tell
from hub.identities import hint_of
from monitoring.console.door import COOKIE, Here, Person, Proved, Somebody
from monitoring.console.identity_errors import SignInError
from monitoring.console.identity_ticket import seal, unseal
from monitoring.console.page_entrance import ENTRANCE
from monitoring.console.page_identity import provider_of
from monitoring.console.pages import render

log = structlog.get_logger()

router = APIRouter()

LEFT: Final = "left"
"""What the state of a farewell says, once signed."""

CLEARED: Final = '"cache", "storage"'
"""What browsers forget of the console; not its cookies, for those of the city's other sites would go with them."""


@router.post("/sortie")
async def go_out(request: Request, hub: Here, person: Somebody, _form: Proved) -> Response:
    """End a person's stay, clear what their browser keeps of it, and have them leave the provider too."""
    there = await _farewell(request, hub, person)
    await hub.ledger.write(leave, person.stay)
    await hub.ledger.write(tell, Entry(person.actor, "sign_out", f"account {person.login}"))
    answer = _lead(request, there)
    answer.headers["Clear-Site-Data"] = CLEARED
    answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return answer


@router.get("/connexion/sortie")
async def is_out(hub: Here, state: str = "") -> Response:
    """Take back somebody who left the provider."""
    left = unseal(hub.secret, state) == LEFT
    return RedirectResponse(f"{ENTRANCE}?dit=sorti" if left else ENTRANCE, 303)


def _lead(request: Request, there: str) -> Response:
    """Lead on: by a page to another site, for a form of ours may not be answered by a redirection there."""
    if there.startswith(ENTRANCE):
        return RedirectResponse(there, 303)
    return render(request, None, "leaving.html.j2", headers={"Refresh": f"0; url={there}"}, there=there)


async def _farewell(request: Request, hub: Hub, person: Person) -> str:
    """Write where to go on to: the provider, if they came by it; else the entrance, which says if it was away."""
    provider = provider_of(request)
    hint = await hub.ledger.read(hint_of, person.stay)
    if provider is None or hint is None or not provider.settings.post_logout:
        return ENTRANCE
    try:
        return await provider.way_out(hint, seal(hub.secret, LEFT)) or ENTRANCE
    except SignInError as refused:
        log.warning("sign-out unfinished", code=refused.code)
        return f"{ENTRANCE}?dit=reste"
