"""A Lutèce notification store's stand-in: known customers and types, warnings, and a list of what it stored."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import orjson
from aiohttp import web

from connectors._transport.sandbox import COMMON, HttpSandbox
from hub.connector import Fault
from hub.model import Verdict

BASE: Final = "/rest/notificationstore/v3"
TOKEN: Final = "jeton-du-bac-a-sable"  # noqa: S105  # the sandbox's own
CUSTOMER: Final = "4f6f5a0e-0000-4000-8000-0000000000a1"

NO_CUSTOMER: Final = ("Incorrect User Ids", "User not found in the identityStore")
BAD_CUSTOMER: Final = ("Incorrect User Ids", "Valid user connection id or customer id is mandatory")
NO_TYPE: Final = ("Demand Id and Demand type Id are mandatory", "Demand Type Id not found")

MENU: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        **COMMON,
        "unknown_customer": Fault(title="answers 201 with a warning, stores nothing", verdict=Verdict.REFUSED),
        "bad_customer": Fault(
            title="answers 201, the identifier is malformed, stores nothing", verdict=Verdict.REFUSED
        ),
        "stored_anyway": Fault(
            title="answers 201 with a warning about the customer, stores", verdict=Verdict.ACCEPTED, taken=True
        ),
        "unknown_type": Fault(title="answers 201 with a warning, stores", verdict=Verdict.ACCEPTED, taken=True),
        "new_warning": Fault(
            title="answers 201 with a warning nobody knows, stores", verdict=Verdict.UNCERTAIN, taken=True
        ),
        "identity_store_down": Fault(
            title="answers 400, an exception of its own, stores nothing", verdict=Verdict.UNCERTAIN
        ),
        "forward_failed": Fault(title="stores, then answers 400", verdict=Verdict.UNCERTAIN, taken=True),
        "unreadable": Fault(title="answers 400 in JSON that is broken", verdict=Verdict.REFUSED),
        "unknown_account": Fault(title="answers 401", verdict=Verdict.TRANSIENT),
    }
)

WARNINGS: Final[Mapping[str, tuple[str, str]]] = {
    "unknown_customer": NO_CUSTOMER,
    "bad_customer": BAD_CUSTOMER,
    "stored_anyway": NO_CUSTOMER,
    "unknown_type": NO_TYPE,
    "new_warning": ("Incorrect", "Something that a later version says"),
}
EXCEPTIONS: Final[Mapping[str, str]] = {
    "identity_store_down": "java.lang.NullPointerException",
    "forward_failed": "fr.paris.lutece.plugins.grubusiness.service.notification.NotificationException: push",
    "unreadable": "com.fasterxml.jackson.databind.JsonMappingException: no such field\n at [Source: (String)]",
}


class Sandbox(HttpSandbox):
    """A store; `stored` is what it has, `customers` and `types` whom and what it knows.

    `keeps_unknown`: it stores what is nobody's, as a setting of Lutèce's says.
    """

    menu = MENU

    def __init__(self) -> None:
        super().__init__()
        self.customers, self.types = {CUSTOMER}, {"etat_civil.naissance"}
        self.keeps_unknown = False
        self.stored: list[dict[str, Any]] = []

    def settings(self) -> dict[str, Any]:
        """Say where the store is, and which token its gateway wants."""
        return {"url": f"{self.url}{BASE}", "bearer": TOKEN}

    def sample(self, operation: str) -> dict[str, Any]:
        """Give a stage, as a mapping writes it."""
        del operation
        return {
            "date": 1788765182123,
            "demand": {
                "id": "167046020",
                "type_id": "etat_civil.naissance",
                "reference": "167 046 020",
                "status_id": 15,
                "current_step": 3,
                "customer": {"customer_id": CUSTOMER},
            },
            "mydashboard": {
                "status_id": 15,
                "status_text": "Accepté",
                "subject": "Votre demande N° 167 046 020",
                "message": "Votre demande N° 167 046 020 vient d'être validée.",
                "sender_name": "Ville d'Exemple",
            },
            "backoffice": {"status_text": "Accepté", "message": "Transmis par le hub"},
        }

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one call of the store's API."""
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401)
        match request.method, request.path.removeprefix(BASE):
            case "POST", "/notification":
                return self._store(await request.read())
            case "GET", "/notification/list":
                return self._list(request.query)
            case "GET", "/demandType":
                return reply(200, [{"id_demand_type": one} for one in sorted(self.types)])
            case _:
                return web.Response(status=404)

    async def play(self, fault: str, request: web.Request, answer: web.Response | None) -> web.StreamResponse:
        """Play a warning, an exception of the store's, or what any server may do."""
        if fault in WARNINGS:
            return warn([WARNINGS[fault]])
        if fault in EXCEPTIONS:
            return fail(EXCEPTIONS[fault])
        if fault == "unknown_account":
            return web.Response(status=401)
        return await super().play(fault, request, answer)

    def _store(self, body: bytes) -> web.Response:
        """Store a notification of somebody's; warn of whom, and of what, it does not know."""
        try:
            said = orjson.loads(body)["notification"]
            demand, customer = said["demand"], said["demand"]["customer"]["customer_id"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return fail(EXCEPTIONS["unreadable"])
        warnings = []
        if len(customer) != 36:
            warnings.append(BAD_CUSTOMER)
        elif customer not in self.customers:
            warnings.append(NO_CUSTOMER)
        if not warnings or self.keeps_unknown:
            self.stored.append({**said, "date": said["date"] // 1000 * 1000})
            self.take(said["mydashboard"]["data"])
        if demand["type_id"] not in self.types:
            warnings.append(NO_TYPE)
        return warn(warnings) if warnings else reply(201, {"acknowledge": {"status": "received"}})

    def _list(self, query: Mapping[str, str]) -> web.Response:
        """List what is stored of one request of one customer's: once for each of its contents."""
        asked = (query.get("idDemand"), query.get("idDemandType"), query.get("customerId"))
        if not all(asked):
            return reply(400, {"status": {"http_code": 400}})
        found = [one for one in self.stored if place_of(one["demand"]) == asked]
        twice = [one for one in found for content in ("mydashboard", "backoffice") if content in one]
        return reply(200, {"status": {"http_code": 200}, "numberResult": len(twice), "notifications": twice})


def place_of(demand: Mapping[str, Any]) -> tuple[str, str, str]:
    """Say under what a request is stored."""
    return demand["id"], demand["type_id"], demand["customer"]["customer_id"]


def warn(warnings: list[tuple[str, str]]) -> web.Response:
    """Answer 201 with warnings: a reason and a sentence each."""
    told = [
        {"type": "DEMAND", "status": "WARNING", "reason": reason, "message": message} for reason, message in warnings
    ]
    return reply(201, {"acknowledge": {"status": "warning", "warnings": told}})


def fail(exception: str) -> web.Response:
    """Answer 400 with an exception, written by hand as the store does: a line break in it breaks the JSON."""
    told = f'{{"type":"NOTIFICATION","status":"ERROR","reason":"{exception}","message":"{exception}"}}'
    body = f'{{ "acknowledge" : {{ "status": "error", "errors" : [{told}] }} }}'
    return web.Response(status=400, text=body, content_type="application/json")


def reply(status: int, content: Any) -> web.Response:
    """Answer JSON."""
    return web.Response(status=status, body=orjson.dumps(content), content_type="application/json")
