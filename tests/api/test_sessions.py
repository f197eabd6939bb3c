"""A browser's whole session by cookie, and what ends one."""

import asyncio

import httpx

from tests.api.conftest import People, Person, problem
from tests.conftest import PASSWORD, Factory

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def browser(people: People) -> httpx.AsyncClient:
    return people.stranger(
        **{"X-PixSim7-Client": "web", "Origin": people.base_url, "User-Agent": FIREFOX}
    )


async def sign_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> None:
    answer = await client.post(
        "/api/v1/auth/login", json={"email": email, "password": password, "cookie": True}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["access_token"] is None


async def test_sign_in_refresh_and_sign_out_by_cookie(people: People, make: Factory) -> None:
    user = await make.user()
    web = browser(people)
    await sign_in(web, user.email)
    assert (await web.get("/api/v1/auth/me")).json()["email"] == user.email
    changed = await web.patch("/api/v1/users/me", json={"username": "renamed"})
    assert changed.json()["username"] == "renamed"

    # The access cookie ran out; the refresh cookie brings the next.
    web.cookies.delete("px7_session")
    problem(await web.get("/api/v1/auth/me"), 401, "unauthenticated")
    assert (await web.post("/api/v1/auth/refresh")).status_code == 200
    assert (await web.get("/api/v1/auth/me")).status_code == 200

    foreign = {"Origin": "https://evil.example"}
    problem(await web.post("/api/v1/auth/logout", headers=foreign), 403, "csrf_refused")
    assert (await web.post("/api/v1/auth/logout")).status_code == 204
    assert not dict(web.cookies)
    problem(await web.get("/api/v1/auth/me"), 401, "unauthenticated")


async def test_revoking_all_others_leaves_this_one_and_ends_their_streams(
    people: People, make: Factory
) -> None:
    user = await make.user()
    here, there = browser(people), browser(people)
    await sign_in(here, user.email)
    await sign_in(there, user.email)
    items = (await here.get("/api/v1/auth/sessions")).json()["items"]
    assert [item["is_current"] for item in items] == [False, True]
    assert items[0]["device"] == "Firefox on Linux"

    async with there.stream("GET", "/api/v1/events") as stream:
        lines = stream.aiter_lines()
        assert await anext(lines) == "retry: 2000"
        assert (await here.delete("/api/v1/auth/sessions")).status_code == 204
        async with asyncio.timeout(10):
            async for _ in lines:
                pass
    problem(await there.get("/api/v1/auth/me"), 401, "session_ended")
    assert (await here.get("/api/v1/auth/me")).status_code == 200


async def test_a_one_time_password_opens_nothing_but_its_own_change(
    people: People, admin: Person, ada: Person
) -> None:
    answer = await admin.client.post(f"/api/v1/users/{ada.user.id}/reset-password")
    password = answer.json()["password"]
    problem(await ada.client.get("/api/v1/auth/me"), 401, "session_ended")
    web = browser(people)
    await sign_in(web, ada.user.email, password)
    assert (await web.get("/api/v1/auth/me")).json()["must_change_password"] is True
    for path in ("jobs", "assets", "auth/tokens", "events"):
        problem(await web.get(f"/api/v1/{path}"), 403, "password_change_required")
    changed = await web.post(
        "/api/v1/auth/password",
        json={"current_password": password, "new_password": "one of my very own"},
    )
    assert changed.status_code == 204
    assert (await web.get("/api/v1/jobs")).status_code == 200
    problem(
        await ada.client.post(f"/api/v1/users/{ada.user.id}/reset-password"), 401, "session_ended"
    )


async def test_only_administrators_reset_passwords(ada: Person, bob: Person) -> None:
    answer = await ada.client.post(f"/api/v1/users/{bob.user.id}/reset-password")
    problem(answer, 403, "admins_only")


async def test_a_person_who_is_shut_out_is_gone_at_once(admin: Person, ada: Person) -> None:
    async with ada.client.stream("GET", "/api/v1/events") as stream:
        lines = stream.aiter_lines()
        await anext(lines)
        changed = await admin.client.patch(
            f"/api/v1/users/{ada.user.id}", json={"is_active": False}
        )
        assert changed.json()["is_active"] is False
        async with asyncio.timeout(10):
            async for _ in lines:
                pass
    problem(await ada.client.get("/api/v1/auth/me"), 401, "session_ended")


async def test_the_list_of_people_tells_of_today(admin: Person, ada: Person, make: Factory) -> None:
    await make.job(ada.user, "local", params={"prompt": "sea"})
    found = (await admin.client.get("/api/v1/users", params={"q": ada.user.username})).json()
    row = next(item for item in found["items"] if item["id"] == str(ada.user.id))
    assert row["today"]["jobs_created"] == 1
    assert row["last_seen_at"] is not None
    assert not (await admin.client.get("/api/v1/users", params={"q": "%"})).json()["items"]
