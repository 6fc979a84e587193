"""What a connector is asked at the exam: every check by its sentence, with the tier that needs it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final

import jsonschema_rs
import orjson
from pydantic import ValidationError

from hub.connector import Fault, Receipt
from hub.contracts import read_schema
from hub.errors import DeliveryError, TransientError, UncertainError
from hub.exam.candidate import (
    AT_LAST,
    NEVER,
    TOO_LATE,
    Candidate,
    FailedError,
    Subject,
    demand,
    demand_discretion,
    patience_with,
    within,
)
from hub.exam.references import doubt_references, find_references
from hub.manifest import MEANS, UNMAPPED, Certainty, Operation
from hub.model import DeliveryKey, Effect, Verdict, delivery_key

FAULT: Final = "means what the menu says:"

MANY: Final = 200
"""So many deliveries make a load."""

ASKED_AGAIN: Final = frozenset({Effect.IDEMPOTENT, Effect.SAFE})


class Tier(StrEnum):
    """How far a connector has been proved."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"

    @property
    def rank(self) -> int:
        """Its place among them, from 0."""
        return list(Tier).index(self)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is asked: in words, for which tier, and how; it raises FailedError with what is wrong."""

    title: str
    tier: Tier
    ask: Callable[[Subject], Awaitable[None]]


def papers(subject: Subject) -> list[Check]:
    """Give everything that a connector is asked: the same for all, and each fault of its own sandbox's menu."""
    if not (subject.folder / "sandbox.py").exists():
        return list(CHECKS)
    menu = subject.new_sandbox().menu
    faults = [Check(f"{FAULT} {name}", Tier.SILVER, partial(_fault, fault=name)) for name in menu]
    return [*CHECKS, *faults]


async def _folder(subject: Subject) -> None:
    folder, manifest = subject.folder, subject.manifest
    demand(manifest.stage, "connector.toml: stage: what agents read when it fails")
    demand((folder / "sandbox.py").exists(), "sandbox.py is missing")
    codes = [(row.code, row.pattern) for row in subject.errors.error]
    demand(len(codes) == len(set(codes)), "errors.toml: two rows for the same code and pattern")
    readme = folder / "README.md"
    demand(readme.exists() and readme.read_text("utf-8").startswith("# "), "README.md: a title, first of all")
    for name, operation in manifest.operations.items():
        for file in (operation.contract_file, operation.answer):
            demand(not file or (folder / file).exists(), f"{name}: there is no {file}")
        demand(operation.cache is None or operation.effect is Effect.SAFE, f"{name}: cache: for safe operations only")


async def _claim(subject: Subject) -> None:
    claimed = subject.manifest.tier
    demand(claimed in set(Tier), f"connector.toml: tier: one of {', '.join(Tier)}")
    if claimed == Tier.GOLD:
        await _certain(subject)
        await _never_a_person(subject)


async def _settings(subject: Subject) -> None:
    async with subject.facing() as candidate:
        try:
            connector = subject.connect({**candidate.sandbox.settings(), "surprise": True}, subject.errors)
        except ValidationError as error:
            types = {one["type"] for one in error.errors(include_input=False)}
            demand("extra_forbidden" in types, "an unknown setting is refused for another reason")
            return
        await connector.close()
        raise FailedError("a setting that it does not know is not refused")


async def _probe_up(subject: Subject) -> None:
    async with subject.facing() as candidate:
        error = await candidate.probe()
        demand(error is None, f"the probe of a target in good health: {error!r}")
        demand(candidate.taken == 0, "the probe leaves something at the target")


async def _probe_down(subject: Subject) -> None:
    async with subject.facing() as candidate:
        await candidate.sandbox.stop()
        error = await candidate.probe()
        demand(isinstance(error, TransientError), f"the probe of a target that is down: {error!r}")


async def _samples(subject: Subject) -> None:
    for name, operation in (await subject.operations()).items():
        async with subject.facing() as candidate:
            message = candidate.message(name)
            try:
                receipt = await candidate.connector.deliver(message)
            except DeliveryError as error:
                raise FailedError(f"{name}: the sample is not taken: {error!r}") from None
            demand(isinstance(receipt, Receipt), f"{name}: no Receipt")
            _demand_details(subject, name, operation, receipt)
            if operation.effect is not Effect.SAFE:
                demand(message.exchange.sent, f"{name}: the exchange does not keep what was sent")
                demand(candidate.taken == 1, f"{name}: taken {candidate.taken} times")


def _demand_details(subject: Subject, name: str, operation: Operation, receipt: Receipt) -> None:
    """Hold an answer to its schema: what later steps may use is what the operation declares of it."""
    if operation.effect is Effect.SAFE:
        demand(operation.answer, f"{name}: a question declares the JSON Schema of its answer")
    if not operation.answer:
        demand(not receipt.details, f"{name}: details without an `answer` schema")
        return
    wrong = _broken(orjson.loads((subject.folder / operation.answer).read_bytes()), receipt.details)
    demand(not wrong, f"{name}: its answer breaks {operation.answer}: {wrong}")


async def _contracts(subject: Subject) -> None:
    async with subject.facing() as candidate:
        for name, operation in candidate.operations.items():
            if not operation.contract:
                continue
            schema = read_schema(subject.folder / operation.contract_file, operation.contract_part)
            wrong = _broken(schema, candidate.sandbox.sample(name))
            demand(not wrong, f"{name}: the sandbox's sample breaks {operation.contract}: {wrong}")


def _broken(schema: dict[str, Any], value: Any) -> str:
    """Say how a value breaks a schema, without showing it."""
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True, mask="…")
    errors = validator.iter_errors(orjson.loads(orjson.dumps(value)))
    return "; ".join(f"/{'/'.join(map(str, error.instance_path))}: {error.message}" for error in errors)


async def _down(subject: Subject) -> None:
    for name in await subject.operations():
        async with subject.facing() as candidate:
            await candidate.sandbox.stop()
            outcome = await candidate.deliver(name)
            demand(isinstance(outcome, TransientError), f"{name}: {outcome!r}")
            if isinstance(outcome, DeliveryError):
                demand_discretion(outcome, candidate.sandbox.sample(name))


async def _down_knows_nothing(subject: Subject) -> None:
    async with subject.facing() as candidate:
        await candidate.sandbox.stop()
        for name in candidate.operations:
            found = await candidate.look_up(name)
            demand(isinstance(found, TransientError | UncertainError), f"{name}: {found!r}")


async def _deadline(subject: Subject) -> None:
    demand(NEVER in subject.new_sandbox().menu, f"the menu lacks {NEVER!r}")
    for name in await subject.operations():
        async with subject.facing() as candidate:
            candidate.sandbox.break_with(NEVER, times=-1)
            outcome = await within(candidate.deliver(name, TOO_LATE))
            demand(isinstance(outcome, UncertainError), f"{name}: {outcome!r}")


async def _found_again(subject: Subject) -> None:
    for name in await _of_effect(subject, Effect.LOOKUP):
        async with subject.facing() as candidate:
            before = await candidate.look_up(name)
            demand(before is None, f"{name}: what was never sent: {before!r}")
            receipt, found = await candidate.deliver(name), await candidate.look_up(name)
            demand(isinstance(receipt, Receipt), f"{name}: {receipt!r}")
            demand(isinstance(found, Receipt), f"{name}: what was taken: {found!r}")
            demand(_reference(found) == _reference(receipt), f"{name}: found again under another reference")


async def _taken_once(subject: Subject) -> None:
    for name in await _of_effect(subject, Effect.IDEMPOTENT):
        async with subject.facing() as candidate:
            first, second = await candidate.deliver(name), await candidate.deliver(name)
            demand(isinstance(first, Receipt) and isinstance(second, Receipt), f"{name}: {first!r}, then {second!r}")
            demand(_reference(second) == _reference(first), f"{name}: taken again under another reference")
            demand(candidate.taken == 1, f"{name}: taken {candidate.taken} times")


async def _load(subject: Subject) -> None:
    """Deliver many, as many at once as the policy lets: nothing is in doubt, what is said to be taken is, once."""
    operations = await subject.operations()
    name = next((one for one, said in operations.items() if said.effect is not Effect.SAFE), next(iter(operations), ""))
    demand(name, "it can do nothing")
    keys = [delivery_key(200_000_000 + place, 1) for place in range(MANY)]
    in_hand = asyncio.Semaphore(subject.manifest.policy.concurrency)

    async def deliver(key: DeliveryKey) -> Receipt | DeliveryError:
        async with in_hand:
            return await candidate.deliver(name, AT_LAST, key)

    async with subject.facing() as candidate:
        outcomes = await asyncio.gather(*map(deliver, keys))
        taken = candidate.sandbox.taken()
    receipts = sum(isinstance(one, Receipt) for one in outcomes)
    doubts = [one for one in outcomes if isinstance(one, UncertainError)]
    demand(not doubts, f"{name}: {len(doubts)} of {MANY} in doubt: {doubts[:1]!r}")
    demand(receipts, f"{name}: none of {MANY} is taken: {outcomes[0]!r}")
    expected = receipts if operations[name].effect is not Effect.SAFE else 0
    demand(taken.total() == expected, f"{name}: {receipts} are said to be taken, {taken.total()} were")
    demand(all(taken[key] <= 1 for key in keys), f"{name}: a key was taken twice")


async def _menu(subject: Subject) -> None:
    """Look for the faults that decide whether anything is lost or doubled."""
    menu = subject.new_sandbox().menu
    for name, operation in (await subject.operations()).items():
        faults = [fault for title, fault in menu.items() if title != NEVER and _befalls(fault, name)]
        doubts = [fault for fault in faults if fault.verdict is Verdict.UNCERTAIN]
        demand(doubts, f"{name}: no fault leaves a doubt")
        if operation.effect is not Effect.SAFE:
            demand(any(fault.taken for fault in doubts), f"{name}: no fault takes the message and fails to say so")


async def _fault(subject: Subject, fault: str) -> None:
    expected = subject.new_sandbox().menu[fault]
    for name, operation in (await subject.operations()).items():
        if not _befalls(expected, name):
            continue
        async with subject.facing() as candidate:
            demand(await candidate.probe() is None, "the probe of a target in good health")
            candidate.sandbox.break_with(fault)
            outcome = await within(candidate.deliver(name, patience_with(fault)))
            _demand_verdict(name, outcome, expected)
            leaves_a_trace = operation.effect is not Effect.SAFE
            demand(candidate.taken == int(expected.taken and leaves_a_trace), f"{name}: taken {candidate.taken} times")
            if isinstance(outcome, DeliveryError):
                demand_discretion(outcome, candidate.sandbox.sample(name))
            if isinstance(outcome, UncertainError):
                await within(_settle(candidate, name, taken=expected.taken))


def _demand_verdict(name: str, outcome: Receipt | DeliveryError, fault: Fault) -> None:
    if fault.verdict is Verdict.ACCEPTED:
        demand(isinstance(outcome, Receipt), f"{name}: {outcome!r}, where the menu says accepted")
        return
    demand(isinstance(outcome, MEANS[fault.verdict]), f"{name}: {outcome!r}, where the menu says {fault.verdict}")
    if fault.verdict is Verdict.REFUSED and isinstance(outcome, DeliveryError):
        demand(outcome.code != UNMAPPED, f"{name}: this refusal is missing from errors.toml")


async def _settle(candidate: Candidate, name: str, *, taken: bool) -> None:
    """After a doubt: the target says the truth when it can be asked, and takes a repeated key once."""
    effect = candidate.operations[name].effect
    candidate.sandbox.mend()
    if effect is Effect.LOOKUP:
        found = await candidate.look_up(name)
        demand(not isinstance(found, DeliveryError), f"{name}: asked after a doubt: {found!r}")
        demand((found is not None) is taken, f"{name}: asked after a doubt: {found!r}, taken: {taken}")
    if effect in ASKED_AGAIN:
        again = await candidate.deliver(name)
        demand(isinstance(again, Receipt), f"{name}: sent again after a doubt: {again!r}")
        demand(candidate.taken == int(effect is Effect.IDEMPOTENT), f"{name}: then taken {candidate.taken} times")


async def _certain(subject: Subject) -> None:
    demand(subject.manifest.certainty is not Certainty.HYPOTHETICAL, "its contract is hypothetical")


async def _never_a_person(subject: Subject) -> None:
    once = await _of_effect(subject, Effect.ONCE)
    demand(not once, f"can be neither repeated nor asked: {', '.join(once)}")


async def _of_effect(subject: Subject, effect: Effect) -> list[str]:
    return [name for name, operation in (await subject.operations()).items() if operation.effect is effect]


def _befalls(fault: Fault, operation: str) -> bool:
    return not fault.operations or operation in fault.operations


def _reference(outcome: object) -> str:
    return outcome.reference if isinstance(outcome, Receipt) else ""


CHECKS: Final = (
    Check("its folder is complete", Tier.BRONZE, _folder),
    Check("it claims no tier that it cannot have", Tier.BRONZE, _claim),
    Check("it refuses settings that it does not know", Tier.BRONZE, _settings),
    Check("its probe finds the target up, and changes nothing", Tier.BRONZE, _probe_up),
    Check("its probe finds the target down", Tier.BRONZE, _probe_down),
    Check("each sample is taken once, and answered as declared", Tier.BRONZE, _samples),
    Check("a target that is down is transient", Tier.BRONZE, _down),
    Check("a target that is down is never said to lack our key", Tier.BRONZE, _down_knows_nothing),
    Check("a target that never answers does not outlast the deadline", Tier.BRONZE, _deadline),
    Check("each sample obeys the contract", Tier.SILVER, _contracts),
    Check("what was taken is found again under its reference", Tier.SILVER, _found_again),
    Check("a reference of the target's own is found, one made up is not", Tier.SILVER, find_references),
    Check("a target that fails is never said to lack a reference", Tier.SILVER, doubt_references),
    Check("a key that the target recognises is taken once", Tier.SILVER, _taken_once),
    Check("its menu holds what decides whether anything is lost or doubled", Tier.SILVER, _menu),
    Check(f"of {MANY} deliveries, many at once, none is lost, doubled or in doubt", Tier.SILVER, _load),
    Check("its contract is public, observed or a third party's", Tier.GOLD, _certain),
    Check("a lost answer never needs a person", Tier.GOLD, _never_a_person),
)
"""What every connector is asked."""
