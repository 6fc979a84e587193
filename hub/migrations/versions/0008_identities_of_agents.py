"""Agents known by an identity provider."""

from __future__ import annotations

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Bring the tables forward."""


def downgrade() -> None:
    """Bring them back."""
