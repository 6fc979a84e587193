"""The audit's chain."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

GENESIS = "0" * 64


def upgrade() -> None:
    """Bring the tables forward: new ones only, so that nobody waits."""
    op.create_table(
        "audit",
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("object", sa.String(length=120), nullable=False),
        sa.Column("outcome", sa.String(length=5), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("n"),
    )
    op.create_index("audit_actor", "audit", ["actor", "n"], unique=False)
    op.create_index("audit_object", "audit", ["object", "n"], unique=False)
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("base_n", sa.BigInteger(), nullable=False),
        sa.Column("base_hash", sa.String(length=64), nullable=False),
        sa.Column("mark", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    first = {"id": 1, "n": 0, "hash": GENESIS, "base_n": 0, "base_hash": GENESIS, "mark": ""}
    op.bulk_insert(head, [first])


def downgrade() -> None:
    """Bring them back; what they held is lost."""
    op.drop_table("audit_head")
    op.drop_index("audit_object", "audit")
    op.drop_index("audit_actor", "audit")
    op.drop_table("audit")
