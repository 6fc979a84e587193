"""The public keys of an authorization server, by which its tokens are known: from a file, or from where it shows them.

They are fetched with nothing of the environment: no proxy, no redirect, within five seconds and 256 kB.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import aiohttp
import orjson
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

LARGEST: Final = 256 * 1024
WITHIN: Final = aiohttp.ClientTimeout(total=5)
AT_MOST_EVERY: Final = 60.0
"""Seconds between two looks, however many tokens name a key that is not known."""

LOOKED_AT_EVERY: Final = 600.0
"""Seconds after which they are looked at again although nobody misses one: some may have been withdrawn."""

GOOD_FOR: Final = 86_400.0
"""Seconds during which they are still gone by when they cannot be had anew."""

SMALLEST_RSA: Final = 2048
KINDS: Final[Mapping[str, type[RSAKey | ECKey]]] = {"RSA": RSAKey, "EC": ECKey}

PublicKey: TypeAlias = RSAKey | ECKey

log = structlog.get_logger()


class KeysUnknownError(Exception):
    """The keys cannot be had, so that nobody can tell a good token from a bad one."""


class PublicKeys:
    """Finds a key by its name; looks at most once a minute, and never twice at once."""

    def __init__(self, place: Path | str, clock: Callable[[], float] = time.monotonic) -> None:
        self._place, self._clock = place, clock
        self._keys: dict[str, PublicKey] = {}
        self._raw, self._tried_at, self._had_at = b"", float("-inf"), float("-inf")
        self._looking: asyncio.Task[None] | None = None
        self._failed = False
        self.generation = 0
        """Grows when they change: what was proved by those before is to be proved again."""

    async def find(self, name: str) -> PublicKey | None:
        """Find a key, looking anew for one that is not known; raises KeysUnknownError.

        One that is missing while the last look failed may be new: nobody can tell that it is not.
        """
        self.freshen()
        if name not in self._keys and self._may_look(AT_MOST_EVERY):
            self._look()
        if self._looking and name not in self._keys:
            await asyncio.shield(self._looking)
        if self._clock() - self._had_at > GOOD_FOR or (self._failed and name not in self._keys):
            raise KeysUnknownError
        return self._keys.get(name)

    def freshen(self) -> None:
        """Have the keys looked at again, beside what goes on, when they were not for ten minutes."""
        if self._may_look(LOOKED_AT_EVERY if self._keys else AT_MOST_EVERY):
            self._look()

    def _may_look(self, every: float) -> bool:
        return self._looking is None and self._clock() - self._tried_at >= every

    def _look(self) -> None:
        self._tried_at = self._clock()
        self._looking = asyncio.create_task(self._take())

    async def _take(self) -> None:
        try:
            raw = await _read(self._place)
            keys = parse(raw)
        except (OSError, aiohttp.ClientError, TimeoutError, ValueError) as error:
            self._failed = True
            log.warning("the public keys of tokens cannot be had", error=type(error).__name__)
        else:
            self._failed, self._had_at = False, self._clock()
            if raw != self._raw:
                self._raw, self._keys = raw, keys
                self.generation += 1
        finally:
            self._looking = None


def parse(raw: bytes) -> dict[str, PublicKey]:
    """Read a JWK Set, keeping public keys that sign and have a name; raises ValueError when it is none."""
    said = orjson.loads(raw)
    listed = said.get("keys") if isinstance(said, dict) else None
    if not isinstance(listed, list):
        raise ValueError("expected a JWK Set")  # noqa: TRY004  # one kind of wrong
    found = {}
    for one in listed[:100]:
        if isinstance(one, dict) and (key := _key(one)) is not None:
            found[str(one["kid"])] = key
    return found


def _key(said: Mapping[str, Any]) -> PublicKey | None:
    """Read one key; None for a shared secret, one that encrypts, is nameless or too short."""
    kind = KINDS.get(str(said.get("kty")))
    if kind is None or not said.get("kid") or said.get("use", "sig") != "sig":
        return None
    try:
        key = kind.import_key({name: value for name, value in said.items() if name not in PRIVATE})
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    short = isinstance(key, RSAKey) and key.raw_value.key_size < SMALLEST_RSA
    return None if short else key


PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""Members of a key that no key set shows; one that does is read as if it did not."""


async def _read(place: Path | str) -> bytes:
    if isinstance(place, Path):
        return await asyncio.to_thread(place.read_bytes)
    async with (
        aiohttp.ClientSession(timeout=WITHIN, trust_env=False) as session,
        session.get(place, allow_redirects=False, headers={"Accept": "application/json"}) as answer,
    ):
        if answer.status != 200:  # HTTP's own
            raise ValueError("not shown")
        raw = await answer.content.read(LARGEST + 1)
        while len(raw) <= LARGEST and (more := await answer.content.read(LARGEST)):
            raw += more
    if len(raw) > LARGEST:
        raise ValueError("too large")
    return raw
