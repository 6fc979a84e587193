"""Agents known by an identity provider."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Bring the tables forward."""
    op.add_column("session", sa.Column("hint", sa.Text(), nullable=True))
    op.create_table(
        "identity",
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("login", sa.String(length=80), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "subject"),
    )
    op.create_index("identity_login", "identity", ["login"], unique=False)
    op.create_table(
        "spent_state",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_index("spent_state_expires", "spent_state", ["expires_at"], unique=False)


def downgrade() -> None:
    """Bring them back."""
    op.drop_table("spent_state")
    op.drop_table("identity")
    op.drop_column("session", "hint")
