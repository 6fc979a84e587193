"""eSirius's stand-in: desks with slots on weekdays, codes in plain text, lists sometimes wrapped twice.

Whoever takes a slot first has it; nobody's `personalIdentity` is compared with another's, and none can be searched.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from itertools import cycle
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import orjson
from aiohttp import web

from connectors._transport.sandbox import COMMON, HttpSandbox, always
from connectors._transport.tally import Latest
from connectors.esii.wire import SLOT_FORMAT
from hub.connector import Fault
from hub.model import Verdict

CONTRACT: Final = Path(__file__).parent / "contract"
BASE: Final = "/ePlanning/webservices/api"
ACCOUNT: Final = ("hub", "bac-a-sable")
AUTHORIZATION: Final = f"Basic {b64encode(':'.join(ACCOUNT).encode()).decode()}"
LENGTH: Final = timedelta(minutes=30)
STARTS: Final = tuple(time(hour, minute) for hour in (9, 10, 11, 14, 15, 16) for minute in (0, 30))
WEEKEND: Final = frozenset({5, 6})
SITES: Final[Mapping[str, tuple[int, ...]]] = {"AIX1": (12, 13), "AIX2": (21,)}
"""Each site's desks."""
SERVICES: Final[Mapping[str, str]] = {"149": "Passeport - 1 personne", "150": "Carte nationale d'identité"}

QUESTIONS: Final = ("sites", "services", "creneaux")
SEEDED: Final = "RDV000001"

MENU: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        **COMMON,
        "empty": Fault(title="answers nothing to a question", verdict=Verdict.UNCERTAIN, operations=QUESTIONS),
        "slot_lost": Fault(
            title="gives no code: someone else has the slot", verdict=Verdict.REFUSED, operations=("reserver",)
        ),
        "empty_move": Fault(
            title="moves the appointment, answers nothing",
            verdict=Verdict.ACCEPTED,
            taken=True,
            operations=("deplacer",),
        ),
        "not_moved": Fault(
            title="answers an update as if it were done, does nothing",
            verdict=Verdict.REFUSED,
            operations=("deplacer",),
        ),
        "sentence": Fault(
            title="books, answers 200 with a sentence instead of a code",
            verdict=Verdict.UNCERTAIN,
            taken=True,
            operations=("reserver",),
        ),
        "gone": Fault(
            title="says 404: it is cancelled already",
            verdict=Verdict.ACCEPTED,
            taken=True,
            operations=("annuler",),
        ),
        "text_400": Fault(title="refuses with a status and a sentence", verdict=Verdict.REFUSED),
        "unknown_account": Fault(title="does not know the account", verdict=Verdict.TRANSIENT),
        "half_a_list": Fault(
            title="cuts a list in the middle of its string", verdict=Verdict.UNCERTAIN, operations=QUESTIONS
        ),
    }
)

Play = Callable[[], Awaitable[web.Response]]


@dataclass(slots=True)
class Appointment:
    """One appointment: its slot, and all that was sent with it."""

    code: str
    desk: int
    begin: datetime
    fields: dict[str, Any] = field(default_factory=dict)


class Sandbox(HttpSandbox):
    """A town hall's appointments."""

    menu = MENU

    def __init__(self) -> None:
        super().__init__()
        first = Appointment(SEEDED, 12, datetime(2027, 3, 3, 9, 0), {"user": {"personalIdentity": "167046019-1"}})  # noqa: DTZ001  # local
        self.appointments: dict[str, Appointment] = {}
        self._slots: dict[tuple[int, datetime], str] = {}
        self._keep(first)
        self._numbers = iter(range(2, 10**6))
        self._wrapped = cycle((True, False))

    def settings(self) -> dict[str, Any]:
        """Say how a connector reaches this sandbox."""
        username, password = ACCOUNT
        return {"url": f"{self.url}{BASE}", "username": username, "password": password}

    def sample(self, operation: str) -> dict[str, Any]:
        """Give a message this operation accepts."""
        message: dict[str, Any] = orjson.loads((CONTRACT / "samples.json").read_bytes())[operation]
        return message

    def forget(self) -> None:
        """Keep the latest appointments."""
        super().forget()
        self.appointments, self._slots = Latest(self.appointments), Latest(self._slots)

    async def is_delivery(self, request: web.Request) -> bool:
        """Tell everything from the reading of one appointment, which only prepares or proves an update."""
        return request.method != "GET" or "/appointments" not in request.path

    async def is_finding(self, request: web.Request) -> bool:
        """Tell the reading of one appointment."""
        return request.method == "GET" and "/appointments/" in request.path

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one call."""
        if request.headers.get("Authorization") != AUTHORIZATION:
            return web.Response(status=401, text="Authentification requise")
        for method, pattern, answer in ROUTES:
            if method == request.method and (found := re.fullmatch(BASE + pattern, request.path)):
                return answer(self, *found.groups(), **await read_body(request))
        return web.Response(status=404, text="Ressource inconnue")

    async def play(self, fault: str, request: web.Request, answer: web.Response | None) -> web.StreamResponse:
        """Play what only eSirius does, or a fault common to all servers."""
        if play := PLAYS.get(fault):
            return await play()
        return await super().play(fault, request, answer)

    def list_sites(self) -> web.Response:
        """List the sites."""
        return self._listed([{"code": code} for code in SITES])

    def list_services(self, site: str) -> web.Response:
        """List the services of a site."""
        if site not in SITES:
            return web.Response(status=404, text="Site inconnu")
        return self._listed([{"key": key, "name": name, "existAvailabilities": True} for key, name in SERVICES.items()])

    def list_slots(self, site: str, service: str, begin: str, days: str) -> web.Response:
        """List what is free at a site from a moment on."""
        if site not in SITES or service not in SERVICES:
            return web.Response(status=400, text="Service inconnu pour ce site")
        first = datetime.fromisoformat(begin)
        slots = (
            {
                "beginDateTime": moment.strftime(SLOT_FORMAT),
                "endDateTime": (moment + LENGTH).strftime(SLOT_FORMAT),
                "serviceId": service,
                "siteCode": site,
                "resource": {"id": desk, "key": str(desk), "name": f"Guichet {desk}", "type": "STATION", "station": {}},
            }
            for moment in moments(first, int(days))
            for desk in SITES[site]
            if self._is_free(desk, moment)
        )
        return self._listed(list(slots))

    def book(self, **fields: Any) -> web.Response:
        """Take a slot for whoever comes first, and answer its code; whoever comes later is answered nothing."""
        wanted = read_slot(fields)
        if not wanted or fields.get("serviceId") not in SERVICES or not fields.get("user", {}).get("lastName"):
            return web.Response(status=400, text="Demande incorrecte")
        if not self._is_free(*wanted):
            return web.Response(headers={"Content-Type": "text/plain"})
        code = f"RDV{next(self._numbers):06d}"
        self._keep(Appointment(code, *wanted, fields))
        self.take(fields["user"].get("personalIdentity", ""))
        return web.Response(text=code)

    def move(self, **fields: Any) -> web.Response:
        """Move an appointment when its new slot is free; either way the answer is its code."""
        code, wanted = fields.get("codeRDV", ""), read_slot(fields)
        known = self.appointments.get(code)
        if known is None or not wanted or not fields.get("user"):
            return web.Response(status=400, text="Représentation incomplète")
        if self._is_free(*wanted):
            self._slots.pop((known.desk, known.begin), None)
            self._keep(Appointment(code, *wanted, fields))
            self.take(code)
        return web.Response(text=code)

    def show(self, code: str) -> web.Response:
        """Show an appointment."""
        known = self.appointments.get(code)
        if known is None:
            return web.Response(status=404, text="Rendez-vous inconnu")
        slot = {
            "beginDate": f"{known.begin:%Y-%m-%d}",
            "beginTime": f"{known.begin:%H:%M}",
            "endDate": f"{known.begin + LENGTH:%Y-%m-%d}",
            "endTime": f"{known.begin + LENGTH:%H:%M}",
        }
        return web.json_response(
            {"serviceId": "149", "siteCode": "AIX1", **known.fields, "idSys": 7, "codeRDV": code, **slot}
        )

    def cancel(self, code: str) -> web.Response:
        """Cancel an appointment."""
        known = self.appointments.pop(code, None)
        if known is None:
            return web.Response(status=404, text="Rendez-vous inconnu")
        self._slots.pop((known.desk, known.begin), None)
        self.take(code)
        return web.Response()

    def _keep(self, appointment: Appointment) -> None:
        """Keep an appointment, and its slot."""
        self.appointments[appointment.code] = appointment
        self._slots[appointment.desk, appointment.begin] = appointment.code

    def _is_free(self, desk: int, moment: datetime) -> bool:
        open_then = moment.weekday() not in WEEKEND and moment.time() in STARTS
        is_taken = self._slots.get((desk, moment)) in self.appointments
        return open_then and not is_taken and any(desk in desks for desks in SITES.values())

    def _listed(self, items: list[dict[str, Any]]) -> web.Response:
        """Answer a list, every other time as the one string of a list."""
        plain = orjson.dumps(items)
        body = orjson.dumps([plain.decode()]) if next(self._wrapped) else plain
        return web.Response(body=body, headers={"Content-Type": "application/json; charset=utf-8"})


ROUTES: Final[tuple[tuple[str, str, Callable[..., web.Response]], ...]] = (
    ("GET", "/sites", Sandbox.list_sites),
    ("GET", "/sites/([^/]+)/listServices", Sandbox.list_services),
    (
        "GET",
        r"/sites/([^/]+)/services/([^/]+)/plannings/begins/([^/]+)/periods/(\d+)/availabilities",
        Sandbox.list_slots,
    ),
    ("POST", "/appointments", Sandbox.book),
    ("PUT", "/appointments", Sandbox.move),
    ("GET", "/appointments/([^/]+)", Sandbox.show),
    ("DELETE", "/appointments/([^/]+)", Sandbox.cancel),
)


def text(status: int, body: str = "") -> Play:
    """Make a play that gives one and the same text."""
    return always(status, body.encode(), Content_Type="text/plain; charset=utf-8")


PLAYS: Final[Mapping[str, Play]] = {
    "slot_lost": text(200),
    "empty_move": text(200),
    "not_moved": text(200, SEEDED),
    "sentence": text(200, "Rendez-vous enregistré, merci"),
    "gone": text(404, "Rendez-vous inconnu"),
    "text_400": text(400, "Demande incorrecte"),
    "unknown_account": text(401, "Authentification requise"),
    "half_a_list": always(200, b'["[{\\"code\\":\\"AI', Content_Type="application/json; charset=utf-8"),
}


async def read_body(request: web.Request) -> dict[str, Any]:
    """Read the JSON of a request that has a body."""
    body: dict[str, Any] = orjson.loads(await request.read() or b"{}")
    return body


def read_slot(fields: Mapping[str, Any]) -> tuple[int, datetime] | None:
    """Read which desk is wanted, and when; None when it does not say."""
    try:
        moment = datetime.fromisoformat(f"{fields['beginDate']}T{fields['beginTime']}")
        return int(fields["resources"]["key"]), moment
    except (KeyError, TypeError, ValueError):
        return None


def moments(first: datetime, days: int) -> Iterator[datetime]:
    """Give every moment a slot may begin at, from `first` on, over `days` days."""
    for day in range(days):
        date = first.date() + timedelta(days=day)
        yield from (moment for start in STARTS if (moment := datetime.combine(date, start)) >= first)
