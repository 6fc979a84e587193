"""Asks eSirius for slots, takes, moves and cancels appointments: the connector and its settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from pydantic import Field, ValidationError

from connectors._transport.finding import asking, check_reference
from connectors._transport.http import Answer, HttpClient, HttpSettings
from connectors._transport.messages import places
from connectors.esii.rendezvous import MESSAGES, Annuler, Deplacer, Reserver, Sites
from connectors.esii.wire import (
    CODE,
    JSON,
    LOST,
    UNKNOWN,
    check,
    check_cancelled,
    check_coded,
    check_moved,
    is_gone,
    path_of,
    read_appointment,
    read_code,
    read_list,
    read_services,
    read_sites,
    read_slots,
    stands_at,
    write_booking,
    write_move,
)
from hub.connector import Deadline, Exchange, Outbound, Receipt
from hub.errors import RefusedError, TransientError, UncertainError
from hub.manifest import ErrorTable
from hub.model import Frozen

READS: Final[Mapping[str, Callable[[list[Mapping[str, Any]]], dict[str, Any]]]] = {
    "sites": read_sites,
    "services": read_services,
    "creneaux": read_slots,
}
"""Our questions → how their answers are read."""


class Settings(HttpSettings):
    """How this town reaches its eSirius: `url` ends in `/ePlanning/webservices/api`, with an HTTP account."""

    langue: str = Field(default="fr", pattern=r"^[a-z]{2}$")
    pays: str = Field(default="fr", pattern=r"^[a-z]{2}$")


class Esii:
    """Answers live questions, books once, moves and cancels as often as asked."""

    finds = frozenset({"reserver"})

    def __init__(self, settings: Settings, errors: ErrorTable) -> None:
        self._settings, self._errors = settings, errors
        self._http = HttpClient(settings)
        self._writing = {**JSON, "language": settings.langue, "country": settings.pays}

    async def deliver(self, message: Outbound) -> Receipt:
        """Answer a question, or do what the message says; the receipt bears the code of the appointment."""
        asked = self._read(message)
        if read := READS.get(message.operation):
            answer = await self._call("GET", path_of(asked), message)
            return Receipt(details=read(read_list(self._check(answer))))
        return await DELIVERS[message.operation](self, asked, message)

    async def look_up(self, message: Outbound) -> Receipt | None:  # noqa: ARG002  # the contract's verb
        """Say that eSirius cannot be asked by our key: it finds an appointment by its own code only."""
        raise UncertainError("not_askable")

    async def find(self, message: Outbound, reference: str) -> bool:
        """Ask for the appointment of that code; one that is not there counts only where eSirius knows us."""
        check_reference(reference, CODE)
        with asking():
            answer = await self._call("GET", path_of(Annuler(codeRDV=reference)), message)
            if is_gone(answer):
                await self.probe(message.deadline)
                return False
            check_coded(self._check(answer), reference)
        return True

    async def probe(self, deadline: Deadline) -> None:
        """List the sites, which takes an account that it knows."""
        answer = await self._http.call("GET", path_of(Sites()), exchange=Exchange(), deadline=deadline, headers=JSON)
        read_sites(read_list(self._check(answer)))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def book(self, booking: Reserver, message: Outbound) -> Receipt:
        """Take an appointment."""
        answer = await self._call("POST", path_of(booking), message, write_booking(booking, message.key))
        return Receipt(read_code(self._check(answer), self._errors))

    async def move(self, move: Deplacer, message: Outbound) -> Receipt:
        """Move an appointment, and see that it has moved: the answer of an update says nothing of the slot."""
        appointment = await self._find(move.codeRDV, message.deadline)
        answer = await self._call("PUT", path_of(move), message, write_move(move, appointment))
        check_moved(self._check(answer))
        if not stands_at(await self._find_again(move.codeRDV, message.deadline), move):
            raise self._errors.failure(LOST)
        return Receipt(move.codeRDV)

    async def cancel(self, cancellation: Annuler, message: Outbound) -> Receipt:
        """Cancel an appointment; one that is no longer there is cancelled."""
        answer = await self._call("DELETE", path_of(cancellation), message)
        if not is_gone(answer):
            check_cancelled(self._check(answer))
        return Receipt(cancellation.codeRDV)

    async def _find(self, code: str, deadline: Deadline) -> Mapping[str, Any]:
        path = path_of(Annuler(codeRDV=code))
        answer = await self._http.call("GET", path, exchange=Exchange(), deadline=deadline, headers=JSON)
        if is_gone(answer):
            raise self._errors.failure(UNKNOWN)
        return read_appointment(self._check(answer))

    async def _find_again(self, code: str, deadline: Deadline) -> Mapping[str, Any]:
        """Find what was just written; anything but finding it leaves a doubt."""
        try:
            return await self._find(code, deadline)
        except (TransientError, RefusedError) as error:
            raise UncertainError(error.code) from None

    async def _call(self, method: str, path: str, message: Outbound, content: bytes = b"") -> Answer:
        """Speak, and keep the request line as evidence where there is no body."""
        spoken, headers = Exchange(), self._writing if content else JSON
        try:
            return await self._http.call(
                method, path, exchange=spoken, deadline=message.deadline, content=content, headers=headers
            )
        finally:
            message.exchange.wrote(spoken.sent or f"{method} {path}".encode())
            message.exchange.read(spoken.answered, spoken.http_status)

    def _check(self, answer: Answer) -> Answer:
        return check(answer, self._errors, self._settings.unavailable)

    def _read(self, message: Outbound) -> Frozen:
        try:
            return MESSAGES[message.operation].model_validate_json(message.body)
        except ValidationError as error:
            message.exchange.fault = places(error)
            raise self._errors.failure("message_invalid") from None


DELIVERS: Final[Mapping[str, Callable[[Esii, Any, Outbound], Awaitable[Receipt]]]] = {
    "reserver": Esii.book,
    "deplacer": Esii.move,
    "annuler": Esii.cancel,
}
"""Our operations that leave a trace → how each is done."""


def connect(settings: Mapping[str, Any], errors: ErrorTable) -> Esii:
    """Make the connector; raises ValidationError for settings it does not know."""
    return Esii(Settings.model_validate(settings), errors)
