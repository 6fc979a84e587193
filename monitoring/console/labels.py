"""How what requests are counted by reads: kinds by their titles, fields by their form's, words as people write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from hub.app import Hub
from hub.facets import OTHER, SEVERAL, leaf
from hub.model import Channel, Status
from monitoring.console.door import Person
from monitoring.console.texts import Catalogue, marked

AXES: Final[Mapping[str, str]] = {
    "kind": marked("Kind"),
    "year": marked("Year"),
    "month": marked("Month"),
    "site": marked("Site"),
    "channel": marked("Channel"),
    "district": marked("District"),
}
CHANNELS: Final[Mapping[str, str]] = {
    Channel.INTERNET: marked("Internet"),
    Channel.MOBILE: marked("Mobile"),
    Channel.DESK: marked("Counter"),
    Channel.PHONE: marked("Telephone"),
    Channel.LETTER: marked("Letter"),
    Channel.EMAIL: marked("E-mail"),
    Channel.INTERNAL: marked("Internal"),
}
STATUSES: Final[Mapping[str, str]] = {
    Status.PARKED: marked("In error"),
    Status.UNCERTAIN: marked("Outcome unknown"),
    Status.WAITING: marked("Waiting"),
    Status.IN_PROGRESS: marked("In progress"),
}
"""What is open, the worst first."""

COUNTED: Final[Mapping[str, str]] = {OTHER: marked("Other"), SEVERAL: marked("Several")}
THOUSANDS: Final[Mapping[str, str]] = {"fr": "\N{NARROW NO-BREAK SPACE}", "en": ","}
"""What stands between a figure's thousands."""

CODE: Final = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")


@dataclass(frozen=True)
class Labels:
    """What axes and their words are called in a language; `axes` holds the facets of the kind that was chosen."""

    texts: Catalogue
    kinds: Mapping[str, str]
    axes: Mapping[str, str]
    thousands: str = THOUSANDS["fr"]

    @property
    def total(self) -> str:
        """What the last line and the last column are called."""
        return self.texts.gettext(marked("Total"))

    def figure(self, figure: int) -> str:
        """Write a figure with its thousands apart, in a twentieth of the time that a library of locales takes."""
        return f"{figure:,}".replace(",", self.thousands)

    def value(self, axis: str, word: str) -> str:
        """Say a word of an axis."""
        if not word:
            return self.texts.gettext(marked("Not said"))
        match axis:
            case "kind":
                return self.kinds.get(word, word)
            case "channel":
                return self.texts.gettext(CHANNELS.get(word, word))
            case "month":
                return "/".join(reversed(word.split("-")))
            case "year" | "district":
                return word
            case _:
                return self.texts.gettext(COUNTED[word]) if word in COUNTED else spelled(word)


def labels_of(hub: Hub, person: Person, kind: str = "") -> Labels:
    """Give the labels of an installation in somebody's language, and those of the facets of one kind."""
    texts = person.texts
    kinds = {name: one.route.title for name, one in hub.catalogue.kinds.items()}
    axes = {name: texts.gettext(said) for name, said in AXES.items()}
    definition = hub.catalogue.kinds.get(kind)
    if definition is not None:
        sources = definition.route.observer.sources
        axes |= {
            name: _title(definition.schema, sources[f"facets.{name}"]) or spelled(name)
            for name in definition.route.observer.facets
        }
    in_order = dict(sorted(kinds.items(), key=lambda item: item[1].casefold()))
    return Labels(texts, in_order, axes, THOUSANDS[person.language])


def spelled(word: str) -> str:
    """Write a code as words: `eclairage_public` is « Eclairage public »; anything else stays as it is."""
    return word.replace("_", " ").capitalize() if CODE.fullmatch(word) and not word.isdigit() else word


def _title(schema: Mapping[str, Any], source: str) -> str:
    """Find what a form calls the field that a plain path leads to."""
    field = leaf({"properties": {"data": schema}, "$defs": schema.get("$defs", {})}, source)
    return str(field.get("title", "")) if field else ""
