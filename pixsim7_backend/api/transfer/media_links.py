"""Signed links to the bytes of assets, and assets as the API shows them."""

from dataclasses import dataclass, field
from urllib.parse import urlencode
from uuid import UUID

from pixsim7_backend.api.schemas.asset import AssetRead, AssetUrls, Thumb
from pixsim7_backend.domain.asset import Asset
from pixsim7_backend.domain.vocabulary import MediaType, SyncStatus
from pixsim7_backend.infrastructure.security.keys import KeyRing
from pixsim7_backend.infrastructure.security.tokens import sign_media

THUMBNAIL_SIZES = (240, 480, 960)
PREFIX = "/api/v1/assets"


@dataclass(frozen=True, slots=True)
class MediaLinks:
    """Makes links for one person that live as long as one session or API token."""

    keys: KeyRing = field(repr=False)
    user_id: UUID
    viewer_id: UUID

    def link(
        self, asset_id: UUID, kind: str, path: str, *, is_download: bool = False, **query: str
    ) -> str:
        token = sign_media(
            self.keys,
            asset_id=asset_id,
            kind=kind,
            viewer_id=self.viewer_id,
            is_download=is_download,
        )
        if is_download:
            query["download"] = "true"
        return (
            f"{PREFIX}/{asset_id}/{path}?{urlencode({**query, 'u': self.user_id.hex, 't': token})}"
        )

    def urls(self, asset: Asset) -> AssetUrls:
        """Links to what is there now."""
        has_file = asset.sync_status is SyncStatus.DOWNLOADED
        is_derived = has_file and asset.derived_at is not None
        is_film = asset.media_type is MediaType.VIDEO
        thumbnails = {
            f"thumbnail_{size}": self.link(asset.id, f"thumb_{size}", "thumbnail", size=str(size))
            if is_derived
            else None
            for size in THUMBNAIL_SIZES
        }
        return AssetUrls(
            file=self.link(asset.id, "file", "file") if has_file else None,
            download=self.link(asset.id, "file", "file", is_download=True) if has_file else None,
            poster=self.link(asset.id, "poster", "poster") if is_derived else None,
            preview=self.link(asset.id, "preview", "preview") if is_derived and is_film else None,
            **thumbnails,
        )

    def thumb(self, asset: Asset | None) -> Thumb | None:
        """What a tile shows of it; links are null until there are such files."""
        if asset is None:
            return None
        urls = self.urls(asset)
        return Thumb(
            asset_id=asset.id,
            media_type=asset.media_type,
            width=asset.width,
            height=asset.height,
            colour=asset.colour,
            thumbhash=asset.thumbhash,
            duration_s=asset.duration_s,
            thumbnail=urls.thumbnail_480,
            preview=urls.preview,
        )

    def read(self, asset: Asset) -> AssetRead:
        """The asset with its links. A provider's own address is shown only if it is public."""
        values = {
            name: getattr(asset, name)
            for name in AssetRead.model_fields
            if name not in ("urls", "remote_url")
        }
        remote = asset.remote_url or ""
        is_public = remote.startswith(("https://", "http://"))
        return AssetRead.model_validate(
            {**values, "remote_url": remote if is_public else None, "urls": self.urls(asset)}
        )
