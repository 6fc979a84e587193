"""Asking a target while somebody waits: within a deadline, past a breaker, from a cache where that is allowed.

A front end is never shown that a target failed: what is not known now is said to be unknown.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

import orjson
import structlog

from hub.access import Principal, Scope, allow, require
from hub.connector import Deadline, Outbound
from hub.errors import DeliveryError, MappingError, RefusedError
from hub.events import Announcer, Asked
from hub.gate import validate_data
from hub.ledger import Ledger
from hub.model import DeliveryKey
from hub.problems import Problem, ProblemType
from hub.query import Query
from hub.tables import BreakerState
from hub.target import LiveTarget
from hub.targets import Gate, gate

MOST_REMEMBERED: Final = 2000
"""Answers kept, of all queries together."""

GLANCE: Final = 1.0
"""Seconds for which a target's switch and breaker are taken to be as they were."""

QUESTION: Final = DeliveryKey("question")
"""The key of what changes nothing: no target keeps it."""

log = structlog.get_logger()


class Standing(StrEnum):
    """What became of a question."""

    ANSWERED = "answered"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a front end is told: how it stands, the answer if there is one, and how old it is in seconds.

    `code`: why there is none, in the words of our tables.
    """

    status: Standing
    answer: Any = None
    code: str = ""
    age: float = 0.0


class Remembered(NamedTuple):
    """An answer, and when it was given (monotonic seconds)."""

    answer: Answer
    at: float


class Memory:
    """The last answers, each for as long as its query allows."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, Remembered] = OrderedDict()

    def recall(self, name: str, within: timedelta) -> Answer | None:
        """Give an answer that is young enough, with its age."""
        kept = self._kept.get(name)
        if kept is None or (age := self._clock() - kept.at) > within.total_seconds():
            return None
        return Answer(kept.answer.status, kept.answer.answer, age=round(age, 1))

    def keep(self, name: str, answer: Answer) -> None:
        """Remember an answer, and forget the oldest of too many."""
        self._kept[name] = Remembered(answer, self._clock())
        self._kept.move_to_end(name)
        if len(self._kept) > MOST_REMEMBERED:
            self._kept.popitem(last=False)


class Watch:
    """One target as questions find it: its failures in a row, its switch and breaker, and how many it may be asked."""

    def __init__(self, target: LiveTarget) -> None:
        self.target = target
        self.room = asyncio.Semaphore(target.policy.concurrency)
        self._fails, self._failed_at = 0, 0.0
        self._gate, self._seen_at = Gate(), -GLANCE

    async def is_shut(self, ledger: Ledger) -> bool:
        """Say whether it had better not be asked: a person paused it, or it fails."""
        policy = self.target.policy
        cools = time.monotonic() - self._failed_at < policy.breaker_cooldown.total_seconds()
        if self._fails >= policy.breaker_threshold and cools:
            return True
        if time.monotonic() - self._seen_at >= GLANCE:
            self._gate, self._seen_at = await ledger.read(gate, self.target.name), time.monotonic()
        now = ledger.book.now()
        cooling = now - self._gate.opened_at < policy.breaker_cooldown.total_seconds() * 1000
        broken = self._gate.breaker != BreakerState.CLOSED and cooling
        return self._gate.paused or broken or policy.opening(now) > now

    def note(self, *, well: bool) -> None:
        """Count failures in a row."""
        self._fails = 0 if well else self._fails + 1
        self._failed_at = self._failed_at if well else time.monotonic()


class Inquirer:
    """Answers live questions."""

    def __init__(
        self,
        ledger: Ledger,
        live: Mapping[str, LiveTarget],
        announce: Announcer,
    ) -> None:
        self._ledger, self._announce = ledger, announce
        self._watches = {name: Watch(target) for name, target in live.items()}
        self._memory = Memory()

    @property
    def queries(self) -> Mapping[str, Query]:
        """What may be asked now."""
        return self._ledger.book.catalogue.queries

    def find(self, principal: Principal, name: str) -> Query:
        """Give a query that the caller's key covers; raises Problem 404."""
        query = self.queries.get(name)
        if query is None or (principal.kinds and name not in principal.kinds):
            raise Problem(ProblemType.NOT_FOUND)
        return query

    async def ask(self, principal: Principal, name: str, data: Any, site: str) -> Answer:
        """Answer one question; raises Problem 403, 404, or 422 that names the field."""
        require(principal, Scope.SUBMIT)
        query = self.find(principal, name)
        allow(principal, name, site)
        validate_data(query.validator, dict(query.schema), data)
        began = time.perf_counter()
        answer = await self._answer(query, {"data": data, "site": site}, site)
        self._announce(Asked(name, answer.status, answer.code, answer.age > 0, time.perf_counter() - began))
        return answer

    async def _answer(self, query: Query, document: Mapping[str, Any], site: str) -> Answer:
        watch = self._watches[self._ledger.book.target_at(query.said.target, site)]
        try:
            body = query.mapping.write(document)
        except MappingError:
            log.error("a question cannot be written", query=query.name)  # noqa: TRY400  # its text may hold data
            return Answer(Standing.UNKNOWN, code="mapping")
        asked = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
        said = (str(self._ledger.book.edition), query.name, watch.target.name)
        name = hashlib.sha256(b"\0".join((*map(str.encode, said), asked))).hexdigest()
        if query.said.cache and (remembered := self._memory.recall(name, query.said.cache)):
            return remembered
        answer = await self._ask(query, document, watch, body)
        if answer.status is Standing.ANSWERED and query.said.cache:
            self._memory.keep(name, answer)
        return answer

    async def _ask(self, query: Query, document: Mapping[str, Any], watch: Watch, body: bytes) -> Answer:
        """Ask the target, and understand whatever comes of it: nobody waits longer than the query says."""
        if await watch.is_shut(self._ledger):
            return Answer(Standing.UNKNOWN, code="shut")
        message = Outbound(QUESTION, query.mapping.operation, body, Deadline(query.said.within))
        try:
            async with asyncio.timeout(query.said.within.total_seconds()), watch.room:
                receipt = await watch.target.connector.deliver(message)
            answer = Answer(Standing.ANSWERED, query.tell(document, receipt.details))
        except (DeliveryError, MappingError, TimeoutError) as error:
            watch.note(well=isinstance(error, RefusedError | MappingError))
            return unanswered(error)
        except Exception as error:  # noqa: BLE001  # the edge to a connector: its bug must not show a citizen an error page
            log.error("connector failed", query=query.name, error=type(error).__name__)  # noqa: TRY400  # text may hold data
            return Answer(Standing.UNKNOWN, code="connector_bug")
        watch.note(well=True)
        return answer


def unanswered(error: DeliveryError | MappingError | TimeoutError) -> Answer:
    """Say why there is no answer, in the words of our tables."""
    match error:
        case RefusedError():
            return Answer(Standing.REFUSED, code=error.code)
        case DeliveryError():
            return Answer(Standing.UNKNOWN, code=error.code)
        case MappingError():
            log.error("an answer cannot be told", query=error.mapping)
            return Answer(Standing.UNKNOWN, code="mapping")
        case _:
            return Answer(Standing.UNKNOWN, code="timeout")
