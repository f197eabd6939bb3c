"""The worker's side of a submission: send it, settle its doubt, stop it."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from pixsim7_backend.domain.job import Job
from pixsim7_backend.domain.provider import (
    Accepted,
    HttpNotSent,
    HttpUncertain,
    ProviderError,
    Reconciliation,
    SubmitRequest,
)
from pixsim7_backend.domain.submission import ProviderSubmission, SubmissionEvidence
from pixsim7_backend.domain.vocabulary import (
    ErrorKind,
    JobStatus,
    SubmissionClass,
    SubmissionState,
)
from pixsim7_backend.infrastructure.database.engine import Database, Transaction
from pixsim7_backend.infrastructure.database.repositories.job import JobRepository
from pixsim7_backend.infrastructure.database.repositories.submission import SubmissionRepository
from pixsim7_backend.services.account.account_service import AccountService
from pixsim7_backend.services.job.job_endings import JobEndings
from pixsim7_backend.services.job.job_service import JobService
from pixsim7_backend.services.job.retry_policy import after_refusal
from pixsim7_backend.services.provider.provider_calls import ProviderCalls
from pixsim7_backend.services.provider.provider_service import ProviderService
from pixsim7_backend.services.provider.submission_sender import (
    SendOutcome,
    SubmissionSender,
    accepted_from,
)
from pixsim7_backend.shared.fail_points import fail_point

log = structlog.get_logger()

RESOLVE_AFTER_S = (5.0, 20.0, 60.0, 300.0)
RESOLVE_EVERY_S = 900.0
DOUBT_DEADLINE_S: Mapping[SubmissionClass, float] = {
    SubmissionClass.KEYED: 3600.0,
    SubmissionClass.FINDABLE: 3600.0,
    SubmissionClass.LISTABLE: 3600.0,
    SubmissionClass.BLIND: 1800.0,
}
REPEATED_REFUSALS = frozenset({ErrorKind.PARAM, ErrorKind.FILTERED})
"""Of a request sent again, only a refusal for what it asks says that the first was refused too;
one for the moment (rate, credits, a key) says nothing about the first."""
QUARANTINE = timedelta(minutes=15)
"""Absence may be believed only when a paused owner can surely no longer send."""


class JobRunner:
    """Runs the steps of a submission that follow its reservation. Safe to call twice or late."""

    def __init__(
        self,
        database: Database,
        jobs: JobService,
        providers: ProviderService,
        accounts: AccountService,
        calls: ProviderCalls,
        sender: SubmissionSender,
        endings: JobEndings,
        doubt_deadline_s: float | None,
    ) -> None:
        self._db = database
        self._jobs = jobs
        self._providers = providers
        self._accounts = accounts
        self._calls = calls
        self._sender = sender
        self._endings = endings
        self._doubt_deadline_s = doubt_deadline_s

    async def submit(self, submission_id: UUID) -> None:
        """Send a reserved submission once and apply what became of it."""
        async with AsyncExitStack() as turn:
            outcome = await self._sender.send(submission_id, turn)
            if outcome is None:
                # Somebody else's, or one whose owner wrote its answer down and died.
                outcome = await self._testimony(submission_id)
            if outcome is not None:
                await self._settle(submission_id, outcome)

    async def _testimony(self, submission_id: UUID) -> SendOutcome | None:
        """What was written down of an outcome that was never applied."""
        async with self._db.transaction() as tx:
            submissions = SubmissionRepository(tx.session)
            submission = await submissions.find(submission_id)
            if submission is None or submission.state not in (
                SubmissionState.SUBMITTING,
                SubmissionState.IN_DOUBT,
                SubmissionState.CLOSED_UNKNOWN,
            ):
                return None
            evidence = await submissions.list_evidence(submission_id)
        known = _read_testimony(submission, evidence)
        is_closed = submission.state is SubmissionState.CLOSED_UNKNOWN
        return None if is_closed and known is not None and known.kind != "accepted" else known

    async def _settle(self, submission_id: UUID, outcome: SendOutcome) -> None:
        """T4 and what it means for the job, in one commit."""
        async with self._db.transaction() as tx:
            job = await self._locked_job(tx, submission_id)
            submission = await self._providers.apply_outcome(tx, submission_id, outcome)
            await self._follow(tx, job, submission)
        await fail_point("submit.after_accept")

    async def _locked_job(self, tx: Transaction, submission_id: UUID) -> Job:
        """Job, submission, account, person: the lock order of every transaction."""
        job = await JobRepository(tx.session).lock_of_submission(submission_id)
        if job is None:
            raise LookupError(f"submission {submission_id}")
        return job

    async def _follow(self, tx: Transaction, job: Job, submission: ProviderSubmission) -> None:
        """What the state of its submission means for a job that has not ended."""
        if submission.state is SubmissionState.COMPLETED_REMOTE:
            # The answer carried the result.
            await self._endings.apply(job, submission)
        elif submission.state is SubmissionState.ACCEPTED:
            if job.status is JobStatus.PENDING:
                await self._jobs.mark_started(job.id)
            elif job.status is JobStatus.CANCELLED:
                tx.enqueue("cancel_submission", str(submission.id))
        elif (
            submission.state in (SubmissionState.REJECTED, SubmissionState.ABANDONED)
            and job.open_submission_id == submission.id
        ):
            await self._endings.without_result(job, submission, after_refusal)

    # --- doubt ---

    async def resolve(self, submission_id: UUID) -> None:
        """Find out what became of a submission whose answer was lost.

        A keyed one is sent again under its key; of others the provider is asked; what cannot be
        found out in time is closed, and a person decides. Nothing else is ever repeated.
        """
        async with self._db.transaction() as tx:
            submissions = SubmissionRepository(tx.session)
            submission = await submissions.find(submission_id)
            if submission is None or submission.state is not SubmissionState.IN_DOUBT:
                return
            await submissions.update(submission_id, doubt_count=submission.doubt_count + 1)
        known = await self._testimony(submission_id)
        if known is not None:
            await self._settle(submission_id, known)
            return
        if self._is_overdue(submission):
            await self._close(submission)
            return
        async with self._db.transaction() as tx:
            job = await self._locked_job(tx, submission_id)
        # What was cancelled is never sent afterwards, under whatever key.
        may_send = job.cancel_requested_at is None and not job.is_final
        if submission.submission_class is SubmissionClass.KEYED and may_send:
            await self._resend(submission)
        else:
            await self._ask(submission)
        await self._again_later(submission_id)

    def _is_overdue(self, submission: ProviderSubmission) -> bool:
        limit = self._doubt_deadline_s or DOUBT_DEADLINE_S[submission.submission_class]
        since = submission.submitted_at or submission.reserved_at
        return datetime.now(UTC) - since > timedelta(seconds=limit)

    async def _resend(self, submission: ProviderSubmission) -> None:
        outcome = await self._sender.resend(submission)
        refused = outcome.kind == "refused" and outcome.error is not None
        if refused and outcome.error.kind not in REPEATED_REFUSALS:  # type: ignore[union-attr]
            return
        if refused or outcome.kind == "accepted":
            await self._settle(submission.id, outcome)

    async def _ask(self, submission: ProviderSubmission) -> None:
        finding = await self._reconcile(submission)
        await fail_point("resolve.after_list")
        async with self._db.transaction() as tx:
            await SubmissionRepository(tx.session).add_evidence(
                submission.id,
                "lookup",
                submission.fence,
                detail={"verdict": finding.verdict, "evidence": finding.evidence},
            )
        await fail_point("resolve.before_verdict")
        if finding.verdict == "accepted" and finding.accepted is not None:
            outcome = SendOutcome("accepted", submission.fence, accepted=finding.accepted)
            await self._settle(submission.id, outcome)
        elif finding.verdict == "absent" and await self._may_believe_absence(submission):
            await self._return(submission)

    async def _reconcile(self, submission: ProviderSubmission) -> Reconciliation:
        account = await self._accounts.get_account(submission.account_id)
        params = self._sender.params_of(submission)
        request = SubmitRequest(submission.key, submission.operation_type, params)
        try:
            adapter = self._calls.adapter(account)
            return await adapter.reconcile(request, self._calls.context(account))
        except (ProviderError, HttpNotSent, HttpUncertain) as error:
            return Reconciliation("unknown", evidence=f"the look-up failed: {error}")

    async def _may_believe_absence(self, submission: ProviderSubmission) -> bool:
        since = submission.submitted_at or submission.reserved_at
        if datetime.now(UTC) - since < QUARANTINE:
            return False
        async with self._db.transaction() as tx:
            evidence = await SubmissionRepository(tx.session).list_evidence(submission.id)
        absences = [item for item in evidence if item.detail.get("verdict") == "absent"]
        return len(absences) >= 2

    async def _return(self, submission: ProviderSubmission) -> None:
        """Proven absent: the same submission may be sent."""
        async with self._db.transaction() as tx:
            await self._locked_job(tx, submission.id)
            moved = await SubmissionRepository(tx.session).move(
                submission.id,
                SubmissionState.RESERVED,
                only_from=[SubmissionState.IN_DOUBT],
                fence=submission.fence,
                lease_until=None,
                state_deadline_at=datetime.now(UTC) + timedelta(minutes=2),
            )
            if moved is not None:
                tx.enqueue("submit", str(submission.id))

    async def _again_later(self, submission_id: UUID) -> None:
        async with self._db.transaction() as tx:
            submissions = SubmissionRepository(tx.session)
            submission = await submissions.find(submission_id)
            if submission is None or submission.state is not SubmissionState.IN_DOUBT:
                return
            count = submission.doubt_count
            wait = RESOLVE_AFTER_S[count - 1] if count <= len(RESOLVE_AFTER_S) else RESOLVE_EVERY_S
            limit = self._doubt_deadline_s or DOUBT_DEADLINE_S[submission.submission_class]
            since = submission.submitted_at or submission.reserved_at
            left = limit - (datetime.now(UTC) - since).total_seconds()
            wait = min(wait, max(left, 0.0) + 0.1)
            await submissions.update(
                submission_id, state_deadline_at=datetime.now(UTC) + timedelta(seconds=wait + 60)
            )
            tx.enqueue("resolve", str(submission_id), delay_s=wait)

    async def _close(self, submission: ProviderSubmission) -> None:
        async with self._db.transaction() as tx:
            job = await self._locked_job(tx, submission.id)
            closed = await self._providers.close_unknown(
                tx, submission, submission.error_message or "The answer was lost."
            )
            if closed.state is SubmissionState.CLOSED_UNKNOWN and not job.is_final:
                await self._jobs.call_for_attention(
                    job.id,
                    "outcome_unknown",
                    "The provider's answer was lost. The job may have been accepted and charged, "
                    "so it was not sent again. Retry it, knowing that it may cost twice, or give "
                    "it up; a result that still appears is kept.",
                )

    async def adopt(self, submission_id: UUID, accepted: Accepted, source: str) -> None:
        """Evidence from elsewhere (a callback) names the provider's id of a submission."""
        async with self._db.transaction() as tx:
            submissions = SubmissionRepository(tx.session)
            submission = await submissions.find(submission_id)
            if submission is None:
                return
            await submissions.add_evidence(
                submission_id,
                source,
                submission.fence,
                provider_job_id=accepted.provider_job_id,
            )
        if submission.provider_job_id is None and submission.state in (
            SubmissionState.IN_DOUBT,
            SubmissionState.CLOSED_UNKNOWN,
        ):
            outcome = SendOutcome("accepted", submission.fence, accepted=accepted)
            await self._settle(submission_id, outcome)

    # --- cancel and deadlines ---

    async def cancel_submission(self, submission_id: UUID) -> None:
        """Ask the provider to stop a cancelled job's submission, where it can."""
        async with self._db.transaction() as tx:
            submission = await SubmissionRepository(tx.session).find(submission_id)
        if submission is None or submission.state is not SubmissionState.ACCEPTED:
            return
        account = await self._accounts.get_account(submission.account_id)
        try:
            stopped = await self._providers.cancel_job(submission, account)
        except (ProviderError, HttpNotSent, HttpUncertain) as error:
            log.info("cancel_not_confirmed", submission_id=str(submission_id), error=str(error))
            return
        if stopped:
            async with self._db.transaction() as tx:
                await SubmissionRepository(tx.session).poll_now(submission_id)
                tx.enqueue("poll")

    async def sweep_deadlines(self) -> None:
        """Take up every submission whose state has outlived its deadline."""
        async with self._db.transaction() as tx:
            submissions = SubmissionRepository(tx.session)
            overdue = await submissions.list_past_deadline(500)
            for submission_id in await submissions.list_unheard(100):
                tx.enqueue("submit", str(submission_id), dedupe_key=f"hear:{submission_id}")
        await fail_point("reap.after_select")
        for submission in overdue:
            try:
                await self._sweep(submission)
            except Exception:
                log.exception("sweep_of_submission_failed", submission_id=str(submission.id))

    async def _sweep(self, overdue: ProviderSubmission) -> None:
        later = datetime.now(UTC) + timedelta(seconds=60)
        deadline = overdue.state_deadline_at  # the session's copy is about to be read again
        async with self._db.transaction() as tx:
            submissions = SubmissionRepository(tx.session)
            job = await self._locked_job(tx, overdue.id)
            submission = await submissions.lock(overdue.id)
            if submission is None or submission.state_deadline_at != deadline:
                return  # its owner, or another sweep, has gone on meanwhile
            match submission.state:
                case SubmissionState.RESERVED:
                    await submissions.update(submission.id, state_deadline_at=later)
                    tx.enqueue("submit", str(submission.id))
                case SubmissionState.SUBMITTING:
                    await self._providers.put_in_doubt(
                        tx,
                        submission,
                        "The worker that sent it went away before the answer.",
                        fence=submission.fence,
                    )
                case SubmissionState.IN_DOUBT:
                    await submissions.update(submission.id, state_deadline_at=later)
                    tx.enqueue("resolve", str(submission.id))
                case SubmissionState.ACCEPTED:
                    closed = await self._providers.close_unknown(
                        tx, submission, "The provider did not finish it in time."
                    )
                    if closed.state is SubmissionState.CLOSED_UNKNOWN and not job.is_final:
                        await self._jobs.call_for_attention(
                            job.id,
                            "no_result_in_time",
                            "The provider did not finish this in time. It may have been charged; "
                            "a result that still appears is kept.",
                        )
                case _:
                    # A finished one is the business of the asset's fetch, once it has an asset.
                    if not job.is_final:
                        await self._endings.apply(job, submission)
                    await submissions.update(submission.id, state_deadline_at=None)
        await fail_point("reap.after_update")


def _read_testimony(
    submission: ProviderSubmission, evidence: Sequence[SubmissionEvidence]
) -> SendOutcome | None:
    """The outcome that the evidence proves. An id counts whoever brought it; a no counts when it
    is the answer to the very try that is in question."""
    for item in evidence:
        if item.provider_job_id is not None:
            return SendOutcome("accepted", submission.fence, accepted=accepted_from(item))
    for item in evidence:
        if item.fence != submission.fence or item.detail.get("resend"):
            continue
        if item.kind == "refusal":
            error = ProviderError(
                ErrorKind(item.detail["kind"]),
                item.detail.get("message", ""),
                code=item.detail.get("code") or "",
            )
            return SendOutcome("refused", submission.fence, error=error)
        if item.kind == "not_sent":
            return SendOutcome("not_sent", item.fence, reason=item.detail.get("reason", ""))
    return None
