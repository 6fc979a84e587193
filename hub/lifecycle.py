"""The life of a delivery: one table of moves, and the pure functions that read it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from hub.errors import IllegalTransitionError


class State(StrEnum):
    """Where a delivery stands."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    SENDING = "sending"
    UNCERTAIN = "uncertain"
    ASKING = "asking"
    WAITING = "waiting"
    PARKED = "parked"
    DELIVERED = "delivered"
    FINALIZED = "finalized"
    CANCELLED = "cancelled"


class Event(StrEnum):
    """What happens to a delivery."""

    CLAIMED = "claimed"
    INTENDED = "intended"
    RELEASED = "released"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    LOST = "lost"
    REFUSED = "refused"
    DECLINED = "declined"
    GIVEN_UP = "given_up"
    FOUND = "found"
    ABSENT = "absent"
    ABSENT_AGAIN = "absent_again"
    UNANSWERED = "unanswered"
    RETRIED = "retried"
    VERIFIED = "verified"
    FINALIZED = "finalized"
    CANCELLED = "cancelled"
    REOPENED = "reopened"


TRANSITIONS: Final[Mapping[tuple[State, Event], State]] = MappingProxyType(
    {
        (State.QUEUED, Event.CLAIMED): State.CLAIMED,
        (State.WAITING, Event.CLAIMED): State.CLAIMED,
        (State.UNCERTAIN, Event.CLAIMED): State.ASKING,
        # Before the first byte: nothing was sent, everything may still be undone.
        (State.CLAIMED, Event.INTENDED): State.SENDING,
        (State.CLAIMED, Event.RELEASED): State.QUEUED,
        (State.CLAIMED, Event.DEFERRED): State.WAITING,
        (State.CLAIMED, Event.GIVEN_UP): State.PARKED,
        # After the intent: only an answer, or knowing that no byte left, settles it.
        (State.SENDING, Event.ACCEPTED): State.DELIVERED,
        (State.SENDING, Event.DEFERRED): State.WAITING,
        (State.SENDING, Event.LOST): State.UNCERTAIN,
        (State.SENDING, Event.REFUSED): State.PARKED,
        (State.SENDING, Event.DECLINED): State.CANCELLED,
        (State.SENDING, Event.GIVEN_UP): State.PARKED,
        # Asking only reads: it may be interrupted and repeated at will.
        (State.ASKING, Event.FOUND): State.DELIVERED,
        (State.ASKING, Event.ABSENT): State.UNCERTAIN,
        (State.ASKING, Event.UNANSWERED): State.UNCERTAIN,
        (State.ASKING, Event.RELEASED): State.UNCERTAIN,
        (State.ASKING, Event.ABSENT_AGAIN): State.QUEUED,
        (State.ASKING, Event.REFUSED): State.PARKED,
        (State.ASKING, Event.DECLINED): State.CANCELLED,
        (State.ASKING, Event.GIVEN_UP): State.PARKED,
        # A late answer may still settle what a dead line left open.
        (State.UNCERTAIN, Event.ACCEPTED): State.DELIVERED,
        (State.PARKED, Event.ACCEPTED): State.DELIVERED,
        (State.UNCERTAIN, Event.GIVEN_UP): State.PARKED,
        # People.
        (State.PARKED, Event.RETRIED): State.QUEUED,
        (State.WAITING, Event.RETRIED): State.QUEUED,
        (State.PARKED, Event.VERIFIED): State.UNCERTAIN,
        (State.UNCERTAIN, Event.VERIFIED): State.UNCERTAIN,
        (State.QUEUED, Event.FINALIZED): State.FINALIZED,
        (State.PARKED, Event.FINALIZED): State.FINALIZED,
        (State.WAITING, Event.FINALIZED): State.FINALIZED,
        (State.UNCERTAIN, Event.FINALIZED): State.FINALIZED,
        (State.QUEUED, Event.CANCELLED): State.CANCELLED,
        (State.WAITING, Event.CANCELLED): State.CANCELLED,
        (State.PARKED, Event.CANCELLED): State.CANCELLED,
        # What was closed by hand and is not proved may be taken up again: by a person, who then decides.
        (State.FINALIZED, Event.REOPENED): State.PARKED,
    }
)

FINAL: Final = frozenset({State.DELIVERED, State.FINALIZED, State.CANCELLED})
HELD: Final = frozenset({State.CLAIMED, State.SENDING, State.ASKING})
CLAIMABLE: Final = tuple(before for before, event in TRANSITIONS if event is Event.CLAIMED)


def advance(state: State, event: Event) -> State:
    """Say where `event` leads from `state`; raises IllegalTransitionError when the table has no such row."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransitionError(f"{event} while {state}") from None


def allowed(state: State) -> frozenset[Event]:
    """List what may happen to a delivery in `state`."""
    return frozenset(event for before, event in TRANSITIONS if before is state)


def as_mermaid() -> str:
    """Draw the table as a Mermaid state diagram."""
    rows = (f"    {before} --> {after}: {event}" for (before, event), after in TRANSITIONS.items())
    return "\n".join(["stateDiagram-v2", *rows])
