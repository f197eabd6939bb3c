"""Provider accounts. Credentials come in and never go out."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, SecretStr

from pixsim7_backend.api.schemas.base import In, Number, Out
from pixsim7_backend.domain.user import User
from pixsim7_backend.domain.vocabulary import AccountStatus, ErrorKind, UserRole
from pixsim7_backend.infrastructure.database.repositories.account import AccountDay, AccountLoad
from pixsim7_backend.services.account.account_selector import Pool
from pixsim7_backend.services.account.account_state import period_of, state_of

Credentials = Annotated[
    dict[str, Annotated[SecretStr, Field(max_length=8192)]],
    Field(
        max_length=20,
        description="By the names in the provider's `credential_fields`. Write-only.",
    ),
]
Credits = Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=4)]


class AccountCreate(In):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "provider_id": "pixverse",
                    "name": "Studio key",
                    "credentials": {"api_key": "sk-…"},
                    "max_concurrent_jobs": 5,
                }
            ]
        }
    )

    provider_id: str = Field(min_length=1, max_length=100)
    name: str = Field(min_length=1, max_length=100)
    credentials: Credentials = Field(default_factory=dict)
    base_url: str | None = Field(
        default=None,
        max_length=2048,
        description="Another address of the same API. Settled for the life of the account.",
    )
    is_shared: bool = Field(default=False, description="Everybody here may use it.")
    is_house: bool = Field(
        default=False, description="It belongs to the installation; administrators only."
    )
    priority: int = Field(default=50, ge=0, le=100, description="Lower is preferred.")
    max_concurrent_jobs: int | None = Field(
        default=None, ge=0, le=10_000, description="Left out: what the provider usually allows."
    )
    max_daily_credits: Credits | None = None
    credits: Credits | None = Field(
        default=None, description="Where the provider cannot be asked for its balance."
    )


class AccountUpdate(In):
    """Only what is given changes; `credentials` replace all of the old ones."""

    name: str = Field(default="", min_length=1, max_length=100)
    credentials: Credentials = Field(default_factory=dict)
    is_shared: bool = False
    is_enabled: bool = True
    priority: int = Field(default=50, ge=0, le=100)
    max_concurrent_jobs: int = Field(default=1, ge=0, le=10_000)
    max_daily_credits: Credits | None = None


class CreditsUpdate(In):
    credits: Credits | None = Field(description="null: nothing limits this account.")


class Grant(In):
    user_id: UUID


class AccountStateRead(Out):
    code: Literal["ready", "busy", "cooling", "low", "exhausted", "attention", "paused"]
    sentence: str
    until: datetime | None


class AccountPeriodRead(Out):
    jobs: int
    failures: int
    success_rate: float | None = Field(description="0 to 1, of what has ended.")
    credits: Number


class AccountDayRead(Out):
    day: date
    jobs: int
    failures: int
    credits: Number


class AccountErrorRead(Out):
    cause: ErrorKind | None
    code: str | None
    sentence: str
    count: int
    last_at: datetime


class AccountRead(Out):
    id: UUID
    provider_id: str
    name: str
    base_url: str | None
    is_shared: bool
    is_house: bool
    is_mine: bool
    may_edit: bool
    has_credentials: bool
    credentials_hint: str = Field(description="The last characters; empty unless you may edit.")
    state: AccountStateRead
    week: AccountPeriodRead = Field(description="The last seven days.")
    days: list[AccountDayRead] = Field(description="Oldest first; empty unless you may edit.")
    status: AccountStatus
    status_reason: str | None
    priority: int
    max_concurrent_jobs: int
    slots_used: int
    max_daily_credits: Number | None
    credits: Number | None
    credits_held: Number
    credits_free: Number | None = Field(description="null: nothing limits it.")
    credits_today: Number
    credits_synced_at: datetime | None
    cooldown_until: datetime | None
    success_count: int
    failure_count: int
    avg_generation_time_sec: float | None
    last_used_at: datetime | None
    last_error: str | None
    granted_to: list[UUID]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, load: AccountLoad, days: Sequence[AccountDay], user: User) -> Self:
        """What this person may see of it; the sealed credentials are not read at all."""
        account = load.account
        week = period_of(days[-7:])
        mine = account.user_id == user.id
        may_edit = mine or user.role is UserRole.ADMIN
        state = state_of(load, week, may_edit=may_edit)
        return cls(
            id=account.id,
            provider_id=account.provider_id,
            name=account.name,
            base_url=account.base_url if may_edit else None,
            is_shared=account.is_shared,
            is_house=account.user_id is None,
            is_mine=mine,
            may_edit=may_edit,
            has_credentials=account.credentials_version > 0
            and account.credentials_sealed is not None,
            credentials_hint=account.credentials_hint if may_edit else "",
            state=AccountStateRead.model_validate(state),
            week=AccountPeriodRead.model_validate(week),
            days=[AccountDayRead.model_validate(day) for day in days] if may_edit else [],
            status=account.status,
            status_reason=account.status_reason if may_edit else None,
            priority=account.priority,
            max_concurrent_jobs=account.max_concurrent_jobs,
            slots_used=load.slots_used,
            max_daily_credits=account.max_daily_credits,
            credits=account.credits,
            credits_held=load.credits_held,
            credits_free=Pool([load]).available_credits(load),
            credits_today=load.credits_today,
            credits_synced_at=account.credits_synced_at,
            cooldown_until=account.cooldown_until,
            success_count=account.success_count,
            failure_count=account.failure_count,
            avg_generation_time_sec=account.avg_generation_time_sec,
            last_used_at=account.last_used_at,
            last_error=account.last_error if may_edit else None,
            granted_to=sorted(load.granted_to) if may_edit else [],
            created_at=account.created_at,
            updated_at=account.updated_at,
        )


class AccountDetail(AccountRead):
    """With thirty days, and what failed in them by cause."""

    errors: list[AccountErrorRead] = Field(description="Most first; empty unless you may edit.")


class AccountList(Out):
    items: list[AccountRead]


class AccountTrial(In):
    """Credentials to try before they are saved."""

    provider_id: str = Field(min_length=1, max_length=100)
    credentials: Credentials = Field(default_factory=dict)
    base_url: str | None = Field(default=None, max_length=2048)


class AccountTest(Out):
    """What a look at the provider with this key said."""

    ok: bool
    message: str
    credits: Number | None
