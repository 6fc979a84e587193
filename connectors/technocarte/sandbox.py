"""Technocarte's stand-in: rpc/encoded as its PHP page speaks it, silent when it accepts, and able to break."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import orjson
from aiohttp import web
from lxml import etree

from connectors._transport.sandbox import COMMON, HttpSandbox
from connectors._transport.soap import BODY, CONTENT_TYPE, ENVELOPE
from connectors._transport.tally import Latest
from connectors._transport.xml import Element, parse
from connectors.technocarte.client import PAYMENT, QUESTIONS
from connectors.technocarte.demande import DEMANDES
from connectors.technocarte.town import ACTIVITIES, DETAIL, FAMILY, SCHOOLS, Town, write_bills
from connectors.technocarte.wire import ENCODING, SERVICE, XSD, XSI
from hub.connector import Fault
from hub.errors import UncertainError
from hub.model import Verdict

CONTRACT: Final = Path(__file__).parent / "contract"
SCHEMA: Final = etree.XMLSchema(file=str(CONTRACT / "demandes.xsd"))
APPLICATION: Final = "GRU"
DELIVERY: Final = "ReceptionLibredemat"
PAYING: Final = "PaiementFactureCap"

REQUESTS: Final = tuple(DEMANDES)
ASKED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        DELIVERY: REQUESTS,
        PAYING: (PAYMENT,),
        **{question.method: (operation,) for operation, question in QUESTIONS.items()},
    }
)
"""What is called → the operations that it may be."""

ABOUT_FAMILIES: Final = (*REQUESTS, PAYMENT, "factures", "famille")
ABOUT_SEASONS: Final = (*REQUESTS, "activites")
NOT_PAYMENTS: Final = (*REQUESTS, *QUESTIONS)

SENTENCES: Final[Mapping[str, tuple[str, Verdict]]] = MappingProxyType(
    {
        "cutoff_passed": ("La date limite de réservation est dépassée pour le 07/09/2026", Verdict.REFUSED),
        "unknown_family": ("Famille F1042 inconnue", Verdict.REFUSED),
        "unknown_child": ("Enfant E2077 introuvable dans cette famille", Verdict.REFUSED),
        "already_registered": ("Enfant déjà inscrit à cette activité", Verdict.REFUSED),
        "not_registered": ("L'enfant n'est pas inscrit à la restauration", Verdict.REFUSED),
        "unpaid_invoices": ("Réservation impossible : factures impayées", Verdict.REFUSED),
        "full": ("Activité complète", Verdict.REFUSED),
        "closed_season": ("La saison 2026-2027 n'est pas ouverte", Verdict.REFUSED),
        "unknown_school": ("École inconnue", Verdict.REFUSED),
        "insurance_missing": ("Attestation d'assurance absente ou périmée", Verdict.REFUSED),
        "income_proof_missing": ("Attestation CAF ou avis d'imposition manquant", Verdict.REFUSED),
        "address_proof_missing": ("Justificatif de domicile de plus de trois mois", Verdict.REFUSED),
        "rules_not_accepted": ("Le règlement intérieur doit être accepté", Verdict.REFUSED),
        "document_missing": ("Dossier incomplet : une pièce est manquante", Verdict.REFUSED),
        "closed_for_maintenance": ("Service momentanément indisponible", Verdict.TRANSIENT),
    }
)
"""What it says to a request instead of nothing, in a 200: by the code it stands for in errors.toml."""

ABOUT_INVOICES: Final[Mapping[str, tuple[str, Verdict]]] = MappingProxyType(
    {
        "unknown_invoice": ("Facture F1042-09 inconnue", Verdict.REFUSED),
        "already_paid": ("Facture F1042-01 déjà réglée", Verdict.REFUSED),
        "amount_differs": ("Montant différent de celui de la facture", Verdict.REFUSED),
    }
)
"""What it says of invoices."""

SAYS: Final[Mapping[str, tuple[str, Verdict]]] = MappingProxyType({**SENTENCES, **ABOUT_INVOICES})

BEFALLS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        **dict.fromkeys(SENTENCES, REQUESTS),
        "unknown_family": ABOUT_FAMILIES,
        "unknown_child": ABOUT_SEASONS,
        "closed_season": ABOUT_SEASONS,
        "unknown_invoice": (PAYMENT, "detail_facture"),
        "already_paid": (PAYMENT,),
        "amount_differs": (PAYMENT,),
        "closed_for_maintenance": (),
    }
)
"""Which operations a sentence is about; all, when none is named."""

MENU: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        **COMMON,
        **{
            code: Fault(title=f"says « {text} »", verdict=verdict, operations=BEFALLS[code])
            for code, (text, verdict) in SAYS.items()
        },
        "php_error": Fault(
            title="treats half of it and says so in PHP's words",
            verdict=Verdict.UNCERTAIN,
            taken=True,
            operations=NOT_PAYMENTS,
        ),
        "unknown_method": Fault(
            title="answers a fault that blames the client", verdict=Verdict.REFUSED, operations=NOT_PAYMENTS
        ),
        "fault_server": Fault(
            title="treats the message, answers a fault",
            verdict=Verdict.UNCERTAIN,
            taken=True,
            operations=NOT_PAYMENTS,
        ),
        "paid_nonsense": Fault(
            title="pays the invoices, says what nobody knows",
            verdict=Verdict.ACCEPTED,
            taken=True,
            operations=(PAYMENT,),
        ),
        "paid_fault": Fault(
            title="pays the invoices, answers a fault", verdict=Verdict.ACCEPTED, taken=True, operations=(PAYMENT,)
        ),
        "unpaid_silence": Fault(
            title="says nothing, and pays nothing", verdict=Verdict.UNCERTAIN, operations=(PAYMENT,)
        ),
        "unpaid_fault": Fault(
            title="answers a fault, and pays nothing", verdict=Verdict.UNCERTAIN, operations=(PAYMENT,)
        ),
        "wrong_encoding": Fault(title="says no in ISO-8859-1 and calls it UTF-8", verdict=Verdict.UNCERTAIN),
        "warning_first": Fault(
            title="treats the message, prints a PHP warning before the envelope",
            verdict=Verdict.UNCERTAIN,
            taken=True,
        ),
        "nil": Fault(
            title="treats the message, returns nil, which is no string", verdict=Verdict.UNCERTAIN, taken=True
        ),
        "blank": Fault(
            title="returns blanks, neither yes nor no",
            verdict=Verdict.UNCERTAIN,
            taken=True,
            operations=NOT_PAYMENTS,
        ),
        "erreur_dans_200": Fault(
            title="treats the message, answers a page of error with status 200",
            verdict=Verdict.UNCERTAIN,
            taken=True,
        ),
    }
)


class Sandbox(HttpSandbox):
    """A town's canteen and after-school office behind one PHP page.

    It takes the same request as often as it is sent: whether the real one would recognise it is not known. `town` is
    what it knows and which rules it keeps, for a test to change.
    """

    menu = MENU

    def __init__(self) -> None:
        super().__init__()
        self.town = Town()

    def settings(self) -> dict[str, Any]:
        """Say how a connector reaches this sandbox."""
        return {"url": f"{self.url}/kiosque/ws.php", "code_appli": APPLICATION, "code_postal": "13100"}

    def sample(self, operation: str) -> dict[str, Any]:
        """Give a message this operation accepts."""
        message: dict[str, Any] = orjson.loads((CONTRACT / "samples.json").read_bytes())[operation]
        return message

    def forget(self) -> None:
        """Keep the invoices of the latest families."""
        super().forget()
        self.town.bills = Latest(self.town.bills)

    async def is_delivery(self, request: web.Request) -> bool:
        """Tell what somebody sends or asks from the probe, which asks for schools without an address.

        A fault of some operations only is not played on a call that is none of them.
        """
        call = read_call(await request.read())
        if call is None or (name_of(call) == "ListeEcoles" and not (call.findtext("nrue") or call.findtext("rivoli"))):
            return False
        befalls = self.menu[self._fault].operations if self._fault else ()
        return not befalls or not set(befalls).isdisjoint(ASKED.get(name_of(call), ()))

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one call."""
        call = read_call(await request.read())
        if call is None:
            return blame("SOAP-ENV:Client", "Bad Request")
        method = name_of(call)
        if method not in SERVES or len(call) != SERVES[method][0]:
            return blame("SOAP-ENV:Client", f"Procedure '{method}' not present")
        *parameters, code = [parameter.text or "" for parameter in sorted(call, key=is_label)]
        return reply(method, SERVES[method][1](self, *parameters) if code == APPLICATION else "Application inconnue")

    def receive(self, var: str) -> str:
        """Take a request, and say nothing; or say what is wrong with it."""
        try:
            document = parse(var.encode())
        except UncertainError:
            return "Document illisible"
        if not SCHEMA.validate(document):
            return "Document invalide"
        if wrong := self.town.what_is_wrong(document):
            return wrong
        self.take(document.findtext("Id", ""))
        return ""

    def pay(self, listed: str, total: str, reference: str, bank: str, family: str) -> str:
        """Take a payment, and say nothing; or say what is wrong with it."""
        bills = [(one.findtext("numfct", ""), int(one.findtext("montant", ""))) for one in parse(listed.encode())]
        if family in self.town.strangers:
            return f"Famille {family} inconnue"
        if not bank or int(total) != sum(cents for _, cents in bills):
            return "Montant différent de la somme des factures"
        wrong = self.town.pay(family, bills)
        if not wrong:
            self.take(reference)
        return wrong

    def tell_bills(self, _: str, family: str, __: str) -> str:
        """Give a family's invoices."""
        if family in self.town.strangers:
            return f"Famille {family} inconnue"
        return etree.tostring(write_bills(self.town.bills_of(family)), encoding="unicode")

    def tell_detail(self, number: str) -> str:
        """Give the lines of an invoice."""
        return DETAIL if number in self.town.bills_of(number.rpartition("-")[0]) else f"Facture {number} inconnue"

    def tell_family(self, family: str) -> str:
        """Give a family's file."""
        return f"Famille {family} inconnue" if family in self.town.strangers else FAMILY.format(family=family)

    def tell_schools(self, *_: str) -> str:
        """Give the schools of an address."""
        return SCHOOLS

    def tell_activities(self, *asked: str) -> str:
        """Give the activities of a season."""
        season = asked[4]
        closed = season in self.town.closed_seasons
        return f"La saison {season} n'est pas ouverte" if closed else ACTIVITIES

    async def play(self, fault: str, request: web.Request, answer: web.Response | None) -> web.StreamResponse:
        """Play a sentence, a fault of SOAP or of PHP, or one of those common to all servers."""
        call = read_call(await request.read())
        method = name_of(call) if call is not None else DELIVERY
        if fault in SAYS:
            return reply(method, SAYS[fault][0])
        if fault in PLAYS:
            return PLAYS[fault](method)
        return await super().play(fault, request, answer)


def read_call(message: bytes) -> Element | None:
    """Find what is called; None when the message is not rpc/encoded with typed strings."""
    try:
        call = parse(message).find(f"{BODY}/*")
    except UncertainError:
        return None
    if call is None or not call.tag.startswith(f"{{{SERVICE}}}"):
        return None
    return call if all(parameter.get(f"{{{XSI}}}type") == "xsd:string" for parameter in call) else None


def name_of(call: Element) -> str:
    """Read which method is called."""
    return call.tag.rpartition("}")[2]


def is_label(parameter: Element) -> bool:
    """Tell the label we are known by, which stands last, or among the others."""
    return parameter.tag in {"code_appli", "codeappli"}


Serve = Callable[..., str]

SERVES: Final[Mapping[str, tuple[int, Serve]]] = {
    DELIVERY: (2, Sandbox.receive),
    PAYING: (6, Sandbox.pay),
    "CallListFactureCap": (4, Sandbox.tell_bills),
    "CallListFactureDetailCap": (2, Sandbox.tell_detail),
    "DetailFamille": (2, Sandbox.tell_family),
    "ListeEcoles": (5, Sandbox.tell_schools),
    "DetailActivites": (8, Sandbox.tell_activities),
}
"""Each method: how many parameters it wants, and who answers."""


def envelope(content: str) -> bytes:
    """Write the envelope PHP puts around everything."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<SOAP-ENV:Envelope xmlns:SOAP-ENV="{ENVELOPE}"'
        f' xmlns:ns1="{SERVICE}" xmlns:xsd="{XSD}" xmlns:xsi="{XSI}" SOAP-ENV:encodingStyle="{ENCODING}">'
        f"<SOAP-ENV:Body>{content}</SOAP-ENV:Body></SOAP-ENV:Envelope>\n"
    ).encode()


def returning(method: str, value: str) -> bytes:
    """Write an answer whose return element is given whole."""
    return envelope(f"<ns1:{method}Response>{value}</ns1:{method}Response>")


def string(text: str) -> str:
    """Write a return element that holds a string."""
    value = etree.Element("return")
    value.text = text
    return etree.tostring(value, encoding="unicode").replace("<return", '<return xsi:type="xsd:string"', 1)


def reply(method: str, text: str) -> web.Response:
    """Answer a string."""
    body = returning(method, string(text))
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})


def fault_of(code: str, text: str) -> bytes:
    """Write a fault."""
    return envelope(f"<SOAP-ENV:Fault><faultcode>{code}</faultcode><faultstring>{text}</faultstring></SOAP-ENV:Fault>")


def blame(code: str, text: str) -> web.Response:
    """Answer a fault, which travels as a 500."""
    return web.Response(status=500, body=fault_of(code, text), headers={"Content-Type": CONTENT_TYPE})


WARNING: Final = "Warning: mysql_query() expects parameter 2 to be resource in /var/www/kiosque/ws.php on line 57"
PAGE: Final = "<html><body><h1>Erreur</h1><p>Le traitement a échoué.</p></body></html>".encode()


def replying(body: bytes, *, status: int = 200, media_type: str = CONTENT_TYPE) -> web.Response:
    """Answer these bytes."""
    return web.Response(status=status, body=body, headers={"Content-Type": media_type})


def late_in_latin_1(method: str) -> web.Response:
    """Say no in ISO-8859-1 under a declaration that says UTF-8."""
    return replying(returning(method, string("Date limite dépassée")).decode().encode("iso-8859-1"))


PLAYS: Final[Mapping[str, Callable[[str], web.Response]]] = MappingProxyType(
    {
        "php_error": lambda method: reply(method, WARNING),
        "unknown_method": lambda method: blame("SOAP-ENV:Client", f"Procedure '{method}' not present"),
        "fault_server": lambda _: blame("SOAP-ENV:Server", "Erreur interne"),
        "wrong_encoding": late_in_latin_1,
        "warning_first": lambda method: replying(b"<br />\n<b>Warning</b>\n" + returning(method, string(""))),
        "nil": lambda method: replying(returning(method, '<return xsi:nil="true"/>')),
        "blank": lambda method: reply(method, " \n "),
        "erreur_dans_200": lambda _: replying(PAGE, media_type="text/html; charset=utf-8"),
        "paid_nonsense": lambda method: reply(method, "OK 57 ?"),
        "paid_fault": lambda _: blame("SOAP-ENV:Server", "Erreur interne"),
        "unpaid_silence": lambda method: reply(method, ""),
        "unpaid_fault": lambda _: blame("SOAP-ENV:Client", "Bad Request"),
    }
)
"""The faults that are this target's alone."""
