"""« Mes droits »: what a person may do, and what the console does for them: language, shortcuts, password."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hub.accounts import (
    LONGEST_PASSWORD,
    SHORTEST_PASSWORD,
    Change,
    Right,
    Trial,
    account_row,
    change_accounts,
    enter,
    hash_password,
    is_locked,
    is_right,
)
from monitoring.console.door import Here, Person, Somebody, form_of
from monitoring.console.page_entrance import AT_ONCE
from monitoring.console.pages import render
from monitoring.console.texts import marked

router = APIRouter()

PAGE: Final = "/console/mes-droits"

MEANINGS: Final = {
    Right.METADATA: (marked("See what stands"), marked("Requests, steps, causes, targets: never what they contain.")),
    Right.CONTENT: (marked("See contents"), marked("Data, messages and files; each look is written in the audit.")),
    Right.DECIDE: (marked("Decide"), marked("Accept or refuse the requests that await somebody.")),
    Right.RETRY: (marked("Retry"), marked("Verify at the target, retry, correct, reroute, alone or in batches.")),
    Right.FINALIZE: (marked("Finalize"), marked("Close by hand, second, reject, reopen.")),
    Right.CONFIGURE: (marked("Configure"), marked("Pause and resume targets.")),
    Right.AUDIT: (marked("Audit"), marked("Read who did what, and who saw what.")),
}
"""What each right is called, and what it lets one do."""


class Preferences(BaseModel):
    """What the console does for a person."""

    language: Literal["fr", "en"]
    shortcuts: bool = False


class Passwords(BaseModel):
    """A person's password, and the one that takes its place."""

    present: str = Field(max_length=LONGEST_PASSWORD)
    wanted: str = Field(min_length=SHORTEST_PASSWORD, max_length=LONGEST_PASSWORD)


@router.get("/mes-droits")
async def show_rights(request: Request, hub: Here, person: Somebody, dit: str = "") -> Response:
    """Show a person's rights and preferences."""
    row = await hub.ledger.read(account_row, person.login)
    return _page(request, person, SAID.get(dit, ""), has_password=bool(row and row.password))


@router.post("/mes-droits/preferences")
async def prefer(hub: Here, person: Somebody, said: Annotated[Preferences, form_of(Preferences)]) -> Response:
    """Change a person's language and whether single keys do something."""
    values = {"language": said.language, "shortcuts": said.shortcuts}
    await hub.ledger.write(change_accounts, Change(login=person.login, values=values))
    return RedirectResponse(f"{PAGE}?dit=preferences", 303)


@router.post("/mes-droits/mot-de-passe")
async def change_password(
    request: Request, hub: Here, person: Somebody, said: Annotated[Passwords, form_of(Passwords)]
) -> Response:
    """Change a person's password, and end their stays; a wrong one counts as a wrong one at the entrance."""
    now = hub.ledger.book.now()
    row = await hub.ledger.read(account_row, person.login)
    async with AT_ONCE:
        right = await asyncio.to_thread(is_right, said.present, row.password if row else None)
    if row is None or not right or is_locked(row, now):
        await hub.ledger.write(enter, Trial(login=person.login, right=False, at=now))
        return _page(request, person, WRONG, status=422)
    async with AT_ONCE:
        hashed = await asyncio.to_thread(hash_password, said.wanted)
    change = Change(login=person.login, values={"password": hashed}, ends_stays=True)
    await hub.ledger.write(change_accounts, change)
    return RedirectResponse("/console/connexion", 303)


WRONG: Final = marked("This is not your present password.")
SAID: Final = {"preferences": marked("Your preferences are kept.")}
"""What the page says once something was done."""


def _page(request: Request, person: Person, said: str, status: int = 200, *, has_password: bool = True) -> Response:
    values: dict[str, Any] = {"lines": [(*MEANINGS[right], person.may(right)) for right in Right], "said": said}
    values |= {"shortest": SHORTEST_PASSWORD, "has_password": has_password}
    return render(request, person, "rights.html.j2", status=status, **values)
