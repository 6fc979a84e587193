"""What a mapping writes for Technocarte, operation by operation: closed values in its own words. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, model_validator

from hub.model import Frozen


def check_season(saison: str) -> str:
    """Take `2026-2027`: a school season ends the year after it began."""
    first, last = map(int, saison.split("-"))
    if last != first + 1:
        raise ValueError("a season ends the year after it began")
    return saison


Line = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f\ufffe\uffff]*$")]
Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f\ufffe\uffff]*$")]
Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$")]
Phone = Annotated[str, Field(pattern=r"^\+?[0-9][0-9 .]{5,18}$")]
Season = Annotated[str, Field(pattern=r"^20[0-9]{2}-20[0-9]{2}$"), AfterValidator(check_season)]
Days = Annotated[tuple[date, ...], Field(max_length=250, json_schema_extra={"uniqueItems": True})]


class Regime(StrEnum):
    """What a child eats; PAI: what its individual care plan says."""

    STANDARD = "STANDARD"
    SANS_PORC = "SANS_PORC"
    VEGETARIEN = "VEGETARIEN"
    PAI = "PAI"


class Jour(StrEnum):
    """A day of school."""

    LUNDI = "LUNDI"
    MARDI = "MARDI"
    MERCREDI = "MERCREDI"
    JEUDI = "JEUDI"
    VENDREDI = "VENDREDI"


class Piece(StrEnum):
    """A paper that the department has seen and found good; the paper itself is not sent."""

    DOMICILE = "DOMICILE"
    ASSURANCE = "ASSURANCE"
    CAF_OU_IMPOT = "CAF_OU_IMPOT"


class Adresse(Frozen):
    """A postal address in France."""

    voie: Line
    complement: Line | None = None
    code_postal: Annotated[str, Field(pattern=r"^[0-9]{5}$")]
    commune: Name


class Famille(Frozen):
    """The family as Technocarte numbers it; its quotient is in cents."""

    identifiant: Code
    quotient: Annotated[int, Field(ge=0, le=100_000_000)] | None = None


class Demandeur(Frozen):
    """The adult who asks."""

    nom: Name
    prenom: Name
    courriel: Line | None = None
    telephone: Phone | None = None
    adresse: Adresse | None = None


class Enfant(Frozen):
    """The child; `identifiant` is Technocarte's, when the family file has told it."""

    identifiant: Code | None = None
    nom: Name
    prenom: Name
    date_naissance: date
    sexe: Literal["F", "M"] | None = None


class Ecole(Frozen):
    """Where the child goes to school; `section` is its class: `CP`, `GS`."""

    identifiant: Code
    section: Name | None = None


class Personne(Frozen):
    """Somebody who may collect the child."""

    nom: Name
    prenom: Name
    telephone: Phone | None = None
    lien: Name | None = None


class Medecin(Frozen):
    """The child's doctor."""

    nom: Name
    telephone: Phone | None = None


class Sante(Frozen):
    """What is needed to look after the child; health data, kept nowhere but in the message."""

    allergie: bool = False
    precisions: Line | None = None
    medecin: Medecin | None = None
    hospitalisation: bool = False


class Demande(Frozen):
    """What every request says: who asks, for which child of which family, for which season."""

    famille: Famille
    demandeur: Demandeur
    enfant: Enfant
    saison: Season


class Reservation(Demande):
    """Meals reserved, or given up, day by day."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["jours"], "properties": {"jours": {"minItems": 1}}},
                {"required": ["annulations"], "properties": {"annulations": {"minItems": 1}}},
            ]
        }
    )

    regime: Regime
    jours: Days = ()
    annulations: Days = ()

    @model_validator(mode="after")
    def _each_day_once(self) -> Self:
        days = self.jours + self.annulations
        if not days or len(set(days)) < len(days):
            raise ValueError("at least one day, and each day once")
        return self


class Restauration(Demande):
    """A first registration at the canteen."""

    ecole: Ecole
    regime: Regime
    jours_semaine: Annotated[tuple[Jour, ...], Field(min_length=1, max_length=5)]
    telephone_urgence: Phone
    sante: Sante = Sante()
    pieces: tuple[Piece, ...] = ()
    reglement_interieur: Literal[True]


class InscriptionRestauration(Restauration):
    """The same, where the message itself says what it is."""

    activite: Literal["RESTAURATION"]


class InscriptionPeriscolaire(Demande):
    """A first registration for what happens before and after school."""

    activite: Literal["PERISCOLAIRE"]
    ecole: Ecole
    activites: Annotated[tuple[Code, ...], Field(min_length=1, max_length=20)]
    telephone_urgence: Phone
    personnes_autorisees: Annotated[tuple[Personne, ...], Field(max_length=10)] = ()
    sante: Sante = Sante()
    pieces: tuple[Piece, ...] = ()
    reglement_interieur: Literal[True]


class Renouvellement(Demande):
    """Last season's registrations, carried over to a new one."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"properties": {"est_restauration": {"const": True}}},
                {"properties": {"est_periscolaire": {"const": True}}},
            ]
        }
    )

    ecole: Ecole | None = None
    est_restauration: bool
    est_periscolaire: bool
    telephone_urgence: Phone
    personnes_autorisees: Annotated[tuple[Personne, ...], Field(max_length=10)] = ()
    pieces: tuple[Piece, ...] = ()
    acceptation_reglement_interieur: Literal[True]

    @model_validator(mode="after")
    def _renews_something(self) -> Self:
        if not (self.est_restauration or self.est_periscolaire):
            raise ValueError("est_restauration or est_periscolaire")
        return self


Inscription = Annotated[InscriptionRestauration | InscriptionPeriscolaire, Field(discriminator="activite")]

DEMANDES: Final[Mapping[str, TypeAdapter[Any]]] = {
    "reserver_restauration": TypeAdapter(Reservation),
    "inscrire": TypeAdapter(Inscription),
    "inscrire_restauration": TypeAdapter(Restauration),
    "renouveler": TypeAdapter(Renouvellement),
}
"""What each operation takes that hands a request over."""
