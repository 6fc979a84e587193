"""HubEE's gateway: an account for each procedure, whose token is kept in memory and renewed once inside a call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

import orjson
from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt

from connectors._transport.http import NO_HEADERS, Answer, HttpClient, HttpSettings, check_status
from connectors.hubee.settings import Credentials, Settings
from connectors.hubee.wire import Piece, check, is_stale, read_token
from hub.connector import Deadline, Exchange
from hub.errors import TransientError, UncertainError
from hub.manifest import ErrorTable

GRANT: Final = b"grant_type=client_credentials&scope=SI"
FORM: Final = "application/x-www-form-urlencoded"
MARGIN: Final = 30.0
"""Seconds before its end at which a token is not used any more."""

LARGEST_FILE: Final = 16 * 1024 * 1024
"""Bytes of an attachment, beyond which it is not read: what the hub keeps is smaller, and says so of what is not."""

OVERRIDE: Final = "X-HTTP-Method-Override"

EXPECTED: Final[Mapping[str, frozenset[int]]] = {
    "GET": frozenset({200}),
    "POST": frozenset({201}),
    "PUT": frozenset({204}),
    "PATCH": frozenset({204}),
    "DELETE": frozenset({204, 404}),
}
"""By which statuses HubEE says yes to each method; what is gone already need not be deleted."""

REFUSED: Final = frozenset({400, 401, 403})
"""How the token's door says that it does not know the account."""


class Gateway:
    """Everything that is said to HubEE goes through here, under the account of its procedure."""

    def __init__(self, settings: Settings, errors: ErrorTable) -> None:
        self._errors, self._unavailable = errors, settings.unavailable
        self._headers, self._overrides = settings.headers, settings.method_override
        self._api = HttpClient(settings, LARGEST_FILE)
        self._door = HttpClient(HttpSettings(url=settings.token_url, allow=settings.allow, ca_file=settings.ca_file))
        accounts = settings.procedures.items()
        self._sessions = {code: Session(self._door, self._api, account, errors) for code, account in accounts}

    @property
    def procedures(self) -> tuple[str, ...]:
        """The procedures that there is an account for."""
        return tuple(self._sessions)

    async def ask(  # noqa: PLR0913  # what a call to HubEE is made of; the last two are usually left out
        self,
        procedure: str,
        method: str,
        path: str,
        deadline: Deadline,
        *,
        content: Mapping[str, Any] | Piece | None = None,
        exchange: Exchange | None = None,
    ) -> Answer:
        """Send one request and let through the one answer that says yes."""
        session = self._sessions.get(procedure)
        if session is None:
            raise self._errors.failure("demarche_inconnue")
        body, headers = write_body(content)
        headers = {**self._headers, **headers}
        verb, expected = method, EXPECTED[method]
        if method == "PATCH" and self._overrides:
            verb, headers = "POST", {**headers, OVERRIDE: method}
        exchange = Exchange() if exchange is None else exchange
        answer = await session.call(verb, path, exchange=exchange, deadline=deadline, content=body, headers=headers)
        return check(answer, expected, self._errors, self._unavailable)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()
        await self._door.close()


def write_body(content: Mapping[str, Any] | Piece | None) -> tuple[bytes, dict[str, str]]:
    """Write a body and the headers that describe it."""
    match content:
        case None:
            return b"", {}
        case Piece():
            return content.content, {"Content-Type": "application/octet-stream", "digest": content.digest}
        case _:
            return orjson.dumps(content), {"Content-Type": "application/json"}


def last_answer(state: RetryCallState) -> Answer:
    """Give what was answered to the last try: the caller reads the refusal in it."""
    answer: Answer = state.outcome.result() if state.outcome else None  # type: ignore[assignment]  # it was tried
    return answer


class Session:
    """One procedure's account at HubEE; `door` is where tokens are given, `api` where they are used."""

    def __init__(self, door: HttpClient, api: HttpClient, credentials: Credentials, errors: ErrorTable) -> None:
        self._door, self._api, self._errors = door, api, errors
        self._authorization = credentials.authorization
        self._lock = asyncio.Lock()
        self._token, self._until = "", 0.0

    async def call(  # noqa: PLR0913  # what an HTTP call is made of; three of the six are usually left out
        self,
        method: str,
        path: str,
        *,
        exchange: Exchange,
        deadline: Deadline,
        content: bytes = b"",
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Answer:
        """Send one request under the token; a gateway that does not take the token has treated nothing.

        The request then goes once more, under a new one. Everything else is as the HTTP client's `call`.
        """

        async def once() -> Answer:
            token = await self._give_token(deadline)
            named = {**headers, "Authorization": f"Bearer {token}"}
            answer = await self._api.call(
                method, path, exchange=exchange, deadline=deadline, content=content, headers=named
            )
            if is_stale(answer):
                self._forget(token)
            return answer

        renewing = AsyncRetrying(
            stop=stop_after_attempt(2), retry=retry_if_result(is_stale), retry_error_callback=last_answer
        )
        return await renewing(once)

    def _forget(self, token: str) -> None:
        """Let go of a token, unless another call has already replaced it."""
        if token == self._token:
            self._token, self._until = "", 0.0

    async def _give_token(self, deadline: Deadline) -> str:
        """Give a token that holds for a while; however it fails, no message has left: TransientError."""
        try:
            async with asyncio.timeout(deadline.left), self._lock:
                if time.monotonic() >= self._until:
                    await self._renew(deadline)
                return self._token
        except TimeoutError:
            raise TransientError("timeout") from None
        except UncertainError as error:
            raise TransientError(error.code) from None

    async def _renew(self, deadline: Deadline) -> None:
        """Ask for a token; what is said there is kept in no exchange, for it is a secret."""
        named = {"Authorization": self._authorization, "Content-Type": FORM}
        asked = time.monotonic()
        answer = await self._door.call("POST", "", exchange=Exchange(), deadline=deadline, content=GRANT, headers=named)
        if answer.status in REFUSED:
            raise self._errors.failure("client_refused")
        self._token, seconds = read_token(check_status(answer))
        self._until = asked + seconds - MARGIN
