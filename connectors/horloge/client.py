"""The verbs of a target that only waits: the ledger knows when, so nothing is left to do here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.connector import Deadline, Outbound, Receipt
from hub.manifest import ErrorTable
from hub.model import Frozen


class Settings(Frozen):
    """It needs none."""


class Horloge:
    """Speaks to nobody."""

    async def deliver(self, _message: Outbound) -> Receipt:
        """Take what was waited with: its time has come, or it would not be here."""
        return Receipt()

    async def look_up(self, _message: Outbound) -> Receipt | None:
        """Have nothing."""
        return None

    async def probe(self, _deadline: Deadline) -> None:
        """Be there."""

    async def close(self) -> None:
        """Hold nothing."""


def connect(settings: Mapping[str, Any], _errors: ErrorTable) -> Horloge:
    """Refuse settings: there are none."""
    Settings.model_validate(settings)
    return Horloge()
