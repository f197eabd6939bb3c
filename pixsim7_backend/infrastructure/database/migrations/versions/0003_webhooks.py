"""Outgoing webhooks and their deliveries."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_TRANSITIONS = {
    "webhooks": {
        "active": "disabled deleted",
        "disabled": "active deleted",
    },
    "webhook_deliveries": {
        "pending": "delivered failed",
        "delivered": "pending",
        "failed": "pending",
    },
}


def _now(name: str) -> sa.Column[object]:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )


def _time(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "webhooks",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("event_types", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column(
            "is_for_everybody", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("secret_version", sa.Integer(), nullable=False),
        _time("previous_secret_expires_at"),
        _time("failing_since"),
        _time("last_delivered_at"),
        _time("lease_until"),
        _time("paused_until"),
        _now("created_at"),
        _now("updated_at"),
        sa.CheckConstraint(
            "status IN ('active', 'disabled', 'deleted')", name=op.f("ck_webhooks_status_known")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_webhooks_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_index(
        "ix_webhooks_user_id",
        "webhooks",
        ["user_id"],
        postgresql_where=sa.text("status <> 'deleted'"),
    )
    op.create_index(
        "ix_webhooks_is_for_everybody",
        "webhooks",
        ["user_id"],
        postgresql_where=sa.text("is_for_everybody AND status = 'active'"),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("webhook_id", sa.UUID(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempt_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempt_limit", sa.Integer(), server_default=sa.text("8"), nullable=False),
        _now("next_attempt_at"),
        _time("last_attempt_at"),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("response_status", sa.Integer(), nullable=True),
        sa.Column("response_body", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        _now("created_at"),
        _time("finished_at"),
        sa.CheckConstraint(
            "status IN ('pending', 'delivered', 'failed')",
            name=op.f("ck_webhook_deliveries_status_known"),
        ),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["events.id"],
            name=op.f("fk_webhook_deliveries_event_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["webhook_id"],
            ["webhooks.id"],
            name=op.f("fk_webhook_deliveries_webhook_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        sa.UniqueConstraint(
            "event_id", "webhook_id", name=op.f("uq_webhook_deliveries_event_id_webhook_id")
        ),
    )
    op.create_index(
        "ix_webhook_deliveries_webhook_id_id", "webhook_deliveries", ["webhook_id", "id"]
    )
    op.create_index(
        "ix_webhook_deliveries_pending",
        "webhook_deliveries",
        ["webhook_id", "event_id"],
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index("ix_webhook_deliveries_created_at", "webhook_deliveries", ["created_at"])
    for table, edges in _TRANSITIONS.items():
        for source, targets in edges.items():
            for target in targets.split():
                op.execute(
                    "INSERT INTO state_transitions VALUES"
                    f" ('{table}', 'status', '{source}', '{target}')"
                )
        op.execute(
            f"CREATE TRIGGER px7_check_status BEFORE UPDATE OF status ON {table} FOR EACH ROW"
            " WHEN (OLD.status IS DISTINCT FROM NEW.status)"
            " EXECUTE FUNCTION px7_check_transition('status')"
        )
    op.execute(
        "CREATE TRIGGER px7_touch BEFORE UPDATE ON webhooks FOR EACH ROW"
        " EXECUTE FUNCTION px7_touch()"
    )


def downgrade() -> None:
    for table in _TRANSITIONS:
        op.execute(f"DELETE FROM state_transitions WHERE table_name = '{table}'")
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")
