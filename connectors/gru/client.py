"""The three verbs for a front end that listens to call-backs."""

from __future__ import annotations

import time
from typing import Final

from connectors._transport.http import HttpClient, check_status
from connectors.gru.wire import Settings, read_receipt, write_headers
from hub.connector import Deadline, Exchange, Outbound, Receipt
from hub.errors import UncertainError
from hub.manifest import ErrorTable

CLOSED: Final = frozenset({401, 403, 404, 410})
"""Statuses by which a front end says, to a HEAD already, that it will not listen."""


class Gru:
    """A front end that is told which stage its requests have reached."""

    def __init__(self, settings: Settings, errors: ErrorTable) -> None:
        self._keys = settings.keys
        self._errors = errors
        self._unavailable = settings.unavailable
        self._http = HttpClient(settings)

    async def deliver(self, message: Outbound) -> Receipt:
        """Post the call-back; the front end knows it by `webhook-id`, which is our key."""
        answer = await self._http.call(
            "POST",
            "",
            exchange=message.exchange,
            deadline=message.deadline,
            content=message.body,
            headers=write_headers(self._keys, message.key, int(time.time()), message.body),
        )
        return read_receipt(check_status(answer, unavailable=self._unavailable), self._errors)

    async def look_up(self, message: Outbound) -> Receipt | None:
        """Raise UncertainError: Standard Webhooks have no question, only a key that makes repeats harmless."""
        del message
        raise UncertainError("cannot_be_asked")

    async def probe(self, deadline: Deadline) -> None:
        """Ask for the headers of the address: signatures are only checked on what is posted."""
        answer = await self._http.call("HEAD", "", exchange=Exchange(), deadline=deadline)
        check_status(answer, unavailable=self._unavailable)
        if answer.status in CLOSED:
            raise self._errors.failure(f"http_{answer.status}")

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()
