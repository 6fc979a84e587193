"""Payloads, answers and files sealed under a key of each request's own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Bring the tables forward: columns that may be empty, so that nobody waits."""
    op.add_column("request", sa.Column("data_key", sa.LargeBinary(), nullable=True))
    op.add_column("attachment", sa.Column("stored", sa.String(length=64), nullable=True))
    op.add_column("attachment", sa.Column("data_key", sa.LargeBinary(), nullable=True))
    op.create_table(
        "sealing_key",
        sa.Column("name", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )


def downgrade() -> None:
    """Bring them back: what is sealed can then not be read any more."""
    op.drop_table("sealing_key")
    op.drop_column("attachment", "data_key")
    op.drop_column("attachment", "stored")
    op.drop_column("request", "data_key")
