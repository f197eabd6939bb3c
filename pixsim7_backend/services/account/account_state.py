"""How an account is doing, in words. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from pixsim7_backend.domain.account import AccountBusy
from pixsim7_backend.domain.vocabulary import AccountStatus
from pixsim7_backend.infrastructure.database.repositories.account import AccountDay, AccountLoad
from pixsim7_backend.services.account.account_selector import OWNER_HAS_TO_LOOK, Pool, shown

LOW_JOBS = 5
"""Credits for fewer jobs than this, at the price of the last week's, are few."""


@dataclass(frozen=True, slots=True)
class AccountState:
    """What a person reads of an account: a stable code, a sentence, and when it passes."""

    code: str
    sentence: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccountPeriod:
    """Sums over some days."""

    jobs: int
    failures: int
    success_rate: float | None
    credits: Decimal


def period_of(days: Sequence[AccountDay]) -> AccountPeriod:
    """Only what has ended counts for the rate."""
    successes = sum(day.successes for day in days)
    failures = sum(day.failures for day in days)
    ended = successes + failures
    return AccountPeriod(
        jobs=sum(day.jobs for day in days),
        failures=failures,
        success_rate=successes / ended if ended else None,
        credits=sum((day.credits for day in days), Decimal(0)),
    )


def filled(days: Sequence[AccountDay], wanted: Sequence[date]) -> list[AccountDay]:
    """One entry per wanted day, also for those on which nothing happened."""
    known = {day.day: day for day in days}
    return [known.get(day, AccountDay(day)) for day in wanted]


def state_of(load: AccountLoad, week: AccountPeriod, *, may_edit: bool) -> AccountState:
    """The one thing about the account that matters most; its reasons are for who may edit it."""
    account = load.account
    reason = account.status_reason if may_edit else None
    match account.status:
        case AccountStatus.DISABLED:
            return AccountState("paused", reason or "It is switched off.")
        case AccountStatus.ERROR:
            unknown = "It needs attention." if may_edit else OWNER_HAS_TO_LOOK
            return AccountState("attention", reason or unknown)
        case AccountStatus.EXHAUSTED:
            return AccountState("exhausted", "Its credits are used up.")
        case AccountStatus.ACTIVE | AccountStatus.RATE_LIMITED:
            pass
    if load.is_cooling:
        sentence = "The provider asked to wait; it is cooling down."
        return AccountState("cooling", sentence, account.cooldown_until)
    left = Pool([load]).available_credits(load)
    usual = week.credits / week.jobs if week.jobs else Decimal(0)
    if left is not None and left < usual * LOW_JOBS:
        return AccountState("low", f"{shown(max(left, Decimal(0)))} credits are free.")
    if load.slots_used >= account.max_concurrent_jobs:
        return AccountState("busy", AccountBusy.sentence)
    return AccountState("ready", "It is ready.")
