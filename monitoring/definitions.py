"""Every metric of the hub, declared once: what publishes them, dashboards, alerts and the guide go by this table.

    python -m monitoring.definitions

prints it as the guide for operators has it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Sort(StrEnum):
    """What a metric is to Prometheus."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"
    INFO = "info"


class Across(StrEnum):
    """What one makes of what several processes publish under one name."""

    SUM = "sum"
    """Each counts what happened in it."""
    MAX = "max"
    """Each reads the same ledger, or one alone publishes."""
    EACH = "each"
    """It says something of the process itself."""


ENDINGS: Final = MappingProxyType(
    {
        Sort.COUNTER: ("_total",),
        Sort.INFO: ("_info",),
        Sort.GAUGE: ("",),
        Sort.HISTOGRAM: ("_bucket", "_count", "_sum"),
    }
)
"""How a metric's name goes on when it is scraped."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric: its name without an ending, its labels, and what an operator is told of it."""

    name: str
    sort: Sort
    across: Across
    labels: tuple[str, ...]
    meaning: str
    worry: str = ""

    @property
    def scraped(self) -> tuple[str, ...]:
        """The names of its samples."""
        return tuple(self.name + ending for ending in ENDINGS[self.sort])

    @property
    def shown(self) -> str:
        """How the guide writes it."""
        name = self.name if self.sort is Sort.HISTOGRAM else self.scraped[0]
        return f"{name}{{{', '.join(self.labels)}}}" if self.labels else name


def _counter(name: str, labels: str, meaning: str, worry: str = "") -> Definition:
    return Definition(name, Sort.COUNTER, Across.SUM, tuple(labels.split()), meaning, worry)


def _histogram(name: str, labels: str, meaning: str, worry: str = "") -> Definition:
    return Definition(name, Sort.HISTOGRAM, Across.SUM, tuple(labels.split()), meaning, worry)


def _ledger(name: str, labels: str, meaning: str, worry: str = "") -> Definition:
    return Definition(name, Sort.GAUGE, Across.MAX, tuple(labels.split()), meaning, worry)


def _process(name: str, labels: str, meaning: str, worry: str = "") -> Definition:
    return Definition(name, Sort.GAUGE, Across.EACH, tuple(labels.split()), meaning, worry)


_ALL: Final = (
    # The balance
    _ledger(
        "hub_ledger_imbalance",
        "",
        "requests accepted minus requests accounted for, on disk, over all kinds",
        "it is not 0: keep the file, and report a bug",
    ),
    _ledger("hub_kind_imbalance", "kind", "the same of one kind", "it is not 0"),
    _ledger(
        "hub_delivery_imbalance",
        "target",
        "deliveries that an earlier count of the process found, and the last did not",
        "it is not 0: rows were deleted",
    ),
    _ledger(
        "hub_requests",
        "kind status",
        "where all requests stand now",
        "`parked` grows faster than it is emptied; `uncertain` stays",
    ),
    _ledger("hub_ledger_accepted", "kind", "requests ever accepted, on disk"),
    _ledger("hub_deliveries", "target state", "where all deliveries stand"),
    _ledger(
        "hub_oldest_unintegrated_age_seconds",
        "kind",
        "age of the oldest request that has not come to its end",
        "it passes what the kind's citizens are promised",
    ),
    _ledger(
        "hub_stuck",
        "kind",
        "open requests that nothing will ever move: no delivery is open, no person is awaited",
        "it is not 0: report a bug, and finish them by hand",
    ),
    _process(
        "hub_ledger_counted_timestamp_seconds",
        "",
        "when all of this was last counted: a large ledger is counted less often than it is scraped",
        "it is minutes old",
    ),
    # The ledger and the process
    _process(
        "hub_ledger_up",
        "",
        "1 when the ledger answered this scrape; what is counted in it is only there then",
        "it is 0",
    ),
    _ledger("hub_ledger_bytes", "", "what the ledger takes on its disk", "the disk will not hold a year of its growth"),
    _process(
        "hub_ledger_connections",
        "pool state",
        "connections to the database: `looking` are those of scrapes, `serving` all others; `busy`, or at `most`",
        "`busy` stays at `most`",
    ),
    _process(
        "hub_clock_offset_seconds",
        "",
        "this machine's clock minus the ledger's, by which the hub goes",
        "it passes 2, either way",
    ),
    _process(
        "hub_catalogue_refused",
        "",
        "1 while changed mappings, routes, kinds or queries are refused",
        "it is not 0: `hub reload` says why",
    ),
    _process("hub_broker_up", "", "1 when the broker answered this scrape; only where there is one", "it is 0"),
    _ledger(
        "hub_broker_hints",
        "target",
        "messages in the broker's queue of a target",
        "it grows: no worker listens; the sweep does its work",
    ),
    Definition(
        "hub_build",
        Sort.INFO,
        Across.EACH,
        ("version", "python", "mode"),
        "what runs: the hub's version, Python's, and `alone`, `api` or `worker`",
    ),
    # What comes in
    _counter("hub_accepted", "kind", "requests accepted since the start", "it stands still on a working day"),
    _counter(
        "hub_replayed",
        "kind",
        "submissions repeated by a front end",
        "it nears `hub_accepted_total`: a portal does not read our answers",
    ),
    _counter("hub_stages", "kind stage", "stages reached", "an error's stage rises"),
    _ledger("hub_kind_received_day", "kind", "requests received in the last 24 hours"),
    _ledger(
        "hub_kind_expected_day",
        "kind",
        "the fewest received in the same 24 hours of the last four weeks; 0 about public holidays",
        "it is not small, and nothing was received",
    ),
    _ledger(
        "hub_due",
        "kind left",
        "open requests whose legal time is over (`none`), or soon will be (`little`)",
        "`none` is not 0",
    ),
    # Targets
    _ledger(
        "hub_backlog",
        "target",
        "deliveries that wait to be sent or asked about",
        "it grows while the target is neither paused nor closed",
    ),
    _ledger("hub_oldest_age_seconds", "target", "age of the oldest of them", "it passes what the department promised"),
    _ledger(
        "hub_troubled",
        "target state",
        "deliveries that went wrong once: `waiting` (with those that only wait for their time), `uncertain`, `asking`, "
        "`parked`",
        "`parked` grows",
    ),
    _ledger(
        "hub_troubled_oldest_age_seconds",
        "target state",
        "age of the oldest of them",
        "`uncertain` passes an hour; `parked`, a few days",
    ),
    _ledger(
        "hub_breaker",
        "target state",
        "1 for the state the breaker is in",
        "`open` for longer than the target's known outages",
    ),
    _ledger(
        "hub_probe_up",
        "target",
        "1 when the target was up and knew us at the last probe; none while it is paused or closed",
        "it is 0",
    ),
    _ledger(
        "hub_target_paused", "target", "1 while a person has paused it", "nobody remembers why: `hub targets` says"
    ),
    _ledger("hub_target_open", "target", "1 within its `hours`"),
    _ledger(
        "hub_last_success_timestamp_seconds",
        "target",
        "when it last answered well",
        "it is old and the backlog is not empty",
    ),
    _ledger(
        "hub_target_expected_day",
        "target",
        "the fewest deliveries it took of the requests of the same 24 hours of the last four weeks; 0 about public "
        "holidays",
        "it is not small, and the last success is a day old",
    ),
    _counter(
        "hub_attempts",
        "target operation kind outcome",
        "what came of claims: sends and questions (`kind`), by outcome; those without an answer, and those of a "
        "process that died, are among them",
        "`lost` rises: lines are cut, or `deadline` is too short",
    ),
    _histogram(
        "hub_attempt_seconds",
        "target operation",
        "how long the target took, or whoever sent it lived",
        "it nears the deadline",
    ),
    _counter("hub_retries", "target", "sends put off"),
    Definition(
        "hub_throttled_seconds",
        Sort.COUNTER,
        Across.MAX,
        ("target",),
        "for how long the target's `rate` held back what was due",
        "it grows by a second each second: the rate is below what comes in",
    ),
    _counter(
        "hub_certificate_failures",
        "target",
        "calls that ended at the target's certificate",
        "it is not 0: the certificate is over or unknown",
    ),
    _ledger(
        "hub_certificate_expiry_timestamp_seconds", "target", "when the target's certificate is over", "it is near"
    ),
    _counter(
        "hub_unmapped_errors",
        "target",
        "answers that `errors.toml` does not know",
        "it is not 0: read the exchange, add a row",
    ),
    _counter(
        "hub_late_outcomes",
        "target",
        "answers that came after the delivery had moved on",
        "it rises: the machine is too slow, or is frozen at times",
    ),
    _ledger(
        "hub_contract_drift",
        "target",
        "1 when the contract that the target shows is not the one that the hub goes by",
        "it is 1: [`hub drift`](drift.md) says which mappings break",
    ),
    _ledger(
        "hub_contract_compared_timestamp_seconds",
        "target",
        "when the two were last compared; or first tried, if never",
        "it is some days old",
    ),
    _counter(
        "hub_collected",
        "target outcome",
        "things fetched from sources: `taken`, or `declined` because no request could be made of them",
        "`declined` is not 0: the log names the fields; tell the integrator",
    ),
    _counter(
        "hub_queries",
        "query outcome",
        "questions: `answered`, `remembered` (from the cache), `refused`, `unknown`",
        "`unknown` rises: forms show that something is not available",
    ),
    _histogram("hub_query_seconds", "query", "how long whoever asked waited", "it nears the question's `within`"),
    # The engine
    _counter(
        "hub_claimed",
        "target found",
        "deliveries taken in hand: somebody said that they were due (`hint`), or the `sweep` found them",
        "`sweep` is most of them: hints are lost",
    ),
    _counter("hub_swept", "target", "claims taken back from a process that died", "it rises without a restart"),
    _histogram(
        "hub_phase_seconds",
        "phase",
        "how long a request's parts take: `commit` at the door, `wait` from due to claimed, `map`, `send`, `record`",
        "`commit` or `record` grow: the disk; `wait`: too few workers, or a target's limits",
    ),
    # People
    _ledger(
        "hub_finalizations",
        "state",
        "what people closed by hand and is not proved: `proposed` to a second person, `pending` a proof, `denied` by "
        "the target",
        "`denied` is not 0",
    ),
    _ledger("hub_finalizations_oldest_age_seconds", "state", "age of the oldest of them", "`pending` passes some days"),
    _ledger("hub_batches", "state", "changes in a batch under way: `trying`, `running`, `paused`"),
    _ledger("hub_batch_rows_open", "", "deliveries that they hold", "it does not fall while one is running"),
)

DEFINITIONS: Final = MappingProxyType({one.name: one for one in _ALL})

BOUNDS: Final = MappingProxyType(
    {
        "hub_attempt_seconds": (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
        "hub_query_seconds": (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
        "hub_phase_seconds": (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 30, 120, 900, 14400),
    }
)
"""The upper bounds of histograms: of the phases, from a mapping's half millisecond to a night outside opening hours."""


def as_markdown() -> str:
    """Write the guide's table: alphabetical, and what to make of several processes."""
    rows = [f"| `{one.shown}` | {one.across} | {one.meaning} | {one.worry} |" for one in _sorted()]
    rows = [row.replace("|  |", "| |") for row in rows]
    return "\n".join(["| metric | across | meaning | worry when |", "|---|---|---|---|", *rows])


def _sorted() -> list[Definition]:
    return sorted(_ALL, key=lambda one: one.name)


if __name__ == "__main__":
    sys.stdout.write(f"{as_markdown()}\n")
