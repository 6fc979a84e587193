"""Who is in the console, what they may do, and how a form is read: the shared part of every page."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import quote

from fastapi import Depends
from pydantic import BaseModel, ValidationError
from starlette.datastructures import URL, FormData
from starlette.requests import Request

from hub.access import EVERY_HOUSE, Principal, Role, allow
from hub.accounts import SEEN_EVERY, Account, Right, present, see, token_hash
from hub.app import Hub
from hub.problems import Problem, ProblemType
from monitoring.console.texts import Catalogue, catalogue

COOKIE: Final = "__Host-hub"
"""The name of a cookie that a browser gives to this host alone, over TLS or on this machine."""

LARGEST_FORM: Final = 1_000_000
"""Bytes; a selection of five thousand rows is a tenth of it."""

MOST_FIELDS: Final = 6_000
BY_ITSELF: Final = "x-by-itself"
"""The header of what a page asks without anybody: it is no sign of life."""

Model = TypeVar("Model", bound=BaseModel)


class StrangerError(Exception):
    """Nobody is in, or their stay is over: they must enter first, and then go on where they wanted."""


class ForbiddenError(Exception):
    """This person may not: the page says which right they lack."""

    def __init__(self, right: Right) -> None:
        super().__init__(right)
        self.right = right


class ForgedError(Exception):
    """A form that did not come from a page of ours, or from one of an earlier stay."""


class FormError(Exception):
    """A form that cannot be taken: each field's name → what is wrong with it, in English for the catalogue."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(sorted(errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who is in the console."""

    account: Account
    csrf: str
    stay: str
    """The hash of what their browser shows."""

    @property
    def login(self) -> str:
        """What they typed to enter."""
        return self.account.login

    @property
    def name(self) -> str:
        """Their name, as colleagues read it."""
        return self.account.name

    @property
    def rights(self) -> frozenset[Right]:
        """What they may do."""
        return self.account.rights

    @property
    def language(self) -> str:
        """What the console speaks to them."""
        return self.account.language

    @property
    def shortcuts(self) -> bool:
        """Whether single keys do something for them."""
        return self.account.shortcuts

    @property
    def actor(self) -> str:
        """Their name in the audit."""
        return f"console/{self.login}"[:80]

    @property
    def principal(self) -> Principal:
        """What the ledger's views let them see."""
        return Principal(
            prefix=self.login,
            front_end=EVERY_HOUSE,
            role=Role.OPERATOR,
            kinds=self.account.kinds,
            sites=self.account.sites,
        )

    @property
    def texts(self) -> Catalogue:
        """The sentences of their language."""
        return catalogue(self.language)

    def may(self, right: str) -> bool:
        """Say whether they have a right."""
        return Right(right) in self.rights

    def require(self, right: Right) -> None:
        """Let pass who has a right; raises ForbiddenError."""
        if right not in self.rights:
            raise ForbiddenError(right)

    def require_scope(self, kind: str, site: str) -> None:
        """Let pass who is not kept to other kinds or sites; raises Problem 404: a stranger learns nothing."""
        try:
            allow(self.principal, kind, site)
        except Problem:
            raise Problem(ProblemType.NOT_FOUND) from None


def is_fragment(request: Request) -> bool:
    """Say whether a part of a page is asked for, to be put in place by htmx."""
    return request.headers.get("hx-request") == "true" and request.headers.get("hx-boosted") != "true"


def hub_of(request: Request) -> Hub:
    """Give the hub that the console is of."""
    hub: Hub = request.app.state.hub
    return hub


async def _hub(request: Request) -> Hub:
    return hub_of(request)


Here = Annotated[Hub, Depends(_hub)]


async def somebody(request: Request) -> Person:
    """Give whoever is in; raises StrangerError."""
    token = request.cookies.get(COOKIE)
    if not token:
        raise StrangerError
    hub, hashed = hub_of(request), token_hash(token)
    now = hub.ledger.book.now()
    found = await hub.ledger.read(present, hashed, now, hub.settings.console.idle)
    if found is None:
        raise StrangerError
    is_alive = request.headers.get(BY_ITSELF) is None
    if is_alive and now - found.seen_at > SEEN_EVERY.total_seconds() * 1000:
        await hub.ledger.write(see, (hashed, now))
    person = Person(found.account, found.csrf, hashed)
    request.state.person = person
    return person


Somebody = Annotated[Person, Depends(somebody)]


def holder_of(right: Right) -> Callable[..., Awaitable[Person]]:
    """Make a dependency that lets pass who has a right; raises StrangerError or ForbiddenError."""

    async def allowed(person: Somebody) -> Person:
        person.require(right)
        return person

    return allowed


def may(right: Right) -> Any:
    """Make what an annotation depends on to ask for a right."""
    return Depends(holder_of(right))


Reader = Annotated[Person, may(Right.METADATA)]
"""Who may see what stands, and why; every page asks at least this."""


def require_same_origin(request: Request) -> None:
    """Refuse what another site had a browser send; raises ForgedError. Browsers of ten years say where from."""
    fetched = request.headers.get("sec-fetch-site")
    if fetched is not None and fetched not in {"same-origin", "none"}:
        raise ForgedError
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise ForgedError


async def read_form(request: Request) -> FormData:
    """Read a form, of at most a million bytes and six thousand fields; raises ForgedError for what is none."""
    length = request.headers.get("content-length", "")
    kind = request.headers.get("content-type", "").partition(";")[0]
    if not length.isdecimal() or int(length) > LARGEST_FORM or kind != "application/x-www-form-urlencoded":
        raise ForgedError
    form = await request.form(max_fields=MOST_FIELDS)
    if any("\x00" in f"{name}{value}" for name, value in form.multi_items()):
        raise ForgedError  # no keyboard types it, and PostgreSQL keeps none
    return form


async def proved_form(request: Request, person: Somebody) -> FormData:
    """Read a form that this person's own page sent: its token is that of their stay; raises ForgedError."""
    require_same_origin(request)
    form = await read_form(request)
    shown = form.get("csrf") or request.headers.get("x-csrf-token") or ""
    if not hmac.compare_digest(str(shown).encode(), person.csrf.encode()):
        raise ForgedError
    return form


Proved = Annotated[FormData, Depends(proved_form)]
"""The fields of a form whose token is right, for a page that reads them itself."""


def form_of(model: type[Model], *lists: str) -> Any:
    """Depend on a form read as `model`, fields named in `lists` as lists; raises ForgedError or FormError."""

    async def read(form: Proved) -> Model:
        said: dict[str, Any] = {name: value for name, value in form.items() if name != "csrf"}
        said |= {name: form.getlist(name) for name in lists}
        try:
            return model.model_validate(said)
        except ValidationError as error:
            found = error.errors(include_input=False, include_url=False)
            raise FormError({".".join(map(str, one["loc"])): one["type"] for one in found}) from None

    return Depends(read)


def wanted_in(request: Request) -> str:
    """Give the path that is asked for, or that of the page which asks for a part; "" when its address is none."""
    asked = URL(request.headers.get("hx-current-url", "")) if is_fragment(request) else request.url
    try:
        return asked.path + (f"?{asked.query}" if asked.query else "")
    except ValueError:
        return ""


def entrance(request: Request) -> str:
    """Write the address of the entrance, which leads back to the page that was wanted."""
    wanted = wanted_in(request)
    stays = request.method == "GET" or is_fragment(request)
    back = wanted if stays and wanted.startswith("/console/") else "/console/"
    return f"/console/connexion?suite={quote(back, safe='')}"
