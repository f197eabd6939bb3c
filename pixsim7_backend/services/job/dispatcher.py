"""Bringing waiting jobs and free accounts together, and telling why a job still waits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pixsim7_backend.domain.job import Job
from pixsim7_backend.domain.user import User
from pixsim7_backend.domain.vocabulary import JobStatus
from pixsim7_backend.infrastructure.database.engine import Database, Transaction
from pixsim7_backend.infrastructure.database.repositories.account import (
    AccountLoad,
    AccountRepository,
    SlotRequest,
)
from pixsim7_backend.infrastructure.database.repositories.job import JobRepository, WaitingJob
from pixsim7_backend.infrastructure.database.repositories.submission import SubmissionRepository
from pixsim7_backend.infrastructure.database.repositories.user import UserRepository
from pixsim7_backend.services.account.account_selector import Need, Pool, Refusal, first_reason
from pixsim7_backend.services.job.job_service import JobService
from pixsim7_backend.services.provider.provider_service import ProviderService, new_submission
from pixsim7_backend.shared.fail_points import fail_point

BATCH = 100
"""Jobs considered in one dispatch; more follow in the next."""


@dataclass(frozen=True, slots=True)
class Consideration:
    """One account, and why it is or is not the one."""

    account_id: UUID
    account_name: str
    is_able: bool
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a job is where it is."""

    reason_code: str
    reason: str
    place_in_line: int | None
    eta_s: float | None
    considered: Sequence[Consideration]


class Dispatcher:
    """Assigns accounts to jobs, one provider at a time."""

    def __init__(self, database: Database, jobs: JobService, providers: ProviderService) -> None:
        self._db = database
        self._jobs = jobs
        self._providers = providers

    async def dispatch(self, provider_id: str) -> int:
        """Assign as many waiting jobs as accounts can take now; returns how many.

        All of it is one transaction under the provider's lock: nobody's limit is exceeded, and
        priority, then fair share, then age decide.
        """
        async with self._db.transaction() as tx:
            jobs = JobRepository(tx.session)
            await jobs.lock_dispatch(provider_id)
            line = await jobs.line(provider_id, BATCH)
            if not line:
                return 0
            assigned = await self._assign(tx, provider_id, line)
            if len(line) == BATCH and assigned:
                tx.enqueue("dispatch", provider_id)
        await fail_point("reserve.after_commit")
        return assigned

    async def _assign(self, tx: Transaction, provider_id: str, line: list[WaitingJob]) -> int:
        line, crowded = await self._within_user_limits(tx, line)
        reasons = {item.id: "Your other jobs use all that you may run at once." for item in crowded}
        pool, needs = await self._pool(tx, provider_id, line)
        chosen: list[tuple[WaitingJob, AccountLoad]] = []
        for item in line:
            load = pool.take(needs[item.id])
            if load is None:
                refusals = [
                    refusal
                    for other in pool.loads
                    if (refusal := pool.why_not(other, needs[item.id])) is not None
                ]
                reasons[item.id] = first_reason(refusals).sentence
            else:
                chosen.append((item, load))
        assigned = await self._reserve(tx, chosen) if chosen else 0
        if reasons:
            await self._tell_reasons(tx, reasons)
        return assigned

    async def _within_user_limits(
        self, tx: Transaction, line: list[WaitingJob]
    ) -> tuple[list[WaitingJob], list[WaitingJob]]:
        """Lock the people, then let each have no more than they may run at once."""
        people = await UserRepository(tx.session).lock_many(list({item.user_id for item in line}))
        running = await JobRepository(tx.session).running_counts(people)
        fitting, crowded = [], []
        for item in line:
            user = people.get(item.user_id)
            count = running.get(item.user_id, 0)
            limit = None if user is None else user.max_concurrent_jobs
            if user is None or (limit is not None and count >= limit):
                crowded.append(item)
                continue
            running[item.user_id] = count + 1
            fitting.append(item)
        return fitting, crowded

    async def _pool(
        self, tx: Transaction, provider_id: str, line: list[WaitingJob]
    ) -> tuple[Pool, dict[UUID, Need]]:
        people = list({item.user_id for item in line})
        loads = await AccountRepository(tx.session).load(
            provider_id, visible_to=people, only_free=True
        )
        refused = await SubmissionRepository(tx.session).refused_accounts(
            [item.id for item in line]
        )
        needs = {
            item.id: Need(
                user_id=item.user_id,
                credits=item.estimated_credits,
                operation=item.operation_type,
                pinned_account_id=item.pinned_account_id,
                refused_by=frozenset(refused.get(item.id, ())),
            )
            for item in line
        }
        return Pool(loads), needs

    async def _reserve(self, tx: Transaction, chosen: list[tuple[WaitingJob, AccountLoad]]) -> int:
        """Lock jobs, then accounts; write submissions, slots and tasks."""
        jobs = await JobRepository(tx.session).lock_waiting([item.id for item, _ in chosen])
        accounts = AccountRepository(tx.session)
        account_ids = sorted({load.account.id for _, load in chosen})
        await accounts.lock_many(account_ids)
        await self._check_again(accounts, chosen, account_ids)
        rows: list[dict[str, Any]] = []
        for item, load in chosen:
            job = jobs.get(item.id)
            if job is None:
                continue
            spec = self._providers.registry.operation(job.provider_id, job.operation_type)
            params = spec.params_model.model_validate(job.params)
            rows.append(new_submission(job, load.account, spec, params))
        if not rows:
            return 0
        await self._providers.insert_submissions(tx, rows)
        requests = [
            SlotRequest(row["account_id"], row["estimated_credits"], row["id"]) for row in rows
        ]
        taken = await accounts.reserve(requests)
        if len(taken) != len(rows):
            # Slots went to hand-made reservations after we looked: start over from what is.
            raise _SlotsChanged
        await fail_point("reserve.after_slot")
        await accounts.mark_used(account_ids)
        priorities = {item.id: item.priority for item, _ in chosen}
        for row in rows:
            tx.enqueue("submit", str(row["id"]), priority=10 - priorities[row["job_id"]])
        return len(rows)

    async def _check_again(
        self,
        accounts: AccountRepository,
        chosen: list[tuple[WaitingJob, AccountLoad]],
        account_ids: list[UUID],
    ) -> None:
        """Drop what no longer fits, now that the accounts are locked."""
        provider_id = chosen[0][1].account.provider_id
        fresh = await accounts.load(provider_id, account_ids=account_ids, limit=len(account_ids))
        pool = Pool(fresh)
        by_id = {load.account.id: load for load in fresh}
        kept = []
        for item, load in chosen:
            now = by_id.get(load.account.id)
            need = Need(
                user_id=item.user_id,
                credits=item.estimated_credits,
                operation=item.operation_type,
                pinned_account_id=load.account.id,
            )
            if now is not None and pool.why_not(now, need) is None and pool.take(need) is not None:
                kept.append((item, now))
        chosen[:] = kept

    async def _tell_reasons(self, tx: Transaction, reasons: dict[UUID, str]) -> None:
        for job_id, user_id in await JobRepository(tx.session).set_waiting_reasons(reasons):
            tx.publish(
                "job:waiting", user_id=user_id, job_id=job_id, data={"reason": reasons[job_id]}
            )

    async def dispatch_all(self) -> None:
        """Dispatch every provider that has somebody waiting; the net below lost wake-ups."""
        async with self._db.transaction() as tx:
            providers = await JobRepository(tx.session).providers_with_waiting()
            for provider_id in providers:
                tx.enqueue("dispatch", provider_id, dedupe_key=f"dispatch:net:{provider_id}")

    # --- explain ---

    async def explain(self, job_id: UUID, user: User) -> Explanation:
        """Why the job waits: every account considered, its place in line, and the time expected."""
        async with self._db.transaction() as tx:
            job = await self._jobs.get_job_for_user(job_id, user)
            if job.status is not JobStatus.PENDING or job.open_submission_id is not None:
                return _not_waiting(job)
            loads = await AccountRepository(tx.session).load(
                job.provider_id, visible_to=[job.user_id]
            )
            refused = await SubmissionRepository(tx.session).refused_accounts([job.id])
            ahead = await JobRepository(tx.session).ahead_of(job)
        need = Need(
            user_id=job.user_id,
            credits=job.estimated_credits,
            operation=job.operation_type,
            pinned_account_id=job.pinned_account_id,
            refused_by=frozenset(refused.get(job.id, ())),
        )
        pool = Pool(loads)
        considered = [_consider(pool, load, need) for load in loads]
        code, sentence = _waiting_reason(job, considered)
        slots = sum(load.account.max_concurrent_jobs for load in loads) or 1
        eta = None if job.eta_s is None else job.eta_s * (1 + ahead / slots)
        return Explanation(code, sentence, ahead + 1, eta, considered)


class _SlotsChanged(Exception):
    """The task is run again by the queue."""


def _consider(pool: Pool, load: AccountLoad, need: Need) -> Consideration:
    refusal = pool.why_not(load, need)
    if refusal is None:
        refusal = Refusal("able", "It can take the job.")
    return Consideration(
        load.account.id,
        load.account.name,
        refusal.code == "able",
        refusal.code,
        refusal.sentence,
    )


def _not_waiting(job: Job) -> Explanation:
    words = {
        JobStatus.PENDING: "An account is reserved and the job is being sent.",
        JobStatus.PROCESSING: job.attention_message or "The provider works on it.",
        JobStatus.COMPLETED: "It is completed.",
        JobStatus.FAILED: job.error_message or "It failed.",
        JobStatus.CANCELLED: "It was cancelled.",
    }
    code = job.attention_code or (
        "sending" if job.status is JobStatus.PENDING else job.status.value
    )
    return Explanation(code, words[job.status], None, job.eta_s, [])


def _waiting_reason(job: Job, considered: Sequence[Consideration]) -> tuple[str, str]:
    if job.is_paused:
        return "paused", "It is paused."
    if job.waits_for_parent:
        return "parent", "It waits for its parent job."
    if job.scheduled_at is not None and job.scheduled_at == job.available_at:
        return "scheduled", f"It is scheduled for {job.scheduled_at:%Y-%m-%d %H:%M} UTC."
    if any(item.is_able for item in considered):
        if job.waiting_reason:
            return "in_line", job.waiting_reason
        return "in_line", "It is next for a free account."
    refusal = first_reason(Refusal(item.code, item.sentence) for item in considered)
    return refusal.code, refusal.sentence
