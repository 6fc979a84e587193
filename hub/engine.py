"""The engine: claims what is due, maps it, commits the intent, sends it, and records what came of it.

One event loop, hundreds of deliveries in flight; the ledger decides everything, so any number of engines may
run beside each other. The order claim → map → intent → fresh? → send → record is what makes a crash harmless.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final, Protocol, cast

import orjson
import structlog
from sqlalchemy.exc import SQLAlchemyError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from hub import claims, targets
from hub.claims import GRACE, Claim, Intent, Order, milliseconds
from hub.connector import Deadline, Exchange, File, IncomingFile, Outbound, Receipt
from hub.database import will_pass
from hub.errors import DeliveryError, MappingError, TransientError, UncertainError
from hub.events import Announcer, Attempted, Claimed, Mapped, Swept, Throttled
from hub.judgement import Case, Ruling, as_the_route_says, judge_asking, judge_sending, written
from hub.ledger import Ledger
from hub.lifecycle import Event, State
from hub.model import Effect, Instant
from hub.owner import Owner
from hub.parcel import NOTHING_DONE, Parcel, given_up, write
from hub.problems import Problem
from hub.records import STOPPED, Outcome, Recorded
from hub.routing import CALLBACK, PENDING, AwaitEvent, Route
from hub.settlement import key_of
from hub.stores import StoreError
from hub.target import LiveTarget, absent
from hub.tracing import CURRENT, Span, Tracer, within

FRESH_FOR: Final = 2.0
"""Seconds after the intent within which the first byte must leave: a process that was frozen does not send."""

MUCH: Final = 256 * 1024
"""Characters of requests beyond which mapping them would hold the event loop up: a thread does it."""

SOON: Final = timedelta(seconds=60)
"""A delivery due sooner than this is awaited; the sweep finds the others."""


class Cabinet(Protocol):
    """Where the files of requests are."""

    async def files(self, ids: Sequence[str]) -> tuple[File, ...]:
        """Find files by id; those that do not exist are not there. Raises StoreError or SQLAlchemyError."""
        ...

    async def keep(self, files: Sequence[IncomingFile], request: int) -> list[str]:
        """Keep files that a target gave about a request, and give their ids; raises Problem or StoreError too."""
        ...


STUBBORNLY: Final = AsyncRetrying(
    retry=retry_if_exception_type(SQLAlchemyError), wait=wait_fixed(0.5), stop=stop_after_delay(120), reraise=True
)
"""How an outcome is written down while the disk is full: what it cannot write, the lease turns into a question."""

NOBODYS: Final = milliseconds(timedelta(minutes=10))
"""How long past its lease a dead owner's delivery waits for a worker that knows its target, before any settles it."""

LEDGER: Final = "ledger"
"""The code of what was not sent because the ledger failed."""

log = structlog.get_logger()


def ignore(_due: Mapping[str, Collection[int]]) -> None:
    """Tell nobody: the sweep of whoever serves these targets finds them."""


@dataclass(slots=True)
class Trial:
    """One try under way: when it began, on both clocks, and what was said."""

    started: int
    exchange: Exchange | None = None
    counts: bool = True
    began: float = field(default_factory=time.perf_counter)


class Engine:
    """Serves targets until it is stopped."""

    def __init__(  # noqa: PLR0913  # the composition root hands it everything it works with
        self,
        ledger: Ledger,
        live: Mapping[str, LiveTarget],
        owner: Owner,
        cabinet: Cabinet,
        announce: Announcer,
        *,
        sweep_every: timedelta = timedelta(seconds=1),
        serves: Collection[str] | None = None,
        tell_others: Callable[[Mapping[str, Collection[int]]], None] = ignore,
        tracer: Tracer | None = None,
    ) -> None:
        """Serve `serves` of the live targets, or all; `tell_others` hears what falls due for the rest."""
        self._ledger, self._live, self._owner = ledger, dict(live), owner
        self._serves = frozenset(live if serves is None else serves)
        self._tell_others, self._tracer = tell_others, tracer or Tracer()
        self._cabinet, self._announce = cabinet, announce
        self._sweep_every = sweep_every.total_seconds()
        self._look = partial(claims.look, ledger.book)
        self._hot: dict[str, set[int]] = {}
        self._told: set[str] = set()
        self._throttled: dict[str, float] = {}
        self._more: set[str] = set()
        self._woken = asyncio.Event()
        self._in_hand: set[int] = set()
        self._tasks: set[asyncio.Future[Any]] = set()
        self._calls: dict[asyncio.Task[None], Deadline] = {}
        self._late: set[asyncio.Task[None]] = set()
        self._stopping = False
        self.last_tick = time.monotonic()

    def wake(self, names: Iterable[str]) -> None:
        """Say that these targets have work: whatever is due."""
        ours = self._serves.intersection(names)
        self._told |= ours
        self._find(ours)

    def _find(self, names: Iterable[str]) -> None:
        """Set to work on whatever is due of these targets, whoever said so."""
        for name in self._serves.intersection(names):
            self._hot[name] = set()
            self._woken.set()

    def hint(self, name: str, deliveries: Collection[int]) -> None:
        """Say that these deliveries of a target may be due; `wake` says more, and stands."""
        if name not in self._serves:
            return
        self._told.add(name)
        if name not in self._hot:
            self._hot[name] = set(deliveries)
        elif self._hot[name]:
            self._hot[name] |= set(deliveries)
        self._woken.set()

    async def run(self) -> None:
        """Serve until `stop`; a ledger that fails for a while is waited for."""
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._again_and_again(self._serve))
            loops.create_task(self._again_and_again(self._sweep))

    async def stop(self, grace: timedelta = timedelta(seconds=30)) -> None:
        """Take nothing more in hand, and let what is under way end."""
        self._stopping = True
        self._woken.set()
        until = time.monotonic() + grace.total_seconds()
        while self._tasks and time.monotonic() < until:
            await asyncio.wait(self._tasks, timeout=until - time.monotonic())

    async def _again_and_again(self, turn: Callable[[], Awaitable[None]]) -> None:
        while not self._stopping:
            try:
                await turn()
            except SQLAlchemyError as error:
                if not will_pass(error):
                    raise
                log.warning("the ledger fails", error=type(error).__name__)
                await asyncio.sleep(self._sweep_every)
                self._woken.set()

    async def _serve(self) -> None:
        """Claim for every target that has work, once some has."""
        await self._woken.wait()
        self._woken.clear()
        hot, self._hot = self._hot, {}
        told, self._told = self._told, set()
        turn = asyncio.gather(*(self._take(self._live[name], these, told=name in told) for name, these in hot.items()))
        self._tasks.add(turn)  # whoever stops waits for what is being claimed
        turn.add_done_callback(self._tasks.discard)
        try:
            await turn
        except SQLAlchemyError:
            self._find(hot)
            raise

    async def _take(self, target: LiveTarget, these: Collection[int], *, told: bool) -> None:
        """Claim what the target may be given, and set to work on it."""
        if self._stopping:
            return
        order = Order(target.name, self._owner.name, target.policy.concurrency, target.policy, frozenset(these))
        taken = await self._ledger.claim(order)
        (self._more.add if taken.more else self._more.discard)(target.name)
        self._count_throttling(target.name, throttled=taken.throttled)
        if taken.claims:
            now = self._ledger.book.now()
            waits = tuple([max(0, now - claim.next_at) / 1000 for claim in taken.claims])
            self._announce(Claimed(target.name, told, waits))
            self._in_hand |= {claim.id for claim in taken.claims}
            self._spawn(self._work(target, taken.claims))

    def _count_throttling(self, name: str, *, throttled: bool) -> None:
        """Tell for how long the target's rate has held its deliveries back since that was last seen."""
        since, now = self._throttled.pop(name, None), time.perf_counter()
        if since is not None:
            self._announce(Throttled(name, now - since))
        if throttled:
            self._throttled[name] = now

    def _spawn(self, work: Coroutine[Any, Any, None], delivery: int | None = None) -> None:
        """Set to work; however the work on a delivery ends, it is in hand no more."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if delivery is not None:
            task.add_done_callback(lambda _: self._in_hand.discard(delivery))

    async def _work(self, target: LiveTarget, taken: Sequence[Claim]) -> None:
        """Work on a batch; should that fail before all of it is under way, leases bring back what is not."""
        try:
            await self._carry(target, await self._prepare(target, taken))
        except BaseException:
            self._in_hand -= {claim.id for claim in taken}
            raise

    async def _carry(self, target: LiveTarget, prepared: Sequence[Parcel]) -> None:
        """Commit the intent of a batch in one go, then send and ask all of it at once."""
        if self._stopping:
            await asyncio.gather(*(self._release(target, one, STOPPED) for one in prepared))
            return
        sends = [one for one in prepared if one.claim.state is State.CLAIMED]
        for one in prepared:
            if one.claim.state is State.ASKING:
                self._spawn(self._ask(target, one), one.claim.id)
        if not sends:
            return
        now, began = self._ledger.book.now(), time.clock_gettime(time.CLOCK_BOOTTIME)
        deadlines = [Deadline(self._within(target, one)) for one in sends]
        try:
            ours = await self._ledger.intend([self._intent(target, one, now) for one in sends])
        except SQLAlchemyError:
            for one in sends:
                self._put_off(target, one, LEDGER)
            return
        for one, deadline, mine in zip(sends, deadlines, ours, strict=True):
            if mine:
                one.claim = one.claim._replace(state=State.SENDING, sent_at=now)
                self._spawn(self._send(target, one, deadline, began), one.claim.id)
            else:
                self._in_hand.discard(one.claim.id)

    def _within(self, target: LiveTarget, one: Parcel) -> timedelta:
        return one.operation.deadline or target.policy.deadline

    def _intent(self, target: LiveTarget, one: Parcel, now: int) -> Intent:
        return Intent(one.claim.id, one.claim.fence, now, now + milliseconds(self._within(target, one) + GRACE))

    async def _prepare(self, target: LiveTarget, taken: Sequence[Claim]) -> list[Parcel]:
        """Write every message of a batch, in a thread when there is much to read, and find its files."""
        began = time.perf_counter()
        if sum(len(claim.body) for claim in taken) < MUCH:
            written = [self._write(target, claim) for claim in taken]
        else:
            written = await asyncio.to_thread(lambda: [self._write(target, claim) for claim in taken])
        self._announce(Mapped(target.name, len(taken), time.perf_counter() - began))
        prepared = []
        for claim, result in zip(taken, written, strict=True):
            if not isinstance(result, Parcel):
                self._spawn(self._give_up(target, claim, result), claim.id)
            elif claim.state is State.ASKING or await self._has_files(target, result):
                prepared.append(result)
        return prepared

    def _write(self, target: LiveTarget, claim: Claim) -> Parcel | Ruling:
        """Write one message, as the span that its attempt will be."""
        with within(span := self._span(claim)):
            written = write(self._ledger.book, target, claim)
        if isinstance(written, Parcel):
            written.span = span
        return written

    def _span(self, claim: Claim) -> Span:
        return self._tracer.attempting(claim.request, claim.body, claim.id, claim.fence)

    async def _has_files(self, target: LiveTarget, one: Parcel) -> bool:
        """Find a message's files, or say what becomes of it without: a question is asked without any."""
        try:
            one.files = await self._cabinet.files(one.file_ids)
        except (SQLAlchemyError, TransientError) as error:
            self._put_off(target, one, getattr(error, "code", LEDGER))
            return False
        if len(one.files) < len(one.file_ids):
            self._spawn(self._give_up(target, one.claim, given_up(one.claim, "file_missing")), one.claim.id)
            return False
        return True

    def _put_off(self, target: LiveTarget, one: Parcel, code: str) -> None:
        """Try again later what was not sent, whether or not its intent is on disk."""
        at = self._case(target, one).after(target.policy.wait_before(1))
        ruling = Ruling(Event.DEFERRED, code, next_at=at, uncertain=one.claim.ever_uncertain)
        self._spawn(self._record(target, one, ruling, Trial(self._ledger.book.now(), counts=False)), one.claim.id)

    async def _send(self, target: LiveTarget, one: Parcel, deadline: Deadline, began: float) -> None:
        """Send one message, unless this process was frozen since its intent: then nothing was sent, and we know it."""
        CURRENT.set(one.span)
        message = self._message(one, deadline)
        trial = Trial(self._ledger.book.now(), message.exchange)
        if time.clock_gettime(time.CLOCK_BOOTTIME) - began > FRESH_FOR:
            ruling = Ruling(Event.DEFERRED, "stalled", next_at=trial.started, uncertain=one.claim.ever_uncertain)
            trial.counts = False
            await self._record(target, one, ruling, trial)
            return
        answer = await self._call(target.connector.deliver(message), deadline)
        if isinstance(answer, StoreError):
            if not message.exchange.sent:
                self._put_off(target, one, answer.code)
                return
            answer = UncertainError(answer.code)
        ruling = judge_sending(self._case(target, one), answer or UncertainError("no_receipt"))
        await self._record(target, one, await self._on_its_route(target, one, ruling, answer, trial), trial)

    async def _on_its_route(
        self, target: LiveTarget, one: Parcel, ruling: Ruling, answer: object, trial: Trial
    ) -> Ruling:
        """See a ruling as its step does, and keep the files that came with the answer."""
        route = self._ledger.book.known(one.claim.version).route
        step = route.named.get(one.claim.step)
        given: dict[str, Any] = orjson.loads(ruling.answer) if ruling.answer else {}
        happened = not isinstance(step, AwaitEvent) or self._has_happened(route, step, one, given)
        ruling = as_the_route_says(self._case(target, one), ruling, step, happened=happened)
        if ruling.event in {Event.ACCEPTED, Event.FOUND} and isinstance(answer, Receipt) and answer.files:
            ruling = await self._with_files(target, one, ruling, answer.files)
        if ruling.code == PENDING:
            trial.counts = False
        return ruling

    async def _with_files(
        self, target: LiveTarget, one: Parcel, ruling: Ruling, files: Sequence[IncomingFile]
    ) -> Ruling:
        """Keep the files that came with an answer; where that fails, ask again what may be asked again."""
        given: dict[str, Any] = orjson.loads(ruling.answer) if ruling.answer else {}
        try:
            given["files"] = await self._cabinet.keep(files, one.claim.request)
        except (StoreError, Problem, SQLAlchemyError) as error:
            log.error("a file that a target gave cannot be kept", error=type(error).__name__)  # noqa: TRY400  # no text
            if one.operation.effect is Effect.SAFE:
                again = judge_sending(self._case(target, one), TransientError("file_not_kept"))
                return again._replace(well=None)
        return ruling._replace(answer=written(given))

    def _has_happened(self, route: Route, step: AwaitEvent, one: Parcel, given: Mapping[str, Any]) -> bool:
        """Look for what is waited for in the answer; one that cannot be read is none."""
        try:
            return route.has_happened(step, orjson.loads(one.claim.body), given)
        except MappingError:
            log.error("cannot read what a target answers", step=step.name, route=route.name)  # noqa: TRY400  # no text
            return False

    async def _ask(self, target: LiveTarget, one: Parcel) -> None:
        """Ask the target whether it has one delivery."""
        CURRENT.set(one.span)
        deadline = Deadline(self._within(target, one))
        message = self._message(one, deadline)
        trial = Trial(self._ledger.book.now(), message.exchange)
        answer = await self._call(target.connector.look_up(message), deadline)
        ruling = judge_asking(self._case(target, one), answer)
        await self._record(target, one, await self._on_its_route(target, one, ruling, answer, trial), trial)

    async def _call(self, call: Awaitable[Receipt | None], deadline: Deadline) -> Receipt | DeliveryError | None:
        """Let a connector speak, and understand whatever comes of it: what nobody foresaw is uncertain.

        A connector ends by its deadline; the sweep cuts off the one that does not.
        """
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._calls[task] = deadline
        try:
            return await call
        except DeliveryError as error:
            return error
        except asyncio.CancelledError:
            if task in self._late:
                task.uncancel()
                return UncertainError("timeout")
            if task.cancelling():
                raise
            return UncertainError("connector_bug")
        except Exception as error:  # noqa: BLE001  # the worker's edge: a connector's bug must not stop the engine
            log.error("connector failed", error=type(error).__name__)  # noqa: TRY400  # its text may hold what was sent
            return UncertainError("connector_bug")
        finally:
            del self._calls[task]

    def _message(self, one: Parcel, deadline: Deadline) -> Outbound:
        return Outbound(key_of(one.claim.id), one.name, one.body, deadline, one.files)

    def _case(self, target: LiveTarget, one: Parcel) -> Case:
        return Case(one.claim, one.operation, target.policy, Instant(self._ledger.book.now()))

    async def _give_up(self, target: LiveTarget, claim: Claim, ruling: Ruling) -> None:
        one = Parcel(claim, NOTHING_DONE, claim.mapping, b"")
        await self._record(target, one, ruling, Trial(self._ledger.book.now(), counts=False))

    async def _record(self, target: LiveTarget, one: Parcel, ruling: Ruling, trial: Trial) -> None:
        """Write down what came of a claim, stubbornly: only this process knows it."""
        if ruling.event in {Event.GIVEN_UP, Event.REFUSED}:
            ruling = ruling._replace(stage=target.stage_of(ruling.code, ruling.stage))
        ended, now = time.perf_counter(), self._ledger.book.now()
        outcome = Outcome(one.claim, ruling, target.policy, trial.started, now, trial.exchange, trial.counts)
        try:
            recorded = await self._ledger.record(outcome)
        except SQLAlchemyError:
            recorded = await STUBBORNLY(self._ledger.record, outcome)
        seconds = ended - trial.began if trial.exchange else None
        recording = time.perf_counter() - ended
        said = (target.name, one.name, outcome.asked, ruling.event, ruling.code, seconds, recording, recorded.late)
        self._announce(Attempted(*said, one.span or self._span(one.claim)))
        self._after(target, recorded, ruling, one.claim.step)

    def _after(self, target: LiveTarget, recorded: Recorded, ruling: Ruling, step: str) -> None:
        """Pass on what recording led to, and come back to the target when it is time."""
        for change in recorded.settled.stages:
            self._announce(change)
        wait = max(0, ruling.next_at - self._ledger.book.now()) if ruling.next_at else 0
        if ruling.next_at and wait < milliseconds(SOON):
            asyncio.get_running_loop().call_later(wait / 1000, self.wake, (target.name,))
        due = recorded.settled.due
        self.wake(due)
        if others := due.keys() - self._serves:
            self._tell_others({name: due[name] for name in others})
        if target.name in self._more or step == CALLBACK:
            self.wake((target.name,))

    async def _sweep(self) -> None:
        """Find what nobody announced: due retries, and claims whose owner died or overran its lease."""
        self._cut_off()
        now = self._ledger.book.now()
        self._find(await self._ledger.read(targets.due, now))
        held = await self._ledger.read(claims.held, self._owner.name, now)
        dead = await self._owner.dead({one.owner for one in held})
        gone = [one for one in held if one.owner in dead or self._is_forgotten(one, now)]
        gone = [one for one in gone if one.target in self._live or one.lease_until + NOBODYS < now]
        if gone:
            for claim in await self._ledger.write(self._look, gone):
                await self._take_back(claim)
        self.last_tick = time.monotonic()
        await asyncio.sleep(self._sweep_every)

    def _cut_off(self) -> None:
        """End the calls whose connector has let its deadline pass since the last look round."""
        late = {task for task, deadline in self._calls.items() if not deadline.left}
        for task in late & self._late:
            task.cancel()
        self._late = late

    def _is_forgotten(self, held: claims.Held, now: int) -> bool:
        """Say whether a claim has outlived its lease and may be undone although its owner lives.

        Ours may if nobody works on it. Another's may before its intent, which the fence then forbids, and while it
        only asks; of what it sends, nothing is known as long as it lives.
        """
        if held.lease_until >= now:
            return False
        if held.owner == self._owner.name:
            return held.id not in self._in_hand
        return held.state != State.SENDING

    async def _take_back(self, claim: Claim) -> None:
        """Put a dead owner's delivery where it belongs: never back in the queue once its intent was committed."""
        target = self._live.get(claim.target) or absent(claim.target)
        name = self._ledger.book.known(claim.version).mappings[claim.mapping].operation
        one = Parcel(claim, target.operations.get(name, NOTHING_DONE), name, b"")
        self._announce(Swept(target.name))
        if claim.state is not State.SENDING:
            await self._release(target, one, "owner_lost")
            return
        ruling = judge_sending(self._case(target, one), UncertainError("owner_lost"))
        now = self._ledger.book.now()
        trial = Trial(now, Exchange(), began=time.perf_counter() - max(0, now - claim.sent_at) / 1000)
        await self._record(target, one, ruling._replace(well=None), trial)

    async def _release(self, target: LiveTarget, one: Parcel, code: str) -> None:
        """Put back a delivery that nothing was done about."""
        claim, now = one.claim, self._ledger.book.now()
        ruling = Ruling(Event.RELEASED, code, claim.stage, now, "", claim.ever_uncertain, claim.if_absent)
        await self._record(target, one, ruling, Trial(now, counts=False))
        self._in_hand.discard(claim.id)
