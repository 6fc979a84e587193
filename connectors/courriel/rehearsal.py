"""Writes the e-mail that would be sent, and sends nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Final

from connectors.courriel.client import TEMPLATES, read_shelf
from connectors.courriel.wire import Body, Stationery, Template, template_of, write_message
from hub.connector import Outbound

PAPER: Final = Stationery(
    sender="ville@ville.example",
    sender_name="Ville",
    domain="ville.example",
    date=datetime(2026, 9, 7, tzinfo=UTC),
    automatic=True,
)


def rehearse(message: Outbound) -> None:
    """Write a message on the templates of the box; raises pydantic's or jinja's error for what they do not take."""
    body = Body.model_validate(message.fields)
    write_message(message.key, body, template_of(body, _shelf()), PAPER).as_bytes()


@cache
def _shelf() -> dict[str, Template]:
    return read_shelf(TEMPLATES)
