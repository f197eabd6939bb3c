"""Providers: what they offer, and the life of a submission at one of them."""

import random
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from pixsim7_backend.domain.account import AccountBusy, ProviderAccount
from pixsim7_backend.domain.job import Job, JobNotFound, JobStateConflict
from pixsim7_backend.domain.provider import (
    Accepted,
    Balance,
    Estimate,
    OperationParams,
    OperationSpec,
    ProviderError,
    RemoteReport,
    SubmissionRef,
)
from pixsim7_backend.domain.submission import ProviderSubmission
from pixsim7_backend.domain.user import TOO_MANY_RUNNING, QuotaExceeded
from pixsim7_backend.domain.vocabulary import (
    AccountStatus,
    ErrorKind,
    SubmissionState,
    VideoStatus,
)
from pixsim7_backend.infrastructure.database.engine import Database, Transaction
from pixsim7_backend.infrastructure.database.repositories.account import (
    AccountRepository,
    SlotRequest,
)
from pixsim7_backend.infrastructure.database.repositories.job import JobRepository
from pixsim7_backend.infrastructure.database.repositories.submission import SubmissionRepository
from pixsim7_backend.infrastructure.database.repositories.user import UserRepository
from pixsim7_backend.services.account.account_service import AccountService
from pixsim7_backend.services.provider.provider_calls import ProviderCalls
from pixsim7_backend.services.provider.registry import ProviderRegistry
from pixsim7_backend.services.provider.submission_sender import (
    SendOutcome,
    SubmissionSender,
    output_to_json,
)
from pixsim7_backend.shared.errors import Conflict, NotFound
from pixsim7_backend.shared.fail_points import fail_point
from pixsim7_backend.shared.ids import new_id

FINAL_REPORTS = frozenset(
    {VideoStatus.COMPLETED, VideoStatus.FAILED, VideoStatus.FILTERED, VideoStatus.CANCELLED}
)
LATE_WATCH_S = 900.0
"""How often a closed submission with a provider's id is still asked about."""


class SubmissionNotFound(NotFound):
    code = "submission_not_found"
    title = "No such submission"


class SubmissionRefused(Conflict):
    """The provider refused; `detail` says why in words."""

    code = "provider_refused"
    title = "The provider refused the job"


class SubmissionInDoubt(Conflict):
    """The answer was lost; the job may have been accepted and is not sent again."""

    code = "submission_in_doubt"
    title = "It is not known whether the provider took the job"


class ProviderService:
    """Submissions. Public methods are whole units of work; `open_*` and `apply_*` join the
    caller's transaction."""

    def __init__(
        self,
        database: Database,
        registry: ProviderRegistry,
        accounts: AccountService,
        calls: ProviderCalls,
        sender: SubmissionSender,
    ) -> None:
        self._db = database
        self.registry = registry
        self._accounts = accounts
        self._calls = calls
        self._sender = sender

    # --- the calls of the mission ---

    async def execute_job(
        self, job: Job, account: ProviderAccount, params: Mapping[str, Any]
    ) -> ProviderSubmission:
        """Submit a job on an account once; returns the accepted submission.

        A slot reserved by hand on the account is adopted. Raises `SubmissionRefused`,
        `SubmissionInDoubt`, `AccountBusy` when no slot is free, `InsufficientCredits`, or
        `QuotaExceeded` when the person runs as many as they may. A job that was surely not taken
        waits as before the call: it can be executed again, or a worker takes it.
        """
        spec = self.registry.operation(job.provider_id, job.operation_type)
        validated = self.registry.validate(spec, params)
        async with self._db.transaction() as tx:
            # In the order of a dispatch: the person's turn, then the job.
            await self._require_room(tx, job.user_id)
            fresh = await self._startable(tx, job.id)
            await AccountRepository(tx.session).lock(account.id)
            submission_id = await self.open_submission(tx, fresh, account, spec, validated)
        async with AsyncExitStack() as turn:
            outcome = await self._sender.send(submission_id, turn)
            if outcome is None:
                raise Conflict("The submission was taken over before it was sent.")
            async with self._db.transaction() as tx:
                await JobRepository(tx.session).lock(job.id)
                submission = await self.apply_outcome(tx, submission_id, outcome)
                if submission.state is SubmissionState.RESERVED:
                    submission = await self.abandon(
                        tx, submission, outcome.reason, kind=ErrorKind.TRANSIENT
                    )
                if submission.state in (SubmissionState.REJECTED, SubmissionState.ABANDONED):
                    await JobRepository(tx.session).close_submission(job.id, submission.id)
        match outcome.kind:
            case "refused":
                assert outcome.error is not None  # noqa: S101
                raise SubmissionRefused(outcome.error.message)
            case "unknown":
                raise SubmissionInDoubt("The provider's answer was lost; it is being looked into.")
            case "not_sent":
                raise SubmissionRefused(f"The provider could not be reached: {outcome.reason}")
            case "withdrawn" | "busy":
                raise Conflict("The submission was withdrawn before it was sent.")
            case "accepted":
                return submission

    async def _require_room(self, tx: Transaction, user_id: UUID) -> None:
        """Raise `QuotaExceeded` unless the person may have one more under way."""
        people = await UserRepository(tx.session).take_dispatch_turns([user_id])
        running = await JobRepository(tx.session).running_counts(people)
        person = people.get(user_id)
        if person is not None and not person.may_run(running.get(user_id, 0) + 1):
            raise QuotaExceeded(TOO_MANY_RUNNING)

    async def _startable(self, tx: Transaction, job_id: UUID) -> Job:
        """The job, locked, if an attempt may start now."""
        job = await JobRepository(tx.session).lock(job_id)
        if job is None:
            raise JobNotFound("There is no such job.")
        if job.is_final:
            raise JobStateConflict(f"The job is {job.status.value}.")
        if await SubmissionRepository(tx.session).find_unresolved(job_id) is not None:
            raise JobStateConflict("An attempt of this job is under way.")
        return job

    async def check_status(
        self, submission: ProviderSubmission, account: ProviderAccount
    ) -> RemoteReport:
        """Ask the provider now, and record what it says."""
        report = await self.fetch_report(submission, account)
        async with self._db.transaction() as tx:
            await JobRepository(tx.session).lock(submission.job_id)
            await self.apply_report(tx, submission.id, report)
        return report

    async def fetch_report(
        self, submission: ProviderSubmission, account: ProviderAccount
    ) -> RemoteReport:
        """Ask the provider now; records nothing."""
        reports = await self.fetch_reports([submission], account)
        return reports[0]

    async def fetch_reports(
        self, submissions: Sequence[ProviderSubmission], account: ProviderAccount
    ) -> Sequence[RemoteReport]:
        """One call for several submissions of one account, where the vendor has one."""
        adapter = self._calls.adapter(account)
        refs = [ref_of(submission) for submission in submissions]
        return await adapter.poll(refs, self._calls.context(account))

    async def get_job_submissions(self, job_id: UUID) -> Sequence[ProviderSubmission]:
        """All attempts of a job, oldest first."""
        async with self._db.transaction() as tx:
            return await SubmissionRepository(tx.session).list_of_job(job_id)

    async def get_latest_submission(self, job_id: UUID) -> ProviderSubmission | None:
        """The newest attempt of a job."""
        submissions = await self.get_job_submissions(job_id)
        return submissions[-1] if submissions else None

    async def cancel_job(self, submission: ProviderSubmission, account: ProviderAccount) -> bool:
        """Ask the provider to stop; False where it cannot, or did not say that it did.

        The submission is watched until the provider reports an end, whatever the answer.
        """
        adapter = self._calls.adapter(account)
        if not adapter.manifest.has_cancel or submission.provider_job_id is None:
            return False
        return await adapter.cancel(ref_of(submission), self._calls.context(account))

    # --- offers ---

    def estimate(self, spec: OperationSpec, params: OperationParams) -> Estimate:
        return spec.estimate(params)

    async def sync_balance(self, account_id: UUID) -> Balance | None:
        """Read the vendor's balance into the mirror; None where the vendor has none.

        Raises `ProviderError` or a transport error, after recording a refused key.
        """
        account = await self._accounts.get_account(account_id)
        adapter = self._calls.adapter(account)
        if not adapter.manifest.has_balance or (
            adapter.manifest.credential_fields and account.credentials_sealed is None
        ):
            return None
        started = datetime.now(UTC)
        try:
            balance = await adapter.balance(self._calls.context(account))
        except ProviderError as error:
            if error.kind is ErrorKind.AUTH:
                await self._accounts.record_failure(account_id, error.message, kind=error.kind)
            raise
        await self._accounts.clear_error(account_id)
        await self._accounts.update_credits(
            account_id,
            balance.credits,
            sync_started_at=started,
            charged_at_submit=adapter.manifest.charge_moment == "submit",
        )
        return balance

    async def try_credentials(
        self, provider_id: str, base_url: str | None, credentials: Mapping[str, str]
    ) -> Balance | None:
        """Ask for the balance with credentials that are kept nowhere; None where the vendor has
        none. Raises `ProviderError` or a transport error."""
        adapter = self.registry.adapter(provider_id)
        if not adapter.manifest.has_balance:
            return None
        return await adapter.balance(self._calls.trial_context(provider_id, base_url, credentials))

    async def usable_account(self, account_id: UUID, user_id: UUID) -> UUID | None:
        """The account's id while it is in service and the person may use it."""
        async with self._db.transaction() as tx:
            accounts = AccountRepository(tx.session)
            account = await accounts.find(account_id)
            if account is None or account.status is AccountStatus.DISABLED:
                return None
            return account_id if await accounts.is_visible(account_id, user_id) else None

    # --- a submission, step by step ---

    async def open_submission(
        self,
        tx: Transaction,
        job: Job,
        account: ProviderAccount,
        spec: OperationSpec,
        params: OperationParams,
    ) -> UUID:
        """T2 for one job: slot, hold and row in the caller's transaction; job and account locked.

        Raises `AccountBusy` when no slot is free, `InsufficientCredits` when the credits are
        promised to others.
        """
        row = new_submission(job, account, spec, params)
        await self.insert_submissions(tx, [row])
        accounts = AccountRepository(tx.session)
        credits = row["estimated_credits"]
        if not await accounts.adopt_reservation(account.id, row["id"], credits):
            taken = await accounts.reserve([SlotRequest(account.id, credits, row["id"])])
            if not taken:
                raise AccountBusy(AccountBusy.sentence)
        # Raising undoes all that was written above.
        await self._accounts.require_cover(account.id)
        return UUID(str(row["id"]))

    async def insert_submissions(self, tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write new submissions and tell of the chosen accounts."""
        await SubmissionRepository(tx.session).add_many(rows)
        await JobRepository(tx.session).open_submissions(
            [(row["job_id"], row["id"]) for row in rows]
        )
        for row in rows:
            tx.publish(
                "account:selected",
                user_id=row["user_id"],
                job_id=row["job_id"],
                account_id=row["account_id"],
                data={"attempt": row["attempt"], "credits": str(row["estimated_credits"])},
            )

    async def apply_outcome(
        self, tx: Transaction, submission_id: UUID, outcome: SendOutcome
    ) -> ProviderSubmission:
        """T4: one legal edge for what the try to send found out; the job row is locked."""
        submissions = SubmissionRepository(tx.session)
        submission = await submissions.lock(submission_id)
        if submission is None:
            raise SubmissionNotFound("There is no such submission.")
        match outcome.kind:
            case "accepted":
                assert outcome.accepted is not None  # noqa: S101
                return await self._accept(tx, submission, outcome.accepted)
            case "refused":
                assert outcome.error is not None  # noqa: S101
                return await self._refuse(tx, submission, outcome.error, outcome.fence)
            case "unknown":
                return await self._doubt(tx, submission, outcome)
            case "not_sent" | "busy":
                return await self._unsend(tx, submission, outcome)
            case "withdrawn" if submission.fence == outcome.fence:
                return await self.abandon(tx, submission, outcome.reason)
            case "withdrawn":
                return submission

    async def _accept(
        self, tx: Transaction, submission: ProviderSubmission, accepted: Accepted
    ) -> ProviderSubmission:
        """True testimony counts whoever brings it; a second id for one submission does not."""
        submissions = SubmissionRepository(tx.session)
        if submission.provider_job_id is not None:
            return submission
        owner = await submissions.find_by_provider_job(
            submission.provider_id, submission.account_id, accepted.provider_job_id
        )
        if owner is not None and owner.id != submission.id:
            outcome = SendOutcome("unknown", submission.fence, reason="the id belongs to another")
            return await self._doubt(tx, submission, outcome)
        if submission.state is SubmissionState.RESERVED:
            await submissions.move(submission.id, SubmissionState.SUBMITTING)
        if (
            submission.state is SubmissionState.CLOSED_UNKNOWN
            and await submissions.find_unresolved(submission.job_id) is not None
        ):
            # Another attempt is under way: watch this one until its turn comes.
            await submissions.update(
                submission.id,
                provider_job_id=accepted.provider_job_id,
                next_poll_at=datetime.now(UTC) + timedelta(seconds=LATE_WATCH_S),
            )
            return submission
        account = await self._accounts.get_account(submission.account_id)
        # What an account has shown is trusted; a price list's guess is not worth a late result.
        learned = account.avg_generation_time_sec
        policy = self.registry.poll_policy(submission.provider_id)
        first_poll_s = max(policy.first_delay_s, 0.8 * (learned or 0.0))
        now = datetime.now(UTC)
        moved = await submissions.move(
            submission.id,
            SubmissionState.ACCEPTED,
            provider_job_id=accepted.provider_job_id,
            charged_credits=accepted.credits_charged,
            status=VideoStatus.PROCESSING,
            accepted_at=now,
            lease_until=None,
            next_poll_at=now + timedelta(seconds=first_poll_s),
            state_deadline_at=now + timedelta(seconds=policy.max_age_s),
            eta_s=learned or submission.eta_s,
        )
        if moved is None:
            return submission
        tx.publish(
            "provider:submitted",
            user_id=moved.user_id,
            job_id=moved.job_id,
            account_id=moved.account_id,
            data={"attempt": moved.attempt, "provider_id": moved.provider_id},
        )
        if accepted.outputs:
            report = RemoteReport(
                accepted.provider_job_id,
                VideoStatus.COMPLETED,
                outputs=accepted.outputs,
                credits_charged=accepted.credits_charged,
            )
            return await self.apply_report(tx, moved.id, report)
        enqueue_poll(tx, first_poll_s)
        return moved

    async def _refuse(
        self, tx: Transaction, submission: ProviderSubmission, error: ProviderError, fence: int
    ) -> ProviderSubmission:
        """The provider's no: nothing is owed, the slot and the hold go back."""
        submissions = SubmissionRepository(tx.session)
        prepared_only = submission.state is SubmissionState.RESERVED
        moved = await submissions.move(
            submission.id,
            SubmissionState.ABANDONED if prepared_only else SubmissionState.REJECTED,
            fence=fence,
            **_ended(VideoStatus.FAILED, error.kind, error.code, error.message),
        )
        if moved is None:
            return submission
        await self._release(tx, moved)
        await self._accounts.record_failure(
            moved.account_id, error.message, kind=error.kind, retry_after_s=error.retry_after_s
        )
        tx.publish(
            "provider:refused",
            user_id=moved.user_id,
            job_id=moved.job_id,
            account_id=moved.account_id,
            data={
                "attempt": moved.attempt,
                "kind": error.kind.value,
                "code": error.code,
                "message": error.message,
            },
        )
        return moved

    async def _doubt(
        self, tx: Transaction, submission: ProviderSubmission, outcome: SendOutcome
    ) -> ProviderSubmission:
        return await self.put_in_doubt(tx, submission, outcome.reason, fence=outcome.fence)

    async def put_in_doubt(
        self,
        tx: Transaction,
        submission: ProviderSubmission,
        reason: str,
        *,
        fence: int | None = None,
    ) -> ProviderSubmission:
        """The paid call may or may not have arrived: keep all holds and find out."""
        now = datetime.now(UTC)
        moved = await SubmissionRepository(tx.session).move(
            submission.id,
            SubmissionState.IN_DOUBT,
            fence=fence,
            lease_until=None,
            error_kind=ErrorKind.AMBIGUOUS,
            error_message=reason[:500],
            state_deadline_at=now + timedelta(minutes=1),
        )
        if moved is None:
            return submission
        tx.publish(
            "provider:in_doubt",
            user_id=moved.user_id,
            job_id=moved.job_id,
            account_id=moved.account_id,
            data={"attempt": moved.attempt},
        )
        tx.enqueue("resolve", str(moved.id), delay_s=1.0)
        return moved

    async def _unsend(
        self, tx: Transaction, submission: ProviderSubmission, outcome: SendOutcome
    ) -> ProviderSubmission:
        """Nothing left: the same submission is tried again, or given up after six tries."""
        submissions = SubmissionRepository(tx.session)
        current = submission
        if submission.state in (SubmissionState.SUBMITTING, SubmissionState.IN_DOUBT):
            moved = await submissions.move(
                submission.id, SubmissionState.RESERVED, fence=outcome.fence
            )
            if moved is None:
                return submission
            current = moved
        if current.state is not SubmissionState.RESERVED or current.fence != outcome.fence:
            return current
        # Waiting for its turn is not a failed try.
        failures = current.send_failures + (outcome.kind == "not_sent")
        if failures >= MAX_SENDS:
            return await self.abandon(tx, current, outcome.reason, kind=ErrorKind.TRANSIENT)
        if outcome.kind == "not_sent":
            delay_s = float(SEND_BACKOFF_S[failures - 1])
        elif await submissions.is_doubt_open(current.account_id, current.operation_type):
            # That may take half an hour: back into the line, for another account.
            return await self.abandon(tx, current, "Its account is finding out about another job.")
        else:
            delay_s = random.uniform(0.05, 0.2)  # noqa: S311 - jitter, no secret
        await submissions.update(
            current.id,
            lease_until=None,
            send_failures=failures,
            error_message=outcome.reason[:500] or None,
            state_deadline_at=datetime.now(UTC) + timedelta(seconds=delay_s + 60),
        )
        tx.enqueue("submit", str(current.id), delay_s=delay_s)
        return current

    async def abandon(
        self,
        tx: Transaction,
        submission: ProviderSubmission,
        reason: str,
        *,
        kind: ErrorKind | None = None,
    ) -> ProviderSubmission:
        """Give up a submission that was surely never sent."""
        moved = await SubmissionRepository(tx.session).move(
            submission.id,
            SubmissionState.ABANDONED,
            **_ended(VideoStatus.CANCELLED, kind, None, reason),
        )
        if moved is None:
            return submission
        await self._release(tx, moved)
        return moved

    async def apply_report(
        self, tx: Transaction, submission_id: UUID, report: RemoteReport
    ) -> ProviderSubmission:
        """T5 and T6: record what the provider says. The job row is locked by the caller.

        Monotone: a submission that ended does not move, whatever is said later. Slot and hold are
        given back, and credits captured, in the same commit.
        """
        submissions = SubmissionRepository(tx.session)
        submission = await submissions.lock(submission_id)
        if submission is None:
            raise SubmissionNotFound("There is no such submission.")
        if submission.state is SubmissionState.CLOSED_UNKNOWN and report.status in FINAL_REPORTS:
            submission = await self._revive(tx, submission)
        if submission.state is not SubmissionState.ACCEPTED:
            return submission
        if report.status not in FINAL_REPORTS:
            values = {} if report.progress is None else {"progress": report.progress}
            await submissions.update(submission_id, status=report.status, **values)
            return submission
        await submissions.add_evidence(
            submission_id,
            "status",
            submission.fence,
            provider_job_id=report.provider_job_id,
            detail={"status": report.status.value, "code": report.error_code},
        )
        if report.status is VideoStatus.COMPLETED:
            return await self._complete(tx, submission, report)
        return await self._fail(tx, submission, report)

    async def _revive(self, tx: Transaction, submission: ProviderSubmission) -> ProviderSubmission:
        """Late evidence of a closed one; it has to wait while another attempt is unresolved."""
        submissions = SubmissionRepository(tx.session)
        if await submissions.find_unresolved(submission.job_id) is not None:
            return submission
        return await submissions.move(submission.id, SubmissionState.ACCEPTED) or submission

    async def _complete(
        self, tx: Transaction, submission: ProviderSubmission, report: RemoteReport
    ) -> ProviderSubmission:
        await fail_point("poll.before_t6")
        manifest = self.registry.adapter(submission.provider_id).manifest
        now = datetime.now(UTC)
        expiries = [output.expires_at for output in report.outputs if output.expires_at]
        expires_at = min(expiries, default=now + manifest.result_retention)
        charged = report.credits_charged
        if charged is None:
            charged = submission.charged_credits
        if charged is None:
            charged = submission.estimated_credits
        moved = await SubmissionRepository(tx.session).move(
            submission.id,
            SubmissionState.COMPLETED_REMOTE,
            status=VideoStatus.COMPLETED,
            progress=1.0,
            outputs=[output_to_json(output) for output in report.outputs],
            result_expires_at=expires_at,
            charged_credits=charged,
            next_poll_at=None,
            state_deadline_at=expires_at,
            finished_at=now,
            error_kind=None,
            error_code=None,
            error_message=None,
        )
        if moved is None:
            return submission
        await self._release(tx, moved, capture=charged)
        tx.publish(
            "provider:completed",
            user_id=moved.user_id,
            job_id=moved.job_id,
            account_id=moved.account_id,
            data={"attempt": moved.attempt, "credits": str(charged)},
        )
        return moved

    async def _fail(
        self, tx: Transaction, submission: ProviderSubmission, report: RemoteReport
    ) -> ProviderSubmission:
        charged = report.credits_charged
        moved = await SubmissionRepository(tx.session).move(
            submission.id,
            SubmissionState.FAILED_REMOTE,
            **_ended(report.status, report.error_kind, report.error_code, report.error_message),
            charged_credits=charged,
        )
        if moved is None:
            return submission
        # Unknown refund: presume spent, the next balance tells.
        await self._release(
            tx, moved, capture=submission.estimated_credits if charged is None else charged
        )
        await self._accounts.record_failure(
            moved.account_id, report.error_message or report.status.value, kind=report.error_kind
        )
        tx.enqueue("sync_account", str(moved.account_id), delay_s=1.0)
        tx.publish(
            "provider:failed",
            user_id=moved.user_id,
            job_id=moved.job_id,
            account_id=moved.account_id,
            data={
                "attempt": moved.attempt,
                "status": report.status.value,
                "code": report.error_code,
                "message": report.error_message,
            },
        )
        return moved

    async def close_unknown(
        self, tx: Transaction, submission: ProviderSubmission, reason: str
    ) -> ProviderSubmission:
        """Stop waiting. The user is not charged, the credits are presumed spent (R5)."""
        moved = await SubmissionRepository(tx.session).move(
            submission.id,
            SubmissionState.CLOSED_UNKNOWN,
            finished_at=datetime.now(UTC),
            state_deadline_at=None,
            lease_until=None,
            next_poll_at=(
                None
                if submission.provider_job_id is None
                else datetime.now(UTC) + timedelta(seconds=LATE_WATCH_S)
            ),
            error_kind=ErrorKind.AMBIGUOUS,
            error_message=reason[:500],
        )
        if moved is None:
            return submission
        await self._release(tx, moved, capture=moved.estimated_credits)
        tx.enqueue("sync_account", str(moved.account_id), delay_s=1.0)
        return moved

    async def _release(
        self,
        tx: Transaction,
        submission: ProviderSubmission,
        *,
        capture: Decimal = Decimal(0),
    ) -> None:
        """Give slot and hold back; what was spent leaves the mirror unless it left already."""
        accounts = AccountRepository(tx.session)
        account = await accounts.lock(submission.account_id)
        await accounts.release_submission(submission.id)
        if account is not None and capture > 0:
            manifest = self.registry.adapter(submission.provider_id).manifest
            seen = (
                manifest.charge_moment == "submit"
                and account.credits_synced_at is not None
                and submission.accepted_at is not None
                and account.credits_synced_at > submission.accepted_at
            )
            if not seen:
                await self._accounts.deduct_credits(account.id, capture)
        tx.enqueue("dispatch", submission.provider_id)


MAX_SENDS = 6
SEND_BACKOFF_S = (1, 2, 5, 10, 20)


def _ended(
    status: VideoStatus, kind: ErrorKind | None, code: str | None, message: str | None
) -> dict[str, Any]:
    return {
        "status": status,
        "error_kind": kind,
        "error_code": code or None,
        "error_message": None if message is None else message[:500],
        "finished_at": datetime.now(UTC),
        "lease_until": None,
        "next_poll_at": None,
        "state_deadline_at": None,
    }


def enqueue_poll(tx: Transaction, delay_s: float) -> None:
    """Wake a poll sweep then; wakes of one quarter second share a task."""
    due = datetime.now(UTC).timestamp() + max(delay_s, 0.0)
    bucket = int(due * 4) + 1
    delay = max(bucket / 4 - datetime.now(UTC).timestamp(), 0.01)
    # A wake that is nearly due is not shared: its task may be running already.
    key = f"poll:{bucket}" if delay_s > 0.5 else None
    tx.enqueue("poll", delay_s=delay if delay_s > 0 else 0.0, dedupe_key=key)


def ref_of(submission: ProviderSubmission) -> SubmissionRef:
    """What an adapter needs to ask about a submission."""
    if submission.provider_job_id is None:
        raise ValueError("a submission that was not accepted cannot be asked about")
    return SubmissionRef(
        key=submission.key,
        provider_job_id=submission.provider_job_id,
        operation=submission.operation_type,
        accepted_at=submission.accepted_at or submission.reserved_at,
    )


def new_submission(
    job: Job, account: ProviderAccount, spec: OperationSpec, params: OperationParams
) -> dict[str, Any]:
    """The row of a new attempt. A seed that was left free is chosen here and so becomes part of
    the recipe; it also tells two otherwise equal submissions apart."""
    values = params.model_dump(mode="json", exclude_none=True)
    if "seed" in type(params).model_fields and values.get("seed") is None:
        values["seed"] = secrets.randbelow(2**31)
    estimate = spec.estimate(params)
    eta = account.avg_generation_time_sec or spec.eta_s(params)
    return {
        "id": new_id(),
        "job_id": job.id,
        "user_id": job.user_id,
        "account_id": account.id,
        "provider_id": job.provider_id,
        "operation_type": job.operation_type,
        "attempt": job.attempts + 1,
        "key": str(new_id()),
        "submission_class": spec.submission_class,
        "state": SubmissionState.RESERVED,
        "status": VideoStatus.PENDING,
        "request": {"operation": job.operation_type.value, "params": values},
        "estimated_credits": estimate.credits,
        "eta_s": eta,
        "state_deadline_at": datetime.now(UTC) + timedelta(minutes=2),
    }
