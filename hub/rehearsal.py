"""A rehearsal: a route walked to its end on paper, to learn whether a request's data let it be walked at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.lifecycle import State
from hub.routing import Decision, Fact, Route


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
