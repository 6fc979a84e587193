"""Files at rest: each is sealed in pieces under a data key of its own before the store sees it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Final

from hub.stores import PIECE, Store, as_kept, failed, on_disk
from hub.vault import MARK_BYTES, NONCE, Sealer, SealError

OVERHEAD: Final = len(MARK_BYTES) + NONCE + 16
"""Bytes that sealing adds to a piece: the mark, the nonce and the tag (AES-GCM)."""


class SealingStore:
    """A store that seals one file: what lies in the store is kept under the SHA-256 of what is sealed, `stored`."""

    def __init__(self, store: Store, sealer: Sealer) -> None:
        self._store, self._sealer = store, sealer
        self.arrivals = store.arrivals
        self.stored = ""

    async def put(self, arrival: Path, sha256: str) -> None:  # noqa: ARG002  # what is kept is named by its sealed bytes
        """Seal a local file and keep it; the file itself goes."""
        aside = arrival.with_name(f"{arrival.name}.sealed")
        self.stored = await on_disk(self._seal, arrival, aside)
        await self._store.put(aside, self.stored)
        await on_disk(arrival.unlink, missing_ok=True)

    def open(self, sha256: str) -> AsyncIterator[bytes]:
        """Open what was kept under the SHA-256 of its content, sealed as `stored`; raises StoreError, altered."""
        return as_kept(sha256, self._opened(self._store.open(self.stored)))

    async def delete(self, sha256: str) -> None:
        """Forget a sealed content."""
        await self._store.delete(sha256)

    async def exists(self, sha256: str) -> bool:
        """Say whether a sealed content is there."""
        return await self._store.exists(sha256)

    def _seal(self, arrival: Path, aside: Path) -> str:
        digest = hashlib.sha256()
        with arrival.open("rb") as plain, aside.open("xb") as sealed:
            os.fchmod(sealed.fileno(), 0o600)
            index = 0
            while piece := plain.read(PIECE):
                said = self._sealer.seal_bytes(place_of(index), piece)
                digest.update(said)
                sealed.write(said)
                index += 1
        return digest.hexdigest()

    async def _opened(self, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        index, rest = 0, b""
        async with aclosing(pieces) as source:  # type: ignore[type-var]  # a store's pieces are a generator
            async for piece in source:
                rest += piece
                while len(rest) >= PIECE + OVERHEAD:
                    yield self._piece(index, rest[: PIECE + OVERHEAD])
                    index, rest = index + 1, rest[PIECE + OVERHEAD :]
        if rest:
            yield self._piece(index, rest)

    def _piece(self, index: int, sealed: bytes) -> bytes:
        try:
            return self._sealer.open_bytes(place_of(index), sealed)
        except SealError:
            raise failed("store_altered") from None


def place_of(index: int) -> str:
    """Say where a piece of a file is sealed."""
    return f"attachment:{index}"
