"""Provider accounts: who may use them, what they can still do, and what is reserved on them."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from pixsim7_backend.domain.base import Base, CreatedAt, EnumText, Id, Timestamps, one_of
from pixsim7_backend.domain.state_machine import StateMachine
from pixsim7_backend.domain.vocabulary import AccountStatus
from pixsim7_backend.shared.errors import Conflict, LimitReached, NotFound, Unavailable

_A = AccountStatus

ACCOUNT_STATUS = StateMachine(
    table="provider_accounts",
    column="status",
    initial=(_A.ACTIVE, _A.DISABLED),
    edges=frozenset(
        {
            (_A.ACTIVE, _A.EXHAUSTED),
            (_A.ACTIVE, _A.RATE_LIMITED),
            (_A.ACTIVE, _A.ERROR),
            (_A.ACTIVE, _A.DISABLED),
            (_A.RATE_LIMITED, _A.ACTIVE),
            (_A.RATE_LIMITED, _A.EXHAUSTED),
            (_A.RATE_LIMITED, _A.ERROR),
            (_A.RATE_LIMITED, _A.DISABLED),
            (_A.EXHAUSTED, _A.ACTIVE),
            (_A.EXHAUSTED, _A.ERROR),
            (_A.EXHAUSTED, _A.DISABLED),
            (_A.ERROR, _A.ACTIVE),
            (_A.ERROR, _A.DISABLED),
            (_A.DISABLED, _A.ACTIVE),
        }
    ),
)


class ProviderAccount(Base, Timestamps):
    """One key at one vendor, with its limits, its mirror of the vendor's credits and its record.

    `credits` mirrors the vendor's balance (NULL: the provider has none, nothing is limited). What
    is in use is what the `reservations` rows say.
    """

    __tablename__ = "provider_accounts"
    __table_args__ = (
        one_of("status", AccountStatus),
        CheckConstraint("credits IS NULL OR credits >= 0", name="credits_not_negative"),
        CheckConstraint("max_concurrent_jobs BETWEEN 0 AND 10000", name="max_concurrent_jobs"),
        CheckConstraint("priority BETWEEN 0 AND 100", name="priority"),
        CheckConstraint("is_shared OR user_id IS NOT NULL", name="private_has_owner"),
        Index("ix_provider_accounts_pool", "provider_id", "status"),
        Index("ix_provider_accounts_user_id", "user_id"),
    )

    id: Mapped[Id]
    provider_id: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    """The owner; NULL for an account of the house."""
    is_shared: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    name: Mapped[str]
    base_url: Mapped[str | None]
    credentials_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    credentials_version: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    credentials_hint: Mapped[str] = mapped_column(default="", server_default=text("''"))
    """The last four characters of the main secret: all that is ever shown of it."""

    status: Mapped[AccountStatus] = mapped_column(
        EnumText(AccountStatus), default=AccountStatus.ACTIVE
    )
    status_reason: Mapped[str | None]
    priority: Mapped[int] = mapped_column(default=50, server_default=text("50"))
    """Lower is preferred, as with jobs."""
    max_concurrent_jobs: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    max_daily_credits: Mapped[Decimal | None]
    cooldown_until: Mapped[datetime | None]

    credits: Mapped[Decimal | None]
    credits_synced_at: Mapped[datetime | None]

    success_count: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    failure_count: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    consecutive_failures: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    avg_generation_time_sec: Mapped[float | None]
    """Exponential moving average (weight 0.2) over successes."""
    last_used_at: Mapped[datetime | None]
    last_success_at: Mapped[datetime | None]
    last_failure_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    removed_at: Mapped[datetime | None]
    """Set once a person removed it; the row stays for the history that names it."""


class AccountGrant(Base):
    """Lets one person use a private account of another."""

    __tablename__ = "account_grants"

    account_id: Mapped[UUID] = mapped_column(
        ForeignKey("provider_accounts.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    created_at: Mapped[CreatedAt]


class Reservation(Base):
    """One slot of one account in use, with the credits held for it. Holding is the row.

    A row without a submission was made by hand (`reserve_account`) and lapses at `expires_at`.
    """

    __tablename__ = "reservations"
    __table_args__ = (
        UniqueConstraint("account_id", "slot_no"),
        UniqueConstraint("submission_id"),
        CheckConstraint("slot_no >= 1", name="slot_no"),
        CheckConstraint("credits_held >= 0", name="credits_held"),
        CheckConstraint(
            "submission_id IS NOT NULL OR expires_at IS NOT NULL", name="unadopted_expires"
        ),
    )

    id: Mapped[Id]
    account_id: Mapped[UUID] = mapped_column(
        ForeignKey("provider_accounts.id", ondelete="RESTRICT")
    )
    slot_no: Mapped[int]
    credits_held: Mapped[Decimal] = mapped_column(default=Decimal(0))
    submission_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("provider_submissions.id", ondelete="RESTRICT")
    )
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None]


class AccountNotFound(NotFound):
    code = "account_not_found"
    title = "No such account"


class NoAccountAvailable(Unavailable):
    """No account can take the work now; `detail` says why each was passed over."""

    code = "no_account_available"
    title = "No provider account is free"


class AccountBusy(Conflict):
    code = "account_busy"
    title = "Every slot of the account is in use"
    sentence = f"{title}."


class InsufficientCredits(LimitReached):
    code = "insufficient_credits"
    title = "The account has too few credits"


class AccountInUse(Conflict):
    code = "account_in_use"
    title = "The account still has work under way"
