"""GRR's stand-in: sessions, forms, pages, and the manners of GRR 4.6.3 as they were seen on a real one.

A booking that is stored answers 302 without its number; any refusal is a page with status 200; a quota is a 500.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import orjson
from aiohttp import web

from connectors._transport.sandbox import COMMON, HttpSandbox, always
from connectors.grr import sandbox_pages as pages
from connectors.grr.wire import QUOTA
from hub.connector import Fault
from hub.model import Verdict

CONTRACT: Final = Path(__file__).parent / "contract"
ACCOUNT: Final = ("hub", "bac-a-sable")
KEY: Final = re.compile(r"Référence ([0-9-]+)")
DELIVERIES: Final = frozenset({"editentreetrt", "supreservation", "jour"})
SEEDED: Final = 41

REFUSALS: Final[Mapping[str, tuple[str, str, Verdict]]] = MappingProxyType(
    {
        "conflit_fr": ("conflit", "fr", Verdict.REFUSED),
        "conflit_en": ("conflit", "en", Verdict.REFUSED),
        "date_passee": ("booking_in_past", "fr", Verdict.REFUSED),
        "champ_manquant": ("required", "en", Verdict.REFUSED),
        "hors_horaires": ("error_heure_debut_fin", "fr", Verdict.REFUSED),
        "sans_droit": ("booking_room_out", "en", Verdict.REFUSED),
        "verrou": ("failed_to_acquire", "fr", Verdict.TRANSIENT),
    }
)
"""Refusals of a booking by name: GRR's own code, the language of the page, what it means."""

MENU: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        **COMMON,
        **{
            name: Fault(title=pages.WORDS[language][code], verdict=verdict, operations=("reserver",))
            for name, (code, language, verdict) in REFUSALS.items()
        },
        "acces_refuse": Fault(title="denies access, with status 200", verdict=Verdict.REFUSED),
        "quota": Fault(
            title="fails with a bare 500 when a quota is reached", verdict=Verdict.UNCERTAIN, operations=("reserver",)
        ),
        "quota_visible": Fault(
            title="fails for a quota, and PHP shows where", verdict=Verdict.REFUSED, operations=("reserver",)
        ),
        "session_expiree": Fault(title="has forgotten the session", verdict=Verdict.ACCEPTED, taken=True),
        "avertissement_php": Fault(
            title="stores the booking, but a PHP warning takes the place of the 302",
            verdict=Verdict.UNCERTAIN,
            taken=True,
            operations=("reserver", "annuler"),
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Room:
    """A room: its hours, the length of its slots, and whether GRR lets the account book it."""

    opens: int = 9
    closes: int = 18
    step: timedelta = timedelta(minutes=30)
    open: bool = True
    quota: bool = False


ROOMS: Final[Mapping[int, Room]] = {
    7: Room(),
    8: Room(step=timedelta(hours=1)),
    9: Room(open=False),
    10: Room(quota=True),
}


@dataclass(slots=True)
class Booking:
    """One booking, as the form sent it."""

    room: int
    begin: datetime
    end: datetime
    name: str
    description: str
    who: str
    deleted: bool = False


class Sandbox(HttpSandbox):
    """A town's GRR.

    `language`: of its pages, that of the account. `bracketed`: whether refusals show their code. `stranger`:
    how it answers who has no session: its door, a page that offers to log in, or a redirect. `mine`: whether
    the account may delete bookings made for others. `shows_numbers`: whether plannings link to bookings.
    """

    menu = MENU

    def __init__(self) -> None:
        super().__init__()
        self.language, self.bracketed, self.stranger, self.mine = "fr", True, "door", True
        self.shows_numbers = True
        self.sessions: set[str] = set()
        self.log_ins = 0
        first = datetime(2030, 3, 6, 9, 0)  # noqa: DTZ001  # GRR's own time has no zone
        self.bookings = {
            SEEDED: Booking(7, first, first + timedelta(hours=2), "Mariage", "Référence 167046019-1", "Zoé MARTIN")
        }

    def settings(self) -> dict[str, Any]:
        """Say how a connector reaches this sandbox."""
        login, password = ACCOUNT
        return {"url": f"{self.url}/grr", "login": login, "password": password}

    def sample(self, operation: str) -> dict[str, Any]:
        """Give a message this operation accepts."""
        message: dict[str, Any] = orjson.loads((CONTRACT / "samples.json").read_bytes())[operation]
        return message

    async def is_delivery(self, request: web.Request) -> bool:
        """Tell a booking, a cancellation or a planning from what finds a booking again; sessions expire before."""
        delivery = request.query.get("p") in DELIVERIES
        if delivery and self._times and self._fault == "session_expiree":
            self._times -= 1
            self.sessions.clear()
            return False
        return delivery

    async def is_finding(self, request: web.Request) -> bool:
        """Tell the page of one booking; sessions expire before."""
        finding = request.query.get("p") == "vuereservation"
        if finding and self._finding == "session_expiree":
            self._finding = ""
            self.sessions.clear()
            return False
        return finding

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one page."""
        name = request.query.get("p", "login")
        if request.path != "/grr/app.php":
            return web.Response(status=404, text="Not Found")
        if name == "login":
            return await self.log_in(request)
        if request.cookies.get("GRR") not in self.sessions:
            return self._turn_away()
        return PAGES[name](self, request.query) if name in PAGES else page(pages.layout("", known=True))

    async def play(self, fault: str, request: web.Request, answer: web.Response | None) -> web.StreamResponse:
        """Play what only GRR does, or a fault common to all servers."""
        if refusal := REFUSALS.get(fault):
            code, language, _ = refusal
            return page(pages.refusal(code, language, bracketed=self.bracketed))
        if fault == "acces_refuse":
            return page(pages.denied(self.language))
        if play := PLAYS.get(fault):
            return await play()
        return await super().play(fault, request, answer)

    async def log_in(self, request: web.Request) -> web.Response:
        """Open a session, or show the door."""
        form = await request.post()
        if not form:
            return page(pages.door())
        if (form.get("login"), form.get("password")) != ACCOUNT:
            return page(pages.door(pages.WORDS[self.language]["failed"]))
        session = secrets.token_hex(13)
        self.sessions.add(session)
        self.log_ins += 1
        answer = web.Response(status=302, headers={"Location": "./app.php?p=semaine_all&area=2"})
        answer.headers.add("Set-Cookie", f"GRR={session}; path=/; HttpOnly; SameSite=Strict")
        return answer

    def book(self, form: Mapping[str, str]) -> web.Response:
        """Store a booking, or say why not."""
        room, booking = ROOMS.get(int(form.get("rooms[]", 0))), read_booking(form)
        for code, wrong in self._faults(form, room, booking):
            if wrong:
                return page(pages.refusal(code, self.language, bracketed=self.bracketed))
        if room is not None and room.quota:
            return web.Response(status=500)
        self.bookings[max(self.bookings) + 1] = booking
        found = KEY.search(booking.description)
        self.take(found[1] if found else "")
        return planning(booking)

    def delete(self, query: Mapping[str, str]) -> web.Response:
        """Delete a booking; one that is deleted already changes nothing, which GRR calls a denied access."""
        known = self.bookings.get(int(query["id"]))
        if known is None or known.deleted or not self.mine:
            return page(pages.denied(self.language))
        known.deleted = True
        self.take(query["id"])
        return planning(known)

    def view(self, query: Mapping[str, str]) -> web.Response:
        """Show a booking, always with status 200."""
        known = self.bookings.get(int(query["id"]))
        if known is None:
            return page(pages.NEVER_SAVED)
        return page(pages.DELETED if known.deleted else pages.booking(query["id"], known.name, known.description))

    def search(self, query: Mapping[str, str]) -> web.Response:
        """Show the report: bookings whose description has the text anywhere, in the days asked."""
        searched = query.get("texte[0]", "")
        if "is_posted" not in query:
            return page(pages.report(None, searched, self.language))
        first, last = read_date(query, "From"), read_date(query, "To")
        rows = [
            {
                "id": str(number),
                "room": f"Ressource {known.room}",
                "name": known.name,
                "description": known.description,
                "when": f"{known.begin:%H:%M:%S}",
                "who": known.who,
            }
            for number, known in self.bookings.items()
            if not known.deleted and searched in known.description and first <= known.begin.date() <= last
        ]
        return page(pages.report(rows, searched, self.language))

    def show_day(self, query: Mapping[str, str]) -> web.Response:
        """Show the planning of a room."""
        number = int(query["room"])
        day = datetime(int(query["year"]), int(query["month"]), int(query["day"]))  # noqa: DTZ001  # local
        return page(pages.day(number, self._rows(number, ROOMS[number], day), linked=self.shows_numbers))

    def _rows(self, number: int, room: Room, day: datetime) -> Iterator[tuple[datetime, timedelta, int, int]]:
        begin = day.replace(hour=room.opens)
        while begin < day.replace(hour=room.closes):
            end = begin + room.step
            held = [(key, known) for key, known in self.bookings.items() if overlaps(known, number, begin, end)]
            if held and held[0][1].begin < begin:
                yield begin, room.step, -1, 1
            elif held:
                key, known = held[0]
                yield begin, room.step, key, -(-(known.end - begin) // room.step)
            else:
                yield begin, room.step, 0, 1
            begin = end

    def _faults(self, form: Mapping[str, str], room: Room | None, booking: Booking) -> Iterator[tuple[str, bool]]:
        yield "required", not form.get("name", "").strip() or not form.get("benef_ext_nom", "").strip()
        yield "choose_a_room", room is None
        if room is None:
            return
        yield "booking_room_out", not room.open
        yield "booking_in_past", booking.begin < datetime.now()  # noqa: DTZ005  # GRR's own time has no zone
        late = booking.end > booking.begin.replace(hour=room.closes, minute=0)
        yield "error_heure_debut_fin", booking.begin.hour < room.opens or late
        held = (overlaps(known, booking.room, booking.begin, booking.end) for known in self.bookings.values())
        yield "conflit", any(held)

    def _turn_away(self) -> web.Response:
        return STRANGERS[self.stranger](self)


STRANGERS: Final[Mapping[str, Callable[[Sandbox], web.Response]]] = {
    "door": lambda _: page(pages.door()),
    "page": lambda grr: page(pages.refusal("booking_room_out", grr.language, bracketed=grr.bracketed, known=False)),
    "redirect": lambda _: web.Response(status=302, headers={"Location": "./logout.php?auto=1&url=app.php"}),
    "closed": lambda _: web.Response(status=302, headers={"Location": "./app.php?p=deconnexion&auto=1"}),
}
"""How GRR answers who has no session, by its settings and by the page."""

PAGES: Final[Mapping[str, Callable[[Sandbox, Mapping[str, str]], web.Response]]] = {
    "editentreetrt": Sandbox.book,
    "supreservation": Sandbox.delete,
    "vuereservation": Sandbox.view,
    "report": Sandbox.search,
    "jour": Sandbox.show_day,
}

HTML: Final = "text/html; charset=utf-8"

PLAYS: Final[Mapping[str, Callable[[], Awaitable[web.Response]]]] = {
    "quota": always(500, Content_Type=HTML),
    "quota_visible": always(500, b"<b>Fatal error</b>: Uncaught TypeError in " + QUOTA + b"()", Content_Type=HTML),
    "avertissement_php": always(200, b"<b>Warning</b>: Cannot modify header information", Content_Type=HTML),
}


def page(text: str) -> web.Response:
    """Answer a page."""
    return web.Response(text=text, content_type="text/html", charset="utf-8")


def planning(booking: Booking) -> web.Response:
    """Send the browser to the planning of a booking's day; its number is nowhere in it."""
    day = booking.begin
    where = f"app.php?p=jour&year={day.year}&month={day.month}&day={day.day}&area=2&room={booking.room}"
    return web.Response(status=302, headers={"Location": where})


def read_booking(form: Mapping[str, str]) -> Booking:
    """Read the form of a booking."""
    begin, end = (datetime.fromisoformat(f"{read_date(form, name)}T{form[f'{name}_']}") for name in ("start", "end"))
    who = f"{form.get('benef_ext_nom')}|{form.get('benef_ext_email')}"
    return Booking(int(form.get("rooms[]", 0)), begin, end, form.get("name", "")[:80], form["description"], who)


def read_date(form: Mapping[str, str], name: str) -> date:
    """Read a day in the three fields of a form."""
    return date(int(form[f"{name}_year"]), int(form[f"{name}_month"]), int(form[f"{name}_day"]))


def overlaps(booking: Booking, room: int, begin: datetime, end: datetime) -> bool:
    """Say whether a booking takes any of a room's time."""
    return booking.room == room and not booking.deleted and booking.begin < end and booking.end > begin
