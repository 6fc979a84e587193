"""Asks API Entreprise: the connector and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from connectors._transport.etat import AnswerSchema, StateApi, StateSettings
from connectors.api_entreprise.wire import (
    PROBE,
    PROBING,
    SECRET,
    SERVICES,
    Line,
    Object,
    Purpose,
    with_diffusion,
    write_purpose,
    write_question,
)
from hub.connector import Deadline, Outbound, Receipt
from hub.errors import UncertainError
from hub.manifest import ErrorTable

CONTRACT: Final = Path(__file__).parent / "contract"


class Settings(StateSettings):
    """How this town reaches API Entreprise, and why it usually asks: `context` and `object` of every call."""

    context: Line | None = None
    object: Object | None = None


class ApiEntreprise:
    """Asks what the State knows of a company or an association; changes nothing there.

    It keeps in memory how long its token must keep still (quota, ban).
    """

    def __init__(self, settings: Settings, errors: ErrorTable) -> None:
        self._recipient = settings.recipient
        self._usual = Purpose(context=settings.context, object=settings.object)
        self._schemas = {name: AnswerSchema(CONTRACT / f"{name}.reponse.json") for name in SERVICES}
        self.api = StateApi(settings, errors)

    async def deliver(self, message: Outbound) -> Receipt:
        """Ask one question; the receipt's details say whether anything was found, may be told, and is known."""
        path, question = write_question(message, self._recipient, self._usual)
        answer = await self.api.ask(path, question, message.exchange, message.deadline)
        if answer.status == SECRET:
            return Receipt(details={"trouve": True, "diffusible": False})
        receipt = self.api.read(answer, message.exchange, self._schemas[message.operation])
        return with_diffusion(receipt.details)

    async def look_up(self, message: Outbound) -> Receipt | None:  # noqa: ARG002  # the contract's verb
        """Say that there is nothing of ours to look for: a question leaves nothing behind."""
        raise UncertainError("not_askable")

    async def probe(self, deadline: Deadline) -> None:
        """Ask what our token opens."""
        purpose = Purpose(context=self._usual.context or PROBING.context, object=self._usual.object or PROBING.object)
        await self.api.probe(PROBE, write_purpose(self._recipient, purpose), deadline)

    async def close(self) -> None:
        """Close the connections."""
        await self.api.close()


def connect(settings: Mapping[str, Any], errors: ErrorTable) -> ApiEntreprise:
    """Make the connector; raises ValidationError for settings it does not know."""
    return ApiEntreprise(Settings.model_validate(settings), errors)
