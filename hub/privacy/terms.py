"""On what terms a kind's data are kept: why, on what legal basis, of whom, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import Field

from hub.model import Duration, Frozen
from hub.privacy.classes import DataClass

YEAR: Final = timedelta(days=365)
MONTH: Final = timedelta(days=30)

Lasting = Annotated[Duration, Field(ge=timedelta(days=1), le=timedelta(days=3653))]
"""How long data are kept: a day at least, ten years at most."""


class Basis(StrEnum):
    """What makes a processing lawful (RGPD, article 6)."""

    PUBLIC_TASK = "public_task"
    LEGAL_OBLIGATION = "legal_obligation"
    CONSENT = "consent"
    CONTRACT = "contract"

    @property
    def label(self) -> str:
        """What the register calls it."""
        return BASES[self]


BASES: Final[Mapping[Basis, str]] = MappingProxyType(
    {
        Basis.PUBLIC_TASK: "Mission d'intérêt public (article 6, 1, e)",
        Basis.LEGAL_OBLIGATION: "Obligation légale (article 6, 1, c)",
        Basis.CONSENT: "Consentement (article 6, 1, a)",
        Basis.CONTRACT: "Contrat (article 6, 1, b)",
    }
)


class Ground(StrEnum):
    """Why the law lets a request be kept longer than its kind says."""

    LITIGATION = "litigation"
    APPEAL = "appeal"
    LEGAL_HOLD = "legal_hold"
    AUDIT = "audit"
    PERSON_ASKS = "person_asks"

    @property
    def label(self) -> str:
        """What people read."""
        return GROUNDS[self]


GROUNDS: Final[Mapping[Ground, str]] = MappingProxyType(
    {
        Ground.LITIGATION: "Contentieux en cours",
        Ground.APPEAL: "Recours ouvert ou pendant",
        Ground.LEGAL_HOLD: "Réquisition ou obligation de conserver",
        Ground.AUDIT: "Contrôle d'une autorité",
        Ground.PERSON_ASKS: "Demande de la personne (article 18)",
    }
)


class Retention(Frozen):
    """How long the requests of this installation are kept, unless their kind says otherwise.

    `after_end` counts from a request's end, `failures` from the last sign of life of one that never ended. `classes`:
    fields that go sooner, counted from the end too. `warn`: how long before it is due a request is listed.
    """

    after_end: Lasting = YEAR
    failures: Lasting = YEAR
    classes: Mapping[DataClass, Lasting] = Field(default={DataClass.HEALTH: MONTH})
    warn: Lasting = MONTH


class Privacy(Frozen):
    """What a kind's route says of the personal data in its requests; what it leaves out, the installation says.

    `purpose`: what they are for, the kind's title by default. `persons`: whose they are.
    """

    purpose: str = ""
    basis: Basis = Basis.PUBLIC_TASK
    persons: tuple[str, ...] = ("Usagers",)
    after_end: Lasting | None = None
    failures: Lasting | None = None
    classes: Mapping[DataClass, Lasting] = Field(default_factory=dict)

    def retention(self, usual: Retention) -> Retention:
        """Say how long the requests of this kind are kept."""
        return Retention(
            after_end=self.after_end or usual.after_end,
            failures=self.failures or usual.failures,
            classes={**usual.classes, **self.classes},
            warn=usual.warn,
        )
