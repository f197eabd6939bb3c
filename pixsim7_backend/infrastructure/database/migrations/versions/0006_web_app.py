"""What the web app keeps: presets, saved views, defaults of workspaces, signs of life of workers."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_OPERATIONS = (
    "operation_type IN ('text_to_video', 'image_to_video', 'video_extend', 'video_transition',"
    " 'fusion', 'text_to_image', 'image_to_image')"
)


def _at(name: str) -> sa.Column[datetime]:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )


def _saved(table: str, *columns: sa.schema.SchemaItem) -> None:
    op.create_table(
        table,
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        *columns,
        _at("created_at"),
        _at("updated_at"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f(f"fk_{table}_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )
    op.create_index(
        f"uq_{table}_user_id_name",
        table,
        ["user_id", sa.literal_column("lower(name)")],
        unique=True,
    )
    op.execute(
        f"CREATE TRIGGER px7_touch BEFORE UPDATE ON {table} FOR EACH ROW"
        " EXECUTE FUNCTION px7_touch()"
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "users",
        sa.Column(
            "must_change_password", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
    )
    op.add_column(
        "provider_accounts", sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("workspaces", sa.Column("default_operation_type", sa.Text(), nullable=True))
    op.add_column("workspaces", sa.Column("default_provider_id", sa.Text(), nullable=True))
    op.add_column("workspaces", sa.Column("default_model", sa.Text(), nullable=True))
    op.add_column("workspaces", sa.Column("default_priority", sa.SmallInteger(), nullable=True))
    op.create_check_constraint(
        op.f("ck_workspaces_default_priority"), "workspaces", "default_priority BETWEEN 0 AND 10"
    )
    _saved(
        "presets",
        sa.Column("provider_id", sa.Text(), nullable=False),
        sa.Column("operation_type", sa.Text(), nullable=False),
        sa.Column("params", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint(_OPERATIONS, name=op.f("ck_presets_operation_type_known")),
    )
    _saved("saved_views", sa.Column("query", sa.Text(), nullable=False))
    op.create_table(
        "worker_beats",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        _at("started_at"),
        sa.Column("last_beat_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker_beats")),
    )
    op.create_index("ix_jobs_created_at", "jobs", ["created_at"], postgresql_using="brin")
    op.create_index(
        "ix_provider_submissions_reserved_at",
        "provider_submissions",
        ["reserved_at"],
        postgresql_using="brin",
    )


def downgrade() -> None:
    op.drop_index("ix_provider_submissions_reserved_at", table_name="provider_submissions")
    op.drop_index("ix_jobs_created_at", table_name="jobs")
    op.drop_table("worker_beats")
    op.drop_table("saved_views")
    op.drop_table("presets")
    op.drop_constraint(op.f("ck_workspaces_default_priority"), "workspaces")
    for column in ("operation_type", "provider_id", "model", "priority"):
        op.drop_column("workspaces", f"default_{column}")
    op.drop_column("provider_accounts", "removed_at")
    op.drop_column("users", "must_change_password")
