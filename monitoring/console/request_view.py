"""One request's page put together: what is read at once, and the values its template is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from hub.access import Principal
from hub.app import Hub
from hub.book import Book
from hub.dossiers import Dossier, Evidence, Linked, dossier, evidence, linked, neighbours
from hub.problems import Problem, ProblemType
from monitoring.console import request_words as words
from monitoring.console.door import Person
from monitoring.console.pages import render
from monitoring.console.request_address import Asked
from monitoring.console.request_attempts import Line as Attempt
from monitoring.console.request_attempts import attempts_of, operations_of
from monitoring.console.request_box import Box, box_of, focus_of, is_under_way
from monitoring.console.request_evidence import hint_of, panes_of
from monitoring.console.request_outcome import Outcome, outcome_of
from monitoring.console.request_steps import DOES, steps_of
from monitoring.console.request_timeline import READINGS, message_of, timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a page says beside the request: what was seen by a form that came too late, and what was wrong with it."""

    status: int = 200
    alert: str = ""
    moved_since: int | None = None
    """When a form was made whose delivery moved on since."""
    errors: Mapping[str, str] = field(default_factory=dict)
    slug: str = ""
    """The verb whose form is shown open."""
    typed: Mapping[str, str] = field(default_factory=dict)
    revealed: bool = False


PLAIN: Final = Told()


@dataclass(frozen=True, slots=True)
class Sight:
    """Everything that is read for one page."""

    dossier: Dossier
    delivery: Any
    evidence: Evidence
    linked: Sequence[Linked]
    before: int | None
    after: int | None


def see(connection: Connection, book: Book, caller: Principal, asked: Asked) -> Sight | None:
    """Read what a page shows, in one snapshot."""
    found = dossier(connection, book, asked.number)
    if found is None:
        return None
    delivery = focus_of(found, asked.envoi)
    mine = [one.id for one in found.attempts if delivery is not None and one.delivery == delivery.id]
    chosen = asked.essai if asked.essai in mine else mine[-1] if mine else None
    proof = evidence(connection, book, delivery.id, chosen) if delivery is not None else Evidence(None, None)
    beside = linked(connection, caller, found.request)
    before, after = neighbours(connection, caller, asked.criteria, found.request, delivery)
    return Sight(found, delivery, proof, beside, before, after)


async def find(hub: Hub, person: Person, asked: Asked) -> Sight:
    """Find a request that this person may see; raises Problem 404."""
    found = await hub.ledger.read(see, hub.ledger.book, person.principal, asked)
    if found is None:
        raise Problem(ProblemType.NOT_FOUND)
    person.require_scope(found.dossier.request.kind, found.dossier.request.site)
    return found


async def show(request: Request, hub: Hub, person: Person, asked: Asked, told: Told = PLAIN) -> Response:
    """Show one request; raises Problem 404."""
    sight = await find(hub, person, asked)
    values = {
        **_of_request(hub, sight, asked),
        **_of_delivery(hub, sight, person, told),
        **_of_facts(hub, sight, asked),
    }
    refreshes = is_under_way(sight.dossier) and told == PLAIN
    box: Box | None = values["box"]
    outcome = _outcome(asked, box)
    return render(
        request,
        person,
        "request.html.j2",
        status=told.status,
        asked=asked,
        told=told,
        words=words,
        refreshes=refreshes,
        outcome=outcome,
        **values,
    )


def _outcome(asked: Asked, box: Box | None) -> Outcome | None:
    return outcome_of(asked.dit, box.delivery, box.closing) if asked.dit and box is not None else None


def _of_request(hub: Hub, sight: Sight, asked: Asked) -> dict[str, Any]:
    found = sight.dossier
    title = found.definition.route.title if found.definition else found.request.kind
    return {
        "row": found.request,
        "dossier": found,
        "title": title,
        "message": message_of(hub, found, found.request.stage),
        "steps": steps_of(found),
        "does": DOES,
        "linked": sight.linked,
        "before": replace(asked, number=sight.before, envoi=None, essai=None, piece="") if sight.before else None,
        "after": replace(asked, number=sight.after, envoi=None, essai=None, piece="") if sight.after else None,
        "piece": next((one for one in found.files if one.id == asked.piece), None),
    }


def _of_delivery(hub: Hub, sight: Sight, person: Person, told: Told) -> dict[str, Any]:
    row = sight.delivery
    if row is None:
        return {"box": None, "panes": None, "operation": "", "hint": ""}
    return {
        "box": box_of(hub, sight.dossier, row, person),
        "panes": panes_of(hub, sight.evidence, revealed=told.revealed),
        "operation": operations_of(hub, sight.dossier).get(row.id, ""),
        "hint": hint_of(hub, row.target, row.code),
    }


def _of_facts(hub: Hub, sight: Sight, asked: Asked) -> dict[str, Any]:
    found = sight.dossier
    attempts: Sequence[Attempt] = attempts_of(hub, found)
    return {
        "attempts": attempts,
        "lines": timeline(hub, found, asked.lecture, attempts),
        "readings": READINGS,
        "looks": [event for event in found.events if event.kind in words.LOOKS],
    }
