"""What has to happen by the clock: the nets under lost wake-ups, and cleaning."""

import socket
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from uuid import UUID

import structlog

from pixsim7_backend.domain.account import AccountNotFound
from pixsim7_backend.domain.provider import HttpNotSent, HttpUncertain, ProviderError
from pixsim7_backend.infrastructure.database.engine import Database
from pixsim7_backend.infrastructure.database.repositories.account import AccountRepository
from pixsim7_backend.infrastructure.database.repositories.job import JobRepository
from pixsim7_backend.infrastructure.database.repositories.statistics import (
    StatisticsRepository,
)
from pixsim7_backend.infrastructure.database.repositories.user import SessionRepository
from pixsim7_backend.infrastructure.queue import trim_log
from pixsim7_backend.services.asset.asset_bulk import AssetBulk
from pixsim7_backend.services.asset.asset_gallery import AssetGallery
from pixsim7_backend.services.asset.asset_ingest import AssetIngest
from pixsim7_backend.services.asset.blob_keeper import BlobKeeper
from pixsim7_backend.services.asset.upload_service import UploadService
from pixsim7_backend.services.job.dispatcher import Dispatcher
from pixsim7_backend.services.job.job_runner import JobRunner
from pixsim7_backend.services.provider.provider_service import ProviderService
from pixsim7_backend.services.provider.registry import ProviderRegistry
from pixsim7_backend.services.webhook.webhook_sender import WebhookSender
from pixsim7_backend.shared.config import Settings

log = structlog.get_logger()

BALANCE_AGE_S = 600.0
WORKER_KEPT = timedelta(days=1)
SESSION_KEPT = timedelta(days=7)
IDEMPOTENCY_KEPT = timedelta(days=30)


class Upkeep:
    """Each method is safe to run at any time, twice, and beside itself."""

    def __init__(
        self,
        database: Database,
        registry: ProviderRegistry,
        providers: ProviderService,
        ingest: AssetIngest,
        gallery: AssetGallery,
        bulk: AssetBulk,
        uploads: UploadService,
        blobs: BlobKeeper,
        dispatcher: Dispatcher,
        runner: JobRunner,
        webhook_sender: WebhookSender,
        settings: Settings,
    ) -> None:
        self._db = database
        self._registry = registry
        self._providers = providers
        self._ingest = ingest
        self._gallery = gallery
        self._bulk = bulk
        self._uploads = uploads
        self._blobs = blobs
        self._dispatcher = dispatcher
        self._runner = runner
        self._webhook_sender = webhook_sender
        self._event_retention = timedelta(days=settings.event_retention_days)

    async def beat(self, worker_id: UUID) -> None:
        """A worker's sign of life. Never raises: a database that is away is no end of it."""
        try:
            async with self._db.transaction() as tx:
                statistics = StatisticsRepository(tx.session)
                await statistics.beat(worker_id, socket.gethostname(), version("pixsim7"))
        except Exception as error:
            log.warning("beat_failed", error=repr(error))

    async def sign_off(self, worker_id: UUID) -> None:
        """A worker that ended as it should is not missed. Never raises."""
        try:
            async with self._db.transaction() as tx:
                await StatisticsRepository(tx.session).forget_worker(worker_id)
        except Exception as error:
            log.warning("sign_off_failed", error=repr(error))

    async def sweep(self) -> None:
        """The nets under lost wake-ups, and under workers that died. Never raises: what one net
        cannot do now, the next sweep does, and the others are not held up."""
        for net in (
            self._wake_polls,
            self._runner.sweep_deadlines,
            self._release_lapsed,
            self._ingest.sweep,
            self._webhook_sender.sweep,
            self._dispatcher.dispatch_all,
        ):
            try:
                await net()
            except Exception as error:
                log.warning("sweep_failed", net=net.__name__, error=repr(error))

    async def _wake_polls(self) -> None:
        async with self._db.transaction() as tx:
            tx.enqueue("poll", dedupe_key="poll:net")

    async def _release_lapsed(self) -> None:
        async with self._db.transaction() as tx:
            accounts = AccountRepository(tx.session)
            for account_id in await accounts.release_lapsed():
                account = await accounts.find(account_id)
                if account is not None:
                    tx.enqueue("dispatch", account.provider_id)

    async def every_ten_minutes(self) -> None:
        """Read the balances that were not read for a while."""
        named = [adapter.manifest.id for adapter in self._registry if adapter.manifest.has_balance]
        async with self._db.transaction() as tx:
            due = await AccountRepository(tx.session).list_due_for_sync(named, BALANCE_AGE_S)
            for account_id in due:
                tx.enqueue("sync_account", str(account_id), dedupe_key=f"sync:{account_id}")

    async def every_hour(self) -> None:
        """Old sessions, keys, deliveries, events, snapshots, uploads; the trash; unneeded bytes."""
        async with self._db.transaction() as tx:
            await SessionRepository(tx.session).delete_ended(SESSION_KEPT)
            await JobRepository(tx.session).delete_old_idempotency_keys(IDEMPOTENCY_KEPT)
            silent_since = datetime.now(UTC) - WORKER_KEPT
            await StatisticsRepository(tx.session).forget_silent_workers(silent_since)
            await trim_log(tx.session, timedelta(days=3))
        await self._webhook_sender.clean()
        removed = 1
        while removed:
            async with self._db.transaction() as tx:
                jobs = JobRepository(tx.session)
                removed = await jobs.delete_old_events(self._event_retention, 5000)
        await self._gallery.delete_old_snapshots()
        while await self._bulk.empty_trash():
            pass
        await self._uploads.clean()
        await self._blobs.collect_garbage()

    async def findings(self) -> dict[str, str]:
        """What an operator should know: "ok", or a sentence for each thing that is not."""
        async with self._db.transaction() as tx:
            leaked = await AccountRepository(tx.session).count_leaked_reservations()
            waiting = await JobRepository(tx.session).count_attention()
        return {
            "slots": "ok" if not leaked else f"{leaked} are held for work that has ended.",
            "jobs": "ok" if not waiting else f"{waiting} wait for a person's decision.",
        }

    async def sync_account(self, account_id: UUID) -> None:
        """Read one balance; trouble with the way is left to the next time."""
        try:
            await self._providers.sync_balance(account_id)
        except AccountNotFound:
            return
        except (ProviderError, HttpNotSent, HttpUncertain) as error:
            log.info("balance_not_read", account_id=str(account_id), error=str(error))
