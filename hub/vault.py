"""Sealing what citizens wrote: each request under a data key of its own, which a key-encryption key wraps.

Values are sealed with AES-256-GCM (NIST SP 800-38D) and bound to where they belong: a value moved to another row, or
to another column, does not open there. A request's data key destroyed is everything sealed under it destroyed.
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.errors import ConflictError

Content = TypeVar("Content", str, bytes)

KEY_BYTES: Final = 32
NONCE: Final = 12
"""Bytes of a nonce, drawn anew each time: fewer than 2³² are ever drawn under one key."""

NAME: Final = 4
"""Bytes that tell which key wrapped a data key: the beginning of its digest."""

MARK: Final = "s1."
"""How a sealed text begins: no JSON text begins so, and a text without it is plain."""

MARK_BYTES: Final = b"\x00s1\x00"
"""How sealed bytes begin."""

BODY: Final = "request.body"

NOTHING: Final = '{"applicant":{},"data":{},"attachments":[]}'
"""The body of a request that nobody can read any more."""


class SealError(ConflictError):
    """A sealed value does not open where it is: it was altered or moved, or its key is gone. Names the place only.

    A conflict, for whatever is asked of that request: it does not apply to what nobody can read.
    """

    code: Final = "sealed_unreadable"

    def __init__(self, place: str) -> None:
        self.place = place
        super().__init__(place)


class Sealer:
    """Seals and opens what belongs to one request; values that were never sealed are read as they are."""

    __slots__ = ("_aead", "_owner")

    def __init__(self, owner: int | str, data_key: bytes | None) -> None:
        self._owner = owner
        self._aead = AESGCM(data_key) if data_key else None

    def seal(self, place: str, text: str) -> str:
        """Seal a text for a place, such as `request.body`; an empty one stays empty."""
        if self._aead is None or not text:
            return text
        return MARK + b64encode(self._sealed(self._aead, place, text.encode())).decode()

    def open(self, place: str, text: str) -> str:
        """Open a text that was sealed for this place; raises SealError, also for one put in the clear under a key."""
        if not text.startswith(MARK):
            return self._plain(place, text)
        try:
            return self._opened(place, b64decode(text[len(MARK) :], validate=True)).decode()
        except ValueError:  # no base64, or no ASCII
            raise SealError(place) from None

    def seal_bytes(self, place: str, content: bytes) -> bytes:
        """Seal bytes for a place; none stay none."""
        if self._aead is None or not content:
            return content
        return MARK_BYTES + self._sealed(self._aead, place, content)

    def open_bytes(self, place: str, content: bytes) -> bytes:
        """Open bytes that were sealed for this place; raises SealError."""
        if not content.startswith(MARK_BYTES):
            return self._plain(place, content)
        return self._opened(place, content[len(MARK_BYTES) :])

    def _sealed(self, aead: AESGCM, place: str, content: bytes) -> bytes:
        nonce = os.urandom(NONCE)
        return nonce + aead.encrypt(nonce, content, self._bound(place))

    def _opened(self, place: str, sealed: bytes) -> bytes:
        if self._aead is None:
            raise SealError(place)
        try:
            return self._aead.decrypt(sealed[:NONCE], sealed[NONCE:], self._bound(place))
        except (InvalidTag, ValueError):
            raise SealError(place) from None

    def _plain(self, place: str, content: Content) -> Content:
        """Let through what was never sealed: nothing, or anything of a request that has no key."""
        if content and self._aead is not None:
            raise SealError(place)
        return content

    def _bound(self, place: str) -> bytes:
        return f"{place}:{self._owner}".encode()


PLAIN: Final = Sealer(0, None)
"""Seals nothing, and opens nothing sealed."""


class Keys:
    """Key-encryption keys by their names; the first wraps, the others still open."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if any(len(key) != KEY_BYTES for key in keys):
            raise ValueError("a key-encryption key has 32 bytes")
        self._known: Mapping[bytes, AESGCM] = MappingProxyType({name_of(key): AESGCM(key) for key in keys})
        self.current = name_of(keys[0]) if keys else b""

    @property
    def names(self) -> Sequence[str]:
        """The keys' names in hex, the current one first."""
        return [name.hex() for name in self._known]

    def has(self, name: bytes) -> bool:
        """Say whether a key of this name is there."""
        return name in self._known

    def wrap(self, owner: int | str, data_key: bytes) -> bytes:
        """Wrap a data key under the current key: its name, a nonce, the key sealed."""
        nonce = os.urandom(NONCE)
        return self.current + nonce + self._known[self.current].encrypt(nonce, data_key, _of(owner))

    def unwrap(self, owner: int | str, wrapped: bytes) -> bytes:
        """Give a data key; raises SealError."""
        known = self._known.get(wrapped[:NAME])
        nonce, sealed = wrapped[NAME : NAME + NONCE], wrapped[NAME + NONCE :]
        try:
            if known is not None:
                return known.decrypt(nonce, sealed, _of(owner))
        except (InvalidTag, ValueError):
            pass
        raise SealError("data_key")


NO_KEYS: Final = Keys(())


class Vault:
    """Draws and opens data keys. Without a key-encryption key nothing is sealed, and nothing sealed opens.

    `fresh` reads the keys again if they have changed, else gives None: asked now and then, and at once (True) for a
    data key that was wrapped under one not known yet, as when another process has just begun to rotate.
    """

    def __init__(self, keys: Keys = NO_KEYS, fresh: Callable[[bool], Keys | None] = lambda _now: None) -> None:
        self.keys, self._fresh = keys, fresh

    def draw(self, owner: int | str) -> tuple[bytes | None, Sealer]:
        """Draw a data key: the key wrapped, to be kept beside the request, and what seals under it."""
        self._refresh(now=False)
        if not self.keys.current:
            return None, Sealer(owner, None)
        data_key = os.urandom(KEY_BYTES)
        return self.keys.wrap(owner, data_key), Sealer(owner, data_key)

    def sealer(self, owner: int | str, wrapped: bytes | None) -> Sealer:
        """Give what seals and opens under a request's data key; raises SealError when that key does not open."""
        if not wrapped:
            return Sealer(owner, None)
        try:
            wrapped = bytes(wrapped)
        except TypeError:  # somebody put a text there
            raise SealError("data_key") from None
        if not self.keys.has(wrapped[:NAME]):
            self._refresh(now=True)
        return Sealer(owner, self.keys.unwrap(owner, wrapped))

    def body(self, row: Any) -> str:
        """Open a request's body, from a row with `number`, `data_key` and `body`; raises SealError."""
        return self.sealer(row.number, row.data_key).open(BODY, row.body)

    def shown(self, row: Any) -> str:
        """Give a request's body to whoever looks at it: one without data where it does not open."""
        try:
            return self.body(row)
        except SealError:
            return NOTHING

    def rewrapped(self, owner: int | str, wrapped: bytes) -> bytes:
        """Wrap a data key anew under the current key; raises SealError."""
        return self.keys.wrap(owner, self.keys.unwrap(owner, wrapped))

    def _refresh(self, *, now: bool) -> None:
        self.keys = self._fresh(now) or self.keys


def name_of(key: bytes) -> bytes:
    """Name a key without telling anything of it."""
    return hashlib.blake2b(key, digest_size=NAME, person=b"hub.vault.name").digest()


def _of(owner: int | str) -> bytes:
    return f"data_key:{owner}".encode()
