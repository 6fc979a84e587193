"""Walking the audit's chain, in pages, from its first row to the first one that is not as it was written."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from hub.anchor import Anchor
from hub.audit import Chain, Head, head_of
from hub.tables_audit import AUDIT

PAGE: Final = 1_000
"""Rows held at a time."""


class Fault(StrEnum):
    """What was done to the chain."""

    ALTERED = "altered"
    MISSING = "missing"
    INSERTED = "inserted"
    CUT = "cut"
    REWRITTEN = "rewritten"


SENTENCES: Final = {
    Fault.ALTERED: "it is not what was written",
    Fault.MISSING: "it is missing",
    Fault.INSERTED: "it was put in by somebody else",
    Fault.CUT: "it and what followed are missing at the end",
    Fault.REWRITTEN: "an anchor kept elsewhere says otherwise: rows were written anew, at the latest here",
}
"""What each means for the row that is named."""


@dataclass(frozen=True, slots=True)
class Bad:
    """The first row that is not as it was written."""

    n: int
    fault: Fault

    @property
    def sentence(self) -> str:
        """Say it to a person."""
        return f"row {self.n}: {SENTENCES[self.fault]}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a walk found: the rows that are as written, which they are, how many anchors agreed, and what is bad."""

    first: int
    last: int
    hash: str
    anchors: int
    bad: Bad | None


def verify(connection: Connection, chain: Chain, anchors: Iterable[Anchor] = ()) -> Verdict:
    """Walk the whole chain, holding it to its head and to what was said of it elsewhere, in the order it was said."""
    head = head_of(connection)
    walk = Walk(connection, chain, head or Head(), anchors)
    bad = walk.through() or walk.ending()
    if bad is None and (head is None or not chain.is_ours(head)):
        bad = Bad(walk.last + 1, Fault.CUT)
    return Verdict(walk.head.base_n + 1, walk.last, walk.hash, walk.agreed, bad)


class Walk:
    """One walk: how far it came, and the next anchor on the way."""

    def __init__(self, connection: Connection, chain: Chain, head: Head, anchors: Iterable[Anchor]) -> None:
        self._connection, self._chain, self.head = connection, chain, head
        self._anchors = _rising(anchors, head.base_n)
        self._next = next(self._anchors, None)
        self.last, self.hash, self.agreed = head.base_n, head.base_hash, 0

    def through(self) -> Bad | None:
        """Go from row to row until one is bad."""
        for row in _rows(self._connection):
            fault, n = self._fault(row)
            if fault is not None:
                return Bad(n, fault)
            self.last, self.hash = row.n, row.hash
        return None

    def ending(self) -> Bad | None:
        """Say whether rows are missing at the end, by the head or by an anchor."""
        is_short = self.last < self.head.n or self._next is not None
        return Bad(self.last + 1, Fault.CUT) if is_short else None

    def _fault(self, row: Row[Any]) -> tuple[Fault | None, int]:
        """Hold one row to the one before, to the head and to the anchor of its number."""
        due = self.last + 1
        if row.n > due:
            return Fault.MISSING, due
        if row.n < due or row.n > self.head.n:
            return Fault.INSERTED, row.n
        if not self._is_bound(row, row.n, self.hash):
            return (Fault.INSERTED if self._pushed_on(row) else Fault.ALTERED), row.n
        return self._held_to_anchor(row), row.n

    def _is_bound(self, row: Row[Any], n: int, before: str) -> bool:
        return hmac.compare_digest(self._chain.bind(before, {**row._mapping, "n": n}), row.hash)  # noqa: SLF001  # public

    def _pushed_on(self, row: Row[Any]) -> bool:
        """Say whether the next row is the one that had this number: then this one was put before it."""
        following = self._connection.execute(select(AUDIT).where(AUDIT.c.n == row.n + 1)).first()
        return following is not None and self._is_bound(following, row.n, self.hash)

    def _held_to_anchor(self, row: Row[Any]) -> Fault | None:
        if self._next is None or self._next.n != row.n:
            return None
        if self._next.hash != row.hash:
            return Fault.REWRITTEN
        self.agreed += 1
        self._next = next(self._anchors, None)
        return None


def _rising(anchors: Iterable[Anchor], base: int) -> Iterator[Anchor]:
    """Give anchors in the order of their rows: several processes write theirs a little out of turn."""
    last = base
    for anchor in anchors:
        if anchor.n > last:
            last = anchor.n
            yield anchor


def _rows(connection: Connection) -> Iterator[Row[Any]]:
    """Read every row in order, a page at a time."""
    after: int | None = None
    while True:
        wanted = select(AUDIT).order_by(AUDIT.c.n).limit(PAGE)
        page = connection.execute(wanted if after is None else wanted.where(AUDIT.c.n > after)).all()
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].n
