"""Giving a request the current version of its kind: what stands in the way, and what it changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, select, update

from hub.book import Book
from hub.catalogue import Definition
from hub.errors import MappingError
from hub.lifecycle import HELD, State
from hub.model import FINAL_STATUSES
from hub.moves import look_at
from hub.problems import Problem
from hub.rehearsal import hold, rehearse
from hub.routing import CALLBACK, Await, Decision, answers_of
from hub.settlement import DECIDED, FACTS, fact_of
from hub.standing import perhaps_taken
from hub.tables import DELIVERIES, REQUESTS, TARGETS
from hub.vault import SealError
from hub.verbs import Why

UNSENT: Final = frozenset({State.QUEUED, State.WAITING, State.PARKED})
"""States of a delivery that was surely not taken, unless it is said to be perhaps."""


@dataclass(frozen=True)
class Repinning:
    """A request under the current version of its kind: when its time is over, and the mapping of each delivery."""

    definition: Definition
    due_at: int | None
    mappings: Mapping[int, str]


def foresee(book: Book, connection: Connection, request: Any, delivery: int) -> Repinning | Why:
    """Say what the current version makes of a request one of whose deliveries is tried again, or why it cannot."""
    current = book.catalogue.kinds.get(request.kind)
    if current is None:
        return Why.KIND_GONE
    if current.version == request.version:
        return Why.ALREADY_CURRENT
    if request.status in FINAL_STATUSES or request.cancelled:
        return Why.REQUEST_ENDED
    rows = look_at(connection, request.number)
    others = [row for row in rows if row.id != delivery and row.step != CALLBACK]  # what a call-back says is frozen
    if any(row.state in HELD for row in others):
        return Why.OTHERS_IN_HAND
    if any(perhaps_taken(book, connection, row, request) for row in others):
        return Why.OTHERS_PERHAPS_TAKEN
    return _fitting(book, connection, current, request, delivery)


def repin(connection: Connection, request: Row[Any], foreseen: Repinning) -> None:
    """Let a request go by what was foreseen."""
    values = {"version": foreseen.definition.version, "due_at": foreseen.due_at}
    connection.execute(update(REQUESTS).where(REQUESTS.c.number == request.number).values(**values))
    for delivery, mapping in foreseen.mappings.items():
        connection.execute(update(DELIVERIES).where(DELIVERIES.c.id == delivery).values(mapping=mapping))


def _fitting(book: Book, connection: Connection, current: Definition, request: Any, delivery: int) -> Repinning | Why:
    """Hold a request's data to the current version, and walk its route with what is known."""
    try:
        document = orjson.loads(book.vault.body(request))
        hold(current, document["data"], document.get("attachments", []))
    except (Problem, SealError):
        return Why.DATA_UNFIT
    try:
        rehearse(current.route, document)
        due_at = current.route.due(document)
        walked = _Walked(book, connection, current, request, document)
        mappings = walked.mappings()
        asked = walked.asks_for(delivery)
    except (MappingError, SealError):
        return Why.ROUTE_UNFIT
    return Why.ROUTE_UNFIT if mappings is None or not asked else Repinning(current, due_at, mappings)


class _Walked:
    """A request's deliveries, looked at along the current version's route."""

    def __init__(
        self, book: Book, connection: Connection, current: Definition, request: Any, document: Mapping[str, Any]
    ) -> None:
        self.current, self.document = current, document
        self.before = book.known(request.version) if book.can_read(connection, request.version) else None
        self.rows = FACTS.among(connection, [request.number])
        self.known = {row.id: row for row in look_at(connection, request.number)}
        self.facts = {row.id: fact_of(book.vault, row) for row in self.rows}
        self.answers = answers_of(self.facts.values())
        decided = DECIDED.among(connection, [request.number])
        self.decisions = {one.step: Decision(one.step, bool(one.accepted), one.reason) for one in decided}
        self.connectors = {row.name: row.connector for row in connection.execute(select(TARGETS))}

    def mappings(self) -> dict[int, str] | None:
        """Give the mapping of each delivery in the current version; None when one has no place in it."""
        found = {row.id: self._mapping(self.known[row.id]) for row in self.rows}
        return None if None in found.values() else {one: mapping for one, mapping in found.items() if mapping}

    def asks_for(self, delivery: int) -> bool:
        """Say whether the route would ask for a delivery, if it did not exist; a call-back is nobody's step."""
        mine = self.known[delivery]
        facts = [fact for one, fact in self.facts.items() if one != delivery]
        planned = self.current.route.progress(self.document, facts, self.decisions).planned
        return mine.step == CALLBACK or any((plan.step, plan.item) == (mine.step, mine.item) for plan in planned)

    def _mapping(self, row: Any) -> str | None:
        if row.step == CALLBACK:
            return row.mapping if row.mapping in self.current.mappings else None
        step = self.current.route.named.get(row.step)
        if step is None or isinstance(step, Await):
            return None
        mapping = self.current.mappings[step.using]
        if mapping.connector != self.connectors.get(row.target) or not self._same_item(row):
            return None
        return step.using

    def _same_item(self, row: Any) -> bool:
        """Say whether a delivery stands for the same item of its list as before; one not sent may stand for another."""
        items = self._items(self.current, row)
        if row.item >= len(items):
            return False
        if self.before is None or row.state in UNSENT:
            return True
        return self._items(self.before, row)[row.item : row.item + 1] == [items[row.item]]

    def _items(self, definition: Definition, row: Any) -> Sequence[Any]:
        step = definition.route.named.get(row.step)
        if step is None or isinstance(step, Await):
            return []
        return definition.route.items(step, self.document, self.answers)
