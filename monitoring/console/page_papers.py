"""The papers that came with a request: shown in the page, to who may see contents, and each look is written down."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Path
from starlette.responses import Response, StreamingResponse

from hub.accounts import Right
from hub.app import Hub
from hub.attachments import Described
from hub.looks import Look, look
from hub.problems import Problem, ProblemType
from hub.views import find
from monitoring.console.door import Here, Person, may

router = APIRouter()

GUARDS: Final = {
    "Content-Security-Policy": "default-src 'none'; object-src 'self'; img-src 'self'; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""A paper is shown in a page of ours and nowhere else, and nothing in it is run."""

PaperId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]


@router.get("/pieces/{paper}")
async def show_paper(hub: Here, person: Annotated[Person, may(Right.CONTENT)], paper: PaperId) -> Response:
    """Give a paper, once the look at it is written down; raises Problem 404 for one of somebody else's request."""
    described = await _find(hub, person, paper)
    assert described.request is not None  # noqa: S101  # _find gives those of a request alone
    seen = Look(described.request, f"file {described.id}", person.actor, hub.ledger.book.now())
    await hub.ledger.write(look, seen)
    named = f"inline; filename*=UTF-8''{quote(described.name, safe='')}"
    headers = {**GUARDS, "Content-Disposition": named, "Content-Length": str(described.size)}
    return StreamingResponse(await _begun(hub, described), media_type=described.media_type, headers=headers)


async def _find(hub: Hub, person: Person, paper: str) -> Described:
    described = next(iter(await hub.attachments.find([paper])), None)
    found = await hub.ledger.read(find, hub.ledger.book, described.request) if described and described.request else None
    if described is None or found is None:
        raise Problem(ProblemType.NOT_FOUND)
    person.require_scope(found.row.kind, found.row.site)
    return described


async def _begun(hub: Hub, described: Described) -> AsyncIterator[bytes]:
    """Read the first piece before the answer begins: a store that lost the file can still be said to have."""
    pieces = hub.attachments.open(described)
    try:
        first = await anext(pieces, b"")
    except FileNotFoundError:
        raise Problem(ProblemType.NOT_FOUND) from None

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    return whole()
