"""Credentials, cookies, scopes, headers: who gets in, and from where."""

from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI

from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.main import create_app
from tests.api.conftest import People, Person, problem, serving
from tests.api.test_problems import job
from tests.conftest import PASSWORD

CLIENT = {"X-PixSim7-Client": "web"}


async def cookie_client(people: People, person: Person) -> tuple[httpx.AsyncClient, httpx.Response]:
    client = people.stranger()
    body = {"email": person.user.email, "password": PASSWORD, "cookie": True}
    answer = await client.post("/api/v1/auth/login", json=body, headers=CLIENT)
    assert answer.status_code == 200, answer.text
    return client, answer


# --- signing in -------------------------------------------------------------------------------


async def test_login_answers_as_documented(people: People, ada: Person) -> None:
    assert set(ada.tokens) == {
        "access_token", "refresh_token", "token_type", "expires_in", "user",
    }  # fmt: skip
    assert ada.tokens["token_type"] == "bearer"
    me = (await ada.client.get("/api/v1/auth/me")).json()
    assert me == {**ada.tokens["user"], "last_login_at": me["last_login_at"]}
    assert me["quotas"]["max_daily_jobs"] is None


async def test_wrong_passwords_and_unknown_people_are_the_same(people: People, ada: Person) -> None:
    told = []
    for email in (ada.user.email, "nobody@example.com"):
        answer = await people.stranger().post(
            "/api/v1/auth/login", json={"email": email, "password": "wrong"}
        )
        body = problem(answer, 401, "bad_credentials")
        told.append({**body, "request_id": ""})
        assert "set-cookie" not in answer.headers
    assert told[0] == told[1]


async def test_refresh_and_reuse(people: People, ada: Person) -> None:
    client = people.stranger()
    body = {"refresh_token": ada.tokens["refresh_token"]}
    answer = await client.post("/api/v1/auth/refresh", json=body)
    assert answer.status_code == 200, answer.text
    fresh = answer.json()
    assert fresh["refresh_token"] != body["refresh_token"]
    client.headers["Authorization"] = f"Bearer {fresh['access_token']}"
    assert (await client.get("/api/v1/auth/me")).status_code == 200
    wrong = await people.stranger().post("/api/v1/auth/refresh", json={"refresh_token": "x" * 43})
    problem(wrong, 401, "session_ended")
    problem(await people.stranger().post("/api/v1/auth/refresh"), 401, "unauthenticated")


async def test_a_revoked_session_is_out_at_once(people: People, ada: Person) -> None:
    second = people.stranger()
    body = {"email": ada.user.email, "password": PASSWORD}
    tokens = (await second.post("/api/v1/auth/login", json=body)).json()
    second.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    sessions = (await second.get("/api/v1/auth/sessions")).json()["items"]
    assert [item["is_current"] for item in sessions] == [True, False]
    answer = await second.delete(f"/api/v1/auth/sessions/{sessions[1]['id']}")
    assert answer.status_code == 204
    problem(await ada.client.get("/api/v1/auth/me"), 401, "session_ended")
    assert (await second.get("/api/v1/auth/me")).status_code == 200
    assert (await second.post("/api/v1/auth/logout")).status_code == 204
    problem(await second.get("/api/v1/auth/me"), 401, "session_ended")


async def test_a_new_password_ends_all_else(people: People, ada: Person) -> None:
    token = await ada.api_token("read")
    body = {"current_password": PASSWORD, "new_password": "another long password"}
    assert (await ada.client.post("/api/v1/auth/password", json=body)).status_code == 204
    assert (await ada.client.get("/api/v1/auth/me")).status_code == 200
    program = people.stranger(Authorization=f"Bearer {token}")
    problem(await program.get("/api/v1/auth/me"), 401, "unauthenticated")
    wrong = await ada.client.post("/api/v1/auth/password", json=body)
    assert problem(wrong, 422, "invalid_input")["fields"][0]["field"] == "current_password"


async def test_odd_authorization_headers(people: People) -> None:
    for header in ("Basic dTpw", "Bearer", "bearer x.y.z", "px7_abc", "Bearer px7_abc"):
        client = people.stranger(Authorization=header)
        problem(await client.get("/api/v1/auth/me"), 401, "unauthenticated")


async def test_tokens_in_the_address_are_refused(people: People, ada: Person) -> None:
    for name in ("token", "access_token", "api_key"):
        query = {name: ada.tokens["access_token"]}
        for client in (people.stranger(), ada.client):
            answer = await client.get("/api/v1/auth/me", params=query)
            assert "eyJ" not in str(problem(answer, 401, "token_in_url"))


# --- API tokens -------------------------------------------------------------------------------


async def test_scopes(people: People, ada: Person) -> None:
    asked: list[tuple[str, str, Any, set[str]]] = [
        ("GET", "/jobs", None, {"read", "generate", "manage"}),
        ("GET", "/auth/me", None, {"read", "generate", "manage"}),
        ("POST", "/jobs", job(), {"generate"}),
        ("POST", "/jobs/estimate", job(), {"read", "generate", "manage"}),
        ("POST", "/workspaces", {"name": "w"}, {"manage"}),
        ("DELETE", f"/assets/{uuid4()}", None, {"manage"}),
        ("POST", "/accounts", {"provider_id": "local", "name": "n"}, {"manage"}),
        ("POST", "/auth/tokens", {"name": "n", "scopes": ["read"]}, set()),
        ("GET", "/auth/sessions", None, set()),
        ("POST", "/auth/password", {"current_password": "a", "new_password": "b"}, set()),
        ("GET", "/users", None, set()),
    ]
    for scope in ("read", "generate", "manage"):
        token = await ada.api_token(scope)
        program = people.stranger(Authorization=f"Bearer {token}")
        for method, path, body, allowed in asked:
            answer = await program.request(method, f"/api/v1{path}", json=body)
            if scope in allowed:
                assert answer.status_code < 300 or answer.status_code == 404, (scope, path)
            else:
                assert answer.status_code == 403, (scope, path, answer.text)


async def test_an_administrators_token_needs_the_scope_too(people: People, admin: Person) -> None:
    for scope, status in (("read", 403), ("generate", 403), ("manage", 200)):
        program = people.stranger(Authorization=f"Bearer {await admin.api_token(scope)}")
        assert (await program.get("/api/v1/users")).status_code == status


# --- cookies and CSRF -------------------------------------------------------------------------


async def test_cookies_are_sealed(people: People, ada: Person) -> None:
    client, answer = await cookie_client(people, ada)
    body = answer.json()
    assert body["access_token"] is None
    assert body["refresh_token"] is None
    cookies = {line.partition("=")[0]: line for line in answer.headers.get_list("set-cookie")}
    session, refresh = cookies["px7_session"], cookies["px7_refresh"]
    assert "HttpOnly" in session
    assert "SameSite=lax" in session
    assert "HttpOnly" in refresh
    assert "SameSite=strict" in refresh
    assert "Path=/api/v1/auth" in refresh
    assert (await client.get("/api/v1/auth/me")).status_code == 200


async def test_cookies_under_https_have_their_prefix(
    people: People, ada: Person, app: FastAPI
) -> None:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="https://localhost") as client:
        body = {"email": ada.user.email, "password": PASSWORD, "cookie": True}
        answer = await client.post("/api/v1/auth/login", json=body, headers=CLIENT)
        lines = answer.headers.get_list("set-cookie")
        assert lines[0].startswith("__Host-px7_session=")
        assert lines[1].startswith("__Secure-px7_refresh=")
        assert all("Secure" in line for line in lines)
        assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
        # A cookie that a sibling host or plain http could have set does not count.
        client.cookies.clear()
        client.cookies.set("px7_session", ada.tokens["access_token"])
        problem(await client.get("/api/v1/auth/me"), 401, "unauthenticated")


async def test_cookies_need_https_or_loopback(people: People, ada: Person, app: FastAPI) -> None:
    body = {"email": ada.user.email, "password": PASSWORD, "cookie": True}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://192.168.1.5") as client:
        answer = await client.post("/api/v1/auth/login", json=body, headers=CLIENT)
        problem(answer, 403, "insecure_cookies")
    problem(await people.stranger().post("/api/v1/auth/login", json=body), 403, "csrf_refused")


async def test_csrf(people: People, ada: Person) -> None:
    client, _ = await cookie_client(people, ada)
    own = people.base_url
    good = {"Origin": own, **CLIENT}
    bad: list[dict[str, str]] = [
        {},
        CLIENT,
        {"Origin": own},
        {"Origin": "null", **CLIENT},
        {"Origin": "https://evil.example", **CLIENT},
        {"Origin": own.replace("127.0.0.1", "127.0.0.1.evil.example"), **CLIENT},
        {"Origin": own + ".evil.example", **CLIENT},
        {"Origin": own.rsplit(":", 1)[0], **CLIENT},
        {"Origin": "file://", **CLIENT},
    ]
    for headers in bad:
        answer = await client.post("/api/v1/workspaces", json={"name": "x"}, headers=headers)
        problem(answer, 403, "csrf_refused")
        answer = await client.delete(f"/api/v1/workspaces/{uuid4()}", headers=headers)
        problem(answer, 403, "csrf_refused")
    assert (await client.get("/api/v1/workspaces")).json()["items"] == []
    answer = await client.post("/api/v1/workspaces", json={"name": "x"}, headers=good)
    assert answer.status_code == 201, answer.text
    # A bearer token is nothing ambient.
    answer = await ada.client.post("/api/v1/workspaces", json={"name": "y"})
    assert answer.status_code == 201


async def test_another_site_cannot_sign_somebody_in(people: People, ada: Person) -> None:
    answer = await people.stranger().post(
        "/api/v1/auth/login",
        json={"email": ada.user.email, "password": PASSWORD, "cookie": True},
        headers={"Origin": "https://evil.example", **CLIENT},
    )
    problem(answer, 403, "csrf_refused")


async def test_refresh_by_cookie(people: People, ada: Person) -> None:
    client, first = await cookie_client(people, ada)
    good = {"Origin": people.base_url, **CLIENT}
    problem(await client.post("/api/v1/auth/refresh"), 403, "csrf_refused")
    answer = await client.post("/api/v1/auth/refresh", headers=good)
    assert answer.status_code == 200, answer.text
    assert answer.json()["access_token"] is None
    assert answer.headers["set-cookie"] != first.headers["set-cookie"]
    assert (await client.post("/api/v1/auth/logout", headers=good)).status_code == 204
    assert dict(client.cookies) == {}
    problem(await client.post("/api/v1/auth/logout", headers=good), 401, "unauthenticated")


async def test_signing_out_after_the_access_token_ran_out(people: People, ada: Person) -> None:
    client, _ = await cookie_client(people, ada)
    good = {"Origin": people.base_url, **CLIENT}
    del client.cookies["px7_session"]
    assert (await client.post("/api/v1/auth/logout", headers=good)).status_code == 204
    assert len((await ada.client.get("/api/v1/auth/sessions")).json()["items"]) == 1
    token = await ada.api_token("manage")
    program = people.stranger(Authorization=f"Bearer {token}")
    problem(await program.post("/api/v1/auth/logout"), 403, "session_only")


async def test_presence(people: People, ada: Person) -> None:
    nobody = (await people.stranger().get("/api/v1/auth/presence")).json()
    assert nobody["user"] is None
    somebody = (await ada.client.get("/api/v1/auth/presence")).json()
    assert somebody["user"]["id"] == str(ada.user.id)


# --- around every request ---------------------------------------------------------------------


async def test_security_headers_are_everywhere(people: People, ada: Person) -> None:
    for path in ("/health/live", "/api/v1/nothing", "/api/v1/jobs", "/docs", "/openapi.json"):
        for client in (people.stranger(), ada.client):
            headers = (await client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff", path
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["x-frame-options"] == "DENY"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert headers["cache-control"] == "no-store"
            assert len(headers["x-request-id"]) == 16


async def test_no_cross_origin_answers(people: People, ada: Person) -> None:
    answer = await people.stranger().options(
        "/api/v1/jobs",
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
    )
    assert answer.status_code == 405
    answer = await ada.client.get("/api/v1/jobs", headers={"Origin": "https://evil.example"})
    assert not any(name.startswith("access-control") for name in answer.headers)


async def test_unknown_hosts_are_refused(people: People, ada: Person) -> None:
    for host in ("evil.example", "evil.example:8000", "localhost.evil.example", ""):
        answer = await ada.client.get("/api/v1/jobs", headers={"Host": host})
        assert answer.status_code == 400, host
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:80", "192.168.0.7:8000"):
        answer = await ada.client.get("/api/v1/jobs", headers={"Host": host})
        assert answer.status_code == 200, host


async def test_named_hosts_and_public_urls_are_known(container: Container) -> None:
    settings = container.settings.model_copy(
        update={
            "allowed_hosts": frozenset({"studio.lan"}),
            "public_url": "https://pixsim.example.com",
        }
    )
    async with serving(create_app(container, settings)) as url, httpx.AsyncClient() as client:
        for host in ("studio.lan", "pixsim.example.com"):
            answer = await client.get(f"{url}/health/live", headers={"Host": host})
            assert answer.status_code == 200


async def test_behind_a_proxy_that_ends_tls(container: Container, ada: Person) -> None:
    settings = container.settings.model_copy(update={"public_url": "https://pixsim.example.com"})
    async with serving(create_app(container, settings)) as url, httpx.AsyncClient() as client:
        answer = await client.post(
            f"{url}/api/v1/auth/login",
            json={"email": ada.user.email, "password": PASSWORD, "cookie": True},
            headers={
                "Host": "pixsim.example.com",
                "Origin": "https://pixsim.example.com",
                **CLIENT,
            },
        )
        assert answer.status_code == 200, answer.text
        assert answer.headers["set-cookie"].startswith("__Host-px7_session=")
        assert "strict-transport-security" in answer.headers
        afar = await client.get(f"{url}/metrics", headers={"Host": "pixsim.example.com"})
        problem(afar, 401, "unauthenticated")


async def test_metrics_and_documentation(people: People, ada: Person, app: FastAPI) -> None:
    await ada.client.get(f"/api/v1/jobs/{uuid4()}")
    text = (await people.stranger().get("/metrics")).text
    assert 'route="/api/v1/jobs/{job_id}"' in text
    page = await people.stranger().get("/docs")
    assert "jobs_create" in page.text
    assert "<script" not in page.text
    transport = httpx.ASGITransport(app=app, client=("203.0.113.9", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as afar:
        for path in ("/metrics", "/docs", "/openapi.json"):
            problem(await afar.get(path), 401, "unauthenticated")
        assert (await afar.get("/health/live")).status_code == 200


async def test_settings_show_no_password(admin: Person, container: Container) -> None:
    text = (await admin.client.get("/api/v1/admin/settings")).text
    url = container.settings.database_url or ""
    password = url.partition("@")[0].rpartition(":")[2]
    assert password
    assert password not in text
