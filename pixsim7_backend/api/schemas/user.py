"""People, their quotas and their usage."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Self
from uuid import UUID

from pydantic import ConfigDict, Field, SecretStr

from pixsim7_backend.api.schemas.base import In, NextCursor, Number, Out, PageParams
from pixsim7_backend.domain.user import User
from pixsim7_backend.domain.vocabulary import UserRole


class QuotasRead(Out):
    """null means no limit."""

    max_daily_jobs: int | None
    max_concurrent_jobs: int | None
    max_storage_bytes: int | None
    max_assets: int | None
    max_accounts: int | None


class UserRead(Out):
    id: UUID
    email: str
    username: str
    role: UserRole
    is_active: bool
    must_change_password: bool = Field(description="Nothing else may be done before.")
    quotas: QuotasRead
    jobs_today: int = Field(description="Jobs accepted since 00:00 UTC.")
    storage_used_bytes: int
    asset_count: int
    created_at: datetime
    last_login_at: datetime | None

    @classmethod
    def of(cls, user: User) -> Self:
        """As stored, with the day rolled over."""
        today = user.jobs_today if user.jobs_day == datetime.now(UTC).date() else 0
        return cls(
            id=user.id,
            email=user.email,
            username=user.username,
            role=user.role,
            is_active=user.is_active,
            must_change_password=user.must_change_password,
            quotas=QuotasRead.model_validate(user),
            jobs_today=today,
            storage_used_bytes=user.storage_used_bytes,
            asset_count=user.asset_count,
            created_at=user.created_at,
            last_login_at=user.last_login_at,
        )


class QuotaStatus(Out):
    """What is used of each quota; a limit of null is none."""

    jobs_today: int
    max_daily_jobs: int | None
    jobs_left_today: int | None
    jobs_running: int
    max_concurrent_jobs: int | None
    storage_used_bytes: int
    max_storage_bytes: int | None
    asset_count: int
    max_assets: int | None
    accounts: int
    max_accounts: int | None
    renews_at: datetime = Field(description="When the jobs of the day start again.")


class UsageToday(Out):
    jobs_created: int = 0
    jobs_completed: int = 0
    jobs_failed: int = 0
    credits_spent: Number = Decimal(0)


class UserRow(UserRead):
    """A person as administrators list them."""

    last_seen_at: datetime | None
    today: UsageToday


class UserQuery(PageParams):
    q: str | None = Field(
        default=None, max_length=200, description="Part of the e-mail or the username."
    )


class OneTimePassword(Out):
    password: str = Field(description="Shown this once; it has to be changed at the next sign-in.")


class UserPage(Out):
    items: list[UserRow]
    next_cursor: NextCursor


class Quotas(In):
    """Left out: unchanged, or the installation's default. null: no limit."""

    max_daily_jobs: int | None = Field(default=None, ge=0, le=2**31 - 1)
    max_concurrent_jobs: int | None = Field(default=None, ge=0, le=2**31 - 1)
    max_storage_bytes: int | None = Field(default=None, ge=0, le=2**62)
    max_assets: int | None = Field(default=None, ge=0, le=2**31 - 1)
    max_accounts: int | None = Field(default=None, ge=0, le=2**31 - 1)


class UserCreate(In):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "email": "ada@example.com",
                    "username": "ada",
                    "password": "at least twelve characters",
                    "role": "user",
                    "quotas": {"max_daily_jobs": 200},
                }
            ]
        }
    )

    email: str = Field(max_length=320)
    username: str = Field(max_length=64)
    password: SecretStr = Field(max_length=4096)
    role: UserRole = UserRole.USER
    quotas: Quotas = Field(default_factory=Quotas)


class UserUpdate(In):
    """Only what is given changes."""

    email: str = Field(default="", max_length=320)
    username: str = Field(default="", max_length=64)
    password: SecretStr = Field(default=SecretStr(""), max_length=4096)
    role: UserRole = UserRole.USER
    is_active: bool = True
    quotas: Quotas = Field(default_factory=Quotas)


class ProfileUpdate(In):
    """What a person may change of themselves; only what is given changes."""

    email: str = Field(default="", max_length=320)
    username: str = Field(default="", max_length=64)


class UsageDay(Out):
    day: date
    jobs_created: int
    jobs_completed: int
    jobs_failed: int
    jobs_cancelled: int
    assets_created: int
    storage_bytes_added: int
    credits_spent: Number


class Usage(Out):
    user: UserRead
    days: list[UsageDay]
