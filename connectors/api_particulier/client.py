"""Asks API Particulier: the connector and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from connectors._transport.etat import AnswerSchema, StateApi, StateSettings
from connectors.api_particulier.wire import PROBE, SERVICES, write_question
from hub.connector import Deadline, Outbound, Receipt
from hub.errors import UncertainError
from hub.manifest import ErrorTable

CONTRACT: Final = Path(__file__).parent / "contract"


class Settings(StateSettings):
    """How this town reaches API Particulier."""


class ApiParticulier:
    """Asks what the State knows of a person; changes nothing there, and asks only when the API will hear it.

    It keeps in memory how long its token must keep still (quota, ban).
    """

    def __init__(self, settings: Settings, errors: ErrorTable) -> None:
        self._recipient = settings.recipient
        self._schemas = {name: AnswerSchema(CONTRACT / f"{name}.reponse.json") for name in SERVICES}
        self.api = StateApi(settings, errors)

    async def deliver(self, message: Outbound) -> Receipt:
        """Ask one question; the receipt's details say whether the person was found, and what is known."""
        question = write_question(message, self._recipient)
        path = SERVICES[message.operation].path
        answer = await self.api.ask(path, question, message.exchange, message.deadline)
        return self.api.read(answer, message.exchange, self._schemas[message.operation])

    async def look_up(self, message: Outbound) -> Receipt | None:  # noqa: ARG002  # the contract's verb
        """Say that there is nothing of ours to look for: a question leaves nothing behind."""
        raise UncertainError("not_askable")

    async def probe(self, deadline: Deadline) -> None:
        """Ask what our token opens."""
        await self.api.probe(PROBE, [("recipient", self._recipient)], deadline)

    async def close(self) -> None:
        """Close the connections."""
        await self.api.close()


def connect(settings: Mapping[str, Any], errors: ErrorTable) -> ApiParticulier:
    """Make the connector; raises ValidationError for settings it does not know."""
    return ApiParticulier(Settings.model_validate(settings), errors)
