"""What a mapping writes for eSirius, operation by operation: closed values, appointments in its own words. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from hub.model import Email, Frozen


def check_moment(text: str) -> str:
    """Take a moment that the calendar has; raises ValueError."""
    datetime.fromisoformat(text)
    return text


Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]
Line = Annotated[str, Field(max_length=255)]
Name = Annotated[str, Field(min_length=1, max_length=255)]
Time = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Moment = Annotated[
    str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T([01]\d|2[0-3]):[0-5]\d:[0-5]\d$"), AfterValidator(check_moment)
]
"""A moment in the town's own time, without an offset: eSirius has none."""


class Sites(Frozen):
    """Nothing: every site is listed."""


class Services(Frozen):
    """The site whose services are listed."""

    site: Code


class Creneaux(Frozen):
    """Whose free slots are listed, from which moment, over how many days."""

    site: Code
    service: Code
    debut: Moment
    jours: int = Field(default=15, ge=1, le=90)


class Adresse(Frozen):
    """A postal address."""

    line1: Line = ""
    line2: Line = ""
    zipCode: Line = ""  # noqa: N815  # the target's word
    city: Line = ""
    country: Line = ""


class Usager(Frozen):
    """Who comes; the connector adds `personalIdentity`, our key."""

    lastName: Name  # noqa: N815  # the target's word
    firstName: Name  # noqa: N815  # the target's word
    birthday: date | None = None
    email: Email | None = None
    phone: Annotated[str, Field(pattern=r"^\+?[0-9]{6,15}$")] | None = None
    address: Adresse | None = None


class Ressource(Frozen):
    """The desk of a slot, as `creneaux` gave it."""

    id: int
    key: Code
    type: Code = "STATION"
    name: Line | None = None


class Creneau(Frozen):
    """When an appointment begins and ends, in the town's own time."""

    beginDate: date  # noqa: N815  # the target's word
    beginTime: Time  # noqa: N815  # the target's word
    endDate: date  # noqa: N815  # the target's word
    endTime: Time  # noqa: N815  # the target's word


class Reserver(Creneau):
    """An appointment to take, at a slot that `creneaux` gave."""

    user: Usager
    serviceId: Code  # noqa: N815  # the target's word
    siteCode: Code  # noqa: N815  # the target's word
    resources: Ressource
    motives: tuple[Any, ...] = ()


class Deplacer(Creneau):
    """The slot an appointment moves to; service and site stay its own unless said."""

    codeRDV: Code  # noqa: N815  # the target's word
    resources: Ressource
    serviceId: Code | None = None  # noqa: N815  # the target's word
    siteCode: Code | None = None  # noqa: N815  # the target's word


class Annuler(Frozen):
    """The code of the appointment, which `reserver` gave as its reference."""

    codeRDV: Code  # noqa: N815  # the target's word


MESSAGES: Final[Mapping[str, type[Frozen]]] = {
    "sites": Sites,
    "services": Services,
    "creneaux": Creneaux,
    "reserver": Reserver,
    "deplacer": Deplacer,
    "annuler": Annuler,
}
"""Our operations → what each takes; `contract/` holds their JSON Schemas."""
