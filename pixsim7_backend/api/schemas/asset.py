"""Assets."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from pixsim7_backend.api.schemas.base import In, Moment, NextCursor, Out, PageParams
from pixsim7_backend.domain.vocabulary import AssetSort, MediaType, OperationType, SyncStatus
from pixsim7_backend.infrastructure.database.repositories.asset import AssetFilter
from pixsim7_backend.services.asset.asset_bulk import Selection

MAX_BULK = 1000
MAX_EXCEPT = 10_000
MAX_WINDOW = 512

Tag = Annotated[str, Field(min_length=1, max_length=64)]


class AssetFilters(In):
    """What the library is narrowed to."""

    media_type: MediaType | None = None
    sync_status: SyncStatus | None = None
    provider_id: str | None = Field(default=None, max_length=100)
    operation_type: OperationType | None = None
    model: str | None = Field(default=None, max_length=200)
    workspace_id: UUID | None = None
    job_id: UUID | None = None
    tag: list[Tag] = Field(
        default_factory=list, max_length=20, description="May be repeated: all of them."
    )
    is_favourite: bool | None = None
    rating_min: int | None = Field(default=None, ge=1, le=5)
    origin: Literal["generated", "uploaded"] | None = None
    query: str | None = Field(
        default=None,
        max_length=500,
        description='Words, "phrases" and -words in the name, the prompt and the tags.',
    )
    created_after: Moment | None = None
    created_before: Moment | None = None
    is_trashed: bool = Field(default=False, description="The trash in place of the library.")
    include_after_cancel: bool = Field(
        default=False, description="Also results that came although their job was cancelled."
    )

    def filters(self) -> AssetFilter:
        return AssetFilter(**self.model_dump(include=set(AssetFilters.model_fields)))


class AssetQuery(AssetFilters, PageParams):
    """A page of the list."""


class AssetLayoutQuery(AssetFilters):
    sort: AssetSort = Field(
        default=AssetSort.NEWEST,
        description="The last three: highest first, unknown last, then newest.",
    )
    time_zone: str = Field(
        default="UTC",
        max_length=64,
        pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$",
        description="What a day is; a name of the IANA database.",
        examples=["Europe/Berlin"],
    )


class DayCount(Out):
    day: date
    count: int


class AssetLayoutRead(Out):
    """The geometry of everything that matches, and a snapshot that keeps its order for a day."""

    snapshot: UUID = Field(description="For `/assets/snapshots/{snapshot}`.")
    total: int
    ratios: str = Field(
        description="Base64, one byte an asset: width / height = 2 ^ ((byte - 128) / 48)."
    )
    days: list[DayCount] = Field(description="In the order of the assets; only by time.")


class WindowQuery(In):
    offset: int = Field(default=0, ge=0, le=2**31 - 1)
    limit: int = Field(default=128, ge=1, le=MAX_WINDOW)


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


class AssetTile(Out):
    """What a tile needs."""

    id: UUID
    name: str | None
    origin: Literal["generated", "uploaded"]
    media_type: MediaType
    sync_status: SyncStatus
    job_id: UUID | None
    workspace_id: UUID | None
    provider_id: str | None
    operation_type: OperationType | None
    model: str | None
    prompt: str
    ratio: float = Field(description="width / height, as the layout has it.")
    width: int | None
    height: int | None
    duration_s: float | None
    has_audio: bool | None
    thumbhash: str | None
    colour: str | None
    tags: list[str]
    is_favourite: bool
    rating: int | None
    is_after_cancel: bool
    created_at: datetime
    trashed_at: datetime | None
    urls: AssetUrls


class AssetWindow(Out):
    """Consecutive places of a snapshot."""

    snapshot: UUID
    offset: int
    total: int
    items: list[AssetTile | None] = Field(description="null: it is gone since.")


class AssetRead(AssetTile):
    sync_error: str | None
    recipe: dict[str, Any] = Field(
        description="What to ask for to make it again; `POST /jobs` takes it as it is."
    )
    remote_url: str | None = Field(description="At the provider, while it lasts.")
    remote_expires_at: datetime | None
    sha256: str | None
    size_bytes: int | None
    mime_type: str | None
    fps: float | None
    duplicate_of_id: UUID | None
    updated_at: datetime
    downloaded_at: datetime | None


class AssetPage(Out):
    items: list[AssetRead]
    next_cursor: NextCursor


class AssetFacets(Out):
    """How many assets match, and how many each value of each filter would leave."""

    total: int
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


class SelectionBody(In):
    """Either `ids`, or a `snapshot` without `except`."""

    ids: list[UUID] | None = Field(default=None, min_length=1, max_length=MAX_BULK)
    snapshot: UUID | None = None
    excluded: list[UUID] = Field(default_factory=list, alias="except", max_length=MAX_EXCEPT)

    @model_validator(mode="after")
    def _one_way(self) -> "SelectionBody":
        if (self.ids is None) == (self.snapshot is None):
            raise ValueError("name either ids or a snapshot")
        if self.excluded and self.snapshot is None:
            raise ValueError("except goes with a snapshot")
        return self

    def selection(self) -> Selection:
        return Selection(self.ids or (), self.snapshot, frozenset(self.excluded))


class BulkFavourite(SelectionBody):
    action: Literal["favourite"]
    value: bool


class BulkMove(SelectionBody):
    action: Literal["move"]
    value: UUID | None = Field(description="A workspace; null for none.")


class BulkTag(SelectionBody):
    action: Literal["tag", "untag"]
    value: list[Tag] = Field(min_length=1, max_length=50)


class BulkRate(SelectionBody):
    action: Literal["rate"]
    value: int | None = Field(ge=1, le=5, description="null for none.")


class BulkPlace(SelectionBody):
    """`delete` is for good."""

    action: Literal["trash", "restore", "delete"]

    @property
    def value(self) -> None:
        return None


AssetBulkBody = Annotated[
    BulkFavourite | BulkMove | BulkTag | BulkRate | BulkPlace, Field(discriminator="action")
]


class BulkResult(Out):
    matched: int = Field(description="Of the selection, those that the action may touch.")
    changed: int = Field(description="Those that differ now.")
    in_use: int = Field(description="Left alone, because an unfinished job uses them.")


class AssetArchive(SelectionBody):
    name: str = Field(default="pixsim7", min_length=1, max_length=100)


class AssetLinkRead(Out):
    child_id: UUID
    parent_id: UUID
    role: str = Field(description="The parameter that the parent was given as.")


class AssetLineage(Out):
    """Ancestors and descendants, without those in the trash."""

    assets: list[AssetTile]
    links: list[AssetLinkRead]


class AssetFileRead(Out):
    kind: Literal["original", "poster", "thumb_240", "thumb_480", "thumb_960", "preview"]
    sha256: str
    size_bytes: int
    mime_type: str
    width: int | None
    height: int | None


class AssetDetail(AssetRead):
    """An asset with everything around it."""

    lineage: AssetLineage
    versions: list[AssetTile] = Field(description="Other results of the same job.")
    duplicates: list[AssetTile] = Field(description="Others of yours with the same bytes.")
    files: list[AssetFileRead]
