"""A stored request explained: what was written for it under the definition it is pinned to, and what would be now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from hub.catalogue import Definition
from hub.trials.difference import ABSENT, Cause, Difference, differences
from hub.trials.legs import Leg, Message, legs_in, shown_leg
from hub.trials.stored import Stored
from hub.trials.trial import Known, Supposed, walk

LEDGER: Final = "the ledger"
"""Who says what steps were answered."""

Place = tuple[str, str, int]
"""A message's place: the decision whose refusal it belongs to, its step, its item."""


async def explain(stored: Stored, current: Definition | None, shown: Callable[[Any], Any]) -> dict[str, Any]:
    """Walk both definitions with this request, and say where their messages differ; values as `shown` shows them."""
    answers = {step: Supposed(answer, LEDGER) for step, answer in stored.answers.items()}
    known = Known(answers, stored.decisions, stored.keys)
    pinned = await walk(stored.definition, stored.document, known)
    now = None if current is None else await walk(current, stored.document, known)
    return {
        "number": f"{stored.number:09d}",
        "kind": stored.kind,
        "pinned": _version(stored.definition, pinned, shown),
        "current": None if current is None or now is None else _version(current, now, shown),
        "differences": [] if now is None else list(_differences(pinned, now, shown)),
    }


def _version(definition: Definition, legs: Sequence[Leg], shown: Callable[[Any], Any]) -> dict[str, Any]:
    return {"version": definition.version, "steps": [shown_leg(leg, shown) for leg in legs]}


def _differences(before: Sequence[Leg], after: Sequence[Leg], shown: Callable[[Any], Any]) -> Iterator[dict[str, Any]]:
    """Compare message by message; one that only one of the definitions writes is a difference as a whole."""
    was, now = dict(_messages(before)), dict(_messages(after))
    for place in [*was, *(place for place in now if place not in was)]:
        refused, step, item = place
        for found in between(was.get(place), now.get(place)):
            yield {
                "step": step,
                "item": item,
                **({"refused": refused} if refused else {}),
                "element": found.path,
                "cause": str(found.cause),
                **_values(found, shown),
            }


def _messages(legs: Sequence[Leg]) -> Iterator[tuple[Place, Message]]:
    for refused, leg in legs_in(legs):
        for item, message in enumerate(leg.messages):
            yield (refused, leg.step, item), message


def between(before: Message | None, after: Message | None) -> Iterator[Difference]:
    """Find where two messages differ; one that is not there differs as a whole."""
    if before is None or after is None:
        yield Difference("", Cause.ADDED if before is None else Cause.REMOVED)
        return
    if (before.target, before.operation) != (after.target, after.operation):
        yield Difference("(operation)", Cause.VALUE)
    yield from (Difference(path, Cause.FAILS_NOW) for path in after.failing if path not in before.failing)
    yield from (Difference(path, Cause.WORKS_NOW) for path in before.failing if path not in after.failing)
    if before.body is not None and after.body is not None:
        yield from differences(orjson.loads(before.body), orjson.loads(after.body))
        if before.files != after.files:
            yield Difference("(files)", Cause.VALUE, list(before.files), list(after.files))


def _values(found: Difference, shown: Callable[[Any], Any]) -> Mapping[str, Any]:
    said = {"pinned": found.before, "current": found.after}
    return {name: shown(value) for name, value in said.items() if value is not ABSENT}
