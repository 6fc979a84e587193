"""« Corriger et relancer »: a form made from the kind's schema, held to it in the hub's own words, then sent again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from hub.acts import Retry
from hub.api_door import check_correction
from hub.app import Hub
from hub.catalogue import Definition
from hub.looks import Look, look
from hub.problems import Problem, ProblemType
from hub.views import Found
from hub.words import FieldError
from monitoring.console.door import Here, Person, Proved, Reader
from monitoring.console.page_request import NO_REASON, Wanted, reason_of
from monitoring.console.page_request_verbs import (
    IncompleteError,
    Ordinal,
    action_of,
    carry_out,
    is_sure,
    typed_of,
)
from monitoring.console.pages import render
from monitoring.console.request_address import PREFIX, Asked
from monitoring.console.request_box import Box, box_of
from monitoring.console.request_form import Field, TypingError, again, fields_of, told, typed_data, unplaced
from monitoring.console.request_view import Told, find, show
from monitoring.console.texts import marked

router = APIRouter(prefix=PREFIX)

SLUG: Final = "corriger"
WHAT: Final = "data"
WRONG: Final = marked("Some fields are to be corrected: nothing was sent.")


@router.post("/envois/{ordinal:digits}/corriger")
async def correct(  # noqa: PLR0913  # a path, a query, a form, a person
    request: Request, *, hub: Here, person: Reader, asked: Wanted, ordinal: Ordinal, form: Proved
) -> Response:
    """Open the form, once who looks and why is written down; or take what was typed in it."""
    action = action_of(SLUG, person)
    here = Asked(number=asked.number, envoi=ordinal, lecture=asked.lecture, dans=asked.dans)
    sight = await find(hub, person, here)
    delivery, definition = sight.dossier.delivery(ordinal), sight.dossier.definition
    if delivery is None or definition is None:
        raise Problem(ProblemType.NOT_FOUND)
    box = box_of(hub, sight.dossier, delivery, person)
    data = orjson.loads(sight.dossier.body)["data"]
    page = _Page(request, person, here, box, definition, fields_of(definition.schema, data))
    if form.get("ouvrir"):
        why = reason_of(form)
        if not why:
            return await show(request, hub, person, here, Told(status=422, slug=SLUG, errors={"motif": NO_REASON}))
        await _write_down(hub, person, (asked.number, delivery.id), why)
        return page.shown(str(form.get("vu", "")))
    try:
        found = typed_data(page.fields, data, typed_of(form))
        check_correction(Found(sight.dossier.request, definition, sight.dossier.body), found)
        wanted = Retry(delivery.id, is_sure(form), found, person.actor)
    except (TypingError, IncompleteError) as error:
        return page.shown(str(form.get("vu", "")), typed_of(form), error.errors, status=422)
    except Problem as problem:
        return page.refused(str(form.get("vu", "")), typed_of(form), problem.errors)
    return await carry_out(request, hub, person, (here, action), (wanted, str(form.get("vu", ""))))


async def _write_down(hub: Hub, person: Person, about: tuple[int, int], why: str) -> None:
    number, delivery = about
    await hub.ledger.write(look, Look(number, WHAT, person.actor, hub.ledger.book.now(), why, delivery))


class _Page:
    """The form, as it is or as it was typed."""

    def __init__(  # noqa: PLR0913, PLR0917  # what the page says
        self,
        request: Request,
        person: Person,
        here: Asked,
        box: Box,
        definition: Definition,
        fields: Sequence[Field],
    ) -> None:
        self.request, self.person, self.here, self.box = request, person, here, box
        self.definition, self.fields = definition, fields

    def refused(self, seen: str, typed: Mapping[str, str], found: Sequence[FieldError]) -> Response:
        """Show it with what the hub found wrong, beside each field, and at its head what has no field."""
        return self.shown(seen, typed, told(found), status=422, beside=unplaced(self.fields, found))

    def shown(
        self,
        seen: str,
        typed: Mapping[str, str] | None = None,
        errors: Mapping[str, str] | None = None,
        *,
        status: int = 200,
        beside: Sequence[FieldError] = (),
    ) -> Response:
        """Show it."""
        values: dict[str, Any] = {"wrong": WRONG if status != 200 else "", "beside": beside, "seen": seen}
        gettext = self.person.texts.gettext
        wrong = {name: gettext(said) for name, said in (errors or {}).items()}
        return render(
            self.request,
            self.person,
            "request_correction.html.j2",
            status=status,
            asked=self.here,
            box=self.box,
            offer=next(one for one in self.box.offers if one.action.slug == SLUG),
            title=self.definition.route.title,
            fields=again(self.fields, typed, wrong) if typed is not None else self.fields,
            told=Told(slug=SLUG, errors=wrong),
            **values,
        )
