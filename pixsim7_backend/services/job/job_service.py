"""Jobs as people see them: accept, look, steer, and every change of their status."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from pixsim7_backend.domain.asset import Asset
from pixsim7_backend.domain.event import Event
from pixsim7_backend.domain.job import (
    DEFAULT_PRIORITY,
    MAX_PRIORITY,
    MIN_PRIORITY,
    BulkAction,
    IdempotencyKey,
    IdempotencyMismatch,
    InvalidJob,
    Job,
    JobNotFound,
    JobStateConflict,
)
from pixsim7_backend.domain.provider import Estimate, OperationParams, OperationSpec
from pixsim7_backend.domain.submission import HOLDING_STATES
from pixsim7_backend.domain.user import QuotaExceeded, User, Workspace
from pixsim7_backend.domain.vocabulary import (
    JobStatus,
    MediaType,
    OperationType,
    SubmissionState,
    UserRole,
)
from pixsim7_backend.infrastructure.database.engine import Database, Transaction
from pixsim7_backend.infrastructure.database.repositories.job import JobFilter, JobRepository
from pixsim7_backend.infrastructure.database.repositories.submission import SubmissionRepository
from pixsim7_backend.infrastructure.database.repositories.user import (
    UserRepository,
    WorkspaceRepository,
)
from pixsim7_backend.services.provider.provider_service import ProviderService
from pixsim7_backend.services.provider.registry import media_values
from pixsim7_backend.services.user.user_service import UserService
from pixsim7_backend.shared.errors import FieldProblem, Forbidden
from pixsim7_backend.shared.fail_points import fail_point
from pixsim7_backend.shared.ids import new_id
from pixsim7_backend.shared.pagination import Page, decode_cursor, page_of

MAX_BATCH = 100
MAX_BULK = 500


class InputLibrary(Protocol):
    """What acceptance needs to know of media that a job names."""

    async def check_input(
        self, user: User, reference: str, kinds: Sequence[MediaType]
    ) -> Asset | None:
        """The asset that the person may use as an input, or None for an acceptable URL.

        Raises `ValueError` with a sentence when the reference cannot be used.
        """
        ...

    async def hold_inputs(self, tx: Transaction, user_id: UUID, asset_ids: Set[UUID]) -> Set[UUID]:
        """Those of them that can be used; to the end of the caller's transaction nobody moves
        them to the trash or deletes them. Jobs are locked before, the person after."""
        ...


@dataclass(frozen=True, slots=True)
class NewJob:
    """One request, before it is accepted."""

    operation_type: OperationType | str
    provider_id: str
    params: Mapping[str, Any]
    workspace_id: UUID | None = None
    name: str | None = None
    priority: int = DEFAULT_PRIORITY
    scheduled_at: datetime | None = None
    parent_job_id: UUID | None = None
    path: str = ""
    """Where it stands in the request, such as `jobs.0.`: problems name their fields by it."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Jobs that an action did not fit, by why."""

    code: str
    sentence: str
    count: int


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What became of an action on many jobs."""

    matched: int
    done: int
    skipped: list[Skipped]
    cancelled_children: int
    remaining: int


@dataclass(frozen=True, slots=True)
class CheckedJob:
    """A request that acceptance would take, and what it comes to."""

    request: NewJob
    spec: OperationSpec
    params: OperationParams
    estimate: Estimate
    pinned_account_id: UUID | None
    input_ids: frozenset[UUID]


class JobService:
    """Rules of jobs. Every public method is one unit of work, or joins its caller's."""

    def __init__(
        self,
        database: Database,
        users: UserService,
        providers: ProviderService,
        library: InputLibrary,
    ) -> None:
        self._db = database
        self._users = users
        self._providers = providers
        self._library = library

    # --- accept ---

    async def create_job(
        self,
        user: User,
        operation_type: OperationType | str,
        provider_id: str,
        params: Mapping[str, Any],
        workspace_id: UUID | None = None,
        name: str | None = None,
        priority: int = DEFAULT_PRIORITY,
        scheduled_at: datetime | None = None,
        parent_job_id: UUID | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Accept one job: once this returns, the job is never lost.

        Raises `InvalidJob` naming each wrong field, `QuotaExceeded`, or `IdempotencyMismatch`.
        """
        request = NewJob(
            operation_type,
            provider_id,
            params,
            workspace_id,
            name,
            priority,
            scheduled_at,
            parent_job_id,
        )
        jobs = await self.create_jobs(user, [request], idempotency_key=idempotency_key)
        return jobs[0]

    async def create_jobs(
        self,
        user: User,
        requests: Sequence[NewJob],
        *,
        idempotency_key: str | None = None,
        is_batch: bool = False,
    ) -> list[Job]:
        """Accept all of them or none, in one transaction. Several, or a batch of one, share a
        `batch_id`."""
        if not 1 <= len(requests) <= MAX_BATCH:
            problem = FieldProblem("jobs", f"takes 1 to {MAX_BATCH} jobs")
            raise InvalidJob(f"A batch has 1 to {MAX_BATCH} jobs.", fields=[problem])
        digest = _request_digest(requests)
        ids = [new_id() for _ in requests]
        async with self._db.transaction() as tx:
            jobs = JobRepository(tx.session)
            if idempotency_key is not None:
                # Before the checks: what was acceptable then may not be so now.
                earlier = await jobs.claim_idempotency_key(user.id, idempotency_key, digest, ids)
                if earlier is not None:
                    return await self._replay(jobs, earlier, digest)
            checked = await self._check_all(user, requests)
            # Jobs before the person: the end of a parent takes its locks in that order.
            parents = {item.parent_job_id for item in requests if item.parent_job_id is not None}
            for parent_id in sorted(parents):
                await jobs.lock(parent_id)
            await self._hold_inputs(tx, user, checked)
            await self._users.take_daily_jobs(user, len(checked))
            batch_id = new_id() if is_batch or len(checked) > 1 else None
            rows = [
                await self._row(tx, user, job_id, item, batch_id)
                for job_id, item in zip(ids, checked, strict=True)
            ]
            created = await jobs.add_many(rows)
            await self._users.record_daily_usage(user.id, jobs_created=len(created))
            for job in created:
                self._publish(tx, "job:created", job, _summary(job))
                if not job.waits_for_parent:
                    delay = (job.available_at - datetime.now(UTC)).total_seconds()
                    tx.enqueue("dispatch", job.provider_id, delay_s=delay, priority=10)
            await fail_point("accept.before_commit")
        await fail_point("accept.after_commit")
        return created

    async def _replay(
        self, jobs: JobRepository, earlier: IdempotencyKey, digest: bytes
    ) -> list[Job]:
        if earlier.request_hash != digest:
            problem = FieldProblem("Idempotency-Key", "was used with another request")
            raise IdempotencyMismatch(
                "This Idempotency-Key was used with another request.", fields=[problem]
            )
        found = await jobs.find_many(earlier.job_ids)
        return [found[job_id] for job_id in earlier.job_ids if job_id in found]

    async def _check_all(self, user: User, requests: Sequence[NewJob]) -> list[CheckedJob]:
        checked: list[CheckedJob] = []
        problems: list[FieldProblem] = []
        for request in requests:
            try:
                checked.append(await self.check(user, request))
            except InvalidJob as error:
                problems += _under(request.path, error.fields)
        if problems:
            raise _invalid(problems)
        return checked

    async def _hold_inputs(
        self, tx: Transaction, user: User, checked: Sequence[CheckedJob]
    ) -> None:
        """Whoever trashes or deletes an input meanwhile sees these jobs, or these see that."""
        wanted = frozenset[UUID]().union(*(item.input_ids for item in checked))
        if wanted and await self._library.hold_inputs(tx, user.id, wanted) != wanted:
            # Gone since the check: another look names which, and why.
            await self._check_all(user, [item.request for item in checked])

    async def check(self, user: User, request: NewJob) -> CheckedJob:
        """Everything about a request that needs no lock; raises `InvalidJob` with all wrong
        fields at once."""
        registry = self._providers.registry
        spec = registry.operation(request.provider_id, request.operation_type)
        params = registry.validate(spec, request.params)
        problems = _field_checks(request)
        pinned: UUID | None = None
        inputs: set[UUID] = set()
        for name, slot, reference in media_values(params):
            try:
                asset = await self._library.check_input(user, reference, slot.kinds)
            except ValueError as error:
                problems.append(FieldProblem(f"params.{name}", str(error)))
                continue
            if asset is None:
                continue
            inputs.add(asset.id)
            if name in spec.pins_to_source:
                pinned = pinned or await self._pin(asset, request.provider_id, user)
        if problems:
            raise _invalid(problems)
        estimate = spec.estimate(params)
        return CheckedJob(request, spec, params, estimate, pinned, frozenset(inputs))

    async def _pin(self, asset: Asset, provider_id: str, user: User) -> UUID | None:
        """The account that made the source, while the person can still use it."""
        if asset.provider_id != provider_id or asset.account_id is None:
            return None
        return await self._providers.usable_account(asset.account_id, user.id)

    async def _row(
        self, tx: Transaction, user: User, job_id: UUID, item: CheckedJob, batch_id: UUID | None
    ) -> dict[str, Any]:
        request = item.request
        try:
            await self._check_workspace(tx, user, request.workspace_id)
            waits = await self._check_parent(tx, user, request.parent_job_id)
        except InvalidJob as error:
            raise InvalidJob(error.detail, fields=_under(request.path, error.fields)) from None
        now = datetime.now(UTC)
        return {
            "id": job_id,
            "user_id": user.id,
            "workspace_id": request.workspace_id,
            "batch_id": batch_id,
            "parent_job_id": request.parent_job_id,
            "provider_id": request.provider_id,
            "operation_type": item.spec.operation,
            "name": request.name,
            "params": item.params.model_dump(mode="json", exclude_none=True),
            "status": JobStatus.PENDING,
            "priority": request.priority,
            "scheduled_at": request.scheduled_at,
            "available_at": request.scheduled_at or now,
            "waits_for_parent": waits,
            "waiting_reason": "Waits for its parent job." if waits else None,
            "pinned_account_id": item.pinned_account_id,
            "estimated_credits": item.estimate.credits,
            "eta_s": item.spec.eta_s(item.params),
        }

    async def _check_workspace(
        self, tx: Transaction, user: User, workspace_id: UUID | None
    ) -> Workspace | None:
        if workspace_id is None:
            return None
        workspace = await WorkspaceRepository(tx.session).find(workspace_id, user.id)
        if workspace is None:
            problem = FieldProblem("workspace_id", "is not one of your workspaces")
            raise InvalidJob("There is no such workspace.", fields=[problem])
        return workspace

    async def _check_parent(self, tx: Transaction, user: User, parent_job_id: UUID | None) -> bool:
        """True when the parent has still to complete. Its row is locked, so that an end of the
        parent and the birth of a child cannot miss each other."""
        if parent_job_id is None:
            return False
        parent = await JobRepository(tx.session).lock(parent_job_id)
        if parent is None or parent.user_id != user.id:
            problem = FieldProblem("parent_job_id", "is not one of your jobs")
            raise InvalidJob("There is no such parent job.", fields=[problem])
        if parent.status in (JobStatus.FAILED, JobStatus.CANCELLED):
            problem = FieldProblem("parent_job_id", f"is {parent.status.value} already")
            raise InvalidJob("The parent job has ended without a result.", fields=[problem])
        return parent.status is not JobStatus.COMPLETED

    # --- look ---

    async def get_job_for_user(self, job_id: UUID, user: User) -> Job:
        """One's own job; another's is as unknown as none (`JobNotFound`)."""
        async with self._db.transaction() as tx:
            return await self._own(tx, job_id, user)

    async def list_jobs(
        self,
        user: User,
        workspace_id: UUID | None = None,
        status: JobStatus | Collection[JobStatus] | None = None,
        *,
        cursor: str | None = None,
        limit: int = 50,
        all_users: bool = False,
        **filters: Any,
    ) -> Page[Job]:
        """One's own jobs, newest first; with `all_users`, for administrators, everybody's."""
        wanted = [JobStatus(status)] if isinstance(status, str) else list(status or ())
        chosen = _filter(
            user, all_users=all_users, workspace_id=workspace_id, status=wanted, **filters
        )
        async with self._db.transaction() as tx:
            rows = await JobRepository(tx.session).list_for(
                chosen, after=decode_cursor(cursor), limit=limit + 1
            )
        return page_of(rows, limit, lambda job: job.id)

    async def count_jobs(self, user: User, *, all_users: bool = False) -> dict[str, int]:
        """How many of one's own jobs, or of everybody's, are in each status and group."""
        owner = _filter(user, all_users=all_users).user_id
        async with self._db.transaction() as tx:
            return await JobRepository(tx.session).counts(owner)

    async def get_events(self, job_id: UUID, user: User) -> Sequence[Event]:
        """What happened to one's own job, in order."""
        async with self._db.transaction() as tx:
            await self._own(tx, job_id, user)
            return await JobRepository(tx.session).events_of(job_id)

    async def _own(self, tx: Transaction, job_id: UUID, user: User) -> Job:
        job = await JobRepository(tx.session).find(job_id)
        if job is None or job.user_id != user.id:
            raise JobNotFound("There is no such job.")
        return job

    async def _own_locked(self, tx: Transaction, job_id: UUID, user: User) -> Job:
        """For steering: an administrator may steer everybody's jobs."""
        job = await JobRepository(tx.session).lock(job_id)
        if job is None or (job.user_id != user.id and user.role is not UserRole.ADMIN):
            raise JobNotFound("There is no such job.")
        return job

    # --- the status ---

    async def mark_started(self, job_id: UUID) -> Job:
        """The provider works on it: pending -> processing."""
        async with self._db.transaction() as tx:
            jobs = JobRepository(tx.session)
            job = await jobs.move(
                job_id, JobStatus.PROCESSING, started_at=datetime.now(UTC), waiting_reason=None
            )
            if job is None:
                raise await self._conflict(jobs, job_id, "started")
            self._publish(tx, "job:started", job, {"attempt": job.attempts})
            return job

    async def mark_completed(self, job_id: UUID, asset_id: UUID) -> Job:
        """The result is known: processing -> completed. Jobs that waited for it are released."""
        async with self._db.transaction() as tx:
            jobs = JobRepository(tx.session)
            job = await jobs.move(
                job_id,
                JobStatus.COMPLETED,
                asset_id=asset_id,
                open_submission_id=None,
                progress=1.0,
                error_code=None,
                error_message=None,
                attention_code=None,
                attention_message=None,
                finished_at=datetime.now(UTC),
            )
            if job is None:
                raise await self._conflict(jobs, job_id, "completed")
            job, spent = await self._settle(tx, job)
            await self._users.record_daily_usage(job.user_id, jobs_completed=1, credits_spent=spent)
            self._publish(tx, "job:completed", job, {"asset_id": str(asset_id)})
            for child in await jobs.release_children(job_id):
                self._publish(tx, "job:updated", child, {"waits_for_parent": False})
                delay = (child.available_at - datetime.now(UTC)).total_seconds()
                tx.enqueue("dispatch", child.provider_id, delay_s=delay)
            return job

    async def mark_failed(self, job_id: UUID, message: str, *, code: str = "failed") -> Job:
        """No attempt worked. Jobs that wait for it fail with it."""
        async with self._db.transaction() as tx:
            jobs = JobRepository(tx.session)
            job = await jobs.move(
                job_id,
                JobStatus.FAILED,
                open_submission_id=None,
                error_code=code,
                error_message=message[:1000],
                waiting_reason=None,
                attention_code=None,
                attention_message=None,
                finished_at=datetime.now(UTC),
            )
            if job is None:
                raise await self._conflict(jobs, job_id, "failed")
            job, spent = await self._settle(tx, job)
            await self._users.record_daily_usage(job.user_id, jobs_failed=1, credits_spent=spent)
            self._publish(tx, "job:failed", job, {"code": code, "message": message})
            for child in await jobs.waiting_children(job_id):
                await self.mark_failed(
                    child.id, "The job it was to follow has failed.", code="parent_failed"
                )
            return job

    async def return_to_line(self, job_id: UUID, delay_s: float, reason: str) -> Job | None:
        """The attempt is over without a result; another follows. None when the job has ended."""
        async with self._db.transaction() as tx:
            jobs = JobRepository(tx.session)
            job = await jobs.lock(job_id)
            if job is None or job.is_final:
                return None
            if job.status is JobStatus.PROCESSING:
                await jobs.move(job_id, JobStatus.PENDING)
            job = await jobs.return_to_line(job_id, delay_s, reason)
            if job is None:
                return None
            self._publish(tx, "job:retrying", job, {"delay_s": delay_s, "reason": reason})
            tx.enqueue("dispatch", job.provider_id, delay_s=delay_s)
            return job

    async def call_for_attention(self, job_id: UUID, code: str, message: str) -> Job | None:
        """A person has to decide; the job does not go on by itself.

        A job that never heard from its provider leaves the line: it may be running there.
        """
        async with self._db.transaction() as tx:
            jobs = JobRepository(tx.session)
            await jobs.move(job_id, JobStatus.PROCESSING)
            job = await jobs.update(
                job_id,
                attention_code=code,
                attention_message=message,
                open_submission_id=None,
                waiting_reason=None,
            )
            if job is not None:
                self._publish(tx, "job:attention", job, {"code": code, "message": message})
            return job

    async def settle_charges(self, job_id: UUID) -> Job:
        """Add up what all attempts of the job have cost; what is new of it counts as used today."""
        async with self._db.transaction() as tx:
            job = await JobRepository(tx.session).lock(job_id)
            if job is None:
                raise JobNotFound("There is no such job.")
            job, spent = await self._settle(tx, job)
            await self._users.record_daily_usage(job.user_id, credits_spent=spent)
            return job

    async def _settle(self, tx: Transaction, job: Job) -> tuple[Job, Decimal]:
        """The locked job with what it has cost by now, and how much of that is new."""
        charged = await SubmissionRepository(tx.session).charged_to_job(job.id)
        spent = charged - job.charged_credits
        if not spent:
            return job, spent
        settled = await JobRepository(tx.session).update(job.id, charged_credits=charged)
        return settled or job, spent

    async def _conflict(self, jobs: JobRepository, job_id: UUID, wanted: str) -> Exception:
        job = await jobs.find(job_id)
        if job is None:
            return JobNotFound("There is no such job.")
        return JobStateConflict(f"The job is {job.status.value}; it cannot become {wanted}.")

    # --- steer ---

    async def cancel_job(self, job_id: UUID, user: User) -> Job:
        """Cancel a job. A completion that already happened wins (`JobStateConflict`).

        What was not sent is never sent afterwards. What the provider has already taken is asked to
        stop where the provider can; a result that comes all the same is kept, marked as such.
        """
        async with self._db.transaction() as tx:
            jobs = JobRepository(tx.session)
            job = await self._own_locked(tx, job_id, user)
            if job.status is JobStatus.CANCELLED:
                return job
            if job.is_final:
                raise JobStateConflict(f"The job is {job.status.value} already.")
            await self._withdraw_submission(tx, job)
            now = datetime.now(UTC)
            cancelled = await jobs.move(
                job_id,
                JobStatus.CANCELLED,
                cancel_requested_at=now,
                finished_at=now,
                open_submission_id=None,
                waiting_reason=None,
                attention_code=None,
                attention_message=None,
            )
            if cancelled is None:
                raise await self._conflict(jobs, job_id, "cancelled")
            await self._users.record_daily_usage(cancelled.user_id, jobs_cancelled=1)
            self._publish(tx, "job:cancelled", cancelled, {"by": str(user.id)})
            for child in await jobs.waiting_children(job_id):
                await self._cancel_child(tx, child)
            return cancelled

    async def _withdraw_submission(self, tx: Transaction, job: Job) -> None:
        submission = await SubmissionRepository(tx.session).find_unresolved(job.id)
        if submission is None:
            return
        if submission.state is SubmissionState.RESERVED:
            await self._providers.abandon(tx, submission, "The job was cancelled.")
        elif submission.state in HOLDING_STATES:
            tx.enqueue("cancel_submission", str(submission.id))

    async def _cancel_child(self, tx: Transaction, child: Job) -> None:
        jobs = JobRepository(tx.session)
        now = datetime.now(UTC)
        cancelled = await jobs.move(
            child.id,
            JobStatus.CANCELLED,
            cancel_requested_at=now,
            finished_at=now,
            error_code="parent_cancelled",
            error_message="The job it was to follow was cancelled.",
            waiting_reason=None,
        )
        if cancelled is None:
            return
        await self._users.record_daily_usage(cancelled.user_id, jobs_cancelled=1)
        self._publish(tx, "job:cancelled", cancelled, {"by": "parent"})
        for grandchild in await jobs.waiting_children(child.id):
            await self._cancel_child(tx, grandchild)

    async def list_cancelled_with(self, job_id: UUID) -> list[UUID]:
        """The jobs that were cancelled because this one was, which they were to follow."""
        async with self._db.transaction() as tx:
            followers = await JobRepository(tx.session).descendants([job_id])
        return [job.id for job in followers if _was_cancelled_with(job)]

    async def change_many(
        self,
        user: User,
        action: BulkAction,
        *,
        ids: Sequence[UUID] | None = None,
        all_users: bool = False,
        **filters: Any,
    ) -> BulkResult:
        """Do one thing to the jobs of `ids`, or to all that a filter finds.

        Each job is a unit of work of its own, at most 500 in a call; those that the action does
        not fit are counted by why. Ids of others are as unknown as none.
        """
        chosen = _filter(user, all_users=all_users, fits=action, **filters)
        async with self._db.transaction() as tx:
            jobs = JobRepository(tx.session)
            if ids is None:
                matched = await jobs.count_for(chosen)
                ids = await jobs.ids_for(chosen, MAX_BULK)
            else:
                ids = list(dict.fromkeys(ids))
                matched = len(ids)
        done, children = 0, 0
        skipped: Counter[tuple[str, str]] = Counter()
        for job_id in ids:
            try:
                await self._change_one(user, action, job_id)
            except (JobNotFound, JobStateConflict, InvalidJob, QuotaExceeded) as error:
                skipped[error.code, error.detail] += 1
                continue
            done += 1
            if action is BulkAction.CANCEL:
                children += len(set(await self.list_cancelled_with(job_id)) - set(ids))
        reasons = [Skipped(code, text, count) for (code, text), count in skipped.most_common()]
        return BulkResult(matched, done, reasons, children, max(matched - len(ids), 0))

    async def _change_one(self, user: User, action: BulkAction, job_id: UUID) -> None:
        match action:
            case BulkAction.CANCEL:
                await self.cancel_job(job_id, user)
            case BulkAction.PAUSE:
                await self.pause_job(job_id, user)
            case BulkAction.RESUME:
                await self.resume_job(job_id, user)
            case BulkAction.RETRY:
                await self.retry_job(job_id, user)
            case BulkAction.TO_FRONT:
                await self.update_job(job_id, user, {"priority": MIN_PRIORITY})

    async def retry_job(
        self, job_id: UUID, user: User, *, accept_second_charge: bool = False
    ) -> Job:
        """Try a failed or cancelled job again, as a new attempt that counts against the quota.

        A job whose last attempt may have been charged needs `accept_second_charge`. Raises
        `InvalidJob` when an input is gone since, or its provider does not offer this any more.
        """
        async with self._db.transaction() as tx:
            jobs = JobRepository(tx.session)
            job = await self._own_locked(tx, job_id, user)
            attention = job.attention_code is not None
            if job.status not in (JobStatus.FAILED, JobStatus.CANCELLED) and not attention:
                raise JobStateConflict(f"The job is {job.status.value}; only an ended one can be.")
            submissions = SubmissionRepository(tx.session)
            unresolved = await submissions.find_unresolved(job_id)
            if unresolved is not None and unresolved.state is not SubmissionState.COMPLETED_REMOTE:
                raise JobStateConflict("An earlier attempt is still under way at the provider.")
            if unresolved is not None:
                raise JobStateConflict("A result of an earlier attempt is on its way.")
            attempts = await submissions.list_of_job(job_id)
            is_unknown = bool(attempts) and attempts[-1].state is SubmissionState.CLOSED_UNKNOWN
            if is_unknown and not accept_second_charge:
                problem = FieldProblem("accept_second_charge", "must be true", [True])
                raise InvalidJob(
                    "The last attempt may have been charged; another may cost twice.",
                    fields=[problem],
                )
            owner = await UserRepository(tx.session).find(job.user_id) or user
            # Its inputs were free to go once it had ended.
            request = NewJob(job.operation_type, job.provider_id, job.params)
            await self._hold_inputs(tx, owner, await self._check_all(owner, [request]))
            await self._users.take_daily_jobs(owner, 1)
            job = await self._reopen(jobs, job)
            self._publish(tx, "job:retrying", job, {"delay_s": 0, "reason": "asked for"})
            tx.enqueue("dispatch", job.provider_id, priority=10)
            return job

    async def _reopen(self, jobs: JobRepository, job: Job) -> Job:
        fresh: dict[str, Any] = {
            "finished_at": None,
            "started_at": None,
            "cancel_requested_at": None,
            "error_code": None,
            "error_message": None,
            "attention_code": None,
            "attention_message": None,
            "open_submission_id": None,
            "progress": None,
            "asset_id": None,
            "is_paused": False,
            "waits_for_parent": False,
            "available_at": datetime.now(UTC),
            "attempts_forgiven": job.attempts,
        }
        moved = await jobs.move(job.id, JobStatus.PENDING, **fresh)
        if moved is None:
            raise await self._conflict(jobs, job.id, "pending")
        return moved

    async def dismiss_attention(self, job_id: UUID, user: User) -> Job:
        """Give up a job that waits for a person's decision."""
        async with self._db.transaction() as tx:
            job = await self._own_locked(tx, job_id, user)
            if job.attention_code is None:
                raise JobStateConflict("The job does not wait for a decision.")
            return await self.mark_failed(
                job_id, job.attention_message or "Given up by a person.", code=job.attention_code
            )

    async def pause_job(self, job_id: UUID, user: User) -> Job:
        """Hold a waiting job back. One that was sent already goes on."""
        return await self._set_paused(job_id, user, paused=True)

    async def resume_job(self, job_id: UUID, user: User) -> Job:
        """Let a paused job wait in line again."""
        return await self._set_paused(job_id, user, paused=False)

    async def _set_paused(self, job_id: UUID, user: User, *, paused: bool) -> Job:
        async with self._db.transaction() as tx:
            jobs = JobRepository(tx.session)
            job = await self._own_locked(tx, job_id, user)
            if job.status is not JobStatus.PENDING:
                raise JobStateConflict(f"The job is {job.status.value}; only a waiting one can be.")
            if paused:
                submission = await SubmissionRepository(tx.session).find_unresolved(job_id)
                if submission is not None and submission.state is not SubmissionState.RESERVED:
                    raise JobStateConflict("The job is being sent to the provider.")
                if submission is not None:
                    await self._providers.abandon(tx, submission, "The job was paused.")
            job = (
                await jobs.update(
                    job_id,
                    is_paused=paused,
                    open_submission_id=None if paused else job.open_submission_id,
                    waiting_reason="Paused." if paused else None,
                )
                or job
            )
            self._publish(tx, "job:updated", job, {"is_paused": paused})
            if not paused:
                tx.enqueue("dispatch", job.provider_id)
            return job

    async def update_job(self, job_id: UUID, user: User, changes: Mapping[str, Any]) -> Job:
        """Change name at any time; priority and schedule while the job waits."""
        values = dict(changes)
        async with self._db.transaction() as tx:
            job = await self._own_locked(tx, job_id, user)
            problems = _steering_checks(values)
            if problems:
                raise InvalidJob("These fields are not valid.", fields=problems)
            if set(values) - {"name", "workspace_id"} and job.status is not JobStatus.PENDING:
                raise JobStateConflict(
                    f"The job is {job.status.value}; priority and schedule are settled."
                )
            if "workspace_id" in values:
                await self._check_workspace(tx, user, values["workspace_id"])
            if "scheduled_at" in values:
                values["available_at"] = values["scheduled_at"] or datetime.now(UTC)
            job = await JobRepository(tx.session).update(job_id, **values) or job
            self._publish(tx, "job:updated", job, {"changed": sorted(changes)})
            if job.status is JobStatus.PENDING:
                delay = (job.available_at - datetime.now(UTC)).total_seconds()
                tx.enqueue("dispatch", job.provider_id, delay_s=delay)
            return job

    def _publish(self, tx: Transaction, type: str, job: Job, data: Mapping[str, Any]) -> None:
        tx.publish(
            type,
            user_id=job.user_id,
            job_id=job.id,
            data={"status": job.status.value, "job": job.public_fields(), **data},
        )


def _summary(job: Job) -> dict[str, Any]:
    return {
        "provider_id": job.provider_id,
        "operation_type": job.operation_type.value,
        "priority": job.priority,
        "name": job.name,
    }


def _filter(
    user: User, *, all_users: bool, user_id: UUID | None = None, **values: Any
) -> JobFilter:
    """One's own jobs; an administrator may ask for everybody's, or for one person's."""
    if not all_users and user_id in (None, user.id):
        return JobFilter(user.id, **values)
    if user.role is not UserRole.ADMIN:
        raise Forbidden("Only administrators may look at the jobs of others.")
    return JobFilter(user_id, **values)


def _was_cancelled_with(job: Job) -> bool:
    return job.status is JobStatus.CANCELLED and job.error_code == "parent_cancelled"


def _under(path: str, problems: Sequence[FieldProblem]) -> list[FieldProblem]:
    return [replace(problem, field=f"{path}{problem.field}") for problem in problems]


def _invalid(problems: Sequence[FieldProblem]) -> InvalidJob:
    names = ", ".join(problem.field for problem in problems)
    return InvalidJob(f"These fields are not valid: {names}.", fields=problems)


def _request_digest(requests: Sequence[NewJob]) -> bytes:
    """SHA-256 of the canonical request: the same key with another body is refused."""
    body = [
        {
            "operation_type": str(request.operation_type),
            "provider_id": request.provider_id,
            "params": dict(request.params),
            "workspace_id": str(request.workspace_id),
            "name": request.name,
            "priority": request.priority,
            "scheduled_at": str(request.scheduled_at),
            "parent_job_id": str(request.parent_job_id),
        }
        for request in requests
    ]
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).digest()


def _field_checks(request: NewJob) -> list[FieldProblem]:
    return _steering_checks(
        {
            "priority": request.priority,
            "scheduled_at": request.scheduled_at,
            "name": request.name,
        }
    )


def _steering_checks(values: Mapping[str, Any]) -> list[FieldProblem]:
    problems = []
    priority = values.get("priority", DEFAULT_PRIORITY)
    if not isinstance(priority, int) or not MIN_PRIORITY <= priority <= MAX_PRIORITY:
        allowed = f"{MIN_PRIORITY} (first) to {MAX_PRIORITY} (last)"
        problems.append(FieldProblem("priority", f"must be {allowed}", allowed))
    scheduled_at = values.get("scheduled_at")
    if scheduled_at is not None:
        if scheduled_at.tzinfo is None:
            problems.append(FieldProblem("scheduled_at", "must say its time zone"))
        elif scheduled_at <= datetime.now(UTC):
            problems.append(FieldProblem("scheduled_at", "must be in the future"))
    name = values.get("name")
    if name is not None and not 1 <= len(name) <= 200:
        problems.append(FieldProblem("name", "must have 1 to 200 characters"))
    return problems
