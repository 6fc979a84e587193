"""What a trial finds, as values and as JSON: steps, their messages, and of each element where its value is from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from hub.mapping import Trace
from hub.model import Verdict

VALUES: Final = frozenset({"answers", "when"})
"""What is said of a leg that may be a citizen's."""

DECISION: Final = "await"
"""What a step does that waits for a person."""


FAILED: Final = "fail"
"""What the last leg of a walk says that could not go on."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a message: its expression, the paths it reads with what is there, and what is written."""

    element: str
    expression: str
    sources: Mapping[str, Any]
    trace: Trace


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a target said of a message: the verdict, its receipt or its code, and what went over the wire."""

    verdict: Verdict
    code: str = ""
    reference: str = ""
    answer: Mapping[str, Any] = field(default_factory=dict)
    sent: str = ""
    answered: str = ""
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a step: whom it is for, under which key, and all that is written in it."""

    key: str
    target: str
    operation: str
    mapping: str
    body: bytes | None
    """JSON; None where the mapping cannot write it."""
    elements: tuple[Element, ...] = ()
    files: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    item: Any = None
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Leg:
    """One step of the way: what it does, what there is to say of it, its messages, and what would follow a refusal."""

    step: str
    does: str
    said: Mapping[str, Any] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    refused: tuple[Leg, ...] = ()


def legs_in(legs: Sequence[Leg]) -> Iterator[tuple[str, Leg]]:
    """Give every leg with the outcome it belongs to: "" on the way of acceptance, else the decision that is refused."""
    for leg in legs:
        yield "", leg
        yield from ((leg.step, one) for one in leg.refused)


def shown_leg(leg: Leg, shown: Callable[[Any], Any]) -> dict[str, Any]:
    """Write a leg as JSON, its values as `shown` shows them."""
    said = {name: shown(value) if name in VALUES else value for name, value in leg.said.items()}
    return {
        "step": leg.step,
        "does": leg.does,
        **said,
        "messages": [_shown_message(one, shown) for one in leg.messages],
        **({"refused": [shown_leg(one, shown) for one in leg.refused]} if leg.does == DECISION else {}),
    }


def _shown_message(message: Message, shown: Callable[[Any], Any]) -> dict[str, Any]:
    return {
        "key": message.key,
        "target": message.target,
        "operation": message.operation,
        "mapping": message.mapping,
        **({"item": shown(message.item)} if message.item is not None else {}),
        "message": None if message.body is None else shown(orjson.loads(message.body)),
        "failing": list(message.failing),
        "files": list(message.files),
        "elements": [_shown_element(one, shown) for one in message.elements],
        **({"outcome": _shown_outcome(message.outcome)} if message.outcome else {}),
    }


def _shown_element(one: Element, shown: Callable[[Any], Any]) -> dict[str, Any]:
    return {
        "element": one.element,
        "expression": one.expression,
        "sources": {path: shown(value) for path, value in one.sources.items()},
        "choices": list(one.trace.choices),
        "written": one.trace.written,
        "fails": one.trace.failed,
        "value": shown(one.trace.value),
    }


def _shown_outcome(outcome: Outcome) -> dict[str, Any]:
    return {name: getattr(outcome, name) for name in Outcome.__dataclass_fields__}
