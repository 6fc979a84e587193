"""Sends what a trial writes to sandboxes: those of the connectors that its route speaks to, and no others."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from hub.app import builtin, connect
from hub.catalogue import Catalogue, Definition
from hub.connector import Connector, Deadline, Exchange, File, IncomingFile, Outbound, Receipt
from hub.errors import ConfigurationError, DeliveryError, RefusedError, TransientError
from hub.model import DeliveryKey, Verdict
from hub.sandboxes import Sandboxes
from hub.settings import Settings, TargetSettings
from hub.target import LiveTarget
from hub.trials.legs import Message, Outcome

VERDICTS: Final[Mapping[type[DeliveryError], Verdict]] = {
    RefusedError: Verdict.REFUSED,
    TransientError: Verdict.TRANSIENT,
}
"""What an error means; every other is uncertain."""

OWN: Final = ("operations", "errors", "unavailable")
"""What a target described in settings keeps of them at a sandbox, which says the rest."""


@dataclass
class Courier:
    """Carries messages to the targets of one route, and keeps the files that they give for later steps."""

    targets: Mapping[str, LiveTarget]
    files: dict[str, IncomingFile] = field(default_factory=dict)

    async def send(self, message: Message) -> Outcome:
        """Hand a message over, once, and say what became of it."""
        target, operation = self.targets[message.target], message.operation.partition(".")[2]
        declared = target.operations.get(operation)
        within = declared.deadline if declared and declared.deadline else target.policy.deadline
        out = Outbound(
            DeliveryKey(message.key), operation, message.body or b"", Deadline(within), self._enclosed(message.files)
        )
        try:
            receipt = await target.connector.deliver(out)
        except DeliveryError as error:
            verdict = next((said for kind, said in VERDICTS.items() if isinstance(error, kind)), Verdict.UNCERTAIN)
            return Outcome(verdict, error.code, **_heard(out.exchange))
        return Outcome(
            Verdict.ACCEPTED, reference=receipt.reference, answer=self._answer(message, receipt), **_heard(out.exchange)
        )

    def _answer(self, message: Message, receipt: Receipt) -> dict[str, Any]:
        """Give what later steps read, with the ids of the files that came."""
        ids = [f"{message.key}.{ordinal}" for ordinal, _ in enumerate(receipt.files, 1)]
        self.files.update(zip(ids, receipt.files, strict=True))
        return {**receipt.details, **({"files": ids} if ids else {})}

    def _enclosed(self, ids: Sequence[str]) -> tuple[File, ...]:
        """Give the files that earlier steps brought; those of the request itself are not in a trial."""
        return tuple(_file(self.files[one]) for one in ids if one in self.files)


@asynccontextmanager
async def courier_of(catalogue: Catalogue, settings: Settings, definition: Definition) -> AsyncIterator[Courier]:
    """Start the sandboxes that a route speaks to, and connect its targets to them; raises ConfigurationError."""
    wanted = {step.target: definition.mappings[step.using].connector for step in definition.route.carried}
    every = Sandboxes.find(homes=settings.homes).running
    for connector in sorted(set(wanted.values()) - every.keys()):
        if not catalogue.manifests[connector].builtin:
            raise ConfigurationError(
                catalogue.packages[connector].folder, "has no sandbox.py: only the real target is left"
            )
    sandboxes = Sandboxes({name: every[name] for name in sorted(set(wanted.values()) & every.keys())})
    async with AsyncExitStack() as closing:
        closing.push_async_callback(sandboxes.stop)
        await sandboxes.start()
        reached = sandboxes.settings()
        live = {}
        for target, connector in wanted.items():
            own = {**builtin(catalogue), **settings.targets}.get(target)
            live[target] = connect(catalogue, target, _aimed(connector, own, reached.get(connector)))
            closing.push_async_callback(_close, live[target].connector)
        yield Courier(live)


def _aimed(connector: str, own: TargetSettings | None, reached: Mapping[str, Any] | None) -> TargetSettings:
    """Point a target at a sandbox; one that speaks to nobody is as it is."""
    said = own.settings if own else {}
    kept = {name: said[name] for name in OWN if name in said}
    return TargetSettings(connector=connector, settings=said if reached is None else {**reached, **kept})


async def _close(connector: Connector) -> None:
    await connector.close()


def _heard(exchange: Exchange) -> dict[str, Any]:
    return {
        "sent": exchange.sent.decode(errors="replace"),
        "answered": exchange.answered.decode(errors="replace"),
        "http_status": exchange.http_status,
    }


def _file(one: IncomingFile) -> File:
    digest = hashlib.sha256(one.content).hexdigest()
    return File(one.name, one.media_type, len(one.content), digest, partial(_read, one.content))


async def _read(content: bytes) -> AsyncIterator[bytes]:
    yield content
