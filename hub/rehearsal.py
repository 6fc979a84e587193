"""What is asked of data before they are taken: they are held to their kind, and their route is rehearsed to its end."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from hub.catalogue import Definition
from hub.enclosures import NAMES_FILES, check_files
from hub.gate import validate_data
from hub.lifecycle import State
from hub.routing import Decision, Fact, Route


def hold(definition: Definition, data: Any, attachments: Collection[str]) -> None:
    """Hold data, and the files they name, to a kind; raises Problem 422 that lists every field to correct."""
    validate_data(definition.validator, definition.schema, data)
    if NAMES_FILES in definition.source:
        check_files(definition.schema, data, attachments)


def rehearse(route: Route, document: Mapping[str, Any]) -> None:
    """Walk a route as if every target took everything, accepting and refusing at each decision.

    Raises MappingError when a condition or a list that would be reached cannot be evaluated on this request.
    """
    facts: list[Fact] = []
    decisions: dict[str, Decision] = {}
    while True:
        progress = route.progress(document, facts, decisions)
        planned = [plan for plan in progress.planned if not plan.after]  # nobody is late at a rehearsal
        if planned:
            facts += [Fact(plan.step, plan.item, State.DELIVERED) for plan in planned]
        elif step := progress.awaiting:
            route.progress(document, facts, decisions | {step: Decision(step, accepted=False)})
            decisions[step] = Decision(step, accepted=True)
        else:
            return
