"""SMTP for connectors: one message over one connection, and what each failure of the protocol means.

The line is drawn at DATA. Until the server has said 354 it holds no message, so whatever goes wrong is
transient; once the first byte of the message has left, only a reply that can be read tells what became of it.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
from pydantic import Field, FilePath, HttpUrl, SecretStr, field_validator, model_validator

from connectors._transport.http import secret
from hub.addresses import is_disguised
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

CLOSING: Final = 421
"""What a server says that ends the line before anything was asked of it."""

KEPT_FOR: Final = 2.0
"""Seconds a line waits for another message: far less than any server does."""

MOST_MESSAGES: Final = 50
"""Messages over one line: servers count them, and hang up at a hundred or so."""

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

    @field_validator("host")
    @classmethod
    def _host_is_written_as_it_is(cls, host: str) -> str:
        written = f"http://[{host}]/" if ":" in host else f"http://{host}/"
        meant = HttpUrl(written).host or ""
        if is_disguised(written, meant.strip("[]")):
            raise ValueError(f"it must be written as what it is, {meant}")
        return host

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
    """Speaks to one mail server, greeting it as `hello`; a line that ended well is kept a moment for the next message.

    A kept line that turns out to be closed holds no message of ours: before DATA, another is opened.
    """

    def __init__(self, settings: SmtpSettings, hello: str) -> None:
        self._settings, self._hello = settings, hello
        self._password = secret(settings.password, settings.password_file) or None
        self._tls = ssl.create_default_context(cafile=settings.ca_file)
        self._kept: list[Line] = []

    async def send(self, letter: Letter, *, exchange: Exchange, deadline: Deadline) -> Reply:
        """Hand `letter` over and give the reply that settled it: 2xx taken, 4xx not now, 5xx no.

        A refused recipient settles it for all of them, before the message is sent. Raises TransientError
        while the server holds nothing, UncertainError once it may hold the message.
        """
        exchange.wrote(letter.content)
        progress = Progress()
        with failures_of(progress):
            async with asyncio.timeout(deadline.left):
                reply = await self._send_over_a_kept_line(letter, progress)
                if reply is None:
                    reply = await self._send_over(Line(await self._connected()), letter, progress)
        exchange.read(str(reply).encode("utf-8", "surrogateescape"))
        return reply

    async def probe(self, deadline: Deadline) -> None:
        """Greet, encrypt and log in as for a message, and leave; raises TransientError."""
        with failures_of(Progress()):
            async with asyncio.timeout(deadline.left):
                session = await self._connected()
                try:
                    await session.noop()
                finally:
                    leave(session)

    async def close(self) -> None:
        """Leave every line that is kept."""
        while self._kept:
            self._kept.pop().leave()

    async def _send_over_a_kept_line(self, letter: Letter, progress: Progress) -> Reply | None:
        """Send over a line that is kept; None when there is none that the server still listens to."""
        while self._kept:
            line = self._kept.pop()
            try:
                reply = await self._send_over(line, letter, progress)
            except (SMTPServerDisconnected, ConnectionError):
                if progress.message_left:
                    raise
                continue
            if progress.message_left or reply.code != CLOSING:
                return reply
        return None

    async def _send_over(self, line: Line, letter: Letter, progress: Progress) -> Reply:
        """Hand a message over on a line, and keep the line when all went well on it."""
        line.hold()
        kept = False
        try:
            reply = await hand_over(line.session, letter, progress)
            if reply.positive and line.may_serve_again:
                line.keep(self._kept)
                kept = True
        finally:
            if not kept:
                line.leave()
        return reply

    async def _connected(self) -> SMTP:
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
        except BaseException:
            leave(session)
            raise
        return session


@dataclass(slots=True, eq=False)
class Line:
    """A connection that has greeted, and how many messages it has carried."""

    session: SMTP
    carried: int = 0
    leaving: asyncio.TimerHandle | None = None

    @property
    def may_serve_again(self) -> bool:
        """Whether it is open, and has not carried as many messages as a server may mind."""
        return self.session.is_connected and self.carried < MOST_MESSAGES

    def hold(self) -> None:
        """Take it in use."""
        self.carried += 1
        if self.leaving:
            self.leaving.cancel()

    def keep(self, kept: list[Line]) -> None:
        """Put it among those that are kept, for a moment."""
        kept.append(self)
        self.leaving = asyncio.get_running_loop().call_later(KEPT_FOR, self._grow_old, kept)

    def leave(self) -> None:
        """Say goodbye."""
        self.hold()
        leave(self.session)

    def _grow_old(self, kept: list[Line]) -> None:
        kept.remove(self)
        leave(self.session)


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
