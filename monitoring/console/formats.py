"""How moments, ages and figures read: in the person's language, in the time of Paris."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_datetime, format_timedelta
from babel.numbers import format_decimal
from markupsafe import Markup

from hub.clock import system_clock
from hub.model import show_number

PARIS: Final = ZoneInfo("Europe/Paris")
WRITTEN: Final = {"fr": "dd/MM/yyyy HH:mm", "en": "yyyy-MM-dd HH:mm"}
NOTHING: Final = "—"


class Formats:
    """The filters of one language's templates."""

    def __init__(self, language: str) -> None:
        self.language = language

    def moment(self, instant: int | None) -> str | Markup:
        """Write an instant as a `time` element, its ISO form as a tooltip; a dash for none."""
        if not instant:
            return NOTHING
        at = datetime.fromtimestamp(instant / 1000, UTC)
        shown = format_datetime(at, WRITTEN[self.language], tzinfo=PARIS, locale=self.language)
        iso = at.isoformat(timespec="seconds").replace("+00:00", "Z")
        return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(iso, shown)

    def age(self, instant: int | None) -> str | Markup:
        """Say how long ago, or in how long, an instant is; the moment itself as a tooltip."""
        if not instant:
            return NOTHING
        ago = timedelta(milliseconds=instant - system_clock())
        said = format_timedelta(ago, add_direction=True, locale=self.language, format="long")
        at = datetime.fromtimestamp(instant / 1000, UTC)
        shown = format_datetime(at, WRITTEN[self.language], tzinfo=PARIS, locale=self.language)
        return Markup('<time datetime="{}" title="{}">{}</time>').format(at.isoformat(timespec="seconds"), shown, said)

    def lasting(self, seconds: float) -> str:
        """Say how long something lasts."""
        if seconds < 1:
            return f"{seconds * 1000:.0f} ms"
        return format_timedelta(timedelta(seconds=seconds), locale=self.language, format="long")

    def number(self, figure: float | None) -> str:
        """Write a figure with its thousands apart."""
        return NOTHING if figure is None else format_decimal(figure, locale=self.language)

    def numero(self, number: int) -> str:
        """Write a request's number as agents read it, its groups never parted."""
        return show_number(number).replace(" ", "\N{NO-BREAK SPACE}")
