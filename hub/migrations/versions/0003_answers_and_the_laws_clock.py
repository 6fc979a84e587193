"""What targets answer, until when the law lets a city answer, and lists by stage and by site."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


class Index(NamedTuple):
    """An index: its table, its columns, and the rows it covers if not all."""

    table: str
    columns: tuple[str, ...]
    where: str | None = None


NEW = {
    "request_stage": Index("request", ("stage", "number")),
    "request_site": Index("request", ("site", "number")),
    "request_due": Index("request", ("due_at",), "due_at IS NOT NULL AND ended_at IS NULL"),
    "delivery_waited": Index("delivery", ("target", "reference"), "state = 'waiting' AND code = 'pending'"),
}


def upgrade() -> None:
    """Bring the tables forward: columns that cost nothing to add, then indexes beside whoever writes."""
    op.add_column("request", sa.Column("due_at", sa.BigInteger(), nullable=True))
    op.add_column("delivery", sa.Column("answer", sa.Text(), nullable=False, server_default=""))
    with _beside_others():
        for name, index in NEW.items():
            _drop(name, index)  # what an interrupted run left is not valid
            _create(name, index)


def downgrade() -> None:
    """Bring them back."""
    with _beside_others():
        for name, index in NEW.items():
            _drop(name, index)
    op.drop_column("delivery", "answer")
    op.drop_column("request", "due_at")


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
