"""Opens payments at PayFiP and follows them: the connector, and the door where PayFiP calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from connectors._transport.finding import check_reference
from connectors._transport.http import HttpClient
from connectors._transport.soap import SoapPort
from connectors.payfip.schemas import faulty
from connectors.payfip.wire import (
    IDOP,
    PAID,
    THERE,
    WAITING,
    Asked,
    Settings,
    read_asked,
    read_client,
    read_created,
    read_notification,
    read_result,
    read_silence,
    write_payment,
)
from hub.connector import Call, Deadline, Desk, Exchange, Outbound, Receipt, Reply
from hub.errors import RefusedError, UncertainError
from hub.manifest import ErrorTable

WSDL: Final = Path(__file__).parent / "contract" / "payfip.wsdl"


class PayFiP:
    """Opens a payment, says where it stands, and is called when it has moved."""

    finds = frozenset({"creer_paiement"})

    def __init__(self, settings: Settings, errors: ErrorTable) -> None:
        self._settings, self._errors = settings, errors
        self._http = HttpClient(settings)
        self._port = SoapPort(WSDL, self._http, errors, unavailable=settings.unavailable)

    async def deliver(self, message: Outbound) -> Receipt:
        """Do what the message asks; the reference of a payment is its idop."""
        if wrong := faulty(message.operation, message.fields):
            message.exchange.fault = ", ".join(wrong)
            raise self._errors.failure("message_invalid")
        return await OPERATIONS[message.operation](self, message)

    async def look_up(self, message: Outbound) -> Receipt | None:
        """Raise UncertainError: PayFiP cannot be asked for a refdet, only for an idop."""
        del message
        raise UncertainError("cannot_be_asked")

    async def find(self, message: Outbound, reference: str) -> bool:
        """Ask for the result of that idop: having none yet is being there.

        It is never said to be absent: PayFiP erases at night what nobody began, and may know one a little later.
        """
        check_reference(reference, IDOP)
        try:
            answer = await self._call(message, "recupererDetailPaiementSecurise", {"arg0": {"idOp": reference}})
        except RefusedError as error:
            if error.code in THERE:
                return True
            raise UncertainError(error.code) from None
        read_result(answer, Asked(reference, timedelta()), self._settings)
        return True

    async def probe(self, deadline: Deadline) -> None:
        """Ask how PayFiP names our office, which it only knows when we are its client."""
        await self._ask_client(Exchange(), deadline)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def serve(self, call: Call, desk: Desk) -> Reply:
        """Hear that a payment has moved. Anybody may say so: PayFiP itself is asked what is true."""
        idop = read_notification(call)
        if not idop:
            return Reply(400)
        await desk.nudge(idop)
        return Reply(200)

    async def open(self, message: Outbound) -> Receipt:
        """Open a payment, once the one that it replaces cannot be paid any more."""
        if replaced := message.fields.get("remplace"):
            await self._check_over(replaced, message)
        fields = write_payment(message.fields, self._settings, datetime.now(UTC))
        answer = await self._call(message, "creerPaiementSecurise", fields)
        return read_created(answer, self._settings, datetime.now(UTC))

    async def follow(self, message: Outbound) -> Receipt:
        """Ask where a payment stands."""
        return await self._ask_result(message.fields, message)

    async def introduce(self, message: Outbound) -> Receipt:
        """Ask how PayFiP names our office."""
        return await self._ask_client(message.exchange, message.deadline)

    async def _check_over(self, replaced: Mapping[str, Any], message: Outbound) -> None:
        """Let a second payment of the same debt be opened only when the first is over, and unpaid."""
        state = (await self._ask_result(replaced, message)).details["etat"]
        if state in {PAID, WAITING}:
            raise self._errors.failure("deja_paye" if state == PAID else "encore_payable")

    async def _ask_result(self, fields: Mapping[str, Any], message: Outbound) -> Receipt:
        asked = read_asked(fields, datetime.now(UTC))
        try:
            answer = await self._call(message, "recupererDetailPaiementSecurise", {"arg0": {"idOp": asked.idop}})
        except RefusedError as error:
            if silence := read_silence(error.code, asked, self._settings):
                return silence
            raise
        return read_result(answer, asked, self._settings)

    async def _ask_client(self, exchange: Exchange, deadline: Deadline) -> Receipt:
        fields = {"arg0": {"numCli": self._settings.numcli}}
        answer = await self._port.call("recupererDetailClient", fields, exchange=exchange, deadline=deadline)
        return read_client(answer, self._settings)

    async def _call(self, message: Outbound, operation: str, fields: Mapping[str, Any]) -> Any:
        return await self._port.call(operation, fields, exchange=message.exchange, deadline=message.deadline)


OPERATIONS: Final[Mapping[str, Callable[[PayFiP, Outbound], Awaitable[Receipt]]]] = {
    "creer_paiement": PayFiP.open,
    "suivre_paiement": PayFiP.follow,
    "client": PayFiP.introduce,
}


def connect(settings: Mapping[str, Any], errors: ErrorTable) -> PayFiP:
    """Make the connector; raises ValidationError for settings it does not know."""
    return PayFiP(Settings.model_validate(settings), errors)
