"""The audit's chain."""

from __future__ import annotations

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Bring the tables forward."""


def downgrade() -> None:
    """Bring them back."""
