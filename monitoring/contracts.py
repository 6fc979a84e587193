"""What comparisons of contracts found, whichever process made them: drift, its age, and when certificates end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from hub.drift.shelf import Shelf
from monitoring.families import gauge


@dataclass(frozen=True, eq=False)
class DriftCollector(Collector):
    """Publishes what the last comparison of each target's contract found."""

    shelf: Shelf
    names: Sequence[str]

    def collect(self) -> Iterable[Metric]:
        """Read what is kept of each target; one whose contract nobody ever compared has no sample."""
        drift, compared = gauge("hub_contract_drift"), gauge("hub_contract_compared_timestamp_seconds")
        expiry = gauge("hub_certificate_expiry_timestamp_seconds")
        for name in self.names:
            last = self.shelf.last(name)
            if {"drift", "compared_at"} <= last.keys():
                drift.add_metric([name], last["drift"])
                compared.add_metric([name], _seconds(last["compared_at"]))
            if last.get("expires_at"):
                expiry.add_metric([name], _seconds(last["expires_at"]))
        yield from (drift, compared, expiry)


def _seconds(said: str) -> float:
    return datetime.fromisoformat(said).timestamp()
