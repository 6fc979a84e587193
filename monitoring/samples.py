"""The counters and histograms that events feed: each process counts what happens in it, so several add up."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from hub.events import (
    Accepted,
    Asked,
    Attempted,
    Claimed,
    Collected,
    HubEvent,
    Mapped,
    Probed,
    Staged,
    Swept,
    Throttled,
)
from hub.lifecycle import Event
from hub.manifest import UNMAPPED
from monitoring.definitions import BOUNDS, DEFINITIONS, Sort

UNTRUSTED: Final = "tls"
"""The code of a call whose target showed a certificate that is over, or that nobody vouches for."""

RARE: Final = (
    "hub_retries",
    "hub_unmapped_errors",
    "hub_certificate_failures",
    "hub_late_outcomes",
    "hub_swept",
    "hub_throttled_seconds",
)
"""Counters by target that begin at zero: Prometheus sees no increase in one that appears with its first event."""

PHASES: Final = ("commit", "wait", "map", "send", "record")


@cache
def sample(metric: Any, *labels: str) -> Any:
    """Give the sample of a metric that bears these labels; they are bounded, and finding one takes a lock."""
    return metric.labels(*labels)


class Samples:
    """What events make of the metrics that the definitions name."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._metrics = {
            name: _made(name, registry)
            for name, said in DEFINITIONS.items()
            if said.sort in {Sort.COUNTER, Sort.HISTOGRAM} or name == "hub_probe_up"
        }
        self._probes = self._metrics["hub_probe_up"]
        self._phases = {phase: sample(self._metrics["hub_phase_seconds"], phase) for phase in PHASES}

    def foresee(self, kinds: Iterable[str], targets: Iterable[str]) -> None:
        """Begin at zero what is rare, and what is missed when it does not come."""
        for name in targets:
            for rare in RARE:
                self._of(rare, name)
            for found in ("hint", "sweep"):
                self._of("hub_claimed", name, found)
        for kind in kinds:
            self._of("hub_accepted", kind)
            self._of("hub_replayed", kind)

    def record(self, event: HubEvent) -> None:
        """Turn one event into samples."""
        match event:
            case Accepted():
                self._accepted(event)
            case Attempted():
                self._attempted(event)
            case Claimed():
                self._claimed(event)
            case Mapped(messages=messages, seconds=seconds):
                for _ in range(messages):
                    self._phases["map"].observe(seconds / messages)
            case Staged(kind=kind, stage=stage):
                self._of("hub_stages", kind, stage).inc()
            case _:
                self._beside(event)

    def _beside(self, event: HubEvent) -> None:
        """Turn an event into samples that is not of a request's way."""
        match event:
            case Asked(query=query, status=status, remembered=remembered):
                self._of("hub_queries", query, "remembered" if remembered else status).inc()
                self._of("hub_query_seconds", query).observe(event.seconds)
            case Collected(target=target, taken=taken):
                self._of("hub_collected", target, "taken" if taken else "declined").inc()
            case Swept(target=target):
                self._of("hub_swept", target).inc()
            case Throttled(target=target, seconds=seconds):
                self._of("hub_throttled_seconds", target).inc(seconds)
            case Probed():
                self._probed(event)

    def _of(self, name: str, *labels: str) -> Any:
        return sample(self._metrics[name], *labels)

    def _accepted(self, event: Accepted) -> None:
        self._of("hub_replayed" if event.replayed else "hub_accepted", event.kind).inc()
        if event.seconds is not None:
            self._phases["commit"].observe(event.seconds)

    def _claimed(self, event: Claimed) -> None:
        self._of("hub_claimed", event.target, "hint" if event.told else "sweep").inc(len(event.waits))
        for wait in event.waits:
            self._phases["wait"].observe(wait)

    def _attempted(self, event: Attempted) -> None:
        verb = "ask" if event.asked else "send"
        self._of("hub_attempts", event.target, event.operation, verb, event.outcome).inc()
        self._phases["record"].observe(event.recording)
        if event.seconds is not None:
            self._of("hub_attempt_seconds", event.target, event.operation).observe(event.seconds)
            self._phases["send"].observe(event.seconds)
        if event.outcome == Event.DEFERRED:
            self._of("hub_retries", event.target).inc()
        if event.code == UNMAPPED:
            self._of("hub_unmapped_errors", event.target).inc()
        if event.code == UNTRUSTED:
            self._of("hub_certificate_failures", event.target).inc()
        if event.late:
            self._of("hub_late_outcomes", event.target).inc()

    def _probed(self, event: Probed) -> None:
        """Publish what a probe found; one that is not ours, or not made now, leaves nothing behind."""
        if event.up is None:
            self._probes.remove(event.target)
        else:
            self._probes.labels(event.target).set(event.up)


def _made(name: str, registry: CollectorRegistry) -> Any:
    said = DEFINITIONS[name]
    labels = list(said.labels)
    match said.sort:
        case Sort.COUNTER:
            return Counter(name, said.meaning, labels, registry=registry)
        case Sort.HISTOGRAM:
            return Histogram(name, said.meaning, labels, buckets=BOUNDS[name], registry=registry)
        case _:
            return Gauge(name, said.meaning, labels, registry=registry)
