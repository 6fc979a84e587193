"""Proving what people closed by hand: each target that can be is asked for the reference that it is said to have given.

What it has is confirmed; what it twice does not have is raised again; what nobody can say is left as it is, in the end.
A target is asked one thing at a time: what it bears is for deliveries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from functools import partial
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hub.claims import GRACE, is_shut, milliseconds
from hub.connector import Deadline, Finder, Outbound
from hub.database import will_pass
from hub.errors import DeliveryError, RefusedError, UncertainError
from hub.events import Announcer
from hub.finalization import CANNOT_BE_ASKED, Asking, Finding, Question, claim, left_behind, record, to_prove
from hub.ledger import Ledger
from hub.manifest import Operation
from hub.model import Instant
from hub.parcel import NOTHING_DONE
from hub.policy import LONGEST_RETRY_AFTER, Policy, later
from hub.settlement import key_of
from hub.tables_operations import Proof
from hub.target import LiveTarget
from hub.targets import Gate, gate

MOST_QUESTIONS: Final = 24
"""How often a target is asked that cannot say: about a day, at the longest of the waits in between."""

NOBODYS_AFTER: Final = timedelta(days=1)
"""How long what was closed waits for a target that cannot be asked any more, should it only be away."""

ABSENT: Final = "absent"
"""The code of a reference that the target did not have, once."""

log = structlog.get_logger()


class Confirmer:
    """Asks every target that can be asked for its references, until cancelled."""

    def __init__(
        self,
        ledger: Ledger,
        announce: Announcer,
        *,
        wake: Callable[[Mapping[str, Collection[int]]], None],
        every: timedelta,
    ) -> None:
        self._ledger, self._announce, self._wake = ledger, announce, wake
        self._every = every.total_seconds()
        self._claim = partial(claim, ledger.book)
        self._record = partial(record, ledger.book)
        self._busy: set[str] = set()

    async def run(self, live: Mapping[str, LiveTarget], *, all_there_are: bool = False) -> None:
        """Look again and again for what is to be proved at those of these targets that can be asked.

        Whoever knows `all_there_are` also gives up what none of them can be asked for.
        """
        finders = {name: target for name, target in live.items() if isinstance(target.connector, Finder)}
        async with asyncio.TaskGroup() as rounds:
            while finders or all_there_are:
                due = await self._due()
                for name in due:
                    if name in finders and name not in self._busy:
                        self._busy.add(name)
                        rounds.create_task(self._visit(finders[name]))
                if all_there_are and not finders.keys() >= set(due):
                    await self._give_up(finders)
                await asyncio.sleep(self._every)

    async def _due(self) -> list[str]:
        try:
            return await self._ledger.read(to_prove, self._ledger.book.now())
        except SQLAlchemyError as error:
            _pass_over(error)
            return []

    async def _give_up(self, finders: Collection[str]) -> None:
        """Settle what has waited long enough for a target that is gone, or whose connector cannot ask any more."""
        before = self._ledger.book.now() - milliseconds(NOBODYS_AFTER)
        try:
            for finding in await self._ledger.read(left_behind, sorted(finders), before):
                await self._write_down(finding)
        except SQLAlchemyError as error:
            _pass_over(error)

    async def _visit(self, target: LiveTarget) -> None:
        """Ask a target for all that is due, one after the other: a claim lasts as long as any of its calls."""
        asking = Asking(target.name, 1, milliseconds(longest_call(target) + GRACE))
        try:
            while await self._is_open(target) and (taken := await self._ledger.write(self._claim, asking)):
                for question in taken:
                    await self._prove(target, question)
        except SQLAlchemyError as error:
            _pass_over(error)
        finally:
            self._busy.discard(target.name)

    async def _is_open(self, target: LiveTarget) -> bool:
        """Say whether a person, the hour and the breaker let the target be spoken to."""
        now = self._ledger.book.now()
        return is_open(await self._ledger.read(gate, target.name), target.policy, now)

    async def _prove(self, target: LiveTarget, question: Question) -> None:
        """Ask for one reference, and write down what that proves."""
        operation = target.operations.get(question.operation, NOTHING_DONE)
        answer = await self._ask(target, question, operation.deadline or target.policy.deadline)
        finding = judge(question, answer, operation, target.policy, self._ledger.book.now())
        await self._write_down(finding._replace(stage=target.stage_of(finding.code, "")))

    async def _write_down(self, finding: Finding) -> None:
        settled = await self._ledger.write(self._record, finding)
        for change in settled.stages:
            self._announce(change)
        self._wake(settled.due)

    async def _ask(self, target: LiveTarget, question: Question, within: timedelta) -> bool | DeliveryError:
        """Let a connector ask, and understand whatever comes of it: what nobody foresaw is uncertain."""
        connector = target.connector
        if not isinstance(connector, Finder) or question.operation not in connector.finds:
            return UncertainError(CANNOT_BE_ASKED)
        message = Outbound(key_of(question.delivery), question.operation, b"{}", Deadline(within))
        try:
            async with asyncio.timeout((within + GRACE / 2).total_seconds()):
                return await connector.find(message, question.reference)
        except DeliveryError as error:
            return error
        except TimeoutError:
            return UncertainError("timeout")
        except Exception as error:  # noqa: BLE001  # the edge to a connector: its bug must not stop the others
            log.error("connector failed", target=target.name, error=type(error).__name__)  # noqa: TRY400  # text may hold data
            return UncertainError("connector_bug")


def judge(
    question: Question,
    answer: bool | DeliveryError,  # noqa: FBT001  # what the connector's verb gives
    operation: Operation,
    policy: Policy,
    now: Instant,
) -> Finding:
    """Decide what a target's answer proves: absence only when it was said twice, `visible_after` apart."""
    match answer:
        case True:
            return Finding(question, Proof.CONFIRMED)
        case RefusedError():  # no such reference can be the target's own
            return Finding(question, Proof.DENIED, answer.code)
        case False if question.code == ABSENT:
            return Finding(question, Proof.DENIED, ABSENT)
        case False:
            return Finding(question, Proof.PENDING, ABSENT, later(now, operation.visible_after))
        case DeliveryError() if question.questions >= MOST_QUESTIONS or question.code == CANNOT_BE_ASKED:
            return Finding(question, Proof.UNCONFIRMABLE, answer.code)
        case DeliveryError():
            asked_for = min(answer.retry_after or timedelta(), LONGEST_RETRY_AFTER)
            wait = max(policy.ask_again(question.questions - 1), asked_for)
            return Finding(question, Proof.PENDING, answer.code, later(now, wait))


def longest_call(target: LiveTarget) -> timedelta:
    """Say how long a call to a target may take, whatever it is for."""
    said = [one.deadline for one in target.operations.values() if one.deadline]
    return max([target.policy.deadline, *said])


def is_open(seen: Gate, policy: Policy, now: Instant) -> bool:
    """Say whether a target may be spoken to, by its switch, its breaker and its hours."""
    return not is_shut(seen, policy, now)


def _pass_over(error: SQLAlchemyError) -> None:
    """Go on after a failure of the ledger that passes; raises the others again."""
    if not will_pass(error):
        raise error
    log.warning("the ledger fails", error=type(error).__name__)
