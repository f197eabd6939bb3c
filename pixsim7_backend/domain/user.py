"""People, their sessions and API tokens, their quotas and what they used."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, INET
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from pixsim7_backend.domain.base import Base, CreatedAt, EnumText, Id, Timestamps, one_of
from pixsim7_backend.domain.vocabulary import OperationType, UserRole
from pixsim7_backend.shared.errors import (
    Conflict,
    Forbidden,
    LimitReached,
    NotFound,
    Unauthenticated,
)

TOO_MANY_RUNNING = "Your other jobs use all that you may run at once."


class User(Base, Timestamps):
    """A person. A quota of NULL means no limit."""

    __tablename__ = "users"
    __table_args__ = (
        one_of("role", UserRole),
        Index("uq_users_email", text("lower(email)"), unique=True),
        Index("uq_users_username", text("lower(username)"), unique=True),
        CheckConstraint("jobs_today >= 0", name="jobs_today_not_negative"),
        CheckConstraint("storage_used_bytes >= 0", name="storage_used_not_negative"),
        CheckConstraint("asset_count >= 0", name="asset_count_not_negative"),
    )

    id: Mapped[Id]
    email: Mapped[str]
    username: Mapped[str]
    password_hash: Mapped[str]
    role: Mapped[UserRole] = mapped_column(EnumText(UserRole), default=UserRole.USER)
    is_active: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    must_change_password: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """The password is a one-time one: nothing else may be done before it is changed."""

    max_daily_jobs: Mapped[int | None]
    max_concurrent_jobs: Mapped[int | None]
    max_storage_bytes: Mapped[int | None] = mapped_column(BigInteger)
    max_assets: Mapped[int | None]
    max_accounts: Mapped[int | None]

    jobs_today: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    jobs_day: Mapped[date] = mapped_column(server_default=text("(now() AT TIME ZONE 'UTC')::date"))
    """The UTC day that `jobs_today` counts; another day means zero."""
    storage_used_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    asset_count: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    last_login_at: Mapped[datetime | None]

    def may_run(self, count: int) -> bool:
        """Whether so many jobs of theirs may be under way at once."""
        return self.max_concurrent_jobs is None or count <= self.max_concurrent_jobs


class UserSession(Base):
    """One sign-in on one device. Every request checks this row."""

    __tablename__ = "user_sessions"
    __table_args__ = (Index("ix_user_sessions_user_id", "user_id"),)

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    refresh_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    previous_refresh_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The generation before: shown again at once it is a second tab, later it is a theft."""
    rotated_at: Mapped[datetime | None]
    ip: Mapped[str | None] = mapped_column(INET)
    user_agent: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    last_seen_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None]


class RefreshGeneration(Base):
    """Refresh tokens that were rotated away; showing one again ends its session."""

    __tablename__ = "refresh_generations"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    session_id: Mapped[UUID] = mapped_column(
        ForeignKey("user_sessions.id", ondelete="CASCADE"), index=True
    )
    retired_at: Mapped[CreatedAt]


class ApiToken(Base):
    """A long-lived credential of a program; only its hash is kept."""

    __tablename__ = "api_tokens"

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    public_id: Mapped[str] = mapped_column(unique=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class DailyUsage(Base):
    """What one person used on one UTC day."""

    __tablename__ = "daily_usage"

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    day: Mapped[date] = mapped_column(primary_key=True)
    jobs_created: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    jobs_completed: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    jobs_failed: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    jobs_cancelled: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    assets_created: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    storage_bytes_added: Mapped[int] = mapped_column(
        BigInteger, default=0, server_default=text("0")
    )
    credits_spent: Mapped[Decimal] = mapped_column(default=Decimal(0), server_default=text("0"))


class Workspace(Base, Timestamps):
    """A folder of somebody's work."""

    __tablename__ = "workspaces"
    __table_args__ = (
        Index("uq_workspaces_user_id_name", "user_id", text("lower(name)"), unique=True),
        CheckConstraint("default_priority BETWEEN 0 AND 10", name="default_priority"),
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str]
    description: Mapped[str] = mapped_column(default="", server_default=text("''"))
    default_operation_type: Mapped[OperationType | None] = mapped_column(EnumText(OperationType))
    default_provider_id: Mapped[str | None]
    default_model: Mapped[str | None]
    default_priority: Mapped[int | None] = mapped_column(SmallInteger)


class Preset(Base, Timestamps):
    """Settings of a job that somebody saved under a name."""

    __tablename__ = "presets"
    __table_args__ = (
        one_of("operation_type", OperationType),
        Index("uq_presets_user_id_name", "user_id", text("lower(name)"), unique=True),
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str]
    provider_id: Mapped[str]
    operation_type: Mapped[OperationType] = mapped_column(EnumText(OperationType))
    params: Mapped[dict[str, Any]]
    """As the form held them: they may be incomplete, and are checked when a job is made."""


class SavedView(Base, Timestamps):
    """Filters of the gallery that somebody saved under a name."""

    __tablename__ = "saved_views"
    __table_args__ = (
        Index("uq_saved_views_user_id_name", "user_id", text("lower(name)"), unique=True),
    )

    id: Mapped[Id]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str]
    query: Mapped[str]
    """The search part of the page's address."""


class SetupDone(Conflict):
    code = "setup_done"
    title = "This installation has an administrator already"


class SetupRefused(Forbidden):
    code = "setup_refused"
    title = "The setup token is missing or wrong"


class PasswordChangeRequired(Forbidden):
    code = "password_change_required"
    title = "Change the one-time password first"


class PresetNotFound(NotFound):
    code = "preset_not_found"
    title = "No such preset"


class PresetNameTaken(Conflict):
    code = "preset_name_taken"
    title = "A preset of this name exists"


class ViewNotFound(NotFound):
    code = "view_not_found"
    title = "No such saved view"


class ViewNameTaken(Conflict):
    code = "view_name_taken"
    title = "A saved view of this name exists"


class BadCredentials(Unauthenticated):
    code = "bad_credentials"
    title = "E-mail or password is wrong"


class SessionEnded(Unauthenticated):
    code = "session_ended"
    title = "The session has ended"


class UserNotFound(NotFound):
    code = "user_not_found"
    title = "No such user"


class SessionNotFound(NotFound):
    code = "session_not_found"
    title = "No such session"


class TokenNotFound(NotFound):
    code = "token_not_found"
    title = "No such token"


class WorkspaceNotFound(NotFound):
    code = "workspace_not_found"
    title = "No such workspace"


class WorkspaceNameTaken(Conflict):
    code = "workspace_name_taken"
    title = "A workspace of this name exists"


class UserExists(Conflict):
    code = "user_exists"
    title = "The e-mail or the username is taken"


class LastAdmin(Conflict):
    code = "last_admin"
    title = "The last active administrator must stay one"


class QuotaExceeded(LimitReached):
    """A quota of the person is used up; `detail` names which, how much, and when it renews."""

    code = "quota_exceeded"
    title = "The quota is used up"


class LoginThrottled(LimitReached):
    code = "login_throttled"
    title = "Too many attempts"
