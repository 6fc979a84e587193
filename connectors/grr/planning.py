"""Reads a room's planning of a day, as its page shows it: one row a slot, one cell a booking. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qs, urlsplit

from connectors._transport.http import Answer
from connectors._transport.xml import Element
from connectors.grr.page import entry_of, parse, words
from connectors.grr.reservation import Creneaux, Reserver
from connectors.grr.wire import failure
from hub.manifest import ErrorTable

CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})\s*([ap]m)?", re.IGNORECASE)
TIME: Final = re.compile(r"(\d{1,2}):(\d{1,2})", re.ASCII)
DAY: Final = 24 * 60
BY_PERIODS: Final = "creneaux_predefinis"


class Planning:
    """A room's day. `entries`: the bookings it links to → the minute at which their first row begins."""

    def __init__(self, table: Element) -> None:
        rows = [(read_hours(row), row) for row in table.iterfind("tbody/tr")]
        self._rows = [(*hours, row) for hours, row in rows if hours]
        self._offers = [offer for _, row in rows for offer in read_offers(row)]
        self.entries = {
            number: start
            for start, _, row in reversed(self._rows)
            for cell in row.iterfind("td")
            if (number := entry_of(cell))
        }

    @classmethod
    def read(cls, answer: Answer) -> Planning | None:
        """Find the planning on a page; None when the page has none."""
        page = parse(answer)
        tables = () if page is None else page.iter("table")
        return next((cls(table) for table in tables if "jour" in table.get("class", "").split()), None)

    @property
    def by_periods(self) -> bool:
        """Say whether its slots are named instead of timed."""
        return any("period" in offer for offer in self._offers)

    def free(self, room: int) -> Iterator[tuple[int, int]]:
        """Give the slots that GRR itself offers to book: the minute each begins, its length in minutes."""
        lengths = {start: length for start, length, _ in self._rows}
        for offer in self._offers:
            said = TIME.fullmatch(f"{offer.get('hour', '')}:{offer.get('minute', '0')}")
            if said and offer.get("room") == str(room):
                start = int(said[1]) * 60 + int(said[2])
                if start in lengths:
                    yield start, lengths[start]

    def holds(self, number: str, booking: Reserver) -> bool:
        """Say whether a booking stands at its slot; a planning without links says no only where the slot is free."""
        minute = booking.begin.hour * 60 + booking.begin.minute
        row = max((start for start, _, _ in self._rows if start <= minute), default=None)
        if any(start == row for start, _ in self.free(booking.ressource)):
            return False
        return not self.entries or (number in self.entries and row in {None, self.entries[number]})


def read_slots(answer: Answer, asked: Creneaux, errors: ErrorTable) -> Mapping[str, object]:
    """Read the free slots of a day; raises what a page without a planning stands for."""
    planning = Planning.read(answer)
    if planning is None:
        raise failure(answer, errors)
    if planning.by_periods:
        raise errors.failure(BY_PERIODS)
    return {"creneaux": [write_slot(asked, *slot) for slot in planning.free(asked.ressource)]}


def write_slot(asked: Creneaux, start: int, length: int) -> dict[str, object]:
    """Write a free slot."""
    begin = datetime.combine(asked.jour, datetime.min.time()) + timedelta(minutes=start)
    end = begin + timedelta(minutes=length)
    return {"debut": begin.isoformat(), "fin": end.isoformat(), "ressource": asked.ressource}


def read_offers(row: Element) -> Iterator[Mapping[str, str]]:
    """Find the links of a row that lead to the form of a booking, as the fields they fill in."""
    for link in row.iter("a"):
        fields = {name: values[0] for name, values in parse_qs(urlsplit(link.get("href", "")).query).items()}
        if fields.get("p") == "editentree":
            yield fields


def read_hours(row: Element) -> tuple[int, int] | None:
    """Read when the slot of a row begins, in minutes, and how long it is; None for a row without its two times."""
    first = row.find("td")
    times = [] if first is None else [minutes(found) for found in CLOCK.finditer(words(first))]
    return (times[0], (times[1] - times[0]) % DAY or DAY) if len(times) == 2 else None


def minutes(clock: re.Match[str]) -> int:
    """Read a time of day, of twelve hours or of twenty-four."""
    hour, minute, half = int(clock[1]), int(clock[2]), (clock[3] or "").lower()
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    return hour * 60 + minute
