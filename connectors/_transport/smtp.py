"""SMTP for connectors: one message over one connection, and what each failure of the protocol means.

The line is drawn at DATA. Until the server has said 354 it holds no message, so whatever goes wrong is
transient; once the first byte of the message has left, only a reply that can be read tells what became of it.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPException,
    SMTPResponseException,
    SMTPServerDisconnected,
)
from pydantic import Field, FilePath, SecretStr, model_validator

from connectors._transport.http import secret
from hub.connector import Deadline, Exchange
from hub.errors import TransientError, UncertainError
from hub.model import Frozen

CODES: Final[Mapping[type[BaseException], str]] = {
    ssl.SSLError: "tls",
    socket.gaierror: "dns",
    SMTPAuthenticationError: "credentials",
    SMTPResponseException: "session_refused",
    SMTPServerDisconnected: "reset",
    SMTPConnectError: "connect",
    SMTPException: "session_refused",
    TimeoutError: "timeout",
    ConnectionError: "reset",
    OSError: "connect",
}
"""How the hub calls each failure; the nearest class of an exception's family wins."""

UNREADABLE: Final = "unreadable"
MALFORMED: Final = -1
"""The code aiosmtplib gives to a reply that is not SMTP."""

YES, GO_ON, NO = 2, 3, (4, 5)
"""The classes of replies: the first of their three digits."""


class Tls(StrEnum):
    """When the line is encrypted."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class SmtpSettings(Frozen):
    """How to reach a mail server; a login has one password, given here or kept in a file."""

    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65535)
    tls: Tls = Tls.STARTTLS
    ca_file: FilePath | None = None
    username: str | None = None
    password: SecretStr | None = None
    password_file: FilePath | None = None

    @model_validator(mode="after")
    def _one_password_for_a_login(self) -> Self:
        given = (self.password is not None) + (self.password_file is not None)
        if given != (self.username is not None):
            raise ValueError("username goes with exactly one of password and password_file")
        return self


@dataclass(frozen=True, slots=True)
class Letter:
    """A message with its envelope: ASCII addresses, and RFC 5322 bytes with CRLF line ends."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What a mail server answered: three digits, then its words, which may open with an enhanced code."""

    code: int
    text: str

    @property
    def positive(self) -> bool:
        """Whether the server has taken what was asked."""
        return self.code // 100 == YES

    def __str__(self) -> str:
        """Read as on the wire: `550 5.1.1 No such user`."""
        return f"{self.code} {self.text}"


@dataclass(slots=True)
class Progress:
    """How far a conversation has come."""

    message_left: bool = field(default=False)


class SmtpClient:
    """Speaks to one mail server, greeting it as `hello`; opens one connection a message, keeps none."""

    def __init__(self, settings: SmtpSettings, hello: str) -> None:
        self._settings, self._hello = settings, hello
        self._password = secret(settings.password, settings.password_file) or None
        self._tls = ssl.create_default_context(cafile=settings.ca_file)

    async def send(self, letter: Letter, *, exchange: Exchange, deadline: Deadline) -> Reply:
        """Hand `letter` over and give the reply that settled it: 2xx taken, 4xx not now, 5xx no.

        A refused recipient settles it for all of them, before the message is sent. Raises TransientError
        while the server holds nothing, UncertainError once it may hold the message.
        """
        exchange.wrote(letter.content)
        progress = Progress()
        with failures_of(progress):
            async with asyncio.timeout(deadline.left), self._session() as session:
                reply = await hand_over(session, letter, progress)
        exchange.read(str(reply).encode("utf-8", "surrogateescape"))
        return reply

    async def probe(self, deadline: Deadline) -> None:
        """Greet, encrypt and log in as for a message, and leave; raises TransientError."""
        with failures_of(Progress()):
            async with asyncio.timeout(deadline.left), self._session() as session:
                await session.noop()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[SMTP]:
        settings = self._settings
        session = SMTP(
            hostname=settings.host,
            port=settings.port,
            username=settings.username,
            password=self._password,
            local_hostname=self._hello,
            timeout=None,
            use_tls=settings.tls is Tls.TLS,
            start_tls=settings.tls is Tls.STARTTLS,
            tls_context=self._tls,
        )
        try:
            await session.connect()
            if session.is_ehlo_or_helo_needed:
                await session.ehlo()
            yield session
        finally:
            leave(session)


async def hand_over(session: SMTP, letter: Letter, progress: Progress) -> Reply:
    """Speak the envelope, then the message; give the first reply that is a no, or the last one.

    An answer of another class than the protocol foresees is unreadable: what it means nobody can know.
    """
    envelope = (f"MAIL FROM:<{letter.sender}>", *(f"RCPT TO:<{address}>" for address in letter.recipients))
    for command, awaited in (*((line, YES) for line in envelope), ("DATA", GO_ON)):
        reply = await session.execute_command(command.encode("ascii"))
        if reply.code // 100 != awaited:
            return readable(reply.code, reply.message, NO)
    if session.protocol is None:
        raise SMTPServerDisconnected("lost before the message")
    progress.message_left = True
    session.protocol.write(stuffed(letter.content))
    reply = await session.protocol.read_response()
    return readable(reply.code, reply.message, (YES, *NO))


def readable(code: int, text: str, classes: tuple[int, ...]) -> Reply:
    """Keep a reply of these classes; raises what aiosmtplib does for one that is not SMTP."""
    if code // 100 not in classes:
        raise SMTPResponseException(MALFORMED, text)
    return Reply(code, text)


def stuffed(content: bytes) -> bytes:
    """Double the dots that begin a line, and end the message with one of its own (RFC 5321 §4.5.2)."""
    end = b"" if content.endswith(b"\r\n") else b"\r\n"
    return re.sub(rb"(?m)^\.", b"..", content) + end + b".\r\n"


def leave(session: SMTP) -> None:
    """Say goodbye without waiting for an answer: what was said of the message already stands."""
    if session.protocol is not None and session.is_connected:
        session.protocol.write(b"QUIT\r\n")
    session.close()


@contextmanager
def failures_of(progress: Progress) -> Iterator[None]:
    """Turn what sockets, TLS and aiosmtplib raise into what the hub must do next; the only such border."""
    try:
        yield
    except (SMTPException, OSError) as error:
        if progress.message_left:
            raise UncertainError(code_of(error)) from None
        raise TransientError(code_of(error)) from None


def code_of(error: BaseException) -> str:
    """Name a failure by its cause when that is known nearer than the exception itself."""
    if isinstance(error, SMTPResponseException) and error.code == MALFORMED:
        return UNREADABLE
    if isinstance(error.__cause__, (ssl.SSLError, socket.gaierror)):
        error = error.__cause__
    return next(CODES[family] for family in type(error).__mro__ if family in CODES)
