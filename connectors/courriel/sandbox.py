"""A mail server on a loopback port: it speaks SMTP, asks for a login, keeps what it takes, and can be broken."""

from __future__ import annotations

import asyncio
import email
import email.policy
import logging
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from functools import cached_property
from types import MappingProxyType
from typing import Any, AnyStr, Final, cast
from weakref import WeakSet

from aiosmtpd.smtp import MISSING, SMTP, AuthResult, Envelope, LoginPassword, Session

from connectors._transport.tally import Tally
from connectors.courriel.wire import read_key
from hub.connector import LOOPBACK, Fault
from hub.model import Verdict

LOGIN: Final = LoginPassword(b"hub", b"bac-a-sable")
CUT: Final = ""
HANG: Final = "…"
HEADERS: Final = BytesHeaderParser()

LATEST_LETTERS: Final = 100
"""Messages that are kept with what they say, once the others are forgotten."""

SCENES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "no_greeting": ("CONNECT", HANG),
        "rejects_login": ("AUTH", "535 5.7.8 Authentication credentials invalid"),
        "cut_before": ("MAIL", CUT),
        "closing": ("MAIL", "421 4.3.2 Service shutting down"),
        "sender_refused": ("MAIL", "550 5.7.26 Unauthenticated sender"),
        "greylisted": ("RCPT", "450 4.7.1 Greylisted, try again later"),
        "mailbox_full": ("RCPT", "452 4.2.2 Mailbox full"),
        "unknown_recipient": ("RCPT", "550 5.1.1 No such user here"),
        "relay_denied": ("RCPT", "554 5.7.1 Relay access denied"),
        "cut_in_message": ("DATA", CUT),
        "busy": ("DOT", "451 4.3.0 Local error in processing"),
        "too_big": ("DOT", "552 5.3.4 Message too big for system"),
        "refused_content": ("DOT", "554 5.7.1 Message content rejected"),
        "slow": ("TAKEN", HANG),
        "cut_after_commit": ("TAKEN", CUT),
        "garbage": ("TAKEN", "Message bien pris, merci."),
    }
)
"""Each fault: after what it is played, and the reply; DOT is before the message is kept, TAKEN after."""


@dataclass(frozen=True)
class Received:
    """A message that was taken, with its envelope; it is read when somebody looks at it."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @cached_property
    def message(self) -> EmailMessage:
        """What it says."""
        return email.message_from_bytes(self.content, policy=email.policy.default)


def transient(title: str) -> Fault:
    """Describe a fault after which the server holds nothing."""
    return Fault(title=title, verdict=Verdict.TRANSIENT)


def refused(title: str) -> Fault:
    """Describe a fault that is the server's last word."""
    return Fault(title=title, verdict=Verdict.REFUSED)


def uncertain(title: str, *, taken: bool = True) -> Fault:
    """Describe a fault after which only the server knows."""
    return Fault(title=title, verdict=Verdict.UNCERTAIN, taken=taken)


class Sandbox:
    """The stand-in of a mail server; `mailbox` holds what it took, in order. `latency` is in seconds.

    A second copy of an automatic message is counted in `suppressed` and not kept, as stores that know a
    Message-ID again do; a second copy of anything else is kept and shows. `lines` counts connections.
    """

    menu: Mapping[str, Fault] = MappingProxyType(
        {
            "no_greeting": transient("takes the connection and says nothing"),
            "rejects_login": transient("refuses the login"),
            "cut_before": transient("cuts the line at MAIL FROM"),
            "closing": transient("says 421 and closes"),
            "sender_refused": refused("does not take our sender's address"),
            "greylisted": transient("defers senders it does not know yet"),
            "mailbox_full": transient("has no room in the mailbox"),
            "unknown_recipient": refused("does not know the recipient"),
            "relay_denied": refused("does not relay for us"),
            "cut_in_message": uncertain("cuts the line while the message is sent", taken=False),
            "busy": transient("cannot treat the message now"),
            "too_big": refused("finds the message too big"),
            "refused_content": refused("does not like what the message contains"),
            "slow": uncertain("takes the message, answers too late"),
            "cut_after_commit": uncertain("takes the message, then cuts the line"),
            "garbage": uncertain("takes the message, answers with what is no SMTP"),
        }
    )

    def __init__(self) -> None:
        self.latency = 0.0
        self.mailbox: list[Received] | deque[Received] = []
        self.lines = 0
        self.suppressed: Counter[str] = Counter()
        self._taken: Tally | Counter[str] = Counter()
        self.host, self.port = LOOPBACK, 0
        self._fault, self._times = "", 0
        self._stopping = asyncio.Event()
        self._open: WeakSet[Line] = WeakSet()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen at `host`, on `port` or, when it is 0, on a free one that is kept."""
        self._stopping.clear()
        logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd's, which tells addresses
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._greet, self.host, self.port, reuse_address=True)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Let go of the port and of every line."""
        self._stopping.set()
        if self._server:
            self._server.close()
            self._server = None
        for line in tuple(self._open):
            line.cut()

    def settings(self) -> dict[str, Any]:
        """Say how a connector reaches this sandbox."""
        return {
            "host": self.host,
            "port": self.port,
            "tls": "none",
            "username": LOGIN.login.decode(),
            "password": LOGIN.password.decode(),
            "sender": "ne-pas-repondre@ville.example",
            "sender_name": "Ville d'Exemple",
            "domain": "demarches.ville.example",
        }

    def break_with(self, fault: str, times: int = 1) -> None:
        """Play `fault` for the next `times` deliveries; for ever when negative."""
        if fault not in self.menu:
            raise KeyError(fault)
        self._fault, self._times = fault, times

    def mend(self) -> None:
        """Play no fault any more."""
        self._fault, self._times = "", 0

    def taken(self) -> Counter[str]:
        """Count how often each of our keys, read in the Message-ID, is in the mailbox."""
        return Counter(dict(self._taken.items()))

    def times_taken(self, key: str) -> int:
        """Say how often one of our keys was taken."""
        return self._taken[key]

    def forget(self) -> None:
        """Keep the keys of what is taken, and the latest messages."""
        self._taken = Tally(self._taken)
        self.mailbox = deque(self.mailbox, maxlen=LATEST_LETTERS)

    def sample(self, operation: str) -> dict[str, Any]:
        """Give a message this operation accepts."""
        return SAMPLES[operation]

    def keep(self, envelope: Envelope) -> None:
        """Put a message in the mailbox, but not another copy of an automatic one."""
        content = envelope.original_content or b""
        headers = HEADERS.parsebytes(content.partition(b"\r\n\r\n")[0])
        key = read_key(headers.get("Message-ID", ""))
        if key and self._taken[key] and headers["Auto-Submitted"]:
            self.suppressed[key] += 1
            return
        if key:
            self._taken[key] += 1
        self.mailbox.append(Received(str(envelope.mail_from), tuple(envelope.rcpt_tos), content))

    def plays(self, moment: str) -> bool:
        """Tell whether a fault is to be played at this moment of the conversation."""
        return self._times != 0 and SCENES[self._fault][0] == moment

    async def play(self, moment: str, line: Line) -> str:
        """Give the reply of the fault that is played now, "" for none; a fault without reply never ends."""
        if not self.plays(moment):
            return ""
        self._times -= 1
        reply = SCENES[self._fault][1]
        if reply == CUT:
            line.cut()
        if reply in {CUT, HANG}:
            await self._stopping.wait()
        return reply

    def _greet(self) -> Line:
        self.lines += 1
        line = Line(self)
        self._open.add(line)
        return line


class Line(SMTP):
    """One connection to the sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        super().__init__(
            Hooks(sandbox),
            hostname="bac-a-sable.example",
            loop=asyncio.get_running_loop(),
            auth_require_tls=False,
            authenticator=check_login,
            auth_exclude_mechanism=["LOGIN"],
        )

    async def push(self, status: AnyStr) -> None:
        """Answer, unless the fault is that nobody greets."""
        if str(status).startswith("220 "):
            await self._sandbox.play("CONNECT", self)
        await super().push(status)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802  # aiosmtpd's name
        """Take the message, or cut the line when its first bytes have come."""
        if self._sandbox.plays("DATA"):
            await self.push("354 Go on")
            await self._reader.readuntil()
        await self._sandbox.play("DATA", self)
        await super().smtp_DATA(arg)

    def cut(self) -> None:
        """Drop the connection, whatever is still to be written."""
        if self.transport:
            cast("asyncio.WriteTransport", self.transport).abort()


class Hooks:
    """What aiosmtpd asks at each command: takes everything, unless a fault is played there."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def handle_AUTH(self, line: Line, *_: object) -> object:  # noqa: N802  # aiosmtpd's name
        """Let the login be checked, or refuse it."""
        return await self._sandbox.play("AUTH", line) or MISSING

    async def handle_MAIL(  # noqa: N802  # aiosmtpd's hook
        self, line: Line, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take the sender, once logged in."""
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return await self._sandbox.play("MAIL", line) or "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's hook
        self, line: Line, _: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient."""
        if reply := await self._sandbox.play("RCPT", line):
            return reply
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, line: Line, _: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        """Keep the message."""
        if reply := await self._sandbox.play("DOT", line):
            return reply
        await asyncio.sleep(self._sandbox.latency)
        self._sandbox.keep(envelope)
        return await self._sandbox.play("TAKEN", line) or "250 2.0.0 OK: queued"


def check_login(_: SMTP, __: Session, ___: Envelope, ____: str, given: LoginPassword) -> AuthResult:
    """Know one login."""
    return AuthResult(success=given == LOGIN, handled=False)


SAMPLES: Final[Mapping[str, dict[str, Any]]] = MappingProxyType(
    {
        "envoyer": {
            "to": ["cabinet.maire@ville.example"],
            "reply_to": "lea.martin@exemple.fr",
            "template": "courrier_maire",
            "fields": {
                "numdemande": "167 046 020",
                "date_depot": "07/09/2026",
                "prenom": "Léa",
                "nom": "Martin",
                "adresse": "3 rue de l'Opéra, 13100 Aix-en-Provence",
                "courriel": "lea.martin@exemple.fr",
                "telephone": None,
                "objet": "Éclairage de la place",
                "message": "Madame la maire,\n\n.La place n'est plus éclairée depuis lundi.",
            },
        },
        "informer": {
            "to": ["lea.martin@exemple.fr"],
            "template": "accuse_reception",
            "fields": {
                "numdemande": "167 046 020",
                "demarche": "Réservation de la restauration scolaire",
                "prenom": "Léa",
                "nom": "Martin",
                "date_depot": "07/09/2026",
                "ville": "Ville d'Exemple",
            },
        },
    }
)
