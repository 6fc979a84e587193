"""The hub's metrics for Prometheus: events become samples, and the ledger is counted at every scrape.

Labels are kinds, targets, operations, stages and codes from our own tables: bounded, and never an id, a value
or a target's own text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, Info, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub import targets
from hub.app import Hub
from hub.balance import balance
from hub.events import Accepted, Attempted, HubEvent, Staged, Swept
from hub.ledger import Ledger
from hub.lifecycle import Event
from hub.manifest import UNMAPPED
from hub.tables import BreakerState

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


@cache
def sample(metric: Any, *labels: str) -> Any:
    """Give the sample of a metric that bears these labels; they are bounded, and finding one takes a lock."""
    return metric.labels(*labels)


class Samples:
    """The counters and histograms that events feed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.accepted = Counter("hub_accepted", "Requests accepted", ["kind"], registry=registry)
        self.replayed = Counter("hub_replayed", "Requests repeated by a front end", ["kind"], registry=registry)
        self.attempts = Counter(
            "hub_attempts",
            "Deliveries sent (send) and questions asked (ask), by outcome",
            ["target", "operation", "kind", "outcome"],
            registry=registry,
        )
        self.seconds = Histogram(
            "hub_attempt_seconds",
            "How long a target took to answer, or not to",
            ["target", "operation"],
            buckets=SECONDS,
            registry=registry,
        )
        self.retries = Counter("hub_retries", "Deliveries put off until later", ["target"], registry=registry)
        self.unmapped = Counter(
            "hub_unmapped_errors", "Errors that a connector's table does not know", ["target"], registry=registry
        )
        self.late = Counter(
            "hub_late_outcomes", "Outcomes that came after the delivery had moved on", ["target"], registry=registry
        )
        self.swept = Counter("hub_swept", "Claims taken back from an owner that died", ["target"], registry=registry)
        self.stages = Counter("hub_stages", "Stages reached by requests", ["kind", "stage"], registry=registry)

    def record(self, event: HubEvent) -> None:
        """Turn one event into samples."""
        match event:
            case Accepted(kind=kind, replayed=replayed):
                sample(self.replayed if replayed else self.accepted, kind).inc()
            case Staged(kind=kind, stage=stage):
                sample(self.stages, kind, stage).inc()
            case Swept(target=target):
                sample(self.swept, target).inc()
            case Attempted():
                self._attempted(event)

    def _attempted(self, event: Attempted) -> None:
        verb = "ask" if event.asked else "send"
        sample(self.attempts, event.target, event.operation, verb, event.outcome).inc()
        sample(self.seconds, event.target, event.operation).observe(event.seconds)
        if event.outcome == Event.DEFERRED:
            sample(self.retries, event.target).inc()
        if event.code == UNMAPPED:
            sample(self.unmapped, event.target).inc()
        if event.late:
            sample(self.late, event.target).inc()


@dataclass(frozen=True)
class LedgerCollector(Collector):
    """Counts the ledger at each scrape, so that what is published is what is on disk."""

    ledger: Ledger

    def collect(self) -> Iterable[Metric]:
        """Read the balance and every target's health."""
        yield from self._balance()
        yield from self._targets()

    def _balance(self) -> Iterable[Metric]:
        requests = GaugeMetricFamily("hub_requests", "Requests by where they stand now", labels=["kind", "status"])
        accepted = GaugeMetricFamily("hub_ledger_accepted", "Requests ever accepted", labels=["kind"])
        imbalance = 0
        for kind in self.ledger.look(balance):
            accepted.add_metric([kind.kind], kind.accepted)
            imbalance += abs(kind.imbalance)
            for status, count in kind.standing.items():
                requests.add_metric([kind.kind, status], count)
        yield requests
        yield accepted
        yield GaugeMetricFamily(
            "hub_ledger_imbalance", "Accepted minus accounted for, over all kinds: zero, or a fault", value=imbalance
        )

    def _targets(self) -> Iterable[Metric]:
        backlog = GaugeMetricFamily("hub_backlog", "Deliveries not yet in hand or settled", labels=["target"])
        oldest = GaugeMetricFamily("hub_oldest_age_seconds", "Age of the oldest delivery that waits", labels=["target"])
        breaker = GaugeMetricFamily("hub_breaker", "1 for the state the breaker is in", labels=["target", "state"])
        paused = GaugeMetricFamily("hub_target_paused", "1 when a person paused the target", labels=["target"])
        success = GaugeMetricFamily(
            "hub_last_success_timestamp_seconds", "When the target last answered well", labels=["target"]
        )
        now = self.ledger.book.now()
        for target in self.ledger.look(targets.health):
            backlog.add_metric([target.name], target.backlog)
            oldest.add_metric([target.name], (now - target.oldest_at) / 1000 if target.oldest_at else 0)
            paused.add_metric([target.name], target.paused)
            success.add_metric([target.name], target.last_success_at / 1000)
            for state in BreakerState:
                breaker.add_metric([target.name, state], target.breaker == state)
        yield from (backlog, oldest, breaker, paused, success)


def attach(hub: Hub) -> None:
    """Listen to a hub, and serve its `/metrics`."""
    registry = CollectorRegistry()
    hub.announcer.listen(Samples(registry).record)
    registry.register(LedgerCollector(hub.ledger))
    Info("hub_build", "This hub's version", registry=registry).info({"version": version("city-hub")})

    async def metrics(_request: Request) -> Response:
        text = await asyncio.to_thread(generate_latest, registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    hub.routes.append(Route("/metrics", metrics))
