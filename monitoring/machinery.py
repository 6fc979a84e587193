"""What the hub stands on: the database's connections and size, and the broker with its queues."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from amqp.exceptions import ChannelError  # type: ignore[import-untyped]  # it has no types
from kombu.connection import Connection as BrokerConnection
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, QueuePool, text
from sqlalchemy.exc import SQLAlchemyError

from hub.ledger import Ledger
from hub.queue import queue_of
from monitoring.counting import Counting
from monitoring.families import gauge

ANSWERS_WITHIN: Final = 2.0
"""Seconds within which a broker that works answers."""

SIZE: Final = text("SELECT pg_database_size(current_database())")


class DatabaseCollector(Collector):
    """Publishes how much the ledger takes, and how many connections are busy."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._size = Counting(ledger, _bytes_of)

    def collect(self) -> Iterable[Metric]:
        """Look at the pools and the size; a database that does not answer has no size."""
        connections = gauge("hub_ledger_connections")
        for name, pool in self._ledger.pools.items():
            if isinstance(pool, QueuePool):
                connections.add_metric([name, "busy"], pool.checkedout())
                connections.add_metric([name, "most"], pool.size() + pool._max_overflow)  # noqa: SLF001  # no public name
        yield connections
        with suppress(SQLAlchemyError):
            yield gauge("hub_ledger_bytes", self._size.latest())


def _bytes_of(connection: Connection, _now: int) -> int:
    """Measure a server's database, or a file with what is not yet merged into it."""
    if connection.dialect.name == "postgresql":
        return int(connection.scalar(SIZE) or 0)
    file = Path(connection.engine.url.database or "")
    parts = (file.with_name(f"{file.name}{ending}") for ending in ("", "-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())


class BrokerCollector(Collector):
    """Publishes whether the broker answers, and what waits in each target's queue; nothing where there is none."""

    def __init__(self, broker: str | None, targets: Sequence[str]) -> None:
        self._broker, self._targets = broker, targets
        self._connection: Any = None

    def collect(self) -> Iterable[Metric]:
        """Ask the broker, over a line that is kept from one scrape to the next."""
        up, hints = gauge("hub_broker_up"), gauge("hub_broker_hints")
        if self._broker:
            up.add_metric([], self._ask(self._broker, hints))
        yield from (up, hints)

    def _ask(self, broker: str, hints: GaugeMetricFamily) -> bool:
        """Count what waits; a line that fails is opened anew at the next scrape."""
        try:
            for target, waiting in self._depths(broker).items():
                hints.add_metric([target], waiting)
        except Exception:  # noqa: BLE001  # whatever a broker's client raises: it does not answer
            self._hang_up()
            return False
        return True

    def _depths(self, broker: str) -> Mapping[str, int]:
        if self._connection is None:
            self._connection = _open_broker(broker, connect_timeout=ANSWERS_WITHIN, heartbeat=0)
        return dict(_declared(self._connection, self._targets))

    def _hang_up(self) -> None:
        if self._connection is not None:
            with suppress(Exception):
                self._connection.release()
            self._connection = None


def _open_broker(broker: str, **said: Any) -> Any:
    connection: Any = BrokerConnection
    opened = connection(broker, **said)
    opened.connect()
    return opened


def _declared(connection: Any, targets: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Give the length of each queue that is there; asking for one that is not ends its channel."""
    channel = connection.channel()
    for target in targets:
        try:
            queue: Any = queue_of(target)(channel)
            declared = queue.queue_declare(passive=True)
        except ChannelError:
            channel = connection.channel()
        else:
            yield target, declared.message_count
    channel.close()
