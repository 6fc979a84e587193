"""What one request's page calls things: states, outcomes, acts and marks, each with the look that goes with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from hub.accounts import Right
from hub.lifecycle import State
from hub.looks import REVEALED
from hub.model import Channel, Status
from hub.routing import PENDING
from hub.tables_operations import Proof
from hub.trials.stored import REVEAL
from monitoring.console.page_rights import MEANINGS
from monitoring.console.texts import marked


class Word(NamedTuple):
    """A word and its look: never its colour alone."""

    look: str
    text: str


STATES: Final[Mapping[str, Word]] = MappingProxyType(
    {
        State.QUEUED: Word("going", marked("about to leave")),
        State.CLAIMED: Word("going", marked("leaving")),
        State.SENDING: Word("going", marked("being sent")),
        State.UNCERTAIN: Word("warn", marked("outcome unknown")),
        State.ASKING: Word("warn", marked("outcome unknown, the target is being asked")),
        State.WAITING: Word("off", marked("waiting")),
        State.PARKED: Word("bad", marked("failed, awaits a person")),
        State.DELIVERED: Word("good", marked("taken by the target")),
        State.FINALIZED: Word("good", marked("finalized by hand")),
        State.CANCELLED: Word("off", marked("ended without being taken")),
    }
)
RETRYING: Final = Word("warn", marked("waiting for another try"))

STATUSES: Final[Mapping[str, Word]] = MappingProxyType(
    {
        Status.IN_PROGRESS: Word("going", marked("in progress")),
        Status.WAITING: Word("off", marked("waiting")),
        Status.UNCERTAIN: Word("warn", marked("outcome unknown")),
        Status.PARKED: Word("bad", marked("in error")),
        Status.DONE: Word("good", marked("integrated")),
        Status.REFUSED: Word("off", marked("refused")),
        Status.FINALIZED: Word("good", marked("finalized by hand")),
        Status.CANCELLED: Word("off", marked("cancelled")),
    }
)

OUTCOMES: Final[Mapping[str, Word]] = MappingProxyType(
    {
        "accepted": Word("good", marked("accepted")),
        "found": Word("good", marked("found at the target")),
        "deferred": Word("warn", marked("not taken, to be tried again")),
        "lost": Word("warn", marked("outcome unknown")),
        "unanswered": Word("warn", marked("the target cannot say")),
        "absent": Word("warn", marked("not found at the target")),
        "absent_again": Word("warn", marked("surely not at the target")),
        "refused": Word("bad", marked("refused by the target")),
        "declined": Word("bad", marked("refused, as the route foresees")),
        "given_up": Word("bad", marked("given up")),
        "released": Word("off", marked("let go before it left")),
    }
)

PROOFS: Final[Mapping[str, Word]] = MappingProxyType(
    {
        Proof.PROPOSED: Word("warn", marked("proposed, a second person must agree")),
        Proof.PENDING: Word("going", marked("reference being checked at the target")),
        Proof.CONFIRMED: Word("good", marked("reference confirmed by the target")),
        Proof.UNCONFIRMABLE: Word("off", marked("reference that the target cannot be asked for")),
        Proof.DENIED: Word("bad", marked("reference unknown to the target")),
        Proof.REOPENED: Word("off", marked("reopened")),
    }
)

CHANNELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        Channel.INTERNET: marked("internet"),
        Channel.MOBILE: marked("mobile"),
        Channel.DESK: marked("desk"),
        Channel.PHONE: marked("telephone"),
        Channel.LETTER: marked("letter"),
        Channel.EMAIL: marked("e-mail"),
        Channel.INTERNAL: marked("internal"),
    }
)

LOOKS: Final = frozenset({REVEALED, REVEAL})
"""Events that say that somebody saw what a request contains."""

EVENTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "stage": marked("stage reached"),
        "asked": marked("a target is asked about it"),
        "verify": marked("verified at the target"),
        "retry": marked("retried"),
        "correct": marked("corrected"),
        "reroute": marked("rerouted"),
        "reject": marked("rejected"),
        "propose": marked("closing by hand proposed"),
        "finalize": marked("finalized by hand"),
        "second": marked("closing seconded"),
        "reopen": marked("reopened"),
        "confirmed": marked("reference confirmed by the target"),
        "denied": marked("reference unknown to the target"),
        "unconfirmable": marked("reference that the target cannot be asked for"),
        "decide": marked("decided"),
        "cancel": marked("cancelled"),
        "assign": marked("assigned"),
        "testimony": marked("word of the target"),
        REVEAL: marked("contents seen"),
        REVEALED: marked("contents seen"),
    }
)

RIGHTS: Final[Mapping[Right, str]] = MappingProxyType({right: name for right, (name, _) in MEANINGS.items()})

LINKS: Final[Mapping[str, str]] = MappingProxyType(
    {"reference": marked("same reference of the portal"), "key": marked("same business key")}
)


def since(events: Iterable[Any], moment: int) -> list[Any]:
    """List what people and the hub did from a moment on, looks apart."""
    return [event for event in events if event.at > moment and event.kind not in LOOKS]


def state_of(state: str, code: str) -> Word:
    """Say where a delivery stands; one that waits for another try is apart from one that waits for its time."""
    return RETRYING if state == State.WAITING and code != PENDING else STATES[state]
