"""The city's calendar: public holidays, business days, and the clocks that the law starts."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Final, Self
from zoneinfo import ZoneInfo

import holidays
from pydantic import Field, model_validator

from hub.model import Duration, Frozen, Instant

PARIS: Final = ZoneInfo("Europe/Paris")
END_OF_DAY: Final = time(23, 59, 59)
SATURDAY: Final = 5


class Zone(StrEnum):
    """Where a city lies, for its public holidays (Code du travail, L3133-1, L3134-13 and L3422-2)."""

    METROPOLE = "metropole"
    ALSACE_MOSELLE = "alsace_moselle"
    GUADELOUPE = "guadeloupe"
    MARTINIQUE = "martinique"
    GUYANE = "guyane"
    REUNION = "reunion"
    MAYOTTE = "mayotte"
    SAINT_BARTHELEMY = "saint_barthelemy"
    SAINT_MARTIN = "saint_martin"
    SAINT_PIERRE_ET_MIQUELON = "saint_pierre_et_miquelon"
    POLYNESIE = "polynesie"
    NOUVELLE_CALEDONIE = "nouvelle_caledonie"
    WALLIS_ET_FUTUNA = "wallis_et_futuna"


SUBDIVISIONS: Final = {
    Zone.METROPOLE: None,
    Zone.ALSACE_MOSELLE: "57",
    Zone.GUADELOUPE: "971",
    Zone.MARTINIQUE: "972",
    Zone.GUYANE: "973",
    Zone.REUNION: "974",
    Zone.MAYOTTE: "976",
    Zone.SAINT_BARTHELEMY: "BL",
    Zone.SAINT_MARTIN: "MF",
    Zone.SAINT_PIERRE_ET_MIQUELON: "PM",
    Zone.POLYNESIE: "PF",
    Zone.NOUVELLE_CALEDONIE: "NC",
    Zone.WALLIS_ET_FUTUNA: "WF",
}
"""Zone → how the library of holidays calls it."""


@lru_cache(maxsize=256)
def public_holidays(year: int, zone: Zone = Zone.METROPOLE) -> frozenset[date]:
    """List a year's public holidays."""
    return frozenset(holidays.country_holidays("FR", subdiv=SUBDIVISIONS[zone], years=year))


def is_business_day(day: date, zone: Zone = Zone.METROPOLE) -> bool:
    """Say whether a day is neither of a weekend nor a public holiday."""
    return day.weekday() < SATURDAY and day not in public_holidays(day.year, zone)


def business_days_after(day: date, count: int, zone: Zone = Zone.METROPOLE) -> date:
    """Count business days on from a day, which is not one of them."""
    while count > 0:
        day += timedelta(days=1)
        count -= is_business_day(day, zone)
    return day


def months_after(day: date, count: int) -> date:
    """Give the same day of a later month, or its last day when it has none: 31 January + 1 is 28 February."""
    years, month = divmod(day.month - 1 + count, 12)
    year, month = day.year + years, month + 1
    return day.replace(year=year, month=month, day=min(day.day, monthrange(year, month)[1]))


class Clock(Frozen):
    """What the law gives a city to answer: so many months, days or business days from the day it was asked.

    `since`: an expression that gives that day; the day the request came in, unless it says otherwise.
    `extends`: a last day that is no business day gives way to the next one (règlement 1182/71, article 3).
    `warn`: how long before its end people are warned.
    """

    months: Annotated[int, Field(ge=0, le=120)] = 0
    days: Annotated[int, Field(ge=0, le=3650)] = 0
    business_days: Annotated[int, Field(ge=0, le=1000)] = 0
    since: str | None = None
    zone: Zone = Zone.METROPOLE
    extends: bool = False
    warn: Duration = timedelta(days=7)

    @model_validator(mode="after")
    def it_runs(self) -> Self:
        """Refuse a clock that gives no time at all."""
        if not (self.months or self.days or self.business_days):
            raise ValueError("give months, days or business_days")
        return self

    def due(self, since: date) -> Instant:
        """Say when the last day ends, in Paris."""
        last = business_days_after(
            months_after(since, self.months) + timedelta(days=self.days), self.business_days, self.zone
        )
        if self.extends and not is_business_day(last, self.zone):
            last = business_days_after(last, 1, self.zone)
        return instant_of(datetime.combine(last, END_OF_DAY, PARIS))


def instant_of(moment: datetime) -> Instant:
    """Give the ledger's unit of a moment."""
    return Instant(int(moment.timestamp() * 1000))


def day_of(instant: int) -> date:
    """Give the day of an instant, in Paris."""
    return datetime.fromtimestamp(instant / 1000, PARIS).date()


def read_moment(said: str) -> Instant:
    """Read a day, meant from its beginning, or a moment, in Paris unless it says otherwise; raises ValueError."""
    moment = datetime.fromisoformat(said)
    return instant_of(moment if moment.tzinfo else moment.replace(tzinfo=PARIS))
