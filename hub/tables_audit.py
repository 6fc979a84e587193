"""The audit's two tables: its rows, each bound to the one before, and the head, which says where they begin and end."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, String, Text
from sqlmodel import Field, SQLModel

from hub.tables import instant, table_of


class AuditRow(SQLModel, table=True):
    """One thing that somebody did, was shown, or was refused; numbered from 1 without a gap.

    `detail` is JSON of codes, counts and digests; `hash` binds the row to the one before.
    """

    __tablename__ = "audit"
    __table_args__ = (Index("audit_actor", "actor", "n"), Index("audit_object", "object", "n"))

    n: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    at: int = instant()
    actor: str = Field(sa_column=Column(String(80), nullable=False))
    action: str = Field(sa_column=Column(String(80), nullable=False))
    object: str = Field(sa_column=Column(String(120), nullable=False))
    outcome: str = Field(sa_column=Column(String(5), nullable=False))
    detail: str = Field(sa_column=Column(Text, nullable=False))
    hash: str = Field(sa_column=Column(String(64), nullable=False))


class AuditHead(SQLModel, table=True):
    """The one row that says which row is the last, after which the rows kept begin, and proves that the hub said so."""

    __tablename__ = "audit_head"

    id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    n: int = Field(sa_column=Column(BigInteger, nullable=False))
    hash: str = Field(sa_column=Column(String(64), nullable=False))
    base_n: int = Field(sa_column=Column(BigInteger, nullable=False))
    base_hash: str = Field(sa_column=Column(String(64), nullable=False))
    mark: str = Field(sa_column=Column(String(64), nullable=False))


AUDIT: Final = table_of(AuditRow)
AUDIT_HEAD: Final = table_of(AuditHead)
