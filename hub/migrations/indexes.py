"""What the migrations share: indexes made and dropped beside whoever uses the tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import sqlalchemy as sa
from alembic import op


class Index(NamedTuple):
    """An index: its table, its columns, and the rows it covers if not all."""

    table: str
    columns: tuple[str, ...]
    where: str | None = None


def replace(old: Mapping[str, Index], new: Mapping[str, Index]) -> None:
    """Make indexes before dropping those they replace; on a server, while others read and write."""
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
