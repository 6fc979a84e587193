"""What is said to Logitud and what its answers mean; no I/O.

A message's fields are the content of the schema's `Naissance`, `Mariage` or `Deces`, by its own names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from connectors._transport.xml import UNREADABLE
from hub.connector import DifferentError, File, Outbound, Receipt
from hub.errors import DeliveryError, UncertainError
from hub.manifest import ErrorTable
from hub.model import Verdict

ACTS: Final[Mapping[str, str]] = {
    "demander_acte_naissance": "Naissance",
    "demander_acte_mariage": "Mariage",
    "demander_acte_deces": "Deces",
}
"""Our operations → the element that describes the act."""

TYPES: Final[Mapping[str, str]] = {"Naissance": "NAISSANCE", "Mariage": "MARIAGE", "Deces": "DECES"}

KNOWN: Final = "DEJA-CONNUE"
UNKNOWN: Final = "INCONNUE"

SEVERE: Final[Mapping[str, Verdict]] = {"WARN": Verdict.REFUSED, "ERROR": Verdict.REFUSED}
"""What a code that our table does not know means, by its severity; uncertain for FATAL and INFO."""


def write_request(message: Outbound, attachments: list[dict[str, Any]]) -> dict[str, Any]:
    """Write a `DemanderActe`."""
    return {
        "ReferenceExterne": message.key,
        ACTS[message.operation]: message.fields,
        "PieceJointe": attachments,
    }


def write_attachment(file: File, content: bytes) -> dict[str, Any]:
    """Write a `PieceJointe`; zeep encodes its content."""
    return {
        "Nom": file.name,
        "TypeMime": file.media_type,
        "Taille": file.size,
        "Empreinte": file.sha256,
        "Contenu": content,
    }


def read_receipt(answer: Any, errors: ErrorTable) -> Receipt | None:
    """Read a `DemanderActeReponse`; None when Logitud already knows our reference.

    INFO and WARN accept when they bear the request's number: a WARN with one is a reserve, kept in the
    receipt. Without a number WARN, ERROR and FATAL mean what the table says; any other mix is unreadable.
    """
    match answer:
        case {"Message": {"severity": "WARN", "code": str(code)}} if code == KNOWN:
            return None
        case {"Message": {"severity": "INFO"}, "NumeroDemande": str(number)}:
            return Receipt(number)
        case {"Message": {"severity": "WARN", "code": str(code)}, "NumeroDemande": str(number)}:
            return Receipt(number, {"reserve": code})
        case {"Message": _, "NumeroDemande": None}:
            raise failure(answer, errors)
        case _:
            raise UncertainError(UNREADABLE)


def read_found(answer: Any, message: Outbound, errors: ErrorTable) -> Receipt | None:
    """Read a `RechercherDemandeReponse`: our request, or None when Logitud says that it has none.

    Raises DifferentError when another act, holder or number of copies stands under our reference.
    """
    match answer:
        case {"Message": {"severity": "INFO", "code": str(code)}, "Demande": None} if code == UNKNOWN:
            return None
        case {"Message": {"severity": "INFO"}, "Demande": {"ReferenceExterne": key} as known}:
            if key != message.key or sketch_of(known) != sketch(message):
                raise DifferentError("different")
            return Receipt(known["NumeroDemande"], {"etat": known["Etat"]})
        case _:
            raise failure(answer, errors)


def read_state(answer: Any, errors: ErrorTable) -> str:
    """Read an `EtatDemandeReponse`."""
    match answer:
        case {"Message": {"severity": "INFO"}, "Etat": str(state)}:
            return state
        case _:
            raise failure(answer, errors)


def check_up(answer: Any, errors: ErrorTable) -> None:
    """Read a `VersionReponse`; raises when Logitud says that it is not at work."""
    match answer:
        case {"Message": {"severity": "INFO" | "WARN"}}:
            return
        case _:
            raise failure(answer, errors)


def failure(answer: Any, errors: ErrorTable) -> DeliveryError:
    """Make the error that an answer without success stands for; a success without its parts leaves a doubt."""
    match answer:
        case {"Message": {"severity": str(severity), "code": str(code)}}:
            row = errors.find(code)
            if row and row.verdict is Verdict.ACCEPTED:
                return UncertainError(UNREADABLE)
            return errors.failure(code, otherwise=SEVERE.get(severity, Verdict.UNCERTAIN))
        case _:
            return UncertainError(UNREADABLE)


def sketch(message: Outbound) -> tuple[str, ...]:
    """Sum up what must be the same on both sides: the act, its holder, how many copies."""
    holder = message.fields["Titulaire"]
    act = TYPES[ACTS[message.operation]]
    return act, holder["Nom"], holder["Prenoms"], str(message.fields["NombreExemplaires"])


def sketch_of(known: Mapping[str, Any]) -> tuple[str, ...]:
    """Sum up the same of a request that Logitud has."""
    keys = ("TypeActe", "NomTitulaire", "PrenomsTitulaire", "NombreExemplaires")
    return tuple(str(known[key]) for key in keys)
