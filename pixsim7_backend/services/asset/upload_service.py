"""Uploads in chunks: any machine takes the next one, and any of them finishes."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from pixsim7_backend.domain.asset import Asset, clean_tags
from pixsim7_backend.domain.upload import (
    MAX_CHUNK_BYTES,
    MAX_OPEN_UPLOADS,
    MIN_CHUNK_BYTES,
    TooManyUploads,
    Upload,
    UploadIncomplete,
    UploadNotFound,
    UploadOffsetMismatch,
    UploadPart,
)
from pixsim7_backend.domain.user import User
from pixsim7_backend.infrastructure.database.engine import Database, Transaction
from pixsim7_backend.infrastructure.database.repositories.upload import UploadRepository
from pixsim7_backend.infrastructure.database.repositories.user import UserRepository
from pixsim7_backend.infrastructure.storage.blob_store import BlobStore
from pixsim7_backend.infrastructure.storage.errors import BlobMissing
from pixsim7_backend.services.asset.asset_service import AssetService
from pixsim7_backend.shared.errors import FieldProblem, InvalidInput
from pixsim7_backend.shared.ids import new_id

ORPHAN_AGE_S = 25 * 3600.0
"""No upload is as old, so a part of this age belongs to none."""
_BATCH = 100


@dataclass(frozen=True, slots=True)
class UploadStatus:
    """Where an upload stands; with its asset once it has arrived."""

    upload: Upload
    asset: Asset | None = None


class UploadService:
    """Parts lie in the store, and count once their row is there. Another's upload is as unknown
    as none, and so is one older than a day (`UploadNotFound`)."""

    def __init__(self, database: Database, assets: AssetService, store: BlobStore) -> None:
        self._db = database
        self._assets = assets
        self._store = store

    async def create(
        self,
        user: User,
        *,
        name: str | None,
        size_bytes: int,
        sha256: str | None = None,
        workspace_id: UUID | None = None,
        tags: Collection[str] = (),
    ) -> UploadStatus:
        """Begin one. With the SHA-256 of an asset of the person it has arrived at once.

        Raises `BlobTooLarge`, `QuotaExceeded` or `TooManyUploads`.
        """
        cleaned = clean_tags(tags)
        known = None if sha256 is None else await self._assets.find_content(user, sha256)
        if known is None:
            await self._assets.check_upload(user, workspace_id, size_bytes)
        upload = Upload(
            user_id=user.id,
            workspace_id=workspace_id,
            name=name,
            tags=cleaned,
            size_bytes=size_bytes,
            sha256=sha256,
        )
        async with self._db.transaction() as tx:
            if known is not None and await self._assets.hold_inputs(tx, user.id, {known.id}):
                upload.workspace_id = known.workspace_id
                upload.size_bytes = upload.offset_bytes = known.size_bytes or size_bytes
                upload.asset_id = known.id
            uploads = UploadRepository(tx.session)
            if upload.asset_id is None:
                # The lock makes two parallel creates count one after the other.
                await UserRepository(tx.session).lock(user.id)
                if len(await uploads.list_open(user.id)) >= MAX_OPEN_UPLOADS:
                    raise TooManyUploads(
                        f"You have {MAX_OPEN_UPLOADS} open uploads. Finish or delete one."
                    )
            upload = await uploads.add(upload)
        return UploadStatus(upload, None if upload.asset_id is None else known)

    async def list_open(self, user: User) -> Sequence[Upload]:
        """One's own that have not arrived, oldest first."""
        async with self._db.transaction() as tx:
            return await UploadRepository(tx.session).list_open(user.id)

    async def get(self, upload_id: UUID, user: User) -> UploadStatus:
        async with self._db.transaction() as tx:
            upload = await _own(tx, upload_id, user)
            if upload.asset_id is None:
                return UploadStatus(upload)
            asset = await self._assets.get_asset_for_user(upload.asset_id, user)
        return UploadStatus(upload, asset)

    async def append(
        self, upload_id: UUID, user: User, offset: int, chunks: AsyncIterator[bytes]
    ) -> UploadStatus:
        """Take the next chunk, whole or not at all; what is told to be there is durable.

        Raises `UploadOffsetMismatch` unless it begins where the upload stands, so a chunk that
        comes twice is refused and harmless; `BlobTooLarge` when it is longer than allowed or left.
        """
        status = await self.get(upload_id, user)
        _require_offset(status.upload, offset)
        left = status.upload.size_bytes - offset
        part_id = new_id()
        async with self._store.stage(max_bytes=min(left, MAX_CHUNK_BYTES)) as staged:
            async for chunk in chunks:
                await staged.write(chunk)
            await staged.flush()
            size = staged.size_bytes
            if size < max(1, min(left, MIN_CHUNK_BYTES)):
                allowed = f"at least {MIN_CHUNK_BYTES} bytes, but for the last chunk"
                problem = FieldProblem("body", "is too short", allowed)
                raise InvalidInput("The chunk is too short.", fields=[problem])
            await self._store.keep_part(part_id, staged)
        async with self._db.transaction() as tx:
            upload = await UploadRepository(tx.session).append(upload_id, offset, size, part_id)
        if upload is None:
            await self._store.delete_part(part_id)
            _require_offset((await self.get(upload_id, user)).upload, offset)
            raise UploadNotFound("There is no such upload.")
        return UploadStatus(upload)

    async def finish(self, upload_id: UUID, user: User) -> Asset:
        """The asset, exactly as `AssetService.upload` would take it; again, the same one.

        Raises `UploadIncomplete`, and what `AssetService.upload` raises; the upload stays then.
        """
        async with self._db.transaction() as tx:
            upload = await _own(tx, upload_id, user)
            parts = await UploadRepository(tx.session).parts(upload_id)
        if upload.asset_id is not None:
            return await self._assets.get_asset_for_user(upload.asset_id, user)
        if upload.offset_bytes != upload.size_bytes:
            raise UploadIncomplete(f"{upload.offset_bytes} of {upload.size_bytes} bytes have come.")
        try:
            asset = await self._assets.upload(
                user,
                self._bytes_of(parts),
                filename=upload.name,
                workspace_id=upload.workspace_id,
                tags=upload.tags,
                sha256=upload.sha256,
            )
        except BlobMissing:
            # Somebody else may have finished it meanwhile, and removed the parts.
            status = await self.get(upload_id, user)
            if status.asset is None:
                raise
            return status.asset
        unneeded: list[UUID] = []
        async with self._db.transaction() as tx:
            if await self._assets.hold_inputs(tx, user.id, {asset.id}):
                unneeded = await UploadRepository(tx.session).finish(upload_id, asset.id)
        await self._delete_parts(unneeded)
        return asset

    async def _bytes_of(self, parts: Sequence[UploadPart]) -> AsyncIterator[bytes]:
        for part in parts:
            async for chunk in self._store.open_part(part.part_id, part.size_bytes):
                yield chunk

    async def delete(self, upload_id: UUID, user: User) -> None:
        """Forget an upload and what came of it; an asset that was made of it stays."""
        async with self._db.transaction() as tx:
            parts = await UploadRepository(tx.session).delete(upload_id, user.id)
        if parts is None:
            raise UploadNotFound("There is no such upload.")
        await self._delete_parts(parts)

    async def clean(self) -> None:
        """Forget uploads whose day is over, and parts that a crash left without an upload."""
        count = _BATCH
        while count == _BATCH:
            async with self._db.transaction() as tx:
                count, parts = await UploadRepository(tx.session).delete_expired(_BATCH)
            await self._delete_parts(parts)
        await self._store.sweep_parts(ORPHAN_AGE_S)

    async def _delete_parts(self, part_ids: Collection[UUID]) -> None:
        for part_id in part_ids:
            await self._store.delete_part(part_id)


async def _own(tx: Transaction, upload_id: UUID, user: User) -> Upload:
    upload = await UploadRepository(tx.session).find(upload_id, user.id)
    if upload is None:
        raise UploadNotFound("There is no such upload.")
    return upload


def _require_offset(upload: Upload, offset: int) -> None:
    if upload.offset_bytes != offset:
        problem = FieldProblem("Upload-Offset", "is not where it goes on", [upload.offset_bytes])
        raise UploadOffsetMismatch(
            f"The upload goes on from byte {upload.offset_bytes}.", fields=[problem]
        )
