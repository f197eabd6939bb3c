"""Bringing waiting jobs and free accounts together, and telling why a job still waits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pixsim7_backend.domain.job import InvalidJob, Job
from pixsim7_backend.domain.user import TOO_MANY_RUNNING, User
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
"""Jobs considered in one transaction."""
MAX_PASSED_OVER = 2000
"""Jobs that no account can take, looked past in one dispatch."""
SHOWN_ACCOUNTS = 200
"""Accounts, best first, among which the reason for waiting is looked for."""


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

        Each batch is one transaction under the provider's lock: nobody's limit is exceeded, and
        priority, then fair share, then age decide. Jobs that no free account can take are passed
        over, so that they hold up nobody behind them.
        """
        assigned = 0
        passed_over: set[UUID] = set()
        while True:
            async with self._db.transaction() as tx:
                jobs = JobRepository(tx.session)
                await jobs.lock_dispatch(provider_id)
                line = await jobs.line(provider_id, BATCH, passed_over)
                if not line:
                    break
                done = await self._assign(tx, provider_id, line)
                has_more = len(line) == BATCH and await AccountRepository(tx.session).load(
                    provider_id, only_free=True, limit=1
                )
            await fail_point("reserve.after_commit")
            assigned += done.assigned
            passed_over |= done.passed_over
            went_on = done.assigned or done.passed_over
            if not has_more or not went_on:
                break
            if len(passed_over) > MAX_PASSED_OVER:
                break
        return assigned

    async def _assign(self, tx: Transaction, provider_id: str, line: list[WaitingJob]) -> "_Done":
        reasons: dict[UUID, str] = {}
        line, crowded = await self._within_user_limits(tx, line)
        reasons |= dict.fromkeys((item.id for item in crowded), TOO_MANY_RUNNING)
        pool, needs = await self._pool(tx, provider_id, line)
        chosen: list[tuple[WaitingJob, AccountLoad]] = []
        left: list[WaitingJob] = []
        for item in line:
            load = pool.take(needs[item.id])
            if load is None:
                left.append(item)
            else:
                chosen.append((item, load))
        assigned = await self._reserve(tx, chosen) if chosen else 0
        if left:
            people = list({item.user_id for item in left})
            everything = Pool(
                await AccountRepository(tx.session).load(
                    provider_id, visible_to=people, limit=SHOWN_ACCOUNTS
                )
            )
            for item in left:
                reasons[item.id] = _first_refusal(everything, needs[item.id]).sentence
        if reasons:
            await self._tell_reasons(tx, reasons)
        return _Done(assigned, set(reasons))

    async def _within_user_limits(
        self, tx: Transaction, line: list[WaitingJob]
    ) -> tuple[list[WaitingJob], list[WaitingJob]]:
        """Let each person have no more than they may run at once, at all providers together."""
        users = UserRepository(tx.session)
        people = await users.take_dispatch_turns(list({item.user_id for item in line}))
        running = await JobRepository(tx.session).running_counts(people)
        fitting, crowded = [], []
        for item in line:
            user = people.get(item.user_id)
            count = running.get(item.user_id, 0)
            if user is None or not user.may_run(count + 1):
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
        pins = {(item.pinned_account_id, item.user_id) for item in line if item.pinned_account_id}
        # An account that went out of service pins nothing: the source is uploaded elsewhere.
        usable = {pin for pin in pins if await self._providers.usable_account(*pin)}
        needs = {
            item.id: Need(
                user_id=item.user_id,
                credits=item.estimated_credits,
                operation=item.operation_type,
                pinned_account_id=(
                    item.pinned_account_id
                    if (item.pinned_account_id, item.user_id) in usable
                    else None
                ),
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
            try:
                spec = self._providers.registry.operation(job.provider_id, job.operation_type)
                params = self._providers.registry.validate(spec, job.params)
            except InvalidJob as error:
                # Accepted by an older version; one such job must not stop the line.
                await self._jobs.mark_failed(job.id, error.detail, code=error.code)
                continue
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
            running = await JobRepository(tx.session).running_counts([job.user_id])
            owner = await UserRepository(tx.session).find(job.user_id)
            pinned = job.pinned_account_id
            if pinned is not None:
                pinned = await self._providers.usable_account(pinned, job.user_id)
        count = running.get(job.user_id, 0)
        is_crowded = owner is not None and not owner.may_run(count + 1)
        need = Need(
            user_id=job.user_id,
            credits=job.estimated_credits,
            operation=job.operation_type,
            pinned_account_id=pinned,
            refused_by=frozenset(refused.get(job.id, ())),
        )
        pool = Pool(loads)
        considered = [consider(pool, load, need) for load in loads]
        code, sentence = _waiting_reason(job, considered, is_crowded=is_crowded)
        slots = sum(load.account.max_concurrent_jobs for load in loads) or 1
        eta = None if job.eta_s is None else job.eta_s * (1 + ahead / slots)
        return Explanation(code, sentence, ahead + 1, eta, considered)


class _SlotsChanged(Exception):
    """The task is run again by the queue."""


@dataclass(frozen=True, slots=True)
class _Done:
    """What one batch came to."""

    assigned: int
    passed_over: set[UUID]


def _first_refusal(pool: Pool, need: Need) -> Refusal:
    """What stands between a job and the account that is nearest to taking it."""
    refusals = [pool.why_not(load, need) for load in pool.loads]
    if pool.loads and None in refusals:
        return Refusal("in_line", "It is next for a free account.")
    return first_reason(refusal for refusal in refusals if refusal is not None)


def consider(pool: Pool, load: AccountLoad, need: Need) -> Consideration:
    """Whether the account could take the job, and if not, why."""
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


def _waiting_reason(
    job: Job, considered: Sequence[Consideration], *, is_crowded: bool
) -> tuple[str, str]:
    if job.is_paused:
        return "paused", "It is paused."
    if job.waits_for_parent:
        return "parent", "It waits for its parent job."
    if job.available_at > datetime.now(UTC):
        at = f"{job.available_at:%Y-%m-%d %H:%M:%S} UTC"
        if job.scheduled_at == job.available_at:
            return "scheduled", f"It is scheduled for {at}."
        return "backing_off", f"It is tried again at {at}. {job.waiting_reason or ''}".rstrip()
    if is_crowded:
        return "user_limit", TOO_MANY_RUNNING
    if any(item.is_able for item in considered):
        return "in_line", "It is next for a free account."
    refusal = first_reason(Refusal(item.code, item.sentence) for item in considered)
    return refusal.code, refusal.sentence
