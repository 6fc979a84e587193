"""What Technocarte's answers hold, for later steps and for whoever asked: closed values, amounts in cents. No I/O."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from hub.model import Frozen


class Facture(Frozen):
    """An invoice: what is due, since when, until when, and whether it is paid."""

    numero: str
    libelle: str
    montant: int
    etat: str
    payee: bool
    calculee_le: date | None
    echeance: date | None
    payee_le: date | None


class Factures(Frozen):
    """A family's invoices, and what is still to be paid of them, in cents."""

    factures: tuple[Facture, ...]
    a_payer: int


class Ligne(Frozen):
    """One line of an invoice: what, for whom, how many, at what price."""

    libelle: str
    nom: str
    prenom: str
    montant: int
    quantite: Annotated[float, Field(allow_inf_nan=False)]
    prix_unitaire: int


class DetailFacture(Frozen):
    """The lines of an invoice."""

    lignes: tuple[Ligne, ...]


class Ecole(Frozen):
    """A school as Technocarte numbers and sorts it."""

    identifiant: str
    nom: str
    type: str
    libelle_type: str


class Ecoles(Frozen):
    """The schools of an address's sector, and those open by derogation."""

    secteur: tuple[Ecole, ...]
    derogation: tuple[Ecole, ...]


class Lieu(Frozen):
    """A centre, or a stop of a bus."""

    identifiant: str
    nom: str


class Circuit(Frozen):
    """A bus line and its stops."""

    identifiant: str
    nom: str
    arrets: tuple[Lieu, ...]


class Activite(Frozen):
    """An activity: where it is held and which buses lead to it and back."""

    identifiant: str
    nom: str
    type: str
    centres: tuple[Lieu, ...]
    circuits_aller: tuple[Circuit, ...]
    circuits_retour: tuple[Circuit, ...]
    circuit_specifique: bool


class Activites(Frozen):
    """The activities open to a child."""

    activites: tuple[Activite, ...]


class Adulte(Frozen):
    """A parent."""

    nom: str
    prenom: str
    courriel: str | None
    telephone: str | None


class EnfantInscrit(Frozen):
    """A child of the family, its school and what it is registered for."""

    identifiant: str
    nom: str
    prenom: str
    date_naissance: date
    ecole: str | None
    section: str | None
    activites: tuple[str, ...]


class PersonneAutorisee(Frozen):
    """Somebody who may collect the children."""

    nom: str
    prenom: str
    telephone: str | None
    lien: str | None


class DossierFamille(Frozen):
    """A family's file; its quotient is in cents."""

    identifiant: str
    quotient: int | None
    adultes: tuple[Adulte, ...]
    enfants: tuple[EnfantInscrit, ...]
    personnes_autorisees: tuple[PersonneAutorisee, ...]


class Payee(Frozen):
    """An invoice that Technocarte says is paid, and since when."""

    numero: str
    payee_le: date | None


class Payees(Frozen):
    """The invoices of a payment, all paid."""

    factures: tuple[Payee, ...]
