"""Attachments: a file comes in before its request, lies in the store, and goes out with a delivery."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from sqlalchemy import Connection, bindparam, select

from hub.connector import File, IncomingFile
from hub.errors import RefusedError
from hub.files import Scan, receive, unscanned
from hub.ledger import Ledger
from hub.sealed_files import SealingStore
from hub.statements import Prepared, insertion, listed
from hub.stores import Store, failed
from hub.tables import ATTACHMENTS, REQUESTS
from hub.vault import SealError


@dataclass(frozen=True, slots=True)
class Described:
    """An attachment as the ledger knows it."""

    id: str
    front_end: str
    request: int | None
    name: str
    media_type: str
    size: int
    sha256: str
    created_at: int
    stored: str | None = None
    """The SHA-256 of what lies in the store, where it is sealed."""
    data_key: bytes | None = field(default=None, repr=False)


class Attachments:
    """Receives files, finds them again, and hands them to connectors."""

    def __init__(self, ledger: Ledger, store: Store, scan: Scan = unscanned) -> None:
        self._ledger, self._store, self._scan = ledger, store, scan

    async def receive(
        self, stream: AsyncIterator[bytes], name: str, front_end: str, request: int | None = None
    ) -> Described:
        """Keep an uploaded file and describe it in the ledger; raises Problem for one not admitted, StoreError."""
        named = secrets.token_hex(16)
        data_key, sealer = self._ledger.book.vault.draw(named)
        sealing = SealingStore(self._store, sealer)
        stored = await receive(stream, name, sealing, self._scan)
        described = Described(
            id=named,
            front_end=front_end,
            request=request,
            name=stored.name,
            media_type=stored.media_type,
            size=stored.size,
            sha256=stored.sha256,
            created_at=self._ledger.book.now(),
            stored=sealing.stored,
            data_key=data_key,
        )
        await self._ledger.write(_describe, described)
        return described

    async def keep(self, files: Sequence[IncomingFile], request: int) -> list[str]:
        """Keep files that a target gave about a request, and give their ids; raises Problem or StoreError."""
        front_end = await self._ledger.read(_house, request)
        return [(await self._keep(file, front_end, request)).id for file in files]

    async def take(self, files: Sequence[IncomingFile], front_end: str) -> list[str]:
        """Keep files that came before their request, and give their ids; raises Problem or StoreError."""
        return [(await self._keep(file, front_end, None)).id for file in files]

    async def _keep(self, file: IncomingFile, front_end: str, request: int | None) -> Described:
        async def whole() -> AsyncIterator[bytes]:
            yield file.content

        return await self.receive(whole(), file.name, front_end, request)

    async def find(self, ids: Collection[str]) -> list[Described]:
        """Find attachments by id, in no order; those that do not exist are not there."""
        return await self._ledger.read(_find, ids)

    def open(self, described: Described) -> AsyncIterator[bytes]:
        """Read a file, piece by piece; raises FileNotFoundError or StoreError."""
        if described.stored is None:
            return self._store.open(described.sha256)
        try:
            sealer = self._ledger.book.vault.sealer(described.id, described.data_key)
        except SealError:
            raise failed("store_altered") from None
        sealing = SealingStore(self._store, sealer)
        sealing.stored = described.stored
        return sealing.open(described.sha256)

    async def files(self, ids: Sequence[str]) -> tuple[File, ...]:
        """Give attachments to a connector, in the order asked for; those that do not exist are not there."""
        if not ids:
            return ()
        found = {one.id: one for one in await self.find(ids)}
        return tuple(
            File(one.name, one.media_type, one.size, one.sha256, partial(self._read, one))
            for one in (found[wanted] for wanted in ids if wanted in found)
        )

    async def _read(self, described: Described) -> AsyncIterator[bytes]:
        """Read a file for a connector, before its first byte leaves.

        Raises StoreError, which is transient, when the store fails, RefusedError when it has lost the content.
        """
        try:
            async for piece in self.open(described):
                yield piece
        except FileNotFoundError:
            raise RefusedError("file_missing") from None


FIELDS: Final = tuple(Described.__dataclass_fields__)
HOUSE: Final = Prepared(select(REQUESTS.c.front_end).where(REQUESTS.c.number == bindparam("b_number")))
NEW: Final = Prepared(insertion(ATTACHMENTS))
FOUND: Final = Prepared(select(*(ATTACHMENTS.c[name] for name in FIELDS)).where(listed(ATTACHMENTS.c.id)))


def _house(connection: Connection, request: int) -> str:
    return next((str(row.front_end) for row in HOUSE.rows(connection, {"b_number": request})), "")


def _describe(connection: Connection, described: Sequence[Described]) -> list[None]:
    NEW.run(connection, [{name: getattr(one, name) for name in FIELDS} for one in described])
    return [None] * len(described)


def _find(connection: Connection, ids: Collection[str]) -> list[Described]:
    return [Described(*row) for row in FOUND.among(connection, ids)]
