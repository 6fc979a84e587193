"""How each target is, in one word that people act upon: its switch, its breaker, its hours and its failures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select

from hub.app import Hub
from hub.model import Instant
from hub.tables import EVENTS, TARGETS, BreakerState
from hub.targets import Health, health
from monitoring.console.texts import marked


class TargetState(StrEnum):
    """Whether a target takes what it is sent."""

    AVAILABLE = "available"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"
    DISABLED = "disabled"


LOOKS: Final[Mapping[TargetState, tuple[str, str]]] = {
    TargetState.AVAILABLE: ("good", marked("Available")),
    TargetState.DEGRADED: ("warn", marked("Degraded")),
    TargetState.UNAVAILABLE: ("bad", marked("Unavailable")),
    TargetState.DISABLED: ("off", marked("Disabled")),
}
"""The look and the word of each."""


@dataclass(frozen=True, slots=True)
class Strip:
    """One target: its state and since when, why, and what waits for it.

    `opens_at`: when its hours begin again, where they are over. `is_incident`: whether nothing can be sent to it.
    """

    health: Health
    title: str
    state: TargetState
    since: int
    reason: str = ""
    opens_at: int | None = None
    is_incident: bool = False

    @property
    def is_well(self) -> bool:
        """Whether nobody need look at it."""
        return self.look == "good" and not self.is_incident

    @property
    def look(self) -> str:
        """The look of its state."""
        return LOOKS[self.state][0]

    @property
    def word(self) -> str:
        """Its state, in English for the catalogue."""
        return LOOKS[self.state][1]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the ledger says of targets: how they are, since when their breakers are open, and when each was paused."""

    healths: Sequence[Health]
    opened: Mapping[str, int]
    paused: Mapping[str, int]


def see_targets(connection: Connection, now: int) -> Seen:
    """Read how every target is."""
    healths = health(connection, now)
    opened: Sequence[Row[Any]] = connection.execute(select(TARGETS.c.name, TARGETS.c.opened_at)).all()
    paused = {one.name: _paused_at(connection, one.name) for one in healths if one.paused}
    return Seen(healths, {row.name: row.opened_at for row in opened}, paused)


def strips(hub: Hub, seen: Seen, now: Instant) -> Iterator[Strip]:
    """Say how every target is, the hub's own left out while all is well with them."""
    for one in seen.healths:
        strip = _strip(hub, seen, one, now)
        manifest = hub.catalogue.manifests.get(one.connector)
        if strip.state is not TargetState.AVAILABLE or manifest is None or not manifest.builtin:
            yield strip


def _strip(hub: Hub, seen: Seen, one: Health, now: Instant) -> Strip:
    manifest = hub.catalogue.manifests.get(one.connector)
    title = manifest.title if manifest else one.connector
    if one.paused:
        return Strip(one, title, TargetState.DISABLED, seen.paused[one.name], one.paused_reason)
    if one.breaker == BreakerState.OPEN:
        return Strip(one, title, TargetState.UNAVAILABLE, seen.opened[one.name], is_incident=True)
    live = hub.targets.get(one.name)
    opens = live.policy.opening(now) if live else now
    if opens > now:
        return Strip(one, title, TargetState.UNAVAILABLE, 0, opens_at=opens)
    if one.breaker == BreakerState.HALF_OPEN:
        return Strip(one, title, TargetState.DEGRADED, seen.opened[one.name], is_incident=True)
    state = TargetState.DEGRADED if one.fails else TargetState.AVAILABLE
    return Strip(one, title, state, one.last_success_at if one.fails else 0)


def _paused_at(connection: Connection, name: str) -> int:
    """Find when a target was paused: what is done to targets is about no request, and few."""
    about = EVENTS.c.request.is_(None), EVENTS.c.kind == "pause", EVENTS.c.note.startswith(f"{name}: ", autoescape=True)
    return int(connection.scalar(select(func.max(EVENTS.c.at)).where(*about)) or 0)
