"""Assets: the files of the library, their recipe and where they came from."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Index,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from pixsim7_backend.domain.base import Base, CreatedAt, EnumText, Id, Timestamps, one_of
from pixsim7_backend.domain.state_machine import StateMachine
from pixsim7_backend.domain.vocabulary import MediaType, OperationType, SyncStatus
from pixsim7_backend.shared.errors import Conflict, FieldProblem, InvalidInput, NotFound

MAX_TAGS = 50
TRASH_KEPT = timedelta(days=30)
SNAPSHOT_KEPT = timedelta(days=1)
MAX_SNAPSHOTS = 20
"""Of one person at a time; the oldest goes."""

# One byte that keeps width / height to 0.7 %: the size, else the shape asked for, else 16:9.
_RATIO = """
    greatest(0, least(255, round(128 + 48 * ln(coalesce(
        nullif(width, 0)::float8 / nullif(height, 0),
        CASE WHEN recipe #>> '{params,aspect_ratio}' ~ '^[1-9][0-9]{0,3}:[1-9][0-9]{0,3}$'
        THEN split_part(recipe #>> '{params,aspect_ratio}', ':', 1)::float8
             / split_part(recipe #>> '{params,aspect_ratio}', ':', 2)::float8 END,
        16.0::float8 / 9
    )) / ln(2.0::float8))))::smallint
"""

GALLERY_COLUMNS = (
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
)

_Y = SyncStatus

ASSET_SYNC = StateMachine(
    table="assets",
    column="sync_status",
    initial=(_Y.REMOTE, _Y.DOWNLOADED),
    edges=frozenset(
        {
            (_Y.REMOTE, _Y.DOWNLOADING),
            (_Y.DOWNLOADING, _Y.DOWNLOADED),
            (_Y.DOWNLOADING, _Y.REMOTE),  # the try failed; another follows
            (_Y.DOWNLOADING, _Y.ERROR),
            (_Y.REMOTE, _Y.ERROR),
            (_Y.ERROR, _Y.DOWNLOADING),
            (_Y.ERROR, _Y.REMOTE),  # a person asked again
        }
    ),
)


class Blob(Base):
    """Bytes in the store, named by their content. A row is written after the bytes are durable."""

    __tablename__ = "blobs"
    __table_args__ = (CheckConstraint("size_bytes > 0", name="size_bytes"),)

    sha256: Mapped[str] = mapped_column(primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[CreatedAt]


class Asset(Base, Timestamps):
    """One picture or film of one person. The bytes are there exactly when it is downloaded."""

    __tablename__ = "assets"
    __table_args__ = (
        one_of("media_type", MediaType),
        one_of("sync_status", SyncStatus),
        UniqueConstraint("submission_id", "output_no"),
        CheckConstraint(
            "(sync_status = 'downloaded') = (sha256 IS NOT NULL AND size_bytes IS NOT NULL)",
            name="downloaded_iff_bytes",
        ),
        CheckConstraint("origin IN ('generated', 'uploaded')", name="origin_known"),
        CheckConstraint("rating IS NULL OR rating BETWEEN 1 AND 5", name="rating"),
        Index("ix_assets_user_id_id", "user_id", text("id DESC")),
        Index("ix_assets_user_id_media_type_id", "user_id", "media_type", text("id DESC")),
        Index("ix_assets_user_id_sync_status_id", "user_id", "sync_status", text("id DESC")),
        Index("ix_assets_workspace_id_id", "workspace_id", text("id DESC")),
        Index("ix_assets_user_id_sha256", "user_id", "sha256"),
        Index("ix_assets_sha256", "sha256", postgresql_where=text("sha256 IS NOT NULL")),
        Index(
            "uq_assets_provider_asset",
            "user_id",
            "provider_id",
            "provider_asset_id",
            unique=True,
            postgresql_where=text("provider_asset_id IS NOT NULL"),
        ),
        Index("ix_assets_search", "search", postgresql_using="gin"),
        Index("ix_assets_tags", "tags", postgresql_using="gin"),
        Index(
            "ix_assets_favourite",
            "user_id",
            text("id DESC"),
            postgresql_where=text("is_favourite"),
        ),
        # All that filters and orders the library, so that no filter reads the wide rows.
        Index(
            "ix_assets_gallery",
            "user_id",
            text("id DESC"),
            postgresql_include=GALLERY_COLUMNS,
            postgresql_where=text("trashed_at IS NULL"),
        ),
        Index(
            "ix_assets_trash",
            "user_id",
            "trashed_at",
            postgresql_where=text("trashed_at IS NOT NULL"),
        ),
        Index("ix_assets_job_id", "job_id", postgresql_where=text("job_id IS NOT NULL")),
        Index(
            "ix_assets_duplicate_of_id",
            "duplicate_of_id",
            postgresql_where=text("duplicate_of_id IS NOT NULL"),
        ),
        Index(
            "ix_assets_fetch",
            "fetch_after",
            postgresql_where=text("sync_status IN ('remote', 'downloading')"),
        ),
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    workspace_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("workspaces.id", ondelete="SET NULL")
    )
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    submission_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("provider_submissions.id", ondelete="SET NULL")
    )
    output_no: Mapped[int] = mapped_column(SmallInteger, default=0, server_default=text("0"))
    account_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("provider_accounts.id", ondelete="SET NULL")
    )
    provider_id: Mapped[str | None]
    provider_asset_id: Mapped[str | None]
    operation_type: Mapped[OperationType | None] = mapped_column(EnumText(OperationType))
    origin: Mapped[str]
    media_type: Mapped[MediaType] = mapped_column(EnumText(MediaType))
    sync_status: Mapped[SyncStatus] = mapped_column(EnumText(SyncStatus))
    remote_url: Mapped[str | None]
    remote_expires_at: Mapped[datetime | None]
    fetch_after: Mapped[datetime | None]
    fetch_attempts: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    sync_error: Mapped[str | None]

    sha256: Mapped[str | None] = mapped_column(ForeignKey("blobs.sha256", ondelete="RESTRICT"))
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    mime_type: Mapped[str | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    duration_s: Mapped[float | None]
    fps: Mapped[float | None]
    has_audio: Mapped[bool | None]
    thumbhash: Mapped[str | None]
    colour: Mapped[str | None]
    derived_at: Mapped[datetime | None]
    derive_error: Mapped[str | None]
    duplicate_of_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("assets.id", ondelete="SET NULL")
    )
    """An older asset of the same person with the same bytes."""

    name: Mapped[str | None]
    prompt: Mapped[str] = mapped_column(default="", server_default=text("''"))
    model: Mapped[str | None]
    recipe: Mapped[dict[str, Any]]
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default=text("'{}'"))
    is_favourite: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    rating: Mapped[int | None] = mapped_column(SmallInteger)
    is_after_cancel: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """Came home although its job had been cancelled; hidden unless asked for."""
    downloaded_at: Mapped[datetime | None]
    trashed_at: Mapped[datetime | None]
    """In the trash since then; it counts for storage until it is deleted."""
    ratio: Mapped[int] = mapped_column(SmallInteger, Computed(_RATIO, persisted=True))
    """width / height = 2 ^ ((ratio - 128) / 48)"""
    search: Mapped[Any] = mapped_column(
        TSVECTOR, Computed("px7_asset_words(name, prompt, tags)", persisted=True), deferred=True
    )


class AssetFile(Base):
    """A derivative of an asset: poster, thumbnails, hover preview."""

    __tablename__ = "asset_files"

    asset_id: Mapped[UUID] = mapped_column(
        ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(primary_key=True)
    """poster, thumb_240, thumb_480, thumb_960, preview"""
    sha256: Mapped[str] = mapped_column(ForeignKey("blobs.sha256", ondelete="RESTRICT"), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    mime_type: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]


class AssetLink(Base):
    """An asset that another was made from."""

    __tablename__ = "asset_links"

    child_id: Mapped[UUID] = mapped_column(
        ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True
    )
    parent_id: Mapped[UUID] = mapped_column(
        ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    role: Mapped[str] = mapped_column(primary_key=True)
    """The parameter that it was given as."""


class AssetSnapshot(Base):
    """The ids of one look at the library, in order: pages of it stay put while assets come and go.

    Not logged: after a crash of the database there is none, and people ask for a new one.
    """

    __tablename__ = "asset_snapshots"
    __table_args__ = (
        Index("ix_asset_snapshots_user_id_id", "user_id", text("id DESC")),
        {"prefixes": ["UNLOGGED"]},
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    is_trash: Mapped[bool]
    total: Mapped[int]
    ids: Mapped[bytes]
    """16 bytes each, stored uncompressed: any page is read without the others."""
    created_at: Mapped[CreatedAt]


class AssetNotFound(NotFound):
    code = "asset_not_found"
    title = "No such asset"


class SnapshotNotFound(NotFound):
    """It has lapsed, or never was: ask for a new layout."""

    code = "snapshot_not_found"
    title = "No such snapshot of the library"


class AssetNotReady(Conflict):
    """The bytes are not in the library yet."""

    code = "asset_not_ready"
    title = "The file is not here yet"


class NotMedia(InvalidInput):
    code = "not_media"
    title = "The file is not a picture or a film that can be used"


def clean_tags(tags: Collection[str]) -> list[str]:
    """Lower case, trimmed, unique, sorted; raises `InvalidInput` when there are too many."""
    cleaned = sorted({tag.strip().lower() for tag in tags if tag.strip()})
    if len(cleaned) > MAX_TAGS or any(len(tag) > 64 for tag in cleaned):
        allowed = f"at most {MAX_TAGS} tags of at most 64 characters"
        raise InvalidInput("Too many or too long tags.", fields=[FieldProblem("tags", allowed)])
    return cleaned
