"""What targets answer, until when the law lets a city answer, and lists by stage and by site."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.migrations.indexes import Index, replace

revision = "0003"
down_revision = "0002"


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
    replace({}, NEW)


def downgrade() -> None:
    """Bring them back."""
    replace(NEW, {})
    op.drop_column("delivery", "answer")
    op.drop_column("request", "due_at")
