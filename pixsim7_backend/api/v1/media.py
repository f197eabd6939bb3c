"""The bytes of assets: by a signed link, or by a credential."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from pixsim7_backend.api.dependencies import (
    AssetSvc,
    AuthSvc,
    ContainerDep,
    StoreDep,
    credential_of,
)
from pixsim7_backend.api.errors import problems
from pixsim7_backend.api.schemas.base import In
from pixsim7_backend.api.transfer.disposition import file_name
from pixsim7_backend.api.transfer.media_links import THUMBNAIL_SIZES
from pixsim7_backend.api.transfer.serve import StoredFile, serve
from pixsim7_backend.domain.asset import AssetNotFound, AssetNotReady
from pixsim7_backend.domain.user import User
from pixsim7_backend.infrastructure.security.keys import KeyPurpose
from pixsim7_backend.infrastructure.security.tokens import MEDIA_STEP_S, verify_media
from pixsim7_backend.shared.errors import NotFound, Unauthenticated

SIGNED_MAX_AGE_S = 2 * MEDIA_STEP_S
"""As long as a link lives at most: the same link always means the same bytes."""

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
    """A signed link brings `t`; with a credential it is left out."""

    download: bool = False
    t: str | None = None


class ThumbnailQuery(MediaQuery):
    size: Literal["240", "480", "960"] = "480"


class MediaAccess:
    """Serves bytes by whose right they are asked. A link that is not valid is as unknown as the
    asset."""

    def __init__(
        self,
        request: Request,
        container: ContainerDep,
        auth: AuthSvc,
        assets: AssetSvc,
        store: StoreDep,
    ) -> None:
        self._request = request
        self._keys = container.keys.ring(KeyPurpose.MEDIA_URL)
        self._auth = auth
        self._assets = assets
        self._store = store

    async def original(self, asset_id: UUID, query: MediaQuery) -> Response:
        user = await self._viewer(asset_id, "file", query)
        asset = await self._assets.get_asset_for_user(asset_id, user)
        if asset.sha256 is None or asset.size_bytes is None:
            raise AssetNotReady("The bytes are not in the library yet.")
        name = file_name(asset)
        return await self._serve(asset.sha256, asset.size_bytes, asset.mime_type, name, query)

    async def derivative(self, asset_id: UUID, query: MediaQuery, *kinds: str) -> Response:
        """The first of these kinds that is there; the link is for the first."""
        user = await self._viewer(asset_id, kinds[0], query)
        details = await self._assets.get_details(asset_id, user)
        found = next((details.files[kind] for kind in kinds if kind in details.files), None)
        if found is None:
            raise AssetNotReady("It is not made yet, or the asset has none.")
        suffix = f"-{found.kind.replace('_', '-')}"
        name = file_name(details.asset, found.mime_type, suffix=suffix)
        return await self._serve(found.sha256, found.size_bytes, found.mime_type, name, query)

    async def _viewer(self, asset_id: UUID, kind: str, query: MediaQuery) -> User:
        if query.t is not None:
            return await self._signed_viewer(asset_id, kind, query.t, query.download)
        credential = credential_of(self._request)
        if credential is None:
            raise Unauthenticated("Sign in, or use a signed link.")
        return (await self._auth.authenticate(credential)).user

    async def _signed_viewer(
        self, asset_id: UUID, kind: str, token: str, is_download: bool
    ) -> User:
        missing = AssetNotFound("There is no such asset.")
        try:
            viewer_id = verify_media(
                self._keys, token, asset_id=asset_id, kind=kind, is_download=is_download
            )
        except NotFound:
            raise missing from None
        user = await self._auth.find_viewer(viewer_id)
        if user is None:
            raise missing
        return user

    async def _serve(
        self, sha256: str, size: int, mime_type: str | None, name: str, query: MediaQuery
    ) -> Response:
        age = SIGNED_MAX_AGE_S if query.t else 0
        file = StoredFile(sha256, size, mime_type, name, is_download=query.download, max_age_s=age)
        return await serve(self._request, self._store, file)


Access = Annotated[MediaAccess, Depends()]
AnyMedia = Annotated[MediaQuery, Query()]


@router.head("/file", name="file_head", include_in_schema=False, response_class=Response)
@router.get("/file", name="file", response_class=Response, openapi_extra=_SECURITY)
async def get_file(asset_id: UUID, query: AnyMedia, access: Access) -> Response:
    """The asset itself. `Range`, `If-Range` and `If-None-Match` are understood."""
    return await access.original(asset_id, query)


@router.head("/thumbnail", name="thumbnail_head", include_in_schema=False, response_class=Response)
@router.get("/thumbnail", name="thumbnail", response_class=Response, openapi_extra=_SECURITY)
async def get_thumbnail(
    asset_id: UUID, query: Annotated[ThumbnailQuery, Query()], access: Access
) -> Response:
    """A small still picture; the number is its long side."""
    kinds = [f"thumb_{size}" for size in _nearest(int(query.size))]
    return await access.derivative(asset_id, query, *kinds)


@router.head("/poster", name="poster_head", include_in_schema=False, response_class=Response)
@router.get("/poster", name="poster", response_class=Response, openapi_extra=_SECURITY)
async def get_poster(asset_id: UUID, query: AnyMedia, access: Access) -> Response:
    """A still picture in full size."""
    return await access.derivative(asset_id, query, "poster")


@router.head("/preview", name="preview_head", include_in_schema=False, response_class=Response)
@router.get("/preview", name="preview", response_class=Response, openapi_extra=_SECURITY)
async def get_preview(asset_id: UUID, query: AnyMedia, access: Access) -> Response:
    """A short silent film for hovering."""
    return await access.derivative(asset_id, query, "preview")


def _nearest(size: int) -> list[int]:
    """That size, then the larger ones, then the smaller: a small picture has fewer of them."""
    larger = [other for other in THUMBNAIL_SIZES if other >= size]
    return larger + [other for other in reversed(THUMBNAIL_SIZES) if other < size]
