"""Everything that the hub holds of some requests, opened: for the person who asks what is known of them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, select

from hub.attachments import FIELDS, Described
from hub.book import Book
from hub.privacy.classes import DataClass
from hub.privacy.retention import Terms
from hub.privacy.tokens import known_fields
from hub.records import opened
from hub.revisions import revision_at
from hub.settlement import ROOM, answer_at, given_at, iso, key_of, sealer_of
from hub.tables import ATTACHMENTS, ATTEMPTS, DECISIONS, DELIVERIES, EVENTS, REQUESTS, REVISIONS
from hub.tables_operations import BATCH_ROWS, FINALIZATIONS, PLACES
from hub.tables_privacy import KEEPINGS
from hub.vault import BODY, Sealer, SealError

MOMENTS: Final = frozenset({"at", "received_at", "updated_at", "ended_at", "due_at", "created_at", "sent_at"})
OF_DELIVERY: Final = ("step", "target", "state", "code", "stage", "reference", "created_at", "updated_at")
UNREADABLE: Final = "it does not open under the keys that are here"
"""What stands in the place of a value that cannot be read; the rest is told all the same."""

MISSING: Final = "it cannot be read from the store"
"""What is said of a file that is not handed over."""

ENDING: Final = 60
"""Characters that are kept of a file's name, the last ones: with its id they fit any folder."""

OF_ATTEMPT: Final = ("kind", "outcome", "code", "http_status", "fault")
OF_BATCH: Final = ("batch", "outlook", "note", "outcome", "at")


def export(connection: Connection, book: Book, terms: Terms, numbers: Sequence[int]) -> dict[str, Any]:
    """Give everything of these requests, as JSON holds it."""
    rows = connection.execute(select(REQUESTS).where(REQUESTS.c.number.in_(numbers)).order_by(REQUESTS.c.number))
    return {
        "exported_at": iso(book.now()),
        "requests": [_Telling(connection, book, row).tell(terms) for row in rows.all()],
    }


def files_of(connection: Connection, numbers: Sequence[int]) -> list[Described]:
    """List the files of these requests."""
    columns = [ATTACHMENTS.c[name] for name in FIELDS]
    mine = select(*columns).where(ATTACHMENTS.c.request.in_(numbers)).order_by(ATTACHMENTS.c.id)
    return [Described(*row) for row in connection.execute(mine)]


def without(said: dict[str, Any], places: Collection[str]) -> dict[str, Any]:
    """Note which files are missing from what is handed over."""
    for one in said["requests"]:
        for file in one["files"]:
            if file["file"] in places:
                file.update({"file": None, "missing": MISSING})
    return said


def place_of(described: Described) -> str:
    """Say where a file lies in what is handed over."""
    return f"pieces/{described.request:09d}/{described.id[:8]}-{described.name.replace('/', '_')[-ENDING:]}"


class _Telling:
    """One request, with what opens it."""

    def __init__(self, connection: Connection, book: Book, request: Row[Any]) -> None:
        self._connection, self._book, self._request = connection, book, request
        self._sealer = sealer_of(book, request)
        self._definition = book.known(request.version) if book.can_read(connection, request.version) else None

    def tell(self, terms: Terms) -> dict[str, Any]:
        """Tell everything of it."""
        number, kind = int(self._request.number), str(self._request.kind)
        plain = ("front_end", "site", "kind", "channel", "external_reference", "status", "stage", *sorted(MOMENTS))
        said = {name: getattr(self._request, name) for name in plain if name in REQUESTS.c}
        known = known_fields(self._definition, self._book.catalogue.kinds.get(kind))
        lasting = terms(kind)
        return {
            "number": f"{number:09d}",
            "title": self._definition.route.title if self._definition else kind,
            **_dated(said),
            "kept_days_after_its_end": lasting.after_end.days,
            "kept_longer": self._rows(KEEPINGS, number),
            "classes": {leaf.name: leaf.data_class for leaf in known.values() if leaf.data_class is not DataClass.NONE},
            "said": self._json(BODY, self._request.body),
            "said_before_corrections": [
                {**_dated({"at": row.at, "actor": row.actor}), "said": self._json(revision_at(row.at), row.body)}
                for row in self._found(REVISIONS, number)
            ],
            "recipients": [self._delivery(row) for row in self._found(DELIVERIES, number)],
            "events": self._rows(EVENTS, number),
            "decisions": self._rows(DECISIONS, number),
            "batches": self._batches(number),
            "place": self._rows(PLACES, number),
            "files": [
                {"name": one.name, "media_type": one.media_type, "size": one.size, "file": place_of(one)}
                for one in files_of(self._connection, [number])
            ],
        }

    def _found(self, table: Any, number: int) -> Sequence[Row[Any]]:
        return self._connection.execute(select(table).where(table.c.request == number)).all()

    def _rows(self, table: Any, number: int) -> list[dict[str, Any]]:
        return [_dated(dict(row._mapping)) for row in self._found(table, number)]  # noqa: SLF001  # its public name

    def _delivery(self, row: Row[Any]) -> dict[str, Any]:
        """Tell who was sent something, when, what exactly, and what they answered."""
        attempts = select(ATTEMPTS).where(ATTEMPTS.c.delivery == row.id).order_by(ATTEMPTS.c.id)
        closed = select(FINALIZATIONS).where(FINALIZATIONS.c.delivery == row.id)
        return {
            "key": key_of(row.id),
            **_dated({name: getattr(row, name) for name in OF_DELIVERY}),
            "given": self._json(given_at(row.ordinal), row.given),
            "answered": self._json(answer_at(row.id), row.answer),
            "closed_by_hand": [_dated(dict(one._mapping)) for one in self._connection.execute(closed)],  # noqa: SLF001
            "attempts": [self._attempt(one) for one in self._connection.execute(attempts)],
        }

    def _attempt(self, row: Row[Any]) -> dict[str, Any]:
        """Tell what went over the wire, and what came of it."""
        wire = opened(self._sealer, row)
        return {
            **{name: getattr(row, name) for name in OF_ATTEMPT},
            "started_at": iso(row.started_at),
            "ended_at": iso(row.ended_at),
            "sent": _text(wire.sent, row.sent),
            "answered": _text(wire.answered, row.answered),
        }

    def _batches(self, number: int) -> list[dict[str, Any]]:
        """Tell in which changes of many requests this one was, and what was noted about it."""
        mine = BATCH_ROWS.c.subject.between(number * ROOM, number * ROOM + ROOM - 1)
        rows = self._connection.execute(select(BATCH_ROWS).where(mine).order_by(BATCH_ROWS.c.at))
        return [_dated({name: getattr(row, name) for name in OF_BATCH}) for row in rows]

    def _json(self, place: str, text: str) -> Any:
        return _read(self._sealer, place, text)


def _read(sealer: Sealer, place: str, text: str) -> Any:
    if not text:
        return None
    try:
        return orjson.loads(sealer.open(place, text))
    except (SealError, ValueError):
        return UNREADABLE


def _dated(said: Mapping[str, Any]) -> dict[str, Any]:
    """Write moments as people read them."""
    return dict(_as_read(said))


def _as_read(said: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in said.items():
        yield name, iso(value) if value and (name in MOMENTS or name.endswith("_at") or name == "until") else value


def _text(content: bytes, sealed: bytes) -> str:
    """Write what went over the wire: as text where it is some."""
    if sealed and not content:
        return UNREADABLE
    try:
        return bytes(content).decode()
    except UnicodeDecodeError:
        return f"base64:{b64encode(content).decode()}"
