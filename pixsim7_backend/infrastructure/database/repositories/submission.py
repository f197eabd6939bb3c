"""Submissions and their evidence in SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Float, delete, exists, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from pixsim7_backend.domain.submission import (
    HOLDING_STATES,
    SUBMISSION_STATE,
    UNRESOLVED_STATES,
    ProviderSubmission,
    ProviderUpload,
    SubmissionEvidence,
)
from pixsim7_backend.domain.vocabulary import ErrorKind, OperationType, SubmissionState
from pixsim7_backend.infrastructure.database.repositories.transition import transition

POLLED_STATES = (SubmissionState.ACCEPTED, SubmissionState.CLOSED_UNKNOWN)
"""A closed one with a provider's id stays on a slow watch: late results are adopted."""


class SecondUnknown(Exception):
    """Another submission of this account and operation is without an outcome."""


class SubmissionRepository:
    """Rows of `provider_submissions`, `submission_evidence` and `provider_uploads`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add_many(self, rows: Sequence[Mapping[str, Any]]) -> None:
        await self._session.execute(insert(ProviderSubmission), list(rows))

    async def find(self, submission_id: UUID) -> ProviderSubmission | None:
        return await self._session.get(ProviderSubmission, submission_id, populate_existing=True)

    async def find_by_key(self, key: str) -> ProviderSubmission | None:
        statement = select(ProviderSubmission).where(ProviderSubmission.key == key)
        return (await self._session.scalars(statement)).one_or_none()

    async def find_by_provider_job(
        self, provider_id: str, account_id: UUID, provider_job_id: str
    ) -> ProviderSubmission | None:
        """Vendors number the jobs of one account; two accounts may both have a job 7."""
        statement = select(ProviderSubmission).where(
            ProviderSubmission.provider_id == provider_id,
            ProviderSubmission.account_id == account_id,
            ProviderSubmission.provider_job_id == provider_job_id,
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def lock(self, submission_id: UUID) -> ProviderSubmission | None:
        statement = (
            select(ProviderSubmission)
            .where(ProviderSubmission.id == submission_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def list_of_job(self, job_id: UUID) -> Sequence[ProviderSubmission]:
        statement = (
            select(ProviderSubmission)
            .where(ProviderSubmission.job_id == job_id)
            .order_by(ProviderSubmission.attempt)
            .execution_options(populate_existing=True)
        )
        return (await self._session.scalars(statement)).all()

    async def find_unresolved(self, job_id: UUID) -> ProviderSubmission | None:
        statement = select(ProviderSubmission).where(
            ProviderSubmission.job_id == job_id, ProviderSubmission.state.in_(UNRESOLVED_STATES)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def charged_to_job(self, job_id: UUID) -> Decimal:
        """What the attempts of a job that have ended have cost together."""
        statement = select(func.sum(ProviderSubmission.charged_credits)).where(
            ProviderSubmission.job_id == job_id, ProviderSubmission.state.not_in(HOLDING_STATES)
        )
        return await self._session.scalar(statement) or Decimal(0)

    async def refused_accounts(self, job_ids: Sequence[UUID]) -> dict[UUID, set[UUID]]:
        """Accounts that said they may not do a job: they are not asked again."""
        statement = select(ProviderSubmission.job_id, ProviderSubmission.account_id).where(
            ProviderSubmission.job_id.in_(job_ids),
            ProviderSubmission.state == SubmissionState.REJECTED,
            ProviderSubmission.error_kind == ErrorKind.PERMISSION,
        )
        found: dict[UUID, set[UUID]] = {}
        for job_id, account_id in await self._session.execute(statement):
            found.setdefault(job_id, set()).add(account_id)
        return found

    async def claim_for_sending(
        self, submission_id: UUID, lease: timedelta
    ) -> ProviderSubmission | None:
        """Become the one owner of a reserved submission; None when somebody else is."""
        statement = (
            update(ProviderSubmission)
            .where(
                ProviderSubmission.id == submission_id,
                ProviderSubmission.state == SubmissionState.RESERVED,
                or_(
                    ProviderSubmission.lease_until.is_(None),
                    ProviderSubmission.lease_until < func.clock_timestamp(),
                ),
            )
            .values(
                fence=ProviderSubmission.fence + 1,
                lease_until=func.clock_timestamp() + lease,
                state_deadline_at=func.clock_timestamp() + lease,
            )
            .returning(ProviderSubmission)
            .execution_options(populate_existing=True, synchronize_session=False)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def renew_lease(self, submission_id: UUID, fence: int, lease: timedelta) -> None:
        """Its owner is still at it; nothing happens when somebody else has taken it over."""
        await self._session.execute(
            update(ProviderSubmission)
            .where(
                ProviderSubmission.id == submission_id,
                ProviderSubmission.fence == fence,
                ProviderSubmission.state.in_(
                    [SubmissionState.RESERVED, SubmissionState.SUBMITTING]
                ),
            )
            .values(
                lease_until=func.clock_timestamp() + lease,
                state_deadline_at=func.clock_timestamp() + lease,
            )
            .execution_options(synchronize_session=False)
        )

    async def move(
        self,
        submission_id: UUID,
        target: SubmissionState,
        *,
        fence: int | None = None,
        lease_valid: bool = False,
        only_from: Sequence[SubmissionState] | None = None,
        **values: Any,
    ) -> ProviderSubmission | None:
        """One legal edge, under the fence when one is given."""
        where = []
        if fence is not None:
            where.append(ProviderSubmission.fence == fence)
        if lease_valid:
            where.append(ProviderSubmission.lease_until > func.clock_timestamp())
        return await transition(
            self._session,
            ProviderSubmission,
            SUBMISSION_STATE,
            submission_id,
            target,
            only_from=only_from,
            where=where,
            **values,
        )

    async def declare_intent(
        self, submission_id: UUID, fence: int, digest: bytes, deadline: timedelta
    ) -> ProviderSubmission | None:
        """From here on the provider may have been paid. Raises `SecondUnknown`."""
        now = func.clock_timestamp()
        try:
            return await self.move(
                submission_id,
                SubmissionState.SUBMITTING,
                fence=fence,
                lease_valid=True,
                submitted_at=now,
                state_deadline_at=now + deadline,
                request_digest=digest,
            )
        except IntegrityError as error:
            if "single_doubt" in str(error.orig):
                raise SecondUnknown from None
            raise

    async def is_doubt_open(self, account_id: UUID, operation: OperationType) -> bool:
        """Whether a submission of this account and operation is in doubt."""
        statement = select(
            exists().where(
                ProviderSubmission.account_id == account_id,
                ProviderSubmission.operation_type == operation,
                ProviderSubmission.state == SubmissionState.IN_DOUBT,
                ProviderSubmission.submission_class.in_(["C", "D"]),
            )
        )
        return bool(await self._session.scalar(statement))

    async def update(self, submission_id: UUID, **values: Any) -> None:
        await self._session.execute(
            update(ProviderSubmission)
            .where(ProviderSubmission.id == submission_id)
            .values(**values)
            .execution_options(synchronize_session=False)
        )

    async def add_evidence(
        self,
        submission_id: UUID,
        kind: str,
        fence: int,
        *,
        provider_job_id: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        await self._session.execute(
            insert(SubmissionEvidence).values(
                submission_id=submission_id,
                kind=kind,
                fence=fence,
                provider_job_id=provider_job_id,
                detail=dict(detail or {}),
            )
        )

    async def list_evidence(self, submission_id: UUID) -> Sequence[SubmissionEvidence]:
        statement = (
            select(SubmissionEvidence)
            .where(SubmissionEvidence.submission_id == submission_id)
            .order_by(SubmissionEvidence.id)
        )
        return (await self._session.scalars(statement)).all()

    # --- polling ---

    async def claim_due_polls(
        self, limit: int, lease: timedelta
    ) -> list[tuple[ProviderSubmission, float]]:
        """Accepted submissions whose time has come, with the seconds that each is late.

        They are leased by moving their next time on.
        """
        due = (
            select(ProviderSubmission.id, ProviderSubmission.next_poll_at)
            .where(
                ProviderSubmission.state.in_(POLLED_STATES),
                ProviderSubmission.next_poll_at <= func.clock_timestamp(),
            )
            .order_by(ProviderSubmission.next_poll_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("due")
            .prefix_with("MATERIALIZED", dialect="postgresql")
        )
        statement = (
            update(ProviderSubmission)
            .where(ProviderSubmission.id == due.c.id)
            .values(
                next_poll_at=func.clock_timestamp() + lease,
                poll_count=ProviderSubmission.poll_count + 1,
            )
            .returning(
                ProviderSubmission,
                func.extract("epoch", func.clock_timestamp() - due.c.next_poll_at).cast(Float),
            )
            .execution_options(populate_existing=True, synchronize_session=False)
        )
        return [(row[0], row[1]) for row in await self._session.execute(statement)]

    async def reschedule_polls(self, rows: Sequence[tuple[UUID, float, float | None]]) -> None:
        """Set (id, seconds from now, progress) of many unchanged submissions in one statement."""
        await self._session.execute(
            text(
                """
                UPDATE provider_submissions s
                SET next_poll_at = clock_timestamp() + make_interval(secs => v.delay),
                    progress = coalesce(v.progress, s.progress), status = 'processing'
                FROM unnest(CAST(:ids AS uuid[]), CAST(:delays AS float8[]),
                            CAST(:progress AS float8[])) AS v(id, delay, progress)
                WHERE s.id = v.id AND s.state IN ('accepted', 'closed_unknown')
                """
            ),
            {
                "ids": [row[0] for row in rows],
                "delays": [row[1] for row in rows],
                "progress": [row[2] for row in rows],
            },
        )

    async def seconds_to_next_poll(self) -> float | None:
        """Time to the earliest due poll; None when nothing is accepted."""
        wait = func.extract(
            "epoch", func.min(ProviderSubmission.next_poll_at) - func.clock_timestamp()
        )
        statement = select(wait.cast(Float)).where(ProviderSubmission.state.in_(POLLED_STATES))
        return await self._session.scalar(statement)

    async def poll_now(self, submission_id: UUID) -> None:
        await self._session.execute(
            update(ProviderSubmission)
            .where(
                ProviderSubmission.id == submission_id,
                ProviderSubmission.state.in_(POLLED_STATES),
            )
            .values(next_poll_at=func.clock_timestamp())
        )

    # --- upkeep ---

    async def list_past_deadline(self, limit: int) -> Sequence[ProviderSubmission]:
        statement = (
            select(ProviderSubmission)
            .where(ProviderSubmission.state_deadline_at < func.clock_timestamp())
            .order_by(ProviderSubmission.state_deadline_at)
            .limit(limit)
        )
        return (await self._session.scalars(statement)).all()

    async def list_unheard(self, limit: int) -> Sequence[UUID]:
        """Closed ones about which testimony with the provider's id came too late to be applied."""
        heard = exists().where(
            SubmissionEvidence.submission_id == ProviderSubmission.id,
            SubmissionEvidence.provider_job_id.is_not(None),
        )
        statement = (
            select(ProviderSubmission.id)
            .where(
                ProviderSubmission.state.in_(POLLED_STATES),
                ProviderSubmission.next_poll_at.is_(None),
                ProviderSubmission.state == SubmissionState.CLOSED_UNKNOWN,
                ProviderSubmission.provider_job_id.is_(None),
                heard,
            )
            .limit(limit)
        )
        return (await self._session.scalars(statement)).all()

    # --- uploads ---

    async def find_upload(self, account_id: UUID, sha256: str) -> ProviderUpload | None:
        statement = select(ProviderUpload).where(
            ProviderUpload.account_id == account_id,
            ProviderUpload.sha256 == sha256,
            or_(ProviderUpload.expires_at.is_(None), ProviderUpload.expires_at > func.now()),
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def save_upload(
        self, account_id: UUID, sha256: str, reference: str, expires_at: datetime | None
    ) -> None:
        row = insert(ProviderUpload).values(
            account_id=account_id, sha256=sha256, reference=reference, expires_at=expires_at
        )
        await self._session.execute(
            row.on_conflict_do_update(
                index_elements=["account_id", "sha256"],
                set_={"reference": reference, "expires_at": expires_at, "created_at": func.now()},
            )
        )

    async def forget_uploads(self, account_id: UUID, references: Sequence[str]) -> None:
        await self._session.execute(
            delete(ProviderUpload).where(
                ProviderUpload.account_id == account_id, ProviderUpload.reference.in_(references)
            )
        )
