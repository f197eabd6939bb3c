"""Assets, their files, their links and blobs in SQL."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from pixsim7_backend.domain.asset import ASSET_SYNC, Asset, AssetFile, AssetLink, Blob
from pixsim7_backend.domain.vocabulary import MediaType, OperationType, SyncStatus
from pixsim7_backend.infrastructure.database.repositories.transition import transition


@dataclass(frozen=True, slots=True)
class AssetFilter:
    """What a list of assets is narrowed to; unset fields do not narrow."""

    media_type: MediaType | None = None
    sync_status: SyncStatus | None = None
    provider_id: str | None = None
    operation_type: OperationType | None = None
    model: str | None = None
    workspace_id: UUID | None = None
    job_id: UUID | None = None
    tag: Sequence[str] = ()
    """All of them."""
    is_favourite: bool | None = None
    rating_min: int | None = None
    origin: str | None = None
    query: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    is_trashed: bool = False
    include_after_cancel: bool = False


class AssetRepository:
    """Rows of `assets`, `asset_files`, `asset_links` and `blobs`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, asset: Asset) -> Asset:
        self._session.add(asset)
        await self._session.flush()
        return await self.get(asset.id)

    async def get(self, asset_id: UUID) -> Asset:
        asset = await self.find(asset_id)
        if asset is None:
            raise LookupError(f"asset {asset_id}")
        return asset

    async def find(self, asset_id: UUID) -> Asset | None:
        return await self._session.get(Asset, asset_id, populate_existing=True)

    async def find_many(self, asset_ids: Collection[UUID], user_id: UUID) -> list[Asset]:
        statement = (
            select(Asset)
            .where(Asset.id.in_(asset_ids), Asset.user_id == user_id)
            .execution_options(populate_existing=True)
        )
        return list(await self._session.scalars(statement))

    async def find_of_submission(self, submission_id: UUID) -> list[Asset]:
        statement = (
            select(Asset).where(Asset.submission_id == submission_id).order_by(Asset.output_no)
        )
        return list(await self._session.scalars(statement))

    async def find_by_provider_asset(
        self, user_id: UUID, provider_id: str, provider_asset_id: str
    ) -> Asset | None:
        statement = select(Asset).where(
            Asset.user_id == user_id,
            Asset.provider_id == provider_id,
            Asset.provider_asset_id == provider_asset_id,
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def find_by_content(
        self, user_id: UUID, sha256: str, *, other_than: UUID | None = None
    ) -> Asset | None:
        """The oldest asset of the person with these bytes; one in the trash comes last."""
        statement = select(Asset).where(Asset.user_id == user_id, Asset.sha256 == sha256)
        if other_than is not None:
            statement = statement.where(Asset.id != other_than)
        statement = statement.order_by(Asset.trashed_at.is_not(None), Asset.id).limit(1)
        return (await self._session.scalars(statement)).one_or_none()

    async def list_beside(
        self, asset: Asset, column: InstrumentedAttribute[Any], limit: int
    ) -> Sequence[Asset]:
        """The person's other assets with the same value there, newest first."""
        value = getattr(asset, column.key)
        if value is None:
            return []
        statement = (
            select(Asset)
            .where(
                Asset.user_id == asset.user_id,
                column == value,
                Asset.id != asset.id,
                is_trashed(False),
            )
            .order_by(Asset.id.desc())
            .limit(limit)
        )
        return (await self._session.scalars(statement)).all()

    async def list_for(
        self, user_id: UUID, filters: AssetFilter, after: UUID | None, limit: int
    ) -> Sequence[Asset]:
        """Newest first."""
        statement = (
            select(Asset)
            .where(*conditions(user_id, filters))
            .order_by(Asset.id.desc())
            .limit(limit)
        )
        if after is not None:
            statement = statement.where(Asset.id < after)
        return (await self._session.scalars(statement)).all()

    async def move(
        self,
        asset_id: UUID,
        target: SyncStatus,
        *,
        only_from: Collection[SyncStatus] | None = None,
        **values: Any,
    ) -> Asset | None:
        return await transition(
            self._session, Asset, ASSET_SYNC, asset_id, target, only_from=only_from, **values
        )

    async def claim_fetch(self, asset_id: UUID, lease: timedelta) -> Asset | None:
        """Become the one who fetches; a claim whose lease is over may be taken."""
        statement = (
            update(Asset)
            .where(
                Asset.id == asset_id,
                or_(
                    Asset.sync_status == SyncStatus.REMOTE,
                    (Asset.sync_status == SyncStatus.DOWNLOADING)
                    & (func.coalesce(Asset.fetch_after, func.now()) <= func.clock_timestamp()),
                ),
            )
            .values(
                sync_status=SyncStatus.DOWNLOADING,
                fetch_after=func.clock_timestamp() + lease,
                fetch_attempts=Asset.fetch_attempts + 1,
            )
            .returning(Asset)
            .execution_options(populate_existing=True, synchronize_session=False)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def renew_fetch(self, asset_id: UUID, attempt: int, lease: timedelta) -> None:
        """The fetcher is still at it; nothing happens when another attempt has begun."""
        await self._session.execute(
            update(Asset)
            .where(
                Asset.id == asset_id,
                Asset.fetch_attempts == attempt,
                Asset.sync_status == SyncStatus.DOWNLOADING,
            )
            .values(fetch_after=func.clock_timestamp() + lease)
            .execution_options(synchronize_session=False)
        )

    async def list_due_fetches(self, limit: int) -> list[UUID]:
        """Assets whose fetch is due or whose fetcher went away, most urgent first."""
        statement = (
            select(Asset.id)
            .where(
                Asset.sync_status.in_([SyncStatus.REMOTE, SyncStatus.DOWNLOADING]),
                Asset.fetch_after < func.clock_timestamp(),
            )
            .order_by(Asset.remote_expires_at.asc().nulls_last())
            .limit(limit)
        )
        return list(await self._session.scalars(statement))

    async def list_underived(self, limit: int) -> list[UUID]:
        statement = (
            select(Asset.id)
            .where(
                Asset.sync_status == SyncStatus.DOWNLOADED,
                Asset.derived_at.is_(None),
                Asset.derive_error.is_(None),
                Asset.downloaded_at < func.now() - timedelta(minutes=5),
            )
            .limit(limit)
        )
        return list(await self._session.scalars(statement))

    async def update(self, asset_id: UUID, **values: Any) -> Asset | None:
        statement = (
            update(Asset)
            .where(Asset.id == asset_id)
            .values(**values)
            .returning(Asset)
            .execution_options(populate_existing=True, synchronize_session=False)
        )
        return (await self._session.scalars(statement)).one_or_none()

    # --- links ---

    async def link(self, child_id: UUID, parents: Collection[tuple[UUID, str]]) -> None:
        if parents:
            rows = [
                {"child_id": child_id, "parent_id": parent_id, "role": role}
                for parent_id, role in parents
            ]
            await self._session.execute(insert(AssetLink).on_conflict_do_nothing(), rows)

    async def lineage(self, asset_id: UUID, limit: int, depth: int = 8) -> list[AssetLink]:
        """The links above and below an asset, to a depth; the nearest `limit` of each, newest
        first, for a picture may be the input of thousands."""
        statement = text(
            """
            WITH RECURSIVE up AS (
                SELECT l.child_id, l.parent_id, l.role, 1 AS depth FROM asset_links l
                WHERE l.child_id = :id
                UNION
                SELECT l.child_id, l.parent_id, l.role, up.depth + 1 FROM asset_links l
                JOIN up ON l.child_id = up.parent_id WHERE up.depth < :depth
            ), down AS (
                SELECT l.child_id, l.parent_id, l.role, 1 AS depth FROM asset_links l
                WHERE l.parent_id = :id
                UNION
                SELECT l.child_id, l.parent_id, l.role, down.depth + 1 FROM asset_links l
                JOIN down ON l.parent_id = down.child_id WHERE down.depth < :depth
            )
            (SELECT child_id, parent_id, role FROM up
             GROUP BY 1, 2, 3 ORDER BY min(depth), parent_id DESC LIMIT :limit)
            UNION
            (SELECT child_id, parent_id, role FROM down
             GROUP BY 1, 2, 3 ORDER BY min(depth), child_id DESC LIMIT :limit)
            """
        )
        values = {"id": asset_id, "depth": depth, "limit": limit}
        rows = await self._session.execute(statement, values)
        return [AssetLink(child_id=row[0], parent_id=row[1], role=row[2]) for row in rows]

    # --- files and blobs ---

    async def files(self, asset_id: UUID) -> dict[str, AssetFile]:
        statement = select(AssetFile).where(AssetFile.asset_id == asset_id)
        return {row.kind: row for row in await self._session.scalars(statement)}

    async def replace_files(self, asset_id: UUID, rows: Sequence[Mapping[str, Any]]) -> None:
        await self._session.execute(delete(AssetFile).where(AssetFile.asset_id == asset_id))
        if rows:
            values = [{"asset_id": asset_id, **row} for row in rows]
            await self._session.execute(insert(AssetFile), values)

    async def add_blobs(self, sizes: Mapping[str, int]) -> None:
        """These bytes are there, and the cleaner leaves them alone for a day from now."""
        row = insert(Blob)
        row = row.on_conflict_do_update(
            index_elements=["sha256"], set_={"created_at": func.clock_timestamp()}
        )
        values = [{"sha256": key, "size_bytes": size} for key, size in sorted(sizes.items())]
        await self._session.execute(row, values)

    async def list_unreferenced_blobs(self, older_than: timedelta, limit: int) -> list[str]:
        statement = select(Blob.sha256).where(*_unreferenced(older_than)).limit(limit)
        return list(await self._session.scalars(statement))

    async def forget_blob(self, sha256: str, older_than: timedelta) -> bool:
        """Delete the row unless something needs the bytes again; the caller holds their lock."""
        statement = (
            delete(Blob)
            .where(Blob.sha256 == sha256, *_unreferenced(older_than))
            .returning(Blob.sha256)
        )
        return (await self._session.scalar(statement)) is not None


def _unreferenced(older_than: timedelta) -> list[ColumnElement[bool]]:
    return [
        Blob.created_at < func.now() - older_than,
        ~exists().where(Asset.sha256 == Blob.sha256),
        ~exists().where(AssetFile.sha256 == Blob.sha256),
    ]


def conditions(user_id: UUID, filters: AssetFilter) -> list[ColumnElement[bool]]:
    """What a person's filters mean; the trash is apart from everything else."""
    equal = {
        Asset.user_id: user_id,
        Asset.media_type: filters.media_type,
        Asset.sync_status: filters.sync_status,
        Asset.provider_id: filters.provider_id,
        Asset.operation_type: filters.operation_type,
        Asset.model: filters.model,
        Asset.workspace_id: filters.workspace_id,
        Asset.job_id: filters.job_id,
        Asset.is_favourite: filters.is_favourite,
        Asset.origin: filters.origin,
    }
    where = [column == value for column, value in equal.items() if value is not None]
    where.append(is_trashed(filters.is_trashed))
    if filters.tag:
        where.append(Asset.tags.contains(list(filters.tag)))
    if filters.query:
        where.append(Asset.search.op("@@")(func.websearch_to_tsquery("simple", filters.query)))
    if filters.rating_min is not None:
        where.append(Asset.rating >= filters.rating_min)
    if filters.created_after is not None:
        where.append(Asset.created_at >= filters.created_after)
    if filters.created_before is not None:
        where.append(Asset.created_at < filters.created_before)
    if not filters.include_after_cancel:
        where.append(Asset.is_after_cancel.is_(False))
    return where


def is_trashed(value: bool) -> ColumnElement[bool]:
    return Asset.trashed_at.is_not(None) if value else Asset.trashed_at.is_(None)
