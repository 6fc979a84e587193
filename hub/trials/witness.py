"""Whoever sees the values of stored requests is written down first: on the request's page, and in the audit's chain."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Engine

from hub.audit import Entry, Outcome, Unsaid
from hub.auditor import add_to_audit, at_the_keyboard
from hub.clock import system_clock
from hub.settings import Settings
from hub.tables import BLANK_EVENT, EVENTS
from hub.trials.stored import REVEAL


def say_revealed(settings: Settings, engine: Engine, numbers: Collection[int], why: str) -> None:
    """Write down who is about to see the values of these requests, and what for: all of it, or nothing is shown."""
    who, seen = at_the_keyboard(), sorted(numbers)
    said = {"kind": REVEAL, "actor": f"terminal/{who.partition('/')[2]}"[:80], "note": why, "at": system_clock()}
    told = [Entry(who, REVEAL, f"request {number:09d}", Outcome.ALLOW, {"reason": Unsaid(why)}) for number in seen]
    with engine.begin() as connection:
        connection.execute(EVENTS.insert(), [{**BLANK_EVENT, **said, "request": number} for number in seen])
        add_to_audit(settings, connection, *told)
