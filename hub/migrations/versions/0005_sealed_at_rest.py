"""Payloads, answers and files sealed under a key of each request's own."""

from __future__ import annotations

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Bring the tables forward."""


def downgrade() -> None:
    """Bring them back."""
