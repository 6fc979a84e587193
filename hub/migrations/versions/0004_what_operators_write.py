"""What operations staff write: finalizations, batches, notes, accounts, and what is counted for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hub.migrations.indexes import Index, replace

revision = "0004"
down_revision = "0003"

WIDE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

NEW = {"request_awaits": Index("request", ("kind", "number"), "awaiting <> ''")}


def upgrade() -> None:
    """Bring the tables forward: new ones only, so that nobody waits."""
    op.create_table(
        "account",
        sa.Column("login", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("password", sa.String(length=255), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("sites", sa.JSON(), nullable=False),
        sa.Column("language", sa.String(length=5), nullable=False),
        sa.Column("shortcuts", sa.Boolean(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("login"),
    )
    op.create_table(
        "batch",
        sa.Column("id", WIDE, nullable=False),
        sa.Column("verb", sa.String(length=20), nullable=False),
        sa.Column("said", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("criteria", sa.Text(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('planned', 'trying', 'running', 'paused', 'stopped', 'done')", name="batch_state"
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("batch_state_id", "batch", ["state", "id"], unique=False)
    op.create_table(
        "business_key",
        sa.Column("value", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("request", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("value", "name", "request"),
    )
    op.create_index("business_key_request", "business_key", ["request"], unique=False)
    op.create_table(
        "cause_note",
        sa.Column("target", sa.String(length=40), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("stage", sa.String(length=120), nullable=False),
        sa.Column("owner", sa.String(length=80), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("target", "code", "stage"),
    )
    op.create_table(
        "census",
        sa.Column("id", WIDE, nullable=False),
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("site", sa.String(length=80), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("district", sa.String(length=120), nullable=False),
        sa.Column("facets", sa.Text(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("block", "kind", "month", "site", "channel", "district", "facets", name="census_alike"),
    )
    op.create_index(
        "census_totals",
        "census",
        ["kind", "month", "site", "channel", "district", "requests"],
        unique=False,
        sqlite_where=sa.text("facets = ''"),
        postgresql_where=sa.text("facets = ''"),
    )
    op.create_index(
        "census_facets",
        "census",
        ["kind", "month"],
        unique=False,
        sqlite_where=sa.text("facets <> ''"),
        postgresql_where=sa.text("facets <> ''"),
    )
    op.create_table(
        "census_block",
        sa.Column("block", WIDE, autoincrement=False, nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("changes", sa.BigInteger(), nullable=False),
        sa.Column("declared", sa.String(length=16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("block"),
    )
    op.create_table(
        "saved_view",
        sa.Column("id", WIDE, nullable=False),
        sa.Column("login", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("login", "name", name="saved_view_name"),
    )
    op.create_table(
        "session",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("login", sa.String(length=80), nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_index("session_login", "session", ["login"], unique=False)
    op.create_table(
        "assignment",
        sa.Column("request", WIDE, autoincrement=False, nullable=False),
        sa.Column("owner", sa.String(length=80), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request"],
            ["request.number"],
        ),
        sa.PrimaryKeyConstraint("request"),
    )
    op.create_index("assignment_owner", "assignment", ["owner", "request"], unique=False)
    op.create_table(
        "batch_row",
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("outlook", sa.String(length=12), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("stood", sa.String(length=255), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("outcome IN ('waiting', 'started', 'ok', 'failed', 'skipped')", name="batch_row_outcome"),
        sa.CheckConstraint("outlook IN ('sure', 'verify', 'differs', 'impossible')", name="batch_row_outlook"),
        sa.ForeignKeyConstraint(
            ["batch"],
            ["batch.id"],
        ),
        sa.PrimaryKeyConstraint("batch", "subject"),
    )
    op.create_index(
        "batch_row_held",
        "batch_row",
        ["subject"],
        unique=True,
        sqlite_where=sa.text("is_open"),
        postgresql_where=sa.text("is_open"),
    )
    op.create_index("batch_row_outcomes", "batch_row", ["batch", "outcome", "position"], unique=False)
    op.create_index("batch_row_subject", "batch_row", ["subject", "batch"], unique=False)
    op.create_table(
        "place",
        sa.Column("request", WIDE, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("district", sa.String(length=120), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request"],
            ["request.number"],
        ),
        sa.PrimaryKeyConstraint("request"),
    )
    op.create_index("place_district", "place", ["kind", "district"], unique=False)
    op.create_table(
        "finalization",
        sa.Column("delivery", WIDE, autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=14), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("seconded_by", sa.String(length=80), nullable=False),
        sa.Column("questions", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('proposed', 'pending', 'confirmed', 'unconfirmable', 'denied', 'reopened')",
            name="finalization_state",
        ),
        sa.ForeignKeyConstraint(
            ["delivery"],
            ["delivery.id"],
        ),
        sa.PrimaryKeyConstraint("delivery"),
    )
    op.create_index("finalization_standing", "finalization", ["state", "created_at"], unique=False)
    op.create_index(
        "finalization_to_prove",
        "finalization",
        ["next_at"],
        unique=False,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    replace({}, NEW)


def downgrade() -> None:
    """Bring them back."""
    replace(NEW, {})
    op.drop_table("finalization")
    op.drop_table("place")
    op.drop_table("batch_row")
    op.drop_table("assignment")
    op.drop_table("session")
    op.drop_table("saved_view")
    op.drop_table("census_block")
    op.drop_table("census")
    op.drop_table("cause_note")
    op.drop_table("business_key")
    op.drop_table("batch")
    op.drop_table("account")
