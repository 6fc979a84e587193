"""Writes what would be asked of API Entreprise, and asks nothing."""

from __future__ import annotations

from typing import Final

from connectors.api_entreprise.wire import Purpose, write_question
from hub.connector import Outbound

TOWN: Final = "21130001500014"
USUAL: Final = Purpose(context="Vie associative")


def rehearse(message: Outbound) -> None:
    """Write a question as any town would; raises for what it does not take."""
    write_question(message, TOWN, USUAL)
