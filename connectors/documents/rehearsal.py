"""Reads what a document would be made from, and makes none."""

from __future__ import annotations

from connectors.documents.champs import COMPOSER
from hub.connector import Outbound


def rehearse(message: Outbound) -> None:
    """Read the fields of a document; raises pydantic's ValidationError."""
    COMPOSER.validate_json(message.body)
