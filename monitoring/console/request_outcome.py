"""What came of a verb, said as a result: where the delivery stands now, never that somebody clicked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from hub.finalization import SAID_AGAIN
from hub.lifecycle import State
from hub.routing import REJECTED
from hub.tables_operations import Proof
from monitoring.console.texts import marked


@dataclass(frozen=True, slots=True)
class Outcome:
    """A sentence of the catalogue, and whether it is good news, bad, or none yet."""

    look: str
    sentence: str
    reference: str = ""
    code: str = ""


SAID: Final = frozenset({"verifier", "relancer", "version-courante", "corriger", "reorienter", "finaliser",
                         "contresigner", "rejeter", "rouvrir"})  # fmt: skip
"""What may have been done; what else an address says is not repeated."""

ASSIGNED: Final = Outcome("notice", marked("Who sees to this request is written down."))

BY_STATE: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        State.QUEUED: ("notice", marked("Under way: the delivery is about to leave.")),
        State.CLAIMED: ("notice", marked("Under way: the delivery is leaving.")),
        State.SENDING: ("notice", marked("Under way: the delivery is being sent.")),
        State.ASKING: ("notice", marked("Under way: the target is being asked whether it has the delivery.")),
        State.UNCERTAIN: ("warning", marked("Under way: whether the target has the delivery is still unknown.")),
        State.WAITING: ("warning", marked("The delivery was not taken yet; it will be tried again by itself.")),
        State.PARKED: ("alert", marked("The delivery stands in error and awaits a person (%(code)s).")),
        State.DELIVERED: ("notice", marked("Done: the target has the delivery, under the reference %(reference)s.")),
        State.FINALIZED: ("notice", marked("Closed by hand, under the reference %(reference)s.")),
        State.CANCELLED: ("notice", marked("The delivery is ended without being taken.")),
    }
)
BY_PROOF: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        Proof.PENDING: (
            "notice",
            marked("Closed by hand, under the reference %(reference)s, which the target is being asked for."),
        ),
        Proof.CONFIRMED: (
            "notice",
            marked("Closed by hand, and the target confirmed the reference %(reference)s."),
        ),
    }
)
ON_YOUR_WORD: Final = marked(
    "Closed by hand, under the reference %(reference)s: the target denied it, and it stands because it was said again."
)
PROPOSED: Final = marked("Proposed under the reference %(reference)s: a second person must agree.")
THROWN_OUT: Final = marked("The delivery is rejected, and its request refused.")


def outcome_of(done: str, delivery: Any, closing: Any) -> Outcome | None:
    """Say where a delivery stands after something was done to it; None for what nobody does."""
    if done == "assigner":
        return ASSIGNED
    if done not in SAID:
        return None
    reference, code = str(delivery.reference), str(delivery.code)
    if closing is not None and closing.state == Proof.PROPOSED and delivery.state != State.FINALIZED:
        return Outcome("notice", PROPOSED, str(closing.reference))
    if delivery.state == State.CANCELLED and code == REJECTED:
        return Outcome("notice", THROWN_OUT)
    look, sentence = BY_STATE[delivery.state]
    if delivery.state == State.FINALIZED and closing is not None:
        look, sentence = BY_PROOF.get(closing.state, (look, sentence))
        sentence = ON_YOUR_WORD if closing.code == SAID_AGAIN else sentence
    return Outcome(look, sentence, reference or "—", code)
