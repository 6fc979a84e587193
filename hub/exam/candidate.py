"""A connector that sits the exam: what it declares, and how it behaves facing its own sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson

from hub.catalogue import read_manifest
from hub.connector import Configured, Connect, Connector, Deadline, Outbound, Receipt, Sandbox
from hub.errors import DeliveryError
from hub.manifest import ErrorTable, Manifest, Operation
from hub.model import DeliveryKey
from hub.packages import Package

KEY: Final = DeliveryKey("167046020-1")
SOON: Final = 10.0
"""Seconds that an answer of a sandbox in good health may take."""

NEVER: Final = "slow"
"""The fault that every menu has: the answer comes too late."""

TOO_LATE: Final = 0.3
"""Seconds that a message may take whose answer comes too late."""

IN_TIME: Final = 3.0
"""Seconds that a message may take while its target fails in another way."""

AT_LAST: Final = 30.0
"""Seconds after which a call that outlasts its deadline is given up."""

Result = TypeVar("Result")


class FailedError(Exception):
    """The connector does not do what a connector must."""


def demand(claim: object, otherwise: str) -> None:
    """Hold the connector to a claim; raises FailedError with what is wrong."""
    if not claim:
        raise FailedError(otherwise)


@dataclass
class Candidate:
    """A connector facing its sandbox."""

    connector: Connector
    sandbox: Sandbox
    operations: Mapping[str, Operation]

    def message(self, operation: str, within: float = SOON, key: DeliveryKey = KEY) -> Outbound:
        """Write the operation's sample, under the key of this exam or another."""
        body = orjson.dumps(self.sandbox.sample(operation))
        return Outbound(key, operation, body, Deadline(timedelta(seconds=within)))

    @property
    def taken(self) -> int:
        """How often the sandbox has taken a message."""
        return self.sandbox.taken().total()

    async def deliver(self, operation: str, within: float = SOON, key: DeliveryKey = KEY) -> Receipt | DeliveryError:
        """Deliver, and give what came of it as a value; anything but a DeliveryError fails the exam."""
        try:
            return await self.connector.deliver(self.message(operation, within, key))
        except DeliveryError as error:
            return error

    async def look_up(self, operation: str) -> Receipt | DeliveryError | None:
        """Ask for our key, and give what came of it as a value."""
        try:
            return await self.connector.look_up(self.message(operation))
        except DeliveryError as error:
            return error

    async def probe(self) -> DeliveryError | None:
        """Find out whether the target is up, and give what is wrong, if anything."""
        try:
            await self.connector.probe(Deadline(timedelta(seconds=SOON)))
        except DeliveryError as error:
            return error
        return None


@dataclass
class Subject:
    """A connector as the exam finds it: its files, how it connects, and its sandbox."""

    name: str
    folder: Path
    manifest: Manifest
    errors: ErrorTable
    connect: Connect
    new_sandbox: Callable[[], Sandbox]
    _operations: Mapping[str, Operation] = field(default_factory=dict)

    @classmethod
    def of(cls, package: Package) -> Subject:
        """Take the connector of a package; raises ConfigurationError for files that cannot be read."""

        def connect(settings: Mapping[str, Any], errors: ErrorTable) -> Connector:
            connector: Connector = package.load().connect(settings, errors)
            return connector

        def new_sandbox() -> Sandbox:
            sandbox: Sandbox = package.load("sandbox").Sandbox()
            return sandbox

        folder = package.folder
        return cls(package.name, folder, read_manifest(package), ErrorTable.read(folder), connect, new_sandbox)

    @asynccontextmanager
    async def facing(self) -> AsyncIterator[Candidate]:
        """Have the connector face a sandbox of its own, that has heard nothing yet."""
        sandbox = self.new_sandbox()
        await sandbox.start()
        try:
            connector = self.connect(sandbox.settings(), self.errors)
            operations = connector.operations if isinstance(connector, Configured) else self.manifest.operations
            try:
                yield Candidate(connector, sandbox, operations)
            finally:
                await connector.close()
        finally:
            await sandbox.stop()

    async def operations(self) -> Mapping[str, Operation]:
        """Tell what the connector can do, by its manifest or, where it takes them from there, by its settings."""
        if not self._operations:
            async with self.facing() as candidate:
                self._operations = candidate.operations
        return self._operations


def patience_with(fault: str) -> float:
    """Say how many seconds a message has while its target plays a fault."""
    return TOO_LATE if fault == NEVER else IN_TIME


async def within(call: Awaitable[Result]) -> Result:
    """Await a call, which must end by itself."""
    try:
        return await asyncio.wait_for(call, AT_LAST)
    except TimeoutError:
        raise FailedError(f"it has not ended after {AT_LAST:.0f} s") from None


def texts(value: Any) -> Iterator[str]:
    """Give every string of a message that is long enough to betray somebody."""
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
    """Give everything that a log could show of an error and of what it chains to."""
    while error is not None:
        yield str(error)
        yield repr(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def demand_discretion(error: DeliveryError, sample: Mapping[str, Any]) -> None:
    """Refuse an error that shows what the message held."""
    shown = "\n".join(said_by(error))
    betrayed = [text for text in texts(sample) if text in shown]
    demand(not betrayed, f"the error {error.code} shows what the message held: {len(betrayed)} of its values")
