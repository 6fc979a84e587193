"""PayFiP's stand-in: its SOAP service with its rules and its codes, and a page where a payer really decides."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlencode
from uuid import uuid4

import aiohttp
from aiohttp import web
from lxml import etree

from connectors._transport.sandbox import COMMON, HttpSandbox
from connectors._transport.shown import show_contract
from connectors._transport.soap import BODY, CONTENT_TYPE, ENVELOPE
from connectors._transport.tally import Latest
from connectors._transport.xml import Element
from connectors.payfip.page import CHOICES, form_of, page
from connectors.payfip.schemas import CONTRACT
from hub.calendar import PARIS
from hub.connector import Fault
from hub.model import Verdict

NS: Final = (
    "http://securite.service.tpa.cp.finances.gouv.fr/services/mas_securite"
    "/contrat_paiement_securise/PaiementSecuriseService"
)
SCHEMA: Final = etree.XMLSchema(file=str(CONTRACT / "operations.xsd"))
SERVICE: Final = "/tpa/services/securite"
PAGE: Final = "/tpa/paiementws.web"
NUMCLI: Final = "090909"
EXAMPLE: Final = "4a7f1f6e-2d0c-4c55-9b7e-0c5d2f1e7a10"
"""The idop of a payment that was always there, paid."""

RESULTS: Final = frozenset({*CHOICES, "Z"})

Rule = Callable[[Mapping[str, str]], bool]


def lacks(name: str, pattern: str) -> Rule:
    """Make a rule that is broken when a field does not match a pattern whole."""
    whole = re.compile(pattern)
    return lambda fields: not whole.fullmatch(fields.get(name, ""))


RULES: Final[tuple[tuple[str, str, Rule], ...]] = (
    ("T1", "Numéro client invalide", lacks("numcli", r"\d{6}")),
    ("T2", "Le N° du client doit être pré-existant dans la base PayFiP", lacks("numcli", NUMCLI)),
    ("S1", "Mode de saisie invalide", lacks("saisie", "[TXW]")),
    ("M1", "Le format du montant n'est pas correct", lacks("montant", r"\d{1,11}")),
    ("M3", "Montant inférieur à 1 euro", lambda fields: int(fields["montant"]) < 100),
    ("M5", "Montant supérieur à la limite autorisée", lambda fields: int(fields["montant"]) > 10_000_000),
    ("A1", "Adresse mél non renseignée", lambda fields: not fields.get("mel")),
    ("A2", "Adresse mél incorrecte.", lacks("mel", r"(?=.{6,80}$)[^@\s]+@[^@\s]+")),
    ("R3", "Le format du paramètre REFDET n'est pas conforme", lacks("refdet", "[A-Za-z0-9]{6,30}")),
    ("N1", "URL de notification non valide", lacks("urlnotif", r"https?://\S{1,241}")),
    ("D1", "URL de redirection non valide", lacks("urlredirect", r"https?://\S{1,241}")),
    ("", "Le format du paramètre OBJET n'est pas conforme", lacks("objet", "[A-Za-z0-9 ]{0,100}")),
    ("", "Le format du paramètre EXER n'est pas conforme", lacks("exer", r"\d{4}")),
)
"""PayFiP's rules on a payment, first broken first: code, words. Where no code is known, it has none here either."""

OURS: Final = frozenset({"T1", "T2", "T4", "S1", "N1"})
"""Codes that blame the settings, and no request."""

TOLD: Final[Mapping[str, str]] = {code: words for code, words, _ in RULES if code} | {
    "T4": "Le client PayFiP n'a pas d'accès sécurisé",
    "P1": "IdOp incorrect.",
    "P3": "L'idop ne doit pas avoir déjà été utilisé",
    "P4": "L'idop ne doit pas avoir été enregistré depuis plus de 15 minutes",
    "P5": "Résultat de la transaction non connu.",
    "X9": "Un code que personne ne connaît",
}
"""Every code of a FonctionnelleErreur → its words."""

OF_A_RESULT: Final[Mapping[str, Verdict]] = {
    "P1": Verdict.ACCEPTED,
    "P3": Verdict.UNCERTAIN,
    "P4": Verdict.ACCEPTED,
    "P5": Verdict.ACCEPTED,
}
"""Codes that answer the question about a payment; the others answer its creation."""

CODES: Final[Mapping[str, str]] = {code.lower(): code for code in TOLD}
"""Names in the fault menu → codes."""

TECHNICAL: Final[Mapping[str, str]] = {
    "indisponibilite": "TechIndisponibiliteErreur",
    "dysfonctionnement": "TechDysfonctionnementErreur",
    "protocolaire": "TechProtocolaireErreur",
}


def fault_of(code: str) -> Fault:
    """Describe what a code means on the operation that it answers."""
    if code in OF_A_RESULT:
        return Fault(title=TOLD[code], verdict=OF_A_RESULT[code], operations=("suivre_paiement",))
    verdict = Verdict.TRANSIENT if code in OURS else Verdict.REFUSED
    return Fault(title=TOLD[code], verdict=verdict, operations=("creer_paiement",))


MENU: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        **COMMON,
        **{name: fault_of(code) for name, code in CODES.items()},
        "indisponibilite": Fault(title="says that it is unavailable", verdict=Verdict.TRANSIENT),
        "dysfonctionnement": Fault(
            title="treats the message, says that it broke", verdict=Verdict.UNCERTAIN, taken=True
        ),
        "protocolaire": Fault(title="says that it cannot read us", verdict=Verdict.REFUSED),
        "sans_idop": Fault(
            title="opens the payment, forgets its idop",
            verdict=Verdict.UNCERTAIN,
            taken=True,
            operations=("creer_paiement",),
        ),
        "autre_paiement": Fault(
            title="answers about another payment", verdict=Verdict.UNCERTAIN, operations=("suivre_paiement",)
        ),
    }
)


@dataclass(slots=True)
class Payment:
    """An operation at PayFiP: what was asked, since when, and the result that the payer gave it."""

    idop: str
    fields: Mapping[str, str]
    created: datetime
    result: str = ""
    ended: datetime | None = None

    @property
    def is_used(self) -> bool:
        """Whether its page is of no more use; one that was given up may be taken up again."""
        return self.result not in {"", "A"}


class Sandbox(HttpSandbox):
    """A PayFiP, keyed by refdet, for our key never reaches it.

    `lifetime`: how long the page of an idop opens. `notifications`: how often `urlnotif` is called, 0 to lose
    the call, 2 to double it; `notification_delay`, in seconds, to be late; `notification_method`, POST or GET.
    """

    menu = MENU

    def __init__(self) -> None:
        super().__init__()
        self.lifetime = timedelta(minutes=15)
        self.notifications, self.notification_delay, self.notification_method = 1, 0.0, "POST"
        self._payments = {EXAMPLE: example()}
        self._calling: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    def settings(self) -> dict[str, Any]:
        """Say how a connector reaches this sandbox; the hub's own door and the portal are for others to say."""
        return {
            "url": f"{self.url}{SERVICE}",
            "page": f"{self.url}{PAGE}",
            "numcli": NUMCLI,
            "saisie": "T",
            "urlnotif": f"{self.url}/nulle-part",
            "urlredirect": f"{self.url}/merci",
        }

    def sample(self, operation: str) -> dict[str, Any]:
        """Give a message this operation accepts."""
        return dict(SAMPLES[operation])

    async def stop(self) -> None:
        """Let go of the port; calls that were still to come are given up."""
        for calling in self._calling:
            calling.cancel()
        if self._session:
            await self._session.close()
            self._session = None
        await super().stop()

    def forget(self) -> None:
        """Keep the latest payments."""
        super().forget()
        self._payments = Latest(self._payments)

    async def is_delivery(self, request: web.Request) -> bool:
        """Tell a message from a payer's page."""
        return request.method == "POST" and request.path == SERVICE

    async def is_finding(self, request: web.Request) -> bool:
        """Tell the question for a payment's result."""
        return await self.is_delivery(request) and b"recupererDetailPaiementSecurise" in await request.read()

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one SOAP call, or show the contract, or show a payer one page."""
        if request.path == SERVICE and (shown := show_contract(request, CONTRACT / "payfip.wsdl")):
            return shown
        if request.path == SERVICE and request.method == "POST":
            return self._answer_soap(await request.read())
        if request.path == PAGE:
            return await self._show(request)
        if request.path == "/merci":
            return page("Merci", "<p>Vous pouvez fermer cette page.</p>")
        return web.Response(status=404)

    async def play(self, fault: str, request: web.Request, answer: web.Response | None) -> web.StreamResponse:
        """Play a code, a technical fault, or one of those common to all servers."""
        if fault in CODES:
            return refuse("FonctionnelleErreur", CODES[fault])
        if fault in TECHNICAL:
            return refuse(TECHNICAL[fault])
        if fault in PLAYS:
            return PLAYS[fault]()
        return await super().play(fault, request, answer)

    async def pay(self, idop: str, result: str = "P") -> None:
        """Decide as the payer, and call `urlnotif`; raises ValueError, with PayFiP's code, when it is too late."""
        payment = self._payments.get(idop)
        if code := self._why_closed(payment):
            raise ValueError(code)
        if payment is None or result not in RESULTS:
            raise ValueError(result)
        payment.result, payment.ended = result, datetime.now(UTC)
        await self._announce(payment)

    def purge(self) -> None:
        """Forget, as every night, the payments that nobody began."""
        self._payments = {idop: payment for idop, payment in self._payments.items() if payment.result}

    def open(self, fields: Mapping[str, str]) -> web.Response:
        """Open a payment; the same refdet opens another."""
        for code, words, is_broken in RULES:
            if is_broken(fields):
                return refuse("FonctionnelleErreur", code, words)
        payment = Payment(str(uuid4()), fields, datetime.now(UTC))
        self._payments[payment.idop] = payment
        self.take(fields["refdet"])
        return reply("creerPaiementSecurise", {"idOp": payment.idop})

    def tell(self, fields: Mapping[str, str]) -> web.Response:
        """Tell a payment's result, when it has one."""
        payment = self._payments.get(fields.get("idOp", ""))
        if payment is None or payment.ended is None:
            return refuse("FonctionnelleErreur", "P1" if payment is None else "P5")
        return reply("recupererDetailPaiementSecurise", detail_of(payment))

    def introduce(self, fields: Mapping[str, str]) -> web.Response:
        """Tell a client's names."""
        if fields.get("numCli") != NUMCLI:
            return refuse("FonctionnelleErreur", "T2")
        names = {"libelleN1": "VILLE DE DEMONSTRATION", "libelleN2": "REGIE", "libelleN3": "FORUM DES ASSOCIATIONS"}
        return reply("recupererDetailClient", {**names, "numcli": NUMCLI})

    def _answer_soap(self, message: bytes) -> web.Response:
        body = read_body(message)
        if body is None:
            return refuse("TechProtocolaireErreur")
        argument = body.find("arg0")
        fields = {} if argument is None else {str(child.tag): child.text or "" for child in argument}
        return SERVES[etree.QName(body).localname](self, fields)

    async def _show(self, request: web.Request) -> web.Response:
        """Show the page of an idop; POST decides, then sends the payer back to the portal."""
        payment = self._payments.get(request.query.get("idop", ""))
        if (code := self._why_closed(payment)) or payment is None:
            return page("Paiement impossible", f"<p>{escape(TOLD[code])}</p>", status=410)
        if request.method != "POST":
            return page("Paiement", form_of(payment.fields))
        choice = str((await request.post()).get("resultat", ""))
        if choice not in RESULTS:
            return page("Paiement", form_of(payment.fields), status=400)
        await self.pay(payment.idop, choice)
        return web.Response(status=302, headers={"Location": payment.fields["urlredirect"]})

    def _why_closed(self, payment: Payment | None) -> str:
        """Give the code for which a payment's page does not open; empty when it does."""
        if payment is None:
            return "P1"
        if payment.is_used:
            return "P3"
        return "P4" if datetime.now(UTC) - payment.created >= self.lifetime else ""

    async def _announce(self, payment: Payment) -> None:
        calls = {asyncio.create_task(self._call_back(payment)) for _ in range(self.notifications)}
        self._calling |= calls
        for call in calls:
            call.add_done_callback(self._calling.discard)
        if calls and not self.notification_delay:
            await asyncio.wait(calls)

    async def _call_back(self, payment: Payment) -> None:
        """Call `urlnotif` with the idop alone; what is answered, or not, changes nothing."""
        await asyncio.sleep(self.notification_delay)
        url, form = payment.fields["urlnotif"], {"idop": payment.idop}
        if self.notification_method == "GET":
            url, form = f"{url}{'&' if '?' in url else '?'}{urlencode(form)}", {}
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15))
        with suppress(aiohttp.ClientError, TimeoutError):
            call = self._session.request(self.notification_method, url, data=form or None, allow_redirects=False)
            async with call as answer:
                await answer.read()


SERVES: Final[Mapping[str, Callable[[Sandbox, Mapping[str, str]], web.Response]]] = {
    "creerPaiementSecurise": Sandbox.open,
    "recupererDetailPaiementSecurise": Sandbox.tell,
    "recupererDetailClient": Sandbox.introduce,
}

SAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "creer_paiement": {
        "refdet": "FORUM2026000123",
        "montant": 4500,
        "mel": "tresorier@example.org",
        "objet": "Stand forum des associations 2026",
    },
    "suivre_paiement": {"idop": EXAMPLE, "cree_a": "2026-09-01T10:00:00+02:00"},
    "client": {},
}


def example() -> Payment:
    """Make the payment that was always there."""
    fields = {
        "exer": "2026",
        "mel": "tresorier@example.org",
        "montant": "4500",
        "numcli": NUMCLI,
        "objet": "Stand forum des associations 2026",
        "refdet": "FORUM2026000001",
        "saisie": "T",
    }
    began = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)
    return Payment(EXAMPLE, fields, began, "P", began + timedelta(minutes=4))


def detail_of(payment: Payment) -> dict[str, str]:
    """Write what PayFiP tells of a payment that has a result, in the order of its contract."""
    ended = (payment.ended or payment.created).astimezone(PARIS)
    told = {name: payment.fields[name] for name in ("exer", "mel", "montant", "numcli", "objet", "refdet", "saisie")}
    told |= {"dattrans": f"{ended:%d%m%Y}", "heurtrans": f"{ended:%H%M}", "idOp": payment.idop}
    told |= {"numauto": "112233" if payment.result in {"P", "V"} else "", "resultrans": payment.result}
    return dict(sorted(told.items(), key=lambda item: item[0].lower()))


def read_body(message: bytes) -> Element | None:
    """Find what a message asks; None when it is not of the contract."""
    try:
        body = etree.fromstring(message, etree.XMLParser(resolve_entities=False)).find(f"{BODY}/*")
    except etree.XMLSyntaxError:
        return None
    known = body is not None and etree.QName(body).localname in SERVES and SCHEMA.validate(body)
    return body if known else None


def reply(operation: str, fields: Mapping[str, str]) -> web.Response:
    """Answer an operation."""
    answer = etree.Element(f"{{{NS}}}{operation}Response", nsmap={"ns2": NS})
    write(etree.SubElement(answer, "return"), fields)
    return envelope(answer)


def refuse(name: str, code: str = "", words: str = "") -> web.Response:
    """Answer a fault, which travels as HTTP 500; a code's element is absent when there is none."""
    fault = etree.Element(f"{{{ENVELOPE}}}Fault")
    etree.SubElement(fault, "faultcode").text = "S:Server"
    etree.SubElement(fault, "faultstring").text = f"fr.gouv.finances.cp.tpa.webservice.exceptions.{name}"
    detail = etree.SubElement(etree.SubElement(fault, "detail"), f"{{{NS}}}{name}", nsmap={"ns2": NS})
    told = {"descriptif": "", "libelle": words or TOLD.get(code, "Erreur technique"), "message": name, "severite": "2"}
    write(detail, {"code": code, **told} if code else told)
    return envelope(fault, status=500)


def write(parent: Element, fields: Mapping[str, str]) -> None:
    """Write fields as children, which have no namespace."""
    for name, value in fields.items():
        etree.SubElement(parent, name).text = value


def envelope(body: Element, *, status: int = 200) -> web.Response:
    """Put an element in a SOAP envelope."""
    root = etree.Element(f"{{{ENVELOPE}}}Envelope", nsmap={"S": ENVELOPE})
    etree.SubElement(root, BODY).append(body)
    message = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return web.Response(status=status, body=message, headers={"Content-Type": CONTENT_TYPE})


PLAYS: Final[Mapping[str, Callable[[], web.Response]]] = {
    "sans_idop": lambda: reply("creerPaiementSecurise", {}),
    "autre_paiement": lambda: reply("recupererDetailPaiementSecurise", detail_of(example()) | {"idOp": str(uuid4())}),
}
