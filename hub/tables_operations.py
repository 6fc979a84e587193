"""The tables of operations staff: what they finalize, do in batches, note, own, and under which account.

Kept apart from the hub's own: nothing on the way of a request reads or writes them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from hub.tables import WIDE, instant, one_of, partial_index, table_of


class Proof(StrEnum):
    """How sure we are of what a person closed by hand."""

    PROPOSED = "proposed"
    PENDING = "pending"
    CONFIRMED = "confirmed"
    UNCONFIRMABLE = "unconfirmable"
    DENIED = "denied"
    REOPENED = "reopened"


class BatchState(StrEnum):
    """Where a change in a batch stands."""

    PLANNED = "planned"
    TRYING = "trying"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DONE = "done"


class Outlook(StrEnum):
    """What a plan foresees for one row."""

    SURE = "sure"
    VERIFY = "verify"
    DIFFERS = "differs"
    IMPOSSIBLE = "impossible"


class RowOutcome(StrEnum):
    """What became of one row."""

    WAITING = "waiting"
    STARTED = "started"
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


OPEN_ROW: Final = "is_open"
"""Rows of a change under way: of two changes, one may hold a delivery."""

TO_PROVE: Final = "state = 'pending'"
"""Finalizations whose reference is still to be asked for."""

TOTALS: Final = "facets = ''"
"""What every request is counted in once."""

FACETED: Final = "facets <> ''"


class Finalization(SQLModel, table=True):
    """The last time a person closed a delivery by hand: what they say, who seconds it, and whether it is proved."""

    __tablename__ = "finalization"
    __table_args__ = (
        one_of("state", list(Proof), "finalization_state"),
        partial_index("finalization_to_prove", TO_PROVE, "next_at"),
        Index("finalization_standing", "state", "created_at"),
    )

    delivery: int = Field(sa_column=Column(WIDE, ForeignKey("delivery.id"), primary_key=True, autoincrement=False))
    state: str = Field(sa_column=Column(String(14), nullable=False))
    reference: str = Field(sa_column=Column(String(255), nullable=False))
    reason: str = Field(sa_column=Column(String(255), nullable=False))
    comment: str = Field(default="", sa_column=Column(Text, nullable=False))
    actor: str = Field(sa_column=Column(String(80), nullable=False))
    seconded_by: str = Field(default="", sa_column=Column(String(80), nullable=False))
    questions: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    code: str = Field(default="", sa_column=Column(String(60), nullable=False))
    next_at: int = instant()
    created_at: int = instant()
    settled_at: int | None = instant(nullable=True)


class Batch(SQLModel, table=True):
    """One change of many: what is done, to what matched, why, by whom, and how far it is."""

    __tablename__ = "batch"
    __table_args__ = (one_of("state", list(BatchState), "batch_state"), Index("batch_state_id", "state", "id"))

    id: int | None = Field(default=None, sa_column=Column(WIDE, primary_key=True))
    verb: str = Field(sa_column=Column(String(20), nullable=False))
    said: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    reason: str = Field(default="", sa_column=Column(String(255), nullable=False))
    criteria: str = Field(default="", sa_column=Column(Text, nullable=False))
    figures: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    actor: str = Field(sa_column=Column(String(80), nullable=False))
    state: str = Field(sa_column=Column(String(10), nullable=False))
    detail: str = Field(default="", sa_column=Column(Text, nullable=False))
    total: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    created_at: int = instant()
    started_at: int | None = instant(nullable=True)
    ended_at: int | None = instant(nullable=True)


class BatchRow(SQLModel, table=True):
    """One subject of a batch: a delivery, or a request as its number × 1000; what was foreseen and what came of it."""

    __tablename__ = "batch_row"
    __table_args__ = (
        one_of("outlook", list(Outlook), "batch_row_outlook"),
        one_of("outcome", list(RowOutcome), "batch_row_outcome"),
        Index("batch_row_outcomes", "batch", "outcome", "position"),
        Index("batch_row_subject", "subject", "batch"),
        Index(
            "batch_row_held",
            "subject",
            unique=True,
            sqlite_where=text(OPEN_ROW),
            postgresql_where=text(OPEN_ROW),
        ),
    )

    batch: int = Field(sa_column=Column(BigInteger, ForeignKey("batch.id"), primary_key=True))
    subject: int = Field(sa_column=Column(BigInteger, primary_key=True))
    position: int = Field(sa_column=Column(Integer, nullable=False))
    outlook: str = Field(sa_column=Column(String(12), nullable=False))
    note: str = Field(default="", sa_column=Column(Text, nullable=False))
    stood: str = Field(default="", sa_column=Column(String(255), nullable=False))
    outcome: str = Field(sa_column=Column(String(10), nullable=False))
    detail: str = Field(default="", sa_column=Column(Text, nullable=False))
    is_open: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    at: int = instant()


class CauseNote(SQLModel, table=True):
    """Who sees to a cause of failures, and what they note about it."""

    __tablename__ = "cause_note"

    target: str = Field(sa_column=Column(String(40), primary_key=True))
    code: str = Field(sa_column=Column(String(60), primary_key=True))
    stage: str = Field(sa_column=Column(String(120), primary_key=True))
    owner: str = Field(default="", sa_column=Column(String(80), nullable=False))
    note: str = Field(default="", sa_column=Column(Text, nullable=False))
    actor: str = Field(sa_column=Column(String(80), nullable=False))
    at: int = instant()


class Assignment(SQLModel, table=True):
    """Who sees to a request."""

    __tablename__ = "assignment"
    __table_args__ = (Index("assignment_owner", "owner", "request"),)

    request: int = Field(sa_column=Column(WIDE, ForeignKey("request.number"), primary_key=True, autoincrement=False))
    owner: str = Field(sa_column=Column(String(80), nullable=False))
    actor: str = Field(sa_column=Column(String(80), nullable=False))
    at: int = instant()


class BusinessKey(SQLModel, table=True):
    """A value under which the city looks a request up, as its kind declares: kept as a keyed hash."""

    __tablename__ = "business_key"
    __table_args__ = (Index("business_key_request", "request"),)

    value: str = Field(sa_column=Column(String(64), primary_key=True))
    name: str = Field(sa_column=Column(String(40), primary_key=True))
    request: int = Field(sa_column=Column(BigInteger, primary_key=True))


class Account(SQLModel, table=True):
    """A person who may enter the console, and what they may do there."""

    __tablename__ = "account"

    login: str = Field(sa_column=Column(String(80), primary_key=True))
    name: str = Field(sa_column=Column(String(120), nullable=False))
    password: str = Field(sa_column=Column(String(255), nullable=False))
    roles: list[str] = Field(sa_column=Column(JSON, nullable=False))
    kinds: list[str] = Field(sa_column=Column(JSON, nullable=False))
    sites: list[str] = Field(sa_column=Column(JSON, nullable=False))
    language: str = Field(default="fr", sa_column=Column(String(5), nullable=False))
    shortcuts: bool = Field(default=True, sa_column=Column(Boolean, nullable=False))
    failures: int = Field(default=0, sa_column=Column(Integer, nullable=False))
    locked_until: int = instant()
    created_at: int = instant()
    disabled_at: int | None = instant(nullable=True)


class Session(SQLModel, table=True):
    """A person's stay in the console: the hash of what their browser shows, and until when it is good."""

    __tablename__ = "session"
    __table_args__ = (Index("session_login", "login"),)

    hash: str = Field(sa_column=Column(String(64), primary_key=True))
    login: str = Field(sa_column=Column(String(80), nullable=False))
    csrf: str = Field(sa_column=Column(String(64), nullable=False))
    created_at: int = instant()
    seen_at: int = instant()
    expires_at: int = instant()
    hint: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    """The provider's token about who came in by it, which it wants back when they leave."""


class Identity(SQLModel, table=True):
    """Somebody as an identity provider knows them, and the account that is theirs: none while they only asked."""

    __tablename__ = "identity"
    __table_args__ = (Index("identity_login", "login"),)

    issuer: str = Field(sa_column=Column(String(255), primary_key=True))
    subject: str = Field(sa_column=Column(String(255), primary_key=True))
    login: str | None = Field(default=None, sa_column=Column(String(80), nullable=True))
    at: int = instant()


class SpentState(SQLModel, table=True):
    """The hash of a sign-in's state that came back, until it would be too old anyway: it serves once."""

    __tablename__ = "spent_state"
    __table_args__ = (Index("spent_state_expires", "expires_at"),)

    hash: str = Field(sa_column=Column(String(64), primary_key=True))
    expires_at: int = instant()


class SavedView(SQLModel, table=True):
    """A search that a person keeps under a name."""

    __tablename__ = "saved_view"
    __table_args__ = (UniqueConstraint("login", "name", name="saved_view_name"),)

    id: int | None = Field(default=None, sa_column=Column(WIDE, primary_key=True))
    login: str = Field(sa_column=Column(String(80), nullable=False))
    name: str = Field(sa_column=Column(String(80), nullable=False))
    query: str = Field(sa_column=Column(Text, nullable=False))


class Place(SQLModel, table=True):
    """Where a request is on the city's map: degrees of WGS 84, and the district once somebody said it."""

    __tablename__ = "place"
    __table_args__ = (Index("place_district", "kind", "district"),)

    request: int = Field(sa_column=Column(WIDE, ForeignKey("request.number"), primary_key=True, autoincrement=False))
    kind: str = Field(sa_column=Column(String(80), nullable=False))
    district: str = Field(default="", sa_column=Column(String(120), nullable=False))
    longitude: float = Field(sa_column=Column(Float, nullable=False))
    latitude: float = Field(sa_column=Column(Float, nullable=False))


class CensusBlock(SQLModel, table=True):
    """A block of ten thousand numbers that was counted: how many requests it had then, and under which declarations.

    `changes`: a figure that is another one once what is counted of these requests may be.
    """

    __tablename__ = "census_block"

    block: int = Field(sa_column=Column(WIDE, primary_key=True, autoincrement=False))
    requests: int = Field(sa_column=Column(Integer, nullable=False))
    changes: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    declared: str = Field(default="", sa_column=Column(String(16), nullable=False))
    at: int = instant()


class Census(SQLModel, table=True):
    """How many requests of a block are alike: kind, month, site, channel, district, and what the kind declares.

    Months are `2026-09`. Every request is in a row without `facets`; those of a kind that declares some are in a
    second one too, with a JSON object of name → value, the names sorted.
    """

    __tablename__ = "census"
    __table_args__ = (
        UniqueConstraint("block", "kind", "month", "site", "channel", "district", "facets", name="census_alike"),
        partial_index("census_totals", TOTALS, "kind", "month", "site", "channel", "district", "requests"),
        partial_index("census_facets", FACETED, "kind", "month"),
    )

    id: int | None = Field(default=None, sa_column=Column(WIDE, primary_key=True))
    block: int = Field(sa_column=Column(BigInteger, nullable=False))
    kind: str = Field(sa_column=Column(String(80), nullable=False))
    month: str = Field(sa_column=Column(String(7), nullable=False))
    site: str = Field(sa_column=Column(String(80), nullable=False))
    channel: str = Field(sa_column=Column(String(20), nullable=False))
    district: str = Field(default="", sa_column=Column(String(120), nullable=False))
    facets: str = Field(default="", sa_column=Column(Text, nullable=False))
    requests: int = Field(sa_column=Column(Integer, nullable=False))


FINALIZATIONS: Final = table_of(Finalization)
BATCHES: Final = table_of(Batch)
BATCH_ROWS: Final = table_of(BatchRow)
CAUSE_NOTES: Final = table_of(CauseNote)
ASSIGNMENTS: Final = table_of(Assignment)
BUSINESS_KEYS: Final = table_of(BusinessKey)
ACCOUNTS: Final = table_of(Account)
SESSIONS: Final = table_of(Session)
IDENTITIES: Final = table_of(Identity)
SPENT_STATES: Final = table_of(SpentState)
SAVED_VIEWS: Final = table_of(SavedView)
PLACES: Final = table_of(Place)
CENSUS: Final = table_of(Census)
CENSUS_BLOCKS: Final = table_of(CensusBlock)
