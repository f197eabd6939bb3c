"""People: accounts of persons, their roles, quotas and usage."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from pixsim7_backend.domain.user import (
    DailyUsage,
    LastAdmin,
    QuotaExceeded,
    User,
    UserExists,
    UserNotFound,
)
from pixsim7_backend.domain.vocabulary import UserRole
from pixsim7_backend.infrastructure.database.engine import Database, Transaction
from pixsim7_backend.infrastructure.database.errors import violated
from pixsim7_backend.infrastructure.database.repositories.account import AccountRepository
from pixsim7_backend.infrastructure.database.repositories.job import JobRepository
from pixsim7_backend.infrastructure.database.repositories.user import (
    SessionRepository,
    UserRepository,
)
from pixsim7_backend.infrastructure.security.passwords import PasswordHashing
from pixsim7_backend.shared.config import Settings
from pixsim7_backend.shared.errors import FieldProblem, Forbidden, InvalidInput
from pixsim7_backend.shared.pagination import Page, decode_cursor, page_of

GIB = 2**30
MIN_PASSWORD, MAX_PASSWORD = 12, 1024
QUOTAS = (
    "max_daily_jobs",
    "max_concurrent_jobs",
    "max_storage_bytes",
    "max_assets",
    "max_accounts",
)
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")
_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,63}")


@dataclass(frozen=True, slots=True)
class QuotaStatus:
    """What a person has used of each quota; a limit of None is none."""

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
    renews_at: datetime


class UserService:
    """Rules of people. Quotas are taken by guarded updates, never read first and written later."""

    def __init__(self, database: Database, passwords: PasswordHashing, settings: Settings) -> None:
        self._db = database
        self._passwords = passwords
        self._defaults = {quota: getattr(settings, f"default_{quota}") for quota in QUOTAS}

    async def create_user(
        self,
        email: str,
        username: str,
        password: str,
        role: UserRole | str = UserRole.USER,
        **quotas: int | None,
    ) -> User:
        """Add a person; quotas that are not given are the installation's defaults.

        Raises `InvalidInput` per field, or `UserExists`.
        """
        problems = _identity_problems(email=email, username=username)
        problems += password_problems(password)
        problems += _quota_problems(quotas)
        problems += _role_problems(role)
        if problems:
            raise InvalidInput("The person cannot be added as given.", fields=problems)
        user = User(
            email=email.strip(),
            username=username.strip(),
            password_hash=await self._passwords.hash_password(password),
            role=UserRole(role),
            **{**self._defaults, **quotas},
        )
        with violated("users_email", "users_username", error=_exists):
            async with self._db.transaction() as tx:
                user = await UserRepository(tx.session).add(user)
                tx.publish("user:created", user_id=user.id, data={"role": user.role.value})
        return user

    async def get_user(self, user_id: UUID) -> User:
        """Raises `UserNotFound`."""
        async with self._db.transaction() as tx:
            user = await UserRepository(tx.session).find(user_id)
        if user is None:
            raise UserNotFound("There is no such person.")
        return user

    async def find_by_login(self, email_or_username: str) -> User | None:
        """The person who signs in with this, if there is one."""
        async with self._db.transaction() as tx:
            return await UserRepository(tx.session).find_by_login(email_or_username)

    async def reset_password(self, user_id: UUID, actor: User) -> str:
        """A one-time password, returned this once; the person's sessions and tokens end, and
        nothing else may be done with it than to change it."""
        if actor.role is not UserRole.ADMIN:
            raise Forbidden("Only an administrator may reset passwords.")
        password = secrets.token_urlsafe(12)
        hashed = await self._passwords.hash_password(password)
        async with self._db.transaction() as tx:
            await self._apply(tx, user_id, {"password_hash": hashed, "must_change_password": True})
            await SessionRepository(tx.session).revoke_tokens_of(user_id)
        return password

    async def set_password(self, user_id: UUID, password: str) -> User:
        """An operator's word: a new password, and all of the person's sessions end."""
        problems = password_problems(password)
        if problems:
            raise InvalidInput("The password cannot be used.", fields=problems)
        hashed = await self._passwords.hash_password(password)
        async with self._db.transaction() as tx:
            return await self._apply(tx, user_id, {"password_hash": hashed})

    async def list_users(
        self, cursor: str | None = None, limit: int = 50, query: str | None = None
    ) -> Page[User]:
        """Everybody whose e-mail or username has `query` in it, oldest first."""
        async with self._db.transaction() as tx:
            rows = await UserRepository(tx.session).list_after(
                decode_cursor(cursor), limit + 1, query
            )
        return page_of(rows, limit, lambda user: user.id)

    async def last_seen(self, user_ids: Sequence[UUID]) -> dict[UUID, datetime]:
        """When each person used a session or a token last; without those who never did."""
        async with self._db.transaction() as tx:
            return await SessionRepository(tx.session).last_seen(user_ids)

    async def get_usage_today(self, user_ids: Sequence[UUID]) -> dict[UUID, DailyUsage]:
        """The usage of today (UTC) of those who used anything."""
        async with self._db.transaction() as tx:
            return await UserRepository(tx.session).usage_today(user_ids)

    async def update_user(self, user_id: UUID, changes: Mapping[str, Any], actor: User) -> User:
        """Change profile, role, quotas, state or password of a person.

        A person may change their own e-mail and username; all else is for administrators. A new
        role, password or state ends the person's sessions. The last administrator stays one.
        """
        values = dict(changes)
        _check_may_change(actor, user_id, values)
        problems = _identity_problems(
            **{name: values[name] for name in ("email", "username") if name in values}
        )
        problems += _quota_problems({key: values[key] for key in QUOTAS if key in values})
        problems += _role_problems(values.get("role", UserRole.USER))
        if "password" in values:
            problems += password_problems(values["password"])
        if problems:
            raise InvalidInput("The person cannot be changed like this.", fields=problems)
        for name in {"email", "username"} & values.keys():
            values[name] = values[name].strip()
        if "role" in values:
            values["role"] = UserRole(values["role"])
        if "password" in values:
            values["password_hash"] = await self._passwords.hash_password(values.pop("password"))
        with violated("users_email", "users_username", error=_exists):
            async with self._db.transaction() as tx:
                return await self._apply(tx, user_id, values)

    async def _apply(self, tx: Transaction, user_id: UUID, values: Mapping[str, Any]) -> User:
        users = UserRepository(tx.session)
        if {"role", "is_active"} & values.keys():
            # Two administrators must not take each other's place away at the same time.
            await users.lock_admin_changes()
        user = await users.lock(user_id)
        if user is None:
            raise UserNotFound("There is no such person.")
        if "password_hash" in values:
            values = {"must_change_password": False, **values}
        before = (user.role, user.is_active)
        for name, value in values.items():
            setattr(user, name, value)
        await tx.session.flush()
        if before == (UserRole.ADMIN, True):
            await self._require_an_admin(tx)
        if (user.role, user.is_active) != before or "password_hash" in values:
            sessions = SessionRepository(tx.session)
            await sessions.revoke_all(user_id, "changed by an administrator")
            if not user.is_active:
                await sessions.revoke_tokens_of(user_id)
        changed = sorted(set(values) - {"password_hash"})
        tx.publish("user:updated", user_id=user_id, data={"changed": changed})
        return user

    async def _require_an_admin(self, tx: Transaction) -> None:
        if await UserRepository(tx.session).count_active_admins() == 0:
            raise LastAdmin("There must stay one active administrator.")

    async def delete_user(self, user_id: UUID, actor: User) -> User:
        """Shut a person out for good. Work and usage stay for the accounts of the house."""
        if actor.role is not UserRole.ADMIN:
            raise Forbidden("Only an administrator may delete people.")
        return await self.update_user(user_id, {"is_active": False}, actor)

    # --- quotas and usage ---

    @property
    def default_quotas(self) -> Mapping[str, int | None]:
        """What a new person gets."""
        return self._defaults

    async def get_quota_status(self, user_id: UUID) -> QuotaStatus:
        """What the person has used of each quota now."""
        async with self._db.transaction() as tx:
            user = await self.get_user(user_id)
            running = await JobRepository(tx.session).running_counts([user_id])
            accounts = await AccountRepository(tx.session).count_owned(user_id)
        now = datetime.now(UTC)
        today = user.jobs_today if user.jobs_day == now.date() else 0
        limit = user.max_daily_jobs
        return QuotaStatus(
            jobs_today=today,
            max_daily_jobs=limit,
            jobs_left_today=None if limit is None else max(limit - today, 0),
            jobs_running=running.get(user_id, 0),
            max_concurrent_jobs=user.max_concurrent_jobs,
            storage_used_bytes=user.storage_used_bytes,
            max_storage_bytes=user.max_storage_bytes,
            asset_count=user.asset_count,
            max_assets=user.max_assets,
            accounts=accounts,
            max_accounts=user.max_accounts,
            renews_at=datetime.combine(now.date() + timedelta(days=1), time(), UTC),
        )

    async def check_can_create_job(self, user: User) -> None:
        """Raise `QuotaExceeded` when today's jobs, storage or assets are used up.

        A look for the person's sake: what decides is `take_daily_jobs`, when the job is accepted.
        """
        fresh = await self.get_user(user.id)
        problem = _used_up(fresh, 1)
        if problem is not None:
            raise problem

    async def take_daily_jobs(self, user: User, count: int) -> None:
        """Count jobs against the quota, in the transaction that accepts them, or raise."""
        async with self._db.transaction() as tx:
            users = UserRepository(tx.session)
            if await users.take_daily_jobs(user.id, count):
                return
            fresh = await users.find(user.id)
            if fresh is None or not fresh.is_active:
                raise Forbidden("This person is shut out.")
            raise _used_up(fresh, count) or QuotaExceeded("A quota is used up.")

    async def increment_job_count(self, user: User) -> User:
        """Count one job of today; raises `QuotaExceeded`."""
        await self.take_daily_jobs(user, 1)
        return await self.get_user(user.id)

    async def check_storage_available(self, user: User, gb: float) -> None:
        """Raise `QuotaExceeded` unless `gb` GiB more fit into the person's storage."""
        fresh = await self.get_user(user.id)
        limit = fresh.max_storage_bytes
        if limit is not None and fresh.storage_used_bytes + int(gb * GIB) > limit - (gb == 0):
            raise QuotaExceeded(
                f"Your storage holds {fresh.storage_used_bytes / GIB:.2f} of {limit / GIB:.2f} GiB."
            )

    async def increment_storage(self, user: User, gb: float) -> User:
        """Count `gb` GiB (negative: give back); raises `QuotaExceeded` when they do not fit."""
        async with self._db.transaction() as tx:
            size = int(gb * GIB)
            taken = await UserRepository(tx.session).take_storage(user.id, size, 0, enforce=gb > 0)
        if not taken:
            await self.check_storage_available(user, gb)
            raise QuotaExceeded("Your storage is used up.")
        return await self.get_user(user.id)

    async def record_daily_usage(
        self,
        user_id: UUID,
        *,
        jobs_created: int = 0,
        jobs_completed: int = 0,
        jobs_failed: int = 0,
        jobs_cancelled: int = 0,
        assets_created: int = 0,
        storage_bytes_added: int = 0,
        credits_spent: Decimal | float = 0,
    ) -> None:
        """Add to the person's usage of today (UTC)."""
        amounts: dict[str, int | Decimal] = {
            "jobs_created": jobs_created,
            "jobs_completed": jobs_completed,
            "jobs_failed": jobs_failed,
            "jobs_cancelled": jobs_cancelled,
            "assets_created": assets_created,
            "storage_bytes_added": storage_bytes_added,
            "credits_spent": Decimal(str(credits_spent)),
        }
        async with self._db.transaction() as tx:
            used = {name: value for name, value in amounts.items() if value}
            if used:
                await UserRepository(tx.session).add_usage(user_id, **used)

    async def get_usage(self, user_id: UUID, days: int = 30) -> Sequence[DailyUsage]:
        """One row per day with any use, oldest first."""
        async with self._db.transaction() as tx:
            return await UserRepository(tx.session).usage(user_id, days)


def _exists(constraint: str) -> Exception:
    field = "email" if "email" in constraint else "username"
    problem = FieldProblem(field, "is taken")
    return UserExists(f"This {field} is taken.", fields=[problem])


def _check_may_change(actor: User, user_id: UUID, values: Mapping[str, Any]) -> None:
    if actor.role is UserRole.ADMIN:
        return
    if actor.id != user_id:
        raise UserNotFound("There is no such person.")
    beyond = sorted(set(values) - {"email", "username"})
    if beyond:
        raise Forbidden(f"Only an administrator may change {', '.join(beyond)}.")


def _used_up(user: User, count: int) -> QuotaExceeded | None:
    """Which quota stands in the way of `count` more jobs."""
    today = user.jobs_today if user.jobs_day == datetime.now(UTC).date() else 0
    if user.max_daily_jobs is not None and today + count > user.max_daily_jobs:
        return QuotaExceeded(
            f"You have used {today} of {user.max_daily_jobs} jobs today; "
            "the count starts again at 00:00 UTC."
        )
    if user.max_storage_bytes is not None and user.storage_used_bytes >= user.max_storage_bytes:
        return QuotaExceeded("Your storage is full; delete something first.")
    if user.max_assets is not None and user.asset_count + count > user.max_assets:
        return QuotaExceeded(f"You have {user.asset_count} of {user.max_assets} assets.")
    return None


def _identity_problems(email: str | None = None, username: str | None = None) -> list[FieldProblem]:
    problems = []
    if email is not None and not _EMAIL.fullmatch(email.strip()):
        problems.append(FieldProblem("email", "is not an e-mail address"))
    if username is not None and not _USERNAME.fullmatch(username.strip()):
        allowed = "2 to 64 letters, digits, dots, dashes and underscores"
        problems.append(FieldProblem("username", f"must have {allowed}", allowed))
    return problems


def _role_problems(role: object) -> list[FieldProblem]:
    if role in list(UserRole):
        return []
    return [FieldProblem("role", "is not a role", [item.value for item in UserRole])]


def password_problems(password: str, field: str = "password") -> list[FieldProblem]:
    """Length is what counts; any characters are welcome."""
    if MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        return []
    allowed = f"{MIN_PASSWORD} to {MAX_PASSWORD} characters"
    return [FieldProblem(field, f"must have {allowed}", allowed)]


def _quota_problems(quotas: Mapping[str, int | None]) -> list[FieldProblem]:
    problems = []
    for name, value in quotas.items():
        if name not in QUOTAS:
            problems.append(FieldProblem(name, "is not a quota", QUOTAS))
        elif value is not None and value < 0:
            problems.append(FieldProblem(name, "must be zero or more, or null for no limit"))
    return problems
