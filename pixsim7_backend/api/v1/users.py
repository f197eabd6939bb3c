"""People: administration, and everybody's own usage."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from pixsim7_backend.api.dependencies import (
    AdminsOnly,
    AdminUser,
    CurrentUser,
    SignedIn,
    UserSvc,
)
from pixsim7_backend.api.errors import problems
from pixsim7_backend.api.schemas.user import (
    OneTimePassword,
    ProfileUpdate,
    Usage,
    UsageDay,
    UsageToday,
    UserCreate,
    UserPage,
    UserQuery,
    UserRead,
    UserRow,
    UserUpdate,
)
from pixsim7_backend.domain.user import LastAdmin, UserExists, UserNotFound

router = APIRouter(prefix="/users", tags=["users"])

Days = Annotated[int, Query(ge=1, le=366, description="How many days back, today included.")]


@router.get("/me/usage", name="my_usage")
async def get_my_usage(user: CurrentUser, users: UserSvc, days: Days = 30) -> Usage:
    """What you used, by UTC day, and your quotas."""
    rows = await users.get_usage(user.id, days)
    return Usage(user=UserRead.of(user), days=[UsageDay.model_validate(row) for row in rows])


@router.patch("/me", name="update_me", responses=problems(UserExists))
async def update_me(body: ProfileUpdate, principal: SignedIn, users: UserSvc) -> UserRead:
    """Your own e-mail and username."""
    changes = body.model_dump(exclude_unset=True)
    return UserRead.of(await users.update_user(principal.user.id, changes, principal.user))


@router.get("", name="list", responses=problems(AdminsOnly))
async def list_users(
    query: Annotated[UserQuery, Query()], admin: AdminUser, users: UserSvc
) -> UserPage:
    """Everybody, with what they used today (UTC)."""
    found = await users.list_users(query.cursor, query.limit, query.q)
    ids = [user.id for user in found.items]
    seen = await users.last_seen(ids)
    today = await users.get_usage_today(ids)
    items = [
        UserRow(
            **UserRead.of(user).model_dump(),
            last_seen_at=seen.get(user.id),
            today=UsageToday.model_validate(today[user.id]) if user.id in today else UsageToday(),
        )
        for user in found.items
    ]
    return UserPage(items=items, next_cursor=found.next_cursor)


@router.post("", name="create", status_code=201, responses=problems(AdminsOnly, UserExists))
async def create_user(body: UserCreate, admin: AdminUser, users: UserSvc) -> UserRead:
    """Quotas that are left out are the installation's defaults."""
    user = await users.create_user(
        body.email,
        body.username,
        body.password.get_secret_value(),
        body.role,
        **body.quotas.model_dump(exclude_unset=True),
    )
    return UserRead.of(user)


@router.get("/{user_id}", name="get", responses=problems(AdminsOnly, UserNotFound))
async def get_user(user_id: UUID, admin: AdminUser, users: UserSvc) -> UserRead:
    return UserRead.of(await users.get_user(user_id))


@router.get("/{user_id}/usage", name="usage", responses=problems(AdminsOnly, UserNotFound))
async def get_usage(user_id: UUID, admin: AdminUser, users: UserSvc, days: Days = 30) -> Usage:
    user = await users.get_user(user_id)
    rows = await users.get_usage(user_id, days)
    return Usage(user=UserRead.of(user), days=[UsageDay.model_validate(row) for row in rows])


@router.patch(
    "/{user_id}", name="update", responses=problems(AdminsOnly, UserNotFound, UserExists, LastAdmin)
)
async def update_user(
    user_id: UUID, body: UserUpdate, admin: AdminUser, users: UserSvc
) -> UserRead:
    """A new role, password or state ends the person's sessions."""
    return UserRead.of(await users.update_user(user_id, _changes(body), admin))


def _changes(body: UserUpdate) -> dict[str, Any]:
    changes = body.model_dump(exclude_unset=True)
    changes |= changes.pop("quotas", {})
    if "password" in changes:
        changes["password"] = body.password.get_secret_value()
    return changes


@router.post(
    "/{user_id}/reset-password",
    name="reset_password",
    responses=problems(AdminsOnly, UserNotFound),
)
async def reset_password(user_id: UUID, admin: AdminUser, users: UserSvc) -> OneTimePassword:
    """A one-time password in place of the old one; the person's sessions and tokens end."""
    return OneTimePassword(password=await users.reset_password(user_id, admin))


@router.delete(
    "/{user_id}",
    name="delete",
    status_code=204,
    responses=problems(AdminsOnly, UserNotFound, LastAdmin),
)
async def delete_user(user_id: UUID, admin: AdminUser, users: UserSvc) -> None:
    """Shut a person out for good; their work and usage stay."""
    await users.delete_user(user_id, admin)
