"""Who may do what: API keys, the principals behind them, and the blind index by which people are found."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from hub.model import Instant
from hub.policy import later
from hub.problems import Problem, ProblemType

CREDENTIAL: Final = re.compile(r"(?i:bearer) +(hub_([0-9a-f]{12})_[A-Za-z0-9_-]{43})")
NOBODY: Final = bytes(32)
"""Compared with when no key has the prefix, so that both refusals cost the same."""

EVERY_HOUSE: Final = "*"
"""The front end of an agent or an operator who works for all of them."""

REMEMBERED: Final = timedelta(seconds=5)
MOST_REMEMBERED: Final = 10_000

PHONE: Final = re.compile(r"\+?[0-9][0-9 .()/-]{5,20}")
SEPARATORS: Final = re.compile(r"[\s'’\u2010\u2011-]+")
LIGATURES: Final = str.maketrans({"œ": "oe", "æ": "ae", "Œ": "OE", "Æ": "AE"})


class Scope(StrEnum):
    """What may be done with a request."""

    SUBMIT = "submit"
    READ = "read"
    DECIDE = "decide"
    OPERATE = "operate"


class Role(StrEnum):
    """What a key is for."""

    FRONT_END = "front_end"
    AGENT = "agent"
    OPERATOR = "operator"


SCOPES: Final[Mapping[Role, frozenset[Scope]]] = {
    Role.FRONT_END: frozenset({Scope.SUBMIT, Scope.READ, Scope.DECIDE}),
    Role.AGENT: frozenset({Scope.READ, Scope.DECIDE}),
    Role.OPERATOR: frozenset({Scope.READ, Scope.DECIDE, Scope.OPERATE}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who speaks: a key's prefix, its house, its role, and the kinds and sites it is kept to (empty: all).

    `prefix` names a client of the authorization server where a token stands for a key, and `scopes` what that token
    narrows the role to.
    """

    prefix: str
    front_end: str
    role: Role
    kinds: frozenset[str] = frozenset()
    sites: frozenset[str] = frozenset()
    scopes: frozenset[Scope] | None = None

    def may(self, scope: Scope) -> bool:
        """Say whether the role covers `scope`, and so does the token if there is one."""
        return scope in SCOPES[self.role] and (self.scopes is None or scope in self.scopes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An API key as the hub keeps it: whose it is, the HMAC of its text, and when it lives."""

    prefix: str
    hash: bytes
    front_end: str
    role: Role
    created_at: Instant
    kinds: frozenset[str] = frozenset()
    sites: frozenset[str] = frozenset()
    expires_at: Instant | None = None
    revoked_at: Instant | None = None
    last_used_at: Instant | None = None

    def alive(self, now: Instant) -> bool:
        """Say whether it is neither revoked nor expired."""
        ends = (moment for moment in (self.expires_at, self.revoked_at) if moment is not None)
        return all(now < moment for moment in ends)

    def principal(self) -> Principal:
        """Give the one who speaks with it."""
        return Principal(
            prefix=self.prefix,
            front_end=self.front_end,
            role=self.role,
            kinds=self.kinds,
            sites=self.sites,
        )


def new_key(
    pepper: bytes, now: Instant, *, front_end: str, role: Role, expires_at: Instant | None = None
) -> tuple[str, Key]:
    """Draw a key: its text, to be shown once and forgotten, and what to keep of it.

    The text is `hub_` + 12 hex digits + `_` + 256 random bits in 43 base64url characters; narrow the key to
    kinds and sites with `dataclasses.replace`.
    """
    prefix = secrets.token_hex(6)
    plain = f"hub_{prefix}_{secrets.token_urlsafe(32)}"
    return plain, Key(
        prefix=prefix,
        hash=_hash(pepper, plain),
        front_end=front_end,
        role=role,
        created_at=now,
        expires_at=expires_at,
    )


class Keyring:
    """Knows callers by their keys; a key read from the ledger is remembered for five seconds."""

    def __init__(
        self, load: Callable[[str], Awaitable[Key | None]], pepper: bytes, clock: Callable[[], Instant]
    ) -> None:
        self._load, self._pepper, self._clock = load, pepper, clock
        self._known: dict[str, tuple[Instant, Key]] = {}
        self._proved: dict[bytes, tuple[Key, Principal]] = {}
        self._used: dict[str, Instant] = {}

    async def authenticate(self, header: str | None) -> Principal:
        """Read an Authorization header; raises one and the same Problem 401 whatever is wrong with it."""
        found = CREDENTIAL.fullmatch(header or "")
        if found is None:
            raise unknown()
        key = await self._find(found[2])
        return self._prove(found[1], key)

    def _prove(self, text: str, key: Key | None) -> Principal:
        """Hold a key's text to its hash; once proved for a key as it was read, a cheaper hash recognises it."""
        seen = hashlib.blake2b(text.encode(), key=self._pepper[:64], digest_size=32).digest()
        proved, principal = self._proved.get(seen, (None, None))
        if key is None or proved is not key or principal is None:
            same = hmac.compare_digest(_hash(self._pepper, text), key.hash if key else NOBODY)
            if key is None or not same:
                raise unknown()
            principal = key.principal()
            self._proved[seen] = key, principal
            while len(self._proved) > MOST_REMEMBERED:
                del self._proved[next(iter(self._proved))]
        now = self._clock()
        if not key.alive(now):
            raise unknown()
        self._used[key.prefix] = now
        return principal

    def take_used(self) -> list[tuple[str, Instant]]:
        """Give which keys were used since this was last asked, and when each was last."""
        used, self._used = self._used, {}
        return list(used.items())

    def forget(self, prefix: str) -> None:
        """Read this key again at its next use, as when it has just been revoked."""
        self._known.pop(prefix, None)

    async def _find(self, prefix: str) -> Key | None:
        until, key = self._known.get(prefix, (Instant(0), None))
        if key is not None and self._clock() < until:
            return key
        key = await self._load(prefix)
        self.forget(prefix)
        if key is not None:
            self._remember(key)
        return key

    def _remember(self, key: Key) -> None:
        """Remember a key that exists, at the expense of the oldest; made-up prefixes push nobody out."""
        if len(self._known) >= MOST_REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[key.prefix] = later(self._clock(), REMEMBERED), key


def everybody(principal: Principal) -> None:
    """Let pass who may act on what all share: kept to no house, no kind and no site; raises Problem 403."""
    if not _everywhere(principal) or principal.kinds or principal.sites:
        raise Problem(ProblemType.FORBIDDEN, "Cette clé ne couvre qu'une partie de ce que cette action touche.")


def require(principal: Principal, scope: Scope) -> None:
    """Let pass who may do `scope`; raises Problem 403."""
    if not principal.may(scope):
        raise Problem(ProblemType.FORBIDDEN, "Cette clé ne permet pas cette action.")


def allow(principal: Principal, kind: str, site: str) -> None:
    """Let pass who may touch this kind of request on this site; raises Problem 403."""
    if principal.kinds and kind not in principal.kinds:
        raise Problem(ProblemType.FORBIDDEN, "Cette clé ne couvre pas ce type de démarche.")
    if principal.sites and site not in principal.sites:
        raise Problem(ProblemType.FORBIDDEN, "Cette clé ne couvre pas ce site.")


def same_house(principal: Principal, front_end: str) -> None:
    """Let pass who belongs to the house a request came from; raises Problem 404: others do not learn it exists.

    Agents and operators may belong to every house, a front end only to its own.
    """
    if not _everywhere(principal) and principal.front_end != front_end:
        raise Problem(ProblemType.NOT_FOUND)


def _everywhere(principal: Principal) -> bool:
    return principal.front_end == EVERY_HOUSE and principal.role is not Role.FRONT_END


def blind(secret: bytes, value: str) -> str:
    """Index a name, an address or a number without keeping it: 32 bytes in hex, BLAKE2b keyed with the secret.

    Six times faster than HMAC-SHA-256 here, and the door needs three of them a request.
    """
    return hashlib.blake2b(_amounts_to(value).encode(), key=secret[:64], digest_size=32).hexdigest()


def _amounts_to(value: str) -> str:
    """Write alike what people write differently: case, accents, hyphens, spaces, and +33 for 0."""
    value = value.strip()
    if PHONE.fullmatch(value):
        return re.sub(r"\D", "", re.sub(r"^(\+|00)33[ .]*(\(0\))?0?", "0", value))
    if not value.isascii():
        letters = unicodedata.normalize("NFKD", value.translate(LIGATURES))
        value = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return SEPARATORS.sub(" ", value).casefold()


def _hash(pepper: bytes, plain: str) -> bytes:
    return hmac.digest(pepper, plain.encode(), "sha256")


def unknown() -> Problem:
    """Refuse a caller who is not known, whatever the reason: the answer is one and the same."""
    return Problem(
        ProblemType.UNAUTHENTICATED,
        "La clé d'accès est absente, inconnue ou n'est plus valable.",
        headers={"WWW-Authenticate": "Bearer"},
    )
