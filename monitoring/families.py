"""Gauges as a scrape gives them, named as the definitions say."""

from __future__ import annotations

from prometheus_client.core import GaugeMetricFamily

from monitoring.definitions import DEFINITIONS


def gauge(name: str, value: float | None = None) -> GaugeMetricFamily:
    """Begin a gauge; one without labels may be given its value."""
    said = DEFINITIONS[name]
    made = GaugeMetricFamily(name, said.meaning, labels=said.labels)
    if value is not None:
        made.add_metric([], value)
    return made
