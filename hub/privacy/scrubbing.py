"""What purging one request does to each table: tokens where a value is counted or mapped, nothing elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, Table, delete, select, update

from hub.book import Book
from hub.catalogue import Definition
from hub.lifecycle import FINAL, Event, State, advance
from hub.mapping import Expression
from hub.model import FINAL_STATUSES, Status
from hub.privacy.classes import DataClass
from hub.privacy.doomed import STORED, doom
from hub.privacy.tokens import DECIMALS, EVERYTHING, counted_fields, known_fields, tokenised
from hub.proof.reading import Tree, joined, reads_of
from hub.revisions import revision_at
from hub.routing import CANCELLED
from hub.settlement import NEW_EVENTS, ROOM, answer_at
from hub.statements import upsert
from hub.tables import ATTACHMENTS, ATTEMPTS, BLANK_EVENT, DECISIONS, DELIVERIES, EVENTS, REQUESTS, REVISIONS
from hub.tables_operations import BATCH_ROWS, BUSINESS_KEYS, FINALIZATIONS, PLACES, Proof
from hub.tables_privacy import KEEPINGS
from hub.vault import BODY, PLAIN, Sealer, SealError

WAYS_OUT: Final[Mapping[State, Sequence[Event]]] = {
    State.QUEUED: (Event.CANCELLED,),
    State.WAITING: (Event.CANCELLED,),
    State.PARKED: (Event.CANCELLED,),
    State.UNCERTAIN: (Event.GIVEN_UP, Event.CANCELLED),
}
"""How what is not over ends when its request is purged: nothing of it could be sent any more."""

UNPROVED: Final = (Proof.PROPOSED, Proof.PENDING)
"""Finalizations whose reference would still be asked for."""

LONGEST_WORD: Final = 60
"""Characters of an answer's word that is counted: a longer one comes from no list."""

ANSWERS: Final = "$answers"


class Scrubbing:
    """One request in hand, with what it takes to read and to replace what it holds."""

    def __init__(self, book: Book, connection: Connection, request: Row[Any], deliveries: Sequence[Row[Any]]) -> None:
        self._book, self._connection, self._request, self._deliveries = book, connection, request, deliveries
        definition = book.known(request.version) if book.can_read(connection, request.version) else None
        self._known = known_fields(definition, book.catalogue.kinds.get(request.kind))
        self._kept = counted_fields(definition, self._known)
        self._counted = _counted_answers(definition)
        self._reasons = frozenset(definition.route.stages) if definition else frozenset()
        self._number, self._ids = int(request.number), [int(row.id) for row in deliveries]
        self._sealer = _sealer(book, request)

    def purge(self, why: str, actor: str) -> int:
        """Take everything; gives how many contents go from the store."""
        self._end()
        self._of_deliveries()
        self._bodies(EVERYTHING, PLAIN)
        self._of_people()
        files = self._files()
        self._forget()
        self._note({"purged_at": self._book.now()})
        said = {"kind": "purge", "actor": actor, "note": why, "request": self._number, "at": self._book.now()}
        NEW_EVENTS.run(self._connection, [{**BLANK_EVENT, **said}])
        return files

    def trim(self, classes: Collection[DataClass]) -> int:
        """Take the fields of some classes, and what was sent and answered, which holds them in other words."""
        self._bodies(classes, self._sealer)
        self._set(ATTEMPTS, ATTEMPTS.c.delivery.in_(self._ids), sent=b"", answered=b"")
        files = self._files() if DataClass.ATTACHMENT in classes else 0
        self._note({"trimmed_at": self._book.now()})
        return files

    def _set(self, table: Table, where: Any, **values: Any) -> None:
        self._connection.execute(update(table).where(where).values(**values))

    def _end(self) -> None:
        """End what is still open: the deliveries by the moves of their table, and the request with them."""
        for row in self._deliveries:
            state = State(row.state)
            if state in FINAL:
                continue
            for event in WAYS_OUT[state]:
                state = advance(state, event)
            self._set(DELIVERIES, DELIVERIES.c.id == row.id, state=state, updated_at=self._book.now())
        if self._request.status not in FINAL_STATUSES:
            now = self._book.now()
            ended = {"status": Status.CANCELLED, "stage": CANCELLED, "awaiting": "", "cancelled": True}
            self._set(REQUESTS, REQUESTS.c.number == self._number, ended_at=now, updated_at=now, **ended)

    def _of_deliveries(self) -> None:
        """Empty what deliveries were given, answered and called, but for the words of an answer that are counted."""
        for row in self._deliveries:
            values = {"given": "", "reference": "", "answer": self._answer(row)}
            self._set(DELIVERIES, DELIVERIES.c.id == row.id, **values)
        self._set(ATTEMPTS, ATTEMPTS.c.delivery.in_(self._ids), sent=b"", answered=b"", fault="")

    def _answer(self, row: Row[Any]) -> str:
        tree = self._counted.get(row.step)
        if not tree or not row.answer:
            return ""
        try:
            answer = orjson.loads(self._sealer.open(answer_at(row.id), row.answer))
        except (SealError, ValueError):
            return ""
        left = _pruned(answer, tree)
        return orjson.dumps(left).decode() if left else ""

    def _bodies(self, classes: Collection[DataClass], sealer: Sealer) -> None:
        """Put tokens in the request's body, and in those it had before it was corrected."""
        body = self._tokenised(BODY, self._request.body, classes)
        self._set(REQUESTS, REQUESTS.c.number == self._number, body=sealer.seal(BODY, body))
        revisions = select(REVISIONS.c.id, REVISIONS.c.body, REVISIONS.c.at).where(REVISIONS.c.request == self._number)
        for row in self._connection.execute(revisions).all():
            place = revision_at(row.at)
            old = sealer.seal(place, self._tokenised(place, row.body, classes))
            self._set(REVISIONS, REVISIONS.c.id == row.id, body=old)

    def _tokenised(self, place: str, body: str, classes: Collection[DataClass]) -> str:
        """Write a body with tokens; one that does not open any more says no more than whose it was."""
        try:
            document = orjson.loads(self._sealer.open(place, body))
        except (SealError, ValueError):
            document = {"number": self._number, "kind": self._request.kind, "data": {}}
        return orjson.dumps(tokenised(document, self._known, self._kept, classes)).decode()

    def _of_people(self) -> None:
        """Blank what people wrote about the request; a decision keeps the reason that its route lists."""
        self._set(EVENTS, EVENTS.c.request == self._number, note="")
        free = DECISIONS.c.reason.not_in(self._reasons)
        self._set(DECISIONS, (DECISIONS.c.request == self._number) & free, reason="")
        closed = FINALIZATIONS.c.delivery.in_(self._ids)
        self._set(FINALIZATIONS, closed, reference="", reason="", comment="")
        self._set(FINALIZATIONS, closed & FINALIZATIONS.c.state.in_(UNPROVED), state=Proof.UNCONFIRMABLE)
        subjects = [self._number * ROOM, *self._ids]
        self._set(BATCH_ROWS, BATCH_ROWS.c.subject.in_(subjects), note="")

    def _files(self) -> int:
        """Take the files away; a content goes from the store unless another attachment has it too."""
        mine = ATTACHMENTS.c.request == self._number
        there = set(self._connection.scalars(select(STORED).where(mine)).all())
        self._connection.execute(delete(ATTACHMENTS).where(mine))
        return doom(self._connection, there, self._book.now())

    def _forget(self) -> None:
        """Take the key away, and whatever the request is found under; its place keeps to its part of the city."""
        named = f"purged-{self._number}"
        reference = named if self._request.external_reference is not None else None
        values = {"idempotency_key": named, "external_reference": reference, "fingerprint": "", "data_key": None}
        unfound = {"name_index": "", "email_index": None, "phone_index": None}
        self._set(REQUESTS, REQUESTS.c.number == self._number, **values, **unfound)
        self._connection.execute(delete(BUSINESS_KEYS).where(BUSINESS_KEYS.c.request == self._number))
        place = select(PLACES.c.longitude, PLACES.c.latitude).where(PLACES.c.request == self._number)
        if (row := self._connection.execute(place).first()) is not None:
            near = {"longitude": round(row.longitude, DECIMALS), "latitude": round(row.latitude, DECIMALS)}
            self._set(PLACES, PLACES.c.request == self._number, **near)

    def _note(self, moments: Mapping[str, int]) -> None:
        """Write down what was done; why it was kept longer goes with the rest."""
        gone = {"reason": ""} if "purged_at" in moments else {}
        row = {"ground": "", "reason": "", "actor": "", "at": self._book.now(), "request": self._number, **moments}
        written = upsert(KEEPINGS).on_conflict_do_update(index_elements=["request"], set_={**moments, **gone})
        self._connection.execute(written, row)


def _sealer(book: Book, request: Row[Any]) -> Sealer:
    """Give what opens a request; one whose key does not open any more is taken away unread."""
    try:
        return book.vault.sealer(request.number, request.data_key)
    except SealError:
        return PLAIN


def _counted_answers(definition: Definition | None) -> Mapping[str, Tree]:
    """Give what the census and the map read of each step's answer."""
    sources = definition.route.observer.sources.values() if definition else ()
    tree = joined([reads_of(Expression(source)) for source in sources])
    answers = tree.get(ANSWERS) if isinstance(tree, Mapping) else None
    return answers if isinstance(answers, Mapping) else {}


def _pruned(value: Any, tree: Tree) -> Any:
    """Keep of an answer what is read of it: words of a list, figures, degrees without their last digits."""
    if isinstance(tree, Mapping) and tree:
        there = value if isinstance(value, Mapping) else {}
        return {name: left for name, below in tree.items() if (left := _pruned(there.get(name), below)) is not None}
    match value:
        case bool() | int():
            return value
        case float():
            return round(value, DECIMALS)
        case str() if len(value) <= LONGEST_WORD:
            return value
    return None
