"""A trial: a request's whole way along its route, every message as its mapping writes it, and where each value is from.

Nothing is sent, unless whoever tries hands over somebody to send by; what steps are answered is supposed, or what
that somebody brought back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import RootModel

from hub.catalogue import Definition
from hub.clock import system_clock
from hub.errors import MappingError
from hub.gate import read_json, validate_envelope
from hub.inbox import document_of
from hub.mapping import CompiledMapping
from hub.model import Verdict
from hub.problems import Problem, ProblemType
from hub.rehearsal import hold, rehearse
from hub.routing import (
    NOTHING,
    Await,
    AwaitDate,
    AwaitEvent,
    Branch,
    Decision,
    Deliver,
    Done,
    Enrich,
    Notify,
    Refuse,
    Step,
)
from hub.settlement import delivery_id, key_of
from hub.trials.legs import FAILED, Element, Leg, Message, Outcome
from hub.words import FieldError

NUMBER: Final = 100_000_000
"""The number that a request bears which is only tried."""


class Answers(RootModel[dict[str, Any]]):
    """What steps are answered, by their names: a file of whoever tries."""


Send = Callable[[Message], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Supposed:
    """What one step is taken to be answered, and who says so."""

    answer: Any
    by: str


@dataclass(frozen=True)
class Known:
    """What is known of a request beside its document: answers, decisions, and the keys of deliveries that exist."""

    answers: Mapping[str, Supposed] = field(default_factory=dict)
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    keys: Mapping[tuple[str, int], str] = field(default_factory=dict)


def admitted(definition: Definition, content: bytes) -> dict[str, Any]:
    """Read a submission as the door does, and give the document that mappings read; raises the door's own Problem."""
    raw = read_json(content)
    if isinstance(raw, dict):
        raw.setdefault("kind", definition.kind)
    submission = validate_envelope(raw)
    if submission.kind != definition.kind:
        other = FieldError("/kind", "Type de démarche", f"le circuit essayé est celui de {definition.kind}")
        raise Problem(ProblemType.INVALID, errors=[other])
    hold(definition, raw["data"], submission.attachments)
    document = document_of(NUMBER, system_clock(), submission, raw["data"])
    try:
        definition.route.due(document)
        rehearse(definition.route, document)
    except MappingError:
        flaw = FieldError("/data", "Données de la démarche", "le circuit de la démarche ne sait pas les lire")
        raise Problem(ProblemType.INVALID, errors=[flaw]) from None
    return document


def supposed_answers(definition: Definition) -> dict[str, Supposed]:
    """Take what the mappings' own examples say that each step is answered: the first that speaks of it."""
    found: dict[str, Supposed] = {}
    for name, mapping in definition.mappings.items():
        for example in mapping.examples:
            for step, answer in example.bindings.get("answers", {}).items():
                if step in definition.route.named:
                    found.setdefault(step, Supposed(answer, f"{name}: {example.name}"))
    return found


async def walk(
    definition: Definition, document: Mapping[str, Any], known: Known, send: Send | None = None
) -> tuple[Leg, ...]:
    """Walk a route to its end: each decision is accepted, and what its refusal would lead to stands beside it.

    Only the way of acceptance is sent. What cannot be evaluated on this request ends the walk, as its last leg says.
    """
    walking = _Walk(definition, document, known, send)
    try:
        await walking.steps(definition.route.steps)
    except MappingError as error:
        walking.legs.append(Leg(", ".join(error.fields), FAILED))
    return tuple(walking.legs)


class _Walk:
    """One walk, collecting its legs."""

    def __init__(
        self, definition: Definition, document: Mapping[str, Any], known: Known, send: Send | None = None
    ) -> None:
        self.definition, self.document, self.known, self.send = definition, document, known, send
        self.legs: list[Leg] = []
        self.answers: dict[str, Any] = {}
        self.given: dict[str, Any] = {}
        self.taken: list[Deliver] = []
        self.ordinal = 0

    async def steps(self, steps: Sequence[Step]) -> bool:
        """Walk some steps; False when the route ends there."""
        for step in steps:
            if not await self._step(step):
                return False
        return True

    async def _step(self, step: Step) -> bool:
        match step:
            case Branch():
                return await self._branch(step)
            case Refuse():
                self.legs.append(Leg(step.refuse, "refuse"))
                return await self._ends(step.on_refusal)
            case Await():
                return await self._decision(step)
            case Enrich() if step.consent is not None and self._evaluate(step.consent) is not True:
                self.legs.append(Leg(step.name, step.does, {"consent": step.consent, "asked": False}))
                return True
            case _:
                return await self._carry(step)

    async def _branch(self, step: Branch) -> bool:
        then = self._evaluate(step.branch) is True
        self.legs.append(Leg(step.branch, "branch", {"taken": "then" if then else "otherwise"}))
        return await self.steps(step.then if then else step.otherwise)

    async def _decision(self, step: Await) -> bool:
        """Look at what a refusal would lead to, then go on as if it was accepted."""
        decided = self.known.decisions.get(step.name)
        reason = decided.reason if decided and decided.reason else step.reasons[0]
        aside = _Walk(self.definition, self.document, self.known)
        aside.answers, aside.taken, aside.ordinal = dict(self.answers), list(self.taken), self.ordinal
        aside.given = {"decision": {"accepted": False, "reason": reason}}
        await aside._ends(step.on_refusal)
        said = {"stage": step.stage, "reasons": list(step.reasons), "reason": reason, **_waits(step)}
        if decided:
            said["decided"] = "accepted" if decided.accepted else "refused"
        self.legs.append(Leg(step.name, step.does, said, refused=tuple(aside.legs)))
        self.given = {"decision": {"accepted": True, "reason": ""}}
        return True

    async def _ends(self, on_refusal: Sequence[Notify]) -> bool:
        """End the route: tell whoever is told, and take back what was done and can be."""
        await self.steps(on_refusal)
        for step in reversed(self.taken):
            if step.reversal:
                await self._carry(step.reversal)
        return False

    async def _carry(self, step: Done) -> bool:
        """Write a step's messages, have them sent if they are, and learn what it was answered."""
        messages = []
        for index, item in enumerate(self.definition.route.items(step, self.document, self.answers)):
            self.ordinal += 1
            message = self._message(step, index, item)
            if self.send and message.body is not None:
                message = replace(message, outcome=await self.send(message))
            messages.append(message)
        self._learn(step, messages)
        self.legs.append(Leg(step.name, step.does, self._said(step), tuple(messages)))
        if isinstance(step, Deliver) and not step.is_reversal:
            self.taken.append(step)
            codes = [one.outcome.code for one in messages if one.outcome and one.outcome.verdict is Verdict.REFUSED]
            for code in codes:
                if code in step.refusals:
                    self.legs.append(Leg(step.refusals[code], "refuse"))
                    return await self._ends(())
        return True

    def _message(self, step: Done, index: int, item: Any) -> Message:
        mapping = self.definition.mappings[step.using]
        key = self.known.keys.get((step.name, index)) or key_of(delivery_id(int(self.document["number"]), self.ordinal))
        bindings: dict[str, Any] = {"key": key, **({"answers": self.answers} if self.answers else {}), **self.given}
        if step.for_each is not None:
            bindings["item"] = item
        body, files, failing = _written(mapping, self.document, bindings)
        return Message(
            key=key,
            target=step.target,
            operation=f"{mapping.connector}.{mapping.operation}",
            mapping=step.using,
            body=body,
            elements=tuple(_elements(mapping, self.document, bindings)),
            files=files,
            failing=failing,
            item=item,
        )

    def _learn(self, step: Done, messages: Sequence[Message]) -> None:
        """Put down what later steps may read of this one: what came back, or what it is supposed to be answered."""
        answer = self._answer(step, messages)
        if answer is not None:
            self.answers[step.name] = answer
        if isinstance(step, AwaitEvent) and self._happened(step) is False:
            self.answers[step.name] = {**answer, "expired": True}  # the route goes on once the wait is over

    def _answer(self, step: Done, messages: Sequence[Message]) -> Any:
        if self.send is None:
            return self.known.answers[step.name].answer if step.name in self.known.answers else None
        outcomes = [one.outcome for one in messages if one.outcome and one.outcome.verdict is Verdict.ACCEPTED]
        said = [{**one.answer, "reference": one.reference} for one in outcomes if one.answer or one.reference]
        return said if len(said) > 1 else said[0] if said else None

    def _said(self, step: Done) -> dict[str, Any]:
        match step:
            case Enrich():
                said: dict[str, Any] = {"purpose": step.purpose}
            case AwaitEvent():
                said = {"stage": step.stage, "until": step.until, "every": str(step.every), "within": str(step.within)}
                said |= {"happened": self._happened(step)}
            case AwaitDate():
                said = {"stage": step.stage, "at": step.at, "when": self._evaluate(step.at)}
            case _:
                said = {}
        if self.send is None and step.name in self.known.answers:
            said["answers"] = self.known.answers[step.name].answer
            said["answered_by"] = self.known.answers[step.name].by
        return said | ({"for_each": step.for_each} if step.for_each is not None else {})

    def _happened(self, step: AwaitEvent) -> bool | None:
        """Say whether the answer ends the wait; None when there is no answer."""
        answer = self.answers.get(step.name)
        if not isinstance(answer, Mapping):
            return None
        return self.definition.route.has_happened(step, self.document, answer)

    def _evaluate(self, source: str) -> Any:
        return self.definition.route.evaluate(source, self.document, answers=self.answers)


def _waits(step: Await) -> dict[str, str]:
    return {} if step.within is None else {"within": str(step.within), "by_default": step.by_default}


def _written(
    mapping: CompiledMapping, document: Mapping[str, Any], bindings: Mapping[str, Any]
) -> tuple[bytes | None, tuple[str, ...], tuple[str, ...]]:
    """Write a message and choose its files; or name the elements that fail."""
    try:
        return mapping.write(document, bindings), tuple(mapping.attachments(document, bindings)), ()
    except MappingError as error:
        return None, (), error.fields


def _elements(mapping: CompiledMapping, document: Mapping[str, Any], bindings: Mapping[str, Any]) -> Iterator[Element]:
    for element, part, trace in mapping.traces(document, bindings):
        sources = {path: found_at(path, document, bindings) for path in part.sources()}
        yield Element(element, part.source, sources, trace)


def found_at(path: str, document: Mapping[str, Any], bindings: Mapping[str, Any] = NOTHING) -> Any:
    """Give what is at a path, of each item where there is a list of them; None when nothing is."""
    first, *rest = path.split(".")
    found = bindings.get(first[1:]) if first.startswith("$") else document.get(first)
    for name in rest:
        if isinstance(found, list):
            found = [one.get(name) for one in found if isinstance(one, Mapping)] or None
        else:
            found = found.get(name) if isinstance(found, Mapping) else None
    return found
