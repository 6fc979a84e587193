"""What is said to Logitud and what its answers mean; no I/O.

A message's fields are the content of the schema's element for its operation (`Naissance`, `Preinscription`, …), by
the schema's own names; those of a question are the question's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from connectors._transport.xml import UNREADABLE
from hub.connector import DifferentError, File, Outbound, Receipt
from hub.errors import DeliveryError, UncertainError
from hub.manifest import ErrorTable
from hub.model import Verdict


@dataclass(frozen=True, slots=True)
class Demande:
    """How one operation is said: the service's operation, the element that describes it, what it is called later.

    `sketch`: what a search tells of it → where the same stands in the message.
    """

    call: str
    element: str
    type: str
    sketch: Mapping[str, tuple[str, ...]]


CERTIFICATE: Final = {
    "NomTitulaire": ("Titulaire", "Nom"),
    "PrenomsTitulaire": ("Titulaire", "Prenoms"),
    "NombreExemplaires": ("NombreExemplaires",),
}
ELECTOR: Final = {
    "NomTitulaire": ("NomNaissance",),
    "PrenomsTitulaire": ("Prenoms",),
    "DateNaissance": ("DateNaissance",),
}
CITIZEN: Final = {
    "NomTitulaire": ("Personne", "Nom"),
    "PrenomsTitulaire": ("Personne", "Prenoms"),
    "DateNaissance": ("Personne", "DateNaissance"),
}
APPEAL: Final = {
    "NomTitulaire": ("Requerant", "Nom"),
    "PrenomsTitulaire": ("Requerant", "Prenoms"),
    "NumeroAvis": ("Avis", "Numero"),
}

DEMANDES: Final[Mapping[str, Demande]] = {
    "demander_acte_naissance": Demande("DemanderActe", "Naissance", "NAISSANCE", CERTIFICATE),
    "demander_acte_mariage": Demande("DemanderActe", "Mariage", "MARIAGE", CERTIFICATE),
    "demander_acte_deces": Demande("DemanderActe", "Deces", "DECES", CERTIFICATE),
    "preinscrire_electeur": Demande("PreinscrireElecteur", "Preinscription", "ELECTEUR", ELECTOR),
    "recenser_citoyen": Demande("RecenserCitoyen", "Recensement", "RECENSEMENT", CITIZEN),
    "deposer_rapo": Demande("DeposerRapo", "Recours", "RAPO", APPEAL),
}
"""What we hand over."""

ACTS: Final = {name: demande.element for name, demande in DEMANDES.items() if demande.call == "DemanderActe"}
"""Our operations that ask for a certificate → the element that describes the act."""

NUMBER: Final = re.compile("EC[0-9]{8}")
"""How Logitud numbers requests, whatever they are for."""

KNOWN: Final = "DEJA-CONNUE"
UNKNOWN: Final = "INCONNUE"
REGISTERED: Final = "INSCRIT"

WORDS: Final[Mapping[str, str]] = {
    "Voie": "voie",
    "Complement": "complement",
    "CodePostal": "code_postal",
    "Ville": "ville",
    "Pays": "pays",
}
"""An address as the service says it → as our answers do."""

SEVERE: Final[Mapping[str, Verdict]] = {"WARN": Verdict.REFUSED, "ERROR": Verdict.REFUSED}
"""What a code that our table does not know means, by its severity; uncertain for FATAL and INFO."""


def write_request(message: Outbound, attachments: list[dict[str, Any]]) -> dict[str, Any]:
    """Write the message of a request: our reference, what is asked for, its files."""
    return {
        "ReferenceExterne": message.key,
        DEMANDES[message.operation].element: message.fields,
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
    """Read what it says of a request it was handed; None when Logitud already knows our reference.

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

    Raises DifferentError when another thing, for another person, stands under our reference.
    """
    match answer:
        case {"Message": {"severity": "INFO", "code": str(code)}, "Demande": None} if code == UNKNOWN:
            return None
        case {"Message": {"severity": "INFO"}, "Demande": {"ReferenceExterne": key} as known}:
            if key != message.key or sketch_of(known, message.operation) != sketch(message):
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


def read_exists(answer: Any, errors: ErrorTable) -> bool:
    """Read an `EtatDemandeReponse` for whether there is such a request at all."""
    match answer:
        case {"Message": {"severity": "INFO", "code": str(code)}, "Etat": None} if code == UNKNOWN:
            return False
        case _:
            return bool(read_state(answer, errors))


def read_polling_station(answer: Any, errors: ErrorTable) -> Receipt:
    """Read a `BureauDeVoteReponse`; an elector it does not know is an answer, not a refusal."""
    match answer:
        case {"Message": {"severity": "INFO", "code": str(code)}, "Bureau": None} if code == UNKNOWN:
            return Receipt(details={"trouve": False})
        case {"Message": {"severity": "INFO"}, "Bureau": {"Numero": number, "Lieu": place, "Adresse": address}}:
            where = {WORDS[name]: line for name, line in address.items() if line is not None}
            return Receipt(number, {"trouve": True, "bureau": number, "lieu": place, "adresse": where})
        case _:
            raise failure(answer, errors)


def read_registration(answer: Any, errors: ErrorTable) -> Receipt:
    """Read an `EstInscritReponse`; raises UncertainError when its two parts contradict each other."""
    match answer:
        case {"Message": {"severity": "INFO"}, "Inscription": {"Inscrit": bool(inscrit), "Situation": str(situation)}}:
            if inscrit != (situation == REGISTERED):
                raise UncertainError(UNREADABLE)
            return Receipt(details={"inscrit": inscrit, "situation": situation})
        case _:
            raise failure(answer, errors)


QUESTIONS: Final[Mapping[str, tuple[str, Callable[[Any, ErrorTable], Receipt]]]] = {
    "bureau_de_vote": ("BureauDeVote", read_polling_station),
    "est_inscrit": ("EstInscrit", read_registration),
}
"""What we ask: the service's operation, and how its answer is read."""


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
    """Sum up what must be the same on both sides: what is asked for, for whom, how many or which."""
    demande = DEMANDES[message.operation]
    return demande.type, *(pick(message.fields, path) for path in demande.sketch.values())


def sketch_of(known: Mapping[str, Any], operation: str) -> tuple[str, ...]:
    """Sum up the same of a request that Logitud has."""
    return tuple(str(known[key]) for key in ("TypeDemande", *DEMANDES[operation].sketch))


def pick(fields: Any, path: tuple[str, ...]) -> str:
    """Read the text that stands at `path`."""
    for step in path:
        fields = fields[step]
    return str(fields)
