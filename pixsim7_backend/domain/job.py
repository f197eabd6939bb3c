"""Jobs: what somebody asked for, and where it stands."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import Mapped, mapped_column

from pixsim7_backend.domain.base import Base, CreatedAt, EnumText, Id, Timestamps, one_of
from pixsim7_backend.domain.state_machine import StateMachine
from pixsim7_backend.domain.vocabulary import JobStatus, OperationType
from pixsim7_backend.shared.errors import Conflict, InvalidInput, NotFound

_J = JobStatus

JOB_STATUS = StateMachine(
    table="jobs",
    column="status",
    initial=(_J.PENDING,),
    edges=frozenset(
        {
            (_J.PENDING, _J.PROCESSING),
            (_J.PENDING, _J.FAILED),
            (_J.PENDING, _J.CANCELLED),
            (_J.PROCESSING, _J.PENDING),  # the attempt is over without a result; another follows
            (_J.PROCESSING, _J.COMPLETED),
            (_J.PROCESSING, _J.FAILED),
            (_J.PROCESSING, _J.CANCELLED),
            (_J.FAILED, _J.PENDING),  # a person asked for another try
            (_J.CANCELLED, _J.PENDING),  # the same
            (_J.FAILED, _J.COMPLETED),  # a late result was adopted
        }
    ),
)

FINAL_JOB_STATUSES = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})

MIN_PRIORITY = 0
MAX_PRIORITY = 10
DEFAULT_PRIORITY = 5


class JobState(StrEnum):
    """Where a job stands, as people see it: finer than its status, and never stored."""

    SCHEDULED = "scheduled"
    WAITING = "waiting"
    PAUSED = "paused"
    SENDING = "sending"
    RUNNING = "running"
    ATTENTION = "attention"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobGroup(StrEnum):
    """The four lists that a queue is shown in."""

    ACTIVE = "active"
    SCHEDULED = "scheduled"
    FAILED = "failed"
    DONE = "done"


class BulkAction(StrEnum):
    """What can be done to many jobs at once."""

    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    TO_FRONT = "to_front"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a job is where it is: a stable code, and a sentence for people."""

    code: str
    sentence: str


class Job(Base, Timestamps):
    """One accepted request. Priority 0 is served first, 10 last."""

    __tablename__ = "jobs"
    __table_args__ = (
        one_of("status", JobStatus),
        one_of("operation_type", OperationType),
        CheckConstraint(f"priority BETWEEN {MIN_PRIORITY} AND {MAX_PRIORITY}", name="priority"),
        CheckConstraint(
            "(finished_at IS NOT NULL) = (status IN ('completed', 'failed', 'cancelled'))",
            name="finished_at_iff_final",
        ),
        CheckConstraint(
            "status <> 'completed' OR asset_id IS NOT NULL", name="completed_has_asset"
        ),
        # What the dispatcher walks: one short range per person.
        Index(
            "ix_jobs_waiting",
            "provider_id",
            "user_id",
            "priority",
            "created_at",
            postgresql_where=text(
                "status = 'pending' AND NOT is_paused AND NOT waits_for_parent"
                " AND open_submission_id IS NULL"
            ),
        ),
        Index("ix_jobs_user_id_id", "user_id", text("id DESC")),
        Index("ix_jobs_user_id_status_id", "user_id", "status", text("id DESC")),
        Index("ix_jobs_workspace_id_id", "workspace_id", text("id DESC")),
        Index(
            "ix_jobs_parent_job_id",
            "parent_job_id",
            postgresql_where=text("parent_job_id IS NOT NULL"),
        ),
        Index("ix_jobs_created_at", "created_at", postgresql_using="brin"),
        Index("ix_jobs_batch_id", "batch_id", postgresql_where=text("batch_id IS NOT NULL")),
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    workspace_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("workspaces.id", ondelete="SET NULL")
    )
    batch_id: Mapped[UUID | None]
    parent_job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    provider_id: Mapped[str]
    operation_type: Mapped[OperationType] = mapped_column(EnumText(OperationType))
    name: Mapped[str | None]
    params: Mapped[dict[str, Any]]
    """As given and validated: the recipe. Media are named by asset id or URL."""
    status: Mapped[JobStatus] = mapped_column(EnumText(JobStatus), default=JobStatus.PENDING)
    priority: Mapped[int] = mapped_column(
        SmallInteger, default=DEFAULT_PRIORITY, server_default=text(str(DEFAULT_PRIORITY))
    )
    scheduled_at: Mapped[datetime | None]
    available_at: Mapped[CreatedAt]
    """Not dispatched before this: the schedule, or the end of a back-off."""
    is_paused: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    waits_for_parent: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    open_submission_id: Mapped[UUID | None]
    """The attempt under way; a job without one and pending is waiting for an account."""
    pinned_account_id: Mapped[UUID | None]
    """Set when an input lives on that account and nowhere else."""
    waiting_reason: Mapped[str | None]

    cancel_requested_at: Mapped[datetime | None]
    attention_code: Mapped[str | None]
    attention_message: Mapped[str | None]
    """Something a person has to decide, in a sentence; the job does not go on by itself."""
    progress: Mapped[float | None]
    attempts: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    attempts_forgiven: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """How many were made before a person last asked for another try; those no longer count."""
    estimated_credits: Mapped[Decimal] = mapped_column(default=Decimal(0), server_default=text("0"))
    charged_credits: Mapped[Decimal] = mapped_column(default=Decimal(0), server_default=text("0"))
    eta_s: Mapped[float | None]
    asset_id: Mapped[UUID | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_JOB_STATUSES

    @property
    def is_scheduled(self) -> bool:
        at = self.scheduled_at
        return self.status is JobStatus.PENDING and at is not None and at > datetime.now(UTC)

    @property
    def group(self) -> JobGroup:
        match self.status:
            case JobStatus.FAILED:
                return JobGroup.FAILED
            case JobStatus.COMPLETED | JobStatus.CANCELLED:
                return JobGroup.DONE
            case _:
                return JobGroup.SCHEDULED if self.is_scheduled else JobGroup.ACTIVE

    @property
    def state(self) -> JobState:
        if self.is_final:
            return JobState(self.status.value)
        if self.attention_code is not None:
            return JobState.ATTENTION
        if self.status is JobStatus.PROCESSING:
            return JobState.RUNNING
        if self.open_submission_id is not None:
            return JobState.SENDING
        if self.is_paused:
            return JobState.PAUSED
        return JobState.SCHEDULED if self.is_scheduled else JobState.WAITING

    @property
    def reason(self) -> Reason:
        state = self.state
        match state:
            case JobState.ATTENTION:
                return Reason(self.attention_code or "", self.attention_message or "")
            case JobState.FAILED:
                return Reason(self.error_code or "failed", self.error_message or "It failed.")
            case JobState.CANCELLED if self.error_code is not None:
                return Reason(self.error_code, self.error_message or _SENTENCES[state])
            case JobState.SCHEDULED:
                at = f"{self.available_at:%Y-%m-%d %H:%M} UTC"
                return Reason("scheduled", f"It is scheduled for {at}.")
            case JobState.WAITING:
                return self._waiting_reason
            case _:
                return Reason(state.value, _SENTENCES[state])

    @property
    def _waiting_reason(self) -> Reason:
        if self.waits_for_parent:
            return Reason("parent", "It waits for its parent job.")
        if self.waiting_reason is None:
            return Reason("in_line", "It is in line for a free account.")
        is_backing_off = self.available_at > datetime.now(UTC)
        return Reason("backing_off" if is_backing_off else "waiting", self.waiting_reason)

    def public_fields(self) -> dict[str, Any]:
        """What an event tells of the row, so that a list can be changed without asking again."""
        reason = self.reason
        return {
            "status": self.status.value,
            "state": self.state.value,
            "group": self.group.value,
            "reason": {"code": reason.code, "sentence": reason.sentence},
            "name": self.name,
            "priority": self.priority,
            "is_paused": self.is_paused,
            "waits_for_parent": self.waits_for_parent,
            "attempts": self.attempts,
            "progress": self.progress,
            "charged_credits": float(self.charged_credits),
            "asset_id": _text(self.asset_id),
            "batch_id": _text(self.batch_id),
            "parent_job_id": _text(self.parent_job_id),
            "workspace_id": _text(self.workspace_id),
            "attention_code": self.attention_code,
            "error_code": self.error_code,
            "error_message": self.error_message,
            "scheduled_at": _time(self.scheduled_at),
            "started_at": _time(self.started_at),
            "finished_at": _time(self.finished_at),
        }


_SENTENCES = {
    JobState.PAUSED: "It is paused.",
    JobState.SENDING: "An account is reserved and the job is being sent.",
    JobState.RUNNING: "The provider works on it.",
    JobState.COMPLETED: "It is completed.",
    JobState.CANCELLED: "It was cancelled.",
}


def _text(id: UUID | None) -> str | None:
    return None if id is None else str(id)


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


class IdempotencyKey(Base):
    """Answers a repeated POST with the jobs that the first one made. Kept 30 days."""

    __tablename__ = "idempotency_keys"

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    job_ids: Mapped[list[UUID]] = mapped_column(ARRAY(PG_UUID(as_uuid=True)))
    created_at: Mapped[CreatedAt]


class JobNotFound(NotFound):
    code = "job_not_found"
    title = "No such job"


class JobStateConflict(Conflict):
    """The job is not in a state that allows this; `detail` names the state."""

    code = "job_state_conflict"
    title = "The job is not in a state that allows this"


class InvalidJob(InvalidInput):
    code = "invalid_job"
    title = "The job cannot be accepted as it is"


class IdempotencyMismatch(InvalidInput):
    code = "idempotency_mismatch"
    title = "This Idempotency-Key was used with another request"
