"""The four dashboards: overview, one target, one kind, and the engine; every query is made from the definitions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from monitoring.grafana.panels import Curve, Said, figure
from monitoring.grafana.queries import now, rate, share, worst

DOUBTFUL: Final = 'state=~"uncertain|asking"'
PARKED: Final = 'state="parked"'
UNDER_WAY: Final = 'status=~"in_progress|waiting"'
T: Final = 'target=~"$target"'
K: Final = 'kind=~"$kind"'
FIRING: Final = 'ALERTS{alertstate="firing", alertname=~"Hub.*"}'

OVERVIEW: Final = (
    figure("Imbalance", "Accepted minus accounted for: zero, or a fault of ours.", now("hub_ledger_imbalance"), red=1),
    figure("Processes that answer", "Of the hub, to Prometheus.", 'sum(up{job="hub"})'),
    figure("Accepted a minute", "By all APIs.", f"60 * {rate('hub_accepted')}"),
    figure("Under way", "Requests that move, or wait for their time.", now("hub_requests", where=UNDER_WAY)),
    figure("Uncertain", "Nobody knows yet whether the target took it.", now("hub_troubled", where=DOUBTFUL), red=100),
    figure("For a person", "Deliveries that somebody must decide on.", now("hub_troubled", where=PARKED), red=100),
    Said("Requests by status", "Where all of them stand.", (Curve(now("hub_requests", "status"), "{{status}}"),)),
    Said(
        "Accepted, by kind",
        "Those that a portal repeats apart.",
        (Curve(rate("hub_accepted", "kind"), "{{kind}}"), Curve(rate("hub_replayed"), "repeated")),
        unit="reqps",
    ),
    Said("Backlog", "Deliveries that wait, by target.", (Curve(now("hub_backlog", "target"), "{{target}}"),), width=8),
    Said(
        "Oldest request not at its end",
        "By kind.",
        (Curve(worst("hub_oldest_unintegrated_age_seconds", "kind"), "{{kind}}"),),
        unit="s",
        width=8,
    ),
    Said(
        "In trouble",
        "What went wrong once.",
        (Curve(now("hub_troubled", "state"), "{{state}}"),),
        width=8,
    ),
    Said(
        "Targets up",
        "By the last probe.",
        (Curve(now("hub_probe_up", "target"), "{{target}}"),),
        shape="states",
        width=8,
    ),
    Said(
        "Legal time",
        "Open requests whose time is over, or nearly.",
        (Curve(now("hub_due", "left"), "{{left}}"),),
        width=8,
    ),
    Said(
        "Closed by hand, not proved",
        "By what they wait for; and changes in a batch under way.",
        (Curve(now("hub_finalizations", "state"), "{{state}}"), Curve(now("hub_batches", "state"), "batch {{state}}")),
        width=8,
    ),
    Said("Alerts", "What is firing now.", (Curve(FIRING),), shape="table", width=24),
)

TARGET: Final = (
    figure("Up", "At the last probe.", worst("hub_probe_up", where=T)),
    figure("Backlog", "Deliveries that wait.", now("hub_backlog", where=T)),
    figure("Oldest", "Of those that wait.", worst("hub_oldest_age_seconds", where=T), unit="s"),
    figure("Uncertain", "Perhaps taken.", now("hub_troubled", where=f"{T}, {DOUBTFUL}"), red=20),
    figure("For a person", "Parked.", now("hub_troubled", where=f"{T}, {PARKED}"), red=20),
    figure(
        "Since the last success",
        "Seconds.",
        f"time() - {worst('hub_last_success_timestamp_seconds', where=T)}",
        unit="s",
    ),
    Said(
        "Deliveries by state",
        "All there are.",
        (Curve(now("hub_deliveries", "target state", T), "{{target}} {{state}}"),),
    ),
    Said(
        "Outcomes",
        "Of sends and questions, those without an answer included.",
        (Curve(rate("hub_attempts", "kind outcome", T), "{{kind}} {{outcome}}"),),
        unit="ops",
    ),
    Said(
        "How long it takes",
        "The middle one, and 99 of 100.",
        (
            Curve(share(0.5, "hub_attempt_seconds", "target operation", T), "{{target}} {{operation}} 50 %"),
            Curve(share(0.99, "hub_attempt_seconds", "target operation", T), "{{target}} {{operation}} 99 %"),
        ),
        unit="s",
    ),
    Said(
        "Breaker, pause, hours",
        "Whether it is spoken to.",
        (
            Curve(worst("hub_breaker", "target", f'{T}, state="open"'), "{{target}} breaker open"),
            Curve(worst("hub_target_paused", "target", T), "{{target}} paused"),
            Curve(worst("hub_target_open", "target", T), "{{target}} within hours"),
        ),
        shape="states",
    ),
    Said(
        "Put off, held back",
        "Retries, and seconds in a second that its rate held back.",
        (
            Curve(rate("hub_retries", "target", T), "{{target}} retries"),
            Curve(rate("hub_throttled_seconds", "target", T), "{{target}} held back"),
        ),
        width=8,
    ),
    Said(
        "What should not happen",
        "Claims taken back, late outcomes, errors nobody foresaw, refused certificates.",
        (
            Curve(rate("hub_swept", "target", T), "{{target}} taken back"),
            Curve(rate("hub_late_outcomes", "target", T), "{{target}} late"),
            Curve(rate("hub_unmapped_errors", "target", T), "{{target}} unmapped"),
            Curve(rate("hub_certificate_failures", "target", T), "{{target}} certificate"),
        ),
        width=8,
    ),
    Said(
        "Contract",
        "Days that its certificate is good for, and 1 when its contract drifted.",
        (
            Curve(
                f"({worst('hub_certificate_expiry_timestamp_seconds', 'target', T)} - time()) / 86400",
                "{{target}} certificate, days",
            ),
            Curve(worst("hub_contract_drift", "target", T), "{{target}} drift"),
        ),
        width=8,
    ),
)

KIND: Final = (
    figure("Accepted", "Ever.", now("hub_ledger_accepted", where=K)),
    figure("Imbalance", "Of these kinds.", now("hub_kind_imbalance", where=K), red=1),
    figure("Last 24 hours", "Requests received.", now("hub_kind_received_day", where=K)),
    figure("Expected in them", "The least of four weeks.", now("hub_kind_expected_day", where=K)),
    figure("Oldest not at its end", "Age.", worst("hub_oldest_unintegrated_age_seconds", where=K), unit="s"),
    figure("Stuck", "Nothing will move them: a fault.", now("hub_stuck", where=K), red=1),
    Said("By status", "Where they stand.", (Curve(now("hub_requests", "kind status", K), "{{kind}} {{status}}"),)),
    Said(
        "Accepted",
        "Those repeated by a portal apart.",
        (
            Curve(rate("hub_accepted", "kind", K), "{{kind}}"),
            Curve(rate("hub_replayed", "kind", K), "{{kind}} repeated"),
        ),
        unit="reqps",
    ),
    Said("Stages reached", "As agents and citizens see them.", (Curve(rate("hub_stages", "stage", K), "{{stage}}"),)),
    Said(
        "Legal time",
        "Over, or nearly.",
        (Curve(now("hub_due", "kind left", K), "{{kind}} {{left}}"),),
    ),
)

ENGINE: Final = (
    figure("Processes", "By version.", "count(hub_build_info)"),
    figure("Ledger answers", "Processes that reach it.", "sum(hub_ledger_up)"),
    figure("Broker answers", "Processes that reach it.", "sum(hub_broker_up)"),
    figure("Ledger", "On its disk.", now("hub_ledger_bytes"), unit="bytes"),
    figure("Files refused", "Changed mappings, routes, kinds.", "max(hub_catalogue_refused)", red=1),
    figure("Counted", "Age of the balance.", "time() - min(hub_ledger_counted_timestamp_seconds)", unit="s", red=600),
    Said(
        "Phases, the middle one",
        "Commit at the door, wait until claimed, mapping, sending, recording.",
        (Curve(share(0.5, "hub_phase_seconds", "phase"), "{{phase}}"),),
        unit="s",
    ),
    Said(
        "Phases, 99 of 100",
        "The same.",
        (Curve(share(0.99, "hub_phase_seconds", "phase"), "{{phase}}"),),
        unit="s",
    ),
    Said(
        "Found by hints and by the sweep",
        "Deliveries taken in hand.",
        (Curve(rate("hub_claimed", "found"), "{{found}}"),),
        unit="ops",
        width=8,
    ),
    Said(
        "Connections to the database",
        "Busy, beside the most there may be.",
        (Curve(now("hub_ledger_connections"), "{{instance}} {{pool}} {{state}}"),),
        width=8,
    ),
    Said(
        "Hints in the broker",
        "By target.",
        (Curve(now("hub_broker_hints", "target"), "{{target}}"),),
        width=8,
    ),
    Said(
        "Questions",
        "Of forms, by outcome; and how long 99 of 100 take.",
        (
            Curve(rate("hub_queries", "query outcome"), "{{query}} {{outcome}}"),
            Curve(share(0.99, "hub_query_seconds", "query"), "{{query}} seconds"),
        ),
        width=8,
    ),
    Said(
        "Fetched",
        "From targets that hold things for us.",
        (Curve(rate("hub_collected", "target outcome"), "{{target}} {{outcome}}"),),
        width=8,
    ),
    Said("Clocks", "Minus the ledger's.", (Curve(now("hub_clock_offset_seconds"), "{{instance}}"),), unit="s", width=8),
)

BOARDS: Final[Mapping[str, tuple[str, tuple[Said, ...]]]] = MappingProxyType(
    {
        "hub": ("Hub", OVERVIEW),
        "target": ("Target", TARGET),
        "kind": ("Kind", KIND),
        "engine": ("Engine", ENGINE),
    }
)
"""Name → title and panels."""

VARIABLES: Final = MappingProxyType({"target": "hub_backlog", "kind": "hub_ledger_accepted"})
"""A dashboard of one thing → the metric whose label lists them."""
