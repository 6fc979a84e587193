"""Books rooms in GRR, finds a booking again by our key, cancels: the connector and its settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Self

from pydantic import Field, ValidationError, model_validator

from connectors._transport.finding import asking, check_reference
from connectors._transport.http import Answer, HttpSettings
from connectors._transport.messages import places
from connectors.grr.browser import Browser
from connectors.grr.planning import Planning, read_slots
from connectors.grr.reservation import MESSAGES, Annuler, Creneaux, Reserver
from connectors.grr.wire import (
    APP,
    NUMBER,
    check_done,
    check_gone,
    check_readable,
    check_report,
    find_number,
    read_exists,
    write_booking,
    write_cancellation,
    write_day,
    write_search,
    write_view,
)
from hub.connector import Deadline, DifferentError, Exchange, Outbound, Receipt
from hub.errors import RefusedError, TransientError, UncertainError
from hub.manifest import ErrorTable
from hub.model import Frozen

DENIED: Final = "accessdenied"


class Settings(HttpSettings):
    """How this town reaches its GRR: `url` is the folder of app.php, `login` an account that may search bookings."""

    login: str = Field(min_length=1, max_length=190)

    @model_validator(mode="after")
    def _has_one_account(self) -> Self:
        if self.password is None and self.password_file is None:
            raise ValueError("password: needed, here or in password_file")
        if self.username is not None or self.bearer or self.bearer_file:
            raise ValueError("login: GRR knows no other account than that of its form")
        return self


class Grr:
    """Asks for pages as a person would, and believes none that it does not know."""

    finds = frozenset({"reserver"})

    def __init__(self, settings: Settings, errors: ErrorTable) -> None:
        self._settings, self._errors = settings, errors
        self._browser = Browser(settings, settings.login, errors)

    async def deliver(self, message: Outbound) -> Receipt:
        """Answer a question, book or cancel; the receipt bears the number of the booking."""
        return await DELIVERS[message.operation](self, self._read(message), message)

    async def look_up(self, message: Outbound) -> Receipt | None:
        """Search the bookings whose description has our key; only `reserver` leaves one.

        Raises DifferentError when the planning shows that it stands elsewhere than asked.
        """
        asked = self._read(message)
        if not isinstance(asked, Reserver):
            raise UncertainError("not_askable")
        try:
            return await self._recognise(asked, message)
        except RefusedError as error:
            raise UncertainError(error.code) from None

    async def find(self, message: Outbound, reference: str) -> bool:
        """Ask for the page of the booking of that number; one that was cancelled is no booking any more."""
        check_reference(reference, NUMBER)
        with asking():
            page = await self._readable(write_view(reference), message.exchange, message)
            return read_exists(page, reference)

    async def probe(self, deadline: Deadline) -> None:
        """Log in, and open the report: without the right to search, a lost answer would stay in doubt."""
        await self._browser.log_in(deadline)
        answer = await self._browser.get(f"{APP}?p=report", exchange=Exchange(), deadline=deadline)
        check_report(self._check(answer))

    async def close(self) -> None:
        """Close the connections."""
        await self._browser.close()

    async def list_slots(self, asked: Creneaux, message: Outbound) -> Receipt:
        """List the slots that the planning of the day offers to book."""
        page = await self._readable(write_day(asked.ressource, asked.jour), message.exchange, message)
        return Receipt(details=read_slots(page, asked, self._errors))

    async def book(self, booking: Reserver, message: Outbound) -> Receipt:
        """Book, then find the number which GRR does not give; not finding it leaves a doubt."""
        path = write_booking(booking, message.key, self._settings.login)
        check_done(await self._get(path, message.exchange, message), self._errors, self._settings.unavailable)
        try:
            number = await self._find(booking, message, Exchange())
        except (TransientError, RefusedError) as error:
            raise UncertainError(error.code) from None
        if number is None:
            raise UncertainError("accepted_but_absent")
        return Receipt(number)

    async def cancel(self, cancellation: Annuler, message: Outbound) -> Receipt:
        """Cancel a booking; GRR denies a second time what it did the first, so its own page is asked."""
        number = cancellation.reservation
        answer = await self._get(write_cancellation(number), message.exchange, message)
        try:
            check_done(answer, self._errors, self._settings.unavailable)
        except RefusedError as error:
            if error.code != DENIED:
                raise
            await self._see_gone(number, message)
        return Receipt(str(number))

    async def _recognise(self, booking: Reserver, message: Outbound) -> Receipt | None:
        number = await self._find(booking, message, message.exchange)
        if number is None:
            return None
        page = await self._readable(write_day(booking.ressource, booking.begin.date()), Exchange(), message)
        planning = Planning.read(page)
        if planning is not None and not planning.holds(number, booking):
            raise DifferentError("different")
        return Receipt(number)

    async def _see_gone(self, number: int, message: Outbound) -> None:
        try:
            page = await self._readable(write_view(number), Exchange(), message)
        except TransientError as error:
            raise UncertainError(error.code) from None
        check_gone(page, self._errors)

    async def _find(self, booking: Reserver, message: Outbound, exchange: Exchange) -> str | None:
        page = await self._readable(write_search(message.key, booking.begin.date()), exchange, message)
        return find_number(page, message.key)

    async def _readable(self, path: str, exchange: Exchange, message: Outbound) -> Answer:
        return self._check(await self._get(path, exchange, message))

    async def _get(self, path: str, exchange: Exchange, message: Outbound) -> Answer:
        """Ask for a page, and keep what was asked as evidence: a GET has no body."""
        spoken = Exchange()
        try:
            return await self._browser.get(path, exchange=spoken, deadline=message.deadline)
        finally:
            exchange.wrote(f"GET {path}".encode())
            exchange.read(spoken.answered, spoken.http_status)

    def _check(self, answer: Answer) -> Answer:
        return check_readable(answer, self._errors, self._settings.unavailable)

    def _read(self, message: Outbound) -> Frozen:
        try:
            return MESSAGES[message.operation].model_validate_json(message.body)
        except ValidationError as error:
            message.exchange.fault = places(error)
            raise self._errors.failure("message_invalid") from None


DELIVERS: Final[Mapping[str, Callable[[Grr, Any, Outbound], Awaitable[Receipt]]]] = {
    "creneaux": Grr.list_slots,
    "reserver": Grr.book,
    "annuler": Grr.cancel,
}
"""Our operations → how each is done."""


def connect(settings: Mapping[str, Any], errors: ErrorTable) -> Grr:
    """Make the connector; raises ValidationError for settings it does not know."""
    return Grr(Settings.model_validate(settings), errors)
