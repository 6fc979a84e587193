"""The baseline: what a competent team writes first, left as its libraries come.

It stands for a hub on the usual stack: FastAPI with pydantic models; SQLAlchemy on SQLite (WAL,
`synchronous=FULL`, as durable as the hub); one INSERT and commit a request before the 202; one background
task a request, which maps thirty fields, posts them with `httpx.AsyncClient` and commits the outcome.
Database calls run in FastAPI's threads: in the event loop they made it slower, and it lost more.

Nothing is slowed down and nothing is tuned. There is neither retry nor recovery: what httpx gives up after
its own five seconds is lost. Settings come as JSON on standard input.
"""

from __future__ import annotations

import hmac
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import httpx
import uvicorn
from fastapi import BackgroundTasks, FastAPI, Header, HTTPException, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import JSON, Engine, create_engine, event, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from hub.bench.enrolment import Enrolment, EnrolmentSubmission, write_message
from hub.model import Frozen

HandOver = Callable[[BackgroundTasks, "StoredRequest", Enrolment], None]
"""Sees to it that a stored request will be delivered."""


class Settings(Frozen):
    """Where the baseline listens, keeps its database, and sends."""

    port: int
    database: Path
    target: str
    key: str


class Table(DeclarativeBase):
    """The baseline's tables."""


class StoredRequest(Table):
    """One accepted request."""

    __tablename__ = "request"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(default="accepted")


def open_database(file: Path) -> Engine:
    """Open the database, as durable as the hub's own."""
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": 60})

    @event.listens_for(engine, "connect")
    def durable(connection: Any, _: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    Table.metadata.create_all(engine)
    return engine


class Deliveries:
    """What happens to a request once it is stored."""

    def __init__(self, engine: Engine, target: str) -> None:
        self._engine, self._target = engine, target
        self.http = httpx.AsyncClient()

    def hand_over(self, tasks: BackgroundTasks, stored: StoredRequest, said: Enrolment) -> None:
        """Deliver it once it is answered."""
        tasks.add_task(self._deliver, stored.id, stored.key, said)

    async def _deliver(self, number: int, key: str, said: Enrolment) -> None:
        """Map, send, and keep the outcome."""
        try:
            answer = await self.http.post(self._target, json=write_message(said), headers={"Idempotency-Key": key})
        except httpx.HTTPError:
            status = "failed"
        else:
            status = "delivered" if answer.is_success else "failed"
        await run_in_threadpool(record, self._engine, number, status)


def store(engine: Engine, key: str, submission: EnrolmentSubmission) -> StoredRequest:
    """Insert one request and commit; 409 when its key is known."""
    stored = StoredRequest(key=key, body=submission.model_dump(mode="json"))
    try:
        with Session(engine, expire_on_commit=False) as session, session.begin():
            session.add(stored)
    except IntegrityError:
        raise HTTPException(409) from None
    return stored


def record(engine: Engine, number: int, status: str) -> None:
    """Commit what came of a request."""
    with Session(engine) as session, session.begin():
        session.execute(update(StoredRequest).where(StoredRequest.id == number).values(status=status))


def door(engine: Engine, key: str, hand_over: HandOver) -> FastAPI:
    """Build the server: the hub's route for submitting, and its readiness."""
    app = FastAPI()

    @app.get("/health/ready")
    def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/v1/requests", status_code=202)
    def submit(
        submission: EnrolmentSubmission,
        tasks: BackgroundTasks,
        response: Response,
        idempotency_key: Annotated[str, Header()],
        authorization: Annotated[str, Header()],
    ) -> dict[str, Any]:
        if not hmac.compare_digest(authorization, f"Bearer {key}"):
            raise HTTPException(401)
        stored = store(engine, idempotency_key, submission)
        hand_over(tasks, stored, submission.data)
        response.headers["Location"] = f"/v1/requests/{stored.id}"
        return {"number": stored.id, "status": "in_progress"}

    return app


def main() -> None:
    """Read settings from standard input, then serve on the loopback address."""
    settings = Settings.model_validate_json(sys.stdin.buffer.read())
    engine = open_database(settings.database)
    deliveries = Deliveries(engine, settings.target)
    app = door(engine, settings.key, deliveries.hand_over)
    uvicorn.run(app, host="127.0.0.1", port=settings.port, access_log=False)


if __name__ == "__main__":
    main()
