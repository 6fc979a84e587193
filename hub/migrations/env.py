"""Runs the ledger's migrations on the connection it is handed."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

import hub.tables  # noqa: F401  # declares the tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
