"""The bar of a request's steps, its branches resolved; a step that failed bears its scar for ever."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

import orjson

from hub.criteria import FAILED
from hub.dossiers import Dossier
from hub.errors import MappingError
from hub.lifecycle import FINAL, State
from hub.model import FINAL_STATUSES
from hub.routing import (
    CALLBACK,
    REJECTED,
    UNDO,
    Await,
    Branch,
    Notify,
    Refuse,
    Step,
    answers_of,
    is_declined,
)
from monitoring.console.request_words import Word, state_of
from monitoring.console.texts import marked

HEALED: Final = frozenset({State.DELIVERED, State.FINALIZED})
"""States that a failure may end in."""

TOUCHED: Final = frozenset({"retry", "reroute", "finalize", "propose"})
"""What people do only to what failed."""

WORST: Final = tuple(
    State(name)
    for name in (
        "parked", "uncertain", "asking", "waiting", "queued", "claimed", "sending",
        "cancelled", "finalized", "delivered",
    )
)  # fmt: skip

COMING: Final = Word("off", marked("to come"))
NOT_RUN: Final = Word("off", marked("not run"))
AWAITED: Final = Word("warn", marked("awaits a person"))
AGREED: Final = Word("good", marked("accepted"))
TURNED_DOWN: Final = Word("bad", marked("refused"))
DECLINED: Final = Word("bad", marked("refused by the target"))
THROWN_OUT: Final = Word("bad", marked("rejected"))
UNDECIDED: Final = Word("off", marked("depends on what comes before"))

DOES: Final = MappingProxyType(
    {
        "deliver": marked("delivery"),
        "enrich": marked("question"),
        "document": marked("document"),
        "notify": marked("notice"),
        "await": marked("decision"),
        "await event": marked("event"),
        "await date": marked("date"),
        "branch": marked("branch"),
        "undo": marked("taking back"),
        "callback": marked("call-back"),
    }
)


@dataclass(frozen=True, slots=True)
class Line:
    """One step of the bar: what it does and to whom, where it stands, whether it ever failed."""

    name: str
    does: str
    word: Word
    target: str = ""
    ordinal: int | None = None
    """Of the delivery that its link shows."""
    scarred: bool = False
    """Whether it failed and was done in the end."""
    times: int = 1


def steps_of(dossier: Dossier) -> Sequence[Line]:
    """Write a request's bar: its route as far as it is known, what is taken back, and the call-backs."""
    return list(_Bar(dossier).lines())


@dataclass
class _Bar:
    dossier: Dossier
    passed: bool = True
    """Whether everything before is done: only then is known what later branches depend on."""
    stopped: bool = False
    said: set[str] = field(default_factory=set)

    @cached_property
    def document(self) -> Any:
        return orjson.loads(self.dossier.body)

    @cached_property
    def answers(self) -> dict[str, Any]:
        return answers_of(self.dossier.facts)

    @cached_property
    def failed(self) -> frozenset[int]:
        """Deliveries that failed at least once."""
        tried = {one.delivery for one in self.dossier.attempts if one.outcome in FAILED}
        touched = {one.delivery for one in self.dossier.events if one.kind in TOUCHED and one.delivery}
        return frozenset(tried | touched | {one.id for one in self.dossier.deliveries if one.state == State.PARKED})

    @cached_property
    def decisions(self) -> dict[str, bool]:
        return {one.step: bool(one.accepted) for one in self.dossier.decisions}

    def lines(self) -> Iterator[Line]:
        if self.dossier.definition is not None:
            yield from self._steps(self.dossier.definition.route.steps)
        rest = [row for row in self.dossier.deliveries if row.step not in self.said]
        for name in dict.fromkeys(row.step for row in rest):
            rows = [row for row in rest if row.step == name]
            does = "callback" if name == CALLBACK else "undo" if name.endswith(UNDO) else "deliver"
            yield self._line(name, does, rows, None)

    def _steps(self, steps: Sequence[Step]) -> Iterator[Line]:
        for step in steps:
            match step:
                case Branch():
                    yield from self._branch(step)
                case Refuse():
                    if self.passed and not self.stopped:
                        yield from self._steps(step.on_refusal)
                        self.stopped = True
                case Await():
                    yield from self._decision(step)
                case _:
                    yield self._carried(step)

    def _branch(self, step: Branch) -> Iterator[Line]:
        if not self.passed and "$answers" in step.branch:
            yield Line("…", "branch", UNDECIDED)
            return
        assert self.dossier.definition is not None  # noqa: S101  # lines() asks only then
        try:
            holds = self.dossier.definition.route.evaluate(step.branch, self.document, answers=self.answers) is True
        except MappingError:
            yield Line("…", "branch", UNDECIDED)
            return
        yield from self._steps(step.then if holds else step.otherwise)

    def _decision(self, step: Await) -> Iterator[Line]:
        self.said |= {step.timer.name} if step.timer else set()
        accepted = self.decisions.get(step.name)
        if self.dossier.request.awaiting == step.name:
            word, self.passed = AWAITED, False
        elif accepted is not None:
            word = AGREED if accepted else TURNED_DOWN
        else:
            word, self.passed = self._untouched(), False
        yield Line(step.name, step.does, word)
        if accepted is False:
            yield from self._steps(step.on_refusal)
            self.stopped = True

    def _carried(self, step: Any) -> Line:
        rows = [row for row in self.dossier.deliveries if row.step == step.name]
        self.said.add(step.name)
        if not isinstance(step, Notify) and not (rows and all(row.state in FINAL for row in rows)):
            self.passed = False
        return self._line(step.name, step.does, rows, step)

    def _line(self, name: str, does: str, rows: Sequence[Any], step: Any) -> Line:
        if not rows:
            return Line(name, does, self._untouched(), getattr(step, "target", ""))
        worst = min(rows, key=lambda row: WORST.index(State(row.state)))
        scarred = worst.state in HEALED and any(row.id in self.failed for row in rows)
        return Line(name, does, _word(worst, step), worst.target, worst.ordinal, scarred, len(rows))

    def _untouched(self) -> Word:
        return NOT_RUN if self.stopped or self.dossier.request.status in FINAL_STATUSES else COMING


def _word(row: Any, step: Any) -> Word:
    if row.state == State.CANCELLED and row.code == REJECTED:
        return THROWN_OUT
    if is_declined(step, State(row.state), row.code):
        return DECLINED
    return state_of(row.state, row.code)
