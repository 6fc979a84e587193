"""Counting requests in blocks of ten thousand numbers: what each block holds, and which are to be counted again.

Numbers are handed out to several processes, so an old block may still get a request: it is counted again once it has
another number of them than were counted. Nothing on the way of a request knows of this.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Connection, Row, case, delete, func, insert, select

from hub.book import Book
from hub.catalogue import Catalogue
from hub.errors import ConfigurationError
from hub.facets import Observer
from hub.model import FINAL_STATUSES, Instant, Status
from hub.routing import answers_of
from hub.settlement import DATA_KEY, FACT, fact_of
from hub.statements import upsert
from hub.tables import DELIVERIES, REQUESTS, REVISIONS
from hub.tables_operations import CENSUS, CENSUS_BLOCKS, PLACES
from hub.vault import SealError

MOST_NAMED: Final = 500
"""Requests that one statement names."""

BLOCK: Final = 10_000
"""Numbers of a block."""

RECENT: Final = 5
"""So many of the newest blocks are looked at each time, the others now and then."""

OPEN_STATUSES: Final = tuple(status for status in Status if status not in FINAL_STATUSES)

UNREADABLE: Final = (ConfigurationError, LookupError, TypeError, ValueError)
"""What compiling an old definition may raise: its requests are counted without what it declared."""


class Due(NamedTuple):
    """A block that is to be counted, and what was known of it when that was found; `seen_at`: when it was, or 0."""

    block: int
    requests: int
    changes: int
    declared: str
    seen_at: int


class Alike(NamedTuple):
    """What requests have in common that are counted together; `facets` as in the census."""

    kind: str
    month: str
    site: str
    channel: str
    district: str
    facets: str = ""


class Placed(NamedTuple):
    """Where one request is, as the map's table has it."""

    request: int
    kind: str
    district: str
    longitude: float
    latitude: float


class Counted(NamedTuple):
    """A block as it was counted."""

    due: Due
    requests: int
    alike: Mapping[Alike, int]
    places: Sequence[Placed]
    at: Instant


class Chunk(NamedTuple):
    """Some requests of a block, with what is needed to count them: answers by request, observers by kind, version."""

    rows: Sequence[Row[Any]]
    answers: Mapping[int, Mapping[str, Any]]
    observers: Mapping[tuple[str, str], Observer | None]


def declaration(catalogue: Catalogue) -> str:
    """Name what a catalogue declares is counted: blocks counted under another declaration are counted again."""
    said = {kind: dict(one.route.observer.sources) for kind, one in catalogue.kinds.items() if one.route.observer}
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def due(connection: Connection, book: Book, *, everywhere: bool) -> list[Due]:
    """List the blocks to count: among the newest, or `everywhere`."""
    newest = connection.scalar(select(func.max(REQUESTS.c.number)))
    if newest is None:
        return []
    first = 0 if everywhere else max(0, newest // BLOCK - RECENT + 1)
    of_block = REQUESTS.c.number // BLOCK
    standing = REQUESTS.c.status.in_(list(Status))  # what an index without bodies is ordered by
    held = select(of_block, func.count()).where(standing, REQUESTS.c.number >= first * BLOCK).group_by(of_block)
    declared, changes = declaration(book.catalogue), _changes(connection, book.catalogue, first)
    known = select(CENSUS_BLOCKS).where(CENSUS_BLOCKS.c.block >= first)
    counted = {row.block: row for row in connection.execute(known)}
    found = []
    for block, requests in connection.execute(held):
        now = (requests, changes[block], declared)
        row = counted.get(block)
        if row is None or (row.requests, row.changes, row.declared) != now:
            found.append(Due(block, *now, row.at if row else 0))
    return found


def _changes(connection: Connection, catalogue: Catalogue, first: int) -> Counter[int]:
    """Give a figure a block that moves when what is counted may: data were corrected, or steps were answered."""
    changes: Counter[int] = Counter()
    kinds = [kind for kind, one in catalogue.kinds.items() if one.route.observer.reads_answers]
    revised = REVISIONS.c.request // BLOCK
    figures = [
        select(revised, func.count()).where(REVISIONS.c.request >= first * BLOCK).group_by(revised),
    ]
    if kinds:
        block = REQUESTS.c.number // BLOCK
        moved = select(block, func.sum(DELIVERIES.c.updated_at)).join(
            DELIVERIES, DELIVERIES.c.request == REQUESTS.c.number
        )
        still = REQUESTS.c.kind.in_(kinds), REQUESTS.c.status.in_(OPEN_STATUSES), REQUESTS.c.number >= first * BLOCK
        figures.append(moved.where(*still).group_by(block))
    for statement in figures:
        for block_number, figure in connection.execute(statement):
            changes[block_number] += int(figure)
    return changes


def is_as_seen(connection: Connection, seen: Due) -> bool:
    """Say whether nobody has counted a block since it was found to be due."""
    at = connection.scalar(select(CENSUS_BLOCKS.c.at).where(CENSUS_BLOCKS.c.block == seen.block))
    return (at or 0) == seen.seen_at


def chunk(connection: Connection, book: Book, first: int, last: int) -> Chunk:
    """Read the requests of these numbers, `last` included; bodies only of kinds of which something is counted."""
    columns = REQUESTS.c
    plain = [kind for kind, one in book.catalogue.kinds.items() if not one.route.observer]
    body = case((columns.kind.not_in(plain), columns.body), else_="").label("body")
    names = ("number", "kind", "site", "channel", "received_at", "version", "data_key")
    listed = [*(columns[name] for name in names), body]
    rows = connection.execute(select(*listed).where(columns.number.between(first, last))).all()
    pairs = {(row.kind, row.version) for row in rows}
    observers = {pair: _observer(connection, book, *pair) for pair in pairs}
    reading = {pair for pair, observer in observers.items() if observer and observer.reads_answers}
    asked = [row.number for row in rows if (row.kind, row.version) in reading]
    return Chunk(rows, _answers(book, connection, asked), observers)


def _observer(connection: Connection, book: Book, kind: str, version: str) -> Observer | None:
    """Give what is declared of a kind today; for one that is offered no more, what was when its requests came in."""
    try:
        definition = book.catalogue.kinds.get(kind) or book.definition(connection, version)
    except UNREADABLE:
        return None
    return definition.route.observer or None


def _answers(book: Book, connection: Connection, numbers: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    facts: dict[int, list[Any]] = {number: [] for number in numbers}
    columns = [*(DELIVERIES.c[name] for name in FACT), DATA_KEY]
    if numbers:
        for row in connection.execute(select(*columns).where(DELIVERIES.c.request.in_(numbers))):
            with suppress(SealError):  # one that does not open counts for nothing
                facts[row.request].append(fact_of(book.vault, row))
    return {number: answers_of(of_request) for number, of_request in facts.items()}


def put_down(connection: Connection, blocks: Sequence[Counted]) -> list[bool]:
    """Write what blocks were counted to hold; False for one that somebody else has counted meanwhile."""
    done = {counted.due.block: _put_down(connection, counted) for counted in sorted(blocks, key=lambda one: one.due)}
    return [done[counted.due.block] for counted in blocks]


def _put_down(connection: Connection, counted: Counted) -> bool:
    """Write one block; its own row comes first: it makes processes that count the same block take turns."""
    row = {
        "block": counted.due.block,
        "requests": counted.requests,
        "changes": counted.due.changes,
        "declared": counted.due.declared,
        "at": counted.at,
    }
    own = upsert(CENSUS_BLOCKS)
    unchanged = CENSUS_BLOCKS.c.at == counted.due.seen_at
    written = own.on_conflict_do_update(index_elements=["block"], set_=dict(row), where=unchanged)
    if connection.execute(written, row).rowcount == 0:
        return False
    block = counted.due.block
    connection.execute(delete(CENSUS).where(CENSUS.c.block == block))
    lines = [{"block": block, "requests": requests, **alike._asdict()} for alike, requests in counted.alike.items()]
    if lines:
        connection.execute(insert(CENSUS), lines)
    _move_places(connection, block, {placed.request: placed for placed in counted.places})
    return True


def _move_places(connection: Connection, block: int, now: Mapping[int, Placed]) -> None:
    """Write only the places that differ: nearly all of a block's are where they were, and writing holds others up."""
    here = PLACES.c.request.between(block * BLOCK, block * BLOCK + BLOCK - 1)
    before = {
        row.request: row for row in connection.execute(select(*(PLACES.c[name] for name in Placed._fields)).where(here))
    }
    moved = [number for number, row in before.items() if number not in now or tuple(row) != tuple(now[number])]
    for start in range(0, len(moved), MOST_NAMED):
        connection.execute(delete(PLACES).where(PLACES.c.request.in_(moved[start : start + MOST_NAMED])))
    gone = set(moved)
    new = [placed._asdict() for number, placed in now.items() if number not in before or number in gone]
    if new:
        connection.execute(insert(PLACES), new)


def forget(connection: Connection, items: Sequence[None]) -> list[None]:
    """Let every block be counted again."""
    connection.execute(delete(CENSUS_BLOCKS))
    return [None for _ in items]
