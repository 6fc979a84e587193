"""Writes what would be asked of API Particulier, and asks nothing."""

from __future__ import annotations

from typing import Final

from connectors.api_particulier.wire import write_question
from hub.connector import Outbound

TOWN: Final = "21130001500014"


def rehearse(message: Outbound) -> None:
    """Write a question as any town would; raises for what it does not take."""
    write_question(message, TOWN)
