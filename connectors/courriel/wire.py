"""What an e-mail is made of: the mapping's words, a template's text, RFC 5322 bytes. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Annotated, Final, Self

from pydantic import AfterValidator, ConfigDict, EmailStr, Field, model_validator

from hub.model import DeliveryKey, Frozen

FIELD: Final = re.compile(r"\[([a-z][a-z0-9_]*)\]")
"""A field in a text: `[numdemande]`. Anything else between brackets is left as it is."""

SUBJECT: Final = re.compile(r"Objet ?: (.+)\n\n")
"""How a template opens."""

MESSAGE_ID: Final = re.compile(r"<([0-9-]{1,13})@[^<>@\s]+>")
LONGEST_NAME: Final = 100


def to_ascii(address: str) -> str:
    """Write an address as every mail server takes it: internationalised domains in punycode."""
    local, _, domain = address.rpartition("@")
    if not local.isascii():
        raise ValueError("the part before the @ must be ASCII")
    return f"{local}@{domain.encode('idna').decode('ascii')}"


Mailbox = Annotated[EmailStr, AfterValidator(to_ascii)]
Value = Annotated[str | int | None, Field(description="Absent: null, rendered as nothing.")]


class Body(Frozen):
    """What a mapping writes: who reads it, and either a template of this folder or the text itself.

    `fields` fills the bracketed fields of the template, of `subject` and of `text`, once: a bracket that
    comes from a citizen's own words is never filled.
    """

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["template"]}, {"required": ["text", "subject"]}]}
    )

    to: tuple[Mailbox, ...] = Field(min_length=1, max_length=20)
    cc: tuple[Mailbox, ...] = Field(default=(), max_length=20)
    reply_to: Mailbox | None = None
    subject: str | None = Field(default=None, min_length=1, max_length=300)
    template: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]*$", max_length=60)
    text: str | None = Field(default=None, min_length=1, max_length=100_000)
    fields: Mapping[str, Value] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_text_with_a_subject(self) -> Self:
        if (self.template is None) == (self.text is None):
            raise ValueError("exactly one of template and text")
        if self.text is not None and self.subject is None:
            raise ValueError("text needs a subject")
        return self

    @property
    def recipients(self) -> tuple[str, ...]:
        """Everybody it goes to, once."""
        return tuple(dict.fromkeys(self.to + self.cc))


@dataclass(frozen=True, slots=True)
class Template:
    """A subject and a text with fields in brackets."""

    subject: str
    text: str

    @classmethod
    def parse(cls, source: str) -> Template:
        """Read `Objet : …`, an empty line, the text; raises ValueError."""
        opening = SUBJECT.match(source)
        if opening is None:
            raise ValueError("a template opens with « Objet : … » and an empty line")
        return cls(opening[1], source[opening.end() :])

    @property
    def fields(self) -> frozenset[str]:
        """The fields it names."""
        return frozenset(FIELD.findall(self.subject + self.text))


@dataclass(frozen=True, slots=True)
class Stationery:
    """What every letter of one mail server bears: who writes, when, and under which domain."""

    sender: str
    sender_name: str
    domain: str
    date: datetime
    automatic: bool


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file as it goes into a message."""

    name: str
    media_type: str
    content: bytes


def template_of(body: Body, shelf: Mapping[str, Template]) -> Template:
    """Choose the text: the body's own, or its template's under the body's subject, if any.

    Raises KeyError for a template that is not on the shelf.
    """
    if body.text is not None:
        return Template(body.subject or "", body.text)
    chosen = shelf[body.template or ""]
    return Template(body.subject or chosen.subject, chosen.text)


def render(text: str, fields: Mapping[str, str | int | None]) -> str:
    """Fill the bracketed fields, null with nothing; raises KeyError for one that `fields` does not have."""
    return FIELD.sub(lambda found: "" if fields[found[1]] is None else str(fields[found[1]]), text)


def message_id(key: DeliveryKey, domain: str) -> str:
    """Name the message for ever by our key: whoever has seen it recognises a second copy."""
    return f"<{key}@{domain}>"


def read_key(identifier: str) -> DeliveryKey | None:
    """Read our key back from a Message-ID; None when it is not one of ours."""
    ours = MESSAGE_ID.fullmatch(identifier.strip())
    return DeliveryKey(ours[1]) if ours else None


def write_message(key: DeliveryKey, body: Body, template: Template, paper: Stationery) -> EmailMessage:
    """Write the message without its attachments; raises KeyError for a field nobody gave."""
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(paper.sender_name, addr_spec=paper.sender)
    message["To"] = ", ".join(body.to)
    if body.cc:
        message["Cc"] = ", ".join(body.cc)
    if body.reply_to:
        message["Reply-To"] = body.reply_to
    message["Subject"] = one_line(render(template.subject, body.fields))
    message["Date"] = paper.date
    message["Message-ID"] = message_id(key, paper.domain)
    if paper.automatic:
        message["Auto-Submitted"] = "auto-generated"
    message.set_content(render(template.text, body.fields), cte="quoted-printable")
    return message


def attach(message: EmailMessage, attachment: Attachment) -> None:
    """Add a file."""
    kind, _, subtype = attachment.media_type.partition("/")
    message.add_attachment(attachment.content, maintype=kind, subtype=subtype, filename=safe_name(attachment.name))


def one_line(text: str) -> str:
    """Make a header's value of any text: no line end, no control character."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def safe_name(name: str) -> str:
    """Keep of a file's name what nothing takes for a path, a header or another direction of writing."""
    last = one_line(re.split(r"[/\\]", name)[-1]).strip(". ")
    kept = re.sub(r'[<>:"|?*;]', "_", last)
    return kept[-LONGEST_NAME:] or "piece-jointe"
