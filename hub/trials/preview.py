"""One message of a stored request as its own version writes it and as the current one would, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from hub.catalogue import Definition
from hub.trials.difference import Difference
from hub.trials.explanation import LEDGER, between
from hub.trials.legs import Leg, Message, legs_in
from hub.trials.stored import Stored
from hub.trials.trial import Known, Supposed, walk


@dataclass(frozen=True, slots=True)
class Change:
    """What a delivery's message says now, what it would say, and each element that differs."""

    before: Any
    after: Any
    differences: tuple[Difference, ...] = ()


async def preview(stored: Stored, current: Definition, step: str, item: int) -> Change:
    """Write one delivery's message under both versions; nothing is there where a version does not come to its step."""
    answers = {name: Supposed(answer, LEDGER) for name, answer in stored.answers.items()}
    known = Known(answers, stored.decisions, stored.keys)
    both = [stored.definition, current]
    before, after = [_at(await walk(one, stored.document, known), step, item) for one in both]
    if before is None and after is None:
        return Change(None, None)
    return Change(_said(before), _said(after), tuple(between(before, after)))


def _at(legs: Sequence[Leg], step: str, item: int) -> Message | None:
    found = [leg.messages[item] for _, leg in legs_in(legs) if leg.step == step and item < len(leg.messages)]
    return found[0] if found else None


def _said(message: Message | None) -> Any:
    return None if message is None or message.body is None else orjson.loads(message.body)
