"""Indexes that keep their pace: claims and pages cost the same whatever the ledger holds."""

from __future__ import annotations

from hub.migrations.indexes import Index, replace

revision = "0002"
down_revision = "0001"


READY = "state IN ('queued', 'uncertain', 'waiting')"
TROUBLED = "state IN ('asking', 'parked', 'uncertain', 'waiting')"

NEW = {
    "request_kind": Index("request", ("kind", "number")),
    "request_front_end": Index("request", ("front_end", "number")),
    "request_standing": Index("request", ("status", "number")),
    "request_external": Index("request", ("external_reference",), "external_reference IS NOT NULL"),
    "delivery_ready": Index("delivery", ("target", "claims", "next_at", "id", "created_at"), READY),
    "delivery_newest": Index("delivery", ("state", "id"), TROUBLED),
    "delivery_of_target": Index("delivery", ("state", "target", "id", "created_at"), TROUBLED),
    "delivery_of_code": Index("delivery", ("state", "code", "id"), TROUBLED),
    "delivery_cause": Index("delivery", ("state", "target", "code", "stage"), TROUBLED),
    "delivery_cause_since": Index("delivery", ("state", "target", "code", "stage", "updated_at"), TROUBLED),
}
OLD = {
    "request_troubled": Index("request", ("status", "number"), "status IN ('parked', 'uncertain', 'waiting')"),
    "delivery_due": Index("delivery", ("target", "claims", "next_at"), READY),
    "delivery_troubled": Index("delivery", ("state", "target", "code", "id"), TROUBLED),
}


def upgrade() -> None:
    """Bring the tables forward."""
    replace(OLD, NEW)


def downgrade() -> None:
    """Bring them back."""
    replace(NEW, OLD)
