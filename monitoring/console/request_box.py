"""The action box: what a person may do to a delivery now, under which right, and why not for the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from hub.accounts import Right
from hub.acts_seen import stamp
from hub.app import Hub
from hub.dossiers import Dossier, obstacle
from hub.lifecycle import HELD, State
from hub.lines import holding
from hub.model import Effect
from hub.routing import CALLBACK
from hub.tables import TROUBLED
from hub.verbs import Standing, Verb, Why, why_not
from monitoring.console.door import Person
from monitoring.console.texts import marked


@dataclass(frozen=True, slots=True)
class Action:
    """One verb: its address, its name, the rights it takes, and whether it does something that cannot be taken back."""

    verb: Verb
    slug: str
    label: str
    rights: tuple[Right, ...]
    grave: bool = False


ACTIONS: Final = (
    Action(Verb.VERIFY, "verifier", marked("Verify at the target"), (Right.RETRY,)),
    Action(Verb.RETRY, "relancer", marked("Retry this step"), (Right.RETRY,)),
    Action(Verb.RETRY_CURRENT, "version-courante", marked("Retry with the current version"), (Right.RETRY,)),
    Action(Verb.CORRECT, "corriger", marked("Correct and retry"), (Right.RETRY, Right.CONTENT)),
    Action(Verb.REROUTE, "reorienter", marked("Reroute"), (Right.RETRY,)),
    Action(Verb.FINALIZE, "finaliser", marked("Finalize by hand"), (Right.FINALIZE,)),
    Action(Verb.SECOND, "contresigner", marked("Second"), (Right.FINALIZE,)),
    Action(Verb.REJECT, "rejeter", marked("Reject"), (Right.FINALIZE,), grave=True),
    Action(Verb.REOPEN, "rouvrir", marked("Reopen"), (Right.FINALIZE,)),
)
"""What agents do, in the order in which they had better think of it."""

BY_SLUG: Final[Mapping[str, Action]] = MappingProxyType({action.slug: action for action in ACTIONS})

TAKES_SURE: Final = frozenset({Verb.RETRY, Verb.CORRECT, Verb.RETRY_CURRENT})
"""Verbs that a person may ask for who looked and knows that the target does not have it, where the hub cannot ask."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One verb as the box shows it: legal, or why not; `sure`: only for who looked on the spot."""

    action: Action
    why: Why | None
    lacking: Right | None
    sure: bool = False

    @property
    def is_legal(self) -> bool:
        """Whether its form is shown."""
        return self.why is None and self.lacking is None


@dataclass(frozen=True, slots=True)
class Box:
    """What can be done about one delivery, and what a person has before them when they do it."""

    delivery: Any
    standing: Standing
    offers: Sequence[Offer]
    stamp: str
    closing: Any
    asked_first: bool
    """Whether trying again first asks the target."""

    @property
    def legal(self) -> Sequence[Offer]:
        """The verbs that are possible, the person having the right."""
        return [one for one in self.offers if one.is_legal]

    @property
    def others(self) -> Sequence[Offer]:
        """The verbs that are not, with why."""
        return [one for one in self.offers if not one.is_legal]


def box_of(hub: Hub, dossier: Dossier, delivery: Any, person: Person) -> Box:
    """Make the box of a delivery."""
    standing = replace(dossier.standings[delivery.id], obstacle=obstacle(hub.ledger.book, dossier.request))
    closing = dossier.closings.get(delivery.id)
    return Box(
        delivery=delivery,
        standing=standing,
        offers=[_offer(action, standing, person) for action in ACTIONS],
        stamp=stamp(delivery, dossier.request, closing, hub.ledger.book.now()),
        closing=closing,
        asked_first=standing.ever_uncertain and standing.effect is Effect.LOOKUP,
    )


def focus_of(dossier: Dossier, ordinal: int | None) -> Any:
    """Choose the delivery that is looked at: the one asked for, else the one that holds the request up."""
    if ordinal is not None and (asked := dossier.delivery(ordinal)) is not None:
        return asked
    holder = holding(dossier.deliveries)
    if holder is not None and holder.state in TROUBLED:
        return holder
    told = [row for row in dossier.deliveries if row.step == CALLBACK and row.state == State.PARKED]
    return told[0] if told else holder or next(iter(dossier.deliveries), None)


def is_under_way(dossier: Dossier) -> bool:
    """Say whether something will change by itself before long."""
    moving = {*HELD, State.QUEUED, State.UNCERTAIN}
    proved = any(row.state == "pending" for row in dossier.closings.values())
    return proved or any(row.state in moving for row in dossier.deliveries)


def _offer(action: Action, standing: Standing, person: Person) -> Offer:
    why = why_not(action.verb, standing, person.actor)
    sure = False
    if why is Why.PERHAPS_TAKEN and action.verb in TAKES_SURE and standing.effect is not Effect.LOOKUP:
        why = why_not(action.verb, standing.said_sure(), person.actor)
        sure = why is None
    lacking = next((right for right in action.rights if not person.may(right)), None)
    return Offer(action, why, lacking, sure)
