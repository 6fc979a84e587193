"""Routes: the ordered steps of a kind, and the pure function that says where a request stands on its route."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, Self

import orjson
from pydantic import Discriminator, Field, Tag, model_validator

from hub.calendar import Clock, day_of, read_moment
from hub.errors import ConfigurationError, MappingError
from hub.facets import DISTRICT, Facets, Observer, Position
from hub.lifecycle import FINAL, State
from hub.mapping import FAILURES, Expression
from hub.model import Duration, Frozen, Instant, Status
from hub.privacy.terms import Privacy

RECEIVED: Final = "Demande reçue"
UNDER_WAY: Final = "En cours d'intégration"
INTEGRATION_ERROR: Final = "Erreur lors de l'intégration de la demande"
ACCEPTED: Final = "Accepté"
REFUSED: Final = "Refusé"
CANCELLED: Final = "Demande annulée"
FINALIZED: Final = "Demande finalisée manuellement après erreur d'intégration"

CALLBACK: Final = "callback"
"""The step of the call-backs to the front end, which no route needs to name."""

TIMER: Final = "horloge"
"""The target that takes a delivery when its time has come, and does nothing."""

TIMER_MAPPING: Final = "horloge/attendre"
DOCUMENTS: Final = "documents"
"""The target that makes documents."""

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

MOST_ITEMS: Final = 100
"""So many deliveries one step may ask for: a request's are numbered below a thousand."""

LONGEST_NAME: Final = 40
"""Characters of a step's name, its ending included where another step is named after it."""

UNDO: Final = "_undo"
"""What the name of a step that takes another one back ends with."""

PENDING: Final = "pending"
"""The code of a delivery that waits for its time, or for what has not happened yet: nothing is wrong with it."""

REJECTED: Final = "rejected"
"""The code of a delivery that a person rejected: its request is refused."""

StepName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=LONGEST_NAME)]
KeyName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=LONGEST_NAME)]
Keys = Annotated[Mapping[KeyName, str], Field(max_length=4)]
"""What a request is looked up under: a name → an expression that gives its value, or several."""


class Carried(Frozen):
    """What any step has whose business is done by a target: a mapping, perhaps a name, perhaps a list."""

    using: str
    id: StepName = ""
    for_each: str | None = None

    @property
    def target(self) -> str:
        """The target spoken to."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """The step's name on its route."""
        return self.id or self.target


class Deliver(Carried):
    """Carry the request into a target, once or `for_each` item of a list; the route waits for it.

    `refusals`: the target's codes that end the route, each under a stage, where others wait for a person.
    `undo`: the mapping that takes it back, should the route end without it: refused, or cancelled.
    """

    does: ClassVar = "deliver"
    deliver: StepName
    refusals: Mapping[str, str] = Field(default_factory=dict)
    undo: str | None = None

    @property
    def target(self) -> str:
        """The target spoken to."""
        return self.deliver

    @model_validator(mode="after")
    def the_step_that_takes_it_back_can_be_named(self) -> Self:
        """Refuse a name that leaves no room for its ending."""
        if self.undo is not None and len(self.name) + len(UNDO) > LONGEST_NAME:
            raise ValueError(f"id: at most {LONGEST_NAME - len(UNDO)} characters for a step with `undo`")
        return self

    @cached_property
    def reversal(self) -> Deliver | None:
        """The step that takes it back."""
        if self.undo is None:
            return None
        return Deliver(deliver=self.deliver, using=self.undo, id=f"{self.name}{UNDO}", for_each=self.for_each)

    @property
    def is_reversal(self) -> bool:
        """Whether it takes another one back."""
        return self.name.endswith(UNDO)


class Enrich(Carried):
    """Ask a target what the city need not ask the citizen; later steps read it, and the ledger says why it was asked.

    `consent`: asked only where this holds.
    """

    does: ClassVar = "enrich"
    enrich: StepName
    purpose: str
    consent: str | None = None

    @property
    def target(self) -> str:
        """The target asked."""
        return self.enrich


class Document(Carried):
    """Make a document of the request, which later steps may send: `$answers.<step>.files`."""

    does: ClassVar = "document"
    document: StepName

    @property
    def target(self) -> str:
        """Who makes it."""
        return DOCUMENTS

    @property
    def name(self) -> str:
        """The step's name on its route."""
        return self.id or self.document


class Notify(Carried):
    """Tell someone; the route goes on whatever becomes of it."""

    does: ClassVar = "notify"
    notify: StepName
    id: StepName

    @property
    def target(self) -> str:
        """The target spoken to."""
        return self.notify


class Refuse(Frozen):
    """End the route: the request is refused, under this stage."""

    refuse: str
    on_refusal: tuple[Notify, ...] = ()


class Await(Frozen):
    """Wait for a person: accept lets the route go on, refuse ends it under one of `reasons`.

    `within`: how long; then it is decided as `by_default` says, a refusal under the last of the reasons.
    """

    does: ClassVar = "await"
    wait: Literal["decision"] = Field(alias="await")
    id: StepName
    stage: str
    reasons: tuple[str, ...] = (REFUSED,)
    on_refusal: tuple[Notify, ...] = ()
    within: Duration | None = None
    by_default: Literal["accept", "refuse"] = "refuse"

    @property
    def name(self) -> str:
        """The step's name on its route."""
        return self.id

    @cached_property
    def timer(self) -> AwaitDate | None:
        """The step that ends the wait."""
        if self.within is None:
            return None
        return AwaitDate.model_validate({"await": "date", "id": f"{self.id}_fin", "at": "", "stage": self.stage})


class AwaitEvent(Carried):
    """Wait until a target says that something has happened: it is asked, sooner when it calls.

    `until` reads what it answers, as `$answer`; after `within` the route goes on, and later steps read `expired`.
    """

    does: ClassVar = "await event"
    wait: Literal["event"] = Field(alias="await")
    of: StepName
    id: StepName
    stage: str
    until: str
    every: Duration
    within: Duration

    @property
    def target(self) -> str:
        """The target asked."""
        return self.of


class AwaitDate(Frozen):
    """Wait for a date: `at` gives it, a day or a moment; one that is over is not waited for."""

    does: ClassVar = "await date"
    wait: Literal["date"] = Field(alias="await")
    id: StepName
    at: str
    stage: str
    using: Literal["horloge/attendre"] = TIMER_MAPPING
    for_each: None = None

    @property
    def target(self) -> str:
        """Who says that the time has come."""
        return TIMER

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
    if not isinstance(step, Mapping):
        return None
    if "await" in step:
        return f"await {step['await']}"
    return next((word for word in WORDS if word in step), None)


WORDS: Final = ("deliver", "enrich", "document", "notify", "branch", "refuse")

Step = Annotated[
    Annotated[Deliver, Tag("deliver")]
    | Annotated[Enrich, Tag("enrich")]
    | Annotated[Document, Tag("document")]
    | Annotated[Notify, Tag("notify")]
    | Annotated[Await, Tag("await decision")]
    | Annotated[AwaitEvent, Tag("await event")]
    | Annotated[AwaitDate, Tag("await date")]
    | Annotated[Branch, Tag("branch")]
    | Annotated[Refuse, Tag("refuse")],
    Discriminator(
        _word,
        custom_error_type="step",
        custom_error_message=(
            "a step begins with deliver, enrich, document, notify, branch or refuse, "
            "or with await: decision, event or date"
        ),
    ),
]
Branch.model_rebuild()

Done = Deliver | Enrich | Document | Notify | AwaitEvent | AwaitDate
"""A step that is a delivery."""

Named = Done | Await


class RouteFile(Frozen):
    """What `route.yaml` says."""

    route: str
    title: str
    owner: str
    clock: Clock | None = None
    facets: Facets = Field(default_factory=dict)
    place: Position | None = None
    keys: Keys = Field(default_factory=dict)
    privacy: Privacy = Privacy()
    steps: tuple[Step, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def each_step_has_its_own_name(self) -> Self:
        """Refuse two steps of one name: deliveries are told apart by it."""
        names = [step.name for step in named_steps(self.steps)]
        twice = {name for name in names if names.count(name) > 1 or name == CALLBACK}
        if twice:
            raise ValueError(f"two steps are called {', '.join(sorted(twice))}: give one an `id`")
        return self

    @model_validator(mode="after")
    def what_takes_back_is_written_as_undo(self) -> Self:
        """Refuse a step named as if it took another one back: only `undo` makes one that does."""
        delivering = [step for step in named_steps(self.steps) if isinstance(step, Deliver)]
        reversals = {step.reversal.name for step in delivering if step.reversal}
        for step in delivering:
            if step.is_reversal and step.name not in reversals:
                raise ValueError(f"{step.name}: a name that ends in {UNDO} is that of what `undo` does")
        return self

    @model_validator(mode="after")
    def one_thing_says_the_district(self) -> Self:
        """Refuse a district said by a facet and by the place."""
        if DISTRICT in self.facets and self.place is not None and self.place.district is not None:
            raise ValueError("facets.district: place.district says it already")
        return self


class Fact(NamedTuple):
    """What the ledger knows of one delivery of a request; `answer` is JSON."""

    step: str
    item: int
    state: State
    stage: str = ""
    code: str = ""
    reference: str = ""
    answer: str = ""


class Decision(NamedTuple):
    """What a person decided at a step."""

    step: str
    accepted: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Planned:
    """A delivery the route asks for and the ledger does not have yet.

    `not_before`: an instant, or 0; `after`: milliseconds from now. `note`: why it is asked, for the audit.
    """

    step: str
    item: int
    target: str
    mapping: str
    given: Mapping[str, Any] = field(default_factory=dict)
    not_before: int = 0
    after: int = 0
    note: str = ""


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
        self.name, self.title, self.owner, self.steps, self.clock = (
            said.route,
            said.title,
            said.owner,
            said.steps,
            said.clock,
        )
        self.privacy = said.privacy
        sources = {*_sources(said.steps), *([said.clock.since] if said.clock and said.clock.since else [])}
        self._expressions = {source: _compiled(said.route, source) for source in sources}
        self.has_expressions = bool(self._expressions)
        self._remembered = lru_cache(maxsize=4096)(self._walk)
        self.observer = Observer(said.route, said.facets, said.place)
        self.keys: Mapping[str, Expression] = {name: _compiled(said.route, one) for name, one in said.keys.items()}
        self.has_decisions = any(isinstance(step, Await) for step in named_steps(said.steps))

    @cached_property
    def named(self) -> Mapping[str, Named]:
        """Every step with a name, branches opened, with what ends waits and takes steps back."""
        return {step.name: step for step in named_steps(self.steps)}

    @cached_property
    def stages(self) -> Sequence[str]:
        """Every stage that its steps name, in their order."""
        return list(dict.fromkeys(_stages(self.steps)))

    @cached_property
    def carried(self) -> Sequence[Done]:
        """Every step that is a delivery."""
        return [step for step in self.named.values() if not isinstance(step, Await)]

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
        if self.has_expressions:
            return _Walk(self, document, facts, decisions, cancelled=cancelled).result()
        bare = tuple([Fact(fact.step, fact.item, fact.state, fact.stage, fact.code) for fact in facts])
        return self._remembered(bare, tuple(decisions.values()), cancelled)

    def _walk(self, facts: Sequence[Fact], decisions: Sequence[Decision], cancelled: bool) -> Progress:  # noqa: FBT001  # cached
        return _Walk(self, {}, facts, {decision.step: decision for decision in decisions}, cancelled=cancelled).result()

    def items(self, step: Done, document: Mapping[str, Any], answers: Mapping[str, Any] = NOTHING) -> list[Any]:
        """List what a step is done for: each item of its `for_each`, or one nothing."""
        if step.for_each is None:
            return [None]
        found = self.evaluate(step.for_each, document, answers=dict(answers))
        items = [] if found is None else found if isinstance(found, list) else [found]
        if len(items) > MOST_ITEMS:
            raise MappingError(self.name, (step.for_each,))
        return items

    def evaluate(self, source: str, document: Mapping[str, Any], **bindings: Any) -> Any:
        """Evaluate one of the route's expressions; raises MappingError naming the route and the expression."""
        try:
            return self._expressions[source].value(document, bindings)
        except FAILURES:
            raise MappingError(self.name, (source,)) from None

    def has_happened(self, step: AwaitEvent, document: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
        """Say whether what a step waits for has happened, by what its target answers."""
        return self.evaluate(step.until, document, answer=dict(answer)) is True

    def moment(self, step: AwaitDate, document: Mapping[str, Any], answers: Mapping[str, Any]) -> int:
        """Say until when a step waits: an instant, or 0 for no time at all; raises MappingError."""
        said = self.evaluate(step.at, document, answers=dict(answers))
        try:
            return read_moment(said) if said is not None else 0
        except (TypeError, ValueError, OverflowError):
            raise MappingError(self.name, (step.at,)) from None

    def due(self, document: Mapping[str, Any]) -> Instant | None:
        """Say when the law's time for this request is over; raises MappingError."""
        if self.clock is None:
            return None
        said = self.evaluate(self.clock.since, document) if self.clock.since else document["received_at"]
        try:
            return self.clock.due(day_of(read_moment(said)))
        except (TypeError, ValueError, OverflowError):
            raise MappingError(self.name, (self.clock.since or "received_at",)) from None


def _compiled(route: str, source: str) -> Expression:
    try:
        return Expression(source)
    except FAILURES as error:
        raise ConfigurationError(f"the route of {route}", f"{source}: {error}") from None


def answers_of(facts: Iterable[Fact]) -> dict[str, Any]:
    """Give what each step was answered, as expressions read it: an object, or an array of them for a list of items."""
    found: dict[str, Any] = {}
    for fact in sorted(fact for fact in facts if fact.state in FINAL and (fact.answer or fact.reference)):
        said = {**(orjson.loads(fact.answer) if fact.answer else {}), "reference": fact.reference}
        known = found.get(fact.step)
        found[fact.step] = said if known is None else [*(known if isinstance(known, list) else [known]), said]
    return found


class _Walk:
    """One walk along a route, collecting what it meets until something holds it."""

    def __init__(
        self,
        route: Route,
        document: Mapping[str, Any],
        facts: Sequence[Fact],
        decisions: Mapping[str, Decision],
        *,
        cancelled: bool,
    ) -> None:
        self.route, self.document, self.decisions, self.cancelled = route, document, decisions, cancelled
        self.facts = {(fact.step, fact.item): fact for fact in facts}
        self.answers = answers_of(facts) if route.has_expressions else {}
        self.planned: list[Planned] = []
        self.met: list[Fact] = []
        self.awaiting = self.expected = ""
        self.refusal: str | None = None
        self.given: dict[str, Any] = {}

    def result(self) -> Progress:
        """Walk, and sum up."""
        ended = not self.cancelled and self._steps(self.route.steps)
        if self.cancelled or self.refusal is not None:
            ended = self._take_back()
        status, stage = self._outcome(ended=ended)
        return Progress(status, stage, tuple(self.planned), self.awaiting)

    def _outcome(self, *, ended: bool) -> tuple[Status, str]:
        held = [fact for fact in self.met if fact.state not in FINAL]
        for states, status in STANDING:
            standing = [fact for fact in held if fact.state in states]
            if standing:
                return self._held_by(standing[0], status)
        return self._end() if ended else self._under_way()

    def _held_by(self, fact: Fact, status: Status) -> tuple[Status, str]:
        """Say what one delivery makes of the request; one that only waits for its time is no work in progress."""
        if status is Status.PARKED:
            return status, fact.stage or INTEGRATION_ERROR
        step = self.route.named.get(fact.step)
        if isinstance(step, AwaitEvent | AwaitDate):
            return Status.WAITING if status is Status.IN_PROGRESS else status, step.stage
        return status, UNDER_WAY

    def _under_way(self) -> tuple[Status, str]:
        if self.awaiting:
            step = self.route.named[self.awaiting]
            return Status.WAITING, step.stage if isinstance(step, Await) else UNDER_WAY
        return (Status.WAITING, self.expected) if self.expected else (Status.IN_PROGRESS, UNDER_WAY)

    def _end(self) -> tuple[Status, str]:
        if self.cancelled:
            return Status.CANCELLED, CANCELLED
        if self.refusal is not None:
            return Status.REFUSED, self.refusal
        if any(fact.state in {State.FINALIZED, State.CANCELLED} for fact in self.met):
            return Status.FINALIZED, FINALIZED
        return Status.DONE, ACCEPTED

    def _steps(self, steps: Sequence[Step]) -> bool:
        return all(self._step(step) for step in steps)

    def _step(self, step: Step) -> bool:
        match step:
            case Notify():
                self._plan(step)
                return True
            case Enrich() if step.consent is not None and self._evaluate(step.consent) is not True:
                return True
            case Deliver() | Enrich() | Document() | AwaitEvent() | AwaitDate():
                return self._carry(step)
            case Await():
                return self._await(step)
            case Branch():
                return self._steps(step.then if self._evaluate(step.branch) is True else step.otherwise)
            case Refuse():
                return self._refuse(step.refuse, step.on_refusal)

    def _evaluate(self, source: str) -> Any:
        return self.route.evaluate(source, self.document, answers=self.answers)

    def _carry(self, step: Done) -> bool:
        facts = self._plan(step)
        self.met += facts
        if isinstance(step, AwaitEvent | AwaitDate):
            self.expected = step.stage
        done = len(facts) == len(self._items(step)) and all(fact.state in FINAL for fact in facts)
        self.expected = "" if done else self.expected
        declined = [fact for fact in facts if is_declined(step, fact.state, fact.code)] if done else []
        if declined:
            foreseen = step.refusals if isinstance(step, Deliver) else NOTHING
            return self._refuse(foreseen.get(declined[0].code, REFUSED))
        return done

    def _refuse(self, stage: str, on_refusal: Sequence[Notify] = ()) -> bool:
        self.refusal = stage
        self._steps(on_refusal)
        return False

    def _await(self, step: Await) -> bool:
        decision = self.decisions.get(step.name) or self._by_default(step)
        if decision is None:
            self.awaiting = step.name
            return False
        self.given = {"decision": {"accepted": decision.accepted, "reason": decision.reason}}
        return decision.accepted or self._refuse(decision.reason or REFUSED, step.on_refusal)

    def _by_default(self, step: Await) -> Decision | None:
        """Decide for a person whose time is over."""
        if step.timer is None or step.within is None:
            return None
        fact = self.facts.get((step.timer.name, 0))
        if fact is None:
            after = int(step.within.total_seconds() * 1000)
            self.planned.append(Planned(step.timer.name, 0, TIMER, TIMER_MAPPING, after=after))
        elif fact.state in FINAL:
            accepted = step.by_default == "accept"
            return Decision(step.name, accepted, "" if accepted else step.reasons[-1])
        return None

    def _take_back(self) -> bool:
        """Undo what was done and can be undone, the last first, each once the one after it on the route is undone.

        What cannot be undone keeps what came before it, which may still be needed, until a person has seen to it.
        """
        self.met = []
        for step in reversed([step for step in self.route.carried if isinstance(step, Deliver)]):
            reversal = step.reversal
            if reversal is None:
                continue
            for item in self._taken_items(step):
                fact = self.facts.get((reversal.name, item))
                if fact is None:
                    self.planned.append(Planned(reversal.name, item, step.target, reversal.using, self.given))
                    return False
                self.met.append(fact)
                if fact.state not in FINAL:
                    return False
        return True

    def _taken_items(self, step: Deliver) -> list[int]:
        return sorted(
            item
            for (name, item), fact in self.facts.items()
            if name == step.name and fact.state in {State.DELIVERED, State.FINALIZED}
        )

    def _items(self, step: Done) -> list[Any]:
        return self.route.items(step, self.document, self.answers)

    def _plan(self, step: Done) -> list[Fact]:
        """Ask for what is missing of a step, and give what is known of it."""
        known = []
        for item in range(len(self._items(step))):
            fact = self.facts.get((step.name, item))
            if fact is None:
                note = f"{step.using}: {step.purpose}" if isinstance(step, Enrich) else ""
                not_before = self._date(step) if isinstance(step, AwaitDate) else 0
                self.planned.append(
                    Planned(step.name, item, step.target, step.using, self.given, not_before, note=note)
                )
            else:
                known.append(fact)
        return known

    def _date(self, step: AwaitDate) -> int:
        return self.route.moment(step, self.document, self.answers)


def only_asks(step: Done) -> bool:
    """Say whether a step changes nothing at its target, so that it may be asked again and again."""
    return not isinstance(step, Deliver | Notify)


def is_declined(step: object, state: State, code: str) -> bool:
    """Say whether a target's refusal is one that the route foresees, or a person's rejection stands for one."""
    foreseen = step.refusals if isinstance(step, Deliver) else ()
    return state is State.CANCELLED and (code == REJECTED or code in foreseen)


STANDING: Final[Sequence[tuple[frozenset[State], Status]]] = (
    (frozenset({State.PARKED}), Status.PARKED),
    (frozenset({State.UNCERTAIN, State.ASKING}), Status.UNCERTAIN),
    (frozenset({State.WAITING}), Status.WAITING),
    (frozenset({State.QUEUED, State.CLAIMED, State.SENDING}), Status.IN_PROGRESS),
)
"""What holds a request, the worst first."""


def named_steps(steps: Sequence[Step]) -> Iterator[Named]:
    """Give every step that bears a name, in order: branches and refusals opened, timers and reversals beside theirs."""
    for step in steps:
        match step:
            case Branch():
                yield from named_steps(step.then)
                yield from named_steps(step.otherwise)
            case Await():
                yield step
                yield from [step.timer] if step.timer else []
                yield from step.on_refusal
            case Refuse():
                yield from step.on_refusal
            case Deliver():
                yield step
                yield from [step.reversal] if step.reversal else []
            case _:
                yield step


def _stages(steps: Sequence[Step]) -> Iterator[str]:
    for step in steps:
        match step:
            case Await():
                yield from (step.stage, *step.reasons)
            case AwaitEvent() | AwaitDate():
                yield step.stage
            case Deliver():
                yield from step.refusals.values()
            case Refuse():
                yield step.refuse
            case Branch():
                yield from _stages(step.then)
                yield from _stages(step.otherwise)
            case _:
                pass


def _sources(steps: Sequence[Step]) -> Iterator[str]:
    for step in steps:
        match step:
            case Branch():
                yield step.branch
                yield from _sources(step.then)
                yield from _sources(step.otherwise)
            case Await() | Refuse():
                yield from _sources(step.on_refusal)
            case AwaitDate():
                yield step.at
            case _:
                said = (step.for_each, getattr(step, "until", None), getattr(step, "consent", None))
                yield from (source for source in said if source is not None)
