"""The ledger's tables. Every moment is an Instant: milliseconds since the epoch, in a big integer.

The hub's own statements are Core statements over these tables; they run unchanged on SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from hub.lifecycle import HELD, State
from hub.model import Status

READY: Final = (State.QUEUED, State.WAITING, State.UNCERTAIN)
TROUBLED: Final = (State.PARKED, State.UNCERTAIN, State.ASKING, State.WAITING)
OPEN: Final = "due_at IS NOT NULL AND ended_at IS NULL"
"""Requests on the law's clock."""

KEPT: Final = "ended_at IS NOT NULL AND fingerprint <> ''"
"""Requests that have ended and still hold what citizens wrote: purging one takes its fingerprint away."""

AWAITS: Final = "awaiting <> ''"
"""Requests that await a person's decision."""

WAITED: Final = "state = 'waiting' AND code = 'pending'"
"""Deliveries that ask until something has happened."""

WIDE: Final = BigInteger().with_variant(Integer, "sqlite")
"""A primary key: in SQLite the row's own address, in PostgreSQL eight bytes."""


class Bytes(LargeBinary):
    """Bytes that need no wrapping on their way to the driver."""

    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> None:
        """Hand bytes over as they are: both drivers take them."""


class BreakerState(StrEnum):
    """Whether a target is spoken to: closed, yes; open, no; half-open, one delivery tries."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


def instant(*, nullable: bool = False) -> Any:
    """Make a column that holds an Instant."""
    return Field(default=None if nullable else 0, sa_column=Column(BigInteger, nullable=nullable))


def one_of(column: str, values: Sequence[StrEnum], name: str) -> CheckConstraint:
    """Make the database say again which values a column may hold."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=name)


def among(states: Collection[State]) -> str:
    """Write a condition on a delivery's state, for partial indexes."""
    return f"state IN ({', '.join(repr(str(state)) for state in sorted(states))})"


def partial_index(name: str, condition: str, *columns: str) -> Index:
    """Make an index over the rows `condition` holds for; a query uses it by writing it word for word."""
    return Index(name, *columns, sqlite_where=text(condition), postgresql_where=text(condition))


class Request(SQLModel, table=True):
    """One accepted request."""

    __tablename__ = "request"
    __table_args__ = (
        one_of("status", list(Status), "request_status"),
        UniqueConstraint("front_end", "idempotency_key", name="request_key"),
        UniqueConstraint("front_end", "external_reference", name="request_reference"),
        Index("request_kind_status", "kind", "status"),
        Index("request_kind", "kind", "number"),
        Index("request_front_end", "front_end", "number"),
        Index("request_standing", "status", "number"),
        Index("request_stage", "stage", "number"),
        Index("request_site", "site", "number"),
        partial_index("request_due", OPEN, "due_at"),
        partial_index("request_awaits", AWAITS, "kind", "number"),
        partial_index("request_kept", KEPT, "kind", "ended_at"),
        partial_index("request_external", "external_reference IS NOT NULL", "external_reference"),
        Index("request_name", "name_index"),
        Index("request_email", "email_index"),
        Index("request_phone", "phone_index"),
    )

    number: int = Field(sa_column=Column(WIDE, primary_key=True, autoincrement=False))
    front_end: str = Field(sa_column=Column(String(80), nullable=False))
    site: str = Field(sa_column=Column(String(80), nullable=False))
    kind: str = Field(sa_column=Column(String(80), nullable=False))
    channel: str = Field(sa_column=Column(String(20), nullable=False))
    external_reference: str | None = Field(sa_column=Column(String(100)))
    idempotency_key: str = Field(sa_column=Column(String(255), nullable=False))
    fingerprint: str = Field(sa_column=Column(String(64), nullable=False))
    version: str = Field(sa_column=Column(String(16), nullable=False))
    body: str = Field(sa_column=Column(Text, nullable=False))
    data_key: bytes | None = Field(default=None, sa_column=Column(Bytes, nullable=True))
    status: str = Field(sa_column=Column(String(20), nullable=False))
    stage: str = Field(sa_column=Column(String(120), nullable=False))
    awaiting: str = Field(default="", sa_column=Column(String(40), nullable=False))
    cancelled: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    name_index: str = Field(sa_column=Column(String(64), nullable=False))
    email_index: str | None = Field(sa_column=Column(String(64)))
    phone_index: str | None = Field(sa_column=Column(String(64)))
    received_at: int = instant()
    updated_at: int = instant()
    due_at: int | None = instant(nullable=True)
    ended_at: int | None = instant(nullable=True)


class Delivery(SQLModel, table=True):
    """One step's business with one target for one request."""

    __tablename__ = "delivery"
    __table_args__ = (
        one_of("state", list(State), "delivery_state"),
        UniqueConstraint("request", "step", "item", name="delivery_step"),
        partial_index("delivery_ready", among(READY), "target", "claims", "next_at", "id", "created_at"),
        partial_index("delivery_held", among(HELD), "target"),
        partial_index("delivery_waited", WAITED, "target", "reference"),
        partial_index("delivery_newest", among(TROUBLED), "state", "id"),
        partial_index("delivery_of_target", among(TROUBLED), "state", "target", "id", "created_at"),
        partial_index("delivery_of_code", among(TROUBLED), "state", "code", "id"),
        partial_index("delivery_cause", among(TROUBLED), "state", "target", "code", "stage"),
        partial_index("delivery_cause_since", among(TROUBLED), "state", "target", "code", "stage", "updated_at"),
    )

    id: int = Field(sa_column=Column(WIDE, primary_key=True, autoincrement=False))
    request: int = Field(sa_column=Column(BigInteger, ForeignKey("request.number"), nullable=False))
    ordinal: int = Field(sa_column=Column(Integer, nullable=False))
    step: str = Field(sa_column=Column(String(40), nullable=False))
    item: int = Field(sa_column=Column(Integer, nullable=False))
    target: str = Field(sa_column=Column(String(40), nullable=False))
    mapping: str = Field(sa_column=Column(String(120), nullable=False))
    given: str = Field(default="", sa_column=Column(Text, nullable=False))
    follows: int | None = Field(default=None, sa_column=Column(BigInteger))
    state: str = Field(sa_column=Column(String(12), nullable=False))
    code: str = Field(default="", sa_column=Column(String(60), nullable=False))
    stage: str = Field(default="", sa_column=Column(String(120), nullable=False))
    reference: str = Field(default="", sa_column=Column(String(255), nullable=False))
    answer: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    if_absent: str = Field(default="", sa_column=Column(String(60), nullable=False))
    ever_uncertain: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    attempts: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    questions: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    absences: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    claims: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    fence: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    owner: str = Field(default="", sa_column=Column(String(32), nullable=False))
    lease_until: int = instant()
    next_at: int = instant()
    sent_at: int = instant()
    created_at: int = instant()
    updated_at: int = instant()


class Attempt(SQLModel, table=True):
    """One try of a delivery, or one question about it: appended, never changed."""

    __tablename__ = "attempt"
    __table_args__ = (Index("attempt_delivery", "delivery"),)

    id: int | None = Field(default=None, sa_column=Column(WIDE, primary_key=True))
    delivery: int = Field(sa_column=Column(BigInteger, nullable=False))
    fence: int = Field(sa_column=Column(BigInteger, nullable=False))
    kind: str = Field(sa_column=Column(String(8), nullable=False))
    outcome: str = Field(sa_column=Column(String(20), nullable=False))
    code: str = Field(sa_column=Column(String(60), nullable=False))
    late: bool = Field(sa_column=Column(Boolean, nullable=False))
    http_status: int | None = Field(sa_column=Column(Integer))
    fault: str = Field(sa_column=Column(Text, nullable=False))
    sent_sha256: str = Field(sa_column=Column(String(64), nullable=False))
    sent: bytes = Field(sa_column=Column(Bytes, nullable=False))
    answered: bytes = Field(sa_column=Column(Bytes, nullable=False))
    started_at: int = instant()
    ended_at: int = instant()


class Event(SQLModel, table=True):
    """What happened, in order: the stages of requests, and what people did, to targets too. Appended, never changed."""

    __tablename__ = "event"
    __table_args__ = (Index("event_request", "request"),)

    id: int | None = Field(default=None, sa_column=Column(WIDE, primary_key=True))
    request: int | None = Field(sa_column=Column(BigInteger))
    delivery: int | None = Field(default=None, sa_column=Column(BigInteger))
    kind: str = Field(sa_column=Column(String(20), nullable=False))
    actor: str = Field(sa_column=Column(String(80), nullable=False))
    stage: str = Field(default="", sa_column=Column(String(120), nullable=False))
    status: str = Field(default="", sa_column=Column(String(20), nullable=False))
    note: str = Field(default="", sa_column=Column(Text, nullable=False))
    at: int = instant()


BLANK_EVENT: Final[Mapping[str, Any]] = MappingProxyType(
    {"request": None, "delivery": None, "stage": "", "status": "", "note": ""}
)
"""What an event's row says where nothing is said; kind, actor and moment are always said."""


class Decision(SQLModel, table=True):
    """What a person decided at a step of a request."""

    __tablename__ = "decision"

    request: int = Field(sa_column=Column(WIDE, primary_key=True, autoincrement=False))
    step: str = Field(sa_column=Column(String(40), primary_key=True))
    accepted: bool = Field(sa_column=Column(Boolean, nullable=False))
    reason: str = Field(sa_column=Column(String(120), nullable=False))
    actor: str = Field(sa_column=Column(String(80), nullable=False))
    at: int = instant()


class Revision(SQLModel, table=True):
    """A request's body as it was before someone corrected it."""

    __tablename__ = "revision"
    __table_args__ = (Index("revision_request", "request"),)

    id: int | None = Field(default=None, sa_column=Column(WIDE, primary_key=True))
    request: int = Field(sa_column=Column(BigInteger, nullable=False))
    body: str = Field(sa_column=Column(Text, nullable=False))
    actor: str = Field(sa_column=Column(String(80), nullable=False))
    at: int = instant()


class Attachment(SQLModel, table=True):
    """A file a front end uploaded; its bytes lie in the store under `stored` when they are sealed, else `sha256`."""

    __tablename__ = "attachment"

    id: str = Field(sa_column=Column(String(32), primary_key=True))
    front_end: str = Field(sa_column=Column(String(80), nullable=False))
    request: int | None = Field(default=None, sa_column=Column(BigInteger, index=True))
    name: str = Field(sa_column=Column(String(255), nullable=False))
    media_type: str = Field(sa_column=Column(String(40), nullable=False))
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    sha256: str = Field(sa_column=Column(String(64), nullable=False))
    created_at: int = instant()
    stored: str | None = Field(default=None, sa_column=Column(String(64), nullable=True))
    data_key: bytes | None = Field(default=None, sa_column=Column(Bytes, nullable=True))


class Target(SQLModel, table=True):
    """One target as the whole hub treats it now: switch, breaker and tokens."""

    __tablename__ = "target"
    __table_args__ = (one_of("breaker", list(BreakerState), "target_breaker"),)

    name: str = Field(sa_column=Column(String(40), primary_key=True))
    connector: str = Field(sa_column=Column(String(40), nullable=False))
    policy: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    paused: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    paused_reason: str = Field(default="", sa_column=Column(Text, nullable=False))
    breaker: str = Field(default=BreakerState.CLOSED, sa_column=Column(String(10), nullable=False))
    fails: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    opened_at: int = instant()
    tokens: float = Field(default=0.0)
    tokens_at: int = instant()
    last_success_at: int = instant()


class ApiKey(SQLModel, table=True):
    """A key that opens the API, as a keyed hash; the key itself was shown once."""

    __tablename__ = "api_key"

    prefix: str = Field(sa_column=Column(String(12), primary_key=True))
    hash: str = Field(sa_column=Column(String(64), nullable=False))
    front_end: str = Field(sa_column=Column(String(80), nullable=False))
    role: str = Field(sa_column=Column(String(20), nullable=False))
    kinds: list[str] = Field(sa_column=Column(JSON, nullable=False))
    sites: list[str] = Field(sa_column=Column(JSON, nullable=False))
    created_at: int = instant()
    expires_at: int | None = instant(nullable=True)
    revoked_at: int | None = instant(nullable=True)
    last_used_at: int | None = instant(nullable=True)


class DefinitionRow(SQLModel, table=True):
    """A version of a kind that some request is pinned to."""

    __tablename__ = "definition"

    version: str = Field(sa_column=Column(String(16), primary_key=True))
    kind: str = Field(sa_column=Column(String(80), nullable=False))
    source: str = Field(sa_column=Column(Text, nullable=False))
    created_at: int = instant()


class SealingKey(SQLModel, table=True):
    """A key-encryption key that data keys were wrapped under; the key itself is elsewhere."""

    __tablename__ = "sealing_key"

    name: str = Field(sa_column=Column(String(8), primary_key=True))
    created_at: int = instant()
    retired_at: int | None = instant(nullable=True)


class Tally(SQLModel, table=True):
    """How many requests of a kind were ever accepted, counted apart so that the balance cannot lie."""

    __tablename__ = "tally"

    kind: str = Field(sa_column=Column(String(80), primary_key=True))
    accepted: int = Field(sa_column=Column(BigInteger, nullable=False))


class Counter(SQLModel, table=True):
    """Blocks of numbers, handed out once."""

    __tablename__ = "counter"

    name: str = Field(sa_column=Column(String(20), primary_key=True))
    value: int = Field(sa_column=Column(BigInteger, nullable=False))


def table_of(model: type[SQLModel]) -> Any:
    """Give a model's table, for Core statements."""
    return model.__table__  # type: ignore[attr-defined]  # SQLModel adds it to every table


REQUESTS: Final = table_of(Request)
DELIVERIES: Final = table_of(Delivery)
ATTEMPTS: Final = table_of(Attempt)
EVENTS: Final = table_of(Event)
DECISIONS: Final = table_of(Decision)
REVISIONS: Final = table_of(Revision)
ATTACHMENTS: Final = table_of(Attachment)
TARGETS: Final = table_of(Target)
KEYS: Final = table_of(ApiKey)
DEFINITIONS: Final = table_of(DefinitionRow)
SEALING_KEYS: Final = table_of(SealingKey)
TALLY: Final = table_of(Tally)
COUNTERS: Final = table_of(Counter)
