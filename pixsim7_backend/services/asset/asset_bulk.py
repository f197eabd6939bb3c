"""One change of many assets: what a selection is, and what each action does to it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from pixsim7_backend.domain.asset import (
    Asset,
    AssetNotFound,
    AssetNotReady,
    SnapshotNotFound,
    clean_tags,
)
from pixsim7_backend.domain.user import User
from pixsim7_backend.domain.vocabulary import SubmissionState, SyncStatus
from pixsim7_backend.infrastructure.database.engine import Database, Transaction
from pixsim7_backend.infrastructure.database.repositories.asset import AssetRepository
from pixsim7_backend.infrastructure.database.repositories.asset_gallery import (
    GalleryRepository,
    SnapshotPage,
)
from pixsim7_backend.infrastructure.database.repositories.submission import SubmissionRepository
from pixsim7_backend.infrastructure.database.repositories.user import UserRepository
from pixsim7_backend.services.user.workspace_service import require_workspace
from pixsim7_backend.shared.errors import FieldProblem, InvalidInput

BATCH = 2048
"""Assets in one transaction."""
MAX_ARCHIVE = 10_000

Action = Literal["favourite", "tag", "untag", "move", "rate", "trash", "restore", "delete"]
_COLUMNS: dict[Action, str] = {
    "favourite": "is_favourite",
    "move": "workspace_id",
    "rate": "rating",
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Assets by name, or a snapshot of the library without some."""

    ids: Sequence[UUID] = ()
    snapshot_id: UUID | None = None
    excluded: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """How many of the selection are there, how many differ now, and how many had to stay."""

    matched: int = 0
    changed: int = 0
    in_use: int = 0

    def __add__(self, other: "BulkOutcome") -> "BulkOutcome":
        return BulkOutcome(
            self.matched + other.matched,
            self.changed + other.changed,
            self.in_use + other.in_use,
        )


class AssetBulk:
    """Changes of many, in SQL that works on sets."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def change_many(
        self, selection: Selection, user: User, action: Action, value: Any = None
    ) -> BulkOutcome:
        """Do one thing to a selection.

        By ids: all in one transaction; raises `AssetNotFound` when one is not the person's, and
        nothing is done then. A snapshot: `BATCH` assets a transaction, gone ones are passed over;
        each batch is whole, and a call that broke off is safe to repeat. Raises `SnapshotNotFound`.
        Assets that an unfinished job uses are neither trashed nor deleted, only counted.
        """
        value = await self._checked(user, action, value)
        if selection.snapshot_id is None:
            async with self._db.transaction() as tx:
                return await _change(tx, user.id, selection.ids, action, value, is_named=True)
        outcome, offset, total = BulkOutcome(), 0, 1
        while offset < total:
            async with self._db.transaction() as tx:
                page = await _page(tx, selection.snapshot_id, user, offset)
                ids = [id for id in page.ids if id not in selection.excluded]
                side = page.is_trash if action == "delete" else None
                outcome += await _change(tx, user.id, ids, action, value, side=side)
            offset, total = offset + BATCH, page.total
        return outcome

    async def _checked(self, user: User, action: Action, value: Any) -> Any:
        if action in ("tag", "untag"):
            return clean_tags(value)
        if action == "move":
            async with self._db.transaction() as tx:
                await require_workspace(tx, value, user.id, "value")
        return value

    async def empty_trash(self) -> int:
        """Delete what was in the trash for its time, whoever's it is; what is in use stays."""
        deleted = 0
        async with self._db.transaction() as tx:
            expired = await GalleryRepository(tx.session).list_expired_trash(BATCH)
        for user_id, ids in expired.items():
            async with self._db.transaction() as tx:
                deleted += (await _change(tx, user_id, ids, "delete", None, side=True)).changed
        return deleted

    async def list_files(self, selection: Selection, user: User) -> list[Asset]:
        """The selection's assets with bytes, in its order and not from the trash.

        By ids, raises `AssetNotFound` and `AssetNotReady`; of a snapshot, what is not here is
        left out. Raises `InvalidInput` for more than `MAX_ARCHIVE`.
        """
        ids = list(dict.fromkeys(selection.ids))
        async with self._db.transaction() as tx:
            if selection.snapshot_id is not None:
                page = await _page(tx, selection.snapshot_id, user, 0, 2 * MAX_ARCHIVE)
                ids = [id for id in page.ids if id not in selection.excluded]
                if len(ids) > MAX_ARCHIVE or page.total > 2 * MAX_ARCHIVE:
                    problem = FieldProblem("snapshot", f"at most {MAX_ARCHIVE} files at a time")
                    raise InvalidInput("Too many files for one archive.", fields=[problem])
            rows = await GalleryRepository(tx.session).list_shown(ids, user.id, in_trash=False)
        by_id = {row.id: row for row in rows}
        if selection.snapshot_id is None and len(by_id) < len(ids):
            raise AssetNotFound("There is no such asset.")
        found = [by_id[id] for id in ids if id in by_id]
        here = [row for row in found if row.sha256 is not None]
        if not here or (selection.snapshot_id is None and len(here) < len(found)):
            raise AssetNotReady("Some of the files are not in the library yet.")
        return here


async def _page(
    tx: Transaction, snapshot_id: UUID, user: User, offset: int, limit: int = BATCH
) -> SnapshotPage:
    page = await GalleryRepository(tx.session).find_page(snapshot_id, user.id, offset, limit)
    if page is None:
        raise SnapshotNotFound("There is no such snapshot; ask for a new layout.")
    return page


async def _change(
    tx: Transaction,
    user_id: UUID,
    ids: Sequence[UUID],
    action: Action,
    value: Any,
    *,
    is_named: bool = False,
    side: bool | None = None,
) -> BulkOutcome:
    """One batch with its event. `side` narrows a deletion to the trash or to the library."""
    locked = await GalleryRepository(tx.session).lock(ids, user_id)
    if is_named and len(locked) < len(set(ids)):
        raise AssetNotFound("There is no such asset.")
    if action != "delete":
        side = action == "restore"
    matched = [id for id, in_trash in locked.items() if side is None or in_trash is side]
    changed, in_use = await change_locked(tx, user_id, matched, action, value)
    if changed:
        tx.publish(
            "asset:bulk_changed",
            user_id=user_id,
            data={"action": action, "value": _plain(value), "ids": [str(id) for id in changed]},
        )
    return BulkOutcome(len(matched), len(changed), in_use)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


async def change_locked(
    tx: Transaction, user_id: UUID, ids: Collection[UUID], action: Action, value: Any = None
) -> tuple[list[UUID], int]:
    """Do one thing to locked assets of a person: which differ now, and how many are in use."""
    gallery, wanted, in_use = GalleryRepository(tx.session), list(ids), 0
    if action in ("trash", "delete"):
        used = await gallery.list_in_use(user_id)
        wanted = [id for id in ids if id not in used]
        in_use = len(ids) - len(wanted)
    match action:
        case "tag":
            changed = await gallery.add_tags(wanted, value)
        case "untag":
            changed = await gallery.remove_tags(wanted, value)
        case "trash" | "restore":
            changed = await gallery.set_trashed(wanted, action == "trash")
        case "delete":
            deleted = await gallery.delete(wanted)
            changed = deleted.ids
            await _end_fetches(tx, deleted.unfetched)
            users = UserRepository(tx.session)
            await users.take_storage(user_id, -deleted.size_bytes, -len(changed), enforce=False)
        case _:
            changed = await gallery.set_value(wanted, _COLUMNS[action], value)
    return changed, in_use


async def _end_fetches(tx: Transaction, submission_ids: Collection[UUID]) -> None:
    """Nobody waits for these results any more, so that their jobs can be tried again."""
    assets, submissions = AssetRepository(tx.session), SubmissionRepository(tx.session)
    for submission_id in submission_ids:
        left = await assets.find_of_submission(submission_id)
        if any(asset.sync_status is not SyncStatus.DOWNLOADED for asset in left):
            continue
        await submissions.move(
            submission_id,
            SubmissionState.FETCHED if left else SubmissionState.RESULT_LOST,
            only_from=[SubmissionState.COMPLETED_REMOTE],
            state_deadline_at=None,
        )
