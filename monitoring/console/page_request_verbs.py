"""The verbs of one request's page: each does what it says to what the person saw, or says in words what changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Final

from fastapi import APIRouter, Path
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hub.acts import Finalize, MissingError, NotNowError, Reject, Reopen, Reroute, Retry, Second, Verify
from hub.acts_seen import MovedError, Seen, act_on_seen
from hub.app import Hub
from hub.errors import ConflictError
from hub.problems import Problem, ProblemType
from hub.verbs import Verb
from hub.views import dossier
from hub.wishes import OfDelivery
from monitoring.console.door import Here, Person, Proved, Reader
from monitoring.console.page_request import Wanted, reason_of, with_word
from monitoring.console.request_address import PREFIX, Asked
from monitoring.console.request_box import BY_SLUG, Action
from monitoring.console.request_view import Told, find, show
from monitoring.console.texts import marked

router = APIRouter(prefix=PREFIX)

LONGEST_COMMENT: Final = 2_000
REQUIRED: Final = marked("This field is required.")
MUST_BE_SURE: Final = marked("Say that you looked: the target does not have it.")
MOVED: Final = marked("Nothing was done: the request changed since you opened it.")
CANNOT: Final = marked("Nothing was done: what targets already know of the request may not change.")

Ordinal = Annotated[int, Path(ge=1, le=999)]
Slug = Annotated[str, Path(pattern=r"^[a-z-]{1,20}$")]


class IncompleteError(Exception):
    """A form lacks something: each field's name → a sentence of the catalogue."""

    def __init__(self, **errors: str) -> None:
        super().__init__(sorted(errors))
        self.errors = errors


@router.post("/envois/{ordinal:digits}/{slug}")
async def act(  # noqa: PLR0913  # a path, a query, a form, a person
    request: Request, *, hub: Here, person: Reader, asked: Wanted, ordinal: Ordinal, slug: Slug, form: Proved
) -> Response:
    """Carry out a verb; raises ForbiddenError, or Problem 404."""
    action = action_of(slug, person)
    sight = await find(hub, person, Asked(number=asked.number, envoi=ordinal, dans=asked.dans, lecture=asked.lecture))
    delivery = sight.dossier.delivery(ordinal)
    make = MAKE.get(action.verb)
    if delivery is None or make is None:
        raise Problem(ProblemType.NOT_FOUND)
    here = Asked(number=asked.number, envoi=ordinal, lecture=asked.lecture, dans=asked.dans)
    try:
        wanted = make(delivery.id, form, person.actor)
    except IncompleteError as error:
        told = Told(status=422, slug=slug, errors=error.errors, typed=typed_of(form))
        return await show(request, hub, person, here, told)
    return await carry_out(request, hub, person, (here, action), (wanted, str(form.get("vu", ""))))


def action_of(slug: str, person: Person) -> Action:
    """Find a verb that a person may do; raises ForbiddenError, or Problem 404."""
    action = BY_SLUG.get(slug)
    if action is None:
        raise Problem(ProblemType.NOT_FOUND)
    for right in action.rights:
        person.require(right)
    return action


def typed_of(form: FormData) -> dict[str, str]:
    """Give what was typed, to be shown again."""
    return {name: str(value) for name, value in form.items() if name not in {"csrf", "vu"}}


async def carry_out(
    request: Request, hub: Hub, person: Person, where: tuple[Asked, Action], what: tuple[OfDelivery, str]
) -> Response:
    """Do it to what was seen, and lead to the page that says the result; or say why nothing was done."""
    (here, action), (wanted, seen) = where, what
    told = await _do(hub, wanted, seen)
    if told is not None:
        return await show(request, hub, person, here, told)
    return RedirectResponse(with_word(here, action.slug), 303)


async def _do(hub: Hub, wanted: OfDelivery, seen: str) -> Told | None:
    """Do it; None when it is done. Raises Problem 404."""
    try:
        done = await hub.ledger.write(act_on_seen, Seen(hub.ledger.book, wanted, seen))
    except MissingError:
        raise Problem(ProblemType.NOT_FOUND) from None
    except MovedError:
        return Told(status=409, alert=MOVED, moved_since=_moment(seen))
    except NotNowError as error:
        return Told(status=409, alert=error.why.sentence)
    except ConflictError:
        return Told(status=409, alert=CANNOT)
    for change in done.settled.stages:
        hub.announcer(change)
    hub.wake({**dict.fromkeys(await _targets(hub, wanted), ()), **done.settled.due})
    return None


async def _targets(hub: Hub, wanted: OfDelivery) -> list[str]:
    """Name whom to wake: the target that a delivery is for now."""
    found = await hub.ledger.read(dossier, hub.ledger.book, wanted.delivery)
    return [found.row.target] if found is not None else []


def _moment(seen: str) -> int:
    digits = seen.partition("-")[0]
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 16 else 0


def said(form: FormData, *names: str) -> list[str]:
    """Read what a person must say; raises IncompleteError naming all that is missing."""
    values = {name: reason_of(form, name) for name in names}
    missing = {name: REQUIRED for name, value in values.items() if not value}
    if missing:
        raise IncompleteError(**missing)
    return list(values.values())


def is_sure(form: FormData) -> bool:
    """Say whether the person affirms that the target has nothing; raises IncompleteError where they must."""
    if form.get("doit_affirmer") and not form.get("sure"):
        raise IncompleteError(sure=MUST_BE_SURE)
    return bool(form.get("sure"))


def _finalize(delivery: int, form: FormData, actor: str) -> Finalize:
    reason, reference = said(form, "motif", "reference")
    comment = str(form.get("commentaire", "")).strip()[:LONGEST_COMMENT]
    return Finalize(delivery, reason, reference, comment, actor)


def _reject(delivery: int, form: FormData, actor: str) -> Reject:
    [reason] = said(form, "motif")
    return Reject(delivery, reason, actor)


def _reopen(delivery: int, form: FormData, actor: str) -> Reopen:
    [reason] = said(form, "motif")
    return Reopen(delivery, reason, actor)


def _reroute(delivery: int, form: FormData, actor: str) -> Reroute:
    [target] = said(form, "cible")
    return Reroute(delivery, target, actor)


MAKE: Final[Mapping[Verb, Callable[[int, FormData, str], OfDelivery]]] = MappingProxyType(
    {
        Verb.VERIFY: lambda delivery, _form, actor: Verify(delivery, actor),
        Verb.RETRY: lambda delivery, form, actor: Retry(delivery, is_sure(form), None, actor),
        Verb.RETRY_CURRENT: lambda delivery, form, actor: Retry(delivery, is_sure(form), None, actor, current=True),
        Verb.REROUTE: _reroute,
        Verb.FINALIZE: _finalize,
        Verb.SECOND: lambda delivery, _form, actor: Second(delivery, actor),
        Verb.REJECT: _reject,
        Verb.REOPEN: _reopen,
    }
)
"""What each verb makes of its form; a correction is a page of its own."""
