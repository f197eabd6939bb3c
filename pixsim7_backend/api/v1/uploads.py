"""Uploads in chunks, which go on after they broke off."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Request
from starlette.requests import ClientDisconnect

from pixsim7_backend.api.dependencies import CurrentUser, Generator, Links, UploadSvc
from pixsim7_backend.api.errors import BadRequest, TooLarge, problems
from pixsim7_backend.api.schemas.asset import AssetRead
from pixsim7_backend.api.schemas.upload import UploadCreate, UploadList, UploadRead
from pixsim7_backend.api.transfer.disposition import given_name
from pixsim7_backend.api.transfer.media_links import MediaLinks
from pixsim7_backend.domain.asset import NotMedia
from pixsim7_backend.domain.upload import (
    TooManyUploads,
    UploadHashMismatch,
    UploadIncomplete,
    UploadNotFound,
    UploadOffsetMismatch,
)
from pixsim7_backend.domain.user import QuotaExceeded
from pixsim7_backend.infrastructure.storage.errors import BlobTooLarge
from pixsim7_backend.services.asset.upload_service import UploadStatus

router = APIRouter(prefix="/uploads", tags=["uploads"])

_CHUNK_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/offset+octet-stream": {"schema": {"type": "string", "format": "binary"}}
        },
    }
}


@router.post(
    "",
    name="create",
    status_code=201,
    responses=problems(BlobTooLarge, QuotaExceeded, TooManyUploads),
)
async def create_upload(
    body: UploadCreate, user: Generator, uploads: UploadSvc, links: Links
) -> UploadRead:
    """Begin one. With an `asset` in the answer it has arrived: you had these bytes already."""
    values = {**body.model_dump(), "name": given_name(body.name)}
    return _read(await uploads.create(user, **values), links)


@router.get("", name="list")
async def list_uploads(user: CurrentUser, uploads: UploadSvc, links: Links) -> UploadList:
    """Yours that have not arrived, oldest first; 20 at most."""
    items = [_read(UploadStatus(upload), links) for upload in await uploads.list_open(user)]
    return UploadList(items=items)


@router.get("/{upload_id}", name="get", responses=problems(UploadNotFound))
async def get_upload(
    upload_id: UUID, user: CurrentUser, uploads: UploadSvc, links: Links
) -> UploadRead:
    """Where it stands, to go on from there."""
    return _read(await uploads.get(upload_id, user), links)


@router.patch(
    "/{upload_id}",
    name="append",
    openapi_extra=_CHUNK_BODY,
    responses=problems(UploadNotFound, UploadOffsetMismatch, BlobTooLarge, TooLarge),
)
async def append_to_upload(
    upload_id: UUID,
    request: Request,
    offset: Annotated[int, Header(alias="Upload-Offset", ge=0)],
    user: Generator,
    uploads: UploadSvc,
    links: Links,
) -> UploadRead:
    """The next chunk, taken whole or not at all. After a lost answer, ask where it stands, or send
    the chunk again: 409 tells the offset to go on from."""
    return _read(await uploads.append(upload_id, user, offset, _body_of(request)), links)


async def _body_of(request: Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect:
        raise BadRequest("The chunk broke off.") from None


@router.post(
    "/{upload_id}/finish",
    name="finish",
    status_code=201,
    responses=problems(
        UploadNotFound, UploadIncomplete, UploadHashMismatch, NotMedia, QuotaExceeded
    ),
)
async def finish_upload(
    upload_id: UUID, user: Generator, uploads: UploadSvc, links: Links
) -> AssetRead:
    """Make it an asset, once all bytes are there; again answers with the same one."""
    return links.read(await uploads.finish(upload_id, user))


@router.delete("/{upload_id}", name="delete", status_code=204, responses=problems(UploadNotFound))
async def delete_upload(upload_id: UUID, user: Generator, uploads: UploadSvc) -> None:
    """Forget it and what was sent; an asset that was made of it stays."""
    await uploads.delete(upload_id, user)


def _read(status: UploadStatus, links: MediaLinks) -> UploadRead:
    upload = status.upload
    return UploadRead(
        id=upload.id,
        name=upload.name,
        offset=upload.offset_bytes,
        size_bytes=upload.size_bytes,
        expires_at=upload.expires_at,
        asset=None if status.asset is None else links.read(status.asset),
    )
