"""People, their roles and their quotas."""

import asyncio
from typing import Any

import pytest

from pixsim7_backend.domain.user import LastAdmin, QuotaExceeded, UserExists, UserNotFound
from pixsim7_backend.shared.errors import Forbidden, InvalidInput
from tests.conftest import PASSWORD
from tests.services.conftest import Lab, together


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": "two@at@signs"}, "email"),
        ({"username": "x"}, "username"),
        ({"username": "has space"}, "username"),
        ({"password": "too short"}, "password"),
        ({"password": "ü" * 11}, "password"),
        ({"password": "x" * 1025}, "password"),
        ({"role": "king"}, "role"),
        ({"max_daily_jobs": -1}, "max_daily_jobs"),
        ({"max_wishes": 3}, "max_wishes"),
    ],
)
async def test_each_wrong_field_is_named(lab: Lab, changed: dict[str, Any], field: str) -> None:
    values: dict[str, Any] = {
        "email": "a@example.com",
        "username": "someone",
        "password": PASSWORD,
        "role": "user",
    }
    with pytest.raises(InvalidInput) as raised:
        await lab.services.users.create_user(**values | changed)
    assert [problem.field for problem in raised.value.fields] == [field]
    assert await lab.scalar("SELECT count(*) FROM users") == 0


@pytest.mark.parametrize("password", ["ü" * 12, "🎬" * 1024])
async def test_a_password_is_measured_in_characters(lab: Lab, password: str) -> None:
    user = await lab.services.users.create_user("a@example.com", "someone", password, "user")
    assert (await lab.services.auth.login("someone", password))[0].id == user.id
    with pytest.raises(InvalidInput) as refused:
        await lab.services.users.set_password(user.id, password[:11])
    assert refused.value.fields[0].allowed == "12 to 1024 characters"


async def test_all_wrong_fields_are_named_at_once(lab: Lab) -> None:
    with pytest.raises(InvalidInput) as raised:
        await lab.services.users.create_user("nobody", "x", "short", "king")
    assert {item.field for item in raised.value.fields} == {"email", "username", "password", "role"}


@pytest.mark.parametrize("twin", [("USER@example.com", "other"), ("b@example.com", "SomeOne")])
async def test_an_email_or_username_exists_once_whatever_its_case(
    lab: Lab, twin: tuple[str, str]
) -> None:
    users = lab.services.users
    await users.create_user("user@example.com", "someone", PASSWORD)
    with pytest.raises(UserExists) as raised:
        await users.create_user(*twin, PASSWORD)
    assert raised.value.fields[0].field in ("email", "username")


async def test_a_changed_email_is_the_one_to_sign_in_with(lab: Lab) -> None:
    user = await lab.make.user()
    await lab.services.users.update_user(user.id, {"email": "  New@Example.com "}, user)
    again, _ = await lab.services.auth.login("new@example.com", PASSWORD)
    assert again.id == user.id


async def test_people_change_themselves_and_nobody_else(lab: Lab) -> None:
    users = lab.services.users
    user, other = await lab.make.user(), await lab.make.user()
    with pytest.raises(UserNotFound):
        await users.update_user(other.id, {"username": "stolen"}, user)
    for beyond in ({"role": "admin"}, {"max_daily_jobs": None}, {"is_active": True}):
        with pytest.raises(Forbidden):
            await users.update_user(user.id, beyond, user)
    with pytest.raises(Forbidden):
        await users.delete_user(other.id, user)


async def test_a_new_role_signs_a_person_out_and_an_odd_one_is_refused(lab: Lab) -> None:
    admin, user = await lab.make.user("admin"), await lab.make.user()
    await lab.services.auth.login(user.email, PASSWORD)
    with pytest.raises(InvalidInput) as raised:
        await lab.services.users.update_user(user.id, {"role": "king"}, admin)
    assert raised.value.fields[0].allowed == ["admin", "user", "guest"]
    await lab.services.users.update_user(user.id, {"role": "guest"}, admin)
    assert await lab.services.auth.get_user_sessions(user.id) == []


async def test_the_last_administrator_stays(lab: Lab) -> None:
    users = lab.services.users
    admin = await lab.make.user("admin")
    for change in ({"role": "user"}, {"is_active": False}):
        with pytest.raises(LastAdmin):
            await users.update_user(admin.id, change, admin)
    assert (await users.get_user(admin.id)).is_active


async def test_two_administrators_cannot_remove_each_other(lab: Lab) -> None:
    users = lab.services.users
    one, two = await lab.make.user("admin"), await lab.make.user("admin")
    outcomes = await asyncio.gather(
        users.update_user(one.id, {"role": "user"}, two),
        users.update_user(two.id, {"role": "user"}, one),
        return_exceptions=True,
    )
    assert sorted(type(item).__name__ for item in outcomes) == ["LastAdmin", "User"]
    active = "SELECT count(*) FROM users WHERE role = 'admin' AND is_active"
    assert await lab.scalar(active) == 1


async def test_fifty_parallel_jobs_on_a_quota_of_ten(lab: Lab) -> None:
    user = await lab.make.user(max_daily_jobs=10)
    outcomes = await together(lab.make.job(user) for _ in range(50))
    refused = [item for item in outcomes if isinstance(item, QuotaExceeded)]
    assert len(refused) == 40
    assert "10 of 10 jobs today" in refused[0].detail
    assert "00:00 UTC" in refused[0].detail
    assert await lab.scalar("SELECT count(*) FROM jobs") == 10
    assert (await lab.services.users.get_user(user.id)).jobs_today == 10


async def test_the_day_rolls_over_by_itself(lab: Lab) -> None:
    users = lab.services.users
    user = await lab.make.user(max_daily_jobs=1)
    await lab.make.job(user)
    with pytest.raises(QuotaExceeded):
        await users.check_can_create_job(user)
    await lab.sql("UPDATE users SET jobs_day = jobs_day - 1")
    await users.check_can_create_job(user)
    await lab.make.job(user)
    assert (await users.get_user(user.id)).jobs_today == 1


async def test_storage_is_counted_and_limited(lab: Lab) -> None:
    users = lab.services.users
    user = await lab.make.user(max_storage_bytes=2 * 2**30)
    await users.increment_storage(user, 1.5)
    await users.check_storage_available(user, 0.5)
    with pytest.raises(QuotaExceeded, match=r"1\.50 of 2\.00 GiB"):
        await users.check_storage_available(user, 0.6)
    outcomes = await asyncio.gather(
        *(users.increment_storage(user, 0.25) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(item, QuotaExceeded) for item in outcomes) == 3
    with pytest.raises(QuotaExceeded):
        await lab.make.job(user)
    await users.increment_storage(user, -2)
    assert (await users.get_user(user.id)).storage_used_bytes == 0


async def test_increment_job_count_stops_at_the_quota(lab: Lab) -> None:
    user = await lab.make.user(max_daily_jobs=2)
    for _ in range(2):
        user = await lab.services.users.increment_job_count(user)
    assert user.jobs_today == 2
    with pytest.raises(QuotaExceeded):
        await lab.services.users.increment_job_count(user)


async def test_usage_is_kept_per_day(lab: Lab) -> None:
    users = lab.services.users
    user = await lab.make.user()
    await users.record_daily_usage(user.id, jobs_created=2, credits_spent=1.5)
    await lab.sql("UPDATE daily_usage SET day = day - 1")
    await users.record_daily_usage(user.id, jobs_created=1)
    await users.record_daily_usage(user.id, jobs_created=1, assets_created=3)
    rows = await users.get_usage(user.id)
    assert [(row.jobs_created, row.assets_created) for row in rows] == [(2, 0), (2, 3)]
    assert float(rows[0].credits_spent) == 1.5
    assert len(await users.get_usage(user.id, days=1)) == 1


async def test_a_person_who_is_shut_out_creates_nothing(lab: Lab) -> None:
    admin, user = await lab.make.user("admin"), await lab.make.user()
    await lab.services.users.delete_user(user.id, admin)
    with pytest.raises(Forbidden):
        await lab.make.job(user)


async def test_everybody_is_listed_page_by_page(lab: Lab) -> None:
    made = [await lab.make.user() for _ in range(5)]
    page = await lab.services.users.list_users(limit=3)
    rest = await lab.services.users.list_users(page.next_cursor, limit=3)
    assert [user.id for user in (*page.items, *rest.items)] == [user.id for user in made]
    assert rest.next_cursor is None
