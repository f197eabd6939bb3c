"""The only wiring of services: the same for API, worker, command line and library."""

from dataclasses import dataclass
from datetime import timedelta

from pixsim7_backend.domain.provider import ProviderAdapter
from pixsim7_backend.infrastructure.database.engine import Database
from pixsim7_backend.infrastructure.http import HttpGateway
from pixsim7_backend.infrastructure.media.runner import MediaTools
from pixsim7_backend.infrastructure.security.credentials import CredentialCipher
from pixsim7_backend.infrastructure.security.keys import KeyPurpose, MasterKeys
from pixsim7_backend.infrastructure.security.passwords import PasswordHashing
from pixsim7_backend.infrastructure.storage.blob_store import BlobStore
from pixsim7_backend.services.account.account_service import AccountService
from pixsim7_backend.services.asset.asset_bulk import AssetBulk
from pixsim7_backend.services.asset.asset_gallery import AssetGallery
from pixsim7_backend.services.asset.asset_ingest import AssetIngest
from pixsim7_backend.services.asset.asset_inputs import AssetInputs
from pixsim7_backend.services.asset.asset_seed import AssetSeed
from pixsim7_backend.services.asset.asset_service import AssetService
from pixsim7_backend.services.asset.blob_keeper import BlobKeeper
from pixsim7_backend.services.asset.upload_service import UploadService
from pixsim7_backend.services.job.audit import AuditService
from pixsim7_backend.services.job.dispatcher import Dispatcher
from pixsim7_backend.services.job.health import HealthService
from pixsim7_backend.services.job.job_endings import JobEndings
from pixsim7_backend.services.job.job_estimator import JobEstimator
from pixsim7_backend.services.job.job_overview import JobOverview
from pixsim7_backend.services.job.job_poller import JobPoller
from pixsim7_backend.services.job.job_runner import JobRunner
from pixsim7_backend.services.job.job_service import JobService
from pixsim7_backend.services.job.upkeep import Upkeep
from pixsim7_backend.services.job.usage_report import UsageReporter
from pixsim7_backend.services.job.webhook_receiver import WebhookReceiver
from pixsim7_backend.services.provider.provider_calls import ProviderCalls
from pixsim7_backend.services.provider.provider_service import ProviderService
from pixsim7_backend.services.provider.registry import ProviderRegistry
from pixsim7_backend.services.provider.submission_sender import SubmissionSender
from pixsim7_backend.services.user.auth_service import AuthService
from pixsim7_backend.services.user.saved_service import PresetService, ViewService
from pixsim7_backend.services.user.setup_service import SetupService
from pixsim7_backend.services.user.user_service import UserService
from pixsim7_backend.services.user.workspace_service import WorkspaceService
from pixsim7_backend.services.webhook.webhook_secrets import WebhookSecrets
from pixsim7_backend.services.webhook.webhook_sender import WebhookSender
from pixsim7_backend.services.webhook.webhook_service import WebhookService
from pixsim7_backend.shared.config import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """Every service of a process. Each public method is its own unit of work."""

    auth: AuthService
    users: UserService
    setup: SetupService
    workspaces: WorkspaceService
    presets: PresetService
    views: ViewService
    registry: ProviderRegistry
    accounts: AccountService
    providers: ProviderService
    assets: AssetService
    gallery: AssetGallery
    bulk: AssetBulk
    uploads: UploadService
    blobs: BlobKeeper
    seed: AssetSeed
    ingest: AssetIngest
    jobs: JobService
    overview: JobOverview
    estimator: JobEstimator
    dispatcher: Dispatcher
    runner: JobRunner
    poller: JobPoller
    callbacks: WebhookReceiver
    webhooks: WebhookService
    webhook_sender: WebhookSender
    upkeep: Upkeep
    health: HealthService
    usage: UsageReporter
    audit: AuditService


def build_services(
    settings: Settings,
    database: Database,
    keys: MasterKeys,
    gateway: HttpGateway,
    store: BlobStore,
    tools: MediaTools,
    passwords: PasswordHashing,
    adapters: list[ProviderAdapter],
) -> Services:
    """Put the services together, lowest first."""
    registry = ProviderRegistry(adapters, settings.poll_pace)
    users = UserService(database, passwords, settings)
    cipher = CredentialCipher(keys.ring(KeyPurpose.CREDENTIAL_KEK))
    accounts = AccountService(database, cipher)
    calls = ProviderCalls(registry, accounts, gateway)
    inputs = AssetInputs(database, store, tools, gateway)
    lease = timedelta(seconds=settings.reservation_lease_s)
    sender = SubmissionSender(database, registry, accounts, calls, inputs, lease)
    providers = ProviderService(database, registry, accounts, calls, sender)
    blobs = BlobKeeper(database, store)
    assets = AssetService(database, users, registry, store, blobs, tools, settings.max_upload_bytes)
    gallery, bulk = AssetGallery(database), AssetBulk(database)
    uploads = UploadService(database, assets, store)
    ingest = AssetIngest(
        database,
        assets,
        accounts,
        providers,
        calls,
        store,
        blobs,
        tools,
        settings.max_result_bytes,
        lease,
    )
    jobs = JobService(database, users, providers, assets)
    dispatcher = Dispatcher(database, jobs, providers)
    endings = JobEndings(jobs, accounts, assets)
    runner = JobRunner(
        database, jobs, providers, accounts, calls, sender, endings, settings.doubt_deadline_s
    )
    secrets = WebhookSecrets(cipher)
    webhook_sender = WebhookSender(database, secrets, gateway, lease)
    upkeep = Upkeep(
        database,
        registry,
        providers,
        ingest,
        gallery,
        bulk,
        uploads,
        blobs,
        dispatcher,
        runner,
        webhook_sender,
        settings,
    )
    return Services(
        auth=AuthService(database, passwords, keys),
        users=users,
        setup=SetupService(database, users),
        workspaces=WorkspaceService(database),
        presets=PresetService(database),
        views=ViewService(database),
        registry=registry,
        accounts=accounts,
        providers=providers,
        assets=assets,
        gallery=gallery,
        bulk=bulk,
        uploads=uploads,
        blobs=blobs,
        seed=AssetSeed(database, assets, ingest),
        ingest=ingest,
        jobs=jobs,
        overview=JobOverview(database, registry),
        estimator=JobEstimator(database, users, registry, jobs),
        dispatcher=dispatcher,
        runner=runner,
        poller=JobPoller(database, providers, accounts, endings, lease),
        callbacks=WebhookReceiver(database, accounts, calls, runner),
        webhooks=WebhookService(database, secrets, gateway.policy),
        webhook_sender=webhook_sender,
        upkeep=upkeep,
        health=HealthService(database, store, upkeep, settings),
        usage=UsageReporter(database, registry),
        audit=AuditService(database),
    )
