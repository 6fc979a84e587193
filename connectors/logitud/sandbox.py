"""Logitud's stand-in: it reads SOAP against the schema, remembers requests, and refuses as a town hall would."""

from __future__ import annotations

import re
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import orjson
from aiohttp import web
from lxml import etree

from connectors._transport.sandbox import COMMON, HttpSandbox
from connectors._transport.shown import show_contract
from connectors._transport.soap import BODY, CONTENT_TYPE, ENVELOPE
from connectors._transport.tally import Latest
from connectors._transport.xml import Element
from connectors.logitud.rules import text, what_is_wrong
from connectors.logitud.wire import ACTS, DEMANDES, KNOWN, QUESTIONS, REGISTERED, UNKNOWN
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
        "DOMICILE-HORS-COMMUNE": ("ERROR", Verdict.REFUSED, "Adresse hors de la commune"),
        "DEJA-INSCRIT": ("ERROR", Verdict.REFUSED, "Électeur déjà inscrit"),
        "NATIONALITE-INCOMPLETE": ("ERROR", Verdict.REFUSED, "Pays ou type d'élection manquant"),
        "PRECEDENT-LIEU-MANQUANT": ("ERROR", Verdict.REFUSED, "Précédent lieu d'inscription manquant"),
        "DEJA-RECENSE": ("ERROR", Verdict.REFUSED, "Citoyen déjà recensé"),
        "AGE-NON-REQUIS": ("ERROR", Verdict.REFUSED, "Âge hors des limites de la démarche"),
        "PIECE-MANQUANTE": ("ERROR", Verdict.REFUSED, "Pièce obligatoire manquante"),
        "AVIS-INCONNU": ("ERROR", Verdict.REFUSED, "Avis de paiement inconnu"),
        "IMMATRICULATION-DIFFERENTE": ("ERROR", Verdict.REFUSED, "Immatriculation différente de celle de l'avis"),
        "DELAI-DEPASSE": ("ERROR", Verdict.REFUSED, "Recours déposé hors délai"),
        "AVIS-DEJA-CONTESTE": ("ERROR", Verdict.REFUSED, "Recours déjà déposé contre cet avis"),
        "PLUSIEURS-ELECTEURS": ("ERROR", Verdict.REFUSED, "Plusieurs électeurs possibles"),
        "PIECE-ALTEREE": ("ERROR", Verdict.REFUSED, "Pièce jointe différente de son empreinte"),
        "REGISTRE-VERROUILLE": ("ERROR", Verdict.TRANSIENT, "Registre verrouillé"),
        "MAINTENANCE-NOCTURNE": ("FATAL", Verdict.TRANSIENT, "Maintenance nocturne"),
        "FATAL": ("FATAL", Verdict.UNCERTAIN, "Erreur interne"),
    }
)
"""Every code its messages may bear on a delivery or a question: severity, what it really means, words."""

TAKEN: Final = tuple(DEMANDES)
ELECTION: Final = ("preinscrire_electeur",)
CENSUS: Final = ("recenser_citoyen",)
APPEAL: Final = ("deposer_rapo",)

BEFALLS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        KNOWN: TAKEN,
        "RESERVE": TAKEN,
        "REJET-SERVICE": TAKEN,
        "ACTE-INTROUVABLE": tuple(ACTS),
        "DEMANDEUR-NON-HABILITE": tuple(ACTS),
        "HORS-COMMUNE": tuple(ACTS),
        "NATURE-IMPOSSIBLE": tuple(ACTS),
        "DOMICILE-INVALIDE": TAKEN,
        "IDENTITE-INVALIDE": TAKEN,
        "DOMICILE-HORS-COMMUNE": ELECTION + CENSUS,
        "DEJA-INSCRIT": ELECTION,
        "NATIONALITE-INCOMPLETE": ELECTION,
        "PRECEDENT-LIEU-MANQUANT": ELECTION,
        "DEJA-RECENSE": CENSUS,
        "AGE-NON-REQUIS": ELECTION + CENSUS,
        "PIECE-MANQUANTE": ELECTION + CENSUS + APPEAL,
        "AVIS-INCONNU": APPEAL,
        "IMMATRICULATION-DIFFERENTE": APPEAL,
        "DELAI-DEPASSE": APPEAL,
        "AVIS-DEJA-CONTESTE": APPEAL,
        "PLUSIEURS-ELECTEURS": tuple(QUESTIONS),
        "PIECE-ALTEREE": TAKEN,
    }
)
"""Which operations a code is about; all, when it is not here."""

SOAP_FAULTS: Final = ("XML-INVALIDE", "AUTHENTIFICATION")
"""Every code of its SOAP faults."""

CODES: Final[Mapping[str, str]] = {code.lower().replace("-", "_"): code for code in CATALOGUE}
"""Names in the fault menu → codes of the catalogue."""

MENU: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        **COMMON,
        **{
            name: Fault(
                title=CATALOGUE[code][2],
                verdict=CATALOGUE[code][1],
                taken=CATALOGUE[code][1] in {Verdict.ACCEPTED, Verdict.UNCERTAIN},
                operations=BEFALLS.get(code, ()),
            )
            for name, code in CODES.items()
        },
        "fault_client": Fault(title="answers a fault that blames the message", verdict=Verdict.REFUSED),
        "fault_server": Fault(title="treats the message, answers a fault", verdict=Verdict.UNCERTAIN, taken=True),
        "unknown_account": Fault(title="does not know the account", verdict=Verdict.TRANSIENT),
        "wrong_encoding": Fault(
            title="treats the message, answers in an undeclared encoding", verdict=Verdict.UNCERTAIN, taken=True
        ),
        "empty_body": Fault(title="treats the message, answers an empty Body", verdict=Verdict.UNCERTAIN, taken=True),
        "no_number": Fault(
            title="treats the message, forgets its number", verdict=Verdict.UNCERTAIN, taken=True, operations=TAKEN
        ),
        "contradiction": Fault(
            title="says registered and struck off at once", verdict=Verdict.UNCERTAIN, operations=("est_inscrit",)
        ),
    }
)


ASKED: Final = frozenset({*(demande.call for demande in DEMANDES.values()), *(call for call, _ in QUESTIONS.values())})
"""The operations of the service on which faults are played."""

BUREAU: Final = {
    "Numero": "0012",
    "Lieu": "Groupe scolaire Jules Ferry",
    "Adresse": {"Voie": "2 rue des Écoles", "CodePostal": "13100", "Ville": "AIX-EN-PROVENCE"},
}


@dataclass(frozen=True, slots=True)
class Known:
    """A request that was taken; `at` is on the monotonic clock."""

    number: str
    at: float
    sketch: Mapping[str, str]


class Sandbox(HttpSandbox):
    """A town hall's population service behind SOAP.

    `visible_after`: seconds before a request that was taken shows, to a search and to the check for
    references already known. `states`: where each request number stands, and `roll`: how each elector does, by
    birth name, forenames and date of birth, both for a test to change.
    """

    menu = MENU

    def __init__(self) -> None:
        super().__init__()
        self.visible_after = 0.0
        self.states = {"EC00000000": "DELIVREE"}
        self.roll = {
            ("LEFÈVRE", "LÉA MARIE", "1987-03-14"): REGISTERED,
            ("NGUYEN", "MARC", "1985-11-02"): "RADIE",
        }
        self._known: dict[str, Known] = {}
        self._numbers = count(1)

    def settings(self) -> dict[str, Any]:
        """Say how a connector reaches this sandbox."""
        username, password = ACCOUNT
        return {"url": f"{self.url}/etatcivil", "username": username, "password": password}

    def sample(self, operation: str) -> dict[str, Any]:
        """Give a message this operation accepts."""
        message: dict[str, Any] = orjson.loads((CONTRACT / "samples.json").read_bytes())[operation]
        return message

    def forget(self) -> None:
        """Keep the latest requests."""
        super().forget()
        self._known, self.states = Latest(self._known), Latest(self.states)

    async def is_delivery(self, request: web.Request) -> bool:
        """Tell a request, or a question that somebody asks, from the hub's own searches."""
        return asked_of(request) in ASKED

    async def is_finding(self, request: web.Request) -> bool:
        """Tell the question where a request stands, by its number."""
        return asked_of(request) == "EtatDemande"

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one SOAP call."""
        if request.headers.get("Authorization") != AUTHORIZATION:
            return blame("AUTHENTIFICATION", status=401)
        if shown := show_contract(request, CONTRACT / "etatcivil.wsdl"):
            return shown
        body = read_body(await request.read())
        if body is None or not SCHEMA.validate(body):
            return blame("XML-INVALIDE")
        return SERVES[etree.QName(body).localname](self, body)

    async def play(self, fault: str, request: web.Request, answer: web.Response | None) -> web.StreamResponse:
        """Play a code of the catalogue, a fault of SOAP, or one of those common to all servers."""
        if code := CODES.get(fault):
            number = re.search(r"EC\d{8}", answer.text or "") if answer else None
            accepted = CATALOGUE[code][1] is Verdict.ACCEPTED
            return reply(asked_of(request), code, NumeroDemande=number[0] if number and accepted else None)
        if fault in PLAYS:
            return PLAYS[fault](asked_of(request))
        return await super().play(fault, request, answer)

    def ask(self, body: Element) -> web.Response:
        """Take a request, unless its reference already shows, a file was altered, or a rule forbids it."""
        call, key, content = etree.QName(body).localname, text(body, "ReferenceExterne"), body[1]
        if known := self._find(key):
            return reply(call, KNOWN, NumeroDemande=known.number)
        if wrong := what_is_wrong(body) or self._is_registered_already(content):
            return reply(call, wrong)
        number = f"EC{next(self._numbers):08d}"
        self.states[number] = "RECUE"
        self._known[key] = Known(number, time.monotonic(), sketch_of(content))
        if etree.QName(content).localname == "Preinscription":
            self.roll.setdefault(elector_of(content), "EN-COURS")
        self.take(key)
        return reply(call, OK, NumeroDemande=number)

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

    def tell_polling_station(self, body: Element) -> web.Response:
        """Say where an elector of the roll votes."""
        if self.roll.get(elector_of(body)) != REGISTERED:
            return reply("BureauDeVote", UNKNOWN)
        return reply("BureauDeVote", OK, Bureau=BUREAU)

    def tell_registration(self, body: Element) -> web.Response:
        """Say how somebody stands on the roll."""
        situation = self.roll.get(elector_of(body), "NON-INSCRIT")
        return reply("EstInscrit", OK, Inscription=registration(situation))

    def tell_version(self, _: Element) -> web.Response:
        """Say that it is up."""
        return reply("Version", OK, Numero="1.0")

    def _is_registered_already(self, content: Element) -> str | None:
        first = text(content, "Situation") == "PremiereInscription"
        return "DEJA-INSCRIT" if first and self.roll.get(elector_of(content)) == REGISTERED else None

    def _find(self, key: str) -> Known | None:
        known = self._known.get(key)
        return known if known and time.monotonic() - known.at >= self.visible_after else None


SERVES: Final[Mapping[str, Callable[[Sandbox, Element], web.Response]]] = {
    **dict.fromkeys((demande.call for demande in DEMANDES.values()), Sandbox.ask),
    "BureauDeVote": Sandbox.tell_polling_station,
    "EstInscrit": Sandbox.tell_registration,
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


def asked_of(request: web.Request) -> str:
    """Read which operation of the service is called."""
    return request.headers.get("SOAPAction", "").rpartition("#")[2].strip('"')


def sketch_of(content: Element) -> dict[str, str]:
    """Keep of a request what a search tells of it."""
    demande = next(one for one in DEMANDES.values() if one.element == etree.QName(content).localname)
    places = {name: "/".join(f"{{*}}{step}" for step in path) for name, path in demande.sketch.items()}
    return {"TypeDemande": demande.type, **{name: content.findtext(place, "") for name, place in places.items()}}


def elector_of(content: Element) -> tuple[str, str, str]:
    """Read who an elector is."""
    return text(content, "NomNaissance"), text(content, "Prenoms"), text(content, "DateNaissance")


def registration(situation: str) -> dict[str, str]:
    """Write how somebody stands on the roll."""
    return {"Inscrit": str(situation == REGISTERED).lower(), "Situation": situation}


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


def in_latin_1(call: str) -> web.Response:
    """Answer ISO-8859-1 bytes under a declaration that says UTF-8."""
    answer = reply(call, "RESERVE")
    answer.body = (answer.text or "").encode("latin-1")
    return answer


PLAYS: Final[Mapping[str, Callable[[str], web.Response]]] = {
    "fault_client": lambda _: blame("XML-INVALIDE"),
    "fault_server": lambda _: blame("INATTENDU", party="Server"),
    "unknown_account": lambda _: blame("AUTHENTIFICATION", status=401),
    "wrong_encoding": in_latin_1,
    "empty_body": lambda _: envelope(None),
    "no_number": lambda call: reply(call, OK),
    "contradiction": lambda call: reply(call, OK, Inscription={"Inscrit": "true", "Situation": "RADIE"}),
}
