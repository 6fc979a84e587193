"""Asks an address server: the connector and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from connectors._transport.http import HttpClient, HttpSettings
from connectors.adresse.wire import (
    PROBE,
    choose,
    faults_in,
    read_addresses,
    write_reverse,
    write_search,
)
from hub.connector import Deadline, Exchange, Outbound, Receipt
from hub.errors import UncertainError
from hub.manifest import ErrorTable

Path = Annotated[str, Field(pattern=r"^[A-Za-z0-9_./-]*$")]


class Settings(HttpSettings):
    """How this town reaches its address server: `url` is what stands before `search` and `reverse`.

    `score_minimal`: the score, from 0 to 1, below which an address found is not taken for the one meant.
    `candidats`: how many addresses are shown when none is good enough.
    """

    chemin_recherche: Path = "search"
    chemin_inverse: Path = "reverse"
    score_minimal: Annotated[float, Field(ge=0, le=1)] = 0.6
    candidats: Annotated[int, Field(ge=1, le=20)] = 5


class Adresse:
    """Finds an address by its words, or by a position; it changes nothing anywhere."""

    def __init__(self, settings: Settings, errors: ErrorTable) -> None:
        self._settings, self._errors = settings, errors
        self._http = HttpClient(settings)

    async def deliver(self, message: Outbound) -> Receipt:
        """Answer a question; the receipt is the BAN's key of the address, empty when none is good enough."""
        if faults := faults_in(message):
            message.exchange.fault = ", ".join(faults)
            raise self._errors.failure("message_invalid")
        if message.operation == "inverse":
            path = f"{self._settings.chemin_inverse}?{write_reverse(message.fields)}"
            return choose(await self._ask(path, message.exchange, message.deadline), 0)
        path = self._search(message.fields, self._settings.candidats)
        return choose(await self._ask(path, message.exchange, message.deadline), self._settings.score_minimal)

    async def look_up(self, message: Outbound) -> Receipt | None:  # noqa: ARG002  # the contract's verb
        """Say that questions leave no trace."""
        raise UncertainError("not_askable")

    async def probe(self, deadline: Deadline) -> None:
        """Look for anything."""
        await self._ask(self._search({"texte": PROBE}, 1), Exchange(), deadline)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    def _search(self, fields: Mapping[str, Any], limit: int) -> str:
        return f"{self._settings.chemin_recherche}?{write_search(fields, limit)}"

    async def _ask(self, path: str, exchange: Exchange, deadline: Deadline) -> list[dict[str, Any]]:
        answer = await self._http.call("GET", path, exchange=exchange, deadline=deadline)
        return read_addresses(answer, self._errors, unavailable=self._settings.unavailable)


def connect(settings: Mapping[str, Any], errors: ErrorTable) -> Adresse:
    """Make the connector; raises ValidationError for settings it does not know."""
    return Adresse(Settings.model_validate(settings), errors)
