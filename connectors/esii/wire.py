"""How eSirius is spoken to and what its answers mean; no I/O.

Its lists may come as JSON, as JSON in a string, or as JSON in the one string of a list: all three were seen by
its one public client. A booking is answered by the bare code of the appointment, or by nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from connectors._transport.http import Answer, check_not_page, check_status
from connectors.esii.rendezvous import Annuler, Creneaux, Deplacer, Reserver, Services
from hub.errors import UncertainError
from hub.manifest import ErrorTable
from hub.model import Frozen, Verdict

JSON: Final = {
    "Accept": "application/json; charset=utf-8",
    "Content-Type": "application/json; charset=utf-8",
}
SLOT_FORMAT: Final = "%Y%m%d %Hh%M"
"""How availabilities write a moment: `20261125 10h00`."""

CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
LAYERS: Final = 3
"""How deep a list may be wrapped in strings and lists of one string."""

UNREADABLE: Final = "unreadable"
LOST: Final = "creneau_pris"
UNKNOWN: Final = "rdv_inconnu"
LIKELY_A_PROXY: Final = 408
"""The one 4xx that may come after the message was passed on."""

USER: Final = (
    "idSys", "personalIdentity", "fixPhone", "additionalPersonalIdentity", "lastName", "civility", "firstName",
    "birthday", "email", "phone", "address",
)  # fmt: skip
"""What an update repeats of a user, by the only client that is public."""

KEPT: Final[Mapping[str, Any]] = {
    "idSys": None,
    "codeRDV": None,
    "comment": "",
    "needsConfirmation": False,
    "rdvChannel": "EAPP0",
    "siteIdSys": None,
    "serviceId": None,
    "siteCode": None,
    "motives": [],
}
"""What an update repeats of the appointment, and what stands for each when it is missing."""


def path_of(message: Frozen) -> str:
    """Say what a message asks for, below the interface's own address."""
    match message:
        case Services(site=site):
            return f"sites/{site}/listServices"
        case Creneaux():
            return (
                f"sites/{message.site}/services/{message.service}/plannings"
                f"/begins/{message.debut}/periods/{message.jours}/availabilities"
            )
        case Reserver() | Deplacer():
            return "appointments"
        case Annuler(codeRDV=code):
            return f"appointments/{code}"
        case _:
            return "sites"


def write_booking(message: Reserver, key: str) -> bytes:
    """Write an appointment to take; our key is the user's `personalIdentity`."""
    booking = message.model_dump(mode="json", exclude_none=True)
    booking["user"]["personalIdentity"] = key
    return orjson.dumps(booking | {"resources": write_resource(booking["resources"])})


def write_move(message: Deplacer, appointment: Mapping[str, Any]) -> bytes:
    """Write the whole appointment again, at its new slot: eSirius knows no partial update."""
    moved = message.model_dump(mode="json", exclude_none=True)
    known = appointment.get("user") or {}
    kept = {name: appointment.get(name) or default for name, default in KEPT.items()}
    user = {name: known[name] for name in USER if name in known}
    return orjson.dumps(kept | {"user": user} | moved | {"resources": write_resource(moved["resources"])})


def write_resource(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Write the desk of a slot, with the empty `station` its client sends."""
    return {**resource, "station": {}}


def check(answer: Answer, errors: ErrorTable, unavailable: frozenset[int]) -> Answer:
    """Let a 2xx through that no page can be; raises what any other answer means."""
    check_status(answer, unavailable=unavailable)
    if 400 <= answer.status < 500 and answer.status != LIKELY_A_PROXY:
        raise errors.failure(f"http_{answer.status}", otherwise=Verdict.REFUSED)
    if not 200 <= answer.status < 300:
        raise UncertainError(UNREADABLE)
    return check_not_page(answer)


def read_code(answer: Answer, errors: ErrorTable) -> str:
    """Read the code of an appointment that was taken; no code means that its slot is gone."""
    said = text_of(answer)
    if not said:
        raise errors.failure(LOST)
    if not CODE.fullmatch(said):
        raise UncertainError(UNREADABLE)
    return said


def check_moved(answer: Answer) -> None:
    """Read the answer of an update, which proves nothing by itself: nothing, a code, or the appointment."""
    said = text_of(answer)
    if said and not CODE.fullmatch(said):
        read_appointment(answer)


def check_cancelled(answer: Answer) -> None:
    """Read the answer of a cancellation: nothing at all."""
    if answer.body.strip():
        raise UncertainError(UNREADABLE)


def is_gone(answer: Answer) -> bool:
    """Tell a 404 of eSirius itself, so that cancelling twice is cancelling, from one of whoever stands before it."""
    return answer.status == 404 and not answer.headers.get("content-type", "").startswith("text/html")


def read_appointment(answer: Answer) -> Mapping[str, Any]:
    """Read one appointment."""
    match decode(answer.body):
        case dict(appointment):
            return appointment
        case [dict(appointment)]:
            return appointment
        case _:
            raise UncertainError(UNREADABLE)


def check_coded(answer: Answer, code: str) -> None:
    """See that an appointment is the one of that code; raises UncertainError when it does not say so."""
    match read_appointment(answer):
        case {"codeRDV": str(known)} if known == code:
            return
        case _:
            raise UncertainError("another_appointment")


def stands_at(appointment: Mapping[str, Any], message: Deplacer) -> bool:
    """Say whether an appointment stands at the slot asked for; raises UncertainError when it does not say where."""
    match appointment:
        case {"beginDate": str(day), "beginTime": str(time)}:
            found = day[:10], time.replace("h", ":")[:5]
        case {"beginDateTime": str(moment)}:
            iso = read_moment(moment)
            found = iso[:10], iso[11:16]
        case _:
            raise UncertainError(UNREADABLE)
    return found == (message.beginDate.isoformat(), message.beginTime)


def read_sites(listed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Read the sites: a code, and a name where there is one."""
    return {"sites": [{"code": text(site, "code"), "nom": str(site.get("name") or "")} for site in listed]}


def read_services(listed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Read the services of a site; `disponible` says whether any slot of it is free."""
    return {
        "services": [
            {
                "cle": text(service, "key"),
                "nom": str(service.get("name") or ""),
                "disponible": service.get("existAvailabilities") is True,
            }
            for service in listed
        ]
    }


def read_slots(listed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Read the free slots, soonest first, each with the desk that a booking must name."""
    slots = [read_slot(slot) for slot in listed]
    return {"creneaux": sorted(slots, key=lambda slot: (slot["debut"], slot["ressource"]["key"]))}


def read_slot(slot: Mapping[str, Any]) -> dict[str, Any]:
    """Read one free slot; raises UncertainError when a booking could not be made of it."""
    match slot:
        case {"beginDateTime": str(begin), "endDateTime": str(end), "resource": {"id": int(number)} as resource}:
            return {
                "debut": read_moment(begin),
                "fin": read_moment(end),
                "ressource": {
                    "id": number,
                    "key": text(resource, "key"),
                    "name": str(resource.get("name") or ""),
                    "type": str(resource.get("type") or "STATION"),
                },
            }
        case _:
            raise UncertainError(UNREADABLE)


def read_moment(said: str) -> str:
    """Read `20261125 10h00` as `2026-11-25T10:00:00`, local as it was."""
    try:
        return datetime.strptime(said, SLOT_FORMAT).isoformat()  # noqa: DTZ007  # eSirius has no zone
    except ValueError:
        raise UncertainError(UNREADABLE) from None


def read_list(answer: Answer) -> list[Mapping[str, Any]]:
    """Read a list of objects, however it is wrapped."""
    listed = decode(answer.body)
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise UncertainError(UNREADABLE)
    return listed


def decode(body: bytes) -> Any:
    """Read JSON, and the JSON that it may hold as its only string."""
    value: Any = body
    try:
        for _ in range(LAYERS):
            match value:
                case bytes() | str():
                    value = orjson.loads(value)
                case [str(inner)]:
                    value = orjson.loads(inner)
    except orjson.JSONDecodeError:
        raise UncertainError(UNREADABLE) from None
    return value


def text(holder: Mapping[str, Any], name: str) -> str:
    """Read what must be there, a word or a number; raises UncertainError."""
    value = holder.get(name)
    if not isinstance(value, str | int) or value == "":
        raise UncertainError(UNREADABLE)
    return str(value)


def text_of(answer: Answer) -> str:
    """Read a text body, with or without the quotes of a JSON string."""
    try:
        return answer.body.decode("utf-8").strip().strip('"').strip()
    except UnicodeDecodeError:
        raise UncertainError(UNREADABLE) from None
