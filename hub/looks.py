"""Who looked at what a request contains: one line in its audit for each look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from hub.model import Instant
from hub.tables import BLANK_EVENT, EVENTS

REVEALED: Final = "revealed"
"""The kind of an event that says that somebody looked."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look: at what of which request, by whom, and why, in words without personal data."""

    number: int
    what: str
    actor: str
    at: Instant
    why: str = ""
    delivery: int | None = None


def look(connection: Connection, looks: Sequence[Look]) -> list[None]:
    """Write looks down, before anything is shown."""
    for one in looks:
        note = f"{one.what}: {one.why}" if one.why else one.what
        said = {"kind": REVEALED, "actor": one.actor, "note": note, "at": one.at, "delivery": one.delivery}
        connection.execute(EVENTS.insert(), {**BLANK_EVENT, **said, "request": one.number})
    return [None] * len(looks)
