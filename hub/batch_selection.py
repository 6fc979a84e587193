"""Which subjects a plan is about: those named, or all that match, within what the caller may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, func, select

from hub.access import Principal
from hub.batch import MOST, Change
from hub.settlement import ROOM
from hub.tables import DELIVERIES, REQUESTS
from hub.views import Search, Trouble, answering, standing, visible

JOINED: Final = DELIVERIES.join(REQUESTS, REQUESTS.c.number == DELIVERIES.c.request)

PERSONAL: Final = frozenset({"q"})
"""What of a search may be a person's name: a batch does not keep it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person wants planned: a change of the subjects named, or of all that `matching` finds.

    `blinded` is what a search's `q` amounts to in the blind indexes. Where others looked for the subjects, `searched`
    is what they went by, and `left` how many more there are; `more` when nobody counted them all.
    """

    change: Change
    subjects: tuple[int, ...] = ()
    matching: Trouble | Search | None = None
    blinded: str = ""
    searched: str = ""
    left: int = 0
    more: bool = False

    @property
    def criteria(self) -> str:
        """What was looked for, as the batch keeps it: JSON, or as others said it."""
        if self.matching is None:
            return self.searched
        said = self.matching.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"limit", "after"})
        return orjson.dumps({name: "…" if name in PERSONAL else value for name, value in said.items()}).decode()


@dataclass(frozen=True, slots=True)
class Selection:
    """The subjects of a plan, in the order of reception.

    `left`: how many match beyond the most there may be, at least where there may be `more`. `unknown`: how many of
    those named the caller may not see, or are no subject of this verb.
    """

    subjects: Sequence[int]
    left: int = 0
    unknown: int = 0
    more: bool = False


def select_subjects(connection: Connection, caller: Principal, wanted: Wanted) -> Selection:
    """Find the subjects that are meant, the oldest first."""
    key, source = _source(wanted.change)
    if wanted.matching is not None:
        return _matching(connection, select(key).select_from(source).where(*_conditions(caller, wanted)), key)
    of_deliveries = wanted.change.is_of_deliveries
    named = sorted({subject if of_deliveries else subject // ROOM for subject in wanted.subjects})
    asked = select(key).select_from(source).where(key.in_(named[:MOST]), *visible(caller)).order_by(key)
    found = _subjects(wanted.change, connection.scalars(asked).all())
    left = wanted.left + max(0, len(named) - MOST)
    return Selection(found, left, len(named[:MOST]) - len(found), wanted.more)


def _matching(connection: Connection, asked: Any, key: Any) -> Selection:
    found = connection.scalars(asked.order_by(key).limit(MOST)).all()
    left = 0
    if len(found) == MOST:
        left = (connection.scalar(select(func.count()).select_from(asked.subquery())) or MOST) - MOST
    room = 1 if key.table is DELIVERIES else ROOM
    return Selection([one * room for one in found], left)


def _source(change: Change) -> tuple[Any, Any]:
    return (DELIVERIES.c.id, JOINED) if change.is_of_deliveries else (REQUESTS.c.number, REQUESTS)


def _conditions(caller: Principal, wanted: Wanted) -> Sequence[Any]:
    """Say what must hold; raises ValueError for a search of the other sort of subject."""
    match wanted.matching:
        case Trouble() if wanted.change.is_of_deliveries:
            return standing(caller, wanted.matching)
        case Search() if not wanted.change.is_of_deliveries:
            return answering(caller, wanted.matching, wanted.blinded)
    raise ValueError(f"{wanted.change.verb} is of another sort of subject")


def _subjects(change: Change, found: Sequence[int]) -> list[int]:
    return list(found) if change.is_of_deliveries else [number * ROOM for number in found]
