"""HTTP to a target: one address, one absolute deadline, no second try; and what each failure of it means.

aiohttp speaks, without httpx before it (docs/decisions/0008). A call names a path below the target's own URL
and can reach nothing else: no redirect is followed, no proxy, cookie or netrc is taken from anywhere.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType
from typing import Annotated, Any, Final

import aiohttp
import aiohttp.abc
from pydantic import (
    ConfigDict,
    FilePath,
    HttpUrl,
    SecretStr,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from yarl import URL

from hub.addresses import fit_among, is_address, is_disguised, is_fit
from hub.connector import Deadline, Exchange
from hub.errors import DeliveryError, TransientError, UncertainError
from hub.model import Frozen
from hub.tracing import outgoing

CONNECT_WITHIN: Final = 10.0
"""Seconds for DNS, TCP and TLS together; never more than half of what the deadline leaves."""

KEEP_ALIVE: Final = 10.0
"""Seconds an idle connection is kept: short, for each one the target closes meanwhile costs a doubt."""

LARGEST_ANSWER: Final = 5_000_000
"""Bytes of an answer, beyond which nothing more is read of it unless its target gives larger files."""

NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})

MEANING: Final[Mapping[type[BaseException], tuple[type[DeliveryError], str]]] = {
    aiohttp.ClientConnectorDNSError: (TransientError, "dns"),
    aiohttp.ClientConnectorError: (TransientError, "connect"),
    aiohttp.ClientSSLError: (TransientError, "tls"),
    aiohttp.ConnectionTimeoutError: (TransientError, "connect"),
    aiohttp.InvalidURL: (TransientError, "forbidden_host"),
    aiohttp.ServerTimeoutError: (UncertainError, "timeout"),
    aiohttp.ClientConnectionError: (UncertainError, "reset"),
    aiohttp.ClientError: (UncertainError, "unreadable"),
}
"""What aiohttp raises → what the hub must do next; the nearest class in the exception's `mro()` wins."""


def plain(written: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """Refuse an address whose host is written as another than the one it leads to."""
    url: HttpUrl = read(written)
    if is_disguised(str(written), (url.host or "").strip("[]")):
        raise ValueError(f"its host must be written as what it is, {url.host}")
    return url


TargetUrl = Annotated[HttpUrl, WrapValidator(plain)]
"""Where a target is: only what `hub.yaml` says, never what comes in with a request."""


class HttpSettings(Frozen):
    """How a target is reached over HTTP, and nothing but that target.

    `allow`: networks its address must be in, whatever the DNS says; none means any that its name may honestly lead to.
    `unavailable`: statuses which this target sends before it processes anything, such as 503.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    url: TargetUrl
    allow: tuple[IPv4Network | IPv6Network, ...] = ()
    username: str | None = None
    password: SecretStr | None = None
    password_file: FilePath | None = None
    bearer: SecretStr | None = None
    bearer_file: FilePath | None = None
    ca_file: FilePath | None = None
    cert_file: FilePath | None = None
    key_file: FilePath | None = None
    unavailable: frozenset[int] = frozenset()

    @model_validator(mode="after")
    def _is_coherent(self) -> HttpSettings:
        host = (self.url.host or "").strip("[]")
        if is_address(host) and not is_fit(ipaddress.ip_address(host), host, self.allow):
            raise ValueError("url: its address is outside of `allow`")
        if self.url.username or self.url.password:
            raise ValueError("url: credentials belong in username and password")
        if self.username is not None and (self.bearer or self.bearer_file):
            raise ValueError("bearer: cannot be used beside username")
        return self

    def resolve(self, path: str) -> str:
        """Write the full URL of `path`, which is below `url`; raises ValueError when it leaves for elsewhere.

        A full URL is taken as it is when scheme, host and port are those of `url`.
        """
        base = str(self.url)
        if not path:
            return base
        if "://" not in path.partition("?")[0]:
            return f"{base.partition('?')[0].rstrip('/')}/{path.lstrip('/')}"
        target, asked = URL(base), URL(path)
        if (asked.scheme, asked.host, asked.port) != (target.scheme, target.host, target.port):
            raise ValueError("leads to another host")
        return str(asked.with_user(None))

    @property
    def authorization(self) -> str | None:
        """The Authorization header this target wants, its secret read from its file when there is one."""
        if token := secret(self.bearer, self.bearer_file):
            return f"Bearer {token}"
        if self.username is None:
            return None
        pair = f"{self.username}:{secret(self.password, self.password_file)}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    @property
    def tls(self) -> ssl.SSLContext:
        """Whom this target trusts and whom we trust: certificates are always verified."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.cert_file:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context


@dataclass(frozen=True, slots=True)
class Answer:
    """What a target answered: header names are in lower case, the body is as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """Speaks HTTP to one target, and sends nothing twice."""

    def __init__(self, settings: HttpSettings, largest: int = LARGEST_ANSWER) -> None:
        """Speak to the target of these settings; nothing is read of an answer beyond `largest` bytes."""
        self._settings, self._largest = settings, largest
        self._locate = lru_cache(maxsize=256)(lambda path: URL(settings.resolve(path), encoded=True))
        self._headers = {"Accept-Encoding": "identity", "User-Agent": "city-hub"}
        if settings.authorization:
            self._headers["Authorization"] = settings.authorization
        self._tls = settings.tls
        self._session: aiohttp.ClientSession | None = None

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
        """Send one request and read its whole answer, whatever its status but a redirect.

        Raises TransientError when no byte was sent, UncertainError for anything that happens afterwards.
        """
        try:
            url = self._locate(path)
        except ValueError:
            raise TransientError("forbidden_host") from None
        exchange.wrote(content)
        left = deadline.left
        if not left:
            raise TransientError("too_late")
        if self._session is None:
            self._session = self._open_session()
        connect = min(CONNECT_WITHIN, left / 2)
        sending = self._session.request(
            method,
            url,
            data=content or None,
            headers={**self._headers, **outgoing(), **headers},
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(connect=connect, sock_connect=connect),
        )
        try:
            async with asyncio.timeout(left), sending as response:
                answer = await _read(response, exchange, self._largest)
        except TimeoutError as error:
            raise meaning_of(error) if isinstance(error, aiohttp.ClientError) else UncertainError("timeout") from None
        except aiohttp.ClientError as error:
            raise meaning_of(error) from None
        if 300 <= answer.status < 400:
            raise UncertainError("redirect")
        return answer

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        """Open the session, once the event loop runs; `limit=0` because the policy holds the limits."""
        connector = aiohttp.TCPConnector(
            resolver=PinnedResolver(self._settings.allow),
            ssl=self._tls,
            keepalive_timeout=KEEP_ALIVE,
            limit=0,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            requote_redirect_url=False,
            skip_auto_headers=("Content-Type",),
        )
        # aiohttp sends a GET, PUT or DELETE again by itself when a kept connection turns out closed, and
        # has no public switch for it: here only the ledger decides what is sent again.
        session._retry_connection = False  # noqa: SLF001  # see above
        return session


async def _read(response: aiohttp.ClientResponse, exchange: Exchange, largest: int) -> Answer:
    """Read up to `largest` bytes; what was read is kept even when the rest never comes."""
    body = bytearray()
    try:
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > largest:
                raise UncertainError("too_big")
    finally:
        exchange.read(bytes(body), response.status)
    headers = {name.lower().decode("ascii"): value.decode("latin-1") for name, value in response.raw_headers}
    return Answer(response.status, headers, bytes(body))


class PinnedResolver(aiohttp.abc.AbstractResolver):
    """Resolves a host once a connection; the connection goes to the very address that was checked."""

    def __init__(self, allow: tuple[IPv4Network | IPv6Network, ...]) -> None:
        self._allow = allow
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[Any]:
        """Resolve `host`; raises TransientError when one of its addresses is none that it may have."""
        told = await self._resolver.resolve(host, port, family)
        found = [(ipaddress.ip_address(one["host"].partition("%")[0]), one) for one in told]
        fit = fit_among((address for address, _ in found), host, self._allow)
        if not fit:
            raise TransientError("forbidden_address")
        return [one for address, one in found if address in fit]

    async def close(self) -> None:
        """Nothing is held."""
        await self._resolver.close()


def check_status(answer: Answer, *, unavailable: frozenset[int] = frozenset()) -> Answer:
    """Let an answer through unless its status alone says that the target was not able to treat it.

    429 and the statuses in `unavailable` raise TransientError with the wait the target asks for; any
    other 5xx raises UncertainError.
    """
    if answer.status == 429 or answer.status in unavailable:
        wait = read_retry_after(answer.headers.get("retry-after", ""))
        raise TransientError(f"http_{answer.status}", retry_after=wait)
    if answer.status >= 500:
        raise UncertainError(f"http_{answer.status}")
    return answer


def check_not_page(answer: Answer) -> Answer:
    """Refuse to take an HTML page for the answer of a machine: a proxy or a maintenance page is speaking."""
    if answer.headers.get("content-type", "").startswith("text/html"):
        raise UncertainError("page")
    return answer


def read_retry_after(value: str) -> timedelta | None:
    """Read a Retry-After header, seconds or an HTTP date; None when it is neither, or not in the future."""
    try:
        wait = timedelta(seconds=int(value)) if value.strip().isdigit() else until(value)
    except (ValueError, OverflowError):
        return None
    return wait if wait > timedelta() else None


def until(date: str) -> timedelta:
    """Measure the time left until an HTTP date; raises ValueError when it is not one."""
    moment = parsedate_to_datetime(date)
    return moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)


def meaning_of(error: Exception) -> DeliveryError:
    """Translate a failure of the transport, by MEANING."""
    for kind in type(error).mro():
        if kind in MEANING:
            failure, code = MEANING[kind]
            return failure(code)
    return UncertainError("unreadable")


def secret(value: SecretStr | None, file: FilePath | None) -> str:
    """Read a secret given in the settings or, better, in a file of its own."""
    if file is not None:
        return file.read_text("utf-8").strip()
    return value.get_secret_value() if value else ""
