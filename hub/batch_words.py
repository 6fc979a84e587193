"""What batches say to people: why nothing is done to a row, and why a batch is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from hub.batch import Obstacle, ReasonError, StaleError, SteerError, StepsDifferError
from hub.errors import ConflictError
from hub.tables_operations import BatchState
from hub.verbs import SENTENCES, Why

OBSTACLES: Final[Mapping[Obstacle, str]] = MappingProxyType(
    {
        Obstacle.PAUSED: "Le logiciel est en pause.",
        Obstacle.TAKEN: "Le lot {} s'en occupe.",
        Obstacle.UNREADABLE: "Le circuit de la demande ne peut plus être lu.",
        Obstacle.NOT_AWAITING: "La demande n'attend pas de décision.",
        Obstacle.OTHER_REASONS: "Le circuit de cette demande ne connaît pas ce motif.",
        Obstacle.HAS_BEEN_TAKEN: "Un logiciel en a reçu une partie : finissez-la à la main.",
        Obstacle.CANNOT_BE_WRITTEN: "La version courante ne sait pas écrire : {}.",
        Obstacle.CHANGED: "Son état a changé depuis le plan.",
        Obstacle.STOPPED: "Le lot a été arrêté avant.",
        Obstacle.REFUSED: "Son état ne le permettait plus.",
        Obstacle.FIRST_FAILED: "L'une des premières lignes a échoué : {}.",
        Obstacle.BROKEN: "Une erreur du concentrateur l'a arrêté : {}. Son journal en dit plus.",
    }
)

STATES: Final[Mapping[BatchState, str]] = MappingProxyType(
    {
        BatchState.PLANNED: "n'est pas commencé",
        BatchState.TRYING: "est à l'essai",
        BatchState.RUNNING: "est en cours",
        BatchState.PAUSED: "est en pause",
        BatchState.STOPPED: "est arrêté",
        BatchState.DONE: "est terminé",
    }
)


def sentence_of(note: str) -> str:
    """Say a row's note as a sentence; a target's own code, and what a message differs in, stand as they are."""
    code, _, named = note.partition(" ")
    if code in set(Obstacle):
        return OBSTACLES[Obstacle(code)].format(named)
    return SENTENCES[Why(note)] if note in set(Why) else note


def refusal_of(error: ConflictError) -> str:
    """Say why a batch is refused."""
    return next((say(error) for kind, say in REFUSALS.items() if isinstance(error, kind)), COLLISION)


COLLISION: Final = "D'autres lots prennent les mêmes lignes en ce moment : recommencez."


def _stale(error: StaleError) -> str:
    if not error.changed:
        return "Ce plan a plus de quinze minutes : refaites-le."
    rows = "Une ligne a changé" if error.changed == 1 else f"{error.changed} lignes ont changé"
    return f"{rows} depuis ce plan : refaites-le."


def _steps(error: StepsDifferError) -> str:
    found = ", ".join(f"{step} ({count})" for step, count in error.steps.items())
    return f"On ne décide ensemble que de demandes qui attendent à la même étape. Étapes trouvées : {found}."


REFUSALS: Final[Mapping[type[ConflictError], Callable[[Any], str]]] = MappingProxyType(
    {
        StaleError: _stale,
        StepsDifferError: _steps,
        ReasonError: lambda error: f"Un refus donne ici l'un de ces motifs : {', '.join(error.reasons)}.",
        SteerError: lambda error: f"Ce lot {STATES[BatchState(error.state)]}.",
    }
)
