"""The statements about what targets say of their own accord: that something may have happened, or what they have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, select, text, update

from hub.book import Book
from hub.calendar import instant_of
from hub.claims import Claim, seen
from hub.lifecycle import HELD, TRANSITIONS, Event, State
from hub.model import Verdict
from hub.records import fitting
from hub.settlement import Settled, settle
from hub.tables import BLANK_EVENT, DELIVERIES, EVENTS, WAITED, among

MOST: Final = 500
"""Messages shown to a target at once."""

MEANS: Final = {Verdict.ACCEPTED: Event.ACCEPTED, Verdict.REFUSED: Event.GIVEN_UP}
"""What a target's proved word does to a delivery whose outcome is open."""


SHOWN: Final = (State.SENDING, State.UNCERTAIN, State.ASKING, State.PARKED, State.DELIVERED)
"""What a target may be shown again: what was sent to it, and is neither taken back nor finished by hand."""


@dataclass(frozen=True, slots=True)
class Nudge:
    """Something may have happened to what a target calls `reference`."""

    target: str
    reference: str


@dataclass(frozen=True, slots=True)
class Word:
    """A target says that it has one of its deliveries, or will not have it."""

    target: str
    delivery: int
    verdict: Verdict
    code: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of a target's word; not `known` when it has no such delivery."""

    known: bool
    settled: Settled = field(default_factory=Settled)


def nudge(book: Book, connection: Connection, nudges: Sequence[Nudge]) -> list[list[int]]:
    """Make what waits under these references due now, and what is being asked about again at once; gives them."""
    return [_nudge(book, connection, one) for one in nudges]


def _nudge(book: Book, connection: Connection, said: Nudge) -> list[int]:
    mine = DELIVERIES.c.target == said.target, DELIVERIES.c.reference == said.reference
    due = update(DELIVERIES).where(text(WAITED), *mine).values(next_at=book.now())
    # Of what is asked just now the answer may be older than the news: see records.nudged.
    again = update(DELIVERIES).where(text(among(HELD)), *mine).values(next_at=DELIVERIES.c.sent_at + 1)
    return [row.id for change in (due, again) for row in connection.execute(change.returning(DELIVERIES.c.id))]


def hear(book: Book, connection: Connection, words: Sequence[Word]) -> list[Heard]:
    """Take targets at their word, where the outcome was open; what contradicts an outcome is kept for a person."""
    return [_hear(book, connection, word) for word in words]


def _hear(book: Book, connection: Connection, word: Word) -> Heard:
    mine = DELIVERIES.c.id == word.delivery, DELIVERIES.c.target == word.target
    row = connection.execute(select(DELIVERIES).where(*mine).with_for_update()).first()
    if row is None:
        return Heard(known=False)
    after = TRANSITIONS.get((State(row.state), MEANS[word.verdict]))
    note = f"{word.verdict}{f' ({word.code})' if word.code else ''}{'' if after else f', while {row.state}'}"
    said = {"kind": "testimony", "actor": word.target, "note": note, "at": book.now()}
    connection.execute(EVENTS.insert(), {**BLANK_EVENT, **said, "request": row.request, "delivery": row.id})
    if after is None:
        return Heard(known=True)
    _move(book, connection, row, after, word)
    return Heard(known=True, settled=settle(connection, book, [row.request], word.target))


def _move(book: Book, connection: Connection, row: Row[Any], after: State, word: Word) -> None:
    now = book.now()
    values = {
        "state": after,
        "code": fitting(word.code, 60),
        "ever_uncertain": False,
        "next_at": now,
        "updated_at": now,
    }
    if after is State.PARKED:
        values["fence"] = row.fence + 1  # whatever its own answer says now, the target will not have it
    connection.execute(update(DELIVERIES).where(DELIVERIES.c.id == row.id).values(**values))


def created(connection: Connection, book: Book, target: str, since: datetime, until: datetime) -> list[Claim]:
    """List what was sent to a target, of the deliveries created in that time, the oldest first."""
    span = DELIVERIES.c.created_at >= instant_of(since), DELIVERIES.c.created_at <= instant_of(until)
    columns = [DELIVERIES.c[name] for name in Claim._fields if name in DELIVERIES.c]
    said = DELIVERIES.c.sent_at > 0, DELIVERIES.c.state.in_(SHOWN)
    wanted = select(*columns).where(DELIVERIES.c.target == target, *span, *said).order_by(DELIVERIES.c.id).limit(MOST)
    return seen(book, connection, connection.execute(wanted).all())
