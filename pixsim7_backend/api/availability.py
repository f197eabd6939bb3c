"""What a person's accounts could take now, provider by provider."""

from collections.abc import Sequence
from typing import Literal

from pixsim7_backend.api.schemas.provider import Availability
from pixsim7_backend.domain.user import User
from pixsim7_backend.domain.vocabulary import AccountStatus
from pixsim7_backend.infrastructure.database.repositories.account import AccountLoad
from pixsim7_backend.services.account.account_service import AccountService

_IN_SERVICE = frozenset({AccountStatus.ACTIVE, AccountStatus.RATE_LIMITED})


async def availability_by_provider(accounts: AccountService, user: User) -> dict[str, Availability]:
    """For every provider that the person has an account of."""
    loads = await loads_of(accounts, user)
    providers = {load.account.provider_id for load in loads}
    return {
        provider_id: availability_of(
            [load for load in loads if load.account.provider_id == provider_id]
        )
        for provider_id in providers
    }


async def loads_of(accounts: AccountService, user: User) -> list[AccountLoad]:
    """The accounts that the person sees, with what is in use on them."""
    rows = await accounts.list_accounts(user)
    found = await accounts.loads(rows)
    return [found[row.id] for row in rows if row.id in found]


def availability_of(loads: Sequence[AccountLoad]) -> Availability:
    in_service = [load for load in loads if load.account.status in _IN_SERVICE]
    cooling = [load for load in in_service if load.is_cooling]
    able = [load for load in in_service if not load.is_cooling]
    free_slots = [max(0, load.account.max_concurrent_jobs - load.slots_used) for load in able]
    free = sum(slots > 0 for slots in free_slots)
    state = _state(len(loads), len(able), free, len(cooling))
    return Availability(
        state=state,
        sentence=_SENTENCES[state].format(free=free),
        accounts=len(loads),
        accounts_able=len(able),
        accounts_free=free,
        accounts_busy=len(able) - free,
        accounts_cooling=len(cooling),
        cooling_until=min(
            (until for load in cooling if (until := load.account.cooldown_until)), default=None
        ),
        slots=sum(load.account.max_concurrent_jobs for load in able),
        slots_free=sum(free_slots),
    )


State = Literal["free", "busy", "cooling", "unable", "no_account"]

_SENTENCES: dict[State, str] = {
    "free": "{free} free.",
    "busy": "Every account is busy.",
    "cooling": "Every account is cooling down.",
    "unable": "No account is in service.",
    "no_account": "There is no account for this provider yet.",
}


def _state(accounts: int, able: int, free: int, cooling: int) -> State:
    if not accounts:
        return "no_account"
    if able:
        return "free" if free else "busy"
    return "cooling" if cooling else "unable"
