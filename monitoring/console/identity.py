"""Coming in by an identity provider: what is asked of it, what must come back, and whom it then vouches for.

Authorization code flow of OpenID Connect. What is asked is remembered by the browser alone, in a signed ticket; what
comes back is believed only when it answers that ticket, for the first time, within five minutes.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from joserfc.jwk import KeySet

from hub.app import Hub
from hub.identities import Known, Spending, spend
from hub.identity_settings import IdentitySettings
from hub.model import Instant
from monitoring.console.identity_errors import SignInError
from monitoring.console.identity_provider import Provider, Tokens
from monitoring.console.identity_ticket import Ticket, read
from monitoring.console.identity_tokens import (
    Expected,
    UnknownKeyError,
    read_id_token,
    read_plain_userinfo,
    read_signed_userinfo,
)

LONGEST_CODE: Final = 2_048


@dataclass(frozen=True, slots=True)
class Vouched:
    """Somebody for whom the provider vouches, its token about them, and where they wanted to go."""

    who: Known
    id_token: str
    after: str


async def finish(hub: Hub, provider: Provider, sealed: str, said: Sequence[tuple[str, str]]) -> Vouched:
    """Give whom the provider vouches for; raises SignInError."""
    now = hub.ledger.book.now()
    ticket = _shown(hub.secret, sealed, now)
    code = await _code(provider, ticket, said)
    spent = Spending(hash=ticket.digest, at=now, expires_at=Instant(ticket.until))
    if not await hub.ledger.write(spend, spent):
        raise SignInError("state_reused")
    tokens = await provider.exchange(code, ticket)
    claims = await _claims(provider, tokens, ticket, hub.ledger.book.now() // 1000)
    return Vouched(Known(provider.settings.issuer, claims["sub"]), tokens.id_token, ticket.after)


def _shown(secret: bytes, sealed: str, now: Instant) -> Ticket:
    ticket = read(secret, sealed)
    if ticket is None:
        raise SignInError("ticket_missing")
    if ticket.until <= now:
        raise SignInError("ticket_expired")
    return ticket


async def _code(provider: Provider, ticket: Ticket, said: Sequence[tuple[str, str]]) -> str:
    """Give the code that answers this ticket; raises SignInError for an answer to another, or another's answer."""
    given = dict(said)
    if len(given) != len(said):
        raise SignInError("answer_twofold")
    if not given.get("state"):
        raise SignInError("state_missing")
    if not hmac.compare_digest(given["state"].encode(), ticket.state.encode()):
        raise SignInError("state_wrong")
    issuer = given.get("iss")
    if issuer is None and (await provider.metadata()).names_itself:
        raise SignInError("issuer_missing")
    if issuer not in {None, provider.settings.issuer}:
        raise SignInError("issuer_foreign")
    if "error" in given:
        raise SignInError("denied")
    code = given.get("code", "")
    if not 0 < len(code) <= LONGEST_CODE:
        raise SignInError("code_missing")
    return code


async def _claims(provider: Provider, tokens: Tokens, ticket: Ticket, now: int) -> Mapping[str, Any]:
    """Give the claims of whom these tokens are about, held to what the settings require."""
    settings = provider.settings
    expected = Expected(
        issuer=settings.issuer,
        client_id=settings.client_id,
        algorithms=settings.algorithms,
        now=now,
        nonce=ticket.nonce,
        access_token=tokens.access_token,
    )
    try:
        claims = read_id_token(tokens.id_token, await provider.keys(), expected)
    except UnknownKeyError:
        claims = read_id_token(tokens.id_token, await provider.keys(afresh=True), expected)
    _require_assurance(claims, settings)
    more = await _userinfo(provider, tokens, expected, await provider.keys())
    if more and more.get("sub") != claims["sub"]:
        raise SignInError("userinfo_sub")
    known = {**more, **claims}
    for name, values in settings.required_claims.items():
        if known.get(name) not in values:
            raise SignInError("claim_elsewhere")
    return claims


def _require_assurance(claims: Mapping[str, Any], settings: IdentitySettings) -> None:
    """Hold a token to the assurance that was asked for: a provider may not heed what it is asked."""
    if settings.acr_values and claims.get("acr") not in settings.acr_values:
        raise SignInError("id_token_acr")
    if not set(settings.required_amr) <= set(map(str, claims.get("amr") or ())):
        raise SignInError("id_token_amr")


async def _userinfo(provider: Provider, tokens: Tokens, expected: Expected, keys: KeySet) -> Mapping[str, Any]:
    manner = provider.settings.userinfo
    if manner is None:
        return {}
    kind, body = await provider.userinfo(tokens.access_token)
    said = read_signed_userinfo(kind, body, keys, expected) if manner == "signed" else read_plain_userinfo(kind, body)
    return said or {"sub": None}
