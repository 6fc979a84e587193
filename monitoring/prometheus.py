"""The hub's metrics for Prometheus: events become samples, and the ledger is counted at every scrape.

Labels are kinds, targets, operations, stages and codes from our own tables: bounded, and never an id, a value
or a target's own text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import version
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, Row, func, select, text
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub import targets
from hub.app import Hub
from hub.balance import KindBalance, balance
from hub.calendar import Clock
from hub.clock import system_clock
from hub.drift.shelf import Shelf
from hub.events import Accepted, Asked, Attempted, Collected, HubEvent, Staged, Swept
from hub.ledger import Ledger
from hub.lifecycle import Event
from hub.manifest import UNMAPPED
from hub.policy import Policy
from hub.tables import DELIVERIES, OPEN, REQUESTS, TROUBLED, BreakerState, among

UNTRUSTED: Final = "tls"
"""The code of a call whose target showed a certificate that is over, or that nobody vouches for."""

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
        self.untrusted = Counter(
            "hub_certificate_failures", "Calls refused for the target's certificate", ["target"], registry=registry
        )
        self.late = Counter(
            "hub_late_outcomes", "Outcomes that came after the delivery had moved on", ["target"], registry=registry
        )
        self.swept = Counter("hub_swept", "Claims taken back from an owner that died", ["target"], registry=registry)
        self.queries = Counter("hub_queries", "Live questions, by outcome", ["query", "outcome"], registry=registry)
        self.query_seconds = Histogram(
            "hub_query_seconds", "How long a live question took", ["query"], buckets=SECONDS, registry=registry
        )
        self.collected = Counter(
            "hub_collected", "Things fetched from targets that held them", ["target", "outcome"], registry=registry
        )
        self.stages = Counter("hub_stages", "Stages reached by requests", ["kind", "stage"], registry=registry)

    def foresee(self, names: Iterable[str]) -> None:
        """Begin at zero what is rare: Prometheus sees no increase in a counter that appears with its first event."""
        for name in names:
            for counter in (self.retries, self.unmapped, self.untrusted, self.late, self.swept):
                sample(counter, name)

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
            case Asked(query=query, status=status, remembered=remembered):
                sample(self.queries, query, "remembered" if remembered else status).inc()
                sample(self.query_seconds, query).observe(event.seconds)
            case Collected(target=target, taken=taken):
                sample(self.collected, target, "taken" if taken else "declined").inc()

    def _attempted(self, event: Attempted) -> None:
        verb = "ask" if event.asked else "send"
        sample(self.attempts, event.target, event.operation, verb, event.outcome).inc()
        sample(self.seconds, event.target, event.operation).observe(event.seconds)
        if event.outcome == Event.DEFERRED:
            sample(self.retries, event.target).inc()
        if event.code == UNMAPPED:
            sample(self.unmapped, event.target).inc()
        if event.code == UNTRUSTED:
            sample(self.untrusted, event.target).inc()
        if event.late:
            sample(self.late, event.target).inc()


TROUBLES: Final = (
    select(
        DELIVERIES.c.target,
        DELIVERIES.c.state,
        func.count().label("deliveries"),
        func.min(DELIVERIES.c.created_at).label("oldest_at"),
    )
    .where(text(among(TROUBLED)))
    .group_by(DELIVERIES.c.target, DELIVERIES.c.state)
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the ledger holds now, read in one snapshot."""

    balance: Sequence[KindBalance]
    targets: Sequence[targets.Health]
    troubles: Sequence[Row[Any]]
    pressing: Mapping[str, tuple[int, int]]
    """Kind on the law's clock → its open requests that are late, and those that will soon be."""


def standing(connection: Connection, clocks: Mapping[str, Clock], now: int) -> Standing:
    """Count what a scrape publishes."""
    pressing = {kind: _pressing(connection, kind, clock, now) for kind, clock in clocks.items()}
    troubles = connection.execute(TROUBLES).all()
    return Standing(balance(connection), targets.health(connection, now), troubles, pressing)


def _pressing(connection: Connection, kind: str, clock: Clock, now: int) -> tuple[int, int]:
    """Count a kind's open requests whose time is over, and those whose time will soon be."""
    soon = now + int(clock.warn.total_seconds() * 1000)
    due = select(REQUESTS.c.due_at).where(text(OPEN), REQUESTS.c.kind == kind, REQUESTS.c.due_at <= soon)
    instants = connection.scalars(due).all()
    late = sum(instant <= now for instant in instants)
    return late, len(instants) - late


def answers(value: int) -> Metric:
    """Say whether the ledger answers."""
    return GaugeMetricFamily("hub_ledger_up", "1 when the ledger answered this scrape", value=value)


@dataclass(frozen=True, eq=False)
class LedgerCollector(Collector):
    """Counts the ledger at each scrape, so that what is published is what is on disk."""

    ledger: Ledger
    policies: Mapping[str, Policy]
    """Target → how it is treated, for those of this installation."""
    clocks: Mapping[str, Clock]
    """Kind → the time that the law gives it, for those that it gives one."""

    def collect(self) -> Iterable[Metric]:
        """Read the balance and every target's health; a ledger that does not answer says only that."""
        ahead = (system_clock() - self.ledger.book.now()) / 1000
        yield GaugeMetricFamily("hub_clock_offset_seconds", "This machine's clock minus the ledger's", value=ahead)
        try:
            counted = self.ledger.look(standing, self.clocks, self.ledger.book.now())
        except SQLAlchemyError:
            yield answers(value=0)
            return
        yield answers(value=1)
        yield from self._balance(counted.balance)
        yield from self._targets(counted.targets)
        yield from self._troubles(counted)
        yield from self._pressing(counted)

    def _pressing(self, counted: Standing) -> Iterable[Metric]:
        due = GaugeMetricFamily("hub_due", "Open requests whose legal time is nearly over", labels=["kind", "left"])
        for kind, (late, soon) in counted.pressing.items():
            due.add_metric([kind, "none"], late)
            due.add_metric([kind, "little"], soon)
        yield due

    def _balance(self, kinds: Sequence[KindBalance]) -> Iterable[Metric]:
        requests = GaugeMetricFamily("hub_requests", "Requests by where they stand now", labels=["kind", "status"])
        accepted = GaugeMetricFamily("hub_ledger_accepted", "Requests ever accepted", labels=["kind"])
        imbalance = 0
        for kind in kinds:
            accepted.add_metric([kind.kind], kind.accepted)
            imbalance += abs(kind.imbalance)
            for status, count in kind.standing.items():
                requests.add_metric([kind.kind, status], count)
        yield requests
        yield accepted
        yield GaugeMetricFamily(
            "hub_ledger_imbalance", "Accepted minus accounted for, over all kinds: zero, or a fault", value=imbalance
        )

    def _targets(self, healths: Sequence[targets.Health]) -> Iterable[Metric]:
        backlog = GaugeMetricFamily("hub_backlog", "Deliveries not yet in hand or settled", labels=["target"])
        oldest = GaugeMetricFamily("hub_oldest_age_seconds", "Age of the oldest delivery that waits", labels=["target"])
        breaker = GaugeMetricFamily("hub_breaker", "1 for the state the breaker is in", labels=["target", "state"])
        paused = GaugeMetricFamily("hub_target_paused", "1 when a person paused the target", labels=["target"])
        opened = GaugeMetricFamily("hub_target_open", "1 within the hours of the target", labels=["target"])
        success = GaugeMetricFamily(
            "hub_last_success_timestamp_seconds", "When the target last answered well", labels=["target"]
        )
        now = self.ledger.book.now()
        for target in healths:
            backlog.add_metric([target.name], target.backlog)
            oldest.add_metric([target.name], (now - target.oldest_at) / 1000 if target.oldest_at else 0)
            paused.add_metric([target.name], target.paused)
            success.add_metric([target.name], target.last_success_at / 1000)
            for state in BreakerState:
                breaker.add_metric([target.name, state], target.breaker == state)
        for name, policy in self.policies.items():
            opened.add_metric([name], policy.opening(now) <= now)
        yield from (backlog, oldest, breaker, paused, opened, success)

    def _troubles(self, counted: Standing) -> Iterable[Metric]:
        """Publish every state of trouble of every target: none of them is a zero, for alerts to see it change."""
        troubled = GaugeMetricFamily("hub_troubled", "Deliveries that went wrong once", labels=["target", "state"])
        oldest = GaugeMetricFamily(
            "hub_troubled_oldest_age_seconds", "Age of the oldest of them", labels=["target", "state"]
        )
        now = self.ledger.book.now()
        found = {(row.target, row.state): row for row in counted.troubles}
        none = {(target.name, str(state)): None for target in counted.targets for state in TROUBLED}
        for labels, row in (none | found).items():
            troubled.add_metric(labels, row.deliveries if row else 0)
            oldest.add_metric(labels, (now - row.oldest_at) / 1000 if row else 0)
        yield from (troubled, oldest)


@dataclass(frozen=True, eq=False)
class DriftCollector(Collector):
    """Publishes what the last comparison of each target's contract found, whichever process made it."""

    shelf: Shelf
    names: Sequence[str]

    def collect(self) -> Iterable[Metric]:
        """Read what is kept of each target; one whose contract nobody ever compared has no sample."""
        drift = GaugeMetricFamily("hub_contract_drift", "1 when the target's contract is not ours", labels=["target"])
        compared = GaugeMetricFamily(
            "hub_contract_compared_timestamp_seconds", "When it was compared, or first tried", labels=["target"]
        )
        for name in self.names:
            last = self.shelf.last(name)
            if {"drift", "compared_at"} <= last.keys():
                drift.add_metric([name], last["drift"])
                compared.add_metric([name], datetime.fromisoformat(last["compared_at"]).timestamp())
        yield from (drift, compared)


def attach(hub: Hub) -> None:
    """Listen to a hub, and serve its `/metrics`."""
    registry = CollectorRegistry()
    samples = Samples(registry)
    samples.foresee(hub.targets)
    hub.announcer.listen(samples.record)
    policies = {name: target.policy for name, target in hub.targets.items()}
    clocks = {name: one.route.clock for name, one in hub.catalogue.kinds.items() if one.route.clock}
    registry.register(LedgerCollector(hub.ledger, policies, clocks))
    registry.register(DriftCollector(Shelf(hub.settings.contracts), tuple(hub.targets)))
    refused = Gauge("hub_catalogue_refused", "1 while changed files are refused", registry=registry)
    refused.set_function(lambda: bool(hub.reloader.state.findings))
    Info("hub_build", "This hub's version", registry=registry).info({"version": version("city-hub")})

    async def metrics(_request: Request) -> Response:
        text = await asyncio.to_thread(generate_latest, registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    hub.routes.append(Route("/metrics", metrics))
