"""The broker's part: it wakes workers sooner than their sweep would, and may lose, double or delay anything.

A *hint* says that some deliveries of a target may be due: their ids, never a body. The ledger decides what is claimed,
so the settings below ask for as little as a nudge needs, and for what was measured to be safe (docs/decisions/0010).
Each target has a queue of its own: a target that is down never holds the others up.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

import structlog
from celery import Celery
from celery.worker import state
from kombu.connection import Connection
from kombu.entity import Exchange, Queue
from kombu.messaging import Producer

TASK: Final = "hub.hint"
EXCHANGE: Final = Exchange("hub", "topic", durable=True)
DEAD: Final = Exchange("hub.dead", "fanout", durable=True)
DEAD_LETTERS: Final = Queue("hub.dead", DEAD, queue_arguments={"x-queue-type": "quorum", "x-max-length": 10_000})

BATCH: Final = 64
"""Ids a message carries at most."""

MOST_PENDING: Final = 10_000
"""Ids of a target kept while the broker is away: what is beyond is left to the sweep, as all of it could be."""

LASTS: Final = 60
"""Seconds after which a hint is worth nothing: the sweep has been by."""

CONFIRMED_WITHIN: Final = 2.0
"""Seconds within which the broker confirms a hint, or is given up for a while."""

BREATH: Final = 0.04
"""Seconds between two rounds of hints: the first goes out at once, those that follow closely travel together.

A message costs whoever publishes it, the broker and whoever hears it some 2 ms of CPU, however many ids it carries.
"""

PAUSE: Final = 1.0
"""Seconds before a broker that failed is tried again."""

SETTINGS: Final[Mapping[str, Any]] = {
    "broker_transport_options": {"confirm_publish": True},
    "broker_heartbeat": 30,
    "broker_connection_timeout": 4,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_channel_error_retry": True,
    "broker_pool_acquire_timeout": 2,
    "task_publish_retry": False,
    "task_create_missing_queues": False,
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "task_acks_on_failure": True,
    "task_acks_on_timeout": True,
    "task_ignore_result": True,
    "task_time_limit": None,
    "task_serializer": "json",
    "accept_content": ["json"],
    "result_backend": None,
    "worker_prefetch_multiplier": 1,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "worker_enable_remote_control": False,
    "worker_send_task_events": False,
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
}
"""Why each is as it is: docs/decisions/0010."""

GLANCE: Final = 0.2
"""Seconds between two looks of the consumer at whether it is to stop."""

log = structlog.get_logger()

Hear = Callable[[str, list[int]], None]
"""Hears that these deliveries of a target may be due; called in the consumer's thread."""


def queue_of(target: str) -> Queue:
    """Give a target's queue: replicated, bounded, and dropping its oldest hints rather than refusing new ones.

    A broker refuses a queue it knows with other arguments: whoever changes them gives the queues another name.
    """
    arguments = {
        "x-queue-type": "quorum",
        "x-delivery-limit": 20,
        "x-dead-letter-exchange": DEAD.name,
        "x-max-length": 100_000,
        "x-overflow": "drop-head",
    }
    return Queue(f"hub.{target}", EXCHANGE, routing_key=f"hint.{target}", queue_arguments=arguments)


def celery_app(broker: str, targets: Iterable[str]) -> Celery:
    """Make the Celery application of these targets' queues."""
    app = Celery("hub", broker=broker, set_as_current=False)
    queues = [queue_of(target) for target in sorted(targets)]
    app.conf.update(SETTINGS, task_queues=queues, task_default_exchange="hub", task_default_exchange_type="topic")
    return app


class Herald:
    """Publishes hints from a thread of its own: nobody waits for the broker, and what it cannot take is dropped.

    While one message is on its way to being confirmed, ids gather for the next.
    """

    def __init__(self, broker: str, targets: Iterable[str]) -> None:
        self._app = celery_app(broker, targets)
        self._queues = {queue.routing_key.removeprefix("hint."): queue for queue in self._app.conf.task_queues}
        self._pending: dict[str, set[int]] = {}
        self._woken = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="herald", daemon=True)
        self._thread.start()

    def wake(self, due: Mapping[str, Collection[int]]) -> None:
        """Say which deliveries of which targets may be due; no ids means whatever is."""
        with self._woken:
            for target, deliveries in due.items():
                if target in self._queues:
                    pending = self._pending.setdefault(target, set())
                    pending.update(deliveries if len(pending) < MOST_PENDING else ())
            self._woken.notify()

    def close(self) -> None:
        """Publish what waits if the broker lets us, and stop."""
        with self._woken:
            self._closing = True
            self._woken.notify()
        self._thread.join(CONFIRMED_WITHIN * 2)

    def _run(self) -> None:
        while not self._closing:
            try:
                with self._app.connection_for_write() as connection:
                    self._serve(connection)
            except Exception as error:  # noqa: BLE001  # whatever a broker answers, it is tried again
                log.warning("hints cannot be published: the sweep finds what is due", error=type(error).__name__)
                with self._woken:
                    self._woken.wait_for(lambda: self._closing, PAUSE)

    def _serve(self, connection: Connection) -> None:
        """Publish whatever comes, until closed; raises what the broker's client raises."""
        producer = Producer(connection.channel(), auto_declare=False)
        for queue in (DEAD_LETTERS, *self._queues.values()):
            queue(producer.channel).declare()
        while due := self._next():
            for target, deliveries in due.items():
                self._publish(producer, target, sorted(deliveries))
            with self._woken:
                self._woken.wait_for(lambda: self._closing, BREATH)

    def _next(self) -> dict[str, set[int]]:
        """Wait for something to publish; nothing once closed."""
        with self._woken:
            self._woken.wait_for(lambda: self._pending or self._closing)
            due, self._pending = self._pending, {}
            return due

    def _publish(self, producer: Producer, target: str, deliveries: list[int]) -> None:
        queue = self._queues[target]
        for start in range(0, len(deliveries) or 1, BATCH):
            self._app.send_task(
                TASK,
                args=(target, deliveries[start : start + BATCH]),
                producer=producer,
                queue=queue,
                expires=LASTS,
                confirm_timeout=CONFIRMED_WITHIN,
                retry=False,
            )


class Listener:
    """Celery's consumer of some targets' queues, in a thread of its own."""

    def __init__(self, broker: str, targets: Iterable[str], hear: Hear, ended: Callable[[], None]) -> None:
        """Listen until closed; `ended`, called in the thread, hears that it ended before that."""
        app = celery_app(broker, targets)

        @app.task(name=TASK, ignore_result=True)
        def hint(target: str, deliveries: list[int]) -> None:
            hear(target, deliveries)

        self._ended, self._closing = ended, False
        state.should_stop = None
        self._worker = app.WorkController(
            pool_cls="solo", concurrency=1, without_gossip=True, without_mingle=True, without_heartbeat=True
        )
        self._worker.hub.timer.call_repeatedly(GLANCE, int)  # wakes its loop, which then sees that it must stop
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more hints."""
        self._closing = True
        state.should_stop = os.EX_OK
        self._thread.join(CONFIRMED_WITHIN)

    def _run(self) -> None:
        try:
            self._worker.start()
        finally:
            if not self._closing:
                self._ended()
