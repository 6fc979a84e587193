"""Reads what Technocarte answers when it is asked: an XML document in a string, without namespace.

Amounts are in cents and days are dd/MM/yyyy, or empty. No I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Final, TypeVar

from pydantic import ValidationError

from connectors._transport.xml import UNREADABLE, Element, parse
from connectors.technocarte.question import DAY, Paiement
from connectors.technocarte.reponse import (
    Activite,
    Activites,
    Adulte,
    Circuit,
    DetailFacture,
    DossierFamille,
    Ecole,
    Ecoles,
    EnfantInscrit,
    Facture,
    Factures,
    Lieu,
    Ligne,
    Payee,
    Payees,
    PersonneAutorisee,
)
from hub.connector import Receipt
from hub.errors import DeliveryError, RefusedError, UncertainError
from hub.manifest import ErrorTable
from hub.model import DeliveryKey, Verdict

PAID: Final = "P"
ALREADY_PAID: Final = "already_paid"
NOT_LISTED: Final = "invoice_not_listed"
YES: Final = frozenset({"true", "1"})
DECLARATION: Final = re.compile(r"^\s*<\?xml[^>]*\?>")
CENTS: Final = re.compile(r"-?[0-9]{1,12}(\.0+)?")

Read = TypeVar("Read")


def read_document(said: str, errors: ErrorTable) -> Element | None:
    """Read the XML of an answer, None when it is empty; raises what a sentence in its place means.

    The string is decoded already: the encoding that an XML declaration claims is no longer that of anything.
    """
    if not said:
        return None
    if said.lstrip().startswith("<"):
        return parse(DECLARATION.sub("", said).encode())
    if said.isspace():
        raise UncertainError(UNREADABLE)
    raise errors.failure(said, otherwise=Verdict.UNCERTAIN)


def read_invoices(said: str, errors: ErrorTable) -> Factures:
    """Read an answer of `CallListFactureCap`; an empty one is a family without invoices."""
    invoices = tuple(listed(said, errors, "facture", read_invoice))
    return Factures(factures=invoices, a_payer=sum(one.montant for one in invoices if not one.payee))


def read_detail(said: str, errors: ErrorTable) -> DetailFacture:
    """Read an answer of `CallListFactureDetailCap`; an empty one is an invoice without lines."""
    return DetailFacture(lignes=tuple(listed(said, errors, "lignefacture", read_line)))


def read_schools(said: str, errors: ErrorTable) -> Ecoles:
    """Read an answer of `ListeEcoles`."""
    root = rooted(said, errors, "ListeEcole")
    return read(
        lambda: Ecoles(
            secteur=tuple(read_school(one, "Secteur") for one in root.iterfind("ListeEcoleSecteur/EcoleSecteur")),
            derogation=tuple(read_school(one, "Derog") for one in root.iterfind("ListeEcoleDerog/EcoleDerog")),
        )
    )


def read_activities(said: str, errors: ErrorTable) -> Activites:
    """Read an answer of `DetailActivites`."""
    root = rooted(said, errors, "ListeActivite")
    return read(lambda: Activites(activites=tuple(map(read_activity, root.iterfind("Activite")))))


def read_family(said: str, errors: ErrorTable) -> DossierFamille:
    """Read an answer of `DetailFamille`."""
    root = rooted(said, errors, "HomeFolder")
    return read(
        lambda: DossierFamille(
            identifiant=text(root, "Id"),
            quotient=cents(text(root, "FamilyQuotient")) if root.findtext("FamilyQuotient") else None,
            adultes=tuple(map(read_adult, root.iterfind("Adult"))),
            enfants=tuple(map(read_child, root.iterfind("Child"))),
            personnes_autorisees=tuple(map(read_person, root.iterfind("AuthorizedIndividual"))),
        )
    )


def read_paid(key: DeliveryKey, payment: Paiement, invoices: Factures) -> Receipt | None:
    """Find whether all the invoices of a payment are paid, or, None, none of them.

    Raises UncertainError when one is not in the list, or when only some are paid: a person must look.
    """
    known = {one.numero: one for one in invoices.factures}
    if any(one.numero not in known for one in payment.factures):
        raise UncertainError(NOT_LISTED)
    asked = [known[one.numero] for one in payment.factures]
    if not any(one.payee for one in asked):
        return None
    if not all(one.payee for one in asked):
        raise UncertainError("partly_paid")
    paid = Payees(factures=tuple(Payee(numero=one.numero, payee_le=one.payee_le) for one in asked))
    return Receipt(key, paid.model_dump(mode="json"))


def judge_payment(said: str | None, errors: ErrorTable) -> DeliveryError:
    """Say what it means that invoices are not paid after `said`, None being a fault.

    A sentence of our table is then believed, for the invoices say the same; anything else, silence included, leaves
    a doubt.
    """
    row = errors.find(said) if said and not said.isspace() else None
    if said is None or row is None or row.verdict is Verdict.ACCEPTED:
        return UncertainError("unconfirmed")
    return errors.failure(said)


def agree(failure: DeliveryError, reading: DeliveryError) -> bool:
    """Tell whether a payment was refused and the invoices cannot be read for the same reason."""
    return isinstance(failure, RefusedError) and reading.code in {failure.code, NOT_LISTED}


def listed(said: str, errors: ErrorTable, tag: str, read_one: Callable[[Element], Read]) -> list[Read]:
    """Read each `tag` of an answer; a document that holds something else instead is no list of them."""
    root = read_document(said, errors)
    if root is None:
        return []
    found = list(root.iter(tag))
    if not found and (len(root) or (root.text or "").strip()):
        raise UncertainError(UNREADABLE)
    return read(lambda: [read_one(one) for one in found])


def rooted(said: str, errors: ErrorTable, tag: str) -> Element:
    """Read the document of an answer, which must have this root."""
    root = read_document(said, errors)
    if root is None or root.tag != tag:
        raise UncertainError(UNREADABLE)
    return root


def read(reading: Callable[[], Read]) -> Read:
    """Read a document's parts; raises UncertainError for one that is missing or is not what it should be."""
    try:
        return reading()
    except (ValueError, ValidationError):
        raise UncertainError(UNREADABLE) from None


def read_invoice(one: Element) -> Facture:
    """Read a `facture`."""
    state = text(one, "etat")
    return Facture(
        numero=filled(one, "numfct"),
        libelle=text(one, "libelle"),
        montant=cents(text(one, "montant")),
        etat=state,
        payee=state.upper() == PAID,
        calculee_le=day(text(one, "calcul")),
        echeance=day(text(one, "expire")),
        payee_le=day(text(one, "payment")),
    )


def read_line(one: Element) -> Ligne:
    """Read a `lignefacture`."""
    return Ligne(
        libelle=text(one, "libelle"),
        nom=text(one, "nom"),
        prenom=text(one, "prenom"),
        montant=cents(text(one, "value")),
        quantite=float(text(one, "qte")),
        prix_unitaire=cents(text(one, "unit")),
    )


def read_school(one: Element, sort: str) -> Ecole:
    """Read an `EcoleSecteur`, or an `EcoleDerog`."""
    return Ecole(
        identifiant=filled(one, f"IdEcole{sort}"),
        nom=text(one, f"NomEcole{sort}"),
        type=text(one, f"TypeEcole{sort}"),
        libelle_type=text(one, f"LibelTypeEcole{sort}"),
    )


def read_activity(one: Element) -> Activite:
    """Read an `Activite`."""
    return Activite(
        identifiant=filled(one, "IdActivite"),
        nom=text(one, "NomActivite"),
        type=text(one, "TypeActivite"),
        centres=tuple(read_place(place, "Centre") for place in one.iterfind("ListeCentre/Centre")),
        circuits_aller=tuple(read_bus(bus, "Aller") for bus in one.iterfind("ListeCircuitAller/CircuitAller")),
        circuits_retour=tuple(read_bus(bus, "Retour") for bus in one.iterfind("ListeCircuitRetour/CircuitRetour")),
        circuit_specifique=text(one, "CircuitSpecifique") in YES,
    )


def read_bus(one: Element, way: str) -> Circuit:
    """Read a `CircuitAller`, or a `CircuitRetour`."""
    stops = one.iterfind(f"ListeArret{way}/Arret{way}")
    return Circuit(
        identifiant=filled(one, f"IdCircuit{way}"),
        nom=text(one, f"NomCircuit{way}"),
        arrets=tuple(read_place(stop, f"Arret{way}") for stop in stops),
    )


def read_place(one: Element, sort: str) -> Lieu:
    """Read a `Centre`, or a stop."""
    return Lieu(identifiant=filled(one, f"Id{sort}"), nom=text(one, f"Nom{sort}"))


def read_adult(one: Element) -> Adulte:
    """Read an `Adult`."""
    return Adulte(
        nom=text(one, "LastName"),
        prenom=text(one, "FirstName"),
        courriel=one.findtext("Email") or None,
        telephone=one.findtext("Phone") or None,
    )


def read_child(one: Element) -> EnfantInscrit:
    """Read a `Child`."""
    born = day(filled(one, "BirthDate"))
    return EnfantInscrit.model_validate(
        {
            "identifiant": filled(one, "Id"),
            "nom": text(one, "LastName"),
            "prenom": text(one, "FirstName"),
            "date_naissance": born,
            "ecole": one.findtext("School") or None,
            "section": one.findtext("Section") or None,
            "activites": tuple(activity.text or "" for activity in one.iterfind("Activity")),
        }
    )


def read_person(one: Element) -> PersonneAutorisee:
    """Read an `AuthorizedIndividual`."""
    return PersonneAutorisee(
        nom=text(one, "LastName"),
        prenom=text(one, "FirstName"),
        telephone=one.findtext("Phone") or None,
        lien=one.findtext("Relationship") or None,
    )


def text(parent: Element, tag: str) -> str:
    """Read a child's text, which may be empty; raises ValueError when there is no such child."""
    found = parent.find(tag)
    if found is None:
        raise ValueError(tag)
    return (found.text or "").strip()


def filled(parent: Element, tag: str) -> str:
    """Read a child's text; raises ValueError when it is empty."""
    found = text(parent, tag)
    if not found:
        raise ValueError(tag)
    return found


def cents(amount: str) -> int:
    """Read an amount; raises ValueError for one that is not a whole number of cents."""
    if not CENTS.fullmatch(amount):
        raise ValueError("cents")
    return int(amount.partition(".")[0])


def day(written: str) -> date | None:
    """Read a day, None when it is empty."""
    return datetime.strptime(written, DAY).date() if written else None  # noqa: DTZ007  # a day has no zone
