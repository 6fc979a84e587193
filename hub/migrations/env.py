"""Runs the ledger's migrations on the connection it is handed."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from sqlmodel import SQLModel

from hub.tables import Bytes


def render_item(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Write our own type as what it is in the database, so that a migration needs no line of the hub."""
    return "sa.LargeBinary()" if kind == "type" and isinstance(item, Bytes) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    compare_type=True,
    render_item=render_item,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
