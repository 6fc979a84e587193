"""HubEE for the city: a source of cases, and a target that is told where they stand: the connector."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from connectors.hubee.inbox import Inbox
from connectors.hubee.session import Gateway
from connectors.hubee.settings import Settings
from connectors.hubee.wire import (
    GIVEN,
    Deposit,
    Piece,
    Said,
    StatusChange,
    check_pieces,
    check_state,
    find_ours,
    is_deposit_of,
    is_move_of,
    places_of,
    read_case,
    read_event,
    read_message,
    write_deposit,
    write_status,
)
from hub.connector import Deadline, DifferentError, Incoming, Outbound, Receipt
from hub.errors import RefusedError, UncertainError
from hub.manifest import ErrorTable


class Hubee:
    """A recipient at HubEE: it fetches cases and events about them, and adds events to them."""

    def __init__(self, settings: Settings, errors: ErrorTable) -> None:
        self._author, self._errors = settings.author, errors
        self._gateway = Gateway(settings, errors)
        self._inbox = Inbox(self._gateway, settings)

    async def deliver(self, message: Outbound) -> Receipt:
        """Add an event to a case; the receipt bears its identifier."""
        return await DELIVERS[message.operation](self, message)

    async def look_up(self, message: Outbound) -> Receipt | None:
        """Read the case again: our event is there, with the same content, or is not.

        A deposit that was begun and not sent counts as none: nobody is told of it, and `deliver` removes it.
        """
        try:
            return await LOOKS[message.operation](self, message)
        except RefusedError as error:
            raise UncertainError(error.code) from None

    async def probe(self, deadline: Deadline) -> None:
        """Ask with each account whether anything waits, which takes nothing away."""
        for procedure in self._gateway.procedures:
            await self._inbox.waiting(procedure, deadline, most=1)

    async def close(self) -> None:
        """Close the connections."""
        await self._gateway.close()

    async def fetch(self, deadline: Deadline) -> Sequence[Incoming]:
        """Give what waits, at most one batch a procedure."""
        return await self._inbox.fetch(deadline)

    async def acknowledge(self, incoming: Incoming, deadline: Deadline) -> None:
        """Say that it is received, and that it need not be notified again."""
        await self._inbox.acknowledge(incoming, deadline)

    async def decline(self, incoming: Incoming, reason: str, deadline: Deadline) -> None:
        """Say that the city cannot use it, and that it need not be notified again."""
        await self._inbox.decline(incoming.fields["notification"], reason, deadline)

    async def _change_state(self, message: Outbound) -> Receipt:
        change = read_message(message, StatusChange)
        check_state(change, self._errors)
        event = write_status(change, message.key, self._author)
        return Receipt(read_event(await self._ask(change, "POST", "/events", message, event))["id"])

    async def _deposit(self, message: Outbound) -> Receipt:
        """Announce the files, upload each, then tell the reader; begin anew what was begun and not sent."""
        deposit = read_message(message, Deposit)
        pieces = await read_pieces(message, deposit)
        check_pieces(pieces, message.exchange, self._errors)
        if known := await self._given(deposit, message):
            return Receipt(known["id"])
        announced = write_deposit(deposit, message.key, self._author, pieces)
        event = read_event(await self._ask(deposit, "POST", "/events", message, announced))
        path = f"/events/{event['id']}"
        for identifier, piece in places_of(event, pieces):
            await self._ask(deposit, "PUT", f"{path}/attachments/{identifier}", message, piece)
        await self._ask(deposit, "PATCH", path, message, {"status": "SENT"})
        return Receipt(event["id"])

    async def _given(self, deposit: Deposit, message: Outbound) -> dict[str, Any] | None:
        """Find our deposit when it was sent already; remove it when it was only begun."""
        ours = await self._ours(deposit, message)
        if ours is None or ours.get("status") in GIVEN:
            return ours
        await self._ask(deposit, "DELETE", f"/events/{ours['id']}", message)
        return None

    async def _find_change(self, message: Outbound) -> Receipt | None:
        change = read_message(message, StatusChange)
        ours = await self._ours(change, message)
        if ours is None:
            return None
        if not is_move_of(ours, change):
            raise DifferentError("different")
        return Receipt(ours["id"])

    async def _find_deposit(self, message: Outbound) -> Receipt | None:
        deposit = read_message(message, Deposit)
        ours = await self._ours(deposit, message)
        if ours is None or ours.get("status") not in GIVEN:
            return None
        if not is_deposit_of(ours, await read_pieces(message, deposit)):
            raise DifferentError("different")
        return Receipt(ours["id"])

    async def _ours(self, said: Said, message: Outbound) -> dict[str, Any] | None:
        case = read_case(await self._ask(said, "GET", "", message))
        return find_ours(case, message.key)

    async def _ask(
        self, said: Said, method: str, path: str, message: Outbound, content: Mapping[str, Any] | Piece | None = None
    ) -> Any:
        """Send one request about the message's case, kept in the message's exchange."""
        whole = f"cases/{said.case_id}{path}"
        return await self._gateway.ask(
            said.process_code, method, whole, message.deadline, content=content, exchange=message.exchange
        )


DELIVERS: Final[Mapping[str, Callable[[Hubee, Outbound], Awaitable[Receipt]]]] = {
    "changer_etat": Hubee._change_state,  # noqa: SLF001  # a table of its own methods
    "deposer_piece": Hubee._deposit,  # noqa: SLF001  # a table of its own methods
}
LOOKS: Final[Mapping[str, Callable[[Hubee, Outbound], Awaitable[Receipt | None]]]] = {
    "changer_etat": Hubee._find_change,  # noqa: SLF001  # a table of its own methods
    "deposer_piece": Hubee._find_deposit,  # noqa: SLF001  # a table of its own methods
}


async def read_pieces(message: Outbound, deposit: Deposit) -> list[Piece]:
    """Read every file whole before the first byte leaves."""
    pieces = [
        Piece(file.name, file.media_type, b"".join([chunk async for chunk in file.read()])) for file in message.files
    ]
    if (document := deposit.document) is not None:
        pieces.append(Piece(document.file_name, document.mime_type, document.content))
    return pieces


def connect(settings: Mapping[str, Any], errors: ErrorTable) -> Hubee:
    """Make the connector; raises ValidationError for settings it does not know."""
    return Hubee(Settings.model_validate(settings), errors)
