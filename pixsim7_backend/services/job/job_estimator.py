"""What a run would cost, who could make it, and when: before anything is spent."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pixsim7_backend.domain.job import InvalidJob
from pixsim7_backend.domain.user import User
from pixsim7_backend.domain.vocabulary import MediaType
from pixsim7_backend.infrastructure.database.engine import Database
from pixsim7_backend.infrastructure.database.repositories.account import AccountRepository
from pixsim7_backend.infrastructure.database.repositories.job import JobRepository
from pixsim7_backend.services.account.account_selector import Need, Pool, first_reason
from pixsim7_backend.services.job.dispatcher import consider
from pixsim7_backend.services.job.job_service import CheckedJob, JobService, NewJob
from pixsim7_backend.services.provider.registry import ProviderRegistry
from pixsim7_backend.services.user.user_service import QuotaStatus, UserService
from pixsim7_backend.shared.errors import FieldProblem


@dataclass(frozen=True, slots=True)
class Payer:
    """An account of the provider, and whether it could run the job now."""

    account_id: UUID
    name: str
    is_able: bool
    code: str
    sentence: str
    credits_free: Decimal | None


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """The odds of a run. What cannot be told of an invalid request is None."""

    count: int
    price_unit: Literal["credits", "none"]
    quota: QuotaStatus
    output: MediaType | None = None
    credits: Decimal | None = None
    credits_each: Decimal | None = None
    is_exact: bool = False
    note: str = ""
    eta_s: float | None = None
    run_s: float | None = None
    ahead: int = 0
    payers: Sequence[Payer] = ()
    problems: Sequence[FieldProblem] = ()

    @property
    def accounts_able(self) -> int:
        return sum(payer.is_able for payer in self.payers)


class JobEstimator:
    """Reads only, and reserves nothing: what decides is acceptance."""

    def __init__(
        self, database: Database, users: UserService, registry: ProviderRegistry, jobs: JobService
    ) -> None:
        self._db = database
        self._users = users
        self._registry = registry
        self._jobs = jobs

    async def estimate(self, user: User, requests: Sequence[NewJob]) -> RunEstimate:
        """Of jobs that differ in nothing but their seeds; never raises for what is wrong with
        them, but tells it by field."""
        quota = await self._users.get_quota_status(user.id)
        problems = _quota_problems(quota, len(requests))
        try:
            checked = await self._jobs.check(user, requests[0])
        except InvalidJob as error:
            problems = [*error.fields, *problems]
            unit = self._price_unit(requests[0].provider_id)
            return RunEstimate(len(requests), unit, quota, problems=problems)
        return await self._priced(user, checked, len(requests), quota, problems)

    def _price_unit(self, provider_id: str) -> Literal["credits", "none"]:
        known = provider_id in self._registry.ids()
        has_credits = known and self._registry.adapter(provider_id).manifest.has_credits
        return "credits" if has_credits else "none"

    async def _priced(
        self,
        user: User,
        checked: CheckedJob,
        count: int,
        quota: QuotaStatus,
        problems: list[FieldProblem],
    ) -> RunEstimate:
        request, estimate = checked.request, checked.estimate
        async with self._db.transaction() as tx:
            loads = await AccountRepository(tx.session).load(
                request.provider_id, visible_to=[user.id]
            )
            ahead = await JobRepository(tx.session).count_ahead(
                request.provider_id, request.priority
            )
        pool = Pool(loads)
        need = Need(
            user_id=user.id,
            credits=estimate.credits,
            operation=checked.spec.operation,
            pinned_account_id=checked.pinned_account_id,
        )
        payers = []
        for load in loads:
            found = consider(pool, load, need)
            payers.append(
                Payer(
                    found.account_id,
                    found.account_name,
                    found.is_able,
                    found.code,
                    found.sentence,
                    pool.available_credits(load),
                )
            )
        if not any(payer.is_able for payer in payers):
            refusals = [refusal for load in loads if (refusal := pool.why_not(load, need))]
            problems = [*problems, FieldProblem("account", first_reason(refusals).sentence)]
        run_s = checked.spec.eta_s(checked.params)
        slots = sum(load.account.max_concurrent_jobs for load in loads)
        return RunEstimate(
            count=count,
            price_unit=self._price_unit(request.provider_id),
            quota=quota,
            output=checked.spec.output,
            credits=estimate.credits * count,
            credits_each=estimate.credits,
            is_exact=estimate.is_exact,
            note=estimate.note,
            eta_s=run_s * (1 + ahead / slots) if slots else None,
            run_s=run_s,
            ahead=ahead,
            payers=payers,
            problems=problems,
        )


def _quota_problems(quota: QuotaStatus, count: int) -> list[FieldProblem]:
    left = quota.jobs_left_today
    if left is None or left >= count:
        return []
    return [FieldProblem("quota", f"{left} jobs are left today", str(left))]
