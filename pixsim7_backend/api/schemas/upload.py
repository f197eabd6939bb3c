"""Uploads in chunks."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from pixsim7_backend.api.schemas.asset import AssetRead, Tag
from pixsim7_backend.api.schemas.base import In, Out
from pixsim7_backend.domain.upload import MAX_CHUNK_BYTES, MIN_CHUNK_BYTES


class UploadCreate(In):
    name: str = Field(min_length=1, max_length=255, description="What the file is called.")
    size_bytes: int = Field(ge=1, examples=[48_213_004])
    sha256: str | None = Field(
        default=None,
        pattern="^[0-9a-f]{64}$",
        description="Checked at the end; of an asset that you have, nothing needs to be sent.",
    )
    workspace_id: UUID | None = None
    tags: list[Tag] = Field(default_factory=list, max_length=50)


class UploadRead(Out):
    """Where an upload stands."""

    id: UUID
    name: str | None
    offset: int = Field(description="So many bytes are there; the next chunk begins here.")
    size_bytes: int
    expires_at: datetime
    min_chunk_bytes: int = Field(
        default=MIN_CHUNK_BYTES, description="All chunks but the last have as many."
    )
    max_chunk_bytes: int = MAX_CHUNK_BYTES
    asset: AssetRead | None = Field(description="Once it has arrived.")


class UploadList(Out):
    items: list[UploadRead]
