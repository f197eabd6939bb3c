"""Jobs."""

from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from pixsim7_backend.api.schemas.asset import Thumb
from pixsim7_backend.api.schemas.base import In, Moment, NextCursor, Number, Out, PageParams
from pixsim7_backend.api.schemas.problem import FieldProblemRead
from pixsim7_backend.api.schemas.user import QuotaStatus
from pixsim7_backend.domain.job import (
    DEFAULT_PRIORITY,
    MAX_PRIORITY,
    MIN_PRIORITY,
    BulkAction,
    JobGroup,
    JobState,
)
from pixsim7_backend.domain.vocabulary import (
    ErrorKind,
    JobStatus,
    MediaType,
    OperationType,
    SubmissionState,
    VideoStatus,
)
from pixsim7_backend.services.job.job_service import MAX_BULK

MAX_COUNT = 64

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


class JobRequest(JobCreate):
    """One request, made once or several times."""

    count: int = Field(
        default=1,
        ge=1,
        le=MAX_COUNT,
        description="How many jobs. With a seed in `params` they count up from it; without, each "
        "has one of its own.",
    )
    seeds: list[int] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_COUNT,
        description="One job for each; `count` is not looked at.",
    )


class JobBatch(In):
    """All of them are accepted, or none; together at most 100 jobs."""

    jobs: list[JobRequest] = Field(min_length=1, max_length=100)


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


class JobFilter(In):
    """What is left out does not matter."""

    state: JobGroup | None = Field(
        default=None,
        description="`active`: waiting or under way. `scheduled`: not before a later time. "
        "`done`: completed or cancelled.",
    )
    status: list[JobStatus] = Field(default_factory=list, max_length=5)
    q: str | None = Field(default=None, max_length=200, description="Part of prompt or name.")
    workspace_id: UUID | None = None
    provider_id: str | None = Field(default=None, max_length=100)
    operation_type: OperationType | None = None
    batch_id: UUID | None = None
    parent_job_id: UUID | None = None
    needs_attention: bool | None = None
    all_users: bool = Field(default=False, description="Everybody's; administrators only.")
    user_id: UUID | None = Field(default=None, description="Of this person; administrators only.")


class JobQuery(PageParams, JobFilter):
    """Which jobs, and which page of them."""


class BulkChange(In):
    """One action on the jobs of `ids`, or on all that `filter` finds and that it fits."""

    action: BulkAction
    ids: list[UUID] | None = Field(default=None, min_length=1, max_length=MAX_BULK)
    filter: JobFilter | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("give either ids or a filter")
        return self


class SkippedRead(Out):
    code: str
    sentence: str
    count: int


class BulkResult(Out):
    matched: int
    done: int
    skipped: list[SkippedRead]
    cancelled_children: int = Field(description="That were to follow a cancelled one.")
    remaining: int = Field(description="Beyond the 500 of one call: ask again while some are done.")


class Person(Out):
    id: UUID
    username: str


class ReasonRead(Out):
    code: str
    sentence: str


class JobAccount(Out):
    id: UUID
    name: str


Choice = Literal["cancel", "pause", "resume", "to_front", "retry", "retry_second_charge", "dismiss"]


class JobRead(Out):
    """Of other people's jobs, administrators see neither words nor media."""

    id: UUID
    user: Person
    name: str | None
    provider_id: str
    provider_name: str
    operation_type: OperationType
    model: str | None
    prompt: str
    params: dict[str, Any]
    status: JobStatus
    state: JobState = Field(description="Finer than `status`.")
    group: JobGroup = Field(description="The list that it belongs to.")
    reason: ReasonRead = Field(description="Why it is where it is.")
    choices: list[Choice] = Field(
        description="What may be done with it now. `retry_second_charge`: retry, saying that a "
        "second charge is accepted."
    )
    priority: int
    workspace_id: UUID | None
    batch_id: UUID | None
    parent_job_id: UUID | None
    child_ids: list[UUID]
    scheduled_at: datetime | None
    available_at: datetime
    is_paused: bool
    waits_for_parent: bool
    waiting_reason: str | None = Field(description="Why it waits, in a sentence.")
    attention_code: str | None = Field(description="Set when a person has to decide.")
    attention_message: str | None
    progress: float | None = Field(description="0 to 1, where the provider tells.")
    eta_s: float | None = Field(description="Expected seconds from now to the result.")
    queue_position: int | None = Field(description="1 is next.")
    account: JobAccount | None = Field(description="Where the latest attempt was made.")
    attempts: int
    estimated_credits: Number
    reserved_credits: Number = Field(description="Held for it now.")
    charged_credits: Number
    returned_credits: Number = Field(description="What came back when it ended.")
    asset_id: UUID | None
    asset_ids: list[UUID]
    thumb: Thumb | None
    input_thumb: Thumb | None = Field(description="Of the first medium that it was given.")
    error_code: str | None
    error_message: str | None
    cancel_requested_at: datetime | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobCancelled(JobRead):
    cancelled_child_ids: list[UUID] = Field(description="That were to follow it.")


class JobPage(Out):
    items: list[JobRead]
    next_cursor: NextCursor


class JobsCreated(Out):
    batch_id: UUID
    items: list[JobRead]


class JobCounts(Out):
    """By status, by group (`failed` is both), and what else deserves a number."""

    pending: int = 0
    processing: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    active: int = 0
    scheduled: int = 0
    done: int = 0
    needs_attention: int = 0
    paused: int = 0


class PayerRead(Out):
    account_id: UUID
    name: str
    is_able: bool
    code: str
    sentence: str
    credits_free: Number | None = Field(description="null: nothing limits it.")


class JobEstimate(Out):
    """The odds before anything is spent. What cannot be told of an invalid request is null."""

    provider_id: str
    operation_type: OperationType
    count: int
    output: MediaType | None
    price_unit: Literal["credits", "none"]
    credits: Number | None = Field(description="Of all of it, in the account's own credits.")
    credits_each: Number | None
    is_exact: bool
    note: str
    eta_s: float | None = Field(description="Expected seconds to the first result, line included.")
    run_s: float | None = Field(description="Expected seconds of making alone.")
    ahead: int = Field(description="Jobs before it in line.")
    accounts_able: int
    payers: list[PayerRead]
    quota: QuotaStatus
    problems: list[FieldProblemRead] = Field(
        description="By field; `quota` and `account` stand for what is no field."
    )


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
