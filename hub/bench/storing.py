"""Requests written down as the door writes them, without a door."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

import orjson

from hub.book import Book, keep
from hub.catalogue import Catalogue, Definition
from hub.database import migrate, open_database
from hub.intake import Arrival, accept

BATCH: Final = 1000


def store(url: str, catalogue: Catalogue, kind: str, dated: Iterable[tuple[Mapping[str, Any], int]]) -> None:
    """Make a ledger at `url`, and write down requests of a kind: documents, and when each was received."""
    migrate(url)
    database = open_database(url)
    book = Book(catalogue)
    with database.begin() as connection:
        keep(book, connection, [catalogue])
    arrivals = (_arrival(catalogue.kinds[kind], document, moment) for document, moment in dated)
    while some := list(islice(arrivals, BATCH)):
        with database.begin() as connection:
            accept(book, connection, some)
    database.dispose()


def _arrival(definition: Definition, document: Mapping[str, Any], moment: int) -> Arrival:
    number = document["number"]
    return Arrival(
        number=number,
        front_end="portail",
        site="principal",
        kind=definition.kind,
        channel="internet",
        external_reference=f"REF-{number}",
        idempotency_key=f"cle-{number}",
        fingerprint="f" * 64,
        version=definition.version,
        body=orjson.dumps(document).decode(),
        progress=definition.route.progress(document, (), {}),
        name_index="n" * 64,
        email_index=None,
        phone_index=None,
        received_at=moment,
    )
