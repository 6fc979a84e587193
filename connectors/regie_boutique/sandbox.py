"""The shop's stand-in over HTTP: its API, the page where its orders are paid, and the calls that it signs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import uuid4

import aiohttp
import orjson
from aiohttp import web
from standardwebhooks.webhooks import Webhook

from connectors._transport.sandbox import COMMON, HttpSandbox
from connectors.regie_boutique.page import CHOICES, form, page
from connectors.regie_boutique.schemas import document, faulty
from connectors.regie_boutique.shop import Order, RefusalError, Shop, in_euros
from connectors.regie_boutique.wire import SERVICES
from hub.connector import Fault
from hub.model import Verdict

API: Final = "/api/v1/"
PAGE: Final = "/paiement"
TOKEN: Final = "jeton-du-bac-a-sable"  # noqa: S105  # the sandbox's own
SECRET: Final = "whsec_bGEgYm91dGlxdWUgZGUgZGVtb25zdHJhdGlvbi4u"  # noqa: S105  # the sandbox's own
RESULTS: Final = frozenset({*CHOICES, "Z"})

PAID: Final = ("ouvrir_paiement", "annuler_commande")
OF_AN_ORDER: Final = (*PAID, "suivre_commande", "facture")

CATALOGUE: Final[Mapping[str, tuple[int, Verdict, tuple[str, ...]]]] = MappingProxyType(
    {
        "non_autorise": (401, Verdict.TRANSIENT, ()),
        "donnees_invalides": (422, Verdict.REFUSED, ()),
        "boutique_fermee": (503, Verdict.TRANSIENT, ()),
        "paiement_indisponible": (502, Verdict.TRANSIENT, ("ouvrir_paiement",)),
        "reference_differente": (409, Verdict.REFUSED, ("creer_commande", "reserver_stand")),
        "article_inconnu": (422, Verdict.REFUSED, ("creer_commande",)),
        "montant_incorrect": (422, Verdict.REFUSED, ("creer_commande",)),
        "commande_inconnue": (404, Verdict.REFUSED, OF_AN_ORDER),
        "commande_payee": (409, Verdict.REFUSED, PAID),
        "commande_annulee": (409, Verdict.REFUSED, ("ouvrir_paiement",)),
        "paiement_en_cours": (409, Verdict.TRANSIENT, ("annuler_commande",)),
        "commande_impayee": (409, Verdict.REFUSED, ("facture",)),
        "facture_en_preparation": (409, Verdict.TRANSIENT, ("facture",)),
        "evenement_inconnu": (404, Verdict.REFUSED, ("reserver_stand",)),
        "stand_indisponible": (409, Verdict.REFUSED, ("reserver_stand",)),
        "reservation_inconnue": (404, Verdict.REFUSED, ("liberer_stand",)),
        "reservation_liberee": (409, Verdict.REFUSED, ("reserver_stand",)),
    }
)
"""Every code that it may say: with which status, what it means, on which operations (all, when none is named)."""

MENU: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        **COMMON,
        **{
            code: Fault(title=f"says {code}", verdict=verdict, operations=operations)
            for code, (_, verdict, operations) in CATALOGUE.items()
        },
        "sans_numero": Fault(
            title="treats the message, answers only half of it", verdict=Verdict.UNCERTAIN, taken=True
        ),
        "autre_commande": Fault(
            title="treats the message, answers about another order",
            verdict=Verdict.UNCERTAIN,
            taken=True,
            operations=OF_AN_ORDER,
        ),
        "pas_un_pdf": Fault(
            title="gives an invoice that is no PDF", verdict=Verdict.UNCERTAIN, taken=True, operations=("facture",)
        ),
    }
)

ROUTES: Final[Mapping[str, tuple[str, re.Pattern[str]]]] = {
    operation: (service.method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", service.path)))
    for operation, service in SERVICES.items()
}

ACTS: Final[Mapping[str, Callable[[Shop, str, Mapping[str, Any]], Mapping[str, Any]]]] = {
    "creer_commande": Shop.order,
    "ouvrir_paiement": Shop.open_payment,
    "suivre_commande": lambda shop, _, fields: shop.follow(fields),
    "facture": lambda shop, _, fields: shop.invoice(fields),
    "annuler_commande": Shop.cancel,
    "reserver_stand": Shop.book,
    "liberer_stand": Shop.release,
}


class Sandbox(HttpSandbox):
    """A shop in front of PayFiP; `shop` is what it knows.

    `urlnotif`: where it calls when an order was paid, refused or given up; nowhere when empty. `notifications`: how
    often, 0 to lose the call, 2 to double it; `notification_delay`, in seconds, to be late.
    """

    menu = MENU

    def __init__(self) -> None:
        super().__init__()
        self.shop = Shop(self.take)
        self.urlnotif, self.notifications, self.notification_delay = "", 1, 0.0
        self._calling: set[asyncio.Task[None]] = set()
        furnish(self.shop)
        self._taken.clear()

    def settings(self) -> dict[str, Any]:
        """Say how a connector reaches this sandbox."""
        return {"url": f"{self.url}{API}", "bearer": TOKEN, "secrets": [SECRET], "url_retour": f"{self.url}/merci"}

    def sample(self, operation: str) -> dict[str, Any]:
        """Give a message this operation accepts."""
        return dict(document("samples")[operation])

    async def stop(self) -> None:
        """Let go of the port; calls that were still to come are given up."""
        for calling in self._calling:
            calling.cancel()
        await super().stop()

    async def is_delivery(self, request: web.Request) -> bool:
        """Tell an operation from the probe and from a payer's page."""
        return request.path.startswith(API) and request.path != f"{API}etat"

    async def is_finding(self, request: web.Request) -> bool:
        """Tell the question where an order stands."""
        return request.method == "GET" and request.path.startswith(f"{API}commandes/")

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one call of the API, or show a payer one page."""
        if request.path.startswith(API):
            return await self._answer_api(request)
        if request.path == PAGE:
            return await self._show(request)
        if request.path == "/merci":
            return page("Merci", "<p>Vous pouvez fermer cette page.</p>")
        return web.Response(status=404)

    async def play(self, fault: str, request: web.Request, answer: web.Response | None) -> web.StreamResponse:
        """Play a code of the catalogue, an answer that is spoilt, or a fault common to all servers."""
        if fault in CATALOGUE:
            return refuse(fault)
        if fault in SPOILS and answer is not None:
            return say(orjson.loads(answer.text or "{}") | SPOILS[fault])
        return await super().play(fault, request, answer)

    async def pay(self, reference: str, result: str = "P") -> None:
        """Decide as the payer of an order (its number or its idop), and call the hub.

        Raises ValueError when it cannot be paid any more.
        """
        if result not in RESULTS:
            raise ValueError(result)
        try:
            order = self.shop.pay(reference, result)
        except RefusalError as refusal:
            raise ValueError(str(refusal)) from None
        await self._announce(order)

    async def _answer_api(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return refuse("non_autorise")
        path = request.path.removeprefix(API)
        if path == "etat":
            return say({"etat": "ouverte"})
        for operation, (method, pattern) in ROUTES.items():
            if request.method == method and (found := pattern.fullmatch(path)):
                return self._do(operation, found.groupdict(), await request.read())
        return web.Response(status=404)

    def _do(self, operation: str, named: Mapping[str, str], body: bytes) -> web.Response:
        fields = {**(orjson.loads(body) if body else {}), **named}
        key = fields.pop("reference_externe", "")
        if faulty(operation, fields) or (SERVICES[operation].method == "POST" and not key):
            return refuse("donnees_invalides")
        try:
            told = ACTS[operation](self.shop, key, fields)
        except RefusalError as refusal:
            return refuse(str(refusal))
        where = {"url_paiement": f"{self.url}{PAGE}?idop={told['idop']}"} if operation == "ouvrir_paiement" else {}
        return say({**told, **where})

    async def _show(self, request: web.Request) -> web.Response:
        """Show the page of a payment; POST decides, then sends the payer back."""
        order = self.shop.of_payment(request.query.get("idop", ""))
        if order is None or order.payment is None or not order.payment.is_open:
            return page("Paiement impossible", "<p>Ce paiement est terminé ou a expiré.</p>", status=410)
        lines = (f"Commande {order.number}", order.fields["article"], in_euros(order.fields["montant"]))
        choice = str((await request.post()).get("resultat", "")) if request.method == "POST" else ""
        if choice not in RESULTS:
            return page("Paiement", form(lines))
        await self.pay(order.number, choice)
        return web.Response(status=302, headers={"Location": order.back or "/merci"})

    async def _announce(self, order: Order) -> None:
        """Call the hub, once or as often as this sandbox is told to; a doubled call bears the same webhook-id."""
        said = {"commande": order.number, "etat": order.state}
        body = orjson.dumps({"type": "commande.etat", "timestamp": datetime.now(UTC).isoformat(), "data": said})
        headers = sign(f"msg_{uuid4().hex}", body)
        times = self.notifications if self.urlnotif else 0
        calls = {asyncio.create_task(self._call_back(body, headers)) for _ in range(times)}
        self._calling |= calls
        for call in calls:
            call.add_done_callback(self._calling.discard)
        if calls and not self.notification_delay:
            await asyncio.wait(calls)

    async def _call_back(self, body: bytes, headers: Mapping[str, str]) -> None:
        await asyncio.sleep(self.notification_delay)
        with suppress(aiohttp.ClientError, TimeoutError):
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as session:
                await session.post(self.urlnotif, data=body, headers=headers, allow_redirects=False)


SPOILS: Final[Mapping[str, Mapping[str, Any]]] = {
    "sans_numero": {"commande": None, "reservation": None},
    "autre_commande": {"commande": "RB-999999"},
    "pas_un_pdf": {"pdf": "UGFzIHVuIFBERg=="},
}
"""What takes the place of the truth in an answer."""


def furnish(shop: Shop) -> None:
    """Give the shop what its samples name: an order to pay, another that is paid, a stand that is booked."""
    fields = document("samples")["creer_commande"]
    for key in ("0-1", "0-2"):
        shop.order(key, fields)
    shop.open_payment("0-2", {"commande": "RB-000002"})
    shop.pay("RB-000002", "P")
    shop.book("0-3", document("samples")["reserver_stand"])


def sign(identifier: str, body: bytes, secret: str = SECRET) -> dict[str, str]:
    """Write the headers of a call, as Standard Webhooks say."""
    now = datetime.now(UTC)
    return {
        "Content-Type": "application/json",
        "webhook-id": identifier,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(identifier, now, body.decode()),
    }


def say(answer: Mapping[str, Any], status: int = 200) -> web.Response:
    """Answer JSON."""
    return web.Response(status=status, body=orjson.dumps(answer), content_type="application/json")


def refuse(code: str) -> web.Response:
    """Answer a code of the catalogue."""
    return say({"erreur": {"code": code, "message": code.replace("_", " ").capitalize()}}, CATALOGUE[code][0])
