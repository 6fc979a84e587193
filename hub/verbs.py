"""What a person may do to a delivery now, and why not: one pure function, which the acts obey and the console shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from hub.lifecycle import HELD, State
from hub.model import Effect
from hub.routing import PENDING
from hub.tables_operations import Proof


class Verb(StrEnum):
    """What a person does to a delivery."""

    VERIFY = "verify"
    RETRY = "retry"
    RETRY_CURRENT = "retry_current"
    CORRECT = "correct"
    REROUTE = "reroute"
    FINALIZE = "finalize"
    SECOND = "second"
    REJECT = "reject"
    REOPEN = "reopen"


class Why(StrEnum):
    """Why a verb is not for a delivery as it stands."""

    IN_HAND = "in_hand"
    ENDED = "ended"
    CLOSED_BY_HAND = "closed_by_hand"
    PROPOSED = "proposed"
    ON_ITS_WAY = "on_its_way"
    BEING_ASKED = "being_asked"
    ONLY_WAITS = "only_waits"
    PERHAPS_TAKEN = "perhaps_taken"
    CANNOT_BE_ASKED = "cannot_be_asked"
    SURELY_NOT_TAKEN = "surely_not_taken"
    NOT_PARKED = "not_parked"
    NOT_AWAITED = "not_awaited"
    NO_OTHER_TARGET = "no_other_target"
    NOT_PROPOSED = "not_proposed"
    SAME_PERSON = "same_person"
    NOT_FINALIZED = "not_finalized"
    CONFIRMED = "confirmed"
    TAKEN_BACK = "taken_back"
    ALREADY_CURRENT = "already_current"
    KIND_GONE = "kind_gone"
    DATA_UNFIT = "data_unfit"
    ROUTE_UNFIT = "route_unfit"
    REQUEST_ENDED = "request_ended"
    OTHERS_IN_HAND = "others_in_hand"
    OTHERS_PERHAPS_TAKEN = "others_perhaps_taken"

    @property
    def sentence(self) -> str:
        """What agents read."""
        return SENTENCES[self]


SENTENCES: Final[Mapping[Why, str]] = MappingProxyType(
    {
        Why.IN_HAND: "Cet envoi est en cours : attendez son issue.",
        Why.ENDED: "Cet envoi est terminé.",
        Why.CLOSED_BY_HAND: "Cet envoi est finalisé à la main : rouvrez-le d'abord.",
        Why.PROPOSED: "Une finalisation est proposée pour cet envoi : une autre personne l'approuve ou la retire.",
        Why.ON_ITS_WAY: "Cet envoi part de lui-même : il n'y a rien à reprendre.",
        Why.BEING_ASKED: "On ne sait pas si le logiciel l'a reçu : le hub le lui demande.",
        Why.ONLY_WAITS: "Cet envoi n'attend que son heure, ou un événement.",
        Why.PERHAPS_TAKEN: "Le logiciel a peut-être reçu cet envoi : vérifiez d'abord, auprès de lui ou sur place.",
        Why.CANNOT_BE_ASKED: "On ne peut pas interroger ce logiciel sur cet envoi : vérifiez sur place.",
        Why.SURELY_NOT_TAKEN: "Le logiciel n'a sûrement pas reçu cet envoi : il n'y a rien à vérifier.",
        Why.NOT_PARKED: "Seul un envoi en erreur, qui attend une personne, s'y prête.",
        Why.NOT_AWAITED: "La demande n'attend pas cet envoi : il n'y a rien à en conclure pour elle.",
        Why.NO_OTHER_TARGET: "Aucun autre logiciel de la ville ne peut recevoir cet envoi.",
        Why.NOT_PROPOSED: "Aucune finalisation n'est proposée pour cet envoi.",
        Why.SAME_PERSON: "Vous avez proposé cette finalisation : une autre personne doit l'approuver.",
        Why.NOT_FINALIZED: "Cet envoi n'est pas finalisé à la main.",
        Why.CONFIRMED: "Le logiciel a confirmé la référence : cet envoi ne peut plus être rouvert.",
        Why.TAKEN_BACK: "La demande est annulée ou purgée, ou cet envoi a été repris : il ne peut plus être rouvert.",
        Why.ALREADY_CURRENT: "La demande suit déjà la version courante de sa démarche.",
        Why.KIND_GONE: "Cette démarche n'est plus proposée : elle n'a pas de version courante.",
        Why.DATA_UNFIT: "Les données de la demande ne conviennent pas à la version courante : corrigez-les d'abord.",
        Why.ROUTE_UNFIT: "Le circuit de la version courante ne passe plus par ce qui a déjà été fait pour la demande.",
        Why.REQUEST_ENDED: "La demande est terminée, ou en cours d'annulation.",
        Why.OTHERS_IN_HAND: "Un autre envoi de la demande est en cours : attendez son issue.",
        Why.OTHERS_PERHAPS_TAKEN: "Un autre envoi de la demande a peut-être été reçu : vérifiez-le d'abord.",
    }
)
"""Each reason, in the words of whoever asked."""

LOOK_FIRST: Final = frozenset({Why.PERHAPS_TAKEN, Why.CANNOT_BE_ASKED})
"""Reasons that only somebody who looks into the target can clear up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What decides which verbs a delivery allows.

    `awaited`: its route waits for it and may be refused at it. `follows_route`: it is a step, not a call-back.
    `undone`: its request was cancelled, or it was taken back. `obstacle`: what keeps its request from the current
    version of its kind.
    """

    state: State
    code: str = ""
    effect: Effect = Effect.ONCE
    ever_uncertain: bool = False
    is_timer: bool = False
    awaited: bool = True
    follows_route: bool = True
    undone: bool = False
    candidates: tuple[str, ...] = ()
    proof: Proof | None = None
    proposer: str = ""
    obstacle: Why | None = None

    @property
    def perhaps_taken(self) -> bool:
        """Whether the target may have it, in a way that matters."""
        return self.ever_uncertain and self.effect is not Effect.SAFE

    @property
    def proposed(self) -> bool:
        """Whether somebody proposed to close it, and nobody has agreed yet."""
        return self.proof is Proof.PROPOSED and self.state not in ENDS

    def said_sure(self) -> Standing:
        """Give the same, once somebody looked and knows that the target does not have it."""
        return replace(self, ever_uncertain=False)


ENDS: Final[Mapping[State, Why]] = MappingProxyType(
    {State.DELIVERED: Why.ENDED, State.CANCELLED: Why.ENDED, State.FINALIZED: Why.CLOSED_BY_HAND}
)


def verbs(standing: Standing, actor: str = "") -> dict[Verb, Why | None]:
    """Say of every verb why it is not for this delivery now; None where it is."""
    return {verb: why_not(verb, standing, actor) for verb in Verb}


def why_not(verb: Verb, standing: Standing, actor: str = "") -> Why | None:
    """Say why a verb is not for this delivery now; None when it is."""
    if verb is Verb.SECOND:
        return _why_not_second(standing, actor)
    if verb is Verb.REOPEN:
        return _why_not_reopen(standing)
    return _closed(standing) or RULES[verb](standing)


def login_of(actor: str) -> str:
    """Give the part of an actor's name that tells people apart, whichever door they came by."""
    return actor.rpartition("/")[2].casefold()


def _first(*obstacles: tuple[bool, Why]) -> Why | None:
    return next((why for holds, why in obstacles if holds), None)


def _closed(standing: Standing) -> Why | None:
    """Say what keeps a delivery from every verb but those on finalizations."""
    if standing.state in ENDS:
        return ENDS[standing.state]
    return _first((standing.state in HELD, Why.IN_HAND), (standing.proposed, Why.PROPOSED))


def _why_not_verify(standing: Standing) -> Why | None:
    return _first(
        (standing.effect is not Effect.LOOKUP, Why.CANNOT_BE_ASKED),
        (standing.state not in {State.PARKED, State.UNCERTAIN}, Why.SURELY_NOT_TAKEN),
    )


def _why_not_retry(standing: Standing) -> Why | None:
    """Send again what harms nobody; what may have been taken is asked about first, where that is possible."""
    asked_first = standing.ever_uncertain and standing.effect is Effect.LOOKUP
    looked_at = standing.effect is Effect.ONCE or (asked_first and standing.state is State.WAITING)
    return _first(
        (standing.state is State.QUEUED, Why.ON_ITS_WAY),
        (standing.is_timer and standing.code == PENDING, Why.ONLY_WAITS),
        (standing.ever_uncertain and looked_at, Why.PERHAPS_TAKEN),
        (standing.state is State.UNCERTAIN and not asked_first, Why.BEING_ASKED),
    )


def _why_not_correct(standing: Standing) -> Why | None:
    """Keep from writing anew what may have been taken: it would be looked for in other words than it was sent in."""
    return _why_not_retry(standing) or _first((standing.perhaps_taken, Why.PERHAPS_TAKEN))


def _why_not_retry_current(standing: Standing) -> Why | None:
    """Write anew by the current version what might be corrected, where that version fits."""
    return _why_not_correct(standing) or standing.obstacle


def _why_not_reroute(standing: Standing) -> Why | None:
    return _first(
        (not standing.follows_route, Why.NOT_AWAITED),
        (standing.state is State.WAITING and standing.code == PENDING, Why.ONLY_WAITS),
        (standing.perhaps_taken, Why.PERHAPS_TAKEN),
        (standing.state not in {State.PARKED, State.WAITING}, Why.NOT_PARKED),
        (not standing.candidates, Why.NO_OTHER_TARGET),
    )


def _why_not_reject(standing: Standing) -> Why | None:
    return _first(
        (not standing.awaited, Why.NOT_AWAITED),
        (standing.perhaps_taken, Why.PERHAPS_TAKEN),
        (standing.state is not State.PARKED, Why.NOT_PARKED),
    )


def _why_not_second(standing: Standing, actor: str) -> Why | None:
    return _first(
        (not standing.proposed, Why.NOT_PROPOSED),
        (standing.state in HELD, Why.IN_HAND),
        (bool(actor) and login_of(actor) == login_of(standing.proposer), Why.SAME_PERSON),
    )


def _why_not_reopen(standing: Standing) -> Why | None:
    """Let anybody reopen what is not confirmed, and withdraw a proposal."""
    return _first(
        (standing.state is not State.FINALIZED and not standing.proposed, Why.NOT_FINALIZED),
        (standing.state in HELD, Why.IN_HAND),
        (standing.state is State.FINALIZED and standing.proof is Proof.CONFIRMED, Why.CONFIRMED),
        (standing.undone and not standing.proposed, Why.TAKEN_BACK),
    )


RULES: Final[Mapping[Verb, Callable[[Standing], Why | None]]] = MappingProxyType(
    {
        Verb.VERIFY: _why_not_verify,
        Verb.RETRY: _why_not_retry,
        Verb.RETRY_CURRENT: _why_not_retry_current,
        Verb.CORRECT: _why_not_correct,
        Verb.REROUTE: _why_not_reroute,
        Verb.FINALIZE: lambda _standing: None,
        Verb.REJECT: _why_not_reject,
    }
)
"""What a verb asks for, of a delivery that nobody has in hand and that is not closed."""
