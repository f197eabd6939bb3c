"""What PixSim7 is about: people, jobs, accounts, submissions, assets and their rules."""

from pixsim7_backend.domain.account import (
    ACCOUNT_STATUS,
    AccountGrant,
    ProviderAccount,
    Reservation,
)
from pixsim7_backend.domain.asset import (
    ASSET_SYNC,
    Asset,
    AssetFile,
    AssetLink,
    AssetSnapshot,
    Blob,
)
from pixsim7_backend.domain.base import Base
from pixsim7_backend.domain.event import Event
from pixsim7_backend.domain.installation import InstallationFact, WorkerBeat
from pixsim7_backend.domain.job import JOB_STATUS, IdempotencyKey, Job
from pixsim7_backend.domain.submission import (
    SUBMISSION_STATE,
    ProviderSubmission,
    ProviderUpload,
    SubmissionEvidence,
)
from pixsim7_backend.domain.upload import Upload, UploadPart
from pixsim7_backend.domain.user import (
    ApiToken,
    DailyUsage,
    Preset,
    RefreshGeneration,
    SavedView,
    User,
    UserSession,
    Workspace,
)
from pixsim7_backend.domain.vocabulary import (
    AccountStatus,
    AssetSort,
    ErrorKind,
    JobStatus,
    MediaType,
    OperationType,
    SubmissionClass,
    SubmissionState,
    SyncStatus,
    UserRole,
    VideoStatus,
)
from pixsim7_backend.domain.webhook import (
    DELIVERY_STATUS,
    WEBHOOK_STATUS,
    DeliveryStatus,
    Webhook,
    WebhookDelivery,
    WebhookStatus,
)

MACHINES = (
    JOB_STATUS,
    SUBMISSION_STATE,
    ASSET_SYNC,
    ACCOUNT_STATUS,
    WEBHOOK_STATUS,
    DELIVERY_STATUS,
)
"""Every status column with a life of its own; migrations and docs are checked against it."""

__all__ = [
    "MACHINES",
    "AccountGrant",
    "AccountStatus",
    "ApiToken",
    "Asset",
    "AssetFile",
    "AssetLink",
    "AssetSnapshot",
    "AssetSort",
    "Base",
    "Blob",
    "DailyUsage",
    "DeliveryStatus",
    "ErrorKind",
    "Event",
    "IdempotencyKey",
    "InstallationFact",
    "Job",
    "JobStatus",
    "MediaType",
    "OperationType",
    "Preset",
    "ProviderAccount",
    "ProviderSubmission",
    "ProviderUpload",
    "RefreshGeneration",
    "Reservation",
    "SavedView",
    "SubmissionClass",
    "SubmissionEvidence",
    "SubmissionState",
    "SyncStatus",
    "Upload",
    "UploadPart",
    "User",
    "UserRole",
    "UserSession",
    "VideoStatus",
    "Webhook",
    "WebhookDelivery",
    "WebhookStatus",
    "WorkerBeat",
    "Workspace",
]
