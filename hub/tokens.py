"""Tokens of the city's authorization server (RFC 9068), which a client may show instead of a key.

Whatever is wrong with one, the answer is that of a wrong key, and nothing of it is logged.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry, extract_compact
from joserfc.jwt import JWTClaimsRegistry

from hub.access import MOST_REMEMBERED, Principal, Role, Scope, unknown
from hub.jwks import KeysUnknownError, PublicKey, PublicKeys
from hub.model import Instant
from hub.problems import Problem, ProblemType
from hub.settings_door import Tokens

SHAPE: Final = re.compile(r"(?i:bearer) +([A-Za-z0-9_-]{2,2000}\.[A-Za-z0-9_-]{2,6000}\.[A-Za-z0-9_-]{2,2000})")
TYPES: Final = frozenset({"at+jwt", "application/at+jwt", "jwt"})
"""What a token's header may call it: RFC 9068, and servers that know it only as JWT."""

LONGEST: Final = 86_400
"""Seconds that a token may live: a longer one is a key, and keys are the hub's."""

PERSONAL: Final = frozenset({"nonce", "at_hash", "sid", "auth_time"})
"""Claims that tell of a person who came in by a browser: a client that speaks for itself has none of them."""

OURS: Final = "hub:"
"""What the words of `scope` begin with that narrow what a client may do: `hub:submit hub:read`."""


class TokenReader:
    """Knows callers by their tokens; one that was proved is recognised until it ends, or the server's keys change."""

    def __init__(self, said: Tokens, keys: PublicKeys, clock: Callable[[], Instant]) -> None:
        self._said, self._keys, self._clock = said, keys, clock
        self._proved: dict[bytes, tuple[int, float, Principal]] = {}

    async def authenticate(self, header: str) -> Principal:
        """Read an Authorization header; raises one and the same Problem 401, or 503 while nobody can tell."""
        found = SHAPE.fullmatch(header)
        if found is None:
            raise unknown()
        token = found[1]
        seen = hashlib.blake2b(token.encode(), digest_size=32).digest()
        generation, until, principal = self._proved.get(seen, (-1, 0.0, None))
        self._keys.freshen()
        if principal is not None and generation == self._keys.generation and self._now() < until:
            return principal
        try:
            claims = await self._prove(token)
        except KeysUnknownError:
            raise Problem(
                ProblemType.UNAVAILABLE, "Les jetons ne peuvent être vérifiés.", headers={"Retry-After": "30"}
            ) from None
        except (JoseError, ValueError, TypeError, KeyError, RecursionError):
            raise unknown() from None
        principal = self._principal(claims)
        self._remember(seen, float(claims["exp"]) + self._leeway, principal)
        return principal

    async def _prove(self, token: str) -> Mapping[str, Any]:
        """Check signature and claims; raises JoseError or ValueError."""
        header = extract_compact(token.encode()).headers()
        if not isinstance(header, dict):  # of an array or a text that names `alg`, joserfc gives it as it is
            raise ValueError("a header that is none")  # noqa: TRY004  # one kind of wrong
        if str(header.get("typ", "")).lower() not in TYPES or header.get("alg") not in self._said.algorithms:
            raise ValueError("not a token that is taken")
        key = await self._keys.find(str(header.get("kid", "")))
        if key is None:
            raise ValueError("signed by nobody known")
        return self._checked(token, key)

    def _checked(self, token: str, key: PublicKey) -> Mapping[str, Any]:
        algorithms = list(self._said.algorithms)
        claims = jwt.decode(token, key, algorithms=algorithms, registry=JWSRegistry(algorithms=algorithms)).claims
        JWTClaimsRegistry(
            now=int(self._now()),
            leeway=int(self._leeway),
            iss={"essential": True, "value": self._said.issuer},
            aud={"essential": True, "value": self._said.audience},
            exp={"essential": True},
            iat={"essential": True},
        ).validate(claims)
        if not 0 < claims["exp"] - claims["iat"] <= LONGEST:
            raise ValueError("it lives for too long")
        if PERSONAL & claims.keys():
            raise ValueError("a person's, whom the client may speak for elsewhere")
        return claims

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        """Say as whom a client speaks; raises Problem 401 for one that has no place here."""
        name = claims.get("client_id", claims.get("azp"))
        client = self._said.clients.get(name) if isinstance(name, str) else None
        if client is None:
            raise unknown()
        return Principal(
            prefix=str(name),
            front_end=client.front_end,
            role=Role(client.role),
            kinds=frozenset(client.kinds),
            sites=frozenset(client.sites),
            scopes=narrowed(claims.get("scope")),
        )

    def _remember(self, seen: bytes, until: float, principal: Principal) -> None:
        self._proved[seen] = self._keys.generation, until, principal
        while len(self._proved) > MOST_REMEMBERED:
            del self._proved[next(iter(self._proved))]

    def _now(self) -> float:
        return self._clock() / 1000

    @property
    def _leeway(self) -> float:
        return self._said.leeway.total_seconds()


def narrowed(scope: object) -> frozenset[Scope] | None:
    """Read `scope`: what its words of ours allow, never more than the role; None when it holds none of them."""
    words = scope.split() if isinstance(scope, str) else scope if isinstance(scope, list) else []
    ours = {word.removeprefix(OURS) for word in words if isinstance(word, str) and word.startswith(OURS)}
    return frozenset(one for one in Scope if one in ours) if ours else None
