"""The composition root: the one place where settings become a running hub."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import sqlalchemy
import structlog
from starlette.routing import BaseRoute

from hub.attachments import Attachments
from hub.audit import Chain
from hub.audit_keeper import AuditKeeper
from hub.audited import AUDITED, OF_THE_LEDGER
from hub.batch_runner import BatchRunner
from hub.book import Book, Callback
from hub.callers import Callers, open_callers
from hub.catalogue import CALLBACK_MAPPING, Catalogue, Definition
from hub.clock import SteadyClock, database_clock, keep_time, system_clock
from hub.collector import Collector
from hub.confirmer import Confirmer
from hub.connector import Configured, Connector, Finder
from hub.database import is_server, open_database, prepare
from hub.engine import Engine, ignore
from hub.errors import ConfigurationError
from hub.events import Announcer
from hub.inbox import Inbox, Wake
from hub.inquiry import Inquirer
from hub.keys import are_there_any
from hub.ledger import Ledger
from hub.locker import any_key, check, open_vault, register
from hub.mapping import CompiledMapping
from hub.model import Effect, Instant
from hub.owner import FileOwner, Owner, ServerOwner, new_name, without_lock
from hub.policy import Policy
from hub.privacy.janitor import Janitor
from hub.prober import Prober
from hub.proof.admission import admit
from hub.query import Query
from hub.queue import Herald, Listener
from hub.reload import Reloader, read_still
from hub.reload_door import doors
from hub.routing import Done, only_asks
from hub.scanner import scan_by
from hub.settings import Settings, TargetSettings
from hub.stores import open_store
from hub.surveyor import Surveyor
from hub.target import LiveTarget
from hub.targets import Declared
from hub.tracing import Tracer
from hub.vault import Vault

STEADY: Final = 60.0
"""Seconds after which an engine that ran is one that runs: its earlier failures are forgotten."""

RESTARTS: Final = 3
"""How often the engine is started again before the process ends, for its service manager to see."""

END_WITHIN: Final = 5.0
"""Seconds that what is cancelled may take to end."""

TICKS_WITHIN: Final = 30.0
"""Seconds within which an engine that works looks round."""

log = structlog.get_logger()


@dataclass
class Hub:
    """A hub at work: what the API, the CLI and the monitors are handed."""

    settings: Settings
    ledger: Ledger
    targets: Mapping[str, LiveTarget]
    engine: Engine
    attachments: Attachments
    inbox: Inbox
    inquirer: Inquirer
    callers: Callers
    announcer: Announcer
    secret: bytes
    reloader: Reloader
    """Takes changed mappings, routes, kinds and queries."""
    owner: str
    """By which name the ledger knows what this process claims."""
    wake: Wake
    """Says which deliveries are due, to whoever carries them."""
    keeper: AuditKeeper
    """Keeps this process's part of the audit."""
    carries: bool = True
    """Whether the engine works in this process."""
    hints: bool = False
    """Whether a broker nudges."""
    routes: list[BaseRoute] = field(default_factory=list)
    """What monitors add to the API."""
    failed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when this process could not be kept doing its part: it must end."""

    @property
    def catalogue(self) -> Catalogue:
        """What this process goes by now; another takes its place when files change."""
        return self.ledger.book.catalogue

    @property
    def is_carrying(self) -> bool:
        """Whether the engine looks round as it should, if it works in this process."""
        looks_round = time.monotonic() - self.engine.last_tick < TICKS_WITHIN
        return not self.failed.is_set() and (looks_round or not self.carries)


@asynccontextmanager
async def open_hub(
    settings: Settings, *, serve: bool = True, hints: bool = False, targets: Collection[str] | None = None
) -> AsyncIterator[Hub]:
    """Open the ledger, connect the targets, and work until the block ends; raises ConfigurationError.

    With `serve` this process carries deliveries, those of `targets` or all. With `hints` the broker nudges: a
    process that serves hears what is due, one that does not says so.
    """
    catalogue, seen = read_still(settings)
    configured = {**builtin(catalogue), **settings.targets}
    live = {name: connect(catalogue, name, said) for name, said in configured.items()}
    catalogue = offer(catalogue, live)
    _check_names(settings, live, targets)
    _check_sites(settings, live)
    admit(catalogue, settings.places)
    announcer = Announcer()
    async with AsyncExitStack() as closing:
        closing.push_async_callback(_close_connectors, live)
        ledger, owner = await _open_ledger(settings, catalogue, live, closing)
        secret = settings.secret(is_new=not await ledger.read(are_there_any))
        keeper = _keep_audit(settings, ledger, secret, closing)
        herald = _herald(settings, live, closing) if hints and (targets is not None or not serve) else None
        attachments = Attachments(ledger, await open_store(settings.files), scan_by(settings.scanner))
        engine = Engine(
            ledger,
            live,
            owner,
            attachments,
            announcer,
            sweep_every=settings.sweep_every,
            serves=targets,
            tell_others=herald.wake if herald else ignore,
            tracer=Tracer(secret),
        )
        wake: Wake = herald.wake if herald and not serve else engine.wake
        inbox = Inbox(ledger, attachments, announcer, wake=wake, secret=secret)
        callers = open_callers(settings, ledger, secret, closing)
        reloader = Reloader(ledger, settings.places, seen, partial(offer, live=live))
        hub = Hub(
            settings,
            ledger,
            live,
            engine,
            attachments,
            inbox,
            Inquirer(ledger, live, announcer),
            callers,
            announcer,
            secret,
            reloader,
            owner.name,
            wake,
            keeper,
            carries=serve,
            hints=hints,
            routes=[*doors(reloader, callers)],
        )
        attach_monitors(hub)
        if settings.reload_every:
            watching = asyncio.create_task(reloader.run(settings.reload_every.total_seconds()))
            closing.callback(watching.cancel)
        if serve:
            await _serve(hub, targets, closing, hints=hints)
        yield hub


def _keep_audit(settings: Settings, ledger: Ledger, secret: bytes, closing: AsyncExitStack) -> AuditKeeper:
    """Have what is done written in the audit, and keep it, until the hub closes."""
    chain = Chain(secret, ledger.book.now)
    ledger.audit_with(chain, AUDITED, OF_THE_LEDGER)
    keeper = AuditKeeper(ledger, chain, settings.audit)
    closing.push_async_callback(keeper.close)
    for work in (keeper.listen, keeper.witness, keeper.forget):
        closing.push_async_callback(_end, asyncio.create_task(work()))
    return keeper


async def _serve(hub: Hub, targets: Collection[str] | None, closing: AsyncExitStack, *, hints: bool) -> None:
    """Carry deliveries until the hub closes, hear hints about them if there are any, fetch what targets hold, count."""
    served = {name: target for name, target in hub.targets.items() if targets is None or name in targets}
    collector = Collector(hub.ledger, hub.attachments, hub.inbox, hub.announcer, every=hub.settings.fetch_every)
    batches = BatchRunner(hub.ledger, hub.wake, hub.announcer, every=hub.settings.sweep_every)
    confirmer = Confirmer(hub.ledger, hub.announcer, wake=hub.wake, every=hub.settings.sweep_every)
    works: list[Callable[[], Awaitable[None]]] = [
        hub.engine.run,
        partial(collector.run, served),
        partial(confirmer.run, served, all_there_are=targets is None),
        batches.run,
        Surveyor(hub.ledger).run,
    ]
    if every := hub.settings.purge_every:
        store = await open_store(hub.settings.files)
        works.append(Janitor(hub.ledger, store, hub.settings.retention, every=every).run)
    if every := hub.settings.probe_every:
        works.append(partial(Prober(hub.ledger, hub.announcer, every=every).run, served))
    for work in works:
        working = asyncio.create_task(supervise(work, hub.failed))
        closing.push_async_callback(_end, working)
    closing.push_async_callback(hub.engine.stop, hub.settings.grace)
    if hints:
        closing.push_async_callback(asyncio.to_thread, _listen(hub, targets).close)


async def _end(working: asyncio.Task[None]) -> None:
    """Cancel what works, and let it hand its connections back."""
    working.cancel()
    await asyncio.wait([working], timeout=END_WITHIN)


def _listen(hub: Hub, targets: Collection[str] | None) -> Listener:
    """Hear hints for the engine; without them it would go on, but late, so a process that cannot must end."""
    loop = asyncio.get_running_loop()

    def hear(target: str, deliveries: list[int]) -> None:
        loop.call_soon_threadsafe(hub.engine.hint, target, deliveries)

    def ended() -> None:
        log.error("the consumer of hints ended")
        loop.call_soon_threadsafe(hub.failed.set)

    return Listener(_broker(hub.settings), hub.targets if targets is None else targets, hear, ended)


async def _open_ledger(
    settings: Settings, catalogue: Catalogue, live: Mapping[str, LiveTarget], closing: AsyncExitStack
) -> tuple[Ledger, Owner]:
    """Open the ledger under a name of this process's own, with its clock kept, and write down what it must know."""
    database = open_database(settings.database)
    prepare(database)
    shared = is_server(settings.database)
    with database.connect() as connection:
        reading = database_clock(connection) if shared else system_clock()
    clock = SteadyClock(reading, shared=shared)
    callbacks = {
        name: Callback(said.callback, f"{live[said.callback].connector_name}/{CALLBACK_MAPPING}")
        for name, said in settings.front_ends.items()
        if said.callback
    }
    operations = {name: target.operations for name, target in live.items()}
    finds = {name: one.connector.finds for name, one in live.items() if isinstance(one.connector, Finder)}
    vault = _open_vault(settings, database)
    file = None if shared else FileOwner(Path(database.url.database or "hub"))
    name = file.name if file else new_name()
    book = Book(catalogue, callbacks, operations, clock, settings.sites, finds=finds, vault=vault)
    ledger = Ledger(database, book, name)
    owner: Owner = file or ServerOwner(name, lambda names: ledger.read(without_lock, names))
    closing.callback(owner.close)
    closing.push_async_callback(ledger.close)

    async def read_clock() -> Instant:
        return await ledger.read(database_clock) if shared else system_clock()

    keeping = asyncio.create_task(keep_time(clock, read_clock))
    closing.callback(keeping.cancel)
    await ledger.keep(catalogue)
    for sealing in vault.keys.names:
        await ledger.write(register, (sealing, clock()))
    await ledger.read(check, vault.keys)  # again: another machine may have begun with keys of its own at the same time
    for target in live.values():
        await ledger.declare(Declared(target.name, target.connector_name, target.policy))
    return ledger, owner


def _open_vault(settings: Settings, database: sqlalchemy.Engine) -> Vault:
    """Open the vault; raises ConfigurationError when a key is missing that something is sealed under."""
    with database.connect() as connection:
        vault = open_vault(settings, is_new=not any_key(connection))
        check(connection, vault.keys)
    return vault


def _herald(settings: Settings, targets: Collection[str], closing: AsyncExitStack) -> Herald:
    """Publish hints to whoever serves, until the hub closes."""
    herald = Herald(_broker(settings), targets)
    closing.push_async_callback(asyncio.to_thread, herald.close)
    return herald


def _broker(settings: Settings) -> str:
    """Give the broker's address; raises ConfigurationError, without its password, when it is none."""
    try:
        parts = urlsplit(settings.broker or "")
        if parts.scheme in {"amqp", "amqps"} and parts.hostname and parts.port != 0:
            return str(settings.broker)
    except ValueError:  # its text shows part of a password
        pass
    wanted = (
        "the broker's address, amqp://USER:PASSWORD@HOST/VHOST, with % before two digits for what a URL cannot hold"
    )
    raise ConfigurationError("HUB_BROKER_URL", wanted)


async def _close_connectors(live: Mapping[str, LiveTarget]) -> None:
    for target in live.values():
        await target.connector.close()


def builtin(catalogue: Catalogue) -> dict[str, TargetSettings]:
    """Give the targets that every installation has."""
    names = [name for name, manifest in catalogue.manifests.items() if manifest.builtin]
    return {name: TargetSettings(connector=name) for name in names}


def connect(catalogue: Catalogue, name: str, said: TargetSettings) -> LiveTarget:
    """Make a target from its settings; raises ConfigurationError naming the target."""
    if said.connector not in catalogue.manifests:
        known = ", ".join(sorted(catalogue.manifests))
        raise ConfigurationError("hub.yaml", f"targets.{name}: no connector is called {said.connector!r} ({known})")
    manifest = catalogue.manifests[said.connector]
    package = catalogue.packages[said.connector]
    try:
        offer = package.load()
    except ImportError as error:
        wanted = f"the package {package.module}, which cannot be imported: {error}"
        raise ConfigurationError(package.folder, f"targets.{name}: {wanted}") from None
    try:
        connector: Connector = offer.connect(said.settings, catalogue.errors[said.connector])
        policy = merge(manifest.policy, said.policy)
    except ValueError as error:
        raise ConfigurationError("hub.yaml", f"targets.{name}: {describe(error)}") from None
    operations = connector.operations if isinstance(connector, Configured) else manifest.operations
    return LiveTarget(name, said.connector, connector, policy, operations, manifest.stage)


def offer(catalogue: Catalogue, live: Mapping[str, LiveTarget]) -> Catalogue:
    """Keep of a catalogue what this installation's targets allow; raises ConfigurationError."""
    return replace(catalogue, kinds=offered(catalogue, live), queries=askable(catalogue, live))


def offered(catalogue: Catalogue, live: Mapping[str, LiveTarget]) -> dict[str, Definition]:
    """Give the kinds all of whose targets this installation has; the others are not accepted, and said so once.

    Raises ConfigurationError when a route's mapping is written for another connector than its target's.
    """
    kinds, lacking = {}, []
    for kind, definition in catalogue.kinds.items():
        steps = definition.route.carried
        missing = sorted({step.target for step in steps} - live.keys())
        if missing:
            lacking.append(f"{kind}: {', '.join(missing)}")
            continue
        for step in steps:
            _check_step(catalogue.folders[kind], step, definition.mappings[step.using], live[step.target])
        kinds[kind] = definition
    if lacking:
        log.warning("kinds not offered, for want of targets", lacking=lacking)
    return kinds


def askable(catalogue: Catalogue, live: Mapping[str, LiveTarget]) -> dict[str, Query]:
    """Give the queries whose target this installation has.

    Raises ConfigurationError when the mapping is written for another connector, or the operation changes something.
    """
    queries = {}
    for name, query in catalogue.queries.items():
        target = live.get(query.said.target)
        if target is None:
            continue
        operation = target.operations.get(query.mapping.operation)
        if query.mapping.connector != target.connector_name or operation is None or operation.effect is not Effect.SAFE:
            wanted = f"{query.said.using} must write for a safe operation of {target.connector_name}"
            raise ConfigurationError(catalogue.folders[name] / "query.yaml", wanted)
        queries[name] = query
    return queries


def _check_names(settings: Settings, live: Mapping[str, LiveTarget], targets: Collection[str] | None) -> None:
    """Raise ConfigurationError for a target that is named and not configured."""
    for front_end, said in settings.front_ends.items():
        if said.callback and said.callback not in live:
            wrong = f"front_ends.{front_end}.callback: no target is called {said.callback!r}"
            raise ConfigurationError("hub.yaml", wrong)
    unknown = sorted(set(targets or ()) - live.keys())
    if unknown:
        raise ConfigurationError("--targets", f"among {', '.join(sorted(live))}: no target is called {unknown[0]!r}")


def _check_sites(settings: Settings, live: Mapping[str, LiveTarget]) -> None:
    """Raise ConfigurationError for a site whose target is not there, or speaks to another kind of system."""
    for site, there in settings.sites.items():
        for name, instead in there.items():
            if not {name, instead} <= live.keys():
                lacking = name if name not in live else instead
                raise ConfigurationError("hub.yaml", f"sites.{site}: no target is called {lacking!r}")
            if live[name].connector_name != live[instead].connector_name:
                wanted = f"a {live[name].connector_name}, as {name} is"
                raise ConfigurationError("hub.yaml", f"sites.{site}.{name}: {instead} must be {wanted}")


def _check_step(folder: Path, step: Done, mapping: CompiledMapping, target: LiveTarget) -> None:
    if mapping.connector != target.connector_name:
        wanted = f"{step.using} writes for {mapping.connector}, the target {target.name} is a {target.connector_name}"
        raise ConfigurationError(folder / "route.yaml", f"step {step.name}: {wanted}")
    if mapping.operation not in target.operations:
        known = ", ".join(sorted(target.operations))
        raise ConfigurationError(
            folder / "route.yaml", f"step {step.name}: {target.name} has no operation {mapping.operation!r} ({known})"
        )
    if only_asks(step) and target.operations[mapping.operation].effect is not Effect.SAFE:
        wanted = f"step {step.name}: it asks, and {mapping.operation} of {target.name} is not safe"
        raise ConfigurationError(folder / "route.yaml", wanted)


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
