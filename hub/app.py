"""The composition root: the one place where settings become a running hub."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import make_url
from starlette.routing import BaseRoute

from hub.access import Key, Keyring
from hub.attachments import Attachments
from hub.book import Book
from hub.catalogue import Catalogue, Definition
from hub.connector import Configured, Connector
from hub.database import open_database, upgrade
from hub.engine import Engine
from hub.errors import ConfigurationError
from hub.events import Announcer
from hub.files import FolderStore
from hub.inbox import Inbox
from hub.keys import find_key
from hub.ledger import Ledger
from hub.mapping import CompiledMapping
from hub.owner import Owner
from hub.policy import Policy
from hub.routing import Deliver, Notify
from hub.settings import HOME, Settings, TargetSettings
from hub.target import LiveTarget
from hub.targets import Declared

STEADY: Final = 60.0
"""Seconds after which an engine that ran is one that runs: its earlier failures are forgotten."""

RESTARTS: Final = 3
"""How often the engine is started again before the process ends, for its service manager to see."""

log = structlog.get_logger()


@dataclass
class Hub:
    """A hub at work: what the API, the CLI and the monitors are handed."""

    settings: Settings
    catalogue: Catalogue
    ledger: Ledger
    targets: Mapping[str, LiveTarget]
    engine: Engine
    attachments: Attachments
    inbox: Inbox
    keyring: Keyring
    announcer: Announcer
    secret: bytes
    routes: list[BaseRoute] = field(default_factory=list)
    """What monitors add to the API."""
    failed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the engine could not be kept running: the process must end."""


@asynccontextmanager
async def open_hub(settings: Settings, *, serve: bool = True) -> AsyncIterator[Hub]:
    """Open the ledger, connect the targets, and serve until the block ends; raises ConfigurationError."""
    catalogue = Catalogue.read(HOME, *settings.homes)
    live = {name: connect(catalogue, name, said) for name, said in settings.targets.items()}
    catalogue = replace(catalogue, kinds=offered(catalogue, live))
    database = open_database(settings.database)
    upgrade(database)
    secret = settings.secret()
    callbacks = {name: said.callback for name, said in settings.front_ends.items() if said.callback}
    operations = {name: target.operations for name, target in live.items()}
    _check_callbacks(callbacks, live)
    ledger = Ledger(database, Book(catalogue, callbacks, operations))
    await ledger.keep(catalogue)
    for target in live.values():
        await ledger.declare(Declared(target.name, target.connector_name, target.policy))
    announcer = Announcer()
    attachments = Attachments(ledger, FolderStore(settings.files))
    owner = Owner(Path(make_url(settings.database).database or "hub"))
    engine = Engine(ledger, live, owner, attachments.files, announcer, sweep_every=settings.sweep_every)
    inbox = Inbox(ledger, catalogue, attachments, announcer, wake=engine.wake, secret=secret)

    async def key_by_prefix(prefix: str) -> Key | None:
        return await ledger.read(find_key, prefix)

    keyring = Keyring(key_by_prefix, secret, ledger.book.now)
    hub = Hub(settings, catalogue, ledger, live, engine, attachments, inbox, keyring, announcer, secret)
    attach_monitors(hub)
    serving = asyncio.create_task(supervise(engine.run, hub.failed)) if serve else None
    try:
        yield hub
    finally:
        await engine.stop(settings.grace)
        if serving:
            serving.cancel()
        for target in live.values():
            await target.connector.close()
        await ledger.close()
        owner.close()


def connect(catalogue: Catalogue, name: str, said: TargetSettings) -> LiveTarget:
    """Make a target from its settings; raises ConfigurationError naming the target."""
    if said.connector not in catalogue.manifests:
        known = ", ".join(sorted(catalogue.manifests))
        raise ConfigurationError("hub.yaml", f"targets.{name}: no connector is called {said.connector!r} ({known})")
    manifest = catalogue.manifests[said.connector]
    try:
        offer = import_module(f"connectors.{said.connector}")
    except ModuleNotFoundError:
        raise ConfigurationError("hub.yaml", f"targets.{name}: no package connectors.{said.connector}") from None
    try:
        connector: Connector = offer.connect(said.settings, catalogue.errors[said.connector])
        policy = merge(manifest.policy, said.policy)
    except ValueError as error:
        raise ConfigurationError("hub.yaml", f"targets.{name}: {describe(error)}") from None
    operations = connector.operations if isinstance(connector, Configured) else manifest.operations
    return LiveTarget(name, said.connector, connector, policy, operations, manifest.stage)


def offered(catalogue: Catalogue, live: Mapping[str, LiveTarget]) -> dict[str, Definition]:
    """Give the kinds all of whose targets this installation has; the others are not accepted, and said so once.

    Raises ConfigurationError when a route's mapping is written for another connector than its target's.
    """
    kinds, lacking = {}, {}
    for kind, definition in catalogue.kinds.items():
        steps = [step for step in definition.route.named.values() if isinstance(step, Deliver | Notify)]
        missing = sorted({step.target for step in steps} - live.keys())
        if missing:
            lacking[kind] = missing
            continue
        for step in steps:
            _check_step(catalogue.folders[kind], step, definition.mappings[step.using], live[step.target])
        kinds[kind] = definition
    if lacking:
        log.warning("kinds not offered, for want of targets", **lacking)
    return kinds


def _check_callbacks(callbacks: Mapping[str, str], live: Mapping[str, LiveTarget]) -> None:
    for front_end, target in callbacks.items():
        if target not in live:
            raise ConfigurationError("hub.yaml", f"front_ends.{front_end}.callback: no target is called {target!r}")


def _check_step(folder: Path, step: Deliver | Notify, mapping: CompiledMapping, target: LiveTarget) -> None:
    if mapping.connector != target.connector_name:
        wanted = f"{step.using} writes for {mapping.connector}, the target {target.name} is a {target.connector_name}"
        raise ConfigurationError(folder / "route.yaml", f"step {step.name}: {wanted}")
    if mapping.operation not in target.operations:
        known = ", ".join(sorted(target.operations))
        raise ConfigurationError(
            folder / "route.yaml", f"step {step.name}: {target.name} has no operation {mapping.operation!r} ({known})"
        )


def merge(policy: Policy, over: Mapping[str, Any]) -> Policy:
    """Lay a target's own policy over its connector's."""
    return Policy.model_validate(policy.model_dump(exclude_unset=True) | dict(over))


def describe(error: ValueError) -> str:
    """Say what a settings class refused: field and expectation, never the value, which may be a secret."""
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error)
    first = errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def attach_monitors(hub: Hub) -> None:
    """Hand the hub to everything registered under `hub.monitors`."""
    for entry in entry_points(group="hub.monitors"):
        attach: Callable[[Hub], None] = entry.load()
        attach(hub)


async def supervise(run: Callable[[], Awaitable[None]], failed: asyncio.Event) -> None:
    """Keep `run` running: start it again when it fails, a few times in a row, then say that it cannot be."""
    failures = 0
    while failures <= RESTARTS:
        began = time.monotonic()
        try:
            await run()
        except Exception as error:  # noqa: BLE001  # the process's edge: nothing is lost, the ledger has it
            failures = failures + 1 if time.monotonic() - began < STEADY else 1
            log.error("engine failed", error=kind_of(error), failures=failures)  # noqa: TRY400  # texts may hold data
            await asyncio.sleep(2.0 ** (failures - 1) if failures <= RESTARTS else 0)
        else:
            return
    failed.set()


def kind_of(error: BaseException) -> str:
    """Name an error, or the first of a group, without its text."""
    return kind_of(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else type(error).__name__
