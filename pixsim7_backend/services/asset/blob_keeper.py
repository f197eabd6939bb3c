"""Bytes and the rows that name them, kept together while both come and go."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from pixsim7_backend.infrastructure.database.engine import Database
from pixsim7_backend.infrastructure.database.repositories.asset import AssetRepository
from pixsim7_backend.infrastructure.storage.blob_store import BlobStore
from pixsim7_backend.infrastructure.storage.layout import StoredBlob
from pixsim7_backend.infrastructure.storage.staged_file import StagedFile
from pixsim7_backend.shared.fail_points import fail_point

MAX_PARALLEL = 4
MAX_DERIVATIVE_BYTES = 1024**3
UNUSED_KEPT = timedelta(hours=24)


class BlobKeeper:
    """Whoever writes or removes bytes of one name holds the lock of that name.

    So bytes cannot go between the moment in which somebody found them in place and the moment in
    which their row says that they are needed.
    """

    def __init__(self, database: Database, store: BlobStore) -> None:
        self._db = database
        self._store = store
        # Each takes two connections at a time.
        self._turns = asyncio.Semaphore(MAX_PARALLEL)

    async def keep(self, staged: StagedFile) -> StoredBlob:
        """Make staged bytes durable and write their row.

        For a day from now they stay, even if nothing refers to them.
        """
        [blob] = await self._keep([staged])
        return blob

    async def keep_files(self, paths: Sequence[Path]) -> list[StoredBlob]:
        """The same with copies of local files, in their order."""
        async with AsyncExitStack() as stack:
            staged = []
            for path in paths:
                file = await stack.enter_async_context(
                    self._store.stage(max_bytes=MAX_DERIVATIVE_BYTES)
                )
                await file.copy_from(path)
                staged.append(file)
            return await self._keep(staged)

    async def _keep(self, staged: Sequence[StagedFile]) -> list[StoredBlob]:
        if not staged:
            return []
        names = [_lock_of(file.sha256) for file in staged]
        async with self._turns, self._db.lock(*names):
            blobs = [await file.commit() for file in staged]
            async with self._db.transaction() as tx:
                sizes = {blob.sha256: blob.size_bytes for blob in blobs}
                await AssetRepository(tx.session).add_blobs(sizes)
        return blobs

    async def collect_garbage(self, older_than: timedelta = UNUSED_KEPT) -> int:
        """Delete bytes that nothing refers to. The row goes first, so that a crash in between
        leaves bytes without a row, which the next scrub sees, and never a row without bytes."""
        async with self._db.transaction() as tx:
            candidates = await AssetRepository(tx.session).list_unreferenced_blobs(older_than, 500)
        await fail_point("gc.after_select")
        removed = 0
        for sha256 in candidates:
            async with self._turns, self._db.lock(_lock_of(sha256)):
                async with self._db.transaction() as tx:
                    forgotten = await AssetRepository(tx.session).forget_blob(sha256, older_than)
                if forgotten:
                    await fail_point("gc.after_tombstone")
                    await fail_point("gc.before_unlink")
                    await self._store.delete(sha256)
                    removed += 1
        await self._store.sweep_staging(older_than_s=3600)
        return removed


def _lock_of(sha256: str) -> str:
    return f"blob:{sha256}"
