"""Tells a Lutèce portal which stage a request has reached: the connector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from connectors._transport.http import HttpClient, check_not_page, check_status
from connectors.lutece.wire import (
    NOTIFICATION,
    TYPES,
    UNSTORED,
    Notification,
    Settings,
    details_of,
    read_found,
    read_message,
    read_reserves,
    write_notification,
    write_question,
)
from hub.connector import Deadline, Exchange, Outbound, Receipt
from hub.errors import TransientError, UncertainError
from hub.manifest import ErrorTable

JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}
CLOSED: Final = frozenset({401, 403, 404})
"""Statuses of a store that is up, and does not open."""


class Lutece:
    """A notification store that takes stages, and can be asked which it has."""

    def __init__(self, settings: Settings, errors: ErrorTable) -> None:
        self._errors, self._unavailable = errors, settings.unavailable
        self._http = HttpClient(settings)

    async def deliver(self, message: Outbound) -> Receipt:
        """Post a notification; the receipt keeps what the store remarked.

        A warning about the customer is looked into at once, for the store stores then or does not, by a setting of its
        own: found, it is taken; absent, it is refused.
        """
        said = read_message(message)
        answer = await self._http.call(
            "POST",
            NOTIFICATION,
            exchange=message.exchange,
            deadline=message.deadline,
            content=write_notification(message),
            headers=JSON,
        )
        reserves = read_reserves(answer, self._errors, self._unavailable)
        unstored = next((code for code in reserves if code in UNSTORED), None)
        if unstored and not await self._is_there(message, said):
            raise self._errors.failure(unstored)
        return Receipt(details=details_of(reserves))

    async def look_up(self, message: Outbound) -> Receipt | None:
        """Ask for what the store has of this request: our key is there, or is not."""
        return await self._find(message, read_message(message), message.exchange)

    async def probe(self, deadline: Deadline) -> None:
        """List the types of requests that the store knows, which needs an account that it knows."""
        answer = await self._http.call("GET", TYPES, exchange=Exchange(), deadline=deadline, headers=JSON)
        if answer.status in CLOSED:
            raise self._errors.failure(f"http_{answer.status}")
        check_not_page(check_status(answer, unavailable=self._unavailable))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _is_there(self, message: Outbound, said: Notification) -> bool:
        """Find out whether it was stored after all; a store that cannot be asked leaves a doubt."""
        try:
            return await self._find(message, said, Exchange()) is not None
        except TransientError as error:
            raise UncertainError(error.code) from None

    async def _find(self, message: Outbound, said: Notification, exchange: Exchange) -> Receipt | None:
        answer = await self._http.call(
            "GET", write_question(said), exchange=exchange, deadline=message.deadline, headers=JSON
        )
        return read_found(answer, message, said, self._unavailable)


def connect(settings: Mapping[str, Any], errors: ErrorTable) -> Lutece:
    """Make the connector; raises ValidationError for settings it does not know."""
    return Lutece(Settings.model_validate(settings), errors)
