"""Looking at the library as a whole: its layout, windows into it, and counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pixsim7_backend.domain.asset import Asset, SnapshotNotFound
from pixsim7_backend.domain.user import User
from pixsim7_backend.domain.vocabulary import AssetSort
from pixsim7_backend.infrastructure.database.engine import Database
from pixsim7_backend.infrastructure.database.repositories.asset import AssetFilter
from pixsim7_backend.infrastructure.database.repositories.asset_gallery import (
    GalleryRepository,
    Layout,
)


@dataclass(frozen=True, slots=True)
class Window:
    """Assets at consecutive places of a snapshot; None where one is gone since."""

    total: int
    items: Sequence[Asset | None]


@dataclass(frozen=True, slots=True)
class Facets:
    """How many assets match, and how many each value of each filter would leave."""

    total: int
    counts: dict[str, dict[str, int]]


class AssetGallery:
    """One's own library only; another's snapshot is as unknown as none."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def get_layout(
        self,
        user: User,
        filters: AssetFilter,
        sort: AssetSort = AssetSort.NEWEST,
        time_zone: str = "UTC",
    ) -> Layout:
        """The shape of everything that matches, and a snapshot that keeps the order for a day."""
        async with self._db.transaction() as tx:
            return await GalleryRepository(tx.session).take_snapshot(
                user.id, filters, sort, time_zone
            )

    async def get_window(self, snapshot_id: UUID, user: User, offset: int, limit: int) -> Window:
        """Some places of a snapshot, at any depth equally fast. Raises `SnapshotNotFound`."""
        async with self._db.transaction() as tx:
            gallery = GalleryRepository(tx.session)
            page = await gallery.find_page(snapshot_id, user.id, offset, limit)
            if page is None:
                raise SnapshotNotFound("There is no such snapshot; ask for a new layout.")
            rows = await gallery.list_shown(page.ids, user.id, in_trash=page.is_trash)
        shown = {row.id: row for row in rows}
        return Window(page.total, [shown.get(id) for id in page.ids])

    async def get_facets(self, user: User, filters: AssetFilter) -> Facets:
        """Counts under the filters; each filter's own counts are without it."""
        async with self._db.transaction() as tx:
            gallery = GalleryRepository(tx.session)
            total = await gallery.count(user.id, filters)
            return Facets(total, await gallery.facets(user.id, filters))

    async def delete_old_snapshots(self) -> None:
        async with self._db.transaction() as tx:
            await GalleryRepository(tx.session).delete_old_snapshots()
