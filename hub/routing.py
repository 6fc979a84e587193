"""Routes: the ordered steps of a kind, and the pure function that says where a request stands on its route."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Annotated, Any, Final, Literal, NamedTuple, Self

from pydantic import Discriminator, Field, Tag, model_validator

from hub.errors import MappingError
from hub.lifecycle import FINAL, State
from hub.mapping import FAILURES, Expression
from hub.model import Frozen, Status

RECEIVED: Final = "Demande reçue"
UNDER_WAY: Final = "En cours d'intégration"
INTEGRATION_ERROR: Final = "Erreur lors de l'intégration de la demande"
ACCEPTED: Final = "Accepté"
REFUSED: Final = "Refusé"
CANCELLED: Final = "Demande annulée"
FINALIZED: Final = "Demande finalisée manuellement après erreur d'intégration"

CALLBACK: Final = "callback"
"""The step of the call-backs to the front end, which no route needs to name."""

MOST_ITEMS: Final = 100
"""So many deliveries one step may ask for: a request's are numbered below a thousand."""

StepName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]


class Deliver(Frozen):
    """Carry the request into a target, once or `for_each` item of a list; the route waits for it."""

    deliver: StepName
    using: str
    id: StepName = ""
    for_each: str | None = None

    @property
    def target(self) -> str:
        """The target spoken to."""
        return self.deliver

    @property
    def name(self) -> str:
        """The step's name on its route."""
        return self.id or self.deliver


class Notify(Frozen):
    """Tell someone; the route goes on whatever becomes of it."""

    notify: StepName
    using: str
    id: StepName
    for_each: str | None = None

    @property
    def target(self) -> str:
        """The target spoken to."""
        return self.notify

    @property
    def name(self) -> str:
        """The step's name on its route."""
        return self.id


class Await(Frozen):
    """Wait for a person: accept lets the route go on, refuse ends it under one of `reasons`."""

    wait: Literal["decision"] = Field(alias="await")
    id: StepName
    stage: str
    reasons: tuple[str, ...] = (REFUSED,)
    on_refusal: tuple[Notify, ...] = ()

    @property
    def name(self) -> str:
        """The step's name on its route."""
        return self.id


class Branch(Frozen):
    """Take `then` when the condition holds for the request, `otherwise` when it does not."""

    branch: str
    then: tuple[Step, ...]
    otherwise: tuple[Step, ...] = ()


def _word(step: Any) -> str | None:
    """Tell a step by its first word, so that what is wrong with it is said of that kind of step."""
    return next((word for word in WORDS if word in step), None) if isinstance(step, Mapping) else None


WORDS: Final = ("deliver", "notify", "await", "branch")

Step = Annotated[
    Annotated[Deliver, Tag("deliver")]
    | Annotated[Notify, Tag("notify")]
    | Annotated[Await, Tag("await")]
    | Annotated[Branch, Tag("branch")],
    Discriminator(
        _word,
        custom_error_type="step",
        custom_error_message="a step begins with deliver, notify, await or branch",
    ),
]
Branch.model_rebuild()


class RouteFile(Frozen):
    """What `route.yaml` says."""

    route: str
    title: str
    owner: str
    steps: tuple[Step, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def each_step_has_its_own_name(self) -> Self:
        """Refuse two steps of one name: deliveries are told apart by it."""
        names = [step.name for step in named_steps(self.steps)]
        twice = {name for name in names if names.count(name) > 1 or name == CALLBACK}
        if twice:
            raise ValueError(f"two steps are called {', '.join(sorted(twice))}: give one an `id`")
        return self


class Fact(NamedTuple):
    """What the ledger knows of one delivery of a request."""

    step: str
    item: int
    state: State
    stage: str = ""


class Decision(NamedTuple):
    """What a person decided at a step."""

    step: str
    accepted: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Planned:
    """A delivery the route asks for and the ledger does not have yet."""

    step: str
    item: int
    target: str
    mapping: str
    given: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """Where a request stands: what to start, what it waits for, and how people and machines read that."""

    status: Status
    stage: str
    planned: tuple[Planned, ...] = ()
    awaiting: str = ""


class Route:
    """A compiled route: conditions and lists are compiled once."""

    def __init__(self, said: RouteFile) -> None:
        self.name, self.title, self.owner, self.steps = said.route, said.title, said.owner, said.steps
        self._expressions = {source: Expression(source) for source in _sources(said.steps)}
        self.has_expressions = bool(self._expressions)
        self._remembered = lru_cache(maxsize=4096)(self._walk)
        self.has_decisions = any(isinstance(step, Await) for step in named_steps(said.steps))

    @cached_property
    def named(self) -> Mapping[str, Deliver | Notify | Await]:
        """Every step with a name, branches opened."""
        return {step.name: step for step in named_steps(self.steps)}

    def progress(
        self,
        document: Mapping[str, Any],
        facts: Sequence[Fact],
        decisions: Mapping[str, Decision],
        *,
        cancelled: bool = False,
    ) -> Progress:
        """Say where a request stands, from what the ledger knows; the same answer for the same facts, always.

        Raises MappingError when a condition or a list cannot be evaluated on this request.
        """
        if cancelled:
            return Progress(Status.CANCELLED, CANCELLED)
        if self.has_expressions:
            return _Walk(self, document, facts, decisions).result()
        return self._remembered(tuple(facts), tuple(decisions.values()))

    def _walk(self, facts: Sequence[Fact], decisions: Sequence[Decision]) -> Progress:
        return _Walk(self, {}, facts, {decision.step: decision for decision in decisions}).result()

    def items(self, step: Deliver | Notify, document: Mapping[str, Any]) -> list[Any]:
        """List what a step is done for: each item of its `for_each`, or one nothing."""
        if step.for_each is None:
            return [None]
        found = self.evaluate(step.for_each, document)
        items = [] if found is None else found if isinstance(found, list) else [found]
        if len(items) > MOST_ITEMS:
            raise MappingError(self.name, (step.for_each,))
        return items

    def evaluate(self, source: str, document: Mapping[str, Any]) -> Any:
        """Evaluate one of the route's expressions; raises MappingError naming the route and the expression."""
        try:
            return self._expressions[source].value(document)
        except FAILURES:
            raise MappingError(self.name, (source,)) from None


class _Walk:
    """One walk along a route, collecting what it meets until something holds it."""

    def __init__(
        self,
        route: Route,
        document: Mapping[str, Any],
        facts: Sequence[Fact],
        decisions: Mapping[str, Decision],
    ) -> None:
        self.route, self.document, self.decisions = route, document, decisions
        self.facts = {(fact.step, fact.item): fact for fact in facts}
        self.planned: list[Planned] = []
        self.met: list[Fact] = []
        self.awaiting = ""
        self.refusal: str | None = None
        self.given: dict[str, Any] = {}

    def result(self) -> Progress:
        """Walk, and sum up."""
        ended = self._steps(self.route.steps)
        status, stage = self._outcome(ended=ended)
        return Progress(status, stage, tuple(self.planned), self.awaiting)

    def _outcome(self, *, ended: bool) -> tuple[Status, str]:
        if self.refusal is not None:
            return Status.REFUSED, self.refusal
        held = [fact for fact in self.met if fact.state not in FINAL]
        for states, status in STANDING:
            standing = [fact for fact in held if fact.state in states]
            if standing:
                return status, (standing[0].stage if status is Status.PARKED else "") or STAGE_OF[status]
        if self.awaiting:
            step = self.route.named[self.awaiting]
            return Status.WAITING, step.stage if isinstance(step, Await) else UNDER_WAY
        if not ended:
            return Status.IN_PROGRESS, UNDER_WAY
        if any(fact.state in {State.FINALIZED, State.CANCELLED} for fact in self.met):
            return Status.FINALIZED, FINALIZED
        return Status.DONE, ACCEPTED

    def _steps(self, steps: Sequence[Step]) -> bool:
        return all(self._step(step) for step in steps)

    def _step(self, step: Step) -> bool:
        match step:
            case Deliver():
                return self._deliver(step)
            case Notify():
                self._plan(step)
                return True
            case Await():
                return self._await(step)
            case Branch():
                holds = self.route.evaluate(step.branch, self.document) is True
                return self._steps(step.then if holds else step.otherwise)

    def _deliver(self, step: Deliver) -> bool:
        facts = self._plan(step)
        self.met += facts
        return len(facts) == len(self.route.items(step, self.document)) and all(fact.state in FINAL for fact in facts)

    def _await(self, step: Await) -> bool:
        decision = self.decisions.get(step.name)
        if decision is None:
            self.awaiting = step.name
            return False
        self.given = {"decision": {"accepted": decision.accepted, "reason": decision.reason}}
        if not decision.accepted:
            self.refusal = decision.reason or REFUSED
            self._steps(step.on_refusal)
        return decision.accepted

    def _plan(self, step: Deliver | Notify) -> list[Fact]:
        """Ask for what is missing of a step, and give what is known of it."""
        known = []
        for item in range(len(self.route.items(step, self.document))):
            fact = self.facts.get((step.name, item))
            if fact is None:
                self.planned.append(Planned(step.name, item, step.target, step.using, self.given))
            else:
                known.append(fact)
        return known


STANDING: Final[Sequence[tuple[frozenset[State], Status]]] = (
    (frozenset({State.PARKED}), Status.PARKED),
    (frozenset({State.UNCERTAIN, State.ASKING}), Status.UNCERTAIN),
    (frozenset({State.WAITING}), Status.WAITING),
    (frozenset({State.QUEUED, State.CLAIMED, State.SENDING}), Status.IN_PROGRESS),
)
"""What holds a request, the worst first."""

STAGE_OF: Final[Mapping[Status, str]] = {
    Status.PARKED: INTEGRATION_ERROR,
    Status.UNCERTAIN: UNDER_WAY,
    Status.WAITING: UNDER_WAY,
    Status.IN_PROGRESS: UNDER_WAY,
}


def named_steps(steps: Sequence[Step]) -> Iterator[Deliver | Notify | Await]:
    """Give every step that bears a name, in order, branches and refusals opened."""
    for step in steps:
        match step:
            case Branch():
                yield from named_steps(step.then)
                yield from named_steps(step.otherwise)
            case Await():
                yield step
                yield from step.on_refusal
            case _:
                yield step


def _sources(steps: Sequence[Step]) -> Iterator[str]:
    for step in steps:
        match step:
            case Branch():
                yield step.branch
                yield from _sources(step.then)
                yield from _sources(step.otherwise)
            case Await():
                yield from _sources(step.on_refusal)
            case Deliver() | Notify() if step.for_each is not None:
                yield step.for_each
