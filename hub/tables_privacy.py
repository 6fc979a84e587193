"""The tables of what is kept and how long: extensions, what was purged, and files that are still to go."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, String, Text
from sqlmodel import Field, SQLModel

from hub.tables import WIDE, instant, table_of


class Keeping(SQLModel, table=True):
    """What was decided about how long one request is kept, and what was done: no row where its kind's terms hold.

    `until`: not before then, on a legal `ground`. `trimmed_at`: when the fields went that go sooner.
    """

    __tablename__ = "keeping"

    request: int = Field(sa_column=Column(WIDE, ForeignKey("request.number"), primary_key=True, autoincrement=False))
    until: int | None = instant(nullable=True)
    ground: str = Field(default="", sa_column=Column(String(20), nullable=False))
    reason: str = Field(default="", sa_column=Column(Text, nullable=False))
    actor: str = Field(default="", sa_column=Column(String(80), nullable=False))
    at: int = instant()
    trimmed_at: int | None = instant(nullable=True)
    purged_at: int | None = instant(nullable=True)


class DoomedFile(SQLModel, table=True):
    """A content that no attachment names any more, under its name in the store: it goes from there next."""

    __tablename__ = "doomed_file"

    stored: str = Field(sa_column=Column(String(64), primary_key=True))
    at: int = instant()


class PurgeRun(SQLModel, table=True):
    """One round of purging that took something away: the proof that it is done, without saying of whom."""

    __tablename__ = "purge_run"

    id: int | None = Field(default=None, sa_column=Column(WIDE, primary_key=True))
    at: int = Field(sa_column=Column(BigInteger, nullable=False))
    actor: str = Field(sa_column=Column(String(80), nullable=False))
    purged: int = Field(sa_column=Column(Integer, nullable=False))
    trimmed: int = Field(sa_column=Column(Integer, nullable=False))
    files: int = Field(sa_column=Column(Integer, nullable=False))


KEEPINGS: Final = table_of(Keeping)
DOOMED_FILES: Final = table_of(DoomedFile)
PURGE_RUNS: Final = table_of(PurgeRun)
