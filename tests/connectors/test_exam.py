"""The exam every connector sits: a folder that holds a `connector.toml` is found here, and examined.

Each is examined against its own sandbox, a real server that can be broken in each way of its menu.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest
from pydantic import ValidationError

from hub.connector import Configured, Connector, Deadline, Fault, Outbound, Receipt, Sandbox
from hub.errors import DeliveryError, TransientError, UncertainError
from hub.manifest import MEANS, UNMAPPED, ErrorTable, Manifest, Operation
from hub.model import DeliveryKey, Effect, Verdict

CONNECTORS = Path(__file__).parents[2] / "connectors"
NAMES = sorted(
    file.parent.name for file in CONNECTORS.glob("*/connector.toml") if not Manifest.read(file.parent).builtin
)
KEY = DeliveryKey("167046020-1")
ASKED_AGAIN = {Effect.IDEMPOTENT, Effect.SAFE}


def sandbox_of(name: str) -> Sandbox:
    sandbox: Sandbox = import_module(f"connectors.{name}.sandbox").Sandbox()
    return sandbox


READY = [name for name in NAMES if (CONNECTORS / name / "sandbox.py").exists()]
FAULTS = [pytest.param(name, fault, id=f"{name}-{fault}") for name in READY for fault in sandbox_of(name).menu]


@dataclass
class Candidate:
    """A connector facing its sandbox."""

    connector: Connector
    sandbox: Sandbox
    operations: Mapping[str, Operation]

    def message(self, operation: str, within: float = 10) -> Outbound:
        """Write the operation's sample, under the key of this exam."""
        body = orjson.dumps(self.sandbox.sample(operation))
        return Outbound(KEY, operation, body, Deadline(timedelta(seconds=within)))

    @property
    def taken(self) -> int:
        """How often the sandbox has taken a message."""
        return self.sandbox.taken().total()

    async def deliver(self, operation: str, within: float = 10) -> Receipt | DeliveryError:
        """Deliver, and give what came of it as a value; anything but a DeliveryError fails the exam."""
        try:
            return await self.connector.deliver(self.message(operation, within))
        except DeliveryError as error:
            return error


def connect(name: str, settings: Mapping[str, Any]) -> Connector:
    connector: Connector = import_module(f"connectors.{name}").connect(settings, ErrorTable.read(CONNECTORS / name))
    return connector


@asynccontextmanager
async def examining(name: str) -> AsyncIterator[Candidate]:
    sandbox = sandbox_of(name)
    await sandbox.start()
    connector = connect(name, sandbox.settings())
    declared = Manifest.read(CONNECTORS / name).operations
    operations = connector.operations if isinstance(connector, Configured) else declared
    try:
        yield Candidate(connector, sandbox, operations)
    finally:
        await connector.close()
        await sandbox.stop()


async def operations_of(name: str) -> list[str]:
    async with examining(name) as candidate:
        return list(candidate.operations)


def texts(value: Any) -> Iterator[str]:
    """Every string of a message that is long enough to betray somebody."""
    match value:
        case str() if len(value) > 3:
            yield value
        case dict():
            for part in value.values():
                yield from texts(part)
        case list():
            for part in value:
                yield from texts(part)


def said_by(error: BaseException | None) -> Iterator[str]:
    """Everything a log could show of an error and of what it chains to."""
    while error is not None:
        yield str(error)
        yield repr(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def check_discretion(error: DeliveryError, sample: Mapping[str, Any]) -> None:
    shown = "\n".join(said_by(error))
    assert [text for text in texts(sample) if text in shown] == []


def check_details(name: str, operation: Operation, receipt: Receipt) -> None:
    """What later steps may use of an answer is what the operation declares of it, and is declared."""
    if operation.effect is Effect.SAFE:
        assert operation.answer, "a question declares the JSON Schema of its answer"
    if operation.answer:
        schema = orjson.loads((CONNECTORS / name / operation.answer).read_bytes())
        validator = jsonschema_rs.validator_for(schema, validate_formats=True)
        assert [error.message for error in validator.iter_errors(orjson.loads(orjson.dumps(receipt.details)))] == []
    else:
        assert not receipt.details, "details without an `answer` schema"


def befalls(fault: Fault, operation: str) -> bool:
    return not fault.operations or operation in fault.operations


def check_verdict(outcome: Receipt | DeliveryError, fault: Fault) -> None:
    if fault.verdict is Verdict.ACCEPTED:
        assert isinstance(outcome, Receipt)
        return
    assert isinstance(outcome, MEANS[fault.verdict]), repr(outcome)
    if fault.verdict is Verdict.REFUSED:
        assert outcome.code != UNMAPPED, "a refusal of the menu is missing from errors.toml"


@pytest.mark.parametrize("name", NAMES)
def test_its_folder_is_complete(name):
    folder = CONNECTORS / name
    manifest, errors = Manifest.read(folder), ErrorTable.read(folder)
    assert manifest.stage
    assert (folder / "sandbox.py").exists()
    codes = [(row.code, row.pattern) for row in errors.error]
    assert len(codes) == len(set(codes))
    assert (folder / "README.md").read_text("utf-8").startswith("# ")
    for operation in manifest.operations.values():
        assert not operation.contract or (folder / operation.contract).exists()
        assert not operation.answer or (folder / operation.answer).exists()
        assert operation.cache is None or operation.effect is Effect.SAFE


@pytest.mark.parametrize("name", NAMES)
async def test_it_refuses_settings_it_does_not_know(name):
    async with examining(name) as candidate:
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            connect(name, {**candidate.sandbox.settings(), "surprise": True})


@pytest.mark.parametrize("name", NAMES)
async def test_its_probe_finds_the_target_up_and_changes_nothing(name):
    async with examining(name) as candidate:
        await candidate.connector.probe(Deadline(timedelta(seconds=10)))
        assert candidate.taken == 0


@pytest.mark.parametrize("name", NAMES)
async def test_its_probe_finds_the_target_down(name):
    async with examining(name) as candidate:
        await candidate.sandbox.stop()
        with pytest.raises(TransientError):
            await candidate.connector.probe(Deadline(timedelta(seconds=10)))


@pytest.mark.parametrize("name", NAMES)
async def test_each_sample_is_taken_once(name):
    for operation in await operations_of(name):
        async with examining(name) as candidate:
            message = candidate.message(operation)
            receipt = await candidate.connector.deliver(message)
            assert isinstance(receipt, Receipt)
            check_details(name, candidate.operations[operation], receipt)
            if candidate.operations[operation].effect is not Effect.SAFE:
                assert message.exchange.sent
                assert candidate.taken == 1


@pytest.mark.parametrize("name", NAMES)
async def test_a_target_that_is_down_is_transient(name):
    for operation in await operations_of(name):
        async with examining(name) as candidate:
            await candidate.sandbox.stop()
            outcome = await candidate.deliver(operation)
            assert isinstance(outcome, TransientError), repr(outcome)
            check_discretion(outcome, candidate.sandbox.sample(operation))


@pytest.mark.parametrize("name", NAMES)
async def test_a_target_that_is_down_is_never_said_to_lack_our_key(name):
    async with examining(name) as candidate:
        await candidate.sandbox.stop()
        for operation in candidate.operations:
            with pytest.raises((TransientError, UncertainError)):
                await candidate.connector.look_up(candidate.message(operation))


@pytest.mark.parametrize("name", NAMES)
async def test_what_was_taken_is_found_again_under_its_reference(name):
    for operation in await operations_of(name):
        async with examining(name) as candidate:
            if candidate.operations[operation].effect is not Effect.LOOKUP:
                continue
            assert await candidate.connector.look_up(candidate.message(operation)) is None
            receipt = await candidate.connector.deliver(candidate.message(operation))
            found = await candidate.connector.look_up(candidate.message(operation))
            assert found is not None
            assert found.reference == receipt.reference


@pytest.mark.parametrize("name", NAMES)
async def test_a_key_that_the_target_recognises_is_taken_once(name):
    for operation in await operations_of(name):
        async with examining(name) as candidate:
            if candidate.operations[operation].effect is not Effect.IDEMPOTENT:
                continue
            first = await candidate.connector.deliver(candidate.message(operation))
            second = await candidate.connector.deliver(candidate.message(operation))
            assert second.reference == first.reference
            assert candidate.taken == 1


@pytest.mark.parametrize(("name", "fault"), FAULTS)
async def test_each_fault_means_what_the_menu_says(name, fault):
    within = 0.3 if fault == "slow" else 3
    expected = sandbox_of(name).menu[fault]
    for operation in await operations_of(name):
        if not befalls(expected, operation):
            continue
        async with examining(name) as candidate, asyncio.timeout(30):
            leaves_a_trace = candidate.operations[operation].effect is not Effect.SAFE
            await candidate.connector.probe(Deadline(timedelta(seconds=10)))
            candidate.sandbox.break_with(fault)
            outcome = await candidate.deliver(operation, within)
            check_verdict(outcome, expected)
            assert candidate.taken == int(expected.taken and leaves_a_trace)
            if isinstance(outcome, DeliveryError):
                check_discretion(outcome, candidate.sandbox.sample(operation))
            if isinstance(outcome, UncertainError):
                await settle(candidate, operation, taken=expected.taken)


async def settle(candidate: Candidate, operation: str, *, taken: bool) -> None:
    """After a doubt: the target says the truth when it can be asked, and takes a repeated key once."""
    effect = candidate.operations[operation].effect
    candidate.sandbox.mend()
    if effect is Effect.LOOKUP:
        found = await candidate.connector.look_up(candidate.message(operation))
        assert (found is not None) is taken
    if effect in ASKED_AGAIN:
        assert isinstance(await candidate.connector.deliver(candidate.message(operation)), Receipt)
        assert candidate.taken == int(effect is Effect.IDEMPOTENT)


@pytest.mark.parametrize("name", NAMES)
async def test_a_target_that_never_answers_does_not_outlast_the_deadline(name):
    assert "slow" in sandbox_of(name).menu
    for operation in await operations_of(name):
        async with examining(name) as candidate, asyncio.timeout(30):
            candidate.sandbox.break_with("slow", times=-1)
            assert isinstance(await candidate.deliver(operation, within=0.3), UncertainError)
