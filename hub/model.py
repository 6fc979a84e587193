"""The values every part of the hub shares: words, keys, times, and the normalized request."""

from __future__ import annotations

import re
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, NewType

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

DeliveryKey = NewType("DeliveryKey", str)
"""What names one delivery at its target, for ever: `167046020-1`. At most 13 characters of [0-9-]."""

Instant = NewType("Instant", int)
"""A moment, in milliseconds since 1970-01-01T00:00Z (docs/decisions/0002)."""

UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Frozen(BaseModel):
    """A value: never changed once made, never wider than declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Effect(StrEnum):
    """What an operation does to its target, which alone decides what may follow a lost answer."""

    SAFE = "safe"
    IDEMPOTENT = "idempotent"
    LOOKUP = "lookup"
    ONCE = "once"


class Verdict(StrEnum):
    """What one answer, or its absence, means."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    TRANSIENT = "transient"
    UNCERTAIN = "uncertain"


class Status(StrEnum):
    """Where a request stands, for machines; the stage says it in the agents' words."""

    IN_PROGRESS = "in_progress"
    WAITING = "waiting"
    UNCERTAIN = "uncertain"
    PARKED = "parked"
    DONE = "done"
    REFUSED = "refused"
    FINALIZED = "finalized"
    CANCELLED = "cancelled"


FINAL_STATUSES: Final = frozenset({Status.DONE, Status.REFUSED, Status.FINALIZED, Status.CANCELLED})


class Channel(StrEnum):
    """How the citizen came."""

    INTERNET = "internet"
    MOBILE = "mobile"
    DESK = "guichet"
    PHONE = "telephone"
    LETTER = "courrier"
    EMAIL = "courriel"
    INTERNAL = "interne"


class Gender(StrEnum):
    """As FranceConnect's pivot identity says it."""

    FEMALE = "female"
    MALE = "male"


def read_duration(value: Any) -> Any:
    """Read `5s`, `15m`, `1h30m` or `2d`; anything else is left to pydantic (seconds, ISO 8601)."""
    if isinstance(value, str) and re.fullmatch(r"(\d+(\.\d+)?(ms|s|m|h|d))+", value):
        parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", value)
        return timedelta(seconds=sum(float(number) * UNITS[unit] for number, unit in parts))
    return value


Duration = Annotated[timedelta, BeforeValidator(read_duration)]
Text = Annotated[str, Field(min_length=1, max_length=255)]
Email = Annotated[str, Field(max_length=254, json_schema_extra={"format": "email"})]
"""An address; the door checks its form against this schema, in a tenth of the time a validator in Python takes."""

Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$", max_length=80)]


class PivotIdentity(Frozen):
    """An identity as FranceConnect vouches for it (claims of the `identite_pivot` scope), or as declared."""

    family_name: Text = Field(title="Nom de naissance")
    given_name: Text = Field(title="Prénoms")
    preferred_username: Text | None = Field(default=None, title="Nom d'usage")
    gender: Gender | None = Field(default=None, title="Sexe")
    birthdate: date | None = Field(default=None, title="Date de naissance")
    birthplace: str | None = Field(
        default=None, pattern=r"^(\d{5}|2[AB]\d{3})$", title="Commune de naissance (code COG)"
    )
    birthcountry: str | None = Field(default=None, pattern=r"^\d{5}$", title="Pays de naissance (code COG)")
    verified: bool = Field(default=False, title="Identité vérifiée par FranceConnect")


class Contact(Frozen):
    """How to reach the applicant."""

    email: Email | None = Field(default=None, title="Courriel")
    phone: str | None = Field(default=None, pattern=r"^\+?[0-9][0-9 .]{5,18}$", title="Téléphone")


class Address(Frozen):
    """A postal address, in the BAN's words."""

    street: str | None = Field(default=None, max_length=255, title="Numéro et voie")
    complement: str | None = Field(default=None, max_length=255, title="Complément d'adresse")
    postcode: str | None = Field(default=None, pattern=r"^\d{5}$", title="Code postal")
    city: str | None = Field(default=None, max_length=255, title="Commune")
    country: str = Field(default="FR", pattern=r"^[A-Z]{2}$", title="Pays")


class Applicant(Frozen):
    """Who asks."""

    identity: PivotIdentity = Field(title="Identité du demandeur")
    contact: Contact = Field(default=Contact(), title="Coordonnées")
    address: Address | None = Field(default=None, title="Adresse")


class Submission(Frozen):
    """What a front end submits: the envelope every kind shares, and the kind's own `data`."""

    kind: Code = Field(title="Type de démarche")
    site: Code = Field(default="ville", title="Site")
    channel: Channel = Field(default=Channel.INTERNET, title="Canal")
    external_reference: str | None = Field(default=None, min_length=1, max_length=100, title="Référence du portail")
    applicant: Applicant = Field(title="Demandeur")
    data: dict[str, Any] = Field(title="Données de la démarche")
    attachments: list[Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]] = Field(
        default=[], max_length=20, title="Pièces jointes"
    )
    received_at: AwareDatetime | None = Field(default=None, title="Date de dépôt")


def show_number(number: int) -> str:
    """Show a request's number as agents read it: `167 046 020`."""
    digits = f"{number:09d}"
    return f"{digits[:3]} {digits[3:6]} {digits[6:]}"


def delivery_key(number: int, ordinal: int) -> DeliveryKey:
    """Name the `ordinal`-th delivery of a request, as targets will know it."""
    return DeliveryKey(f"{number:09d}-{ordinal}")
