"""« Demandes »: the list, its filters in its address, its search that leaves no name there, and views that are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from urllib.parse import parse_qs

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints, ValidationError
from sqlalchemy import Connection, select
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hub import saved_views as views
from hub.access import Principal, blind
from hub.accounts import Right
from hub.app import Hub
from hub.criteria import LISTS, MAY_BE_EMPTY, Criteria, Standing
from hub.errors import ConflictError
from hub.lifecycle import State
from hub.lines import Line
from hub.listing import Count, Page, count, page
from hub.looks import Look, look
from hub.model import Status
from hub.problems import Problem, ProblemType
from hub.routing import PENDING
from hub.saved_views import Forget, Keep, saved_views
from hub.tables import REQUESTS
from hub.vault import Vault
from hub.views import visible
from monitoring.console.door import Here, Person, Reader, form_of
from monitoring.console.list_filters import chips, choices
from monitoring.console.list_words import DELIVERIES, STANDINGS, operation_of
from monitoring.console.pages import render
from monitoring.console.texts import marked

router = APIRouter()

LIST: Final = "/console/demandes"
MOST_NAMED: Final = 50
SHOWN_BESIDE: Final = frozenset({"noms", "dit"})
"""What the address says beside criteria: whether names are shown, and what was just done."""

SAID: Final[Mapping[str, str]] = {
    "kept": marked("The view is kept."),
    "forgotten": marked("The view is forgotten."),
}
TOO_MANY_VIEWS: Final = f"Vous gardez déjà {views.MOST} vues : oubliez-en une d'abord."
EMPTY: Final = "vides"
"""By which the form of filters says what an empty field of it means to keep: that there is no code, or no stage."""

NAMES_SEEN: Final = "applicant"
"""What of a request a list of names shows, as looks are written down."""


class Searched(BaseModel):
    """What somebody looks for: a number, the portal's reference, a person, or a business key; and among what."""

    q: str = Field(default="", max_length=255)
    key: str = Field(default="", max_length=40)
    dans: str = Field(default="", max_length=4000)


class Named(BaseModel):
    """A list's address, to be kept under a name."""

    name: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=r"^[^\x00]*\S[^\x00]*$")
    ]
    query: str = Field(default="", max_length=4000)


class Which(BaseModel):
    """Which view is forgotten."""

    id: int = Field(ge=1, le=2**53)


@router.get("/demandes")
async def show_list(request: Request, hub: Here, person: Reader) -> Response:
    """Show a page of the list."""
    beside, query = _parted(request.url.query)
    criteria = _read(query)
    with_names = "noms" in beside and person.may(Right.CONTENT)
    found, counted = await hub.ledger.read(_page, person.principal, criteria)
    names = await _names(hub, person, found) if with_names else {}
    return render(
        request,
        person,
        "list.html.j2",
        said=SAID.get(beside.get("dit", [""])[-1], ""),
        criteria=criteria,
        query=criteria.query(),
        beside="noms=1" if with_names else "",
        found=found,
        counted=counted,
        chips=list(chips(hub, person.texts, criteria)),
        choices=choices(hub, person.texts, criteria),
        views=await hub.ledger.read(saved_views, person.login),
        kinds={kind: one.route.title for kind, one in hub.catalogue.kinds.items()},
        most={name: live.policy.attempts for name, live in hub.targets.items()},
        lines=[(line, _operation(hub, line), _look(person, line)) for line in found.lines],
        names=names,
        with_names=with_names,
    )


@router.get("/demandes/filtrer")
async def narrow(request: Request, _person: Reader) -> Response:
    """Read the form of filters, whose empty fields say nothing unless they did, and lead to the list's own address."""
    said = parse_qs(request.url.query)  # which leaves empty fields out
    said = {name: [""] for name in said.pop(EMPTY, []) if name in MAY_BE_EMPTY} | said
    criteria = _criteria({name: values if name in LISTS else values[-1] for name, values in said.items()})
    return RedirectResponse(_address(criteria), 303)


@router.post("/demandes/recherche")
async def search(hub: Here, person: Reader, said: Annotated[Searched, form_of(Searched)]) -> Response:
    """Look for what somebody typed: the address that they are led to holds a number, or a keyed hash, and no text."""
    words = " ".join(said.q.split())
    criteria = _read(said.dans) if said.dans else Criteria()
    if not words:
        return RedirectResponse(f"{_address(criteria, 'x', 'key', 'number')}", 303)
    digits = words.replace(" ", "")
    if not said.key and len(digits) == 9 and digits.isascii() and digits.isdigit():
        numbers: Sequence[int] = [int(digits)]
    else:
        numbers = [] if said.key else await hub.ledger.read(_under_reference, person.principal, words)
    if numbers:
        return RedirectResponse(_address(criteria, "x", "key", number=list(numbers)), 303)
    hidden = {"x": blind(hub.secret, words), **({"key": said.key} if said.key else {})}
    return RedirectResponse(_address(criteria, "number", "key", **hidden), 303)


@router.post("/demandes/vues")
async def keep_view(hub: Here, person: Reader, said: Annotated[Named, form_of(Named)]) -> Response:
    """Keep a list's address under a name."""
    criteria = _read(said.query)
    try:
        await hub.ledger.write(views.keep_view, Keep(person.login, said.name, criteria.query()))
    except ConflictError:
        raise Problem(ProblemType.CONFLICT, TOO_MANY_VIEWS) from None
    return RedirectResponse(f"{LIST}?{_joined(criteria.query(), 'dit=kept')}", 303)


@router.post("/demandes/vues/oublier")
async def forget_view(hub: Here, person: Reader, said: Annotated[Which, form_of(Which)]) -> Response:
    """Forget one of one's views."""
    if not await hub.ledger.write(views.forget_view, Forget(person.login, said.id)):
        raise Problem(ProblemType.NOT_FOUND)
    return RedirectResponse(f"{LIST}?dit=forgotten", 303)


def _page(connection: Connection, caller: Principal, criteria: Criteria) -> tuple[Page, Count]:
    return page(connection, caller, criteria), count(connection, caller, criteria)


def _under_reference(connection: Connection, caller: Principal, words: str) -> Sequence[int]:
    """Find the requests that a portal calls so: they are shown by their numbers, since a reference may be anything."""
    same = select(REQUESTS.c.number).where(REQUESTS.c.external_reference == words, *visible(caller))
    return list(connection.scalars(same.limit(MOST_NAMED)))


async def _names(hub: Hub, person: Person, found: Page) -> Mapping[int, str]:
    """Give who asked for each request of a page; each look is written down before anything is shown."""
    numbers = [line.request.number for line in found.lines]
    now = hub.ledger.book.now()
    looks = [Look(number, NAMES_SEEN, person.actor, now, "list") for number in dict.fromkeys(numbers)]
    await asyncio.gather(*(hub.ledger.write(look, one) for one in looks))
    return await hub.ledger.read(_applicants, hub.ledger.book.vault, numbers)


def _applicants(connection: Connection, vault: Vault, numbers: Sequence[int]) -> Mapping[int, str]:
    bodies = select(REQUESTS.c.number, REQUESTS.c.data_key, REQUESTS.c.body).where(REQUESTS.c.number.in_(numbers))
    return {row.number: _name(orjson.loads(vault.shown(row))) for row in connection.execute(bodies)}


def _name(document: Mapping[str, Any]) -> str:
    identity = document.get("applicant", {}).get("identity", {})
    return " ".join(str(identity[part]) for part in ("given_name", "family_name") if identity.get(part))


def _operation(hub: Hub, line: Line) -> str:
    return operation_of(hub, line.delivery.target, line.delivery.mapping) if line.delivery is not None else ""


def _look(person: Person, line: Line) -> tuple[str, str]:
    """Say where a line stands: its look and its word."""
    look, said = STANDINGS[_standing(line)] if not line.is_of_delivery else _of_delivery(line)
    return look, person.texts.gettext(said)


def _standing(line: Line) -> Standing:
    is_retried = line.request.status == Status.WAITING and line.is_retrying
    return Standing.RETRYING if is_retried else Standing(line.request.status)


def _of_delivery(line: Line) -> tuple[str, str]:
    if line.delivery is None or line.delivery.code == PENDING:
        return STANDINGS[Standing.WAITING]
    return DELIVERIES[State(line.delivery.state)]


def _parted(query: str) -> tuple[Mapping[str, list[str]], str]:
    """Tell what the page is asked from what the list is asked."""
    said = parse_qs(query, keep_blank_values=True)
    beside = {name: said[name] for name in SHOWN_BESIDE if name in said}
    kept = "&".join(part for part in query.split("&") if part.partition("=")[0] not in SHOWN_BESIDE)
    return beside, kept


def _read(query: str) -> Criteria:
    try:
        return Criteria.of_query(query)
    except ValidationError:
        raise Problem(ProblemType.NOT_FOUND) from None


def _criteria(said: Mapping[str, Any]) -> Criteria:
    try:
        return Criteria.model_validate(said)
    except ValidationError:
        raise Problem(ProblemType.NOT_FOUND) from None


def _address(criteria: Criteria, *without: str, **other: Any) -> str:
    query = criteria.query(*without, **other)
    return f"{LIST}?{query}" if query else LIST


def _joined(*parts: str) -> str:
    return "&".join(part for part in parts if part)
