"""The first ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Bring the tables forward."""
    op.create_table(
        "api_key",
        sa.Column("prefix", sa.String(length=12), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("front_end", sa.String(length=80), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("sites", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("prefix"),
    )
    op.create_table(
        "attachment",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("front_end", sa.String(length=80), nullable=False),
        sa.Column("request", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("media_type", sa.String(length=40), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("attachment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_attachment_request"), ["request"], unique=False)

    op.create_table(
        "attempt",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("delivery", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.Column("sent_sha256", sa.String(length=64), nullable=False),
        sa.Column("sent", sa.LargeBinary(), nullable=False),
        sa.Column("answered", sa.LargeBinary(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.create_index("attempt_delivery", ["delivery"], unique=False)

    op.create_table(
        "counter",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "decision",
        sa.Column("request", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=120), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("request", "step"),
    )
    op.create_table(
        "definition",
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("request", sa.BigInteger(), nullable=True),
        sa.Column("delivery", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("stage", sa.String(length=120), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.create_index("event_request", ["request"], unique=False)

    op.create_table(
        "request",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("front_end", sa.String(length=80), nullable=False),
        sa.Column("site", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("external_reference", sa.String(length=100), nullable=True),
        sa.Column("idempotency_key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("stage", sa.String(length=120), nullable=False),
        sa.Column("awaiting", sa.String(length=40), nullable=False),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.Column("name_index", sa.String(length=64), nullable=False),
        sa.Column("email_index", sa.String(length=64), nullable=True),
        sa.Column("phone_index", sa.String(length=64), nullable=True),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "status IN ('in_progress', 'waiting', 'uncertain', 'parked', 'done', 'refused', 'finalized', 'cancelled')",
            name="request_status",
        ),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("front_end", "external_reference", name="request_reference"),
        sa.UniqueConstraint("front_end", "idempotency_key", name="request_key"),
    )
    with op.batch_alter_table("request", schema=None) as batch_op:
        batch_op.create_index("request_email", ["email_index"], unique=False)
        batch_op.create_index("request_kind_status", ["kind", "status"], unique=False)
        batch_op.create_index("request_name", ["name_index"], unique=False)
        batch_op.create_index("request_phone", ["phone_index"], unique=False)
        batch_op.create_index(
            "request_troubled",
            ["status", "number"],
            unique=False,
            sqlite_where=sa.text("status IN ('parked', 'uncertain', 'waiting')"),
            postgresql_where=sa.text("status IN ('parked', 'uncertain', 'waiting')"),
        )

    op.create_table(
        "revision",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("request", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("revision", schema=None) as batch_op:
        batch_op.create_index("revision_request", ["request"], unique=False)

    op.create_table(
        "tally",
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind"),
    )
    op.create_table(
        "target",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("connector", sa.String(length=40), nullable=False),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("paused_reason", sa.Text(), nullable=False),
        sa.Column("breaker", sa.String(length=10), nullable=False),
        sa.Column("fails", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.Float(), nullable=False),
        sa.Column("tokens_at", sa.BigInteger(), nullable=False),
        sa.Column("last_success_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("breaker IN ('closed', 'open', 'half_open')", name="target_breaker"),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "delivery",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("request", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("item", sa.Integer(), nullable=False),
        sa.Column("target", sa.String(length=40), nullable=False),
        sa.Column("mapping", sa.String(length=120), nullable=False),
        sa.Column("given", sa.Text(), nullable=False),
        sa.Column("follows", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("stage", sa.String(length=120), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=False),
        sa.Column("if_absent", sa.String(length=60), nullable=False),
        sa.Column("ever_uncertain", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("questions", sa.Integer(), nullable=False),
        sa.Column("absences", sa.Integer(), nullable=False),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.String(length=32), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('queued', 'claimed', 'sending', 'uncertain', 'asking', 'waiting', 'parked', 'delivered', 'finalized', 'cancelled')",
            name="delivery_state",
        ),
        sa.ForeignKeyConstraint(
            ["request"],
            ["request.number"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("request", "step", "item", name="delivery_step"),
    )
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.create_index(
            "delivery_due",
            ["target", "claims", "next_at"],
            unique=False,
            sqlite_where=sa.text("state IN ('queued', 'uncertain', 'waiting')"),
            postgresql_where=sa.text("state IN ('queued', 'uncertain', 'waiting')"),
        )
        batch_op.create_index(
            "delivery_held",
            ["target"],
            unique=False,
            sqlite_where=sa.text("state IN ('asking', 'claimed', 'sending')"),
            postgresql_where=sa.text("state IN ('asking', 'claimed', 'sending')"),
        )
        batch_op.create_index(
            "delivery_troubled",
            ["state", "target", "code", "id"],
            unique=False,
            sqlite_where=sa.text("state IN ('asking', 'parked', 'uncertain', 'waiting')"),
            postgresql_where=sa.text("state IN ('asking', 'parked', 'uncertain', 'waiting')"),
        )


def downgrade() -> None:
    """Bring them back."""
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.drop_index(
            "delivery_troubled",
            sqlite_where=sa.text("state IN ('asking', 'parked', 'uncertain', 'waiting')"),
            postgresql_where=sa.text("state IN ('asking', 'parked', 'uncertain', 'waiting')"),
        )
        batch_op.drop_index(
            "delivery_held",
            sqlite_where=sa.text("state IN ('asking', 'claimed', 'sending')"),
            postgresql_where=sa.text("state IN ('asking', 'claimed', 'sending')"),
        )
        batch_op.drop_index(
            "delivery_due",
            sqlite_where=sa.text("state IN ('queued', 'uncertain', 'waiting')"),
            postgresql_where=sa.text("state IN ('queued', 'uncertain', 'waiting')"),
        )

    op.drop_table("delivery")
    op.drop_table("target")
    op.drop_table("tally")
    with op.batch_alter_table("revision", schema=None) as batch_op:
        batch_op.drop_index("revision_request")

    op.drop_table("revision")
    with op.batch_alter_table("request", schema=None) as batch_op:
        batch_op.drop_index(
            "request_troubled",
            sqlite_where=sa.text("status IN ('parked', 'uncertain', 'waiting')"),
            postgresql_where=sa.text("status IN ('parked', 'uncertain', 'waiting')"),
        )
        batch_op.drop_index("request_phone")
        batch_op.drop_index("request_name")
        batch_op.drop_index("request_kind_status")
        batch_op.drop_index("request_email")

    op.drop_table("request")
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.drop_index("event_request")

    op.drop_table("event")
    op.drop_table("definition")
    op.drop_table("decision")
    op.drop_table("counter")
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.drop_index("attempt_delivery")

    op.drop_table("attempt")
    with op.batch_alter_table("attachment", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_attachment_request"))

    op.drop_table("attachment")
    op.drop_table("api_key")
