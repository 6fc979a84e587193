"""What every connector has whose contract was derived: its contract, a line to its target, and no way yet of asking."""

from __future__ import annotations

from collections.abc import Mapping

from connectors._transport.contract import Contract
from connectors._transport.http import NO_HEADERS, HttpClient, HttpSettings
from hub.connector import Outbound, Receipt
from hub.errors import UncertainError
from hub.manifest import ErrorTable


class ContractApi:
    """A target spoken to over HTTP by a derived contract; how it is asked for our key is for its own client to say."""

    def __init__(
        self, settings: HttpSettings, errors: ErrorTable, contract: Contract, headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        """Speak to the target of these settings; `headers` go with every call."""
        self._errors, self._contract = errors, contract
        self._headers, self._unavailable = headers, settings.unavailable
        self._http = HttpClient(settings)

    async def look_up(self, message: Outbound) -> Receipt | None:
        """Say that it cannot be asked: a target that can is looked up in its own client."""
        del message
        raise UncertainError("cannot_be_asked")

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()
