"""Which account runs a job, and why another does not. Pure: the same rule serves dispatch,
`select_account` and explain."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from pixsim7_backend.domain.account import AccountBusy
from pixsim7_backend.domain.vocabulary import AccountStatus, OperationType
from pixsim7_backend.infrastructure.database.repositories.account import AccountLoad


@dataclass(frozen=True, slots=True)
class Need:
    """What a job asks of an account."""

    user_id: UUID
    credits: Decimal
    operation: OperationType | None = None
    pinned_account_id: UUID | None = None
    refused_by: frozenset[UUID] = frozenset()
    """Accounts that said they may not do this job."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an account cannot take a job now."""

    code: str
    sentence: str


@dataclass(slots=True)
class Pool:
    """Accounts of one provider during one dispatch; taking one uses it up."""

    loads: list[AccountLoad]
    _slots: dict[UUID, int] = field(default_factory=dict)
    _credits: dict[UUID, Decimal] = field(default_factory=dict)
    _order: dict[UUID, int] = field(default_factory=dict)
    _taken: int = 0

    def __post_init__(self) -> None:
        for load in self.loads:
            account = load.account
            self._slots[account.id] = account.max_concurrent_jobs - load.slots_used
            self._order[account.id] = -1

    def free_slots(self, load: AccountLoad) -> int:
        return self._slots[load.account.id]

    def available_credits(self, load: AccountLoad) -> Decimal | None:
        """Credits that are promised to nobody; None where nothing limits them."""
        account = load.account
        taken = self._credits.get(account.id, Decimal(0))
        limits = []
        if account.credits is not None:
            limits.append(account.credits - load.credits_held - taken)
        if account.max_daily_credits is not None:
            limits.append(account.max_daily_credits - load.credits_today - taken)
        return min(limits) if limits else None

    def why_not(self, load: AccountLoad, need: Need) -> Refusal | None:
        """The first reason against this account, or None when it can take the job."""
        for check in (_not_visible, _not_wanted, _not_able, _not_free):
            refusal = check(self, load, need)
            if refusal is not None:
                return refusal
        return None

    def take(self, need: Need) -> AccountLoad | None:
        """The best account for the job, with its slot and credits now counted as used."""
        able = [load for load in self.loads if self.why_not(load, need) is None]
        if not able:
            return None
        best = min(able, key=self._rank)
        account = best.account
        self._slots[account.id] -= 1
        self._credits[account.id] = self._credits.get(account.id, Decimal(0)) + need.credits
        self._order[account.id] = self._taken
        self._taken += 1
        return best

    def _rank(self, load: AccountLoad) -> tuple[object, ...]:
        """Priority, health, least recently used, most credits."""
        account = load.account
        last_used = account.last_used_at.timestamp() if account.last_used_at else 0.0
        credits = self.available_credits(load)
        return (
            account.priority,
            account.consecutive_failures,
            self._order[account.id],
            last_used,
            -credits if credits is not None else Decimal("-Infinity"),
            account.id,
        )


def shown(credits: Decimal) -> str:
    """An amount as people write it: 20, 0.5."""
    return f"{credits.normalize():f}"


OWNER_HAS_TO_LOOK = "Its owner has to look at it."


def first_reason(refusals: Iterable[Refusal]) -> Refusal:
    """The refusal that is nearest to being lifted: what a person waits for."""
    order = (
        "busy",
        "cooling_down",
        "in_doubt",
        "daily_cap",
        "credits",
        "exhausted",
        "refused",
        "error",
        "disabled",
        "other_account_needed",
    )
    # Another person's account is nothing to wait for, nor to be told of.
    open_to_them = [refusal for refusal in refusals if refusal.code != "not_yours"]
    known = sorted(open_to_them, key=lambda refusal: order.index(refusal.code))
    if known:
        return known[0]
    return Refusal("no_account", "There is no account for this provider yet.")


def _not_visible(pool: Pool, load: AccountLoad, need: Need) -> Refusal | None:
    account = load.account
    if account.is_shared or account.user_id == need.user_id or need.user_id in load.granted_to:
        return None
    return Refusal("not_yours", "It is another person's private account.")


def _not_wanted(pool: Pool, load: AccountLoad, need: Need) -> Refusal | None:
    if need.pinned_account_id not in (None, load.account.id):
        return Refusal(
            "other_account_needed", "The source was made on another account and lives only there."
        )
    if load.account.id in need.refused_by:
        return Refusal("refused", "The provider refused this job on this account.")
    return None


def _not_able(pool: Pool, load: AccountLoad, need: Need) -> Refusal | None:
    match load.account.status:
        case AccountStatus.DISABLED:
            return Refusal("disabled", "It is switched off.")
        case AccountStatus.ERROR:
            # The provider's words are for the owner: they may tell of the key.
            mine = load.account.user_id == need.user_id
            reason = load.account.status_reason if mine else OWNER_HAS_TO_LOOK
            return Refusal("error", reason or "It needs attention.")
        case AccountStatus.EXHAUSTED:
            return Refusal("exhausted", "Its credits are used up.")
        case AccountStatus.ACTIVE | AccountStatus.RATE_LIMITED:
            pass
    if load.is_cooling:
        return Refusal("cooling_down", "The provider asked to wait; it is cooling down.")
    if need.operation is not None and need.operation in load.doubtful_operations:
        return Refusal("in_doubt", "The outcome of an earlier submission is being found out.")
    return None


def _not_free(pool: Pool, load: AccountLoad, need: Need) -> Refusal | None:
    account = load.account
    if pool.free_slots(load) <= 0:
        return Refusal("busy", AccountBusy.sentence)
    available = pool.available_credits(load)
    if available is not None and available < need.credits:
        held = account.credits is not None and account.credits - load.credits_held < need.credits
        code = "credits" if held else "daily_cap"
        what = "credits are free" if held else "credits are left of today's cap"
        left = shown(max(available, Decimal(0)))
        return Refusal(code, f"It needs {shown(need.credits)}; only {left} {what}.")
    return None
