"""What is kept, how long, and why longer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.migrations.indexes import Index, replace

revision = "0009"
down_revision = "0008"

WIDE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

NEW = {"request_kept": Index("request", ("kind", "ended_at"), "ended_at IS NOT NULL AND fingerprint <> ''")}


def upgrade() -> None:
    """Bring the tables forward: new ones only, and an index made beside whoever writes."""
    op.create_table(
        "keeping",
        sa.Column("request", WIDE, autoincrement=False, nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("ground", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("trimmed_at", sa.BigInteger(), nullable=True),
        sa.Column("purged_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["request"], ["request.number"]),
        sa.PrimaryKeyConstraint("request"),
    )
    op.create_table(
        "doomed_file",
        sa.Column("stored", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stored"),
    )
    op.create_table(
        "purge_run",
        sa.Column("id", WIDE, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("purged", sa.Integer(), nullable=False),
        sa.Column("trimmed", sa.Integer(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    replace({}, NEW)


def downgrade() -> None:
    """Bring them back."""
    replace(NEW, {})
    op.drop_table("purge_run")
    op.drop_table("doomed_file")
    op.drop_table("keeping")
