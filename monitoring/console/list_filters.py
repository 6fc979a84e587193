"""The list's filters as people read them: a chip for each, with the address without it; and what a form offers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hub.app import Hub
from hub.criteria import MAY_BE_EMPTY, Criteria, Sort, Standing
from hub.lifecycle import State
from monitoring.console.labels import CHANNELS
from monitoring.console.list_words import DELIVERIES, STANDINGS
from monitoring.console.texts import Catalogue, marked

NAMES: Final[Mapping[str, str]] = {
    "from": marked("Received from"),
    "to": marked("Received until"),
    "status": marked("Standing"),
    "stage": marked("Step"),
    "kind": marked("Kind"),
    "site": marked("Site"),
    "version": marked("Version"),
    "channel": marked("Channel"),
    "district": marked("District"),
    "state": marked("Deliveries"),
    "target": marked("Target"),
    "code": marked("Cause"),
    "cause_stage": marked("Step of the cause"),
    "attempts": marked("Attempts, at least"),
    "due_before": marked("Deadline before"),
    "owner": marked("Seen to by"),
    "finalized_by": marked("Finalized by"),
    "recovered": marked("Failed, then integrated"),
    "key": marked("Business key"),
    "x": marked("Search"),
    "number": marked("Number"),
}
"""Every filter, in the order of its chip."""

SORTS: Final[Mapping[Sort, str]] = {
    Sort.NEWEST: marked("The newest first"),
    Sort.DUE: marked("The nearest deadline first"),
    Sort.OLDEST: marked("What stands longest first"),
}
HIDDEN: Final = marked("a name, an address, a number or a key")


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter that is set: its name, what it says, and the address of the list without it."""

    name: str
    said: str
    without: str


def chips(hub: Hub, texts: Catalogue, criteria: Criteria) -> Iterator[Chip]:
    """Give a chip for each filter that is set."""
    said = criteria.said()
    for name in NAMES:
        if name in said:
            together = {"x", "key"} if name in {"x", "key"} else {name}
            yield Chip(texts.gettext(NAMES[name]), _worded(hub, texts, name, said[name]), criteria.query(*together))


def choices(hub: Hub, texts: Catalogue, criteria: Criteria) -> dict[str, Sequence[tuple[str, str]]]:
    """Give what may be chosen in the form: values and words."""
    kinds = sorted(((kind, one.route.title) for kind, one in hub.catalogue.kinds.items()), key=lambda pair: pair[1])
    keys = sorted({name for one in hub.catalogue.kinds.values() for name in one.route.keys})
    sorts = [sort for sort in Sort if sort is not Sort.OLDEST or criteria.is_of_one_cause]
    return {
        "kind": kinds,
        "status": [(standing.value, texts.gettext(word)) for standing, (_, word) in STANDINGS.items()],
        "target": [(name, name) for name in sorted(hub.targets)],
        "channel": [(str(channel), texts.gettext(word)) for channel, word in CHANNELS.items()],
        "key": [(name, name.replace("_", " ")) for name in keys],
        "sort": [(sort.value, texts.gettext(SORTS[sort])) for sort in sorts],
    }


def _worded(hub: Hub, texts: Catalogue, name: str, said: Any) -> str:
    """Say what a filter asks for."""
    words: Mapping[str, Callable[[Any], str]] = {
        "status": lambda one: texts.gettext(STANDINGS[Standing(one)][1]),
        "state": lambda states: ", ".join(dict.fromkeys(texts.gettext(DELIVERIES[State(one)][1]) for one in states)),
        "kind": lambda one: hub.catalogue.kinds[one].route.title if one in hub.catalogue.kinds else one,
        "channel": lambda one: texts.gettext(CHANNELS[one]),
        "recovered": lambda _: texts.gettext(marked("yes")),
        "x": lambda _: texts.gettext(HIDDEN),
        "number": lambda numbers: ", ".join(f"{number:09d}" for number in numbers),
        **dict.fromkeys(MAY_BE_EMPTY, lambda one: one or texts.gettext(marked("none"))),
    }
    return words.get(name, str)(said)
