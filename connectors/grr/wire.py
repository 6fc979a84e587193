"""How GRR's forms are filled in and what its pages mean; no I/O.

GRR answers pages meant for people: a booking that was stored sends the browser to the planning (302), any other
comes back as a page (200), in the language of the account.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from connectors._transport.http import Answer, check_status
from connectors._transport.xml import Element
from connectors.grr.page import UNREADABLE, entry_of, parse, words
from connectors.grr.reservation import Reserver
from hub.errors import DeliveryError, RefusedError, UncertainError
from hub.manifest import UNMAPPED, ErrorTable
from hub.model import Verdict

APP: Final = "app.php"
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
LIKELY_A_PROXY: Final = 408
"""The one 4xx that may come after the request was passed on."""

PLANNINGS: Final = frozenset({"jour", "semaine", "mois", "semaine_all", "mois_all", "mois2_all", "annee", "annee_all"})
"""The pages GRR sends a browser to once something is done."""

LOG_IN: Final = re.compile(r"(?:^|/)login\.php|[?&]p=login\b")
LOG_OUT: Final = re.compile(r"(?:^|/)logout\.php|[?&]p=deconnexion\b|compte/compte\.php")
"""Links that only someone who is logged in is shown; where GRR sends a browser whose session has expired."""

CHANGE_PASSWORD: Final = "changemdp"  # noqa: S105  # a page
QUOTA: Final = b"showAccessDeniedMaxBookings"
"""What a PHP error says, where PHP shows its errors, of the function that GRR 4.6.3 fails in for a quota."""

NUMBER: Final = re.compile("[1-9][0-9]{0,9}")
"""How GRR numbers bookings."""

GONE: Final = re.compile(r"réservation inexistante ou supprimée", re.IGNORECASE)
NEVER: Final = re.compile(r"pas de réservation sauvegardée", re.IGNORECASE)
"""What the page of a booking says, whatever the language, of one that was cancelled, of one that never was."""

LOOK_AROUND: Final = timedelta(days=400)
"""How far from its day a booking is looked for by our key."""


def write_log_in(login: str, password: str) -> bytes:
    """Fill in the form that opens a session."""
    return urlencode({"login": login, "password": password}).encode()


def write_booking(booking: Reserver, key: str, login: str) -> str:
    """Fill in the form of a booking; our key comes first in its description."""
    description = f"Référence {key}\n{booking.description}".strip()
    fields = {
        "p": "editentreetrt",
        "name": booking.nom,
        "description": description,
        **write_date("start", booking.begin),
        "start_": f"{booking.begin:%H:%M}",
        **write_date("end", booking.end),
        "end_": f"{booking.end:%H:%M}",
        "type": booking.type,
        "rooms[]": booking.ressource,
        "type_affichage_reser": 1,
        "beneficiaire": 0,
        "benef_ext_nom": booking.beneficiaire.nom,
        "benef_ext_email": booking.beneficiaire.courriel or "",
        "rep_type": 0,
        "statut_entry": "-",
        "option_reservation": -1,
        "create_by": login,
        "page": "jour",
        "room_back": 0,
        **{f"addon_{number}": value for number, value in booking.champs.items()},
    }
    return f"{APP}?{urlencode(fields)}"


def write_date(name: str, day: date) -> dict[str, int]:
    """Write a day as the three fields of a form."""
    return {f"{name}_day": day.day, f"{name}_month": day.month, f"{name}_year": day.year}


def write_search(key: str, around: date) -> str:
    """Fill in the report's form: bookings whose description has our key."""
    fields = {
        "p": "report",
        "is_posted": 1,
        **write_date("From", around - LOOK_AROUND),
        **write_date("To", around + LOOK_AROUND),
        "champ[0]": "descr",
        "type_recherche[0]": 1,
        "texte[0]": key,
        "condition_et_ou": "AND",
        "summarize": 1,
        "sumby": 1,
        "sortby": "r",
    }
    return f"{APP}?{urlencode(fields)}"


def write_day(room: int, day: date) -> str:
    """Ask for a room's planning of a day."""
    return f"{APP}?{urlencode({'p': 'jour', 'year': day.year, 'month': day.month, 'day': day.day, 'room': room})}"


def write_cancellation(number: int) -> str:
    """Ask for a booking to be deleted."""
    return f"{APP}?{urlencode({'p': 'supreservation', 'id': number, 'page': 'jour'})}"


def write_view(number: int | str) -> str:
    """Ask for the page of one booking."""
    return f"{APP}?{urlencode({'p': 'vuereservation', 'id': number, 'mode': 'page'})}"


def is_planning(answer: Answer) -> bool:
    """Say whether an answer sends the browser to a planning: what was asked is done."""
    if answer.status != 302:
        return False
    location = urlsplit(answer.headers.get("location", ""))
    return location.path.endswith(APP) and parse_qs(location.query).get("p", [""])[0] in PLANNINGS


def is_stranger(answer: Answer) -> bool:
    """Say whether GRR does not know who asks: it sends to its door, shows it, or offers to log in.

    A stranger's booking is refused as any other is, for want of rights: only the page around it tells.
    """
    if answer.status in {301, 302, 303, 307}:
        location = answer.headers.get("location", "")
        return not is_planning(answer) and bool(LOG_IN.search(location) or LOG_OUT.search(location))
    page = parse(answer) if answer.status == 200 else None
    if page is None:
        return False
    links = [link.get("href", "") for link in page.iter("a")]
    asks = page.find(".//input[@type='password']") is not None and page.find(".//input[@name='login']") is not None
    return asks or (any(map(LOG_IN.search, links)) and not any(map(LOG_OUT.search, links)))


def check_logged_in(answer: Answer, errors: ErrorTable) -> None:
    """Read what the form of the door answers: the way to the home page that the town has chosen, or the form again."""
    check_status(answer)
    if CHANGE_PASSWORD in answer.headers.get("location", ""):
        raise errors.failure("mot_de_passe_a_changer")
    if is_stranger(answer):
        raise errors.failure("connexion_refusee")
    if answer.status != 302:
        raise UncertainError(UNREADABLE)


def check_done(answer: Answer, errors: ErrorTable, unavailable: frozenset[int]) -> None:
    """Let through what sends the browser to a planning; raises what any other answer means."""
    if is_planning(answer):
        return
    if answer.status == 500 and QUOTA in answer.body:
        raise errors.failure("quota")
    raise failure(check_readable(answer, errors, unavailable), errors)


def check_readable(answer: Answer, errors: ErrorTable, unavailable: frozenset[int]) -> Answer:
    """Let a page through, whatever it says."""
    check_status(answer, unavailable=unavailable)
    if 400 <= answer.status < 500 and answer.status != LIKELY_A_PROXY:
        raise errors.failure(f"http_{answer.status}", otherwise=Verdict.REFUSED)
    if answer.status != 200:
        raise UncertainError("redirect" if 300 <= answer.status < 400 else UNREADABLE)
    return answer


def failure(answer: Answer, errors: ErrorTable) -> DeliveryError:
    """Make the error a page stands for: by GRR's own code, then by its titles; any other page leaves a doubt."""
    page = parse(answer)
    if page is None:
        return UncertainError(UNREADABLE)
    for said in (*codes_of(page), *titles_of(page)):
        if errors.find(said):
            return errors.failure(said)
    back_to_the_form = page.find(".//form//input[@name='p'][@value='editentree']") is not None
    return RefusedError(UNMAPPED) if back_to_the_form else UncertainError(UNREADABLE)


def codes_of(page: Element) -> Iterator[str]:
    """Find the code that GRR 4.6 writes in brackets under the title of a refusal."""
    for small in page.iter("small"):
        if found := re.fullmatch(r"\(([a-z0-9_]{3,60})\)", words(small)):
            yield found[1]


def titles_of(page: Element) -> Iterator[str]:
    """Find the titles of a page."""
    yield from (words(title) for title in page.iter("h1", "h2", "h3") if words(title))


def find_number(answer: Answer, key: str) -> str | None:
    """Read the report: the number of the booking whose description has our key, None when it says that none has.

    The report is recognised by its form, which shows our key too: only the rows of its table count. The key
    must stand alone, for the report searches any part of a word.
    """
    page = parse(answer)
    if page is None or page.find(".//form[@id='frmReport']") is None:
        raise UncertainError(UNREADABLE)
    alone = re.compile(rf"(?<![\d-]){re.escape(key)}(?![\d-])")
    rows = page.findall(".//table[@id='example']/tbody/tr")
    numbers = {entry_of(row) for row in rows if alone.search(words(row))}
    if len(numbers) > 1 or "" in numbers or (not rows and not says_so(page)):
        raise UncertainError(UNREADABLE)
    return numbers.pop() if numbers else None


def says_so(page: Element) -> bool:
    """Say whether a report that lists nothing was asked, which its one line in bold tells."""
    return bool(page.xpath(".//form[@id='frmReport']/following::p/b"))


def check_report(answer: Answer) -> None:
    """See that the account may search: without it nothing is found again."""
    page = parse(answer)
    if page is None or page.find(".//form[@id='frmReport']") is None:
        raise UncertainError("report_closed")


def read_exists(answer: Answer, number: str) -> bool:
    """Read the page of a booking: it is shown, or GRR says in its own words that there is none.

    One that is shown is told by the form that GRR puts below it, before any words are read: those of a booking are a
    citizen's, and may be the same.
    """
    page = parse(answer)
    if page is None:
        raise UncertainError(UNREADABLE)
    if any(shows(form, number) for form in page.iter("form")):
        return True
    said = words(page)
    if page.find(".//legend") is not None or not (GONE.search(said) or NEVER.search(said)):
        raise UncertainError(UNREADABLE)
    return False


def shows(form: Element, number: str) -> bool:
    """Say whether a form is the one that GRR puts below the booking of that number."""
    sent = {one.get("name"): one.get("value") for one in form.iter("input")}
    return sent.get("p") == "vuereservation" and sent.get("id") == number


def check_gone(answer: Answer, errors: ErrorTable) -> None:
    """Read the page of a booking that could not be deleted: it was deleted already, never was, or stays."""
    page = parse(answer)
    said = "" if page is None else words(page)
    if NEVER.search(said):
        raise errors.failure("inconnue")
    if not GONE.search(said):
        raise errors.failure("accessdenied")
