"""Who calls: by a key or by a token, with the certificate of their house if it has one, and not too often."""

from __future__ import annotations

import asyncio
import ipaddress
import math
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hub.access import CREDENTIAL, Keyring, Principal, unknown
from hub.jwks import PublicKeys
from hub.keys import find_key, keep_used
from hub.ledger import Ledger
from hub.problems import Problem, ProblemType
from hub.rates import Buckets
from hub.settings import Settings
from hub.tokens import TokenReader

WRITTEN_EVERY: Final = 60.0
"""Seconds between two notes of which keys were used."""

CERTIFICATE: Final = "certificate"
"""Where a connection's state holds the fingerprint of the certificate that was shown on it."""

log = structlog.get_logger()


class Callers:
    """Lets in who is known: the one door of the API's callers."""

    def __init__(self, settings: Settings, keyring: Keyring, tokens: TokenReader | None = None) -> None:
        self._keyring, self._tokens = keyring, tokens
        caller, stranger = settings.rates.caller, settings.rates.stranger
        self._calls = Buckets(caller.per_second, caller.burst)
        self._strangers = Buckets(stranger.per_second, stranger.burst)
        self._pinned = {name: said.certificates for name, said in settings.front_ends.items() if said.certificates}

    async def authenticate(self, header: str | None, scope: Mapping[str, Any]) -> Principal:
        """Say who calls, by an Authorization header and the connection it came by; raises Problem 401, 429 or 503."""
        try:
            principal = await self._known(header)
            if self._pinned:
                self._check_certificate(principal, scope)
        except Problem as problem:
            if problem.kind is ProblemType.UNAUTHENTICATED and (wait := self._strangers.pour(_address(scope))):
                raise _too_many(wait) from None
            raise
        if wait := self._calls.pour(principal.prefix):
            raise _too_many(wait)
        return principal

    async def keep_used(self, ledger: Ledger) -> None:
        """Write down, each minute, which keys were used."""
        while True:
            await asyncio.sleep(WRITTEN_EVERY)
            await self.note_used(ledger)

    async def note_used(self, ledger: Ledger) -> None:
        """Write down which keys were used since this was last done; what cannot be written is not missed."""
        if used := self._keyring.take_used():
            try:
                await ledger.write(keep_used, used)
            except SQLAlchemyError as error:
                log.warning("the use of keys could not be noted", error=type(error).__name__)

    async def _known(self, header: str | None) -> Principal:
        if self._tokens is None or header is None or CREDENTIAL.fullmatch(header):
            return await self._keyring.authenticate(header)
        return await self._tokens.authenticate(header)

    def _check_certificate(self, principal: Principal, scope: Mapping[str, Any]) -> None:
        """Hold whoever speaks for a front end to its certificates; raises the Problem 401 of a wrong key."""
        wanted = self._pinned.get(principal.front_end, ())
        if wanted and scope.get("state", {}).get(CERTIFICATE) not in wanted:
            raise unknown()


def open_callers(settings: Settings, ledger: Ledger, secret: bytes, closing: AsyncExitStack) -> Callers:
    """Know callers by the keys in the ledger and by the tokens that the settings allow, until the hub closes."""
    keyring = Keyring(lambda prefix: ledger.read(find_key, prefix), secret, ledger.book.now)
    said, tokens = settings.tokens, None
    if said is not None:
        place = said.jwks if isinstance(said.jwks, Path) else str(said.jwks)
        tokens = TokenReader(said, PublicKeys(place), ledger.book.now)
    callers = Callers(settings, keyring, tokens)
    closing.push_async_callback(callers.note_used, ledger)
    noting = asyncio.create_task(callers.keep_used(ledger))
    closing.callback(noting.cancel)
    return callers


def _address(scope: Mapping[str, Any]) -> str:
    """Say where a call comes from: an address, or of IPv6 the network, for its holder has them all."""
    host = (scope.get("client") or ("",))[0]
    if ":" not in host:
        return str(host)
    try:
        return str(ipaddress.IPv6Network((host.partition("%")[0], 64), strict=False))
    except ValueError:
        return str(host)


def _too_many(wait: float) -> Problem:
    return Problem(
        ProblemType.TOO_MANY_REQUESTS,
        "Trop d'appels en peu de temps ; attendez avant de recommencer.",
        headers={"Retry-After": str(math.ceil(wait))},
    )
