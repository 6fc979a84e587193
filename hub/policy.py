"""How a target is treated: its policy is data, and these pure functions read it."""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from hub.calendar import PARIS, Zone, public_holidays
from hub.model import Duration, Frozen, Instant

LONGEST_RETRY_AFTER: Final = timedelta(hours=24)
LONGEST_CLOSURE: Final = 14
"""Days looked ahead for the next opening."""

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Hours(Frozen):
    """When a target may be spoken to, in the time of Paris; with a `holidays` zone, not on its public holidays."""

    opens: time
    closes: time
    days: Annotated[tuple[Day, ...], Field(min_length=1)] = DAYS
    holidays: Zone | None = None

    def include(self, day: date) -> bool:
        """Say whether the target is open at all that day."""
        closed = self.holidays is not None and day in public_holidays(day.year, self.holidays)
        return DAYS[day.weekday()] in self.days and not closed

    @model_validator(mode="after")
    def the_day_has_hours(self) -> Self:
        """Refuse hours that never come: a night is two targets' worth of hours, or none."""
        if self.opens >= self.closes:
            raise ValueError("opens: must be earlier than closes, on the same day")
        return self


class Policy(Frozen):
    """Limits and patience towards one target; a connector's manifest proposes, a target's settings dispose.

    Defaults are those argued in docs/decisions/0004: connect and answer within `deadline`, back off from
    `base` to `cap` with jitter, give up for a person after `attempts` or `patience`.
    """

    deadline: Duration = timedelta(seconds=60)
    attempts: Annotated[int, Field(ge=1)] = 400
    patience: Duration = timedelta(days=3)
    base: Duration = timedelta(seconds=10)
    cap: Duration = timedelta(minutes=15)
    uncertain_max_age: Duration = timedelta(hours=24)
    concurrency: Annotated[int, Field(ge=1)] = 4
    rate: Annotated[float, Field(gt=0)] | None = None
    breaker_threshold: Annotated[int, Field(ge=1)] = 5
    breaker_cooldown: Duration = timedelta(seconds=60)
    hours: Hours | None = None

    def wait_before(self, attempt: int, retry_after: timedelta | None = None) -> timedelta:
        """Wait this long before attempt number `attempt` + 1: equal jitter, never less than asked.

        Equal jitter (half fixed, half random) because full jitter may draw nearly nothing.
        """
        span = min(self.cap, self.base * (1 << min(attempt - 1, 30)))
        wait = span / 2 + span / 2 * random.random()  # noqa: S311  # not a secret
        if retry_after is not None:
            wait = max(wait, min(retry_after, LONGEST_RETRY_AFTER))
        return wait

    def ask_again(self, questions: int) -> timedelta:
        """Wait this long before asking a target once more what it could not say: 1, 5, 15, then 60 minutes.

        Scaled by the target's own `base`, so that a fast test target is asked fast.
        """
        steps = (6, 30, 90, 360)
        return self.base * steps[min(questions, len(steps) - 1)]

    def opening(self, now: Instant) -> Instant:
        """Say when the target may next be spoken to: `now` when it is open."""
        if self.hours is None:
            return now
        moment = datetime.fromtimestamp(now / 1000, PARIS)
        for ahead in range(LONGEST_CLOSURE):
            day = moment + timedelta(days=ahead)
            if not self.hours.include(day.date()):
                continue
            opens = day.replace(hour=self.hours.opens.hour, minute=self.hours.opens.minute, second=0)
            closes = day.replace(hour=self.hours.closes.hour, minute=self.hours.closes.minute, second=0)
            if moment < opens:
                return Instant(int(opens.timestamp() * 1000))
            if moment < closes and ahead == 0:
                return now
        return Instant(now + LONGEST_CLOSURE * 86_400_000)


def later(now: Instant, wait: timedelta) -> Instant:
    """Add a duration to an instant."""
    return Instant(now + int(wait.total_seconds() * 1000))
