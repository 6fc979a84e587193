"""Writes what would be sent to Technocarte, and sends nothing."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from lxml import etree

from connectors.technocarte.demande import DEMANDES
from connectors.technocarte.wire import write_request
from hub.connector import Outbound

SCHEMA: Final = Path(__file__).parent / "contract" / "demandes.xsd"


def rehearse(message: Outbound) -> None:
    """Write a request's document; raises pydantic's or lxml's error for one that breaks the contract.

    Questions have no document: their JSON Schema says all.
    """
    if message.operation in DEMANDES:
        written = write_request(message.key, message.operation, message.body)
        _schema().assertValid(etree.fromstring(written))


@cache
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(file=str(SCHEMA))
