"""Jobs."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from pixsim7_backend.api.schemas.base import In, Moment, NextCursor, Number, Out, PageParams
from pixsim7_backend.domain.job import DEFAULT_PRIORITY, MAX_PRIORITY, MIN_PRIORITY
from pixsim7_backend.domain.vocabulary import (
    ErrorKind,
    JobStatus,
    MediaType,
    OperationType,
    SubmissionState,
    VideoStatus,
)

_EXAMPLE: JsonDict = {
    "provider_id": "local",
    "operation_type": "text_to_video",
    "params": {"prompt": "sunset over mountains", "quality": "720p", "duration": 5},
    "name": "Opening shot",
}


class JobCreate(In):
    """One request. What `params` may hold is told by `GET /providers/{id}/operations`."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    provider_id: str = Field(min_length=1, max_length=100)
    operation_type: OperationType
    params: dict[str, Any] = Field(
        description="Of the operation's own schema. Media are named by asset id or https URL."
    )
    workspace_id: UUID | None = None
    name: str | None = Field(default=None, min_length=1, max_length=200)
    priority: int = Field(
        default=DEFAULT_PRIORITY,
        ge=MIN_PRIORITY,
        le=MAX_PRIORITY,
        description="0 is served first, 10 last.",
    )
    scheduled_at: Moment | None = Field(
        default=None, description="Not before this time; it must say its time zone."
    )
    parent_job_id: UUID | None = Field(
        default=None, description="Wait until this job of yours has completed."
    )


class JobBatch(In):
    """All of them are accepted, or none."""

    jobs: list[JobCreate] = Field(min_length=1, max_length=100)


class JobUpdate(In):
    """Only what is given changes. Priority and schedule are settled once a job is sent."""

    name: str | None = Field(default=None, min_length=1, max_length=200)
    priority: int = Field(default=DEFAULT_PRIORITY, ge=MIN_PRIORITY, le=MAX_PRIORITY)
    scheduled_at: Moment | None = None
    workspace_id: UUID | None = None


class JobRetry(In):
    accept_second_charge: bool = Field(
        default=False,
        description="Needed when the last attempt may have been charged at the provider.",
    )


class JobQuery(PageParams):
    status: list[JobStatus] = Field(default_factory=list, max_length=5)
    workspace_id: UUID | None = None
    provider_id: str | None = Field(default=None, max_length=100)
    operation_type: OperationType | None = None
    batch_id: UUID | None = None
    parent_job_id: UUID | None = None
    needs_attention: bool | None = None


class JobRead(Out):
    id: UUID
    name: str | None
    provider_id: str
    operation_type: OperationType
    params: dict[str, Any]
    status: JobStatus
    priority: int
    workspace_id: UUID | None
    batch_id: UUID | None
    parent_job_id: UUID | None
    scheduled_at: datetime | None
    available_at: datetime
    is_paused: bool
    waits_for_parent: bool
    waiting_reason: str | None = Field(description="Why it waits, in a sentence.")
    attention_code: str | None = Field(description="Set when a person has to decide.")
    attention_message: str | None
    progress: float | None = Field(description="0 to 1, where the provider tells.")
    eta_s: float | None
    attempts: int
    estimated_credits: Number
    charged_credits: Number
    asset_id: UUID | None
    error_code: str | None
    error_message: str | None
    cancel_requested_at: datetime | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobPage(Out):
    items: list[JobRead]
    next_cursor: NextCursor


class JobList(Out):
    items: list[JobRead]


class JobCounts(Out):
    pending: int = 0
    processing: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0


class JobEstimate(Out):
    provider_id: str
    operation_type: OperationType
    output: MediaType
    credits: Number = Field(description="In the provider account's own credits.")
    is_exact: bool
    note: str
    eta_s: float = Field(description="Expected seconds from acceptance to result.")


class ConsiderationRead(Out):
    account_id: UUID
    account_name: str
    is_able: bool
    code: str
    sentence: str


class JobExplanation(Out):
    """Why a job is where it is."""

    reason_code: str
    reason: str
    place_in_line: int | None
    eta_s: float | None
    considered: list[ConsiderationRead]


class SubmissionRead(Out):
    """One attempt at a provider."""

    id: UUID
    attempt: int
    provider_id: str
    account_id: UUID
    operation_type: OperationType
    state: SubmissionState
    status: VideoStatus
    progress: float | None
    provider_job_id: str | None
    estimated_credits: Number
    charged_credits: Number | None
    error_kind: ErrorKind | None
    error_code: str | None
    error_message: str | None
    reserved_at: datetime
    submitted_at: datetime | None
    accepted_at: datetime | None
    finished_at: datetime | None


class SubmissionList(Out):
    items: list[SubmissionRead]
