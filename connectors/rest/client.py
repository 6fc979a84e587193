"""The three verbs for a JSON target: one call each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from connectors._transport.finding import asking, check_reference
from connectors._transport.http import HttpClient, check_status
from connectors.rest.wire import (
    JSON,
    Settings,
    read_find,
    read_look_up,
    read_receipt,
    write_body,
    write_find,
    write_headers,
)
from hub.connector import Deadline, Exchange, Outbound, Receipt
from hub.errors import UncertainError
from hub.manifest import ErrorTable, Operation

UNKNOWN_TO_US: Final = frozenset({401, 403})
"""Statuses of a target that is up but does not recognise the hub."""


class Rest:
    """A target that speaks plain JSON; its operations are those of its settings."""

    def __init__(self, settings: Settings, errors: ErrorTable) -> None:
        self._services = settings.operations
        self._errors = ErrorTable(error=settings.errors + errors.error)
        self._unavailable = settings.unavailable
        self._probe_path = settings.probe_path
        self._http = HttpClient(settings)
        self.operations: Mapping[str, Operation] = settings.operations
        self.finds = frozenset(name for name, service in settings.operations.items() if service.find)

    async def deliver(self, message: Outbound) -> Receipt:
        """Send the message, as its operation's settings say."""
        service = self._services[message.operation]
        answer = await self._http.call(
            service.method,
            service.path.replace("{key}", message.key),
            exchange=message.exchange,
            deadline=message.deadline,
            content=write_body(service, message),
            headers=write_headers(service, message),
        )
        check_status(answer, unavailable=self._unavailable)
        return read_receipt(service, answer, self._errors)

    async def look_up(self, message: Outbound) -> Receipt | None:
        """Ask for our key; raises UncertainError when the operation has no way to ask."""
        look_up = self._services[message.operation].look_up
        if look_up is None:
            raise UncertainError("cannot_be_asked")
        answer = await self._http.call(
            look_up.method,
            look_up.path.replace("{key}", message.key),
            exchange=message.exchange,
            deadline=message.deadline,
            headers=JSON,
        )
        return read_look_up(look_up, check_status(answer, unavailable=self._unavailable), message)

    async def find(self, message: Outbound, reference: str) -> bool:
        """Ask for one of the target's own references, as its operation's settings say."""
        find = self._services[message.operation].find
        if find is None:
            raise UncertainError("cannot_be_asked")
        check_reference(reference, find.pattern)
        path, exchange = write_find(find, reference), message.exchange
        try:
            answer = await self._http.call("GET", path, exchange=exchange, deadline=message.deadline, headers=JSON)
        finally:
            exchange.wrote(f"GET {path}".encode())
        with asking():
            return read_find(find, check_status(answer, unavailable=self._unavailable), reference, self._errors)

    async def probe(self, deadline: Deadline) -> None:
        """Read `probe_path`: any answer but a failure, or a refusal of our credentials, will do."""
        answer = await self._http.call("GET", self._probe_path, exchange=Exchange(), deadline=deadline, headers=JSON)
        check_status(answer, unavailable=self._unavailable)
        if answer.status in UNKNOWN_TO_US:
            raise self._errors.failure(f"http_{answer.status}")

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()
