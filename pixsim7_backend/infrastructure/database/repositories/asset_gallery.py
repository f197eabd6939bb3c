"""The library as a whole in SQL: its layout, pages of a snapshot, counts, and many at once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Date,
    Delete,
    LargeBinary,
    SQLColumnExpression,
    UnaryExpression,
    all_,
    any_,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from pixsim7_backend.domain.asset import (
    MAX_SNAPSHOTS,
    MAX_TAGS,
    SNAPSHOT_KEPT,
    TRASH_KEPT,
    Asset,
    AssetSnapshot,
)
from pixsim7_backend.domain.vocabulary import AssetSort
from pixsim7_backend.infrastructure.database.errors import refused_value
from pixsim7_backend.infrastructure.database.repositories.asset import (
    AssetFilter,
    conditions,
    is_trashed,
)
from pixsim7_backend.shared.errors import FieldProblem, InvalidInput
from pixsim7_backend.shared.ids import new_id

MAX_TAG_FACET = 200
_ID_BYTES = 16

_ORDER: dict[AssetSort, list[UnaryExpression[Any]]] = {
    AssetSort.NEWEST: [Asset.id.desc()],
    AssetSort.OLDEST: [Asset.id.asc()],
    AssetSort.RATING: [Asset.rating.desc().nulls_last(), Asset.id.desc()],
    AssetSort.DURATION: [Asset.duration_s.desc().nulls_last(), Asset.id.desc()],
    AssetSort.SIZE: [Asset.size_bytes.desc().nulls_last(), Asset.id.desc()],
}

# Each facet with the field of the filter that it is counted without.
_FACETS = {
    Asset.media_type: "media_type",
    Asset.provider_id: "provider_id",
    Asset.model: "model",
    Asset.operation_type: "operation_type",
    Asset.workspace_id: "workspace_id",
    Asset.rating: "rating_min",
    Asset.origin: "origin",
    Asset.sync_status: "sync_status",
    Asset.is_favourite: "is_favourite",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """A look at the whole library: the shape of each asset in order, and how many a day."""

    snapshot_id: UUID
    total: int
    ratios: bytes
    days: Sequence[tuple[date, int]]
    """In the order of the assets; empty when that is not the order of time."""


@dataclass(frozen=True, slots=True)
class SnapshotPage:
    """Some ids of a snapshot, and what it is a snapshot of."""

    total: int
    is_trash: bool
    ids: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class Deleted:
    """Assets that are gone, the bytes that they stood for, and the submissions whose results
    among them were not home yet."""

    ids: list[UUID]
    size_bytes: int
    unfetched: set[UUID]


class GalleryRepository:
    """Works on sets: each method is a bounded number of statements, however large the library."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    # --- snapshots ---

    async def take_snapshot(
        self, user_id: UUID, filters: AssetFilter, sort: AssetSort, time_zone: str
    ) -> Layout:
        """Keep the ids that match now, in order; only the person's newest snapshots stay.

        Raises `InvalidInput` for an unknown time zone.
        """
        await self._session.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended('snapshots:' || :id, 0))"),
            {"id": str(user_id)},
        )
        day = cast(func.timezone(time_zone, Asset.created_at), Date).label("day")
        picked = (
            select(Asset.id, Asset.ratio, day)
            .where(*conditions(user_id, filters))
            .order_by(*_ORDER[sort])
            .cte("picked")
        )
        # The one byte of a number below 256 is the second of two in network order.
        byte = func.substring(func.int2send(picked.c.ratio), 2, 1)
        packed = select(
            func.count().label("total"),
            _joined(func.uuid_send(picked.c.id)).label("ids"),
            _joined(byte).label("ratios"),
        ).cte("packed")
        runs = select(picked.c.day, func.count().label("count")).group_by(picked.c.day).subquery()
        days = select(func.json_agg(func.json_build_array(runs.c.day, runs.c.count)))
        snapshot_id = new_id()
        kept = insert(AssetSnapshot).from_select(
            ["id", "user_id", "is_trash", "total", "ids"],
            select(
                literal(snapshot_id),
                literal(user_id),
                literal(filters.is_trashed),
                packed.c.total,
                packed.c.ids,
            ),
            include_defaults=False,
        )
        statement = select(packed.c.total, packed.c.ratios, days.scalar_subquery())
        problem = FieldProblem("time_zone", "is not known", "names of the IANA database")
        with refused_value(InvalidInput("There is no such time zone.", fields=[problem])):
            found = (await self._session.execute(statement.add_cte(kept.cte("kept")))).one()
        await self._session.execute(_beyond_the_newest(user_id))
        return Layout(snapshot_id, found[0], found[1], _in_order(found[2], sort))

    async def find_page(
        self, snapshot_id: UUID, user_id: UUID, offset: int, limit: int
    ) -> SnapshotPage | None:
        """The ids at these places, read without the others; None once the snapshot is gone."""
        statement = select(
            AssetSnapshot.total,
            AssetSnapshot.is_trash,
            func.substring(AssetSnapshot.ids, offset * _ID_BYTES + 1, limit * _ID_BYTES),
        ).where(
            AssetSnapshot.id == snapshot_id,
            AssetSnapshot.user_id == user_id,
            AssetSnapshot.created_at > func.now() - SNAPSHOT_KEPT,
        )
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            return None
        packed = row[2]
        starts = range(0, len(packed), _ID_BYTES)
        ids = [UUID(bytes=packed[start : start + _ID_BYTES]) for start in starts]
        return SnapshotPage(row[0], row[1], ids)

    async def list_shown(
        self, asset_ids: Collection[UUID], user_id: UUID, *, in_trash: bool
    ) -> Sequence[Asset]:
        statement = select(Asset).where(
            Asset.id.in_(asset_ids), Asset.user_id == user_id, is_trashed(in_trash)
        )
        return (await self._session.scalars(statement)).all()

    async def delete_old_snapshots(self) -> None:
        await self._session.execute(
            delete(AssetSnapshot).where(AssetSnapshot.created_at < func.now() - SNAPSHOT_KEPT)
        )

    # --- counts ---

    async def facets(self, user_id: UUID, filters: AssetFilter) -> dict[str, dict[str, int]]:
        """How many assets each value of each filter would leave, with that filter set free."""
        found: dict[str, dict[str, int]] = {column.key: {} for column in _FACETS}
        free = [column for column, field in _FACETS.items() if getattr(filters, field) is None]
        # One look for all that are free, and one for each that is narrowed.
        looks = [(free, filters)]
        for column, field in _FACETS.items():
            if column not in free:
                freed: dict[str, Any] = {field: None}
                looks.append(([column], replace(filters, **freed)))
        for columns, narrowed in looks:
            sets = func.grouping_sets(*(tuple_(column) for column in columns))
            statement = (
                select(func.grouping(*columns), *columns, func.count())
                .where(*conditions(user_id, narrowed))
                .group_by(sets)
            )
            for mask, *values, count in await self._session.execute(statement):
                # A bit is 0 for the column that the row is grouped by; the first is the highest.
                number = next(n for n in range(len(columns)) if not mask >> n & 1)
                index = len(columns) - 1 - number
                if values[index] is not None:
                    found[columns[index].key][_word(values[index])] = count
        found["tag"] = await self._tags(user_id, filters)
        return found

    async def _tags(self, user_id: UUID, filters: AssetFilter) -> dict[str, int]:
        tag = func.unnest(Asset.tags).label("tag")
        each = select(tag).where(*conditions(user_id, replace(filters, tag=()))).subquery()
        count = func.count()
        statement = (
            select(each.c.tag, count)
            .group_by(each.c.tag)
            .order_by(count.desc(), each.c.tag)
            .limit(MAX_TAG_FACET)
        )
        return {row[0]: row[1] for row in await self._session.execute(statement)}

    async def count(self, user_id: UUID, filters: AssetFilter) -> int:
        statement = select(func.count()).where(*conditions(user_id, filters))
        return await self._session.scalar(statement) or 0

    # --- many at once ---

    async def lock(self, asset_ids: Sequence[UUID], user_id: UUID) -> dict[UUID, bool]:
        """The person's among these, locked in one order, and whether each is in the trash."""
        statement = (
            select(Asset.id, Asset.trashed_at.is_not(None))
            .where(_among(asset_ids), Asset.user_id == user_id)
            .order_by(Asset.id)
            .with_for_update()
        )
        return {row[0]: row[1] for row in await self._session.execute(statement)}

    async def hold(self, asset_ids: Sequence[UUID], user_id: UUID) -> set[UUID]:
        """The person's among these that are not in the trash, shared with others who hold them
        and closed to `lock`, in its order."""
        statement = (
            select(Asset.id)
            .where(_among(asset_ids), Asset.user_id == user_id, is_trashed(False))
            .order_by(Asset.id)
            .with_for_update(read=True)
        )
        return set(await self._session.scalars(statement))

    async def list_in_use(self, user_id: UUID) -> set[UUID]:
        """Every id that an unfinished job of the person names. Asked once the assets are locked,
        it misses none: whoever accepts a job holds its inputs."""
        statement = text(
            "SELECT DISTINCT CAST(found[1] AS uuid) FROM jobs, regexp_matches(lower(params::text),"
            " '[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}', 'g') AS found"
            " WHERE status IN ('pending', 'processing') AND user_id = :id"
        )
        return set(await self._session.scalars(statement, {"id": user_id}))

    async def set_value(self, asset_ids: Sequence[UUID], column: str, value: Any) -> list[UUID]:
        """The ids of those that had another value."""
        changed = getattr(Asset, column)
        return await self._update(asset_ids, {column: value}, changed.is_distinct_from(value))

    async def set_trashed(self, asset_ids: Sequence[UUID], is_in_trash: bool) -> list[UUID]:
        """The ids of those that moved."""
        values = {"trashed_at": func.now() if is_in_trash else None}
        return await self._update(asset_ids, values, is_trashed(not is_in_trash))

    async def add_tags(self, asset_ids: Sequence[UUID], tags: Sequence[str]) -> list[UUID]:
        """The ids of those that lacked one; left alone are those that would have too many."""
        wanted = literal(list(tags), Asset.tags.type)
        together = _sorted_tags(Asset.tags.concat(wanted))
        return await self._update(
            asset_ids,
            {"tags": together},
            ~Asset.tags.contains(wanted) & (func.cardinality(together) <= MAX_TAGS),
        )

    async def remove_tags(self, asset_ids: Sequence[UUID], tags: Sequence[str]) -> list[UUID]:
        """The ids of those that had one."""
        unwanted = literal(list(tags), Asset.tags.type)
        left = _sorted_tags(Asset.tags, without=unwanted)
        return await self._update(asset_ids, {"tags": left}, Asset.tags.overlap(unwanted))

    async def _update(
        self, asset_ids: Sequence[UUID], values: Mapping[str, Any], where: ColumnElement[bool]
    ) -> list[UUID]:
        statement = (
            update(Asset)
            .where(_among(asset_ids), where)
            .values(values)
            .returning(Asset.id)
            .execution_options(synchronize_session=False)
        )
        return list(await self._session.scalars(statement))

    async def delete(self, asset_ids: Sequence[UUID]) -> "Deleted":
        statement = (
            delete(Asset)
            .where(_among(asset_ids))
            .returning(Asset.id, Asset.size_bytes, Asset.submission_id, Asset.sha256)
            .execution_options(synchronize_session=False)
        )
        rows = (await self._session.execute(statement)).all()
        return Deleted(
            ids=[row[0] for row in rows],
            size_bytes=sum(row[1] or 0 for row in rows),
            unfetched={row[2] for row in rows if row[2] is not None and row[3] is None},
        )

    async def list_expired_trash(self, limit: int) -> dict[UUID, list[UUID]]:
        """By person, assets whose time in the trash is over."""
        statement = (
            select(Asset.user_id, Asset.id)
            .where(Asset.trashed_at < func.now() - TRASH_KEPT)
            .limit(limit)
        )
        found: dict[UUID, list[UUID]] = {}
        for user_id, asset_id in await self._session.execute(statement):
            found.setdefault(user_id, []).append(asset_id)
        return found


def _among(asset_ids: Sequence[UUID]) -> ColumnElement[bool]:
    """One parameter whatever the number, so that the statement is prepared once."""
    return Asset.id == any_(literal(list(asset_ids), ARRAY(Asset.id.type)))


def _joined(column: ColumnElement[Any]) -> ColumnElement[bytes]:
    """All values one after another, in the order of the rows."""
    none = literal(b"", LargeBinary)
    return func.coalesce(func.string_agg(column, none, type_=LargeBinary), none)


def _beyond_the_newest(user_id: UUID) -> Delete:
    newest = (
        select(AssetSnapshot.id)
        .where(AssetSnapshot.user_id == user_id)
        .order_by(AssetSnapshot.id.desc())
        .offset(MAX_SNAPSHOTS)
    )
    return delete(AssetSnapshot).where(AssetSnapshot.id.in_(newest))


def _in_order(runs: Sequence[tuple[str, int]] | None, sort: AssetSort) -> list[tuple[date, int]]:
    if sort not in (AssetSort.NEWEST, AssetSort.OLDEST):
        return []
    days = [(date.fromisoformat(day), count) for day, count in runs or ()]
    return sorted(days, reverse=sort is AssetSort.NEWEST)


def _sorted_tags(
    tags: SQLColumnExpression[Any], without: ColumnElement[Any] | None = None
) -> ColumnElement[Any]:
    """Each once, in order, as `clean_tags` leaves them."""
    tag = func.unnest(tags).column_valued("tag")
    each = select(tag).distinct()
    if without is not None:
        each = each.where(tag != all_(without))
    rows = each.order_by(tag).subquery()
    return func.array(rows.select().scalar_subquery(), type_=Asset.tags.type)


def _word(value: Any) -> str:
    """A value as JSON would name it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
