"""Uploads that come in chunks and go on after they broke off."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from pixsim7_backend.domain.base import Base, CreatedAt, Id
from pixsim7_backend.shared.errors import Conflict, InvalidInput, LimitReached, NotFound

MAX_CHUNK_BYTES = 8 * 2**20
MIN_CHUNK_BYTES = 64 * 2**10
"""All but the last have as many, which bounds how many there are."""
MAX_OPEN_UPLOADS = 20
"""Of one person at a time."""


class Upload(Base):
    """A file on its way, for a day; with its asset once it has arrived."""

    __tablename__ = "uploads"
    __table_args__ = (
        CheckConstraint("size_bytes > 0", name="size_bytes"),
        CheckConstraint("offset_bytes BETWEEN 0 AND size_bytes", name="offset_bytes"),
        Index("ix_uploads_user_id_id", "user_id", "id"),
        Index("ix_uploads_expires_at", "expires_at"),
        Index("ix_uploads_asset_id", "asset_id", postgresql_where=text("asset_id IS NOT NULL")),
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    workspace_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("workspaces.id", ondelete="SET NULL")
    )
    asset_id: Mapped[UUID | None] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"))
    name: Mapped[str | None]
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    """What was promised; so many bytes have to come."""
    offset_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    """So many have come, and are durable."""
    sha256: Mapped[str | None]
    """What was promised, if anything was."""
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime] = mapped_column(server_default=text("now() + interval '1 day'"))


class UploadPart(Base):
    """One chunk, in the store under its id. A row is written after the bytes are durable."""

    __tablename__ = "upload_parts"

    upload_id: Mapped[UUID] = mapped_column(
        ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True
    )
    offset_bytes: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    part_id: Mapped[UUID]


class UploadNotFound(NotFound):
    """It was deleted, or is older than a day, or never was."""

    code = "upload_not_found"
    title = "No such upload"


class UploadOffsetMismatch(Conflict):
    """Nothing was kept of the chunk; `allowed` of the field has the offset to go on from."""

    code = "upload_offset_mismatch"
    title = "The upload goes on from another offset"


class UploadIncomplete(Conflict):
    code = "upload_incomplete"
    title = "Bytes of the upload are missing"


class UploadHashMismatch(InvalidInput):
    code = "upload_hash_mismatch"
    title = "The bytes do not have the promised SHA-256"


class TooManyUploads(LimitReached):
    code = "too_many_uploads"
    title = "Too many uploads are open"
