"""A car park that takes subscriptions in JSON, and recognises our key."""

import orjson

from connectors._transport.http import HttpClient, HttpSettings, check_not_page, check_status
from hub.connector import Exchange, Receipt
from hub.errors import UncertainError


def connect(settings, errors):
    return Parking(HttpSettings.model_validate(settings), errors)


class Parking:
    def __init__(self, settings, errors):
        self._errors = errors
        self._http = HttpClient(settings)

    async def deliver(self, message):
        answer = await self._http.call(
            "POST",
            "/abonnements",
            exchange=message.exchange,
            deadline=message.deadline,
            content=message.body,
            headers={"Content-Type": "application/json", "Idempotency-Key": message.key},
        )
        check_not_page(check_status(answer))
        try:
            said = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            raise UncertainError("unreadable") from None
        match said:
            case {"abonnement": str(number)}:
                return Receipt(reference=number)
            case {"refus": str(code)}:
                raise self._errors.failure(code)
        raise UncertainError("unreadable")

    async def look_up(self, _message):
        raise UncertainError("cannot_be_asked")

    async def probe(self, deadline):
        check_status(await self._http.call("GET", "/", exchange=Exchange(), deadline=deadline))

    async def close(self):
        await self._http.close()
