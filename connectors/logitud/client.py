"""Hands requests and questions to Logitud over SOAP: the connector and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from connectors._transport.finding import asking, check_reference
from connectors._transport.http import HttpClient, HttpSettings
from connectors._transport.soap import SoapPort
from connectors.logitud.wire import (
    DEMANDES,
    NUMBER,
    QUESTIONS,
    check_up,
    read_exists,
    read_found,
    read_receipt,
    read_state,
    write_attachment,
    write_request,
)
from hub.connector import Deadline, Exchange, Outbound, Receipt
from hub.errors import RefusedError, TransientError, UncertainError
from hub.manifest import ErrorTable

WSDL: Final = Path(__file__).parent / "contract" / "etatcivil.wsdl"


class Settings(HttpSettings):
    """How this town reaches its Logitud: the address of the port, and an HTTP account."""


class Logitud:
    """Hands requests over, finds one again by our key, follows it; asks what an elector asks."""

    finds = frozenset(DEMANDES)

    def __init__(self, settings: Settings, errors: ErrorTable) -> None:
        self._errors = errors
        self._http = HttpClient(settings)
        self._port = SoapPort(WSDL, self._http, errors, unavailable=settings.unavailable)

    async def deliver(self, message: Outbound) -> Receipt:
        """Hand a request over, or ask a question.

        The receipt of a request bears Logitud's number, and its reserve when it has one. A reference that is
        already known is looked up, so that it counts only with the same content.
        """
        if message.operation in QUESTIONS:
            call, read = QUESTIONS[message.operation]
            return read(await self._call(message, call, message.fields), self._errors)
        answer = await self._call(message, DEMANDES[message.operation].call, await write(message))
        return read_receipt(answer, self._errors) or await self._recognise(message)

    async def look_up(self, message: Outbound) -> Receipt | None:
        """Ask whether Logitud has our reference, and with the same content; a question leaves none behind."""
        if message.operation in QUESTIONS:
            raise UncertainError("not_askable")
        answer = await self._call(message, "RechercherDemande", {"ReferenceExterne": message.key})
        return read_found(answer, message, self._errors)

    async def find(self, message: Outbound, reference: str) -> bool:
        """Ask where the request of that number stands; Logitud does not say what it is for."""
        check_reference(reference, NUMBER)
        with asking():
            return read_exists(await self._call(message, "EtatDemande", {"NumeroDemande": reference}), self._errors)

    async def ask_state(self, number: str, deadline: Deadline) -> str:
        """Ask where a request stands, by Logitud's number: RECUE, EN-COURS, DELIVREE or REJETEE."""
        fields = {"NumeroDemande": number}
        answer = await self._port.call("EtatDemande", fields, exchange=Exchange(), deadline=deadline)
        return read_state(answer, self._errors)

    async def probe(self, deadline: Deadline) -> None:
        """Ask for its version, which needs an account that it knows."""
        check_up(await self._port.call("Version", {}, exchange=Exchange(), deadline=deadline), self._errors)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _recognise(self, message: Outbound) -> Receipt:
        """Find what Logitud says that it has already; anything but finding it leaves a doubt."""
        try:
            found = await self.look_up(message)
        except (TransientError, RefusedError) as error:
            raise UncertainError(error.code) from None
        if found is None:
            raise UncertainError("known_but_absent")
        return found

    async def _call(self, message: Outbound, operation: str, fields: Mapping[str, Any]) -> Any:
        return await self._port.call(operation, fields, exchange=message.exchange, deadline=message.deadline)


async def write(message: Outbound) -> dict[str, Any]:
    """Write the request, its files read whole."""
    attachments = [write_attachment(file, b"".join([chunk async for chunk in file.read()])) for file in message.files]
    return write_request(message, attachments)


def connect(settings: Mapping[str, Any], errors: ErrorTable) -> Logitud:
    """Make the connector; raises ValidationError for settings it does not know."""
    return Logitud(Settings.model_validate(settings), errors)
