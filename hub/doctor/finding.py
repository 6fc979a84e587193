"""A finding: what was looked at, how it stands, where, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a part of an installation stands, the gravest first."""

    FAULT = "fault"
    WARNING = "warning"
    UNSEEN = "not seen"
    WELL = "well"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `todo` is for a person, "" where nothing is asked of them."""

    check: str
    level: Level
    where: str
    said: str
    todo: str = ""


class UnseenError(Exception):
    """A check cannot look, for want of something that another check has found missing."""
