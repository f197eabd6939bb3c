"""People, sessions, tokens, workspaces and usage in SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Date,
    case,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from pixsim7_backend.domain.asset import Asset
from pixsim7_backend.domain.user import (
    ApiToken,
    DailyUsage,
    Preset,
    RefreshGeneration,
    SavedView,
    User,
    UserSession,
    Workspace,
)
from pixsim7_backend.domain.vocabulary import UserRole

TODAY = cast(func.timezone("UTC", func.now()), Date)


class UserRepository:
    """Rows of `users`, their quotas and usage."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, user: User) -> User:
        self._session.add(user)
        await self._session.flush()
        await self._session.refresh(user)
        return user

    async def find(self, user_id: UUID) -> User | None:
        return await self._session.get(User, user_id, populate_existing=True)

    async def find_by_login(self, email_or_username: str) -> User | None:
        wanted = email_or_username.strip().lower()
        statement = select(User).where(
            or_(func.lower(User.email) == wanted, func.lower(User.username) == wanted)
        )
        rows = (await self._session.scalars(statement)).all()
        # A username may look like somebody's e-mail; the e-mail wins.
        return next((row for row in rows if row.email.lower() == wanted), rows[0] if rows else None)

    async def list_after(
        self, after: UUID | None, limit: int, query: str | None = None
    ) -> Sequence[User]:
        statement = select(User).order_by(User.id).limit(limit)
        if query:
            statement = statement.where(
                or_(
                    User.email.icontains(query, autoescape=True),
                    User.username.icontains(query, autoescape=True),
                )
            )
        if after is not None:
            statement = statement.where(User.id > after)
        return (await self._session.scalars(statement)).all()

    async def lock(self, user_id: UUID) -> User | None:
        statement = select(User).where(User.id == user_id).with_for_update(key_share=True)
        statement = statement.execution_options(populate_existing=True)
        return (await self._session.scalars(statement)).one_or_none()

    async def take_dispatch_turns(self, user_ids: Sequence[UUID]) -> dict[UUID, User]:
        """One dispatch at a time counts what these people have running.

        The rows stay free: every job that ends counts something there, and would wait for us.
        """
        await self._session.execute(
            text(
                "SELECT pg_advisory_xact_lock(hashtextextended('running:' || u.id::text, 0))"
                " FROM (SELECT unnest(CAST(:ids AS uuid[])) AS id ORDER BY 1) u"
            ),
            {"ids": list(user_ids)},
        )
        statement = (
            select(User).where(User.id.in_(user_ids)).execution_options(populate_existing=True)
        )
        return {user.id: user for user in await self._session.scalars(statement)}

    async def lock_admin_changes(self) -> None:
        """One change of roles or states at a time; taken before any row."""
        await self._session.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended('admins', 0))")
        )

    async def lock_table(self) -> None:
        """Nobody else adds or changes people until the transaction ends; reading goes on."""
        await self._session.execute(text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"))

    async def has_admin(self) -> bool:
        statement = select(exists().where(User.role == UserRole.ADMIN))
        return bool(await self._session.scalar(statement))

    async def count_active_admins(self) -> int:
        statement = select(func.count()).where(User.role == UserRole.ADMIN, User.is_active)
        return await self._session.scalar(statement) or 0

    async def take_daily_jobs(self, user_id: UUID, count: int) -> bool:
        """Count `count` jobs of today if the quotas allow; the day rolls over by itself."""
        used = case((User.jobs_day == TODAY, User.jobs_today), else_=0)
        return await self._guarded(
            user_id,
            {"jobs_today": used + count, "jobs_day": TODAY},
            or_(User.max_daily_jobs.is_(None), used + count <= User.max_daily_jobs),
            or_(
                User.max_storage_bytes.is_(None),
                User.storage_used_bytes < User.max_storage_bytes,
            ),
            or_(User.max_assets.is_(None), User.asset_count + count <= User.max_assets),
            User.is_active.is_(True),
        )

    async def take_storage(
        self, user_id: UUID, size_bytes: int, assets: int, *, enforce: bool
    ) -> bool:
        """Count bytes and assets; with `enforce`, only while the quotas allow."""
        guards: list[ColumnElement[bool]] = []
        if enforce:
            guards = [
                or_(
                    User.max_storage_bytes.is_(None),
                    User.storage_used_bytes + size_bytes <= User.max_storage_bytes,
                ),
                or_(User.max_assets.is_(None), User.asset_count + assets <= User.max_assets),
            ]
        return await self._guarded(
            user_id,
            {
                "storage_used_bytes": User.storage_used_bytes + size_bytes,
                "asset_count": User.asset_count + assets,
            },
            *guards,
        )

    async def _guarded(
        self, user_id: UUID, values: dict[str, Any], *guards: ColumnElement[bool]
    ) -> bool:
        statement = (
            update(User)
            .where(User.id == user_id, *guards)
            .values(values)
            .returning(User.id)
            .execution_options(synchronize_session=False)
        )
        return (await self._session.scalar(statement)) is not None

    async def add_usage(self, user_id: UUID, **amounts: int | Decimal) -> None:
        """Add to the person's row of today."""
        row = insert(DailyUsage).values(user_id=user_id, day=TODAY, **amounts)
        await self._session.execute(
            row.on_conflict_do_update(
                index_elements=["user_id", "day"],
                set_={name: getattr(DailyUsage, name) + value for name, value in amounts.items()},
            )
        )

    async def usage_today(self, user_ids: Sequence[UUID]) -> dict[UUID, DailyUsage]:
        statement = select(DailyUsage).where(
            DailyUsage.user_id.in_(user_ids), DailyUsage.day == TODAY
        )
        return {row.user_id: row for row in await self._session.scalars(statement)}

    async def usage(self, user_id: UUID, days: int) -> Sequence[DailyUsage]:
        statement = (
            select(DailyUsage)
            .where(DailyUsage.user_id == user_id, DailyUsage.day > TODAY - days)
            .order_by(DailyUsage.day)
            .execution_options(populate_existing=True)
        )
        return (await self._session.scalars(statement)).all()


class SessionRepository:
    """Rows of `user_sessions`, their refresh generations, and API tokens."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, row: UserSession | ApiToken | RefreshGeneration) -> None:
        self._session.add(row)
        await self._session.flush()

    async def find_with_user(self, session_id: UUID) -> tuple[UserSession, User] | None:
        """The session if it is live, with its person if active."""
        statement = (
            select(UserSession, User)
            .join(User, User.id == UserSession.user_id)
            .where(
                UserSession.id == session_id,
                UserSession.revoked_at.is_(None),
                UserSession.expires_at > func.now(),
                User.is_active,
            )
        )
        row = (await self._session.execute(statement)).one_or_none()
        return None if row is None else (row[0], row[1])

    async def find_viewer(self, viewer_id: UUID) -> User | None:
        """The active person of a live session or API token."""
        sessions = select(UserSession.user_id).where(
            UserSession.id == viewer_id,
            UserSession.revoked_at.is_(None),
            UserSession.expires_at > func.now(),
        )
        tokens = select(ApiToken.user_id).where(
            ApiToken.id == viewer_id,
            ApiToken.revoked_at.is_(None),
            ApiToken.expires_at > func.now(),
        )
        statement = select(User).where(User.id.in_(sessions.union_all(tokens)), User.is_active)
        return (await self._session.scalars(statement)).one_or_none()

    async def lock_by_refresh(self, token_hash: bytes) -> UserSession | None:
        statement = (
            select(UserSession)
            .where(
                or_(
                    UserSession.refresh_hash == token_hash,
                    UserSession.previous_refresh_hash == token_hash,
                )
            )
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def find_retired(self, token_hash: bytes) -> RefreshGeneration | None:
        return await self._session.get(RefreshGeneration, token_hash)

    async def touch(self, session_id: UUID, at_most_every: timedelta) -> None:
        """Note that the session is in use, without a write per request."""
        await self._session.execute(
            update(UserSession)
            .where(
                UserSession.id == session_id,
                UserSession.last_seen_at < func.now() - at_most_every,
            )
            .values(last_seen_at=func.now())
        )

    async def last_seen(self, user_ids: Sequence[UUID]) -> dict[UUID, datetime]:
        """The latest use of any session or token of each person."""
        by_session = select(UserSession.user_id, UserSession.last_seen_at.label("at"))
        by_token = select(ApiToken.user_id, ApiToken.last_used_at)
        used = union_all(by_session, by_token).subquery()
        statement = (
            select(used.c.user_id, func.max(used.c.at))
            .where(used.c.user_id.in_(user_ids), used.c.at.is_not(None))
            .group_by(used.c.user_id)
        )
        return {row[0]: row[1] for row in await self._session.execute(statement)}

    async def list_live(self, user_id: UUID) -> Sequence[UserSession]:
        statement = (
            select(UserSession)
            .where(
                UserSession.user_id == user_id,
                UserSession.revoked_at.is_(None),
                UserSession.expires_at > func.now(),
            )
            .order_by(UserSession.id.desc())
            .execution_options(populate_existing=True)
        )
        return (await self._session.scalars(statement)).all()

    async def revoke(self, reason: str, *where: ColumnElement[bool]) -> Sequence[UserSession]:
        statement = (
            update(UserSession)
            .where(UserSession.revoked_at.is_(None), *where)
            .values(revoked_at=func.now(), revoked_reason=reason)
            .returning(UserSession)
        )
        return (await self._session.scalars(statement)).all()

    async def revoke_session(
        self, session_id: UUID, reason: str, user_id: UUID | None = None
    ) -> UserSession | None:
        where = [UserSession.id == session_id]
        if user_id is not None:
            where.append(UserSession.user_id == user_id)
        rows = await self.revoke(reason, *where)
        return rows[0] if rows else None

    async def revoke_all(
        self, user_id: UUID, reason: str, keep: UUID | None = None
    ) -> Sequence[UserSession]:
        where = [UserSession.user_id == user_id]
        if keep is not None:
            where.append(UserSession.id != keep)
        return await self.revoke(reason, *where)

    async def delete_ended(self, older_than: timedelta) -> int:
        result = await self._session.execute(
            delete(UserSession).where(
                or_(
                    UserSession.expires_at < func.now() - older_than,
                    UserSession.revoked_at < func.now() - older_than,
                )
            )
        )
        return int(getattr(result, "rowcount", 0))

    async def find_token_with_user(self, public_id: str) -> tuple[ApiToken, User] | None:
        statement = (
            select(ApiToken, User)
            .join(User, User.id == ApiToken.user_id)
            .where(
                ApiToken.public_id == public_id,
                ApiToken.revoked_at.is_(None),
                ApiToken.expires_at > func.now(),
                User.is_active,
            )
        )
        row = (await self._session.execute(statement)).one_or_none()
        return None if row is None else (row[0], row[1])

    async def touch_token(self, token_id: UUID, age: timedelta) -> None:
        await self._session.execute(
            update(ApiToken)
            .where(
                ApiToken.id == token_id,
                or_(
                    ApiToken.last_used_at.is_(None),
                    ApiToken.last_used_at < func.now() - age,
                ),
            )
            .values(last_used_at=func.now())
        )

    async def list_tokens(self, user_id: UUID) -> Sequence[ApiToken]:
        statement = (
            select(ApiToken)
            .where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
            .order_by(ApiToken.id.desc())
        )
        return (await self._session.scalars(statement)).all()

    async def revoke_token(self, token_id: UUID, user_id: UUID) -> bool:
        statement = (
            update(ApiToken)
            .where(
                ApiToken.id == token_id,
                ApiToken.user_id == user_id,
                ApiToken.revoked_at.is_(None),
            )
            .values(revoked_at=func.now())
            .returning(ApiToken.id)
        )
        return (await self._session.scalar(statement)) is not None

    async def revoke_tokens_of(self, user_id: UUID) -> None:
        await self._session.execute(
            update(ApiToken)
            .where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
            .values(revoked_at=func.now())
        )


COVERS = 4


@dataclass(frozen=True, slots=True)
class WorkspaceSummary:
    """What is in a workspace."""

    asset_count: int
    job_count: int
    active_jobs: int
    spent_this_month: Decimal
    covers: Sequence[Asset]


_SUMMARIES = text(
    """
    SELECT w.id,
           (SELECT count(*) FROM assets a
            WHERE a.workspace_id = w.id AND a.trashed_at IS NULL) AS asset_count,
           j.job_count, j.active_jobs, j.spent_this_month
    FROM workspaces w
    CROSS JOIN LATERAL (
        SELECT count(*) AS job_count,
               count(*) FILTER (WHERE status IN ('pending', 'processing')) AS active_jobs,
               coalesce(sum(charged_credits) FILTER (
                   WHERE created_at >= date_trunc('month', now(), 'UTC')
               ), 0) AS spent_this_month
        FROM jobs WHERE workspace_id = w.id
    ) j
    WHERE w.id = ANY(CAST(:ids AS uuid[]))
    """
)


class WorkspaceRepository:
    """Rows of `workspaces`; every read is by owner."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, workspace: Workspace) -> Workspace:
        self._session.add(workspace)
        await self._session.flush()
        await self._session.refresh(workspace)
        return workspace

    async def find(self, workspace_id: UUID, user_id: UUID) -> Workspace | None:
        statement = select(Workspace).where(
            Workspace.id == workspace_id, Workspace.user_id == user_id
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def list_of(self, user_id: UUID) -> Sequence[Workspace]:
        statement = (
            select(Workspace)
            .where(Workspace.user_id == user_id)
            .order_by(func.lower(Workspace.name))
        )
        return (await self._session.scalars(statement)).all()

    async def delete(self, workspace_id: UUID) -> None:
        await self._session.execute(delete(Workspace).where(Workspace.id == workspace_id))

    async def summaries(self, workspace_ids: Sequence[UUID]) -> dict[UUID, WorkspaceSummary]:
        """Numbers and covers of several workspaces, in two questions."""
        rows = await self._session.execute(_SUMMARIES, {"ids": list(workspace_ids)})
        numbers = {row.id: row for row in rows}
        candidate = aliased(Asset)
        newest = (
            select(candidate.id)
            .where(
                candidate.workspace_id == Workspace.id,
                candidate.derived_at.is_not(None),
                candidate.trashed_at.is_(None),
            )
            .order_by(candidate.id.desc())
            .limit(COVERS)
            .lateral("newest")
        )
        statement = (
            select(Asset)
            .select_from(Workspace)
            .join(newest, text("true"))
            .join(Asset, Asset.id == newest.c.id)
            .where(Workspace.id.in_(workspace_ids))
            .order_by(Asset.id.desc())
        )
        covers: dict[UUID | None, list[Asset]] = {}
        for asset in await self._session.scalars(statement):
            covers.setdefault(asset.workspace_id, []).append(asset)
        return {
            id: WorkspaceSummary(
                asset_count=row.asset_count,
                job_count=row.job_count,
                active_jobs=row.active_jobs,
                spent_this_month=row.spent_this_month,
                covers=covers.get(id, []),
            )
            for id, row in numbers.items()
        }


S = TypeVar("S", Preset, SavedView)


class SavedRepository(Generic[S]):
    """Rows of `presets` or `saved_views`; every question names the owner."""

    def __init__(self, session: AsyncSession, model: type[S]) -> None:
        self._session = session
        self._model: type[S] = model

    async def add(self, row: S) -> S:
        self._session.add(row)
        await self._session.flush()
        await self._session.refresh(row)
        return row

    async def list_of(self, user_id: UUID) -> Sequence[S]:
        model = self._model
        statement = select(model).where(model.user_id == user_id).order_by(func.lower(model.name))
        return (await self._session.scalars(statement)).all()

    async def count_of(self, user_id: UUID) -> int:
        statement = select(func.count()).where(self._model.user_id == user_id)
        return await self._session.scalar(statement) or 0

    async def update(self, id: UUID, user_id: UUID, changes: Mapping[str, Any]) -> S | None:
        model = self._model
        statement = select(model).where(model.id == id, model.user_id == user_id).with_for_update()
        row = (await self._session.scalars(statement)).one_or_none()
        if row is not None:
            for name, value in changes.items():
                setattr(row, name, value)
            await self._session.flush()
            await self._session.refresh(row)
        return row

    async def delete(self, id: UUID, user_id: UUID) -> bool:
        model = self._model
        statement = (
            delete(model).where(model.id == id, model.user_id == user_id).returning(model.id)
        )
        return (await self._session.scalar(statement)) is not None
