"""What purging one request does to each table: tokens where a value is counted or mapped, nothing elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, Table, delete, select, update

from hub.book import Book
from hub.catalogue import Definition
from hub.lifecycle import FINAL, Event, State, advance
from hub.mapping import Expression
from hub.model import FINAL_STATUSES, Status
from hub.privacy.classes import DataClass, classes_in
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

UNSENT: Final[Mapping[str, Any]] = {"sent": b"", "sent_sha256": "", "answered": b"", "fault": ""}
"""An attempt of which nothing is left that went over the wire: the digest of a short message can be guessed at."""

Change = tuple[Table, Any, Mapping[str, Any]]
"""A table, which rows of it, and what is written there."""

Reading = Callable[[str, str], Any]
"""Gives what stands in a place as it was before it was sealed."""


class Scrubbing:
    """One request in hand, with what it takes to read and to replace what it holds."""

    def __init__(self, book: Book, connection: Connection, request: Row[Any], deliveries: Sequence[Row[Any]]) -> None:
        self._book, self._connection, self._request, self._deliveries = book, connection, request, deliveries
        definition = book.known(request.version) if book.can_read(connection, request.version) else None
        self._known = known_fields(definition, book.catalogue.kinds.get(request.kind))
        self._kept = counted_fields(definition, self._known)
        self._counted = _counted_answers(definition)
        self._classes = classes_in(definition.schema) if definition else frozenset(DataClass)
        self._reasons = frozenset(definition.route.stages) if definition else frozenset()
        self._number, self._ids = int(request.number), [int(row.id) for row in deliveries]
        self._sealer = _sealer(book, request)

    def purge(self, why: str, actor: str) -> int:
        """Take everything; gives how many contents go from the store."""
        self._end()
        self._of_deliveries()
        self._write(self._bodies(EVERYTHING, PLAIN, self._whatever))
        self._of_people()
        files = self._files()
        self._forget()
        self._note({"purged_at": self._book.now()})
        said = {"kind": "purge", "actor": actor, "note": why, "request": self._number, "at": self._book.now()}
        NEW_EVENTS.run(self._connection, [{**BLANK_EVENT, **said}])
        return files

    def trim(self, classes: Collection[DataClass]) -> int:
        """Take the fields of some classes, and what was sent and answered, which holds them in other words.

        Raises SealError, and has taken nothing, when something of it does not open: a key may be missing for a while,
        and what would be written in its place is not what was there.
        """
        taken, files = self._classes & frozenset(classes), 0
        if taken:
            sealer = self._book.vault.sealer(self._number, self._request.data_key)
            self._write([*self._bodies(taken, sealer, self._opened), *self._answers(sealer, self._opened)])
            self._set(ATTEMPTS, ATTEMPTS.c.delivery.in_(self._ids), **UNSENT)
            files = self._files() if DataClass.ATTACHMENT in taken else 0
        self._note({"trimmed_at": self._book.now()})
        return files

    def _write(self, changes: Iterator[Change] | Sequence[Change]) -> None:
        for table, where, values in changes:
            self._set(table, where, **values)

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
        self._write(self._answers(PLAIN, self._whatever))
        self._set(DELIVERIES, DELIVERIES.c.id.in_(self._ids), reference="")
        self._set(ATTEMPTS, ATTEMPTS.c.delivery.in_(self._ids), **UNSENT)

    def _answers(self, sealer: Sealer, read: Reading) -> Iterator[Change]:
        """Empty what deliveries were given and answered, but for the words of an answer that are counted."""
        for row in self._deliveries:
            place, tree = answer_at(row.id), self._counted.get(row.step)
            left = _pruned(read(place, row.answer), tree) if tree and row.answer else None
            answer = sealer.seal(place, orjson.dumps(left).decode()) if left else ""
            yield DELIVERIES, DELIVERIES.c.id == row.id, {"given": "", "answer": answer}

    def _bodies(self, classes: Collection[DataClass], sealer: Sealer, read: Reading) -> Iterator[Change]:
        """Put tokens in the request's body, and in those it had before it was corrected."""
        body = self._tokenised(read(BODY, self._request.body), classes)
        yield REQUESTS, REQUESTS.c.number == self._number, {"body": sealer.seal(BODY, body)}
        revisions = select(REVISIONS.c.id, REVISIONS.c.body, REVISIONS.c.at).where(REVISIONS.c.request == self._number)
        for row in self._connection.execute(revisions).all():
            place = revision_at(row.at)
            old = sealer.seal(place, self._tokenised(read(place, row.body), classes))
            yield REVISIONS, REVISIONS.c.id == row.id, {"body": old}

    def _tokenised(self, document: Any, classes: Collection[DataClass]) -> str:
        """Write a body with tokens; one that does not open any more says no more than whose it was."""
        there = document or {"number": self._number, "kind": self._request.kind, "data": {}}
        return orjson.dumps(tokenised(there, self._known, self._kept, classes)).decode()

    def _opened(self, place: str, said: str) -> Any:
        """Open and read what stands in a place; raises SealError."""
        try:
            return orjson.loads(self._sealer.open(place, said))
        except ValueError:
            raise SealError(place) from None

    def _whatever(self, place: str, said: str) -> Any:
        """Read what stands in a place, None where it does not open."""
        try:
            return self._opened(place, said)
        except SealError:
            return None

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
