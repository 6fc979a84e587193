"""What is said to PayFiP, what its answers mean, and when its silence means something; no I/O.

Times: the page of an idop opens for 15 minutes, and what began on it may end later. Nothing here reads a
clock: an age is given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal
from urllib.parse import parse_qsl, urlencode

from pydantic import Field, HttpUrl, UrlConstraints

from connectors._transport.http import HttpSettings
from connectors._transport.xml import UNREADABLE
from hub.calendar import PARIS
from hub.connector import Call, Receipt
from hub.errors import UncertainError
from hub.model import Duration

ShortUrl = Annotated[HttpUrl, UrlConstraints(max_length=249, allowed_schemes=["http", "https"])]
IDOP: Final = re.compile(r"[A-Za-z0-9-]{1,64}")

WAITING: Final = "en_attente"
PAID: Final = "paye"

RESULTS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "P": (PAID, "carte"),
        "V": (PAID, "prelevement"),
        "R": ("refuse", "carte"),
        "Z": ("refuse", "prelevement"),
        "A": ("abandonne", ""),
    }
)
"""`resultrans` → where the payment stands, and by what means."""

SILENCES: Final[Mapping[str, str]] = MappingProxyType({"P5": "expire", "P4": "expire", "P1": "purge"})
"""Codes that tell of no result yet → what they mean once none can come any more."""

THERE: Final = frozenset({"P4", "P5"})
"""Codes by which PayFiP speaks of a payment that it has. P1 says neither that nor the opposite."""

KEPT: Final = ("refdet", "exer", "saisie", "numauto")
"""What an answer's details repeat as it is; the payer's address is left out."""


class Settings(HttpSettings):
    """How a town reaches PayFiP, and as whom.

    `url` is the SOAP service, `page` where payers go. `saisie`: T test, X activation, W production; it has no
    default, so that nobody charges anybody by omission. `urlnotif` is the hub's door for PayFiP.
    `vie_idop`: how long the page of an idop opens. `abandon_apres`: the age at which a payment that was given
    up cannot be taken up again. `issue_apres`: the age at which no result is awaited any more.
    """

    numcli: Annotated[str, Field(pattern=r"^[0-9]{6}$")]
    saisie: Literal["T", "X", "W"]
    urlnotif: ShortUrl
    urlredirect: ShortUrl
    page: HttpUrl = HttpUrl("https://www.payfip.gouv.fr/tpa/paiementws.web")
    vie_idop: Duration = timedelta(minutes=15)
    abandon_apres: Duration = timedelta(minutes=30)
    issue_apres: Duration = timedelta(minutes=120)


@dataclass(frozen=True, slots=True)
class Asked:
    """A payment that is asked about: its idop, and how old that is."""

    idop: str
    age: timedelta


def read_asked(fields: Mapping[str, Any], now: datetime) -> Asked:
    """Read which payment is meant, from fields that keep the contract of `suivre_paiement`."""
    return Asked(fields["idop"], now - datetime.fromisoformat(fields["cree_a"]))


def write_payment(fields: Mapping[str, Any], settings: Settings, now: datetime) -> dict[str, Any]:
    """Write a `creerPaiementSecurise`; the exercise is the year in Paris unless the mapping names one."""
    payment = {
        "exer": fields.get("exer", str(now.astimezone(PARIS).year)),
        "mel": fields["mel"],
        "montant": str(fields["montant"]),
        "numcli": settings.numcli,
        "objet": fields["objet"],
        "refdet": fields["refdet"],
        "saisie": settings.saisie,
        "urlnotif": str(settings.urlnotif),
        "urlredirect": fields.get("urlredirect", str(settings.urlredirect)),
    }
    return {"arg0": payment}


def read_created(answer: Any, settings: Settings, now: datetime) -> Receipt:
    """Read the idop, `now` being when it came: later than its birth, so that no age is overrated."""
    if not isinstance(answer, str) or not IDOP.fullmatch(answer):
        raise UncertainError(UNREADABLE)
    details = {
        "idop": answer,
        "url_paiement": f"{settings.page}?{urlencode({'idop': answer})}",
        "cree_a": now.isoformat(timespec="seconds"),
        "expire_a": (now + settings.vie_idop).isoformat(timespec="seconds"),
    }
    return Receipt(answer, details)


def read_result(answer: Any, asked: Asked, settings: Settings) -> Receipt:
    """Read a payment's result; raises UncertainError when it is another's, or in letters that we do not know.

    One that was given up may still be taken up again while its page opens, and until what began there ends.
    """
    match answer:
        case {"idOp": str(idop), "numcli": str(numcli)} if (idop, numcli) != (asked.idop, settings.numcli):
            raise UncertainError("another_payment")
        case {"idOp": str(), "numcli": str(), "resultrans": str(letter), "montant": str(cents)} if letter in RESULTS:
            state, means = RESULTS[letter]
        case _:
            raise UncertainError(UNREADABLE)
    if not re.fullmatch(r"[0-9]{1,11}", cents):
        raise UncertainError(UNREADABLE)
    if letter == "A" and asked.age < settings.abandon_apres:
        state = WAITING
    details = {"etat": state, "idop": asked.idop, "resultrans": letter, "moyen": means, "montant": int(cents)}
    details |= {name: answer.get(name) for name in KEPT} | read_moment(answer)
    return Receipt(asked.idop, {name: value for name, value in details.items() if value not in {"", None}})


def read_moment(answer: Mapping[str, Any]) -> dict[str, str]:
    """Read when it was paid, ddMMyyyy and HHmm; a moment that cannot be read takes nothing from the result."""
    try:
        moment = datetime.strptime(f"{answer['dattrans']} {answer['heurtrans']}", "%d%m%Y %H%M").replace(tzinfo=PARIS)
    except ValueError:
        return {}
    return {"dattrans": f"{moment:%Y-%m-%d}", "heurtrans": f"{moment:%H:%M}"}


def read_silence(code: str, asked: Asked, settings: Settings) -> Receipt | None:
    """Read what a code means that tells of no result; None when it is another code.

    An operation that PayFiP does not know (P1) may be one that it does not know *yet*: it waits like the others.
    """
    if code not in SILENCES:
        return None
    state = WAITING if asked.age < settings.issue_apres else SILENCES[code]
    return Receipt(asked.idop, {"etat": state, "idop": asked.idop})


def read_client(answer: Any, settings: Settings) -> Receipt:
    """Read how PayFiP names our office; raises UncertainError when it answers for another."""
    match answer:
        case {"numcli": str(numcli)} if numcli == settings.numcli:
            labels = (answer.get(f"libelleN{level}") for level in (1, 2, 3))
            return Receipt(numcli, {"numcli": numcli, "libelle": [label for label in labels if label]})
        case _:
            raise UncertainError(UNREADABLE)


def read_notification(call: Call) -> str:
    """Find the idop in a call of PayFiP, in its query or its form, written `idop` or `idOp`; empty without one."""
    form = parse_qsl(call.body.decode("ascii", "replace"))
    found = (value for name, value in (*call.query.items(), *form) if name.lower() == "idop")
    return next((value for value in found if IDOP.fullmatch(value)), "")
