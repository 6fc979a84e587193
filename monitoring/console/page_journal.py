"""« Journal »: who did, saw or was refused what, the newest first, for whoever audits every kind and site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from hub.accounts import Right
from hub.audit import Outcome
from hub.audit_pages import Sought, as_said, newest
from monitoring.console.door import ForbiddenError, Here, Person, may
from monitoring.console.pages import render
from monitoring.console.texts import marked

router = APIRouter()

PAGE: Final = "/console/journal"
DIGEST: Final = 64
SHOWN: Final = 12
"""Digits of a digest, and how many of them are shown."""

OUTCOMES: Final[Mapping[str, str]] = {
    Outcome.ALLOW: marked("allowed"),
    Outcome.DENY: marked("denied"),
    Outcome.DONE: marked("done"),
}

ACTIONS: Final[Mapping[str, str]] = {
    "sign_in": marked("Come in"),
    "sign_out": marked("Go out"),
    "reveal": marked("See contents"),
    "decide": marked("Decide"),
    "cancel": marked("Cancel a request"),
    "correct": marked("Correct a request"),
    "assign": marked("Say who sees to it"),
    "note": marked("Note about a cause"),
    "retry": marked("Retry"),
    "verify": marked("Verify at the target"),
    "reject": marked("Reject"),
    "reroute": marked("Send elsewhere"),
    "finalize": marked("Close by hand"),
    "second": marked("Agree to a closing"),
    "reopen": marked("Reopen"),
    "pause": marked("Pause a target"),
    "resume": marked("Resume a target"),
    "batch.start": marked("Start a batch"),
    "batch.pause": marked("Pause a batch"),
    "batch.continue": marked("Continue a batch"),
    "batch.stop": marked("Stop a batch"),
    "key.create": marked("Make a key"),
    "key.expire": marked("Have a key expire"),
    "key.revoke": marked("Revoke a key"),
    "account.create": marked("Make an account"),
    "account.change": marked("Change an account"),
    "account.link": marked("Link an identity"),
    "account.unlink": marked("Unlink identities"),
    "reload": marked("Have changed files taken"),
    "catalogue.take": marked("Changed files taken"),
    "audit.pruned": marked("Old rows let go"),
}
"""What actions are called; a refusal at the door is called by its route."""


class Asked(Sought):
    """Which rows are looked for; an empty field asks for nothing."""

    limit: Annotated[int, Query(ge=1, le=500)] = 100


@router.get("/journal")
async def show_journal(
    request: Request, hub: Here, person: Annotated[Person, may(Right.AUDIT)], asked: Annotated[Asked, Query()]
) -> Response:
    """Show the audit, a page at a time; raises ForbiddenError for whoever is kept to some kinds or sites."""
    if person.account.kinds or person.account.sites:
        raise ForbiddenError(Right.AUDIT)
    found = await hub.ledger.read(newest, asked)
    shown = found[: asked.limit]
    more = str(request.url.include_query_params(before=shown[-1].n).query) if len(found) > len(shown) else ""
    return render(
        request,
        person,
        "journal.html.j2",
        asked=asked,
        rows=[{**as_said(row), "moment": row.at, "words": words(row)} for row in shown],
        actions=ACTIONS,
        outcomes=OUTCOMES,
        more=f"{PAGE}?{more}" if more else "",
    )


def words(row: Any) -> str:
    """Write a row's detail on one line, of digests their first digits alone."""
    detail = as_said(row)["detail"]
    if not isinstance(detail, dict):
        return str(detail)
    return " · ".join(f"{name}: {_short(value)}" for name, value in detail.items())


def _short(value: Any) -> str:
    said = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"{said[:SHOWN]}…" if len(said) == DIGEST else said
