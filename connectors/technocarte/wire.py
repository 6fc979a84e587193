"""Technocarte on the wire: rpc/encoded envelopes around a request as text, and answers that are text. No I/O.

WSPocketTechno2 has no WSDL: the envelopes are written as its one public client wrote them (README.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from lxml import etree

from connectors._transport.soap import ENVELOPE
from connectors._transport.xml import UNREADABLE, Element, parse
from connectors.technocarte.demande import (
    DEMANDES,
    Adresse,
    Demande,
    Demandeur,
    Enfant,
    InscriptionPeriscolaire,
    InscriptionRestauration,
    Personne,
    Renouvellement,
    Reservation,
    Restauration,
    Sante,
)
from hub.connector import Receipt
from hub.errors import UncertainError
from hub.manifest import ErrorTable
from hub.model import DeliveryKey, Verdict

SERVICE: Final = "urn:WSPocketTechno2"
ENCODING: Final = "http://schemas.xmlsoap.org/soap/encoding/"
XSD: Final = "http://www.w3.org/2001/XMLSchema"
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
PREFIXES: Final = {"SOAP-ENV": ENVELOPE, "xsd": XSD, "xsi": XSI, "ns1": SERVICE}

Content = Element | str | int | bool | None
"""What an element may hold: another, a text, a number, yes or no; None leaves the element out."""


def write_call(method: str, fields: Mapping[str, str]) -> bytes:
    """Write the envelope of a call; every parameter is an xsd:string, and their order counts."""
    envelope = etree.Element(f"{{{ENVELOPE}}}Envelope", nsmap=PREFIXES)
    envelope.set(f"{{{ENVELOPE}}}encodingStyle", ENCODING)
    call = etree.SubElement(etree.SubElement(envelope, f"{{{ENVELOPE}}}Body"), f"{{{SERVICE}}}{method}")
    for name, value in fields.items():
        parameter = etree.SubElement(call, name, {f"{{{XSI}}}type": "xsd:string"})
        parameter.text = value
    return etree.tostring(envelope, encoding="UTF-8", xml_declaration=True)


def read_return(method: str, answer: Element) -> str:
    """Read the one string a method returns; raises UncertainError for anything but one plain string.

    An empty string is an answer, and means yes; a nil one is none.
    """
    values = list(answer) if answer.tag == f"{{{SERVICE}}}{method}Response" else []
    if len(values) != 1 or len(values[0]) or values[0].get(f"{{{XSI}}}nil") or values[0].get("href"):
        raise UncertainError(UNREADABLE)
    return values[0].text or ""


def read_receipt(key: DeliveryKey, said: str, errors: ErrorTable) -> Receipt:
    """Read what ReceptionLibredemat said: nothing is yes, a sentence is no, blanks alone are neither."""
    if not said:
        return Receipt(reference=key)
    if said.isspace():
        raise UncertainError(UNREADABLE)
    row = errors.find(said)
    if row is not None and row.verdict is Verdict.ACCEPTED and key in said:
        return Receipt(reference=key)
    raise errors.failure(said)


def read_schools(said: str, errors: ErrorTable) -> tuple[str, ...]:
    """Read the names of the schools in an answer of ListeEcoles; raises what a sentence in their place means."""
    if not said.lstrip().startswith("<"):
        raise errors.failure(said, otherwise=Verdict.UNCERTAIN)
    root = parse(said.encode())
    if root.tag != "ListeEcole":
        raise UncertainError(UNREADABLE)
    return tuple(name.text or "" for name in root.iter("NomEcoleSecteur"))


def write_request(key: DeliveryKey, operation: str, body: bytes) -> str:
    """Write the whole request as Technocarte takes it, under our key; raises ValidationError."""
    return etree.tostring(write_document(key, operation, body), encoding="unicode")


def write_document(key: DeliveryKey, operation: str, body: bytes) -> Element:
    """Write the document of a request; `body` is the mapping's output, JSON in UTF-8."""
    demande = DEMANDES[operation].validate_json(body, strict=True)
    root, label, write = DOCUMENTS[type(demande)]
    return element(
        root,
        element("Id", key),
        element("RequestTypeLabel", label),
        element("State", "Validated"),
        element("RequestSeason", demande.saison),
        *write_people(demande),
        *write(demande),
    )


def element(tag: str, *contents: Content) -> Element:
    """Make an element of a text, or of other elements; those that are None are left out."""
    made = etree.Element(tag)
    for content in contents:
        if isinstance(content, bool):
            made.text = "true" if content else "false"
        elif isinstance(content, (str, int)):
            made.text = str(content)
        elif content is not None:
            made.append(content)
    return made


def optional(tag: str, content: str | int | None) -> Element | None:
    """Make an element of a text, or none at all."""
    return None if content is None else element(tag, content)


def each(tag: str, values: Iterable[object]) -> list[Element]:
    """Make one element a value."""
    return [element(tag, str(value)) for value in values]


def write_people(demande: Demande) -> list[Element]:
    """Write the family, the adult who asks and the child."""
    famille = element(
        "HomeFolder",
        element("Id", demande.famille.identifiant),
        optional("FamilyQuotient", demande.famille.quotient),
    )
    return [famille, write_adult(demande.demandeur), write_child(demande.enfant)]


def write_adult(adult: Demandeur) -> Element:
    """Write the adult who asks."""
    return element(
        "Requester",
        element("LastName", adult.nom),
        element("FirstName", adult.prenom),
        optional("Email", adult.courriel),
        optional("Phone", adult.telephone),
        write_address(adult.adresse) if adult.adresse else None,
    )


def write_address(address: Adresse) -> Element:
    """Write a postal address."""
    return element(
        "Address",
        element("Street", address.voie),
        optional("AdditionalDeliveryInformation", address.complement),
        element("PostalCode", address.code_postal),
        element("City", address.commune),
    )


def write_child(child: Enfant) -> Element:
    """Write the child."""
    return element(
        "Subject",
        optional("Id", child.identifiant),
        element("LastName", child.nom),
        element("FirstName", child.prenom),
        element("BirthDate", child.date_naissance.isoformat()),
        optional("Sex", child.sexe),
    )


def write_person(person: Personne) -> Element:
    """Write somebody who may collect the child."""
    return element(
        "AuthorizedIndividual",
        element("LastName", person.nom),
        element("FirstName", person.prenom),
        optional("Phone", person.telephone),
        optional("Relationship", person.lien),
    )


def write_health(health: Sante) -> list[Element | None]:
    """Write what is needed to look after the child."""
    doctor = health.medecin
    return [
        element("FoodAllergy", health.allergie),
        optional("WhichFoodAllergy", health.precisions),
        optional("DoctorName", doctor.nom if doctor else None),
        optional("DoctorPhone", doctor.telephone if doctor else None),
        element("HospitalizationPermission", health.hospitalisation),
    ]


def write_reservation(demande: Reservation) -> list[Element | None]:
    """Write the days reserved and the days given up, each in order."""
    return [
        element("FoodDiet", demande.regime),
        element("ReservedDays", *each("Day", sorted(demande.jours))),
        element("CancelledDays", *each("Day", sorted(demande.annulations))),
    ]


def write_canteen(demande: Restauration) -> list[Element | None]:
    """Write a registration at the canteen."""
    return [
        element("School", demande.ecole.identifiant),
        optional("Section", demande.ecole.section),
        element("UrgencyPhone", demande.telephone_urgence),
        element("FoodDiet", demande.regime),
        *each("CanteenAttendingDays", demande.jours_semaine),
        *write_health(demande.sante),
        *each("ProvidedDocument", demande.pieces),
        element("RulesAndRegulationsAcceptance", demande.reglement_interieur),
    ]


def write_after_school(demande: InscriptionPeriscolaire) -> list[Element | None]:
    """Write a registration for after-school activities."""
    return [
        element("School", demande.ecole.identifiant),
        optional("Section", demande.ecole.section),
        element("UrgencyPhone", demande.telephone_urgence),
        *each("PerischoolActivity", demande.activites),
        *map(write_person, demande.personnes_autorisees),
        *write_health(demande.sante),
        *each("ProvidedDocument", demande.pieces),
        element("RulesAndRegulationsAcceptance", demande.reglement_interieur),
    ]


def write_renewal(demande: Renouvellement) -> list[Element | None]:
    """Write a yearly renewal."""
    return [
        optional("School", demande.ecole.identifiant if demande.ecole else None),
        optional("Section", demande.ecole.section if demande.ecole else None),
        element("UrgencyPhone", demande.telephone_urgence),
        *map(write_person, demande.personnes_autorisees),
        *each("ProvidedDocument", demande.pieces),
        element("EstRestauration", demande.est_restauration),
        element("EstPeriscolaire", demande.est_periscolaire),
        element("AcceptationReglementInterieur", demande.acceptation_reglement_interieur),
    ]


Document = tuple[str, str, Callable[[Any], list[Element | None]]]

CANTEEN: Final[Document] = ("SchoolCanteenRegistrationRequest", "School Canteen Registration", write_canteen)

DOCUMENTS: Final[Mapping[type[Demande], Document]] = {
    Reservation: ("SchoolCanteenReservationRequest", "School Canteen Reservation", write_reservation),
    Restauration: CANTEEN,
    InscriptionRestauration: CANTEEN,
    InscriptionPeriscolaire: (
        "PerischoolActivityRegistrationRequest",
        "Perischool Activity Registration",
        write_after_school,
    ),
    Renouvellement: (
        "RenewalPerischoolActivitiesRequest",
        "Renewal Perischool Activities",
        write_renewal,
    ),
}
"""Each request: the root of its document, its label, and what it alone says."""
