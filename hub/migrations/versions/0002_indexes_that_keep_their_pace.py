"""Indexes that keep their pace: claims and pages cost the same whatever the ledger holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


class Index(NamedTuple):
    """An index: its table, its columns, and the rows it covers if not all."""

    table: str
    columns: tuple[str, ...]
    where: str | None = None


READY = "state IN ('queued', 'uncertain', 'waiting')"
TROUBLED = "state IN ('asking', 'parked', 'uncertain', 'waiting')"

NEW = {
    "request_kind": Index("request", ("kind", "number")),
    "request_front_end": Index("request", ("front_end", "number")),
    "request_standing": Index("request", ("status", "number")),
    "request_external": Index("request", ("external_reference",), "external_reference IS NOT NULL"),
    "delivery_ready": Index("delivery", ("target", "claims", "next_at", "id", "created_at"), READY),
    "delivery_newest": Index("delivery", ("state", "id"), TROUBLED),
    "delivery_of_target": Index("delivery", ("state", "target", "id", "created_at"), TROUBLED),
    "delivery_of_code": Index("delivery", ("state", "code", "id"), TROUBLED),
    "delivery_cause": Index("delivery", ("state", "target", "code", "stage"), TROUBLED),
    "delivery_cause_since": Index("delivery", ("state", "target", "code", "stage", "updated_at"), TROUBLED),
}
OLD = {
    "request_troubled": Index("request", ("status", "number"), "status IN ('parked', 'uncertain', 'waiting')"),
    "delivery_due": Index("delivery", ("target", "claims", "next_at"), READY),
    "delivery_troubled": Index("delivery", ("state", "target", "code", "id"), TROUBLED),
}


def upgrade() -> None:
    """Bring the tables forward."""
    _replace(OLD, NEW)


def downgrade() -> None:
    """Bring them back."""
    _replace(NEW, OLD)


def _replace(old: Mapping[str, Index], new: Mapping[str, Index]) -> None:
    """Make indexes before dropping those they replace; on a server, beside whoever writes."""
    with _beside_others():
        for name, index in new.items():
            _drop(name, index)  # what an interrupted run left is not valid
            _create(name, index)
        for name, index in old.items():
            _drop(name, index)


@contextmanager
def _beside_others() -> Iterator[None]:
    """Leave the transaction, for as long as it takes."""
    if op.get_bind().dialect.name != "postgresql":
        yield
        return
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        yield
        op.execute("RESET statement_timeout")


def _create(name: str, index: Index) -> None:
    where = sa.text(index.where) if index.where else None
    op.create_index(
        name,
        index.table,
        index.columns,
        sqlite_where=where,
        postgresql_where=where,
        postgresql_concurrently=True,
    )


def _drop(name: str, index: Index) -> None:
    op.drop_index(name, index.table, if_exists=True, postgresql_concurrently=True)
