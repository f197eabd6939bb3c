"""Uploads and their parts in SQL."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from pixsim7_backend.domain.upload import Upload, UploadPart


class UploadRepository:
    """Rows of `uploads` and `upload_parts`. One whose time is over is as unknown as none."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, upload: Upload) -> Upload:
        self._session.add(upload)
        await self._session.flush()
        await self._session.refresh(upload)
        return upload

    async def find(self, upload_id: UUID, user_id: UUID) -> Upload | None:
        statement = (
            select(Upload)
            .where(
                Upload.id == upload_id,
                Upload.user_id == user_id,
                Upload.expires_at > func.now(),
            )
            .execution_options(populate_existing=True)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def list_open(self, user_id: UUID) -> Sequence[Upload]:
        """Oldest first."""
        statement = (
            select(Upload)
            .where(
                Upload.user_id == user_id,
                Upload.asset_id.is_(None),
                Upload.expires_at > func.now(),
            )
            .order_by(Upload.id)
        )
        return (await self._session.scalars(statement)).all()

    async def append(
        self, upload_id: UUID, offset_bytes: int, size_bytes: int, part_id: UUID
    ) -> Upload | None:
        """The part is the next one; None when the upload is not at this offset any more."""
        statement = (
            update(Upload)
            .where(
                Upload.id == upload_id,
                Upload.offset_bytes == offset_bytes,
                Upload.asset_id.is_(None),
            )
            .values(offset_bytes=Upload.offset_bytes + size_bytes)
            .returning(Upload)
            .execution_options(populate_existing=True, synchronize_session=False)
        )
        upload = (await self._session.scalars(statement)).one_or_none()
        if upload is not None:
            part = UploadPart(
                upload_id=upload_id,
                offset_bytes=offset_bytes,
                size_bytes=size_bytes,
                part_id=part_id,
            )
            self._session.add(part)
            await self._session.flush()
        return upload

    async def parts(self, upload_id: UUID) -> Sequence[UploadPart]:
        """In the order of their bytes."""
        statement = (
            select(UploadPart)
            .where(UploadPart.upload_id == upload_id)
            .order_by(UploadPart.offset_bytes)
        )
        return (await self._session.scalars(statement)).all()

    async def finish(self, upload_id: UUID, asset_id: UUID) -> list[UUID]:
        """It has arrived; the ids of the parts that nobody needs any more."""
        await self._session.execute(
            update(Upload)
            .where(Upload.id == upload_id)
            .values(asset_id=asset_id)
            .execution_options(synchronize_session=False)
        )
        return await self._forget_parts([upload_id])

    async def delete(self, upload_id: UUID, user_id: UUID) -> list[UUID] | None:
        """Forget it; the ids of its parts, or None when there is no such upload."""
        statement = (
            select(Upload.id)
            .where(
                Upload.id == upload_id,
                Upload.user_id == user_id,
                Upload.expires_at > func.now(),
            )
            .with_for_update()
        )
        if (await self._session.scalar(statement)) is None:
            return None
        return await self._delete([upload_id])

    async def delete_expired(self, limit: int) -> tuple[int, list[UUID]]:
        """Forget those whose time is over; how many, and the ids of their parts."""
        statement = (
            select(Upload.id)
            .where(Upload.expires_at <= func.now())
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        ids = list(await self._session.scalars(statement))
        return len(ids), await self._delete(ids)

    async def _delete(self, upload_ids: Collection[UUID]) -> list[UUID]:
        parts = await self._forget_parts(upload_ids)
        await self._session.execute(delete(Upload).where(Upload.id.in_(upload_ids)))
        return parts

    async def _forget_parts(self, upload_ids: Collection[UUID]) -> list[UUID]:
        statement = (
            delete(UploadPart)
            .where(UploadPart.upload_id.in_(upload_ids))
            .returning(UploadPart.part_id)
        )
        return list(await self._session.scalars(statement))
