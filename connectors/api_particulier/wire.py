"""What API Particulier is asked, operation by operation, in its own words; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from connectors._transport.etat import Question, read_question
from hub.connector import Outbound
from hub.model import Frozen

FRANCE: Final = "99100"

Nom = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]
Annee = Annotated[int, Field(ge=1880, le=2100)]
Mois = Annotated[int, Field(ge=1, le=12)]
Jour = Annotated[int, Field(ge=1, le=31)]
Cog = Annotated[str, Field(pattern=r"^([0-9]{5}|2[AB][0-9]{3})$")]
Pays = Annotated[str, Field(pattern=r"^99[0-9]{3}$")]
Departement = Annotated[str, Field(pattern=r"^([0-9]{2,3}|2[AB])$")]
Codes = Annotated[tuple[Annotated[str, Field(pattern=r"^[0-9A-Z]{1,4}$")], ...], Field(min_length=1, max_length=120)]


class Identite(Frozen):
    """A person as the civil registry writes them; a birthday may be known in part only."""

    model_config = ConfigDict(alias_generator=to_camel)

    nom_naissance: Nom
    prenoms: Annotated[tuple[Nom, ...], Field(min_length=1, max_length=3)]
    annee_date_naissance: Annee | None = None
    mois_date_naissance: Mois | None = None
    jour_date_naissance: Jour | None = None
    sexe_etat_civil: Literal["M", "F"] | None = None

    @model_validator(mode="after")
    def _is_born_some_day(self) -> Self:
        """Refuse what the API would silently leave out, and find somebody else by."""
        if self.mois_date_naissance and not self.annee_date_naissance:
            raise ValueError("moisDateNaissance: ignored without anneeDateNaissance")
        if self.jour_date_naissance and not self.mois_date_naissance:
            raise ValueError("jourDateNaissance: ignored without moisDateNaissance")
        return self


class NeQuelquePart(Identite):
    """A person whose place of birth is told by its code, or by its name, its department and the year."""

    code_cog_insee_commune_naissance: Cog | None = None
    nom_commune_naissance: Nom | None = None
    code_cog_insee_departement_naissance: Departement | None = None

    @model_validator(mode="after")
    def _names_its_place_whole(self) -> Self:
        named = (self.nom_commune_naissance, self.code_cog_insee_departement_naissance)
        if any(named) and not (all(named) and self.annee_date_naissance):
            raise ValueError("nomCommuneNaissance: with codeCogInseeDepartementNaissance and anneeDateNaissance only")
        return self


class Allocataire(NeQuelquePart):
    """A person as the funds (CAF, MSA) look for them: the place is needed for who is born in France only."""

    nom_usage: Nom | None = None
    sexe_etat_civil: Literal["M", "F"]
    code_cog_insee_pays_naissance: Pays

    @model_validator(mode="after")
    def _is_born_here_or_there(self) -> Self:
        place = self.code_cog_insee_commune_naissance or self.nom_commune_naissance
        if bool(place) is not (self.code_cog_insee_pays_naissance == FRANCE):
            raise ValueError("codeCogInseeCommuneNaissance: needed for a birth in France (99100), and for no other")
        return self


class QuotientFamilial(Allocataire):
    """The quotient of a month of the last two years; of this month when none is named."""

    annee: Annee | None = None
    mois: Mois | None = None


class EtudiantBoursier(NeQuelquePart):
    """A student as the Cnous looks for them."""

    annee_date_naissance: Annee
    mois_date_naissance: Mois
    jour_date_naissance: Jour


class StatutEtudiant(EtudiantBoursier):
    """A student as the ministry of higher education looks for them: by one forename."""

    prenoms: Annotated[tuple[Nom, ...], Field(min_length=1, max_length=1)]
    sexe_etat_civil: Literal["M", "F"]


class Scolarites(Identite):
    """A pupil, looked for in one school, or in some departments, or in some regions."""

    annee_date_naissance: Annee
    mois_date_naissance: Mois
    jour_date_naissance: Jour
    sexe_etat_civil: Literal["M", "F"]
    annee_scolaire: Annotated[str, Field(pattern=r"^20[0-9]{2}(-20[0-9]{2})?$")]
    code_etablissement: Annotated[str, Field(pattern=r"^[0-9]{7}[A-Z]$")] | None = None
    degre_etablissement: Literal["1D", "2D"] | None = None
    codes_bcn_departements: Codes | None = None
    codes_bcn_regions: Codes | None = None

    @model_validator(mode="after")
    def _looks_in_one_place(self) -> Self:
        places = (self.code_etablissement, self.codes_bcn_departements, self.codes_bcn_regions)
        if sum(map(bool, places)) != 1:
            raise ValueError("codeEtablissement, codesBcnDepartements or codesBcnRegions: one of them, and no other")
        return self


@dataclass(frozen=True, slots=True)
class Service:
    """One of the API's endpoints: its path, which bears its version, and what it wants to know."""

    path: str
    asks: type[Identite]


SERVICES: Final[Mapping[str, Service]] = MappingProxyType(
    {
        "quotient_familial": Service("/v3/dss/quotient_familial/identite", QuotientFamilial),
        "participation_familiale_eaje": Service("/v3/dss/participation_familiale_eaje/identite", Allocataire),
        "revenu_solidarite_active": Service("/v3/dss/revenu_solidarite_active/identite", Allocataire),
        "allocation_adulte_handicape": Service("/v3/dss/allocation_adulte_handicape/identite", Allocataire),
        "complementaire_sante_solidaire": Service("/v3/dss/complementaire_sante_solidaire/identite", Allocataire),
        "etudiant_boursier": Service("/v4/cnous/etudiant_boursier/identite", EtudiantBoursier),
        "statut_etudiant": Service("/v3/mesri/statut_etudiant/identite", StatutEtudiant),
        "scolarites": Service("/v4/men/scolarites/identite", Scolarites),
    }
)
"""Our operations → the API's endpoints."""

LISTS: Final = frozenset({"prenoms", "codesBcnDepartements", "codesBcnRegions"})
"""Parameters whose name bears `[]` on the wire, once a value."""

PROBE: Final = "/api/introspect"
"""What a token may ask; named by the API's own error 00100."""


def write_question(message: Outbound, recipient: str) -> Question:
    """Write the parameters of a question; raises RefusedError for one that breaks the contract."""
    identity = read_question(SERVICES[message.operation].asks, message)
    return [("recipient", recipient), *parameters_of(identity)]


def parameters_of(identity: Identite) -> Iterator[tuple[str, str]]:
    """List the parameters that were given, by the names they bear on the wire."""
    for name, value in identity.model_dump(by_alias=True, exclude_none=True).items():
        if name in LISTS:
            yield from ((f"{name}[]", part) for part in value)
        else:
            yield name, str(value)
