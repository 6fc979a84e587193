"""Periods as ranges of request numbers, so that what came in within one is found in every index that has the number.

Numbers are handed out in blocks, one at a time to a process, which gives them in the order in which it receives: within
a block, later means higher. A process may be at an old block while others are at new ones, so a period is not always
one range. No index over the moments themselves is needed, which every request would pay for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, and_, bindparam, false, func, or_, select

from hub.intake import FIRST_NUMBER
from hub.ledger import BLOCK
from hub.tables import REQUESTS

NEAR: Final = 32
"""So many blocks on either side of a moment are looked at. A process at an older block is not waited for."""

LAST: Final = 10**9
"""Above every number."""


class Span(NamedTuple):
    """Numbers from the first on, up to the last and without it."""

    first: int
    last: int


EVER: Final = (Span(0, LAST),)


def spans(connection: Connection, since: int | None, until: int | None) -> Sequence[Span]:
    """Give the numbers of the requests received from `since` on, up to `until` (instants, both included)."""
    begun = EVER if since is None else _received_from(connection, since)
    return begun if until is None else _without(begun, _received_from(connection, until + 1))


def within(numbers: Sequence[Span], column: ColumnElement[int], room: int = 1) -> ColumnElement[bool] | None:
    """Say that a column is in these numbers, or in their deliveries (`room` of each); None when it always is."""
    if numbers == EVER:
        return None
    ranges = [and_(column >= span.first * room, column < span.last * room) for span in numbers]
    return or_(*ranges) if ranges else false()


def _received_from(connection: Connection, moment: int) -> Sequence[Span]:
    newest = connection.scalar(select(func.max(REQUESTS.c.number))) or 0
    top = min(_block(newest), _begun(connection, newest, moment) + NEAR * BLOCK)
    found = [Span(top + BLOCK, LAST)]
    for row in connection.execute(EDGES, {"top": top}):
        if row.last_at is not None and row.last_at >= moment:
            first = row.start if row.first_at >= moment else _first_from(connection, row.start, moment)
            found.append(Span(first, row.start + BLOCK))
    return _joined(sorted(found))


def _block(number: int) -> int:
    """Give the first number of a number's block."""
    return number - (number - FIRST_NUMBER) % BLOCK


def _begun(connection: Connection, newest: int, moment: int) -> int:
    """Find a block that was begun about this moment, halving what is left: blocks are begun in their order."""
    low, high = 0, max(0, newest - FIRST_NUMBER) // BLOCK + 1
    while low < high:
        middle = (low + high) // 2
        at = connection.scalar(BEGUN, {"first": FIRST_NUMBER + middle * BLOCK})
        low, high = (low, middle) if at is None or at >= moment else (middle + 1, high)
    return FIRST_NUMBER + low * BLOCK


BEGUN: Final = (
    select(REQUESTS.c.received_at)
    .where(REQUESTS.c.number >= bindparam("first", type_=BigInteger))
    .order_by(REQUESTS.c.number)
    .limit(1)
)


def _edges() -> Select[Any]:
    """Write the statement that tells when the first and the last request of each block came in, from `top` down."""
    top: ColumnElement[int] = bindparam("top", type_=BigInteger)
    blocks = select(top.label("start")).cte("blocks", recursive=True)
    last = blocks.c.start > top - 2 * NEAR * BLOCK, blocks.c.start > FIRST_NUMBER
    blocks = blocks.union_all(select(blocks.c.start - BLOCK).where(*last))
    inside = REQUESTS.c.number >= blocks.c.start, REQUESTS.c.number < blocks.c.start + BLOCK
    edge = select(REQUESTS.c.received_at).where(*inside).limit(1)
    first = edge.order_by(REQUESTS.c.number).scalar_subquery().label("first_at")
    newest = edge.order_by(REQUESTS.c.number.desc()).scalar_subquery().label("last_at")
    return select(blocks.c.start, first, newest)


EDGES: Final = _edges()


def _first_from(connection: Connection, block: int, moment: int) -> int:
    inside = REQUESTS.c.number >= block, REQUESTS.c.number < block + BLOCK, REQUESTS.c.received_at >= moment
    return int(connection.scalar(select(func.min(REQUESTS.c.number)).where(*inside)) or block + BLOCK)


def _joined(numbers: Sequence[Span]) -> Sequence[Span]:
    """Make one of spans that follow upon each other."""
    found: list[Span] = []
    for span in numbers:
        if found and found[-1].last >= span.first:
            found[-1] = Span(found[-1].first, max(found[-1].last, span.last))
        else:
            found.append(span)
    return found


def _without(numbers: Sequence[Span], taken: Sequence[Span]) -> Sequence[Span]:
    """Leave out of these spans what is in others, both in order."""
    left = list(numbers)
    for gone in taken:
        before = [Span(one.first, min(one.last, gone.first)) for one in left]
        after = [Span(max(one.first, gone.last), one.last) for one in left]
        left = sorted(part for part in (*before, *after) if part.first < part.last)
    return left
