"""Inputs of jobs as local files, for the time of one submission."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import UUID

from pixsim7_backend.domain.account import ProviderAccount
from pixsim7_backend.domain.asset import Asset
from pixsim7_backend.domain.provider import (
    HttpNotSent,
    HttpUncertain,
    InputMedia,
    MediaSlot,
    OperationParams,
)
from pixsim7_backend.domain.vocabulary import SyncStatus
from pixsim7_backend.infrastructure.database.engine import Database
from pixsim7_backend.infrastructure.database.repositories.asset import AssetRepository
from pixsim7_backend.infrastructure.http import HttpGateway
from pixsim7_backend.infrastructure.http_policy import Purpose
from pixsim7_backend.infrastructure.media.model import MediaRejected
from pixsim7_backend.infrastructure.media.runner import MediaTools
from pixsim7_backend.infrastructure.storage.blob_store import BlobStore
from pixsim7_backend.infrastructure.storage.errors import BlobTooLarge
from pixsim7_backend.services.provider.registry import media_values
from pixsim7_backend.services.provider.submission_sender import InputNotReady, InputUnavailable

MAX_INPUT_BYTES = 200 * 2**20


class AssetInputs:
    """Opens the media that parameters name: assets of the library, or https URLs."""

    def __init__(
        self, database: Database, store: BlobStore, tools: MediaTools, gateway: HttpGateway
    ) -> None:
        self._db = database
        self._store = store
        self._tools = tools
        self._gateway = gateway

    @asynccontextmanager
    async def open_inputs(
        self, user_id: UUID, params: OperationParams, account: ProviderAccount
    ) -> AsyncIterator[tuple[InputMedia, ...]]:
        """See `InputSource`."""
        async with AsyncExitStack() as stack:
            opened = []
            for name, slot, reference in media_values(params):
                if reference.startswith("https://"):
                    media = await stack.enter_async_context(self._from_url(name, slot, reference))
                else:
                    media = await stack.enter_async_context(
                        self._from_library(user_id, name, UUID(reference), account)
                    )
                opened.append(media)
            yield tuple(opened)

    @asynccontextmanager
    async def _from_library(
        self, user_id: UUID, slot: str, asset_id: UUID, account: ProviderAccount
    ) -> AsyncIterator[InputMedia]:
        async with self._db.transaction() as tx:
            asset = await AssetRepository(tx.session).find(asset_id)
        if asset is None or asset.user_id != user_id:
            raise InputUnavailable(f"The input {slot} has been deleted.")
        remote_id = asset.provider_asset_id if asset.account_id == account.id else None
        if asset.sync_status is SyncStatus.ERROR:
            raise InputUnavailable(f"The input {slot} could not be fetched from its provider.")
        if asset.sha256 is None:
            raise InputNotReady(f"The input {slot} is still on its way into the library.")
        async with self._store.materialise(asset.sha256) as path:
            yield self._media(slot, asset, asset.sha256, path, remote_id)

    def _media(
        self, slot: str, asset: Asset, sha256: str, path: Path, remote_id: str | None
    ) -> InputMedia:
        return InputMedia(
            slot=slot,
            media_type=asset.media_type,
            sha256=sha256,
            mime_type=asset.mime_type or "application/octet-stream",
            size_bytes=asset.size_bytes or 0,
            path=path,
            remote_id=remote_id,
        )

    @asynccontextmanager
    async def _from_url(self, name: str, slot: MediaSlot, url: str) -> AsyncIterator[InputMedia]:
        """A user's URL: public addresses only, capped, and really media of the kind."""
        client = self._gateway.client(allowed_origins=None, purpose=Purpose.USER_URL)
        async with self._store.scratch() as directory:
            path = directory / "input"
            digest, size = hashlib.sha256(), 0
            try:
                async with client.stream(url, timeout_s=120) as stream:
                    if stream.status != 200:
                        raise InputUnavailable(f"The URL of {name} answered {stream.status}.")
                    with path.open("wb") as file:
                        async for chunk in stream.chunks:
                            size += len(chunk)
                            if size > MAX_INPUT_BYTES:
                                raise InputUnavailable(f"The file at the URL of {name} is too big.")
                            digest.update(chunk)
                            file.write(chunk)
                info = await self._tools.probe(path)
            except (HttpNotSent, HttpUncertain) as error:
                raise InputUnavailable(f"The URL of {name} cannot be read: {error}") from error
            except (MediaRejected, BlobTooLarge) as error:
                raise InputUnavailable(f"The URL of {name}: {error.detail}") from error
            if info.media_type not in slot.kinds:
                raise InputUnavailable(f"The URL of {name} is {info.mime}, which does not fit.")
            yield InputMedia(name, info.media_type, digest.hexdigest(), info.mime, size, path)
