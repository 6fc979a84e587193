"""The baseline on servers: what a competent team writes first once one process no longer does.

FastAPI with pydantic models; SQLAlchemy and psycopg on PostgreSQL; one INSERT and commit a request before the
202, then one Celery task a request through RabbitMQ: a quorum queue, publishes confirmed, late acknowledgement,
so that it keeps what it took as the hub does. Two prefork children map, post with `httpx.Client` and commit the
outcome. The door, the models and the mapping are `plain`'s.

Nothing is slowed down and nothing is tuned. Settings come as JSON on standard input; `role` says which of the two
processes this is.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Any, Final, Literal

import httpx
import uvicorn
from celery import Celery
from celery.signals import worker_ready
from fastapi import BackgroundTasks
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from hub.bench.enrolment import Enrolment, write_message
from hub.bench.plain import StoredRequest, Table, door, record
from hub.model import Frozen

CHILDREN: Final = 2

celery = Celery(
    "plain",
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_default_queue="plain",
    task_default_queue_type="quorum",
    broker_transport_options={"confirm_publish": True},
)


class Settings(Frozen):
    """Which process this is, where it listens, and what it uses."""

    role: Literal["api", "worker"]
    port: int = 0
    database: str
    broker: str
    target: str
    key: str


@celery.task(name="deliver")  # type: ignore[untyped-decorator]  # Celery has no types
def deliver(number: int) -> None:
    """Load, map, send, and keep the outcome."""
    engine = database(celery.conf.plain_database)
    with Session(engine) as session:
        stored = session.get_one(StoredRequest, number)
        key, said = stored.key, Enrolment.model_validate(stored.body["data"])
    try:
        answer = client().post(celery.conf.plain_target, json=write_message(said), headers={"Idempotency-Key": key})
    except httpx.HTTPError:
        status = "failed"
    else:
        status = "delivered" if answer.is_success else "failed"
    record(engine, number, status)


def hand_over(_tasks: BackgroundTasks, stored: StoredRequest, _said: Enrolment) -> None:
    """Publish one task, and wait for the broker to have it on disk."""
    deliver.delay(stored.id)


@cache
def database(url: str) -> Engine:
    """Open the database once in each process."""
    return create_engine(url)


@cache
def client() -> httpx.Client:
    """Open one client in each process."""
    return httpx.Client()


@worker_ready.connect  # type: ignore[untyped-decorator]  # Celery has no types
def announce(**_: Any) -> None:
    """Say that tasks are taken, past Celery's hold on standard output."""
    os.write(1, b"{}\n")


def main() -> None:
    """Read settings from standard input, then be the server or the worker."""
    settings = Settings.model_validate_json(sys.stdin.buffer.read())
    celery.conf.update(broker_url=settings.broker, plain_database=settings.database, plain_target=settings.target)
    if settings.role == "worker":
        celery.Worker(concurrency=CHILDREN, loglevel="WARNING", quiet=True).start()
    else:
        engine = database(settings.database)
        Table.metadata.create_all(engine)
        uvicorn.run(door(engine, settings.key, hand_over), host="127.0.0.1", port=settings.port, access_log=False)


if __name__ == "__main__":
    main()
