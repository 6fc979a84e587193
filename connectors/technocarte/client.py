"""Hands requests to Technocarte: the connector and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import Field, ValidationError

from connectors._transport.http import HttpClient, HttpSettings
from connectors._transport.soap import CONTENT_TYPE, read_body
from connectors.technocarte.wire import read_receipt, read_return, read_schools, write_call, write_request
from hub.connector import Deadline, Exchange, Outbound, Receipt
from hub.errors import UncertainError
from hub.manifest import ErrorTable

HEADERS: Final = {"Content-Type": CONTENT_TYPE, "SOAPAction": '""'}


class Settings(HttpSettings):
    """How this town reaches its Technocarte: the PHP page at `url`, and the label it knows us by.

    `code_postal` is only for the probe, which asks for the town's schools.
    """

    code_appli: str = Field(min_length=1, max_length=40)
    code_postal: str = Field(pattern=r"^\d{5}$")


class Technocarte:
    """Reserves meals, enrols children, renews; its silence means yes, and nothing can be asked again."""

    def __init__(self, settings: Settings, errors: ErrorTable) -> None:
        self._settings, self._errors = settings, errors
        self._http = HttpClient(settings)

    async def deliver(self, message: Outbound) -> Receipt:
        """Hand one request over; the receipt is our own key, for Technocarte gives none back."""
        fields = {"var": self._write(message), "code_appli": self._settings.code_appli}
        said = await self._call("ReceptionLibredemat", fields, message.exchange, message.deadline)
        return read_receipt(message.key, said, self._errors)

    async def look_up(self, message: Outbound) -> Receipt | None:  # noqa: ARG002  # the contract's verb
        """Say that Technocarte cannot be asked for a request of ours."""
        raise UncertainError("not_askable")

    async def probe(self, deadline: Deadline) -> None:
        """Ask for the schools of the town, which takes the same page and the same label."""
        fields = {
            "idenfantexterne": "",
            "nrue": "",
            "rivoli": "",
            "cp": self._settings.code_postal,
            "codeappli": self._settings.code_appli,
        }
        read_schools(await self._call("ListeEcoles", fields, Exchange(), deadline), self._errors)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    def _write(self, message: Outbound) -> str:
        try:
            return write_request(message.key, message.operation, message.body)
        except ValidationError as error:
            message.exchange.fault = places(error)
            raise self._errors.failure("message_invalid") from None

    async def _call(self, method: str, fields: Mapping[str, str], exchange: Exchange, deadline: Deadline) -> str:
        answer = await self._http.call(
            "POST",
            "",
            exchange=exchange,
            deadline=deadline,
            content=write_call(method, fields),
            headers=HEADERS,
        )
        body = read_body(answer, self._errors, unavailable=self._settings.unavailable)
        return read_return(method, body)


def places(error: ValidationError) -> str:
    """Name the fields a validation found at fault, never what they hold."""
    found = error.errors(include_input=False, include_context=False, include_url=False)
    return ", ".join(sorted({".".join(map(str, one["loc"])) or "message" for one in found}))


def connect(settings: Mapping[str, Any], errors: ErrorTable) -> Technocarte:
    """Make the connector; raises ValidationError for settings it does not know."""
    return Technocarte(Settings.model_validate(settings), errors)
