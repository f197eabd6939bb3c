"""Watching accepted submissions until they end, and bringing the end into the library."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import structlog

from pixsim7_backend.domain.account import ProviderAccount
from pixsim7_backend.domain.provider import (
    HttpNotSent,
    HttpUncertain,
    PollPolicy,
    ProviderError,
    RemoteReport,
)
from pixsim7_backend.domain.submission import ProviderSubmission
from pixsim7_backend.domain.vocabulary import (
    ErrorKind,
    JobStatus,
    SubmissionState,
    VideoStatus,
)
from pixsim7_backend.infrastructure.database.engine import Database
from pixsim7_backend.infrastructure.database.errors import outlast_trouble
from pixsim7_backend.infrastructure.database.repositories.job import JobRepository
from pixsim7_backend.infrastructure.database.repositories.submission import SubmissionRepository
from pixsim7_backend.infrastructure.telemetry import POLL_LAG
from pixsim7_backend.services.account.account_service import AccountService
from pixsim7_backend.services.job.job_endings import JobEndings
from pixsim7_backend.services.provider.provider_service import (
    FINAL_REPORTS,
    LATE_WATCH_S,
    ProviderService,
    enqueue_poll,
)
from pixsim7_backend.shared.fail_points import fail_point

log = structlog.get_logger()

SWEEP = 500
"""Submissions taken by one sweep."""
PER_CALL = 20
PARALLEL_CALLS = 16


class JobPoller:
    """One sweep at a time takes what is due; a submission is never polled twice at once."""

    def __init__(
        self,
        database: Database,
        providers: ProviderService,
        accounts: AccountService,
        endings: JobEndings,
        lease: timedelta,
    ) -> None:
        self._db = database
        self._providers = providers
        self._accounts = accounts
        self._endings = endings
        self._lease = lease

    async def poll_due(self) -> int:
        """Poll everything whose time has come; returns how many submissions that were."""
        total = 0
        while True:
            async with self._db.transaction() as tx:
                due = await SubmissionRepository(tx.session).claim_due_polls(SWEEP, self._lease)
            if not due:
                break
            total += len(due)
            for _, late_s in due:
                POLL_LAG.observe(late_s)
            await self._poll_many([submission for submission, _ in due])
            if len(due) < SWEEP:
                break
        async with self._db.transaction() as tx:
            wait = await SubmissionRepository(tx.session).seconds_to_next_poll()
            if wait is not None:
                enqueue_poll(tx, max(wait, 0.05))
        return total

    async def _poll_many(self, due: Sequence[ProviderSubmission]) -> None:
        by_account: dict[UUID, list[ProviderSubmission]] = defaultdict(list)
        for submission in due:
            by_account[submission.account_id].append(submission)
        limit = asyncio.Semaphore(PARALLEL_CALLS)

        async def one_call(account_id: UUID, batch: Sequence[ProviderSubmission]) -> None:
            async with limit:
                try:
                    account = await self._accounts.get_account(account_id)
                    await self._poll_batch(account, batch)
                except Exception:
                    # Asked again when the lease of the poll is over; the others go on.
                    log.exception("poll_batch_failed", account_id=str(account_id))

        async with asyncio.TaskGroup() as group:
            for account_id, submissions in by_account.items():
                for start in range(0, len(submissions), PER_CALL):
                    group.create_task(one_call(account_id, submissions[start : start + PER_CALL]))

    async def _poll_batch(
        self, account: ProviderAccount, batch: Sequence[ProviderSubmission]
    ) -> None:
        policy = self._providers.registry.poll_policy(account.provider_id)
        try:
            reports = await self._providers.fetch_reports(batch, account)
        except (ProviderError, HttpNotSent, HttpUncertain) as error:
            await self._call_failed(account, batch, error, policy)
            return
        await fail_point("poll.after_status")
        waiting = []
        for submission, report in zip(batch, reports, strict=True):
            if not report.is_found:
                report = self._not_found(submission, report, policy)
            try:
                if report.status in FINAL_REPORTS:
                    # Nobody else asks before the lease of the poll is over.
                    await outlast_trouble(
                        partial(self._finish, submission, report), self._lease.total_seconds()
                    )
                    continue
                await self._tell_progress(submission, report)
            except Exception:
                log.exception("report_not_applied", submission_id=str(submission.id))
            waiting.append((submission.id, next_poll_s(submission, policy), report.progress))
        await self._reschedule(waiting)

    async def _call_failed(
        self,
        account: ProviderAccount,
        batch: Sequence[ProviderSubmission],
        error: Exception,
        policy: PollPolicy,
    ) -> None:
        """Trouble with the way never fails a job; it is asked again later."""
        log.info("poll_failed", account_id=str(account.id), error=str(error), count=len(batch))
        wait = policy.min_interval_s * 2
        if isinstance(error, ProviderError):
            wait = max(wait, error.retry_after_s or 0.0)
            if error.kind in (ErrorKind.AUTH, ErrorKind.RATE):
                await self._accounts.record_failure(
                    account.id,
                    error.message,
                    kind=error.kind,
                    retry_after_s=error.retry_after_s,
                )
        await self._reschedule(
            [(item.id, max(wait, next_poll_s(item, policy)), None) for item in batch]
        )

    async def _reschedule(self, rows: Sequence[tuple[UUID, float, float | None]]) -> None:
        async def write() -> None:
            async with self._db.transaction() as tx:
                await SubmissionRepository(tx.session).reschedule_polls(rows)

        if rows:
            await outlast_trouble(write, self._lease.total_seconds())

    def _not_found(
        self, submission: ProviderSubmission, report: RemoteReport, policy: PollPolicy
    ) -> RemoteReport:
        """Unknown right after acceptance is usual; for longer it is gone."""
        accepted_at = submission.accepted_at or submission.reserved_at
        age = (datetime.now(UTC) - accepted_at).total_seconds()
        if age <= policy.not_found_grace_s:
            return RemoteReport(report.provider_job_id, VideoStatus.PROCESSING, is_found=False)
        return RemoteReport(
            report.provider_job_id,
            VideoStatus.FAILED,
            error_kind=ErrorKind.NOT_FOUND,
            error_code=report.error_code,
            error_message="The provider no longer knows this job.",
            is_found=False,
        )

    async def _tell_progress(self, submission: ProviderSubmission, report: RemoteReport) -> None:
        if report.progress is None or report.progress == submission.progress:
            return
        async with self._db.transaction() as tx:
            job = await JobRepository(tx.session).update(
                submission.job_id, progress=report.progress
            )
            if job is not None and job.status is JobStatus.PROCESSING:
                tx.publish(
                    "job:progress",
                    user_id=job.user_id,
                    job_id=job.id,
                    data={"progress": round(report.progress, 3)},
                )

    async def _finish(self, submission: ProviderSubmission, report: RemoteReport) -> None:
        """One commit: asset, submission and job final, slot and hold back, events, ingest."""
        async with self._db.transaction() as tx:
            job = await JobRepository(tx.session).lock(submission.job_id)
            if job is None:
                raise LookupError(f"job {submission.job_id}")
            before = submission.state
            ended = await self._providers.apply_report(tx, submission.id, report)
            if ended.state is not before:
                await self._endings.apply(job, ended)
        await fail_point("poll.after_t6")


def next_poll_s(submission: ProviderSubmission, policy: PollPolicy) -> float:
    """Often while it is due, ever less often when it is late; jittered, so that polls spread."""
    accepted_at = submission.accepted_at or submission.reserved_at
    age = (datetime.now(UTC) - accepted_at).total_seconds()
    if submission.state is SubmissionState.CLOSED_UNKNOWN:
        # Every quarter of an hour at first, then ever less often: a month later, once in days.
        return max(LATE_WATCH_S, age * 0.1)
    late = max(age - 2 * submission.eta_s, 0.0)
    interval = min(max(policy.min_interval_s, late * 0.2), policy.max_interval_s)
    return interval * random.uniform(0.9, 1.1)  # noqa: S311 - jitter, no secret
