"""Accounts, people and workspaces over HTTP."""

from typing import Any

from pixsim7_backend.bootstrap.container import Container
from pixsim7_simulator import RunningSimulator
from tests.api.conftest import People, Person, field, problem


def account(**changes: Any) -> dict[str, Any]:
    body = {"provider_id": "pixverse", "name": "Studio", "credentials": {"api_key": "sk-test-1"}}
    return {**body, **changes}


async def test_accounts_that_cannot_be(ada: Person) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"provider_id": "sora"}, "provider_id"),
        ({"credentials": {}}, "credentials.api_key"),
        ({"credentials": {"api_key": "   "}}, "credentials.api_key"),
        ({"credentials": {"api_key": "a\nb"}}, "credentials.api_key"),
        ({"credentials": {"api_key": "a", "api_base": "https://x"}}, "credentials.api_base"),
        ({"base_url": "http://10.0.0.1/v2"}, "base_url"),
        ({"base_url": "ftp://example.com"}, "base_url"),
        ({"base_url": "https://user:pass@example.com"}, "base_url"),
        ({"base_url": "https://example.com/?a=b"}, "base_url"),
        ({"base_url": "https://example.com/#a"}, "base_url"),
        ({"base_url": "nonsense"}, "base_url"),
        ({"provider_id": "local", "credentials": {}, "base_url": "https://a.example"}, "base_url"),
    ]
    for change, name in cases:
        answer = await ada.client.post("/api/v1/accounts", json=account(**change))
        assert field(problem(answer, 422, "invalid_account"), name)["message"], change


async def test_an_account_lives(ada: Person, simulator: RunningSimulator) -> None:
    body = account(base_url=simulator.pixverse_url)
    answer = await ada.client.post("/api/v1/accounts", json=body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["max_concurrent_jobs"] == 5
    assert made["credentials_hint"] == ""  # too short to show any of it
    assert (made["is_mine"], made["is_house"], made["is_shared"]) == (True, False, False)
    url = f"/api/v1/accounts/{made['id']}"
    tested = (await ada.client.post(f"{url}/test")).json()
    assert tested["ok"] is True
    assert tested["credits"] == 100_000
    assert (await ada.client.get(url)).json()["credits"] == 100_000
    changed = await ada.client.patch(url, json={"name": "Other", "priority": 3})
    assert (changed.json()["name"], changed.json()["priority"]) == ("Other", 3)
    off = await ada.client.patch(url, json={"is_enabled": False})
    assert off.json()["status"] == "disabled"
    problem(
        await ada.client.patch(url, json={"base_url": "https://a.example"}), 422, "invalid_input"
    )
    replaced = await ada.client.patch(url, json={"credentials": {"api_key": "sk-wrong"}})
    assert replaced.status_code == 200
    tested = (await ada.client.post(f"{url}/test")).json()
    assert tested["ok"] is False
    assert tested["message"]
    assert (await ada.client.post(f"{url}/credits", json={"credits": 12.5})).json()[
        "credits"
    ] == 12.5
    assert (await ada.client.delete(url)).status_code == 204
    problem(await ada.client.get(url), 404, "account_not_found")


async def test_a_provider_that_cannot_be_reached(ada: Person, container: Container) -> None:
    answer = await ada.client.post("/api/v1/accounts", json=account(base_url="https://127.0.0.2"))
    tested = await ada.client.post(f"/api/v1/accounts/{answer.json()['id']}/test")
    assert tested.status_code == 200
    assert tested.json()["ok"] is False


async def test_accounts_of_the_house(ada: Person, admin: Person) -> None:
    problem(
        await ada.client.post("/api/v1/accounts", json=account(is_house=True)), 403, "admins_only"
    )
    made = (await admin.client.post("/api/v1/accounts", json=account(is_house=True))).json()
    assert (made["is_house"], made["is_shared"]) == (True, True)
    seen = (await ada.client.get(f"/api/v1/accounts/{made['id']}")).json()
    assert seen["may_edit"] is False
    overview = (await admin.client.get("/api/v1/admin/overview")).json()
    assert overview["health"]["status"] == "ok"
    states = {item["provider_id"]: item["accounts_by_status"] for item in overview["providers"]}
    assert states == {"local": {"active": 1}, "pixverse": {"active": 1}}


async def test_the_built_in_renderer_needs_no_test(ada: Person, admin: Person) -> None:
    local = (await ada.client.get("/api/v1/accounts")).json()["items"][0]
    assert local["has_credentials"] is False
    tested = (await admin.client.post(f"/api/v1/accounts/{local['id']}/test")).json()
    assert tested == {"ok": True, "message": "It needs no key.", "credits": None}


# --- people -----------------------------------------------------------------------------------


async def test_people_are_managed(admin: Person, people: People) -> None:
    body: dict[str, Any] = {
        "email": "new@example.com",
        "username": "newcomer",
        "password": "a long enough one",
        "quotas": {"max_daily_jobs": 3, "max_assets": None},
    }
    answer = await admin.client.post("/api/v1/users", json=body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["quotas"]["max_daily_jobs"] == 3
    assert made["quotas"]["max_assets"] is None
    assert "password" not in set(made)
    assert body["password"] not in str(made)
    taken = problem(await admin.client.post("/api/v1/users", json=body), 409, "user_exists")
    assert field(taken, "email")
    url = f"/api/v1/users/{made['id']}"
    changed = await admin.client.patch(
        url, json={"role": "admin", "quotas": {"max_daily_jobs": None}}
    )
    assert changed.json()["role"] == "admin"
    assert changed.json()["quotas"] == {**made["quotas"], "max_daily_jobs": None}
    new = {"password": "another long enough"}
    assert (await admin.client.patch(url, json=new)).status_code == 200
    login = {"email": body["email"], **new}
    assert (await people.stranger().post("/api/v1/auth/login", json=login)).status_code == 200
    assert (await admin.client.delete(url)).status_code == 204
    answer = await people.stranger().post("/api/v1/auth/login", json=login)
    problem(answer, 401, "bad_credentials")
    assert (await admin.client.get(url)).json()["is_active"] is False
    short = {**body, "email": "x", "password": "short"}
    refused = problem(await admin.client.post("/api/v1/users", json=short), 422, "invalid_input")
    assert {item["field"] for item in refused["fields"]} == {"email", "password"}
    me = f"/api/v1/users/{admin.user.id}"
    problem(await admin.client.patch(me, json={"role": "user"}), 409, "last_admin")
    page = (await admin.client.get("/api/v1/users?limit=1")).json()
    assert page["next_cursor"]


async def test_people_change_their_own_name(ada: Person) -> None:
    answer = await ada.client.patch("/api/v1/users/me", json={"username": "lovelace"})
    assert answer.json()["username"] == "lovelace"
    answer = await ada.client.patch("/api/v1/users/me", json={"role": "admin"})
    problem(answer, 422, "invalid_input")


# --- workspaces -------------------------------------------------------------------------------


async def test_workspaces(ada: Person) -> None:
    made = (await ada.client.post("/api/v1/workspaces", json={"name": "Spring"})).json()
    url = f"/api/v1/workspaces/{made['id']}"
    again = await ada.client.post("/api/v1/workspaces", json={"name": "spring"})
    problem(again, 409, "workspace_name_taken")
    changed = await ada.client.patch(url, json={"description": "Films"})
    assert (changed.json()["name"], changed.json()["description"]) == ("Spring", "Films")
    assert (await ada.client.delete(url)).status_code == 204
    problem(await ada.client.get(url), 404, "workspace_not_found")
