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
    able = [load for load in loads if load.account.status in _IN_SERVICE and not load.is_cooling]
    slots = sum(load.account.max_concurrent_jobs for load in able)
    free = sum(max(0, load.account.max_concurrent_jobs - load.slots_used) for load in able)
    return Availability(
        state=_state(len(loads), len(able), free),
        accounts=len(loads),
        accounts_able=len(able),
        slots=slots,
        slots_free=free,
    )


def _state(accounts: int, able: int, free: int) -> Literal["free", "busy", "unable", "no_account"]:
    if not accounts:
        return "no_account"
    if not able:
        return "unable"
    return "free" if free else "busy"
