"""The library."""

from base64 import b64encode
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from pixsim7_backend.api.dependencies import (
    AssetSvc,
    BulkSvc,
    CurrentUser,
    GallerySvc,
    Generator,
    Links,
    Manager,
    StoreDep,
)
from pixsim7_backend.api.errors import problems
from pixsim7_backend.api.schemas.asset import (
    AssetArchive,
    AssetBulkBody,
    AssetDetail,
    AssetFacets,
    AssetFileRead,
    AssetFilters,
    AssetLayoutQuery,
    AssetLayoutRead,
    AssetLineage,
    AssetLinkRead,
    AssetPage,
    AssetQuery,
    AssetRead,
    AssetUpdate,
    AssetWindow,
    BulkResult,
    DayCount,
    WindowQuery,
)
from pixsim7_backend.api.transfer.disposition import (
    content_disposition,
    file_name,
    given_name,
    safe_name,
)
from pixsim7_backend.api.transfer.media_links import MediaLinks
from pixsim7_backend.api.transfer.multipart import BadForm, UploadForm, read_form
from pixsim7_backend.api.transfer.zip_stream import ZipEntry, stream_zip, unique_names
from pixsim7_backend.domain.asset import AssetNotFound, AssetNotReady, NotMedia, SnapshotNotFound
from pixsim7_backend.domain.user import QuotaExceeded
from pixsim7_backend.infrastructure.storage.errors import BlobTooLarge
from pixsim7_backend.services.asset.asset_service import AssetDetails, Lineage
from pixsim7_backend.shared.errors import FieldProblem

router = APIRouter(prefix="/assets", tags=["assets"])


_UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "workspace_id": {"type": "string", "format": "uuid"},
                        "tags": {
                            "type": "string",
                            "description": "Separated by commas.",
                            "examples": ["sunset, reference"],
                        },
                        "file": {
                            "type": "string",
                            "contentMediaType": "application/octet-stream",
                            "format": "binary",
                            "description": "A picture or a film; it comes last in the form.",
                        },
                    },
                }
            }
        },
    }
}


@router.post(
    "",
    name="upload",
    status_code=201,
    openapi_extra=_UPLOAD_BODY,
    responses=problems(NotMedia, BadForm, QuotaExceeded, BlobTooLarge),
)
async def upload_asset(
    request: Request, user: Generator, assets: AssetSvc, links: Links
) -> AssetRead:
    """Take a picture or a film. The same bytes again answer with the asset that is there."""
    form = await read_form(request.headers.get("content-type", ""), request.stream())
    workspace_id, tags = _upload_fields(form)
    name = given_name(form.filename or "")
    asset = await assets.upload(
        user, form.chunks, filename=name, workspace_id=workspace_id, tags=tags
    )
    return links.read(asset)


def _upload_fields(form: UploadForm) -> tuple[UUID | None, list[str]]:
    unknown = sorted(set(form.fields) - {"workspace_id", "tags"})
    if unknown:
        problems_found = [FieldProblem(name, "is not known here") for name in unknown]
        raise BadForm("The form has unknown fields.", fields=problems_found)
    if any("\x00" in value for value in form.fields.values()):
        raise BadForm("A field of the form holds a character that cannot be stored.")
    tags = [tag.strip() for tag in form.fields.get("tags", "").split(",") if tag.strip()]
    workspace = form.fields.get("workspace_id", "").strip()
    try:
        return (UUID(workspace) if workspace else None), tags
    except ValueError:
        problem = FieldProblem("workspace_id", "must be an id")
        raise BadForm("The workspace is not an id.", fields=[problem]) from None


@router.get("", name="list")
async def list_assets(
    query: Annotated[AssetQuery, Query()], user: CurrentUser, assets: AssetSvc, links: Links
) -> AssetPage:
    """Your assets, newest first."""
    page = await assets.list_assets(user, **query.model_dump())
    items = [links.read(asset) for asset in page.items]
    return AssetPage(items=items, next_cursor=page.next_cursor)


@router.get("/layout", name="layout")
async def get_layout(
    query: Annotated[AssetLayoutQuery, Query()], user: CurrentUser, gallery: GallerySvc
) -> AssetLayoutRead:
    """The shape of everything that matches, and a snapshot to read it from."""
    layout = await gallery.get_layout(user, query.filters(), query.sort, query.time_zone)
    return AssetLayoutRead(
        snapshot=layout.snapshot_id,
        total=layout.total,
        ratios=b64encode(layout.ratios).decode(),
        days=[DayCount(day=day, count=count) for day, count in layout.days],
    )


@router.get("/snapshots/{snapshot_id}", name="window", responses=problems(SnapshotNotFound))
async def get_window(
    snapshot_id: UUID,
    query: Annotated[WindowQuery, Query()],
    user: CurrentUser,
    gallery: GallerySvc,
    links: Links,
) -> AssetWindow:
    """Some places of a snapshot, in place: what is gone since is null."""
    window = await gallery.get_window(snapshot_id, user, query.offset, query.limit)
    return AssetWindow(
        snapshot=snapshot_id,
        offset=query.offset,
        total=window.total,
        items=[None if asset is None else links.tile(asset) for asset in window.items],
    )


@router.get("/facets", name="facets")
async def get_facets(
    query: Annotated[AssetFilters, Query()], user: CurrentUser, gallery: GallerySvc
) -> AssetFacets:
    """How many assets each value of each filter would leave, with that filter set free."""
    facets = await gallery.get_facets(user, query.filters())
    return AssetFacets(total=facets.total, facets=facets.counts)


@router.post("/bulk", name="bulk", responses=problems(AssetNotFound, SnapshotNotFound))
async def change_assets(body: AssetBulkBody, user: Manager, bulk: BulkSvc) -> BulkResult:
    """One action on many. By ids: all or none. A snapshot: in batches, each of them whole; a call
    that broke off is safe to repeat."""
    outcome = await bulk.change_many(body.selection(), user, body.action, body.value)
    return BulkResult.model_validate(outcome)


@router.post(
    "/archive",
    name="archive",
    response_class=StreamingResponse,
    responses={
        200: {"description": "The zip.", "content": {"application/zip": {}}},
        **problems(AssetNotFound, AssetNotReady, SnapshotNotFound),
    },
)
async def make_archive(
    body: AssetArchive, user: CurrentUser, bulk: BulkSvc, store: StoreDep
) -> StreamingResponse:
    """The files as one zip, made while it is sent; at most 10,000."""
    rows = await bulk.list_files(body.selection(), user)
    names = unique_names(file_name(row) for row in rows)
    entries = (
        ZipEntry(name, row.created_at, size, store.open_range(row.sha256 or "", 0, size))
        for name, row in zip(names, rows, strict=True)
        for size in [row.size_bytes or 0]
    )
    disposition = content_disposition(f"{safe_name(body.name) or 'pixsim7'}.zip", is_download=True)
    return StreamingResponse(
        stream_zip(entries),
        media_type="application/zip",
        headers={"Content-Disposition": disposition},
    )


@router.get("/{asset_id}", name="get", responses=problems(AssetNotFound))
async def get_asset(
    asset_id: UUID, user: CurrentUser, assets: AssetSvc, links: Links
) -> AssetDetail:
    """An asset with its recipe, lineage, relatives and files."""
    details = await assets.get_details(asset_id, user)
    lineage = await assets.get_lineage(asset_id, user)
    relatives = await assets.get_relatives(details.asset)
    return AssetDetail(
        **dict(links.read(details.asset)),
        lineage=_lineage(lineage, links),
        versions=[links.tile(asset) for asset in relatives.versions],
        duplicates=[links.tile(asset) for asset in relatives.duplicates],
        files=_files(details),
    )


def _lineage(lineage: Lineage, links: MediaLinks) -> AssetLineage:
    return AssetLineage(
        assets=[links.tile(asset) for asset in lineage.assets],
        links=[AssetLinkRead.model_validate(link) for link in lineage.links],
    )


def _files(details: AssetDetails) -> list[AssetFileRead]:
    asset = details.asset
    files = [AssetFileRead.model_validate(file) for file in details.files.values()]
    if asset.sha256 is None or asset.size_bytes is None:
        return files
    original = AssetFileRead(
        kind="original",
        sha256=asset.sha256,
        size_bytes=asset.size_bytes,
        mime_type=asset.mime_type or "application/octet-stream",
        width=asset.width,
        height=asset.height,
    )
    return [original, *files]


@router.patch("/{asset_id}", name="update", responses=problems(AssetNotFound))
async def update_asset(
    asset_id: UUID, body: AssetUpdate, user: Manager, assets: AssetSvc, links: Links
) -> AssetRead:
    """Name, tags, favourite, rating, workspace."""
    changes = body.model_dump(exclude_unset=True)
    return links.read(await assets.update_asset(asset_id, user, changes))


@router.delete(
    "/{asset_id}",
    name="delete",
    status_code=204,
    responses=problems(AssetNotFound, AssetNotReady),
)
async def delete_asset(
    asset_id: UUID,
    user: Manager,
    assets: AssetSvc,
    permanent: Annotated[bool, Query(description="For good, from wherever it is.")] = False,
) -> None:
    """Move to the trash, which keeps it for 30 days; `permanent` deletes. One that an unfinished
    job uses as its input stays (409)."""
    if permanent:
        await assets.delete_asset(asset_id, user)
    else:
        await assets.trash_asset(asset_id, user)


@router.post(
    "/{asset_id}/refetch", name="refetch", responses=problems(AssetNotFound, AssetNotReady)
)
async def refetch_asset(asset_id: UUID, user: Manager, assets: AssetSvc, links: Links) -> AssetRead:
    """Try again to bring a result home whose fetch had failed."""
    return links.read(await assets.refetch(asset_id, user))


@router.get("/{asset_id}/lineage", name="lineage", responses=problems(AssetNotFound))
async def get_lineage(
    asset_id: UUID, user: CurrentUser, assets: AssetSvc, links: Links
) -> AssetLineage:
    """What it was made from, and what was made from it."""
    return _lineage(await assets.get_lineage(asset_id, user), links)
