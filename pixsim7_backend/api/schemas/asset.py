"""Assets."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from pixsim7_backend.api.schemas.base import In, Moment, NextCursor, Out, PageParams
from pixsim7_backend.domain.vocabulary import MediaType, OperationType, SyncStatus

MAX_BULK = 1000

Tag = Annotated[str, Field(min_length=1, max_length=64)]
AssetIds = Annotated[list[UUID], Field(min_length=1, max_length=MAX_BULK)]


class AssetQuery(PageParams):
    media_type: MediaType | None = None
    sync_status: SyncStatus | None = None
    provider_id: str | None = Field(default=None, max_length=100)
    operation_type: OperationType | None = None
    model: str | None = Field(default=None, max_length=100)
    workspace_id: UUID | None = None
    job_id: UUID | None = None
    tag: str | None = Field(default=None, max_length=64)
    is_favourite: bool | None = None
    origin: Literal["generated", "uploaded"] | None = None
    query: str | None = Field(
        default=None, max_length=500, description="Words in the name or the prompt."
    )
    created_after: Moment | None = None
    created_before: Moment | None = None
    include_after_cancel: bool = Field(
        default=False, description="Also results that came although their job was cancelled."
    )


class AssetFacetQuery(AssetQuery):
    """The filters of the list."""


class AssetUrls(Out):
    """Signed links for `<img>` and `<video>`: they end by themselves, and with the session.

    A link stays the same for a while, so browsers can cache by it.
    """

    file: str | None = Field(description="null until the bytes are in the library.")
    download: str | None = Field(description="The same, to be saved under its name.")
    poster: str | None
    preview: str | None = Field(description="A short silent film for hovering; films only.")
    thumbnail_240: str | None
    thumbnail_480: str | None
    thumbnail_960: str | None


class Thumb(Out):
    """As little of an asset as a tile needs. The links are signed and run out."""

    asset_id: UUID
    media_type: MediaType
    width: int | None
    height: int | None
    colour: str | None
    thumbhash: str | None
    duration_s: float | None
    thumbnail: str | None
    preview: str | None


class AssetRead(Out):
    id: UUID
    name: str | None
    origin: Literal["generated", "uploaded"]
    media_type: MediaType
    sync_status: SyncStatus
    sync_error: str | None
    job_id: UUID | None
    workspace_id: UUID | None
    provider_id: str | None
    operation_type: OperationType | None
    model: str | None
    prompt: str
    recipe: dict[str, Any] = Field(description="What to ask for to make it again.")
    remote_url: str | None = Field(description="At the provider, while it lasts.")
    remote_expires_at: datetime | None
    sha256: str | None
    size_bytes: int | None
    mime_type: str | None
    width: int | None
    height: int | None
    duration_s: float | None
    fps: float | None
    has_audio: bool | None
    thumbhash: str | None
    colour: str | None
    duplicate_of_id: UUID | None
    tags: list[str]
    is_favourite: bool
    rating: int | None
    is_after_cancel: bool
    created_at: datetime
    updated_at: datetime
    downloaded_at: datetime | None
    urls: AssetUrls


class AssetPage(Out):
    items: list[AssetRead]
    next_cursor: NextCursor


class AssetFacets(Out):
    """How many assets each value would leave."""

    facets: dict[str, dict[str, int]] = Field(
        examples=[{"media_type": {"video": 12, "image": 3}, "tag": {"sunset": 4}}]
    )


class AssetUpdate(In):
    """Only what is given changes."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"tags": ["sunset"], "is_favourite": True}]}
    )

    name: str | None = Field(default=None, min_length=1, max_length=200)
    tags: list[Tag] = Field(default_factory=list, max_length=50)
    is_favourite: bool = False
    rating: int | None = Field(default=None, ge=1, le=5)
    workspace_id: UUID | None = None


class BulkFavourite(In):
    action: Literal["favourite"]
    ids: AssetIds
    value: bool


class BulkMove(In):
    action: Literal["move"]
    ids: AssetIds
    value: UUID | None = Field(description="A workspace; null for none.")


class BulkTag(In):
    action: Literal["tag", "untag"]
    ids: AssetIds
    value: list[Tag] = Field(min_length=1, max_length=50)


class BulkDelete(In):
    action: Literal["delete"]
    ids: AssetIds

    @property
    def value(self) -> None:
        return None


AssetBulk = Annotated[
    BulkFavourite | BulkMove | BulkTag | BulkDelete, Field(discriminator="action")
]


class BulkResult(Out):
    changed: int


class AssetArchive(In):
    ids: AssetIds
    name: str = Field(default="pixsim7", min_length=1, max_length=100)


class AssetLinkRead(Out):
    child_id: UUID
    parent_id: UUID
    role: str = Field(description="The parameter that the parent was given as.")


class AssetLineage(Out):
    """Ancestors and descendants."""

    assets: list[AssetRead]
    links: list[AssetLinkRead]
