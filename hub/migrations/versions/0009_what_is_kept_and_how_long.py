"""What is kept, how long, and why longer."""

from __future__ import annotations

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Bring the tables forward."""


def downgrade() -> None:
    """Bring them back."""
