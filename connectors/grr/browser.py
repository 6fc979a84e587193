"""GRR as a browser sees it: a session that is opened with a form, kept in a cookie, and opened again when it expires.

For GRR a redirect is an answer. The shared HTTP client follows none and gives none: here its headers are kept
beside, and it is still not followed.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from http.cookies import CookieError, SimpleCookie
from typing import Final

import aiohttp
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt

from connectors._transport.http import NO_HEADERS, Answer, HttpClient, HttpSettings, secret
from connectors.grr.wire import APP, FORM, check_logged_in, is_stranger, write_log_in
from hub.connector import Deadline, Exchange
from hub.errors import TransientError, UncertainError
from hub.manifest import ErrorTable

DOOR: Final = f"{APP}?p=login"
REDIRECT: Final = "redirect"
"""The code the HTTP client gives to any 3xx."""

_redirects: ContextVar[list[Answer] | None] = ContextVar("_redirects", default=None)


class SessionExpiredError(TransientError):
    """GRR does not know who asks, so it did nothing."""


class Browser(HttpClient):
    """Asks GRR for pages as one account."""

    def __init__(self, settings: HttpSettings, login: str, errors: ErrorTable) -> None:
        super().__init__(settings)
        self._account = login, secret(settings.password, settings.password_file)
        self._errors = errors
        self._cookie = ""
        self._opening = asyncio.Lock()

    async def get(self, path: str, *, exchange: Exchange, deadline: Deadline) -> Answer:
        """Ask for a page as somebody GRR knows; raises as the HTTP client does, but not for a redirect."""
        expired = AsyncRetrying(
            retry=retry_if_exception_type(SessionExpiredError), stop=stop_after_attempt(2), reraise=True
        )
        async for attempt in expired:
            with attempt:
                return await self._get(path, exchange, deadline)
        raise AssertionError  # tenacity either returns or raises

    async def log_in(self, deadline: Deadline) -> None:
        """Open a session; nothing of a delivery has been sent yet, so that every failure is transient."""
        try:
            answer = await self._fetch(
                "POST", DOOR, exchange=Exchange(), deadline=deadline, content=write_log_in(*self._account), headers=FORM
            )
            check_logged_in(answer, self._errors)
        except UncertainError as error:
            raise TransientError(error.code) from None
        self._cookie = read_cookies(answer)

    async def _get(self, path: str, exchange: Exchange, deadline: Deadline) -> Answer:
        cookie = await self._open(deadline)
        answer = await self._fetch("GET", path, exchange=exchange, deadline=deadline, headers={"Cookie": cookie})
        if is_stranger(answer):
            self._forget(cookie)
            row = self._errors.find("session_expiree")
            raise SessionExpiredError("session_expiree", retry_after=row.retry_after if row else None)
        return answer

    async def _open(self, deadline: Deadline) -> str:
        """Give the session's cookie; deliveries that come together open one session."""
        async with self._opening:
            if not self._cookie:
                await self.log_in(deadline)
            return self._cookie

    def _forget(self, cookie: str) -> None:
        """Forget a session, unless another delivery has already opened the next."""
        if self._cookie == cookie:
            self._cookie = ""

    async def _fetch(  # noqa: PLR0913  # what an HTTP call is made of
        self,
        method: str,
        path: str,
        *,
        exchange: Exchange,
        deadline: Deadline,
        content: bytes = b"",
        headers: dict[str, str],
    ) -> Answer:
        """Send one request, and give its answer even when it is a redirect."""
        seen: list[Answer] = []
        token = _redirects.set(seen)
        try:
            return await self.call(
                method, path, exchange=exchange, deadline=deadline, content=content, headers={**NO_HEADERS, **headers}
            )
        except UncertainError as error:
            if error.code != REDIRECT or not seen:
                raise
            return seen[-1]
        finally:
            _redirects.reset(token)

    def _open_session(self) -> aiohttp.ClientSession:
        session = super()._open_session()
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(keep_redirect)
        trace.freeze()
        session.trace_configs.append(trace)
        return session


async def keep_redirect(_: object, __: object, ended: aiohttp.TraceRequestEndParams) -> None:
    """Keep the status and the headers of a redirect, whose body says nothing."""
    response, seen = ended.response, _redirects.get()
    if seen is not None and 300 <= response.status < 400:
        headers: dict[str, str] = {}
        for raw, value in response.raw_headers:
            name = raw.lower().decode("ascii")
            text = value.decode("latin-1")
            headers[name] = f"{headers[name]}\n{text}" if name in headers else text
        seen.append(Answer(response.status, headers, b""))


def read_cookies(answer: Answer) -> str:
    """Read the cookies an answer sets, as a later request sends them; those it deletes are left out."""
    kept: dict[str, str] = {}
    for line in answer.headers.get("set-cookie", "").splitlines():
        try:
            kept |= {name: morsel.coded_value for name, morsel in SimpleCookie(line).items()}
        except CookieError:
            continue
    pairs = [f"{name}={value}" for name, value in kept.items() if value not in {"", "deleted"}]
    if not pairs:
        raise TransientError("no_session")
    return "; ".join(pairs)
