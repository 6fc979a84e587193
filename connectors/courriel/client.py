"""Sends e-mails: the connector, its settings, and the shelf of its templates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

from pydantic import DirectoryPath, Field, ValidationError

from connectors._transport.messages import places
from connectors._transport.smtp import Letter, SmtpClient, SmtpSettings
from connectors.courriel.wire import (
    Attachment,
    Body,
    Mailbox,
    Stationery,
    Template,
    attach,
    message_id,
    template_of,
    write_message,
)
from hub.connector import Deadline, Outbound, Receipt
from hub.errors import ConfigurationError, UncertainError
from hub.manifest import ErrorTable

TEMPLATES: Final = Path(__file__).parent / "templates"
AUTOMATIC: Final = "informer"
"""The operation whose messages say that nobody is to answer them automatically (RFC 3834)."""


class Settings(SmtpSettings):
    """How this town sends its mail.

    `bounce`: where refusals that arrive hours later go, the sender's own address by default. `domain`: the
    right side of every Message-ID, and the name we greet with. `largest`: bytes of attachments, as encoded.
    `templates`: a folder of the town's own texts, which win over those shipped here.
    """

    sender: Mailbox
    sender_name: str = Field(default="", max_length=100)
    bounce: Mailbox | None = None
    domain: str = Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")
    largest: int = Field(default=20_000_000, gt=0)
    templates: DirectoryPath | None = None


class Courriel:
    """Hands messages to a mail server, under a Message-ID made of our key."""

    def __init__(self, settings: Settings, errors: ErrorTable) -> None:
        self._settings, self._errors = settings, errors
        self._client = SmtpClient(settings, hello=settings.domain)
        self._shelf = read_shelf(TEMPLATES) | (read_shelf(settings.templates) if settings.templates else {})

    async def deliver(self, message: Outbound) -> Receipt:
        """Send one e-mail to all of its recipients, or to none; the receipt is its Message-ID."""
        letter = await self._write(message)
        reply = await self._client.send(letter, exchange=message.exchange, deadline=message.deadline)
        if not reply.positive:
            raise self._errors.failure(str(reply))
        return Receipt(reference=message_id(message.key, self._settings.domain))

    async def look_up(self, message: Outbound) -> Receipt | None:  # noqa: ARG002  # the contract's verb
        """Say that a mailbox cannot be asked: SMTP has no question for it."""
        raise UncertainError("not_askable")

    async def probe(self, deadline: Deadline) -> None:
        """Greet the server, encrypt, log in, leave."""
        await self._client.probe(deadline)

    async def close(self) -> None:
        """Leave the lines that are kept."""
        await self._client.close()

    async def _write(self, message: Outbound) -> Letter:
        settings = self._settings
        paper = Stationery(
            sender=settings.sender,
            sender_name=settings.sender_name,
            domain=settings.domain,
            date=datetime.now(UTC),
            automatic=message.operation == AUTOMATIC,
        )
        body, template = self._read(message)
        try:
            text = write_message(message.key, body, template, paper)
        except KeyError as missing:
            self._refuse(message, "template_field", str(missing.args[0]))
        for attachment in await self._read_files(message):
            attach(text, attachment)
        return Letter(settings.bounce or settings.sender, body.recipients, text.as_bytes())

    def _read(self, message: Outbound) -> tuple[Body, Template]:
        try:
            body = Body.model_validate(message.fields)
        except ValidationError as error:
            self._refuse(message, "message_invalid", places(error))
        try:
            return body, template_of(body, self._shelf)
        except KeyError:
            self._refuse(message, "template_unknown", str(body.template))

    async def _read_files(self, message: Outbound) -> tuple[Attachment, ...]:
        if sum(file.size for file in message.files) * 4 // 3 > self._settings.largest:
            self._refuse(message, "too_big", "")
        return tuple(
            [
                Attachment(file.name, file.media_type, b"".join([chunk async for chunk in file.read()]))
                for file in message.files
            ]
        )

    def _refuse(self, message: Outbound, code: str, where: str) -> NoReturn:
        """Refuse what no server could take; the exchange keeps the names at fault, never their values."""
        message.exchange.read(b"", fault=f"{code}: {where}")
        raise self._errors.failure(code)


def read_shelf(folder: Path) -> dict[str, Template]:
    """Read every `*.txt` of a folder, by its name; raises ConfigurationError."""
    return {file.stem: read_template(file) for file in sorted(folder.glob("*.txt"))}


def read_template(file: Path) -> Template:
    """Read one template; raises ConfigurationError."""
    try:
        return Template.parse(file.read_text("utf-8"))
    except ValueError as error:
        raise ConfigurationError(file, str(error)) from None


def connect(settings: Mapping[str, Any], errors: ErrorTable) -> Courriel:
    """Make the connector; raises ValidationError for settings it does not know."""
    return Courriel(Settings.model_validate(settings), errors)
