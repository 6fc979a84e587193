"""Orders, pays, invoices and books at the shop: the connector, and the door where the shop calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from connectors._transport.finding import asking, check_reference
from connectors._transport.http import HttpClient
from connectors.regie_boutique.schemas import faulty
from connectors.regie_boutique.settings import Settings
from connectors.regie_boutique.wire import (
    NUMBER,
    SERVICES,
    is_genuine,
    read_exists,
    read_notification,
    read_receipt,
    read_success,
    write_body,
    write_path,
)
from hub.connector import Call, Deadline, Desk, Exchange, Outbound, Receipt, Reply
from hub.errors import UncertainError
from hub.manifest import ErrorTable

JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}


class RegieBoutique:
    """A shop that knows our key: one call an operation."""

    finds = frozenset({"creer_commande"})

    def __init__(self, settings: Settings, errors: ErrorTable) -> None:
        self._settings, self._errors = settings, errors
        self._webhooks = settings.webhooks
        self._http = HttpClient(settings)

    async def deliver(self, message: Outbound) -> Receipt:
        """Do what the message asks; the reference is the order's number, or the booking's."""
        if wrong := faulty(message.operation, message.fields):
            message.exchange.fault = ", ".join(wrong)
            raise self._errors.failure("message_invalid")
        answer = await self._http.call(
            SERVICES[message.operation].method,
            write_path(message),
            exchange=message.exchange,
            deadline=message.deadline,
            content=write_body(message, self._settings),
            headers=JSON,
        )
        return read_receipt(message, answer, self._settings, self._errors)

    async def look_up(self, message: Outbound) -> Receipt | None:
        """Raise UncertainError: the shop is not asked for our key, it recognises it when it comes again."""
        del message
        raise UncertainError("cannot_be_asked")

    async def find(self, message: Outbound, reference: str) -> bool:
        """Ask where the order of that number stands."""
        check_reference(reference, NUMBER)
        service, exchange = SERVICES["suivre_commande"], message.exchange
        path = service.path.format(commande=reference)
        try:
            answer = await self._http.call(
                service.method, path, exchange=exchange, deadline=message.deadline, headers=JSON
            )
        finally:
            exchange.wrote(f"{service.method} {path}".encode())
        with asking():
            return read_exists(reference, answer, self._settings, self._errors)

    async def probe(self, deadline: Deadline) -> None:
        """Ask whether the shop is open, which takes a token that it knows."""
        answer = await self._http.call("GET", "etat", exchange=Exchange(), deadline=deadline, headers=JSON)
        if not isinstance(read_success(answer, self._settings, self._errors), dict):
            raise UncertainError("unreadable")

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def serve(self, call: Call, desk: Desk) -> Reply:
        """Hear that an order has moved, when the shop signed it; the shop is then asked where it stands."""
        if not is_genuine(call, self._webhooks):
            return Reply(401)
        number = read_notification(call)
        if not number:
            return Reply(400)
        await desk.nudge(number)
        return Reply(204)


def connect(settings: Mapping[str, Any], errors: ErrorTable) -> RegieBoutique:
    """Make the connector; raises ValidationError for settings it does not know."""
    return RegieBoutique(Settings.model_validate(settings), errors)
