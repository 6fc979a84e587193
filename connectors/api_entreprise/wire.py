"""What API Entreprise is asked, operation by operation, in its own words, and who may not be told of; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Final, Self

from pydantic import Field, model_validator

from connectors._transport.etat import INVALID, Question, Siret, read_question
from hub.connector import Outbound, Receipt
from hub.errors import RefusedError
from hub.model import Frozen

Siren = Annotated[str, Field(pattern=r"^[0-9]{9}$")]
Rna = Annotated[str, Field(pattern=r"^W[0-9][0-9A-Z][0-9]{7}$")]
"""The number of an association; its third sign is a letter overseas."""

Line = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]
Object = Annotated[str, Field(min_length=1, max_length=49, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Why we ask: fewer than 50 characters, for the State's own records."""


class Purpose(Frozen):
    """In which framework, and why, the city asks: the law wants each call justified."""

    context: Line | None = None
    object: Object | None = None


class Asked(Purpose):
    """Whom a question is about: one number, of the kinds that its endpoint knows."""

    @property
    def numbers(self) -> Mapping[str, str]:
        """The numbers that were given, by their kind."""
        return self.model_dump(exclude_none=True, exclude=set(Purpose.model_fields))

    @model_validator(mode="after")
    def _has_one_number(self) -> Self:
        if len(self.numbers) != 1:
            kinds = type(self).model_fields.keys() - Purpose.model_fields
            raise ValueError(f"{' or '.join(sorted(kinds))}: one of them, and no other")
        return self


class ParSiren(Asked):
    """A legal unit."""

    siren: Siren


class ParSiret(Asked):
    """An establishment."""

    siret: Siret


class ParSirenOuRna(Asked):
    """An association, by either of its numbers."""

    siren: Siren | None = None
    rna: Rna | None = None


class ParSiretOuRna(Asked):
    """An association, by its own number or that of one of its establishments."""

    siret: Siret | None = None
    rna: Rna | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """One of the API's endpoints: its path, which bears its version and the number, and what it wants to know."""

    path: str
    asks: type[Asked]


SERVICES: Final[Mapping[str, Service]] = MappingProxyType(
    {
        "unite_legale": Service("/v4/insee/sirene/unites_legales/{}", ParSiren),
        "etablissement": Service("/v4/insee/sirene/etablissements/{}", ParSiret),
        "adresse_etablissement": Service("/v3/insee/sirene/etablissements/{}/adresse", ParSiret),
        "association": Service("/v4/djepva/api-association/associations/{}", ParSirenOuRna),
        "association_rna": Service("/v3/ministere_interieur/rna/associations/{}", ParSiretOuRna),
        "extrait_kbis": Service("/v3/infogreffe/rcs/unites_legales/{}/extrait_kbis", ParSiren),
    }
)
"""Our operations → the API's endpoints."""

PROBE: Final = "/privileges"
PROBING: Final = Purpose(context="Vérification du jeton", object="Vérification du jeton")
"""What a probe says when the settings do not say why the city asks."""

SECRET: Final = 451
"""The status of what INSEE knows and may not tell."""

HIDDEN: Final = "non_diffusible"


def write_question(message: Outbound, recipient: str, usual: Purpose) -> tuple[str, Question]:
    """Write the path and the parameters of a question; raises RefusedError for one that breaks the contract.

    The message's own `context` and `object` go before the usual ones.
    """
    service = SERVICES[message.operation]
    asked = read_question(service.asks, message)
    [number] = asked.numbers.values()
    purpose = Purpose(context=asked.context or usual.context, object=asked.object or usual.object)
    if missing := [name for name, value in purpose if value is None]:
        message.exchange.fault = ", ".join(missing)
        raise RefusedError(INVALID)
    return service.path.format(number), write_purpose(recipient, purpose)


def write_purpose(recipient: str, purpose: Purpose) -> Question:
    """Write what every call of this API bears: for whom, in which framework, and why."""
    return [("recipient", recipient), *((name, value) for name, value in purpose if value)]


def with_diffusion(details: Mapping[str, Any]) -> Receipt:
    """Say whether what INSEE gave may be told, where it says so."""
    status = details.get("data", {}).get("status_diffusion")
    return Receipt(details={**details, "diffusible": status != HIDDEN} if status else details)
