"""What a mapping, or whoever asks, writes for Technocarte's other methods, and how it is said to them. No I/O.

The methods and the order of their parameters are those of the public client; `DetailFamille` alone is ours (README.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Final, Literal, Self

from lxml import etree
from pydantic import Field, model_validator

from connectors.technocarte.demande import Code, Line, Name
from connectors.technocarte.wire import element
from hub.model import DeliveryKey, Frozen

DAY: Final = "%d/%m/%Y"
"""How Technocarte writes a day outside of a request's document."""

Number = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f\x7f\ufffe\uffff]*$")]


class NumeroFamille(Frozen):
    """A family, by Technocarte's own number."""

    identifiant: Code


class QuestionFamille(Frozen):
    """Whose file is asked for."""

    famille: NumeroFamille


class QuestionFactures(Frozen):
    """Whose invoices are asked for; `foyer_portail` is the portal's number of the same family, when it has one."""

    famille: NumeroFamille
    foyer_portail: Code | None = None


class QuestionDetail(Frozen):
    """Which invoice is asked about."""

    facture: Number


class QuestionEcoles(Frozen):
    """Which address, or which child, schools are asked for; `rivoli` is the street's code."""

    enfant: Code | None = None
    numero_voie: Number | None = None
    rivoli: Code | None = None
    code_postal: Annotated[str, Field(pattern=r"^[0-9]{5}$")]


class QuestionActivites(Frozen):
    """Which activities are asked about: transport, stays or leisure, for a child of that age, in that season.

    `demande` is the label of the request that is being made; `agent` tells an agent's question from a family's.
    """

    enfant: Code | None = None
    type: Literal["TRANS", "SEJ", "LOI"]
    date_naissance: date
    demande: Name
    saison: Code
    agent: bool = False


class FacturePayee(Frozen):
    """One invoice that was paid at the bank, and how much of it, in cents."""

    numero: Number
    montant: Annotated[int, Field(gt=0, le=100_000_000)]


class Paiement(Frozen):
    """Invoices that a family has paid at the bank, once and for all of them; `reference_bancaire` is the bank's."""

    famille: NumeroFamille
    foyer_portail: Code | None = None
    factures: Annotated[tuple[FacturePayee, ...], Field(min_length=1, max_length=50)]
    reference_bancaire: Line

    @model_validator(mode="after")
    def _each_invoice_once(self) -> Self:
        if len({one.numero for one in self.factures}) < len(self.factures):
            raise ValueError("each invoice once")
        return self


def write_family(question: QuestionFamille, code_appli: str) -> Mapping[str, str]:
    """Write the parameters of `DetailFamille`."""
    return {"externalHomeFolderId": question.famille.identifiant, "code_appli": code_appli}


def write_invoices(question: QuestionFactures | Paiement, code_appli: str) -> Mapping[str, str]:
    """Write the parameters of `CallListFactureCap`."""
    return {
        "homeFolderId": question.foyer_portail or "",
        "externalHomeFolderId": question.famille.identifiant,
        "externalId": "",
        "code_appli": code_appli,
    }


def write_detail(question: QuestionDetail, code_appli: str) -> Mapping[str, str]:
    """Write the parameters of `CallListFactureDetailCap`."""
    return {"externalId": question.facture, "code_appli": code_appli}


def write_schools(question: QuestionEcoles, code_appli: str) -> Mapping[str, str]:
    """Write the parameters of `ListeEcoles`."""
    return {
        "idenfantexterne": question.enfant or "",
        "nrue": question.numero_voie or "",
        "rivoli": question.rivoli or "",
        "cp": question.code_postal,
        "codeappli": code_appli,
    }


def write_activities(question: QuestionActivites, code_appli: str) -> Mapping[str, str]:
    """Write the parameters of `DetailActivites`; `calend` is always 0 in the public client."""
    return {
        "idenfantexterne": question.enfant or "",
        "typeactivite": question.type,
        "codeappli": code_appli,
        "datenai": question.date_naissance.strftime(DAY),
        "requestType": question.demande,
        "codsaison": question.saison,
        "calend": "0",
        "agent": str(int(question.agent)),
    }


def write_payment(payment: Paiement, key: DeliveryKey, code_appli: str) -> Mapping[str, str]:
    """Write the parameters of `PaiementFactureCap`; its `homeFolderId` is Technocarte's number of the family."""
    bills = [
        element("facture", element("numfct", one.numero), element("montant", one.montant)) for one in payment.factures
    ]
    return {
        "listnumfct": etree.tostring(element("listefacture", *bills), encoding="unicode"),
        "montant": str(sum(one.montant for one in payment.factures)),
        "cvqReference": key,
        "bankReference": payment.reference_bancaire,
        "homeFolderId": payment.famille.identifiant,
        "code_appli": code_appli,
    }
