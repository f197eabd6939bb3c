"""Submissions: one attempt of one job at one provider, and the testimony about it."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from pixsim7_backend.domain.base import Base, CreatedAt, EnumText, Id, Timestamps, one_of
from pixsim7_backend.domain.state_machine import StateMachine
from pixsim7_backend.domain.vocabulary import (
    ErrorKind,
    OperationType,
    SubmissionClass,
    SubmissionState,
    VideoStatus,
)

_S = SubmissionState

SUBMISSION_STATE = StateMachine(
    table="provider_submissions",
    column="state",
    initial=(_S.RESERVED,),
    edges=frozenset(
        {
            (_S.RESERVED, _S.SUBMITTING),
            (_S.RESERVED, _S.ABANDONED),
            (_S.SUBMITTING, _S.RESERVED),  # only with proof that nothing was sent
            (_S.SUBMITTING, _S.ACCEPTED),
            (_S.SUBMITTING, _S.REJECTED),
            (_S.SUBMITTING, _S.IN_DOUBT),
            (_S.IN_DOUBT, _S.RESERVED),  # only with proof that nothing was sent
            (_S.IN_DOUBT, _S.ACCEPTED),
            (_S.IN_DOUBT, _S.REJECTED),
            (_S.IN_DOUBT, _S.CLOSED_UNKNOWN),
            (_S.ACCEPTED, _S.COMPLETED_REMOTE),
            (_S.ACCEPTED, _S.FAILED_REMOTE),
            (_S.ACCEPTED, _S.CLOSED_UNKNOWN),
            (_S.COMPLETED_REMOTE, _S.FETCHED),
            (_S.COMPLETED_REMOTE, _S.RESULT_LOST),
            (_S.CLOSED_UNKNOWN, _S.ACCEPTED),  # late evidence
            (_S.RESULT_LOST, _S.COMPLETED_REMOTE),  # late evidence
        }
    ),
)

HOLDING_STATES = frozenset({_S.RESERVED, _S.SUBMITTING, _S.IN_DOUBT, _S.ACCEPTED})
"""A submission in one of these holds a slot and credits."""

UNRESOLVED_STATES = HOLDING_STATES | {_S.COMPLETED_REMOTE}

FINAL_SUBMISSION_STATES = frozenset(SubmissionState) - UNRESOLVED_STATES


def _sql_list(states: frozenset[SubmissionState]) -> str:
    return ", ".join(f"'{state.value}'" for state in sorted(states))


class ProviderSubmission(Base, Timestamps):
    """One attempt. Written before the provider is called, so that a crash leaves it to reconcile.

    `key` is ours, unique, and sent to the vendor wherever one takes such a key.
    """

    __tablename__ = "provider_submissions"
    __table_args__ = (
        one_of("state", SubmissionState),
        one_of("status", VideoStatus),
        one_of("submission_class", SubmissionClass),
        UniqueConstraint("job_id", "attempt"),
        UniqueConstraint("provider_id", "account_id", "provider_job_id"),
        # At most one unresolved attempt per job.
        Index(
            "uq_provider_submissions_unresolved_job",
            "job_id",
            unique=True,
            postgresql_where=text(f"state IN ({_sql_list(UNRESOLVED_STATES)})"),
        ),
        # Lists and balance deltas stay unambiguous: one unknown at a time where nothing else tells.
        Index(
            "uq_provider_submissions_single_doubt",
            "account_id",
            "operation_type",
            unique=True,
            postgresql_where=text(
                "state IN ('in_doubt', 'submitting') AND submission_class IN ('C', 'D')"
            ),
        ),
        Index(
            "ix_provider_submissions_next_poll_at",
            "next_poll_at",
            postgresql_where=text("state IN ('accepted', 'closed_unknown')"),
        ),
        Index(
            "ix_provider_submissions_deadline",
            "state_deadline_at",
            postgresql_where=text("state_deadline_at IS NOT NULL"),
        ),
        Index(
            "ix_provider_submissions_holding_user",
            "user_id",
            postgresql_where=text(f"state IN ({_sql_list(HOLDING_STATES)})"),
        ),
        Index("ix_provider_submissions_account_id", "account_id", "reserved_at"),
        Index("ix_provider_submissions_reserved_at", "reserved_at", postgresql_using="brin"),
    )

    id: Mapped[Id]
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="RESTRICT"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    account_id: Mapped[UUID] = mapped_column(
        ForeignKey("provider_accounts.id", ondelete="RESTRICT")
    )
    provider_id: Mapped[str]
    operation_type: Mapped[OperationType] = mapped_column(EnumText(OperationType))
    attempt: Mapped[int]
    key: Mapped[str] = mapped_column(unique=True)
    submission_class: Mapped[SubmissionClass] = mapped_column(EnumText(SubmissionClass))
    state: Mapped[SubmissionState] = mapped_column(
        EnumText(SubmissionState), default=SubmissionState.RESERVED
    )
    status: Mapped[VideoStatus] = mapped_column(EnumText(VideoStatus), default=VideoStatus.PENDING)
    fence: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    lease_until: Mapped[datetime | None]
    state_deadline_at: Mapped[datetime | None]
    """When the sweeper looks at it if nobody else did; set in every unresolved state."""
    request: Mapped[dict[str, Any]]
    """What is sent, frozen and without credentials."""
    request_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    provider_job_id: Mapped[str | None]
    progress: Mapped[float | None]
    outputs: Mapped[list[dict[str, Any]] | None]
    result_expires_at: Mapped[datetime | None]
    estimated_credits: Mapped[Decimal] = mapped_column(default=Decimal(0))
    charged_credits: Mapped[Decimal | None]
    eta_s: Mapped[float] = mapped_column(default=60.0, server_default=text("60"))
    error_kind: Mapped[ErrorKind | None] = mapped_column(EnumText(ErrorKind))
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    next_poll_at: Mapped[datetime | None]
    poll_count: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    send_failures: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    doubt_count: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    reserved_at: Mapped[CreatedAt]
    submitted_at: Mapped[datetime | None]
    """When the intent was committed."""
    accepted_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class SubmissionEvidence(Base):
    """Append-only testimony. Fences guard decisions, never testimony."""

    __tablename__ = "submission_evidence"
    __table_args__ = (Index("ix_submission_evidence_submission_id", "submission_id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    submission_id: Mapped[UUID] = mapped_column(
        ForeignKey("provider_submissions.id", ondelete="CASCADE")
    )
    kind: Mapped[str]
    """not_sent, response, refusal, no_answer, lookup, callback, status, operator"""
    provider_job_id: Mapped[str | None]
    detail: Mapped[dict[str, Any]]
    fence: Mapped[int]
    at: Mapped[CreatedAt]


class ProviderUpload(Base):
    """A provider's reference to an input already given to one account."""

    __tablename__ = "provider_uploads"

    account_id: Mapped[UUID] = mapped_column(
        ForeignKey("provider_accounts.id", ondelete="CASCADE"), primary_key=True
    )
    sha256: Mapped[str] = mapped_column(primary_key=True)
    reference: Mapped[str]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None]
