"""The words that every layer shares: operations, statuses and kinds."""

from enum import StrEnum


class OperationType(StrEnum):
    """What a person can ask a provider to make."""

    TEXT_TO_VIDEO = "text_to_video"
    IMAGE_TO_VIDEO = "image_to_video"
    VIDEO_EXTEND = "video_extend"
    VIDEO_TRANSITION = "video_transition"
    FUSION = "fusion"
    TEXT_TO_IMAGE = "text_to_image"
    IMAGE_TO_IMAGE = "image_to_image"


class MediaType(StrEnum):
    VIDEO = "video"
    IMAGE = "image"
    AUDIO = "audio"
    MODEL_3D = "3d_model"


class JobStatus(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class VideoStatus(StrEnum):
    """What the provider says of one submission, in our words."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    FILTERED = "filtered"
    CANCELLED = "cancelled"


class SubmissionState(StrEnum):
    """Where one submission stands in the protocol of docs/state-machines.md."""

    RESERVED = "reserved"
    SUBMITTING = "submitting"
    IN_DOUBT = "in_doubt"
    ACCEPTED = "accepted"
    COMPLETED_REMOTE = "completed_remote"
    FETCHED = "fetched"
    FAILED_REMOTE = "failed_remote"
    REJECTED = "rejected"
    ABANDONED = "abandoned"
    RESULT_LOST = "result_lost"
    CLOSED_UNKNOWN = "closed_unknown"


class SyncStatus(StrEnum):
    """Whether an asset's bytes are ours yet."""

    REMOTE = "remote"
    DOWNLOADING = "downloading"
    DOWNLOADED = "downloaded"
    ERROR = "error"


class AssetSort(StrEnum):
    """The order of the library; what is unknown comes last, and equals newest first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    RATING = "rating"
    DURATION = "duration"
    SIZE = "size"


class AccountStatus(StrEnum):
    ACTIVE = "active"
    EXHAUSTED = "exhausted"
    ERROR = "error"
    DISABLED = "disabled"
    RATE_LIMITED = "rate_limited"


class UserRole(StrEnum):
    ADMIN = "admin"
    USER = "user"
    GUEST = "guest"


class SubmissionClass(StrEnum):
    """How an unknown outcome of a paid call can be settled (docs/architecture.md)."""

    KEYED = "A"
    FINDABLE = "B"
    LISTABLE = "C"
    BLIND = "D"


class ErrorKind(StrEnum):
    """The closed taxonomy of what a provider's refusal or failure means."""

    AUTH = "auth"
    PERMISSION = "permission"
    CREDITS = "credits"
    CONCURRENCY = "concurrency"
    RATE = "rate"
    FILTERED = "filtered"
    PARAM = "param"
    NOT_FOUND = "not_found"
    TRANSIENT = "transient"
    AMBIGUOUS = "ambiguous"

    @property
    def fault(self) -> str:
        """Who has to act: user, prompt, account or provider."""
        return _FAULTS[self]


_FAULTS = {
    ErrorKind.AUTH: "account",
    ErrorKind.PERMISSION: "account",
    ErrorKind.CREDITS: "account",
    ErrorKind.CONCURRENCY: "account",
    ErrorKind.RATE: "account",
    ErrorKind.FILTERED: "prompt",
    ErrorKind.PARAM: "user",
    ErrorKind.NOT_FOUND: "provider",
    ErrorKind.TRANSIENT: "provider",
    ErrorKind.AMBIGUOUS: "provider",
}
