"""Bringing results home before their links die, and making what the library shows of them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from pixsim7_backend.domain.asset import Asset, AssetNotReady
from pixsim7_backend.domain.provider import (
    HttpNotSent,
    HttpUncertain,
    ProviderError,
    RemoteOutput,
)
from pixsim7_backend.domain.vocabulary import SubmissionState, SyncStatus, VideoStatus
from pixsim7_backend.infrastructure.database.engine import Database, Transaction
from pixsim7_backend.infrastructure.database.errors import outlast_trouble
from pixsim7_backend.infrastructure.database.repositories.asset import AssetRepository
from pixsim7_backend.infrastructure.database.repositories.submission import SubmissionRepository
from pixsim7_backend.infrastructure.media.model import (
    DerivedFile,
    MediaInfo,
    MediaRejected,
    MediaToolFailed,
)
from pixsim7_backend.infrastructure.media.runner import MediaTools
from pixsim7_backend.infrastructure.storage.blob_store import BlobStore
from pixsim7_backend.infrastructure.storage.errors import BlobTooLarge
from pixsim7_backend.infrastructure.storage.layout import StoredBlob
from pixsim7_backend.infrastructure.telemetry import ASSETS_FETCHED
from pixsim7_backend.services.account.account_service import AccountService
from pixsim7_backend.services.asset.asset_service import AssetService
from pixsim7_backend.services.asset.blob_keeper import BlobKeeper
from pixsim7_backend.services.provider.provider_calls import ProviderCalls
from pixsim7_backend.services.provider.provider_service import ProviderService
from pixsim7_backend.shared.fail_points import fail_point

log = structlog.get_logger()

MAX_FETCH_S = 3 * 3600.0
"""A fetch that takes longer is not kept alive any more."""
BACKOFF_S = (1.0, 3.0, 10.0, 30.0, 60.0, 120.0)
MAX_FETCHES_AFTER_EXPIRY = 3
STALE_LINK = frozenset({401, 403, 404, 410})


class FetchFailed(Exception):
    """The result could not be fetched this time; `is_stale` asks for a fresh link."""

    def __init__(self, reason: str, *, is_stale: bool = False) -> None:
        super().__init__(reason)
        self.is_stale = is_stale


class AssetIngest:
    """Runs as tasks; safe to run twice or late."""

    def __init__(
        self,
        database: Database,
        assets: AssetService,
        accounts: AccountService,
        providers: ProviderService,
        calls: ProviderCalls,
        store: BlobStore,
        blobs: BlobKeeper,
        tools: MediaTools,
        max_result_bytes: int,
        lease: timedelta,
    ) -> None:
        self._db = database
        self._assets = assets
        self._accounts = accounts
        self._providers = providers
        self._calls = calls
        self._store = store
        self._blobs = blobs
        self._tools = tools
        self._max_result_bytes = max_result_bytes
        self._lease = lease

    async def ingest(self, asset_id: UUID) -> None:
        """Fetch one asset: stage while hashing, check that it is the media promised, make it
        durable, then commit the row."""
        try:
            asset = await self._assets.mark_downloading(asset_id, self._lease)
        except AssetNotReady:
            return
        try:
            async with self._kept(asset):
                blob, info = await self._fetch(asset)
        except (FetchFailed, MediaRejected, MediaToolFailed, BlobTooLarge) as error:
            await self._failed(asset, error)
            return
        await fail_point("fetch.before_t7")

        async def commit() -> None:
            async with self._db.transaction() as tx:
                await self._assets.mark_downloaded(
                    asset.id, blob.path, blob.size_bytes, blob.sha256, info
                )
                await self._mark_fetched(tx, asset)

        # The bytes are here: a database that is away for a moment does not cost another fetch.
        await outlast_trouble(commit, self._lease.total_seconds())
        await fail_point("fetch.after_t7")
        ASSETS_FETCHED.labels("ok").inc()

    @asynccontextmanager
    async def _kept(self, asset: Asset) -> AsyncIterator[None]:
        """Renew the lease of the fetch while the block works; the gateway ends one that stalls."""
        beat = asyncio.create_task(self._beat(asset))
        try:
            yield
        finally:
            beat.cancel()
            await asyncio.wait([beat])

    async def _beat(self, asset: Asset) -> None:
        until = time.monotonic() + MAX_FETCH_S
        while time.monotonic() < until:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            try:
                async with self._db.transaction() as tx:
                    await AssetRepository(tx.session).renew_fetch(
                        asset.id, asset.fetch_attempts, self._lease
                    )
            except Exception as error:  # the next beat may get through
                log.warning("fetch_lease_not_renewed", error=repr(error))

    async def _mark_fetched(self, tx: Transaction, asset: Asset) -> None:
        if asset.submission_id is None:
            return
        siblings = await AssetRepository(tx.session).find_of_submission(asset.submission_id)
        if all(item.sync_status is SyncStatus.DOWNLOADED for item in siblings):
            submissions = SubmissionRepository(tx.session)
            submission = await submissions.find(asset.submission_id)
            if submission is not None and submission.state is SubmissionState.RESULT_LOST:
                if await submissions.find_unresolved(submission.job_id) is not None:
                    return  # the job goes on with another attempt; this one stays as it ended
                await submissions.move(asset.submission_id, SubmissionState.COMPLETED_REMOTE)
            await submissions.move(
                asset.submission_id, SubmissionState.FETCHED, state_deadline_at=None
            )

    async def _fetch(self, asset: Asset) -> tuple[StoredBlob, MediaInfo]:
        if asset.account_id is None or asset.remote_url is None:
            raise FetchFailed("The account that made it is gone.")
        account = await self._accounts.get_account(asset.account_id)
        adapter = self._calls.adapter(account)
        output = RemoteOutput(asset.remote_url, asset.media_type, asset.provider_asset_id or "")
        await fail_point("fetch.open")
        async with self._store.stage(max_bytes=self._max_result_bytes) as staged:
            try:
                context = self._calls.download_context(account)
                async with adapter.download(output, context) as stream:
                    if stream.status != 200:
                        reason = f"The provider's media host answered {stream.status}."
                        raise FetchFailed(reason, is_stale=stream.status in STALE_LINK)
                    async for chunk in stream.chunks:
                        await staged.write(chunk)
                    await fail_point("fetch.mid")
            except (ProviderError, HttpNotSent, HttpUncertain) as error:
                raise FetchFailed(f"The download broke off: {error}") from error
            await staged.flush()
            info = await self._tools.probe(staged.path)
            if info.media_type is not asset.media_type:
                raise FetchFailed(f"The provider sent {info.mime} in place of the result.")
            return await self._blobs.keep(staged), info

    async def _failed(self, asset: Asset, error: Exception) -> None:
        """Try again with growing pauses while the link lives; then say that it is lost."""
        log.info("fetch_failed", asset_id=str(asset.id), error=str(error))
        if isinstance(error, FetchFailed) and error.is_stale:
            await self._refresh_link(asset)
        expired = asset.remote_expires_at is not None and asset.remote_expires_at < datetime.now(
            UTC
        )
        if expired and asset.fetch_attempts >= MAX_FETCHES_AFTER_EXPIRY:
            await self._lost(asset, str(error))
            return
        delay_s = BACKOFF_S[min(asset.fetch_attempts, len(BACKOFF_S)) - 1]
        async with self._db.transaction() as tx:
            moved = await AssetRepository(tx.session).move(
                asset.id,
                SyncStatus.REMOTE,
                only_from=[SyncStatus.DOWNLOADING],
                sync_error=str(error)[:500],
                fetch_after=datetime.now(UTC) + timedelta(seconds=delay_s + 30),
            )
            if moved is not None:
                tx.enqueue("ingest", str(asset.id), delay_s=delay_s)

    async def _refresh_link(self, asset: Asset) -> None:
        """Ask the provider for the result again: many sign a new link each time."""
        if asset.submission_id is None or asset.account_id is None:
            return
        async with self._db.transaction() as tx:
            submission = await SubmissionRepository(tx.session).find(asset.submission_id)
        if submission is None or submission.provider_job_id is None:
            return
        account = await self._accounts.get_account(asset.account_id)
        try:
            report = await self._providers.fetch_report(submission, account)
        except (ProviderError, HttpNotSent, HttpUncertain):
            return
        if report.status is not VideoStatus.COMPLETED or len(report.outputs) <= asset.output_no:
            return
        output = report.outputs[asset.output_no]
        if output.url != asset.remote_url:
            values = {"remote_url": output.url}
            if output.expires_at is not None:
                values |= {"remote_expires_at": output.expires_at}  # type: ignore[dict-item]
            async with self._db.transaction() as tx:
                await AssetRepository(tx.session).update(asset.id, **values)

    async def _lost(self, asset: Asset, reason: str) -> None:
        """Paid, but out of reach. The asset stays, with its recipe, and can be fetched again."""
        ASSETS_FETCHED.labels("lost").inc()
        log.error("result_lost", asset_id=str(asset.id), reason=reason)
        async with self._db.transaction() as tx:
            moved = await AssetRepository(tx.session).move(
                asset.id, SyncStatus.ERROR, sync_error=reason[:500], fetch_after=None
            )
            if moved is None:
                return
            if asset.submission_id is not None:
                await SubmissionRepository(tx.session).move(
                    asset.submission_id, SubmissionState.RESULT_LOST, state_deadline_at=None
                )
            tx.publish(
                "asset:failed",
                user_id=asset.user_id,
                job_id=asset.job_id,
                asset_id=asset.id,
                data={"reason": reason},
            )

    # --- derive ---

    async def derive(self, asset_id: UUID) -> None:
        """Poster, thumbnails, preview, thumbhash and colour of a downloaded asset."""
        async with self._db.transaction() as tx:
            asset = await AssetRepository(tx.session).find(asset_id)
        if asset is None or asset.sha256 is None or asset.derived_at is not None:
            return
        async with self._store.materialise(asset.sha256) as path, self._store.scratch() as out_dir:
            try:
                info = await self._tools.probe(path)
                made = await self._tools.derive(path, out_dir, info)
            except (MediaRejected, MediaToolFailed) as error:
                async with self._db.transaction() as tx:
                    await AssetRepository(tx.session).update(
                        asset_id, derive_error=error.detail[:500]
                    )
                return
            files = [*made.thumbnails, *filter(None, (made.poster, made.preview))]
            blobs = await self._blobs.keep_files([file.path for file in files])
        rows = [_file_row(*pair) for pair in zip(files, blobs, strict=True)]
        async with self._db.transaction() as tx:
            assets = AssetRepository(tx.session)
            # First the asset's own row: it serialises two derivations, and may be gone by now.
            updated = await assets.update(
                asset_id,
                thumbhash=made.thumbhash,
                colour=made.colour,
                derived_at=datetime.now(UTC),
            )
            if updated is None:
                return
            await assets.replace_files(asset_id, rows)
            tx.publish(
                "asset:derived",
                user_id=updated.user_id,
                job_id=updated.job_id,
                asset_id=asset_id,
                data={"files": sorted(row["kind"] for row in rows)},
            )

    # --- upkeep ---

    async def sweep(self) -> None:
        """Wake fetches and derivations that lost their task, and clean what nobody needs."""
        async with self._db.transaction() as tx:
            assets = AssetRepository(tx.session)
            for asset_id in await assets.list_due_fetches(500):
                tx.enqueue("ingest", str(asset_id), dedupe_key=f"ingest:{asset_id}")
            for asset_id in await assets.list_underived(200):
                tx.enqueue("derive", str(asset_id), dedupe_key=f"derive:{asset_id}")


def _file_row(file: DerivedFile, blob: StoredBlob) -> dict[str, Any]:
    return {
        # poster, thumb_240, thumb_480, thumb_960, preview; a small original has fewer.
        "kind": file.path.stem.replace("-", "_"),
        "sha256": blob.sha256,
        "size_bytes": blob.size_bytes,
        "mime_type": file.mime,
        "width": file.width,
        "height": file.height,
    }
