"""The gallery: trash, shapes, snapshots of the library, and the indexes that they need."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_RATIO = """
    greatest(0, least(255, round(128 + 48 * ln(coalesce(
        nullif(width, 0)::float8 / nullif(height, 0),
        CASE WHEN recipe #>> '{params,aspect_ratio}' ~ '^[1-9][0-9]{0,3}:[1-9][0-9]{0,3}$'
        THEN split_part(recipe #>> '{params,aspect_ratio}', ':', 1)::float8
             / split_part(recipe #>> '{params,aspect_ratio}', ':', 2)::float8 END,
        16.0::float8 / 9
    )) / ln(2.0::float8))))::smallint
"""

# A file name is read as its words: beach.png is found by beach. The parts are immutable for text;
# array_to_string is only declared stable because it takes arrays of anything.
_WORDS = """
    CREATE FUNCTION px7_asset_words(name text, prompt text, tags text[]) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN to_tsvector(
        'simple'::regconfig,
        translate(coalesce(name, ''), '._-', '   ') || ' ' || prompt
        || ' ' || array_to_string(tags, ' ')
    )
"""

_OLD_WORDS = "to_tsvector('simple', translate(coalesce(name, ''), '._-', '   ') || ' ' || prompt)"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(_WORDS)
    op.add_column("assets", sa.Column("trashed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "assets",
        sa.Column("ratio", sa.SmallInteger(), sa.Computed(_RATIO, persisted=True), nullable=False),
    )
    op.drop_index("ix_assets_search", table_name="assets")
    op.drop_column("assets", "search")
    op.add_column(
        "assets",
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed("px7_asset_words(name, prompt, tags)", persisted=True),
            nullable=False,
        ),
    )
    op.create_index("ix_assets_search", "assets", ["search"], unique=False, postgresql_using="gin")
    op.create_index(
        "ix_assets_gallery",
        "assets",
        ["user_id", sa.literal_column("id DESC")],
        unique=False,
        postgresql_include=[
            "created_at",
            "ratio",
            "media_type",
            "sync_status",
            "provider_id",
            "operation_type",
            "model",
            "workspace_id",
            "origin",
            "is_favourite",
            "rating",
            "is_after_cancel",
            "duration_s",
            "size_bytes",
        ],
        postgresql_where=sa.text("trashed_at IS NULL"),
    )
    op.create_index(
        "ix_assets_trash",
        "assets",
        ["user_id", "trashed_at"],
        unique=False,
        postgresql_where=sa.text("trashed_at IS NOT NULL"),
    )
    op.create_index(
        "ix_assets_job_id",
        "assets",
        ["job_id"],
        unique=False,
        postgresql_where=sa.text("job_id IS NOT NULL"),
    )
    op.create_index(
        "ix_assets_duplicate_of_id",
        "assets",
        ["duplicate_of_id"],
        unique=False,
        postgresql_where=sa.text("duplicate_of_id IS NOT NULL"),
    )
    op.create_table(
        "asset_snapshots",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("is_trash", sa.Boolean(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("ids", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_asset_snapshots_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_asset_snapshots")),
        prefixes=["UNLOGGED"],
    )
    op.execute("ALTER TABLE asset_snapshots ALTER COLUMN ids SET STORAGE EXTERNAL")
    op.create_index(
        "ix_asset_snapshots_user_id_id",
        "asset_snapshots",
        ["user_id", sa.literal_column("id DESC")],
        unique=False,
    )


def downgrade() -> None:
    op.drop_table("asset_snapshots")
    for name in ("duplicate_of_id", "job_id", "trash", "gallery", "search"):
        op.drop_index(f"ix_assets_{name}", table_name="assets")
    op.drop_column("assets", "search")
    op.add_column(
        "assets",
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed(_OLD_WORDS, persisted=True),
            nullable=False,
        ),
    )
    op.create_index("ix_assets_search", "assets", ["search"], unique=False, postgresql_using="gin")
    op.drop_column("assets", "ratio")
    op.drop_column("assets", "trashed_at")
    op.execute("DROP FUNCTION px7_asset_words(text, text, text[])")
