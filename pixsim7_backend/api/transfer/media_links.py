"""Signed links to the bytes of assets, and assets as the API shows them."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pixsim7_backend.api.schemas.asset import AssetRead, AssetTile, AssetUrls, Thumb
from pixsim7_backend.domain.asset import Asset
from pixsim7_backend.domain.vocabulary import MediaType, SyncStatus
from pixsim7_backend.infrastructure.security.keys import KeyRing
from pixsim7_backend.infrastructure.security.tokens import sign_media

THUMBNAIL_SIZES = (240, 480, 960)
PREFIX = "/api/v1/assets"


@dataclass(frozen=True, slots=True)
class MediaLinks:
    """Makes links that live as long as one session or API token."""

    keys: KeyRing = field(repr=False)
    viewer_id: UUID

    def link(
        self, asset_id: UUID, kind: str, path: str, *, is_download: bool = False, query: str = ""
    ) -> str:
        token = sign_media(
            self.keys,
            asset_id=asset_id,
            kind=kind,
            viewer_id=self.viewer_id,
            is_download=is_download,
        )
        # A token needs no quoting.
        return f"{PREFIX}/{asset_id}/{path}?{query}{'download=true&' * is_download}t={token}"

    def urls(self, asset: Asset) -> AssetUrls:
        """Links to what is there now."""
        has_file = asset.sync_status is SyncStatus.DOWNLOADED
        is_derived = has_file and asset.derived_at is not None
        is_film = asset.media_type is MediaType.VIDEO
        thumbnails = {
            f"thumbnail_{size}": self.link(
                asset.id, f"thumb_{size}", "thumbnail", query=f"size={size}&"
            )
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

    def tile(self, asset: Asset) -> AssetTile:
        """What a list shows of the asset, with its links."""
        return AssetTile.model_validate(self._values(asset, AssetTile))

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
        return AssetRead.model_validate(self._values(asset, AssetRead))

    def _values(self, asset: Asset, shape: type[AssetTile]) -> dict[str, Any]:
        values = {name: getattr(asset, name, None) for name in shape.model_fields}
        values["ratio"] = round(2 ** ((asset.ratio - 128) / 48), 4)
        values["urls"] = self.urls(asset)
        if not (asset.remote_url or "").startswith(("https://", "http://")):
            values["remote_url"] = None
        return values
