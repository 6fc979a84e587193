"""What a mapping writes for GRR, operation by operation: closed values. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator

from hub.model import Email, Frozen


def check_moment(text: str) -> str:
    """Take a moment that the calendar has; raises ValueError."""
    datetime.fromisoformat(text)
    return text


Number = Annotated[int, Field(ge=1)]
Moment = Annotated[
    str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T([01]\d|2[0-3]):[0-5]\d(:00)?$"), AfterValidator(check_moment)
]
"""A moment in GRR's own time, without an offset."""
AddOn = Annotated[str, Field(pattern=r"^[0-9]{1,6}$")]


class Creneaux(Frozen):
    """Whose free slots are listed, and of which day."""

    ressource: Number
    jour: date


class Beneficiaire(Frozen):
    """For whom: someone who has no account in GRR. Together they fit its column of 200."""

    nom: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^|]*[^|\s][^|]*$")]
    courriel: Annotated[Email, Field(max_length=99, pattern=r"^[^|]*$")] | None = None


class Reserver(Frozen):
    """A booking: `nom` is GRR's short description, `champs` the additional fields of its area, by number."""

    ressource: Number
    debut: Moment
    fin: Moment
    nom: Annotated[str, Field(min_length=1, max_length=80, pattern=r"\S")]
    description: Annotated[str, Field(max_length=1000)] = ""
    beneficiaire: Beneficiaire
    type: Annotated[str, Field(pattern=r"^[A-Z]{1,2}$")] = "A"
    champs: dict[AddOn, Annotated[str, Field(max_length=255)]] = Field(default_factory=dict, max_length=20)

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.end <= self.begin:
            raise ValueError("fin: must come after debut")
        return self

    @property
    def begin(self) -> datetime:
        """The beginning, as a naive moment."""
        return datetime.fromisoformat(self.debut)

    @property
    def end(self) -> datetime:
        """The end, as a naive moment."""
        return datetime.fromisoformat(self.fin)


class Annuler(Frozen):
    """The number of the booking, which `reserver` gave as its reference."""

    reservation: Number


MESSAGES: Final[Mapping[str, type[Frozen]]] = {"creneaux": Creneaux, "reserver": Reserver, "annuler": Annuler}
"""Our operations → what each takes; `contract/` holds their JSON Schemas."""
