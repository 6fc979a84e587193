"""The sandbox's shop itself, without HTTP: orders and what becomes of them, stands and who has them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from connectors.regie_boutique.invoice import write_pdf

PRICES: Final[Mapping[str, int]] = {"STAND-STANDARD": 4500, "STAND-ANGLE": 6000, "STAND-ELECTRIQUE": 7500}
EVENT: Final = "FORUM-2026"
DONE: Final[Mapping[str, str]] = {"P": "payee", "V": "payee", "R": "refusee", "Z": "refusee"}
"""PayFiP's letter → the order's state; a payment that was given up (A) may be taken up again while it lives."""

Fields = Mapping[str, Any]


class RefusalError(Exception):
    """The shop says no: its code."""


@dataclass(slots=True)
class Payment:
    """A payment on PayFiP's page."""

    idop: str
    expires: datetime
    result: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it may still be paid."""
        return self.result not in DONE and datetime.now(UTC) < self.expires


@dataclass(slots=True)
class Order:
    """An order, and its latest payment; one that is over may be followed by another."""

    number: str
    fields: Fields
    created: datetime
    payment: Payment | None = None
    paid: datetime | None = None
    cancelled: bool = False
    back: str = ""

    @property
    def state(self) -> str:
        """Where it stands."""
        if self.cancelled or self.payment is None:
            return "annulee" if self.cancelled else "creee"
        waiting = "en_attente_paiement" if self.payment.is_open else "expiree"
        return DONE.get(self.payment.result, waiting)


@dataclass(slots=True)
class Booking:
    """A stand, and for whom."""

    number: str
    fields: Fields
    stand: str
    released: bool = False


@dataclass(slots=True)
class Shop:
    """What the shop knows. `take` is told of our keys, each time that one changes something.

    `lifetime`: how long a payment lives. `stands`: those that each category has.
    """

    take: Callable[[str], None]
    lifetime: timedelta = timedelta(minutes=15)
    stands: dict[str, tuple[str, ...]] = field(default_factory=lambda: dict(STANDS))
    orders: dict[str, Order] = field(default_factory=dict)
    bookings: dict[str, Booking] = field(default_factory=dict)
    known: dict[tuple[str, str], tuple[Fields, str]] = field(default_factory=dict)

    def order(self, key: str, fields: Fields) -> Fields:
        """Take an order, at the catalogue's price; the same key is the same order."""
        if (number := self._recognise("commande", key, fields)) is None:
            price = PRICES.get(fields["article"])
            if price is None:
                raise RefusalError("article_inconnu")
            if price * fields["quantite"] != fields["montant"]:
                raise RefusalError("montant_incorrect")
            number = f"RB-{len(self.orders) + 1:06d}"
            self.orders[number] = Order(number, fields, datetime.now(UTC))
            self._remember("commande", key, fields, number)
        order = self.orders[number]
        return {
            "commande": number,
            "etat": order.state,
            "montant": order.fields["montant"],
            "cree_a": told(order.created),
        }

    def open_payment(self, key: str, fields: Fields) -> Fields:
        """Open a payment, or give the one that is open: never two that may be paid."""
        order = self.find(fields["commande"])
        if order.state in {"payee", "annulee"}:
            raise RefusalError(f"commande_{order.state}")
        if order.payment is None or not order.payment.is_open:
            order.payment = Payment(str(uuid4()), datetime.now(UTC) + self.lifetime)
            order.back = fields.get("url_retour", "")
            self.take(key)
        return {
            "commande": order.number,
            "idop": order.payment.idop,
            "expire_a": told(order.payment.expires),
            "montant": order.fields["montant"],
        }

    def follow(self, fields: Fields) -> Fields:
        """Tell where an order stands."""
        order = self.find(fields["commande"])
        return {
            "commande": order.number,
            "etat": order.state,
            **{name: order.fields[name] for name in ("montant", "article", "quantite")},
            "idop": order.payment.idop if order.payment else None,
            "payee_a": told(order.paid) if order.paid else None,
            "facture": invoice_of(order) if order.paid else None,
        }

    def invoice(self, fields: Fields) -> Fields:
        """Write the invoice of an order that was paid."""
        order = self.find(fields["commande"])
        if order.paid is None:
            raise RefusalError("commande_impayee")
        number, cents = invoice_of(order), order.fields["montant"]
        lines = (
            f"Facture {number}",
            f"Commande {order.number} : {order.fields['article']} x {order.fields['quantite']}",
            f"Client : {order.fields['client']['nom']}",
            f"Montant payé : {in_euros(cents)}",
        )
        pdf = b64encode(write_pdf(lines)).decode()
        return {
            "commande": order.number,
            "numero": number,
            "montant": cents,
            "emise_a": told(order.paid),
            "pdf": pdf,
        }

    def cancel(self, key: str, fields: Fields) -> Fields:
        """Cancel an order that nobody has paid, nor may still pay."""
        order = self.find(fields["commande"])
        if order.state in {"payee", "en_attente_paiement"}:
            raise RefusalError("commande_payee" if order.state == "payee" else "paiement_en_cours")
        if not order.cancelled:
            order.cancelled = True
            self.take(key)
        return {"commande": order.number, "etat": order.state}

    def book(self, key: str, fields: Fields) -> Fields:
        """Book the first free stand of a category; the same key is the same booking."""
        if (number := self._recognise("reservation", key, fields)) is None:
            number = f"ST-{len(self.bookings) + 1:06d}"
            self.bookings[number] = Booking(number, fields, self._free_stand(fields))
            self._remember("reservation", key, fields, number)
        booking = self.bookings[number]
        if booking.released:
            raise RefusalError("reservation_liberee")
        return {
            "reservation": number,
            "stand": booking.stand,
            **{name: fields[name] for name in ("evenement", "categorie")},
        }

    def release(self, key: str, fields: Fields) -> Fields:
        """Free a stand, which another may then have."""
        booking = self.bookings.get(fields["reservation"])
        if booking is None:
            raise RefusalError("reservation_inconnue")
        if not booking.released:
            booking.released = True
            self.take(key)
        return {"reservation": booking.number, "etat": "liberee"}

    def pay(self, reference: str, result: str) -> Order:
        """Decide as the payer of an order, by its number or its idop; raises RefusalError when it cannot be paid."""
        order = self.orders.get(reference) or self.of_payment(reference)
        if order is None or order.payment is None or not order.payment.is_open:
            raise RefusalError("paiement_ferme")
        order.payment.result = result
        if DONE.get(result) == "payee":
            order.paid = datetime.now(UTC)
        return order

    def find(self, number: str) -> Order:
        """Find an order."""
        if number not in self.orders:
            raise RefusalError("commande_inconnue")
        return self.orders[number]

    def of_payment(self, idop: str) -> Order | None:
        """Find the order that an idop pays."""
        return next((order for order in self.orders.values() if order.payment and order.payment.idop == idop), None)

    def _free_stand(self, fields: Fields) -> str:
        if fields["evenement"] != EVENT or fields["categorie"] not in self.stands:
            raise RefusalError("evenement_inconnu")
        held = {booking.stand for booking in self.bookings.values() if not booking.released}
        free = next((stand for stand in self.stands[fields["categorie"]] if stand not in held), None)
        if free is None:
            raise RefusalError("stand_indisponible")
        return free

    def _recognise(self, sort: str, key: str, fields: Fields) -> str | None:
        """Give the number that our key has; None for a new one."""
        content, number = self.known.get((sort, key), (fields, None))
        if content != fields:
            raise RefusalError("reference_differente")
        return number

    def _remember(self, sort: str, key: str, fields: Fields, number: str) -> None:
        self.known[sort, key] = (fields, number)
        self.take(key)


STANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "STANDARD": tuple(f"S{number}" for number in range(1, 21)),
    "ANGLE": ("A1", "A2", "A3", "A4"),
    "ELECTRIQUE": ("E1", "E2"),
}


def invoice_of(order: Order) -> str:
    """Give the invoice of an order its number."""
    return order.number.replace("RB-", "FA-")


def in_euros(cents: int) -> str:
    """Write an amount as people do."""
    return f"{cents // 100},{cents % 100:02d} €"


def told(moment: datetime) -> str:
    """Write a moment as the shop does."""
    return moment.isoformat(timespec="seconds")
