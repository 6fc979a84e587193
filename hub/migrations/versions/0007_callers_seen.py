"""When a key was last used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Bring the tables forward."""
    op.add_column("api_key", sa.Column("last_used_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Bring them back."""
    op.drop_column("api_key", "last_used_at")
