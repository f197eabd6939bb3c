"""The bytes of assets: by a signed link, or by a credential."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from pixsim7_backend.api.dependencies import (
    AssetSvc,
    ContainerDep,
    ServicesDep,
    StoreDep,
    credential_of,
    find_viewer,
)
from pixsim7_backend.api.errors import problems
from pixsim7_backend.api.schemas.base import In
from pixsim7_backend.api.transfer.disposition import file_name
from pixsim7_backend.api.transfer.media_links import THUMBNAIL_SIZES
from pixsim7_backend.api.transfer.serve import StoredFile, serve
from pixsim7_backend.domain.asset import Asset, AssetFile, AssetNotFound, AssetNotReady
from pixsim7_backend.domain.user import User
from pixsim7_backend.infrastructure.security.keys import KeyPurpose
from pixsim7_backend.infrastructure.security.tokens import verify_media
from pixsim7_backend.shared.errors import NotFound, Unauthenticated

SIGNED_MAX_AGE_S = 3600
"""Longer than a link lives: the same link always means the same bytes."""

_BYTES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The bytes.", "content": {"*/*": {}}},
    206: {"description": "The part asked for by `Range`.", "content": {"*/*": {}}},
    304: {"description": "As `If-None-Match` knows it."},
    416: {"description": "No byte of the range is in the file."},
}
_SECURITY: dict[str, Any] = {"security": [{"HTTPBearer": []}, {"APIKeyCookie": []}, {}]}
"""Nothing but the link itself is fine too."""
router = APIRouter(
    prefix="/assets/{asset_id}",
    tags=["media"],
    responses={**_BYTES, **problems(AssetNotFound, AssetNotReady)},
)


class MediaQuery(In):
    """A signed link brings `u` and `t`; with a credential they are left out."""

    download: bool = False
    u: UUID | None = None
    t: str | None = None


class ThumbnailQuery(MediaQuery):
    size: Literal["240", "480", "960"] = "480"


async def _signed_viewer(
    container: ContainerDep, asset_id: UUID, kind: str, query: MediaQuery
) -> User:
    missing = AssetNotFound("There is no such asset.")
    if query.u is None or query.t is None:
        raise missing
    try:
        viewer_id = verify_media(
            container.keys.ring(KeyPurpose.MEDIA_URL),
            query.t,
            asset_id=asset_id,
            kind=kind,
            is_download=query.download,
        )
    except NotFound:
        raise missing from None
    user = await find_viewer(container.services, query.u, viewer_id)
    if user is None:
        raise missing
    return user


class MediaAccess:
    """Whose right the bytes are asked by. A link that is not valid is as unknown as the asset."""

    def __init__(self, request: Request, container: ContainerDep, services: ServicesDep) -> None:
        self._request = request
        self._container = container
        self._services = services

    async def viewer(self, asset_id: UUID, kind: str, query: MediaQuery) -> User:
        if query.t is not None or query.u is not None:
            return await _signed_viewer(self._container, asset_id, kind, query)
        credential = credential_of(self._request)
        if credential is None:
            raise Unauthenticated("Sign in, or use a signed link.")
        return (await self._services.auth.authenticate(credential)).user


Access = Annotated[MediaAccess, Depends()]


@router.head("/file", name="file_head", include_in_schema=False, response_class=Response)
@router.get("/file", name="file", response_class=Response, openapi_extra=_SECURITY)
async def get_file(
    asset_id: UUID,
    query: Annotated[MediaQuery, Query()],
    request: Request,
    access: Access,
    assets: AssetSvc,
    store: StoreDep,
) -> Response:
    """The asset itself. `Range`, `If-Range` and `If-None-Match` are understood."""
    user = await access.viewer(asset_id, "file", query)
    asset = await assets.get_asset_for_user(asset_id, user)
    if asset.sha256 is None or asset.size_bytes is None:
        raise AssetNotReady("The bytes are not in the library yet.")
    file = StoredFile(
        asset.sha256,
        asset.size_bytes,
        asset.mime_type,
        file_name(asset),
        is_download=query.download,
        max_age_s=SIGNED_MAX_AGE_S if query.t else 0,
    )
    return await serve(request, store, file)


@router.head("/thumbnail", name="thumbnail_head", include_in_schema=False, response_class=Response)
@router.get("/thumbnail", name="thumbnail", response_class=Response, openapi_extra=_SECURITY)
async def get_thumbnail(
    asset_id: UUID,
    query: Annotated[ThumbnailQuery, Query()],
    request: Request,
    access: Access,
    assets: AssetSvc,
    store: StoreDep,
) -> Response:
    """A small still picture; the number is its long side."""
    user = await access.viewer(asset_id, f"thumb_{query.size}", query)
    details = await assets.get_details(asset_id, user)
    kinds = [f"thumb_{size}" for size in _nearest(int(query.size))]
    return await _derivative(request, store, details.asset, details.files, kinds, query)


@router.head("/poster", name="poster_head", include_in_schema=False, response_class=Response)
@router.get("/poster", name="poster", response_class=Response, openapi_extra=_SECURITY)
async def get_poster(
    asset_id: UUID,
    query: Annotated[MediaQuery, Query()],
    request: Request,
    access: Access,
    assets: AssetSvc,
    store: StoreDep,
) -> Response:
    """A still picture in full size."""
    user = await access.viewer(asset_id, "poster", query)
    details = await assets.get_details(asset_id, user)
    return await _derivative(request, store, details.asset, details.files, ["poster"], query)


@router.head("/preview", name="preview_head", include_in_schema=False, response_class=Response)
@router.get("/preview", name="preview", response_class=Response, openapi_extra=_SECURITY)
async def get_preview(
    asset_id: UUID,
    query: Annotated[MediaQuery, Query()],
    request: Request,
    access: Access,
    assets: AssetSvc,
    store: StoreDep,
) -> Response:
    """A short silent film for hovering."""
    user = await access.viewer(asset_id, "preview", query)
    details = await assets.get_details(asset_id, user)
    return await _derivative(request, store, details.asset, details.files, ["preview"], query)


def _nearest(size: int) -> list[int]:
    """That size, then the larger ones, then the smaller: a small picture has fewer of them."""
    larger = [other for other in THUMBNAIL_SIZES if other >= size]
    return larger + [other for other in reversed(THUMBNAIL_SIZES) if other < size]


async def _derivative(
    request: Request,
    store: StoreDep,
    asset: Asset,
    files: Mapping[str, AssetFile],
    kinds: list[str],
    query: MediaQuery,
) -> Response:
    """The first of these kinds that is there."""
    found = next(
        (files[kind] for kind in (*kinds, "thumb_480", "thumb_240") if kind in files), None
    )
    if kinds[0] in ("poster", "preview"):
        found = files.get(kinds[0])
    if found is None:
        raise AssetNotReady("It is not made yet, or the asset has none.")
    file = StoredFile(
        found.sha256,
        found.size_bytes,
        found.mime_type,
        file_name(asset, found.mime_type, suffix=f"-{found.kind.replace('_', '-')}"),
        is_download=query.download,
        max_age_s=SIGNED_MAX_AGE_S if query.t else 0,
    )
    return await serve(request, store, file)
