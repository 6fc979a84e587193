"""Logitud's stand-in: it reads SOAP against the schema, remembers requests, and refuses as a registry would."""

from __future__ import annotations

import hashlib
import re
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import orjson
from aiohttp import web
from lxml import etree

from connectors._transport.sandbox import COMMON, HttpSandbox
from connectors._transport.soap import BODY, CONTENT_TYPE, ENVELOPE
from connectors._transport.xml import Element
from connectors.logitud.wire import KNOWN, TYPES, UNKNOWN
from hub.connector import Fault
from hub.model import Verdict

CONTRACT: Final = Path(__file__).parent / "contract"
NS: Final = "urn:hypothese:logitud:etatcivil:1"
SCHEMA: Final = etree.XMLSchema(file=str(CONTRACT / "etatcivil.xsd"))
ACCOUNT: Final = ("hub", "bac-a-sable")
AUTHORIZATION: Final = f"Basic {b64encode(':'.join(ACCOUNT).encode()).decode()}"
OK: Final = "OK"

CATALOGUE: Final[Mapping[str, tuple[str, Verdict, str]]] = MappingProxyType(
    {
        KNOWN: ("WARN", Verdict.ACCEPTED, "Référence externe déjà connue"),
        "RESERVE": ("WARN", Verdict.ACCEPTED, "Demande enregistrée, pièce à présenter au guichet"),
        "REJET-SERVICE": ("WARN", Verdict.REFUSED, "Demande transmise, rejetée par le service"),
        "ACTE-INTROUVABLE": ("ERROR", Verdict.REFUSED, "Aucun acte ne correspond"),
        "DEMANDEUR-NON-HABILITE": ("ERROR", Verdict.REFUSED, "Demandeur non habilité pour cette nature"),
        "HORS-COMMUNE": ("ERROR", Verdict.REFUSED, "Acte hors des registres de la commune"),
        "NATURE-IMPOSSIBLE": ("ERROR", Verdict.REFUSED, "Nature impossible pour cet acte"),
        "DOMICILE-INVALIDE": ("ERROR", Verdict.REFUSED, "Justificatif de domicile non recevable"),
        "IDENTITE-INVALIDE": ("ERROR", Verdict.REFUSED, "Pièce d'identité non recevable"),
        "PIECE-ALTEREE": ("ERROR", Verdict.REFUSED, "Pièce jointe différente de son empreinte"),
        "REGISTRE-VERROUILLE": ("ERROR", Verdict.TRANSIENT, "Registre verrouillé"),
        "MAINTENANCE-NOCTURNE": ("FATAL", Verdict.TRANSIENT, "Maintenance nocturne"),
        "FATAL": ("FATAL", Verdict.UNCERTAIN, "Erreur interne"),
    }
)
"""Every code its messages may bear on a delivery: severity, what it really means, words."""

SOAP_FAULTS: Final = ("XML-INVALIDE", "AUTHENTIFICATION")
"""Every code of its SOAP faults."""

CODES: Final[Mapping[str, str]] = {code.lower().replace("-", "_"): code for code in CATALOGUE}
"""Names in the fault menu → codes of the catalogue."""

MENU: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        **COMMON,
        **{
            name: Fault(title=words, verdict=verdict, taken=verdict in {Verdict.ACCEPTED, Verdict.UNCERTAIN})
            for name, (_, verdict, words) in zip(CODES, CATALOGUE.values(), strict=True)
        },
        "fault_client": Fault(title="answers a fault that blames the message", verdict=Verdict.REFUSED),
        "fault_server": Fault(title="treats the message, answers a fault", verdict=Verdict.UNCERTAIN, taken=True),
        "unknown_account": Fault(title="does not know the account", verdict=Verdict.TRANSIENT),
        "wrong_encoding": Fault(
            title="treats the message, answers in an undeclared encoding", verdict=Verdict.UNCERTAIN, taken=True
        ),
        "empty_body": Fault(title="treats the message, answers an empty Body", verdict=Verdict.UNCERTAIN, taken=True),
        "no_number": Fault(title="treats the message, forgets its number", verdict=Verdict.UNCERTAIN, taken=True),
    }
)


@dataclass(frozen=True, slots=True)
class Known:
    """A request that was taken; `at` is on the monotonic clock."""

    number: str
    at: float
    sketch: Mapping[str, str]


class Sandbox(HttpSandbox):
    """A registry office behind SOAP.

    `visible_after`: seconds before a request that was taken shows, to a search and to the check for
    references already known. `states`: where each request number stands, for a test to change.
    """

    menu = MENU

    def __init__(self) -> None:
        super().__init__()
        self.visible_after = 0.0
        self.states = {"EC00000000": "DELIVREE"}
        self._known: dict[str, Known] = {}

    def settings(self) -> dict[str, Any]:
        """Say how a connector reaches this sandbox."""
        username, password = ACCOUNT
        return {"url": f"{self.url}/etatcivil", "username": username, "password": password}

    def sample(self, operation: str) -> dict[str, Any]:
        """Give a message this operation accepts."""
        message: dict[str, Any] = orjson.loads((CONTRACT / "samples.json").read_bytes())[operation]
        return message

    async def is_delivery(self, request: web.Request) -> bool:
        """Tell a request for a certificate from a question."""
        return "#DemanderActe" in request.headers.get("SOAPAction", "")

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one SOAP call."""
        if request.headers.get("Authorization") != AUTHORIZATION:
            return blame("AUTHENTIFICATION", status=401)
        body = read_body(await request.read())
        if body is None or not SCHEMA.validate(body):
            return blame("XML-INVALIDE")
        return SERVES[etree.QName(body).localname](self, body)

    async def play(self, fault: str, request: web.Request, answer: web.Response | None) -> web.StreamResponse:
        """Play a code of the catalogue, a fault of SOAP, or one of those common to all servers."""
        if code := CODES.get(fault):
            number = re.search(r"EC\d{8}", answer.text or "") if answer else None
            accepted = CATALOGUE[code][1] is Verdict.ACCEPTED
            return reply("DemanderActe", code, NumeroDemande=number[0] if number and accepted else None)
        if fault in PLAYS:
            return PLAYS[fault]()
        return await super().play(fault, request, answer)

    def ask(self, body: Element) -> web.Response:
        """Take a request, unless its reference already shows or one of its files was altered."""
        key = text(body, "ReferenceExterne")
        if known := self._find(key):
            return reply("DemanderActe", KNOWN, NumeroDemande=known.number)
        if any(is_altered(piece) for piece in body.iterfind("{*}PieceJointe")):
            return reply("DemanderActe", "PIECE-ALTEREE")
        number = f"EC{len(self.states):08d}"
        self.states[number] = "RECUE"
        self._known[key] = Known(number, time.monotonic(), sketch_of(body[1]))
        self.take(key)
        return reply("DemanderActe", OK, NumeroDemande=number)

    def search(self, body: Element) -> web.Response:
        """Look for a request by its reference."""
        key = text(body, "ReferenceExterne")
        known = self._find(key)
        if known is None:
            return reply("RechercherDemande", UNKNOWN)
        found = {"NumeroDemande": known.number, "ReferenceExterne": key, **known.sketch}
        return reply("RechercherDemande", OK, Demande={**found, "Etat": self.states[known.number]})

    def tell_state(self, body: Element) -> web.Response:
        """Say where a request stands."""
        state = self.states.get(text(body, "NumeroDemande"))
        return reply("EtatDemande", OK if state else UNKNOWN, Etat=state)

    def tell_version(self, _: Element) -> web.Response:
        """Say that it is up."""
        return reply("Version", OK, Numero="1.0")

    def _find(self, key: str) -> Known | None:
        known = self._known.get(key)
        return known if known and time.monotonic() - known.at >= self.visible_after else None


SERVES: Final[Mapping[str, Callable[[Sandbox, Element], web.Response]]] = {
    "DemanderActe": Sandbox.ask,
    "RechercherDemande": Sandbox.search,
    "EtatDemande": Sandbox.tell_state,
    "Version": Sandbox.tell_version,
}


def read_body(message: bytes) -> Element | None:
    """Find what a message asks; files make it larger than what we accept as an answer."""
    try:
        root = etree.fromstring(message, etree.XMLParser(resolve_entities=False, huge_tree=True))
    except etree.XMLSyntaxError:
        return None
    body = root.find(f"{BODY}/*")
    return body if body is not None and etree.QName(body).localname in SERVES else None


def text(parent: Element, name: str) -> str:
    """Read the text of a child."""
    return parent.findtext(f"{{*}}{name}", "")


def sketch_of(act: Element) -> dict[str, str]:
    """Keep of an act what a search tells of it."""
    return {
        "TypeActe": TYPES[etree.QName(act).localname],
        "NomTitulaire": act.findtext("{*}Titulaire/{*}Nom", ""),
        "PrenomsTitulaire": act.findtext("{*}Titulaire/{*}Prenoms", ""),
        "NombreExemplaires": text(act, "NombreExemplaires"),
    }


def is_altered(piece: Element) -> bool:
    """Tell whether a file differs from its announced size or digest."""
    content = b64decode(text(piece, "Contenu"))
    announced = (int(text(piece, "Taille")), text(piece, "Empreinte"))
    return (len(content), hashlib.sha256(content).hexdigest()) != announced


def reply(operation: str, code: str, **parts: Any) -> web.Response:
    """Answer an operation with a message of the catalogue and the parts that are not None."""
    severity, _, words = CATALOGUE.get(code, ("INFO", Verdict.ACCEPTED, code.capitalize()))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    message = {"code": code, "description": words, "date": now, "severity": severity}
    return envelope(write(f"{{{NS}}}{operation}Reponse", {"Message": message, **parts}))


def blame(code: str, *, party: str = "Client", status: int = 500) -> web.Response:
    """Answer a SOAP fault."""
    fault = etree.Element(f"{{{ENVELOPE}}}Fault")
    etree.SubElement(fault, "faultcode").text = f"soap-env:{party}"
    etree.SubElement(fault, "faultstring").text = "Erreur"
    detail = etree.SubElement(fault, "detail")
    detail.append(write(f"{{{NS}}}Erreur", {"code": code, "description": code.capitalize()}))
    return envelope(fault, status=status)


def write(tag: str, content: Any) -> Element:
    """Write an element of the schema's namespace, its children in the order given."""
    element = etree.Element(tag)
    if isinstance(content, Mapping):
        element.extend(write(f"{{{NS}}}{name}", part) for name, part in content.items() if part is not None)
    else:
        element.text = str(content)
    return element


def envelope(body: Element | None, *, status: int = 200) -> web.Response:
    """Put an element in a SOAP envelope."""
    root = etree.Element(f"{{{ENVELOPE}}}Envelope", nsmap={"soap-env": ENVELOPE})
    container = etree.SubElement(root, BODY)
    if body is not None:
        container.append(body)
    message = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return web.Response(status=status, body=message, headers={"Content-Type": CONTENT_TYPE})


def in_latin_1() -> web.Response:
    """Answer ISO-8859-1 bytes under a declaration that says UTF-8."""
    answer = reply("DemanderActe", "RESERVE", NumeroDemande="EC00000001")
    answer.body = (answer.text or "").encode("latin-1")
    return answer


PLAYS: Final[Mapping[str, Callable[[], web.Response]]] = {
    "fault_client": lambda: blame("XML-INVALIDE"),
    "fault_server": lambda: blame("INATTENDU", party="Server"),
    "unknown_account": lambda: blame("AUTHENTIFICATION", status=401),
    "wrong_encoding": in_latin_1,
    "empty_body": lambda: envelope(None),
    "no_number": lambda: reply("DemanderActe", OK),
}
