"""What the first page and the list call things: where requests stand, why deliveries do, and what may be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from hub.app import Hub
from hub.criteria import Standing
from hub.lifecycle import State
from hub.manifest import UNMAPPED
from hub.model import Verdict
from monitoring.console.texts import marked

STANDINGS: Final[Mapping[Standing, tuple[str, str]]] = MappingProxyType(
    {
        Standing.DONE: ("good", marked("Integrated")),
        Standing.IN_PROGRESS: ("going", marked("In progress")),
        Standing.WAITING: ("off", marked("Waiting")),
        Standing.RETRYING: ("warn", marked("Being retried")),
        Standing.PARKED: ("bad", marked("In error")),
        Standing.UNCERTAIN: ("warn", marked("Outcome unknown")),
        Standing.FINALIZED: ("good", marked("Finalized by hand")),
        Standing.REFUSED: ("off", marked("Refused by the city")),
        Standing.CANCELLED: ("off", marked("Cancelled by somebody")),
    }
)
"""The look and the word of each, in the order of the balance."""

DELIVERIES: Final[Mapping[State, tuple[str, str]]] = MappingProxyType(
    {
        State.PARKED: STANDINGS[Standing.PARKED],
        State.UNCERTAIN: STANDINGS[Standing.UNCERTAIN],
        State.ASKING: STANDINGS[Standing.UNCERTAIN],
        State.WAITING: STANDINGS[Standing.RETRYING],
    }
)

CAUSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "": marked("No reason was given."),
        UNMAPPED: marked("The target said something that its errors table does not know: read the exchange."),
        "mapping": marked("The request cannot be written as the target wants it: correct its data or the mapping."),
        "poison": marked("Whoever took it in hand ended before it was sent, several times: look at the logs."),
        "timeout": marked("The target did not answer in time: it may have taken it."),
        "owner_lost": marked("The process that was sending it ended: the target may have taken it."),
        "unreadable": marked("The target's answer cannot be read: it may have taken it."),
        "no_receipt": marked("The target answered without saying under which reference it took it."),
        "connector_bug": marked("The connector failed: tell whoever looks after it, and verify at the target."),
        "no_target": marked("This installation no longer has this target: reroute it, or finalize it by hand."),
        "not_taken": marked("The target was asked, and surely does not have it."),
        "sealed_unreadable": marked(
            "What the citizen wrote does not open where it lies: tell whoever looks after the hub."
        ),
        "finalization_denied": marked("The target does not know the reference under which it was closed by hand."),
        "file_not_kept": marked("A file that it needs could not be read: it is tried again."),
    }
)
"""What codes of the hub itself mean, where no connector's table says it."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What a cause calls for: in words, and whether trying again may help."""

    hint: str
    retry: str


VERIFY_FIRST: Final = marked("verify first")
RETRYABLE: Final = marked("yes")
AFTER_CORRECTION: Final = marked("after a correction")


def advice(hub: Hub, texts: Any, cause: Any) -> Advice:
    """Say what a cause calls for: as its connector's errors table says, or else what the hub's own code means."""
    live = hub.targets.get(cause.target)
    table = hub.catalogue.errors.get(live.connector_name) if live else None
    row = next((row for row in table.error if row.code == cause.code), None) if table else None
    hint = row.hint if row and row.hint else texts.gettext(CAUSES[cause.code]) if cause.code in CAUSES else ""
    if cause.uncertain:
        return Advice(hint, VERIFY_FIRST)
    corrected = row.verdict is Verdict.REFUSED if row else cause.code in {UNMAPPED, "mapping"}
    return Advice(hint, AFTER_CORRECTION if corrected else RETRYABLE)


def operation_of(hub: Hub, target: str, mapping: str) -> str:
    """Name what a delivery does at its target, in the words of its connector."""
    for definition in hub.catalogue.kinds.values():
        if mapping in definition.mappings:
            operation = definition.mappings[mapping].operation
            offered = hub.ledger.book.offered(target, operation)
            return offered.title if offered else operation
    return mapping.partition("/")[2] or mapping
