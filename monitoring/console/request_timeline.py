"""One timeline, three readings: what the citizen was told, what agents did, and every fact that integrators need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from hub.app import Hub
from hub.dossiers import Dossier
from hub.routing import RECEIVED
from hub.settlement import key_of
from hub.texts import fill
from monitoring.console.request_attempts import Line as Attempt
from monitoring.console.request_words import EVENTS
from monitoring.console.texts import marked


class Reading(StrEnum):
    """Who reads."""

    CITIZEN = "usager"
    AGENT = "agent"
    INTEGRATOR = "integrateur"


READINGS: Final = {
    Reading.CITIZEN: marked("Citizen"),
    Reading.AGENT: marked("Agent"),
    Reading.INTEGRATOR: marked("Integrator"),
}

TECHNICAL: Final = frozenset({"asked", "testimony", "reveal", "revealed"})
"""Events that only integrators need beside the stages; who saw what stands in a panel of its own."""


@dataclass(frozen=True, slots=True)
class Line:
    """One fact: when, what, by whom, about which delivery, in which words of theirs."""

    at: int
    what: str
    """A sentence of the catalogue."""
    note: str = ""
    actor: str = ""
    delivery: str = ""
    code: str = ""
    is_stage: bool = False
    by_itself: bool = False
    """Whether its actor is a word of the catalogue, being nobody."""


def timeline(hub: Hub, dossier: Dossier, reading: Reading, attempts: Sequence[Attempt]) -> Sequence[Line]:
    """Give the facts of a reading, the oldest first."""
    lines = _citizen(hub, dossier) if reading is Reading.CITIZEN else _staff(dossier, reading, attempts)
    return sorted(lines, key=lambda line: line.at)


def message_of(hub: Hub, dossier: Dossier, stage: str) -> str:
    """Give the sentence that the citizen reads at a stage; none where the kind cannot be read any more."""
    if dossier.definition is None:
        return ""
    title = dossier.definition.route.title
    return fill(hub.catalogue.message(dossier.definition, stage), dossier.request.number, title)


def _citizen(hub: Hub, dossier: Dossier) -> Iterator[Line]:
    for at, stage in _stages(dossier):
        yield Line(at, stage, message_of(hub, dossier, stage), is_stage=True)


def _stages(dossier: Dossier) -> Iterator[tuple[int, str]]:
    yield dossier.request.received_at, RECEIVED
    yield from ((event.at, event.stage) for event in dossier.events if event.kind == "stage")


def _staff(dossier: Dossier, reading: Reading, attempts: Sequence[Attempt]) -> Iterator[Line]:
    yield from (Line(at, stage, is_stage=True) for at, stage in _stages(dossier))
    for event in dossier.events:
        if event.kind != "stage" and (reading is Reading.INTEGRATOR or event.kind not in TECHNICAL):
            yield _done(event, reading)
    if reading is Reading.INTEGRATOR:
        yield from map(_tried, attempts)


def _tried(one: Attempt) -> Line:
    note = f"{one.target} {one.http_status or ''}".strip()
    return Line(one.started_at, one.outcome.text, note, one.starter, one.key, one.code, by_itself=one.by_itself)


def _done(event: Any, reading: Reading) -> Line:
    about = key_of(event.delivery) if event.delivery and reading is Reading.INTEGRATOR else ""
    return Line(event.at, EVENTS.get(event.kind, event.kind), event.note, event.actor, about)
