"""Reads what an identity provider signed, and holds it to what was asked: no I/O; what is amiss is a SignInError."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from authlib.oauth2.claims import JWTClaims
from authlib.oidc.core import CodeIDToken
from joserfc import errors, jwt
from joserfc.jwk import JWKRegistry, Key, KeySet

from hub.identities import LONGEST_SUBJECT
from monitoring.console.identity_errors import SignInError

LEEWAY: Final = 30
"""Seconds by which the provider's clock and ours may differ."""

LONGEST_TOKEN: Final = 16_000
SIGNED: Final = "application/jwt"
PLAIN: Final = "application/json"

WRONG: Final[Mapping[type[BaseException], str]] = {
    errors.UnsupportedAlgorithmError: "algorithm",
    errors.MissingAlgorithmError: "algorithm",
    errors.BadSignatureError: "signature",
    errors.InvalidKeyIdError: "key",
    errors.KeyParameterError: "key",
    errors.ExpiredTokenError: "expired",
}
"""What joserfc raises → what was wrong; the nearest class in the exception's `mro()` wins."""

AMISS: Final = (errors.JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What reading a token that is none may raise."""


class UnknownKeyError(SignInError):
    """It is signed with a key that the provider did not show when it was last asked: it may have a new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a token must be: by whom and for whom, signed how, read when (in seconds), and with what it came."""

    issuer: str
    client_id: str
    algorithms: Sequence[str]
    now: int
    nonce: str
    access_token: str


def read_id_token(text: str, keys: KeySet, expected: Expected) -> Mapping[str, Any]:
    """Give the claims of an id_token that is the provider's, ours, of this sign-in, and still good."""
    params = {
        "nonce": expected.nonce,
        "client_id": expected.client_id,
        "access_token": expected.access_token,
    }
    token = _verified(text, keys, expected, "id_token")
    claims = CodeIDToken(token.claims, token.header, _options(expected), params)
    _validate(claims, expected.now, "id_token")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
        raise SignInError("id_token_sub")
    return dict(claims)


def read_signed_userinfo(kind: str, body: bytes, keys: KeySet, expected: Expected) -> Mapping[str, Any]:
    """Give the claims of a userinfo that the provider signed for us."""
    if kind != SIGNED:
        raise SignInError("userinfo_unsigned")
    token = _verified(body.decode("ascii", "replace"), keys, expected, "userinfo")
    claims = JWTClaims(token.claims, token.header, _options(expected))
    _validate(claims, expected.now, "userinfo")
    return dict(claims)


def read_plain_userinfo(kind: str, body: bytes) -> Mapping[str, Any]:
    """Give the claims of a userinfo that only its connection vouches for."""
    if kind != PLAIN:
        raise SignInError("userinfo_unreadable")
    return read_object(body, "userinfo_unreadable")


def read_object(body: bytes, code: str) -> Mapping[str, Any]:
    """Read a JSON object; raises SignInError with this code for anything else."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise SignInError(code) from None
    if not isinstance(said, dict):
        raise SignInError(code)
    return said


def read_keys(body: bytes) -> KeySet:
    """Read the keys by which a provider's signatures are checked; secrets, and those of other uses, are left out.

    So is one that cannot be read: a provider may show others beside the one it signs with. Raises SignInError when none
    is left.
    """
    said = read_object(body, "keys_unreadable").get("keys")
    listed = [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []
    public = [one for one in listed if one.get("kty") in {"RSA", "EC"} and one.get("use", "sig") == "sig"]
    keys = [key for key in map(_key, public) if key is not None]
    if not keys:
        raise SignInError("keys_unreadable")
    return KeySet(keys)


def _key(said: dict[str, Any]) -> Key | None:
    """Read one key; None for what is none."""
    try:
        key = JWKRegistry.import_key(said)
        key.ensure_kid()
    except AMISS:
        return None
    return key


def _options(expected: Expected) -> dict[str, Any]:
    issued = {"essential": True, "value": expected.issuer}
    return {"iss": issued, "aud": {"essential": True, "value": expected.client_id}}


def _verified(text: str, keys: KeySet, expected: Expected, what: str) -> jwt.Token:
    if len(text) > LONGEST_TOKEN:
        raise SignInError(f"{what}_unreadable")
    try:
        return jwt.decode(text, keys, algorithms=expected.algorithms)
    except errors.InvalidKeyIdError:
        raise UnknownKeyError(f"{what}_key") from None
    except AMISS as error:
        raise SignInError(f"{what}_{_why(error)}") from None


def _validate(claims: Any, now: int, what: str) -> None:
    try:
        claims.validate(now, LEEWAY)
    except errors.ExpiredTokenError:
        raise SignInError(f"{what}_expired") from None
    except errors.ClaimError as error:
        raise SignInError(f"{what}_{error.claim}") from None
    except AMISS:
        raise SignInError(f"{what}_unreadable") from None


def _why(error: BaseException) -> str:
    return next((WRONG[kind] for kind in type(error).mro() if kind in WRONG), "unreadable")
