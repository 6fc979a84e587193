"""Speaks to the city's map: the connector, whatever the protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from connectors._transport.finding import asking, check_reference
from connectors._transport.http import Answer, HttpClient
from connectors.sig.arcgis import ArcGis
from connectors.sig.features import Features
from connectors.sig.wfs import Wfs
from connectors.sig.wire import (
    KNOWN,
    Dialect,
    Position,
    Protocole,
    Request,
    Settings,
    district,
    faults_in,
    holds_reference,
    position_of,
    recognise,
)
from hub.connector import Deadline, DifferentError, Exchange, Outbound, Receipt
from hub.errors import DeliveryError, RefusedError, TransientError, UncertainError
from hub.manifest import ErrorTable

DIALECTS: Final[Mapping[Protocole, Callable[[Settings, ErrorTable], Dialect]]] = {
    Protocole.WFS: Wfs,
    Protocole.OGC_FEATURES: Features,
    Protocole.ARCGIS: ArcGis,
}


class Sig:
    """Puts complaints on the map, finds them again by our key, tells the district of a position."""

    finds = frozenset({"creer_doleance"})

    def __init__(self, settings: Settings, errors: ErrorTable) -> None:
        self._settings, self._errors = settings, errors
        self._dialect = DIALECTS[settings.protocole](settings, errors)
        self._http = HttpClient(settings)

    async def deliver(self, message: Outbound) -> Receipt:
        """Create a complaint's feature, or tell a district."""
        if faults := faults_in(message):
            message.exchange.fault = ", ".join(faults)
            raise self._errors.failure("message_invalid")
        if message.operation == "quartier":
            return await self._locate(position_of(message), message.exchange, message.deadline)
        if not self._settings.covers(position_of(message)):
            raise self._errors.failure("outside")
        return await self._create(message)

    async def look_up(self, message: Outbound) -> Receipt | None:
        """Ask whether a feature has our reference, where we put it and of its category."""
        if message.operation == "quartier":
            raise UncertainError("not_askable")
        return await self._search(message, message.exchange)

    async def find(self, message: Outbound, reference: str) -> bool:
        """Ask for the complaint of that reference; one that is not there counts only in the layer that we know."""
        check_reference(reference, self._dialect.shape)
        with asking():
            answer = await self._ask_for(self._dialect.find(reference), message)
            if holds_reference(self._dialect.read_one(answer), reference):
                return True
            described = await self._call(self._dialect.describe(), Exchange(), message.deadline)
            self._dialect.check_described(described)
        return False

    async def probe(self, deadline: Deadline) -> None:
        """Ask what the layer of complaints is made of, and for the district of the witness when there is one."""
        self._dialect.check_described(await self._call(self._dialect.describe(), Exchange(), deadline))
        if witness := self._settings.temoin:
            found = await self._locate(Position(witness.lon, witness.lat), Exchange(), deadline)
            if found.reference != witness.code:
                raise self._errors.failure("witness_elsewhere")

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _create(self, message: Outbound) -> Receipt:
        answer = await self._call(self._dialect.create(message), message.exchange, message.deadline)
        try:
            created = self._dialect.read_created(answer)
        except RefusedError as error:
            if error.code == KNOWN:
                return await self._find_known(message)
            raise
        return await self._read_again(message, Receipt(created)) if self._settings.relire else Receipt(created)

    async def _read_again(self, message: Outbound, created: Receipt) -> Receipt:
        """Find what was created where it was put; that it was taken is said already, whatever hinders this."""
        try:
            return await self._search(message, Exchange()) or created
        except DifferentError as error:
            message.exchange.fault = error.code
            raise
        except DeliveryError:
            return created

    async def _find_known(self, message: Outbound) -> Receipt:
        """Find what the map says that it has already; anything but finding it leaves a doubt."""
        try:
            found = await self._search(message, Exchange())
        except (TransientError, RefusedError) as error:
            raise UncertainError(error.code) from None
        if found is None:
            raise UncertainError("known_but_absent")
        return found

    async def _search(self, message: Outbound, exchange: Exchange) -> Receipt | None:
        answer = await self._call(self._dialect.search(message.key), exchange, message.deadline)
        return recognise(self._dialect.read_found(answer), message, self._settings)

    async def _locate(self, position: Position, exchange: Exchange, deadline: Deadline) -> Receipt:
        answer = await self._call(self._dialect.locate(position), exchange, deadline)
        return district(self._dialect.read_found(answer), position, self._settings, exact=self._dialect.exact)

    async def _ask_for(self, request: Request, message: Outbound) -> Answer:
        """Ask, and keep what was asked as evidence: a GET has no body."""
        try:
            return await self._call(request, message.exchange, message.deadline)
        finally:
            message.exchange.wrote(f"{request.method} {request.url}".encode())

    async def _call(self, request: Request, exchange: Exchange, deadline: Deadline) -> Answer:
        return await self._http.call(
            request.method,
            request.url,
            exchange=exchange,
            deadline=deadline,
            content=request.content,
            headers=request.headers,
        )


def connect(settings: Mapping[str, Any], errors: ErrorTable) -> Sig:
    """Make the connector; raises ValidationError for settings it does not know."""
    return Sig(Settings.model_validate(settings), errors)
