"""When a key was last used."""

from __future__ import annotations

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Bring the tables forward."""


def downgrade() -> None:
    """Bring them back."""
