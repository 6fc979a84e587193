"""Technocarte's stand-in: rpc/encoded as its PHP page speaks it, silent when it accepts, and able to break."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import orjson
from aiohttp import web
from lxml import etree

from connectors._transport.sandbox import COMMON, HttpSandbox, always
from connectors._transport.soap import BODY, CONTENT_TYPE, ENVELOPE
from connectors._transport.xml import Element, parse
from connectors.technocarte.wire import ENCODING, SERVICE, XSD, XSI
from hub.connector import Fault
from hub.errors import UncertainError
from hub.model import Verdict

CONTRACT: Final = Path(__file__).parent / "contract"
SCHEMA: Final = etree.XMLSchema(file=str(CONTRACT / "demandes.xsd"))
APPLICATION: Final = "GRU"
DELIVERY: Final = "ReceptionLibredemat"

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
        "closed_for_maintenance": ("Service momentanément indisponible", Verdict.TRANSIENT),
    }
)
"""What it says instead of nothing, in a 200: by the code it stands for in errors.toml."""

MENU: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        **COMMON,
        **{code: Fault(title=f"says « {text} »", verdict=verdict) for code, (text, verdict) in SENTENCES.items()},
        "php_error": Fault(title="treats half of it and says so in PHP's words", verdict=Verdict.UNCERTAIN, taken=True),
        "unknown_method": Fault(title="answers a fault that blames the client", verdict=Verdict.REFUSED),
        "fault_server": Fault(title="treats the message, answers a fault", verdict=Verdict.UNCERTAIN, taken=True),
        "wrong_encoding": Fault(title="says no in ISO-8859-1 and calls it UTF-8", verdict=Verdict.UNCERTAIN),
        "warning_first": Fault(
            title="treats the message, prints a PHP warning before the envelope",
            verdict=Verdict.UNCERTAIN,
            taken=True,
        ),
        "nil": Fault(
            title="treats the message, returns nil, which is no string", verdict=Verdict.UNCERTAIN, taken=True
        ),
        "blank": Fault(title="returns blanks, neither yes nor no", verdict=Verdict.UNCERTAIN, taken=True),
        "erreur_dans_200": Fault(
            title="treats the message, answers a page of error with status 200",
            verdict=Verdict.UNCERTAIN,
            taken=True,
        ),
    }
)

SCHOOLS: Final = (
    "<ListeEcole><ListeEcoleSecteur><EcoleSecteur><IdEcoleSecteur>12</IdEcoleSecteur>"
    "<NomEcoleSecteur>Jules Ferry</NomEcoleSecteur><TypeEcoleSecteur>E</TypeEcoleSecteur>"
    "<LibelTypeEcoleSecteur>Élémentaire</LibelTypeEcoleSecteur></EcoleSecteur></ListeEcoleSecteur>"
    "<ListeEcoleDerog/></ListeEcole>"
)


class Sandbox(HttpSandbox):
    """A town's canteen and after-school office behind one PHP page.

    It takes the same request as often as it is sent: whether the real one would recognise it is not known.
    """

    menu = MENU

    def settings(self) -> dict[str, Any]:
        """Say how a connector reaches this sandbox."""
        return {"url": f"{self.url}/kiosque/ws.php", "code_appli": APPLICATION, "code_postal": "13100"}

    def sample(self, operation: str) -> dict[str, Any]:
        """Give a message this operation accepts."""
        message: dict[str, Any] = orjson.loads((CONTRACT / "samples.json").read_bytes())[operation]
        return message

    async def is_delivery(self, request: web.Request) -> bool:
        """Tell a request from a question about schools."""
        return DELIVERY.encode() in await request.read()

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one call."""
        call = read_call(await request.read())
        if call is None:
            return blame("SOAP-ENV:Client", "Bad Request")
        match call.tag.rpartition("}")[2], [parameter.text or "" for parameter in call]:
            case "ReceptionLibredemat", [var, code]:
                return reply(DELIVERY, self.receive(var) if code == APPLICATION else "Application inconnue")
            case "ListeEcoles", [_, _, _, _, code]:
                return reply("ListeEcoles", SCHOOLS if code == APPLICATION else "Application inconnue")
            case method, _:
                return blame("SOAP-ENV:Client", f"Procedure '{method}' not present")

    def receive(self, var: str) -> str:
        """Take a request, and say nothing; or say what is wrong with it."""
        try:
            document = parse(var.encode())
        except UncertainError:
            return "Document illisible"
        if not SCHEMA.validate(document):
            return "Document invalide"
        self.take(document.findtext("Id", ""))
        return ""

    async def play(self, fault: str, request: web.Request, answer: web.Response | None) -> web.StreamResponse:
        """Play a sentence, a fault of SOAP or of PHP, or one of those common to all servers."""
        if fault in SENTENCES:
            return reply(DELIVERY, SENTENCES[fault][0])
        if fault in PLAYS:
            return await PLAYS[fault]()
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


ACCEPTING: Final = returning(DELIVERY, string(""))
WARNING: Final = "Warning: mysql_query() expects parameter 2 to be resource in /var/www/kiosque/ws.php on line 57"
LATE: Final = returning(DELIVERY, string("Date limite dépassée")).decode().encode("iso-8859-1")
PAGE: Final = "<html><body><h1>Erreur</h1><p>Le traitement a échoué.</p></body></html>".encode()

PLAYS: Final = MappingProxyType(
    {
        "php_error": always(200, returning(DELIVERY, string(WARNING)), Content_Type=CONTENT_TYPE),
        "unknown_method": always(
            500, fault_of("SOAP-ENV:Client", f"Procedure '{DELIVERY}' not present"), Content_Type=CONTENT_TYPE
        ),
        "fault_server": always(500, fault_of("SOAP-ENV:Server", "Erreur interne"), Content_Type=CONTENT_TYPE),
        "wrong_encoding": always(200, LATE, Content_Type=CONTENT_TYPE),
        "warning_first": always(200, b"<br />\n<b>Warning</b>\n" + ACCEPTING, Content_Type=CONTENT_TYPE),
        "nil": always(200, returning(DELIVERY, '<return xsi:nil="true"/>'), Content_Type=CONTENT_TYPE),
        "blank": always(200, returning(DELIVERY, string(" \n ")), Content_Type=CONTENT_TYPE),
        "erreur_dans_200": always(200, PAGE, Content_Type="text/html; charset=utf-8"),
    }
)
"""The faults that are one and the same answer each time."""
