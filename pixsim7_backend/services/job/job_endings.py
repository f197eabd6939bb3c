"""What the end of a submission at its provider means for its job: the same for every way by which
the end is learned (a poll, an answer that carries the result, a sweep)."""

from collections.abc import Callable
from datetime import UTC, datetime

from pixsim7_backend.domain.job import Job
from pixsim7_backend.domain.submission import ProviderSubmission
from pixsim7_backend.domain.vocabulary import JobStatus, SubmissionState
from pixsim7_backend.services.account.account_service import AccountService
from pixsim7_backend.services.asset.asset_service import AssetService
from pixsim7_backend.services.job.job_service import JobService
from pixsim7_backend.services.job.retry_policy import GiveUp, Retry, after_failure


class JobEndings:
    """Joins the transaction in which the submission ended; its job is locked."""

    def __init__(self, jobs: JobService, accounts: AccountService, assets: AssetService) -> None:
        self._jobs = jobs
        self._accounts = accounts
        self._assets = assets

    async def apply(self, job: Job, submission: ProviderSubmission) -> None:
        """Bring the end of a submission to its job; nothing happens while it has not ended."""
        if submission.state is SubmissionState.COMPLETED_REMOTE:
            await self._completed(job, submission)
        elif submission.state is SubmissionState.FAILED_REMOTE:
            await self.without_result(job, submission, after_failure)
            await self._jobs.settle_charges(job.id)

    async def without_result(
        self,
        job: Job,
        submission: ProviderSubmission,
        policy: Callable[[ProviderSubmission, int], Retry | GiveUp],
    ) -> None:
        """Try again or give up, unless the job has ended or goes on with another attempt."""
        if job.is_final or job.open_submission_id not in (submission.id, None):
            return
        match policy(submission, submission.attempt - job.attempts_forgiven):
            case Retry(delay_s):
                reason = submission.error_message or "It is tried again."
                await self._jobs.return_to_line(job.id, delay_s, reason)
            case GiveUp(code, message):
                await self._jobs.mark_failed(job.id, message, code=code)

    async def _completed(self, job: Job, submission: ProviderSubmission) -> None:
        """A result is kept whatever the job has come to; a cancelled job stays cancelled."""
        asset = await self._assets.create_from_submission(submission, job)
        started = submission.accepted_at or submission.reserved_at
        ended = submission.finished_at or datetime.now(UTC)
        seconds = (ended - started).total_seconds()
        await self._accounts.record_success(submission.account_id, generation_time_sec=seconds)
        if job.status is JobStatus.PENDING:
            job = await self._jobs.mark_started(job.id)
        if job.status in (JobStatus.PROCESSING, JobStatus.FAILED):
            await self._jobs.mark_completed(job.id, asset.id)
        else:
            # Whatever became of the job: what this cost is known now.
            await self._jobs.settle_charges(job.id)
