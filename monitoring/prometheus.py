"""The hub's metrics for Prometheus: events become samples, and the ledger is counted at a scrape.

Labels are kinds, targets, operations, stages and codes from our own tables: bounded, and never an id, a value
or a target's own text.
"""

from __future__ import annotations

import asyncio
import platform
from importlib.metadata import version

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, Info, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.app import Hub
from hub.drift.shelf import Shelf
from monitoring.collectors import LedgerCollector
from monitoring.contracts import DriftCollector
from monitoring.definitions import DEFINITIONS
from monitoring.machinery import BrokerCollector, DatabaseCollector
from monitoring.samples import Samples


def attach(hub: Hub) -> None:
    """Listen to a hub, and serve its `/metrics`."""
    registry = registry_of(hub)

    async def metrics(_request: Request) -> Response:
        text = await asyncio.to_thread(generate_latest, registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    hub.routes.append(Route("/metrics", metrics))


def registry_of(hub: Hub) -> CollectorRegistry:
    """Gather everything that a hub publishes."""
    registry = CollectorRegistry()
    samples = Samples(registry)
    samples.foresee(hub.catalogue.kinds, hub.targets)
    hub.announcer.listen(samples.record)
    policies = {name: target.policy for name, target in hub.targets.items()}
    registry.register(LedgerCollector(hub.ledger, policies))
    registry.register(DatabaseCollector(hub.ledger))
    registry.register(BrokerCollector(hub.settings.broker if hub.hints else None, tuple(hub.targets)))
    registry.register(DriftCollector(Shelf(hub.settings.contracts), tuple(hub.targets)))
    refused = Gauge("hub_catalogue_refused", DEFINITIONS["hub_catalogue_refused"].meaning, registry=registry)
    refused.set_function(lambda: bool(hub.reloader.state.findings))
    build = Info("hub_build", DEFINITIONS["hub_build"].meaning, registry=registry)
    build.info({"version": version("city-hub"), "python": platform.python_version(), "mode": mode_of(hub)})
    return registry


def mode_of(hub: Hub) -> str:
    """Say what part of a hub's work this process does."""
    if not hub.hints:
        return "alone" if hub.carries else "api"
    return "worker" if hub.carries else "api"
