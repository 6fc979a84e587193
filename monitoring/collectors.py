"""The gauges that are read from the ledger at a scrape, so that what is published is what is on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from hub import targets
from hub.balance import KindBalance
from hub.calendar import Clock
from hub.clock import system_clock
from hub.ledger import Ledger
from hub.lifecycle import State
from hub.model import Instant
from hub.policy import Policy
from hub.tables import TROUBLED, BreakerState
from monitoring.counting import Counting
from monitoring.families import gauge
from monitoring.silence import Habit
from monitoring.standing import UNDER_WAY, UNPROVED, Standing, Whole, deliveries, habits, of_clocks, whole


@dataclass(frozen=True, eq=False)
class LedgerCollector(Collector):
    """Publishes what is counted in the ledger."""

    ledger: Ledger
    policies: Mapping[str, Policy]
    """Target → how it is treated, for those of this installation."""
    most: dict[str, int] = field(default_factory=dict)
    """Target → the most deliveries that a count of this process has found."""

    @cached_property
    def _whole(self) -> Counting[Whole]:
        return Counting(self.ledger, whole)

    @cached_property
    def _deliveries(self) -> Counting[dict[tuple[str, str], int]]:
        return Counting(self.ledger, deliveries)

    @cached_property
    def _habits(self) -> Counting[tuple[Habit, Habit]]:
        return Counting(self.ledger, habits)

    @cached_property
    def _standing(self) -> Counting[Standing]:
        return Counting(self.ledger, of_clocks(self._clocks))

    def _clocks(self) -> Mapping[str, Clock]:
        """Give the time that the law gives each kind offered now, for those that it gives one."""
        kinds = self.ledger.book.catalogue.kinds
        return {name: one.route.clock for name, one in kinds.items() if one.route.clock}

    def collect(self) -> Iterable[Metric]:
        """Read the balance and every target's health; a ledger that does not answer says only that."""
        yield gauge("hub_clock_offset_seconds", (system_clock() - self.ledger.book.now()) / 1000)
        try:
            counted = list(self._counted(self.ledger.book.now()))
        except SQLAlchemyError:
            counted = None
        yield gauge("hub_ledger_up", counted is not None)
        yield from counted or ()

    def _counted(self, now: int) -> Iterator[Metric]:
        """Publish each count that there is: of a large ledger the first takes a while."""
        if (requests := self._whole.latest()) is not None:
            yield from _of_requests(requests, now)
        if (found := self._deliveries.latest()) is not None:
            yield from self._of_deliveries(found)
        if (habits := self._habits.latest()) is not None:
            yield from self._of_habits(*habits)
        if (standing := self._standing.latest()) is not None:
            yield from self._of_targets(standing.targets, now)
            yield from _of_troubles(standing, now)
            yield from _of_deadlines(standing)
            yield from _of_people(standing, now)

    def _of_deliveries(self, found: Mapping[tuple[str, str], int]) -> Iterator[Metric]:
        """Publish every state of every target: none of them is a zero."""
        states, imbalance = gauge("hub_deliveries"), gauge("hub_delivery_imbalance")
        names = {name for name, _ in found} | self.policies.keys()
        for name in sorted(names):
            counts = {state: found.get((name, state), 0) for state in State}
            for state, count in counts.items():
                states.add_metric([name, state], count)
            total = sum(counts.values())
            self.most[name] = max(total, self.most.get(name, 0))
            imbalance.add_metric([name], self.most[name] - total)
        yield from (states, imbalance)

    def _of_habits(self, kinds: Habit, targets: Habit) -> Iterator[Metric]:
        received, expected = gauge("hub_kind_received_day"), gauge("hub_kind_expected_day")
        for kind in sorted(self.ledger.book.catalogue.kinds.keys() | kinds.received.keys() | kinds.expected.keys()):
            received.add_metric([kind], kinds.received.get(kind, 0))
            expected.add_metric([kind], kinds.expected.get(kind, 0))
        usual = gauge("hub_target_expected_day")
        for name in sorted(self.policies.keys() | targets.expected.keys()):
            usual.add_metric([name], targets.expected.get(name, 0))
        yield from (received, expected, usual)

    def _of_targets(self, healths: Sequence[targets.Health], now: int) -> Iterator[Metric]:
        backlog, oldest, breaker = gauge("hub_backlog"), gauge("hub_oldest_age_seconds"), gauge("hub_breaker")
        paused, opened = gauge("hub_target_paused"), gauge("hub_target_open")
        success = gauge("hub_last_success_timestamp_seconds")
        for target in healths:
            backlog.add_metric([target.name], target.backlog)
            oldest.add_metric([target.name], (now - target.oldest_at) / 1000 if target.oldest_at else 0)
            paused.add_metric([target.name], target.paused)
            success.add_metric([target.name], target.last_success_at / 1000)
            for state in BreakerState:
                breaker.add_metric([target.name, state], target.breaker == state)
        for name, policy in self.policies.items():
            opened.add_metric([name], policy.opening(Instant(now)) <= now)
        yield from (backlog, oldest, breaker, paused, opened, success)


def _of_requests(counted: Whole, now: int) -> Iterator[Metric]:
    requests, accepted = gauge("hub_requests"), gauge("hub_ledger_accepted")
    imbalance, oldest, stuck = (
        gauge("hub_kind_imbalance"),
        gauge("hub_oldest_unintegrated_age_seconds"),
        gauge("hub_stuck"),
    )
    for kind in counted.balance:
        accepted.add_metric([kind.kind], kind.accepted)
        imbalance.add_metric([kind.kind], kind.imbalance)
        since, unmoved = counted.open_requests.get(kind.kind, (now, 0))
        oldest.add_metric([kind.kind], max(0, now - since) / 1000)
        stuck.add_metric([kind.kind], unmoved)
        for status, count in kind.standing.items():
            requests.add_metric([kind.kind, status], count)
    yield from (requests, accepted, imbalance, oldest, stuck)
    yield gauge("hub_ledger_imbalance", _imbalance(counted.balance))
    yield gauge("hub_ledger_counted_timestamp_seconds", counted.at / 1000)


def _imbalance(kinds: Sequence[KindBalance]) -> int:
    return sum(abs(kind.imbalance) for kind in kinds)


def _of_troubles(standing: Standing, now: int) -> Iterator[Metric]:
    """Publish every state of trouble of every target: none of them is a zero, for alerts to see it change."""
    troubled, oldest = gauge("hub_troubled"), gauge("hub_troubled_oldest_age_seconds")
    found: dict[tuple[str, str], Any] = {(row.target, row.state): row for row in standing.troubles}
    none = dict.fromkeys(product([target.name for target in standing.targets], map(str, TROUBLED)))
    for labels, row in (none | found).items():
        troubled.add_metric(labels, row.deliveries if row else 0)
        oldest.add_metric(labels, (now - row.oldest_at) / 1000 if row else 0)
    yield from (troubled, oldest)


def _of_deadlines(standing: Standing) -> Iterator[Metric]:
    due = gauge("hub_due")
    for kind, (late, soon) in standing.pressing.items():
        due.add_metric([kind, "none"], late)
        due.add_metric([kind, "little"], soon)
    yield due


def _of_people(standing: Standing, now: int) -> Iterator[Metric]:
    proofs, oldest = gauge("hub_finalizations"), gauge("hub_finalizations_oldest_age_seconds")
    for state in UNPROVED:
        count, since = standing.finalizations.get(state, (0, now))
        proofs.add_metric([state], count)
        oldest.add_metric([state], (now - since) / 1000)
    batches = gauge("hub_batches")
    for one in UNDER_WAY:
        batches.add_metric([one], standing.batches.get(one, 0))
    yield from (proofs, oldest, batches)
    yield gauge("hub_batch_rows_open", standing.batch_rows)
