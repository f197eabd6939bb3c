"""What a list of jobs shows beside the rows: each question is asked once for the whole page."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from pixsim7_backend.domain.account import ProviderAccount
from pixsim7_backend.domain.asset import Asset
from pixsim7_backend.domain.job import Job
from pixsim7_backend.domain.submission import UNRESOLVED_STATES, ProviderSubmission
from pixsim7_backend.domain.user import User
from pixsim7_backend.domain.vocabulary import AccountStatus, SubmissionState


@dataclass(frozen=True, slots=True)
class LastAttempt:
    """The latest submission of a job, and what is held for it."""

    state: SubmissionState
    account_id: UUID
    account_name: str
    eta_s: float
    submitted_at: datetime | None
    estimated_credits: Decimal
    charged_credits: Decimal | None
    reserved_credits: Decimal

    @property
    def is_open(self) -> bool:
        """Something may still come of it."""
        return self.state in UNRESOLVED_STATES


_LAST_ATTEMPTS = text(
    """
    SELECT DISTINCT ON (s.job_id)
           s.job_id, s.state, s.account_id, a.name, s.eta_s, s.submitted_at,
           s.estimated_credits, s.charged_credits, coalesce(r.credits_held, 0) AS reserved
    FROM provider_submissions s
    JOIN provider_accounts a ON a.id = s.account_id
    LEFT JOIN reservations r ON r.submission_id = s.id
    WHERE s.job_id = ANY(CAST(:ids AS uuid[]))
    ORDER BY s.job_id, s.attempt DESC
    """
)

# The line as the dispatcher walks it, without each person's share, which changes as jobs end.
_PLACES = text(
    """
    SELECT id, place FROM (
        SELECT id, row_number() OVER (
            PARTITION BY provider_id ORDER BY priority, created_at, id
        ) AS place
        FROM jobs
        WHERE provider_id = ANY(CAST(:providers AS text[])) AND status = 'pending'
          AND NOT is_paused AND NOT waits_for_parent AND open_submission_id IS NULL
          AND available_at <= now()
    ) line
    WHERE id = ANY(CAST(:ids AS uuid[]))
    """
)


class JobOverviewRepository:
    """Reads only."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def last_attempts(self, job_ids: Collection[UUID]) -> dict[UUID, LastAttempt]:
        rows = await self._session.execute(_LAST_ATTEMPTS, {"ids": list(job_ids)})
        return {
            row.job_id: LastAttempt(
                state=SubmissionState(row.state),
                account_id=row.account_id,
                account_name=row.name,
                eta_s=row.eta_s,
                submitted_at=row.submitted_at,
                estimated_credits=row.estimated_credits,
                charged_credits=row.charged_credits,
                reserved_credits=row.reserved,
            )
            for row in rows
        }

    async def places(
        self, providers: Collection[str], job_ids: Collection[UUID]
    ) -> dict[UUID, int]:
        """Places in line, 1 for the next; only of jobs that could go now."""
        rows = await self._session.execute(
            _PLACES, {"providers": list(providers), "ids": list(job_ids)}
        )
        return {row.id: row.place for row in rows}

    async def slots(self, providers: Collection[str]) -> dict[str, int]:
        """How many jobs each provider's accounts in service can run at once."""
        statement = (
            select(ProviderAccount.provider_id, func.sum(ProviderAccount.max_concurrent_jobs))
            .where(
                ProviderAccount.provider_id.in_(providers),
                ProviderAccount.status.in_([AccountStatus.ACTIVE, AccountStatus.RATE_LIMITED]),
            )
            .group_by(ProviderAccount.provider_id)
        )
        return {row[0]: int(row[1]) for row in await self._session.execute(statement)}

    async def children(self, job_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
        statement = (
            select(Job.parent_job_id, Job.id).where(Job.parent_job_id.in_(job_ids)).order_by(Job.id)
        )
        found: dict[UUID, list[UUID]] = {}
        for parent_id, child_id in await self._session.execute(statement):
            if parent_id is not None:
                found.setdefault(parent_id, []).append(child_id)
        return found

    async def assets(self, job_ids: Collection[UUID]) -> dict[UUID, list[Asset]]:
        """What the jobs made and is not in the trash, first output first."""
        # By submission: there is an index for that.
        attempts = select(ProviderSubmission.id).where(ProviderSubmission.job_id.in_(job_ids))
        statement = (
            select(Asset)
            .where(Asset.submission_id.in_(attempts), Asset.trashed_at.is_(None))
            .order_by(Asset.output_no, Asset.id)
            .execution_options(populate_existing=True)
        )
        found: dict[UUID, list[Asset]] = {}
        for asset in await self._session.scalars(statement):
            if asset.job_id is not None:
                found.setdefault(asset.job_id, []).append(asset)
        return found

    async def inputs(self, asset_ids: Collection[UUID]) -> dict[UUID, Asset]:
        statement = select(Asset).where(Asset.id.in_(asset_ids))
        return {asset.id: asset for asset in await self._session.scalars(statement)}

    async def usernames(self, user_ids: Collection[UUID]) -> dict[UUID, str]:
        statement = select(User.id, User.username).where(User.id.in_(user_ids))
        return {row[0]: row[1] for row in await self._session.execute(statement)}
