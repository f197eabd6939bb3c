"""Jobs in SQL: acceptance, the line of waiting ones, lists."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from pixsim7_backend.domain.event import Event
from pixsim7_backend.domain.job import (
    JOB_STATUS,
    MIN_PRIORITY,
    BulkAction,
    IdempotencyKey,
    Job,
    JobGroup,
)
from pixsim7_backend.domain.submission import HOLDING_STATES, ProviderSubmission
from pixsim7_backend.domain.vocabulary import JobStatus, OperationType
from pixsim7_backend.infrastructure.database.repositories.transition import transition

_WAITING = (
    "status = 'pending' AND NOT is_paused AND NOT waits_for_parent AND open_submission_id IS NULL"
)

# People are found by skipping along ix_jobs_waiting, each one's best jobs by a short range of it,
# so the cost follows the number of people who wait, not the number of their jobs.
_LINE = text(
    f"""
    WITH RECURSIVE waiting_users AS (
        (SELECT user_id FROM jobs WHERE provider_id = :provider_id AND {_WAITING}
         ORDER BY user_id LIMIT 1)
        UNION ALL
        SELECT (
            SELECT j.user_id FROM jobs j
            WHERE j.provider_id = :provider_id AND {_WAITING} AND j.user_id > w.user_id
            ORDER BY j.user_id LIMIT 1
        )
        FROM waiting_users w WHERE w.user_id IS NOT NULL
    ), people AS (
        SELECT w.user_id, u.max_concurrent_jobs, (
            SELECT count(*) FROM provider_submissions s
            WHERE s.user_id = w.user_id
              AND s.state IN ('reserved', 'submitting', 'in_doubt', 'accepted')
        ) AS running
        FROM waiting_users w JOIN users u ON u.id = w.user_id
        WHERE w.user_id IS NOT NULL AND u.is_active
    )
    SELECT j.id, j.user_id, j.priority, j.created_at, j.operation_type, j.estimated_credits,
           j.pinned_account_id, p.running + j.nth AS share
    FROM people p
    CROSS JOIN LATERAL (
        SELECT c.*, row_number() OVER (ORDER BY c.priority, c.created_at, c.id) AS nth
        FROM (
            SELECT id, user_id, priority, created_at, operation_type, estimated_credits,
                   pinned_account_id
            FROM jobs
            WHERE provider_id = :provider_id AND user_id = p.user_id AND {_WAITING}
              AND available_at <= now()
              AND id <> ALL(CAST(:passed_over AS uuid[]))
            ORDER BY priority, created_at, id
            LIMIT GREATEST(LEAST(:limit, coalesce(p.max_concurrent_jobs - p.running, :limit)), 0)
        ) c
    ) j
    ORDER BY j.priority, share, j.created_at, j.id
    LIMIT :limit
    """  # noqa: S608 - the only interpolation is the constant above
)


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """A job in line, with what the choice of an account needs."""

    id: UUID
    user_id: UUID
    priority: int
    created_at: datetime
    operation_type: OperationType
    estimated_credits: Decimal
    pinned_account_id: UUID | None
    share: int
    """How many jobs its person would have running with this one."""


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs; what is None does not matter. `user_id` None: everybody's."""

    user_id: UUID | None
    workspace_id: UUID | None = None
    status: Collection[JobStatus] = ()
    state: JobGroup | None = None
    provider_id: str | None = None
    operation_type: OperationType | None = None
    batch_id: UUID | None = None
    parent_job_id: UUID | None = None
    needs_attention: bool | None = None
    q: str | None = None
    fits: BulkAction | None = None
    """Only those that this can be done to."""

    def conditions(self) -> list[ColumnElement[bool]]:
        equal = {
            Job.user_id: self.user_id,
            Job.workspace_id: self.workspace_id,
            Job.provider_id: self.provider_id,
            Job.operation_type: self.operation_type,
            Job.batch_id: self.batch_id,
            Job.parent_job_id: self.parent_job_id,
        }
        where = [column == value for column, value in equal.items() if value is not None]
        if self.status:
            where.append(Job.status.in_(list(self.status)))
        if self.state is not None:
            where.append(in_group(self.state))
        if self.needs_attention is not None:
            attention = Job.attention_code.is_not(None)
            where.append(attention if self.needs_attention else ~attention)
        if self.fits is not None:
            where.append(_fits(self.fits))
        if self.q:
            prompt = Job.params["prompt"].astext
            where.append(
                or_(
                    prompt.icontains(self.q, autoescape=True),
                    Job.name.icontains(self.q, autoescape=True),
                )
            )
        return where


def in_group(group: JobGroup) -> ColumnElement[bool]:
    """The same rule as `Job.group`."""
    is_scheduled = and_(
        Job.status == JobStatus.PENDING,
        Job.scheduled_at.is_not(None),
        Job.scheduled_at > func.now(),
    )
    match group:
        case JobGroup.SCHEDULED:
            return is_scheduled
        case JobGroup.ACTIVE:
            under_way = Job.status.in_([JobStatus.PENDING, JobStatus.PROCESSING])
            return and_(under_way, is_scheduled.is_not(True))
        case JobGroup.FAILED:
            return Job.status == JobStatus.FAILED
        case JobGroup.DONE:
            return Job.status.in_([JobStatus.COMPLETED, JobStatus.CANCELLED])


def _fits(action: BulkAction) -> ColumnElement[bool]:
    is_pending = Job.status == JobStatus.PENDING
    match action:
        case BulkAction.CANCEL:
            return Job.status.in_([JobStatus.PENDING, JobStatus.PROCESSING])
        case BulkAction.PAUSE:
            return and_(is_pending, ~Job.is_paused)
        case BulkAction.RESUME:
            return and_(is_pending, Job.is_paused)
        case BulkAction.RETRY:
            return Job.status == JobStatus.FAILED
        case BulkAction.TO_FRONT:
            return and_(is_pending, Job.priority > MIN_PRIORITY)


class JobRepository:
    """Rows of `jobs` and `idempotency_keys`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    # --- acceptance ---

    async def claim_idempotency_key(
        self, user_id: UUID, key: str, request_hash: bytes, job_ids: Sequence[UUID]
    ) -> IdempotencyKey | None:
        """Take the key; returns the earlier use when there was one.

        A parallel use of the key that has not committed yet is waited for.
        """
        row = insert(IdempotencyKey).values(
            user_id=user_id, key=key, request_hash=request_hash, job_ids=list(job_ids)
        )
        taken = await self._session.scalar(
            row.on_conflict_do_nothing().returning(IdempotencyKey.key)
        )
        if taken is not None:
            return None
        return await self.find_idempotency_key(user_id, key)

    async def find_idempotency_key(self, user_id: UUID, key: str) -> IdempotencyKey | None:
        return await self._session.get(IdempotencyKey, (user_id, key), populate_existing=True)

    async def add_many(self, rows: Sequence[Mapping[str, Any]]) -> list[Job]:
        statement = insert(Job).returning(Job, sort_by_parameter_order=True)
        return list(await self._session.scalars(statement, list(rows)))

    # --- reading ---

    async def find(self, job_id: UUID) -> Job | None:
        return await self._session.get(Job, job_id, populate_existing=True)

    async def find_many(self, job_ids: Collection[UUID]) -> dict[UUID, Job]:
        statement = select(Job).where(Job.id.in_(job_ids)).execution_options(populate_existing=True)
        return {job.id: job for job in await self._session.scalars(statement)}

    async def lock(self, job_id: UUID | ScalarSelect[UUID]) -> Job | None:
        statement = (
            select(Job)
            .where(Job.id == job_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def lock_of_submission(self, submission_id: UUID) -> Job | None:
        """The job that a submission is an attempt of; that never changes."""
        job_id = (
            select(ProviderSubmission.job_id)
            .where(ProviderSubmission.id == submission_id)
            .scalar_subquery()
        )
        return await self.lock(job_id)

    async def lock_waiting(self, job_ids: Collection[UUID]) -> dict[UUID, Job]:
        """Lock those that still wait; busy rows are skipped, their holder dispatches again."""
        statement = (
            select(Job)
            .where(
                Job.id.in_(job_ids),
                Job.status == JobStatus.PENDING,
                Job.is_paused.is_(False),
                Job.open_submission_id.is_(None),
                Job.cancel_requested_at.is_(None),
            )
            .order_by(Job.id)
            .with_for_update(key_share=True, skip_locked=True)
            .execution_options(populate_existing=True)
        )
        return {job.id: job for job in await self._session.scalars(statement)}

    async def descendants(self, job_ids: Collection[UUID]) -> Sequence[Job]:
        """All that follow these jobs, however far down."""
        found = select(Job.id).where(Job.parent_job_id.in_(job_ids)).cte("found", recursive=True)
        found = found.union(select(Job.id).where(Job.parent_job_id == found.c.id))
        statement = select(Job).where(Job.id.in_(select(found.c.id)))
        statement = statement.execution_options(populate_existing=True)
        return (await self._session.scalars(statement)).all()

    async def list_page(
        self, after: UUID | None, limit: int, *where: ColumnElement[bool]
    ) -> Sequence[Job]:
        """Newest first."""
        statement = select(Job).where(*where).order_by(Job.id.desc()).limit(limit)
        if after is not None:
            statement = statement.where(Job.id < after)
        return (await self._session.scalars(statement)).all()

    async def list_for(
        self, filters: "JobFilter", *, after: UUID | None, limit: int
    ) -> Sequence[Job]:
        return await self.list_page(after, limit, *filters.conditions())

    async def ids_for(self, filters: "JobFilter", limit: int) -> Sequence[UUID]:
        """Oldest first, so that a parent comes before what follows it."""
        statement = select(Job.id).where(*filters.conditions()).order_by(Job.id).limit(limit)
        return (await self._session.scalars(statement)).all()

    async def count_for(self, filters: "JobFilter") -> int:
        statement = select(func.count()).select_from(Job).where(*filters.conditions())
        return await self._session.scalar(statement) or 0

    async def counts(self, user_id: UUID | None) -> dict[str, int]:
        """By status and by group; of one person, or with None of everybody."""
        columns: dict[str, ColumnElement[bool]] = {
            **{status.value: Job.status == status for status in JobStatus},
            **{group.value: in_group(group) for group in JobGroup},
            "needs_attention": Job.attention_code.is_not(None),
            "paused": and_(Job.status == JobStatus.PENDING, Job.is_paused),
        }
        statement = select(
            *(func.count().filter(where).label(name) for name, where in columns.items())
        ).select_from(Job)
        if user_id is not None:
            statement = statement.where(Job.user_id == user_id)
        row = (await self._session.execute(statement)).one()
        return {name: getattr(row, name) for name in columns}

    async def events_of(self, job_id: UUID) -> Sequence[Event]:
        statement = select(Event).where(Event.job_id == job_id).order_by(Event.id)
        return (await self._session.scalars(statement)).all()

    # --- changing ---

    async def move(
        self,
        job_id: UUID,
        target: JobStatus,
        *,
        only_from: Collection[JobStatus] | None = None,
        **values: Any,
    ) -> Job | None:
        """One legal edge; None when the job is not where it would have to be."""
        return await transition(
            self._session, Job, JOB_STATUS, job_id, target, only_from=only_from, **values
        )

    async def update(self, job_id: UUID, *where: ColumnElement[bool], **values: Any) -> Job | None:
        statement = (
            update(Job)
            .where(Job.id == job_id, *where)
            .values(**values)
            .returning(Job)
            .execution_options(populate_existing=True, synchronize_session=False)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def open_submissions(self, pairs: Sequence[tuple[UUID, UUID]]) -> None:
        """Point each job at its new attempt."""
        await self._session.execute(
            text(
                """
                UPDATE jobs j
                SET open_submission_id = v.submission_id, attempts = j.attempts + 1,
                    waiting_reason = NULL
                FROM unnest(CAST(:jobs AS uuid[]), CAST(:submissions AS uuid[]))
                     AS v(job_id, submission_id)
                WHERE j.id = v.job_id
                """
            ),
            {"jobs": [pair[0] for pair in pairs], "submissions": [pair[1] for pair in pairs]},
        )

    async def close_submission(self, job_id: UUID, submission_id: UUID) -> None:
        """The attempt is over, and the job waits again unless it goes on with another."""
        await self.update(
            job_id,
            Job.open_submission_id == submission_id,
            open_submission_id=None,
        )

    async def return_to_line(self, job_id: UUID, delay_s: float, reason: str) -> Job | None:
        """The attempt is closed; the job waits again, after a pause."""
        return await self.update(
            job_id,
            Job.status == JobStatus.PENDING,
            open_submission_id=None,
            progress=None,
            attention_code=None,
            attention_message=None,
            waiting_reason=reason,
            available_at=func.now() + timedelta(seconds=delay_s),
        )

    async def set_waiting_reasons(self, reasons: Mapping[UUID, str]) -> list[tuple[UUID, UUID]]:
        """Write changed reasons only; returns (job, person) of those that changed."""
        result = await self._session.execute(
            text(
                """
                UPDATE jobs j SET waiting_reason = v.reason
                FROM unnest(CAST(:ids AS uuid[]), CAST(:reasons AS text[])) AS v(id, reason)
                WHERE j.id = v.id AND j.waiting_reason IS DISTINCT FROM v.reason
                RETURNING j.id, j.user_id
                """
            ),
            {"ids": list(reasons), "reasons": list(reasons.values())},
        )
        return [(row[0], row[1]) for row in result]

    async def release_children(self, parent_id: UUID) -> list[Job]:
        """The parent has a result: those who waited for it are in line now."""
        return await self._update_children(parent_id, waits_for_parent=False)

    async def waiting_children(self, parent_id: UUID) -> Sequence[Job]:
        statement = select(Job).where(
            Job.parent_job_id == parent_id,
            Job.waits_for_parent,
            Job.status == JobStatus.PENDING,
        )
        return (await self._session.scalars(statement)).all()

    async def _update_children(self, parent_id: UUID, **values: Any) -> list[Job]:
        statement = (
            update(Job)
            .where(
                Job.parent_job_id == parent_id,
                Job.waits_for_parent,
                Job.status == JobStatus.PENDING,
            )
            .values(**values)
            .returning(Job)
            .execution_options(populate_existing=True, synchronize_session=False)
        )
        return list(await self._session.scalars(statement))

    # --- the line ---

    async def lock_dispatch(self, provider_id: str) -> None:
        """One dispatch per provider at a time; held to the end of the transaction."""
        await self._session.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended('dispatch:' || :provider, 0))"),
            {"provider": provider_id},
        )

    async def line(
        self, provider_id: str, limit: int, passed_over: Collection[UUID] = ()
    ) -> list[WaitingJob]:
        """Who is next: by priority, then whose person has least running, then by age."""
        rows = await self._session.execute(
            _LINE,
            {"provider_id": provider_id, "limit": limit, "passed_over": list(passed_over)},
        )
        return [
            WaitingJob(
                id=row.id,
                user_id=row.user_id,
                priority=row.priority,
                created_at=row.created_at,
                operation_type=OperationType(row.operation_type),
                estimated_credits=row.estimated_credits,
                pinned_account_id=row.pinned_account_id,
                share=row.share,
            )
            for row in rows
        ]

    async def running_counts(self, user_ids: Collection[UUID]) -> dict[UUID, int]:
        """Submissions that hold something, by person. The people are locked by the caller."""
        statement = (
            select(ProviderSubmission.user_id, func.count())
            .where(
                ProviderSubmission.user_id.in_(user_ids),
                ProviderSubmission.state.in_(HOLDING_STATES),
            )
            .group_by(ProviderSubmission.user_id)
        )
        return {row[0]: row[1] for row in await self._session.execute(statement)}

    async def providers_with_waiting(self) -> list[str]:
        statement = text(f"SELECT DISTINCT provider_id FROM jobs WHERE {_WAITING}")  # noqa: S608
        return [row[0] for row in await self._session.execute(statement)]

    async def count_attention(self) -> int:
        statement = select(func.count()).where(Job.attention_code.is_not(None))
        return await self._session.scalar(statement) or 0

    async def count_ahead(self, provider_id: str, priority: int) -> int:
        """How many jobs would come before a new one of this priority."""
        statement = select(func.count()).where(
            Job.provider_id == provider_id,
            Job.status == JobStatus.PENDING,
            Job.is_paused.is_(False),
            Job.waits_for_parent.is_(False),
            Job.open_submission_id.is_(None),
            Job.available_at <= func.now(),
            Job.priority <= priority,
        )
        return await self._session.scalar(statement) or 0

    async def ahead_of(self, job: Job) -> int:
        """How many waiting jobs of this provider come before it by priority and age."""
        statement = select(func.count()).where(
            Job.provider_id == job.provider_id,
            Job.status == JobStatus.PENDING,
            Job.is_paused.is_(False),
            Job.waits_for_parent.is_(False),
            Job.open_submission_id.is_(None),
            Job.available_at <= func.now(),
            tuple_(Job.priority, Job.created_at, Job.id)
            < tuple_(
                bindparam(None, job.priority),
                bindparam(None, job.created_at),
                bindparam(None, job.id),
            ),
        )
        return await self._session.scalar(statement) or 0

    # --- upkeep ---

    async def delete_old_idempotency_keys(self, older_than: timedelta) -> None:
        await self._session.execute(
            delete(IdempotencyKey).where(IdempotencyKey.created_at < func.now() - older_than)
        )

    async def delete_old_events(self, older_than: timedelta, limit: int) -> int:
        old = select(Event.id).where(Event.created_at < func.now() - older_than).limit(limit)
        result = await self._session.execute(delete(Event).where(Event.id.in_(old)))
        return int(getattr(result, "rowcount", 0))
