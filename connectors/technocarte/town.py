"""What the stand-in's town holds, and what its rules refuse: families, invoices, seasons, the cut-off. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final

from connectors._transport.xml import Element
from connectors.technocarte.question import DAY
from connectors.technocarte.wire import element

PAPERS: Final = {
    "DOMICILE": "Justificatif de domicile manquant",
    "ASSURANCE": "Attestation d'assurance manquante",
    "CAF_OU_IMPOT": "Attestation CAF ou avis d'imposition manquant",
}
PAID_ON: Final = "14/09/2026"

SCHOOLS: Final = (
    "<ListeEcole><ListeEcoleSecteur><EcoleSecteur><IdEcoleSecteur>12</IdEcoleSecteur>"
    "<NomEcoleSecteur>Jules Ferry</NomEcoleSecteur><TypeEcoleSecteur>E</TypeEcoleSecteur>"
    "<LibelTypeEcoleSecteur>Élémentaire</LibelTypeEcoleSecteur></EcoleSecteur></ListeEcoleSecteur>"
    "<ListeEcoleDerog/></ListeEcole>"
)
ACTIVITIES: Final = (
    "<ListeActivite><Activite><IdActivite>LOI7</IdActivite><NomActivite>Mercredis à la ferme</NomActivite>"
    "<TypeActivite>LOI</TypeActivite><ListeCentre><Centre><IdCentre>C3</IdCentre><NomCentre>La Torse</NomCentre>"
    "</Centre></ListeCentre><ListeCircuitAller><CircuitAller><IdCircuitAller>A1</IdCircuitAller>"
    "<NomCircuitAller>Ligne 1</NomCircuitAller><ListeArretAller><ArretAller><IdArretAller>A11</IdArretAller>"
    "<NomArretAller>Mairie</NomArretAller></ArretAller></ListeArretAller></CircuitAller></ListeCircuitAller>"
    "<ListeCircuitRetour/><CircuitSpecifique>false</CircuitSpecifique></Activite></ListeActivite>"
)
FAMILY: Final = (
    '<?xml version="1.0" encoding="ISO-8859-1"?><HomeFolder><Id>{family}</Id><FamilyQuotient>85000</FamilyQuotient>'
    "<Adult><LastName>MARTIN</LastName><FirstName>Léa</FirstName><Email>lea.martin@example.org</Email></Adult>"
    "<Child><Id>E2077</Id><LastName>MARTIN</LastName><FirstName>Zoé</FirstName><BirthDate>14/03/2018</BirthDate>"
    "<School>12</School><Section>CE2</Section><Activity>RESTAURATION</Activity></Child>"
    "<AuthorizedIndividual><LastName>MARTIN</LastName><FirstName>Paul</FirstName><Phone>06 39 98 33 44</Phone>"
    "<Relationship>grand-père</Relationship></AuthorizedIndividual></HomeFolder>"
)
DETAIL: Final = (
    "<detail><lignefacture><libelle>Repas</libelle><nom>MARTIN</nom><prenom>Zoé</prenom><value>4250</value><qte>12.5</qte>"
    "<unit>340</unit></lignefacture></detail>"
)


@dataclass(frozen=True, slots=True)
class Bill:
    """An invoice: cents, and days as they are written."""

    label: str
    cents: int
    state: str = ""
    paid: str = ""


@dataclass(slots=True)
class Town:
    """What a test may change: whom it does not know, who owes, what is closed or full, which papers it wants.

    `now`: when the cut-off is counted from; none, and no day is too late. Each family has three invoices, numbered
    after it, the last of them paid already.
    """

    strangers: set[str] = field(default_factory=lambda: {"F0000"})
    debtors: set[str] = field(default_factory=set)
    closed_seasons: set[str] = field(default_factory=set)
    full: set[str] = field(default_factory=set)
    wanted: set[str] = field(default_factory=set)
    now: datetime | None = None
    bills: dict[str, dict[str, Bill]] = field(default_factory=dict)

    def what_is_wrong(self, document: Element) -> str:
        """Find the first rule that a request breaks, in the words that refuse it; nothing when it breaks none."""
        return next((said for rule in RULES if (said := rule(self, document))), "")

    def bills_of(self, family: str) -> dict[str, Bill]:
        """Give a family's invoices, by number."""
        return self.bills.setdefault(
            family,
            {
                f"{family}-01": Bill("Restauration septembre", 4250),
                f"{family}-02": Bill("Accueil du soir septembre", 1890),
                f"{family}-03": Bill("Restauration juin", 3810, "P", "02/07/2026"),
            },
        )

    def pay(self, family: str, paid: Iterable[tuple[str, int]]) -> str:
        """Take a payment whole, and say nothing; or say why not, and take nothing."""
        bills = self.bills_of(family)
        payment = dict(paid)
        for number, cents in payment.items():
            if number not in bills:
                return f"Facture {number} inconnue"
            if bills[number].state:
                return f"Facture {number} déjà réglée"
            if bills[number].cents != cents:
                return f"Montant différent de celui de la facture {number}"
        bills.update({number: replace(bills[number], state="P", paid=PAID_ON) for number in payment})
        return ""


def write_bills(bills: dict[str, Bill]) -> Element:
    """Write invoices as `CallListFactureCap` gives them."""
    return element(
        "listefacture",
        *(
            element(
                "facture",
                element("libelle", bill.label),
                element("numfct", number),
                element("montant", bill.cents),
                element("expire", "31/10/2026"),
                element("calcul", ""),
                element("payment", bill.paid),
                element("etat", bill.state),
            )
            for number, bill in bills.items()
        ),
    )


def last_moment(day: date) -> date:
    """Give the last day on which a meal can be changed: the Tuesday of the week before it."""
    return day - timedelta(days=day.weekday() + 6)


def refuse_stranger(town: Town, document: Element) -> str:
    """Refuse a family that is not known."""
    family = document.findtext("HomeFolder/Id", "")
    return f"Famille {family} inconnue" if family in town.strangers else ""


def refuse_closed_season(town: Town, document: Element) -> str:
    """Refuse a season that is not open."""
    season = document.findtext("RequestSeason", "")
    return f"La saison {season} n'est pas ouverte" if season in town.closed_seasons else ""


def refuse_debtor(town: Town, document: Element) -> str:
    """Refuse a family that has not paid."""
    return "Inscription impossible : factures impayées" if document.findtext("HomeFolder/Id") in town.debtors else ""


def refuse_late(town: Town, document: Element) -> str:
    """Refuse the first day that can no longer be reserved or given up."""
    days = sorted(date.fromisoformat(day.text or "") for day in document.iter("Day"))
    late = [day for day in days if town.now and town.now.date() > last_moment(day)]
    return f"La date limite de réservation est dépassée pour le {late[0].strftime(DAY)}" if late else ""


def refuse_full(town: Town, document: Element) -> str:
    """Refuse an activity, or a school's canteen, that has no place left."""
    asked = {*(one.text for one in document.iter("PerischoolActivity")), document.findtext("School")}
    return "Activité complète" if asked & town.full else ""


def refuse_incomplete(town: Town, document: Element) -> str:
    """Refuse a registration without a paper that is wanted."""
    if document.tag == "SchoolCanteenReservationRequest":
        return ""
    missing = town.wanted - {one.text for one in document.iter("ProvidedDocument")}
    return PAPERS[min(missing)] if missing else ""


Rule = Callable[[Town, Element], str]

RULES: Final[tuple[Rule, ...]] = (
    refuse_stranger,
    refuse_closed_season,
    refuse_debtor,
    refuse_late,
    refuse_full,
    refuse_incomplete,
)
