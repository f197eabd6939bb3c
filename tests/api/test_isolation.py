"""Nobody can tell somebody else's thing from nothing: on every route with an id."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.domain.vocabulary import ErrorKind
from pixsim7_backend.main import PUBLIC, UnguardedRoute, create_app, require_guards
from tests.api.conftest import People, Person, problem
from tests.api.test_problems import job, picture

CREDENTIAL = "sk-very-secret-credential-0042"
SECRET = "whsec-another-secret-value-77"

BODIES: dict[str, Any] = {
    "jobs_update": {"name": "mine now"},
    "assets_update": {"name": "mine now"},
    "accounts_update": {"name": "mine now"},
    "accounts_set_credits": {"credits": 5},
    "accounts_grant": {"user_id": str(uuid4())},
    "workspaces_update": {"name": "mine now"},
    "users_update": {"role": "admin"},
    "webhooks_update": {"description": "mine now"},
    "webhooks_rotate_secret": {},
    "saved_update_preset": {"name": "mine now"},
    "saved_update_view": {"name": "mine now"},
}
HEADERS = {"uploads_append": {"Upload-Offset": "0"}}
NAMED = frozenset({"provider_id"})
"""Path parameters that are names, not anybody's ids."""


@dataclass
class Owned:
    """Everything of Bob that has an id."""

    ids: dict[str, str]


async def _things_of(bob: Person) -> Owned:
    client = bob.client
    made_job = (await client.post("/api/v1/jobs", json=job())).json()
    asset = (await client.post("/api/v1/assets", files={"file": ("a.png", picture())})).json()
    workspace = (await client.post("/api/v1/workspaces", json={"name": "Mine"})).json()
    account = (
        await client.post(
            "/api/v1/accounts",
            json={
                "provider_id": "pixverse",
                "name": "Private",
                "credentials": {"api_key": CREDENTIAL, "webhook_secret": SECRET},
            },
        )
    ).json()
    webhook = (
        await client.post("/api/v1/webhooks", json={"url": "https://example.com/hook"})
    ).json()
    delivery = (await client.post(f"/api/v1/webhooks/{webhook['id']}/test")).json()
    layout = (await client.get("/api/v1/assets/layout")).json()
    preset = {"name": "Mine", "provider_id": "local", "operation_type": "fusion", "params": {}}
    preset = (await client.post("/api/v1/presets", json=preset)).json()
    view = (await client.post("/api/v1/views", json={"name": "Mine", "query": "?"})).json()
    upload = {"name": "a.png", "size_bytes": 10}
    upload = (await client.post("/api/v1/uploads", json=upload)).json()
    sessions = (await client.get("/api/v1/auth/sessions")).json()
    await bob.api_token("read")
    tokens = (await client.get("/api/v1/auth/tokens")).json()
    return Owned(
        {
            "job_id": made_job["id"],
            "asset_id": asset["id"],
            "upload_id": str(upload["id"]),
            "snapshot_id": layout["snapshot"],
            "workspace_id": workspace["id"],
            "account_id": account["id"],
            "preset_id": str(preset["id"]),
            "view_id": view["id"],
            "session_id": sessions["items"][0]["id"],
            "token_id": tokens["items"][0]["id"],
            "webhook_id": webhook["id"],
            "delivery_id": delivery["id"],
            "user_id": str(bob.user.id),
        }
    )


def _routes_with_ids(app: FastAPI) -> list[tuple[str, str, str]]:
    found = []
    for context in iter_route_contexts(app.routes):
        path = context.path or ""
        names = set(re.findall(r"{(\w+)}", path)) - NAMED
        if names and path not in PUBLIC:
            found += [(method, path, context.unique_id) for method in context.methods or ()]
    return found


def _bare(answer: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    return {key: value for key, value in body.items() if key not in ("instance", "request_id")}


async def test_foreign_and_unknown_ids_answer_the_same(
    app: FastAPI, ada: Person, bob: Person
) -> None:
    owned = await _things_of(bob)
    routes = _routes_with_ids(app)
    assert len(routes) > 30
    for method, path, name in routes:
        answers = []
        for ids in (owned.ids, dict.fromkeys(owned.ids, str(uuid4()))):
            url = path.format(**ids)
            body = BODIES.get(name.removesuffix("_head"))
            headers = HEADERS.get(name)
            answers.append(await ada.client.request(method, url, json=body, headers=headers))
        foreign, unknown = answers
        expected = 403 if name.startswith("users_") else 404
        assert foreign.status_code == unknown.status_code == expected, (name, foreign.text)
        if method != "HEAD":
            assert _bare(foreign) == _bare(unknown), name
        interesting = {"content-type", "www-authenticate", "cache-control", "content-length"}
        for header in interesting:
            ours, theirs = foreign.headers.get(header), unknown.headers.get(header)
            assert ours == theirs, (name, header)


async def test_ids_in_bodies_are_asked_about_too(ada: Person, bob: Person) -> None:
    owned = await _things_of(bob)
    asset = (await ada.client.post("/api/v1/assets", files={"file": ("a.png", picture())})).json()
    for other in (owned.ids["asset_id"], str(uuid4())):
        bodies: list[tuple[str, dict[str, Any]]] = [
            ("/assets/bulk", {"action": "delete", "ids": [asset["id"], other]}),
            ("/assets/bulk", {"action": "tag", "ids": [other], "value": ["x"]}),
            ("/assets/archive", {"ids": [asset["id"], other]}),
        ]
        for path, body in bodies:
            problem(await ada.client.post(f"/api/v1{path}", json=body), 404, "asset_not_found")
        snapshot = {"snapshot": owned.ids["snapshot_id"]}
        for path, body in (("bulk", {"action": "trash", **snapshot}), ("archive", snapshot)):
            answer = await ada.client.post(f"/api/v1/assets/{path}", json=body)
            problem(answer, 404, "snapshot_not_found")
    move = {"action": "move", "ids": [asset["id"]], "value": owned.ids["workspace_id"]}
    problem(await ada.client.post("/api/v1/assets/bulk", json=move), 422, "invalid_input")
    assert (await ada.client.get(f"/api/v1/assets/{asset['id']}")).status_code == 200


async def test_lists_hold_only_ones_own(ada: Person, bob: Person) -> None:
    await _things_of(bob)
    lists = (
        "jobs",
        "assets",
        "uploads",
        "workspaces",
        "webhooks",
        "auth/tokens",
        "presets",
        "views",
    )
    for path in (f"/{name}" for name in lists):
        assert (await ada.client.get(f"/api/v1{path}")).json()["items"] == [], path
    accounts = (await ada.client.get("/api/v1/accounts")).json()["items"]
    assert [item["provider_id"] for item in accounts] == ["local"]
    layout = (await ada.client.get("/api/v1/assets/layout")).json()
    assert (layout["total"], layout["ratios"], layout["days"]) == (0, "", [])
    facets = (await ada.client.get("/api/v1/assets/facets")).json()["facets"]
    assert not any(facets.values())


async def test_no_answer_ever_holds_a_credential(app: FastAPI, bob: Person, admin: Person) -> None:
    owned = await _things_of(bob)
    asked = 0
    for context in iter_route_contexts(app.routes):
        if "GET" not in (context.methods or ()) or context.path == "/api/v1/events":
            continue
        url = (context.path or "").format(**{"provider_id": "pixverse", **owned.ids})
        for person in (bob, admin):
            answer = await person.client.get(url)
            assert CREDENTIAL not in answer.text, url
            assert SECRET not in answer.text, url
            assert "credentials_sealed" not in answer.text, url
            assert "whsec_" not in answer.text, url
            assert "argon2" not in answer.text, url
            asked += 1
    assert asked > 60
    account = (await bob.client.get(f"/api/v1/accounts/{owned.ids['account_id']}")).json()
    assert account["has_credentials"] is True
    assert account["credentials_hint"] == CREDENTIAL[-4:]


async def test_shared_accounts_show_little_to_those_who_only_use_them(
    ada: Person, bob: Person, container: Container
) -> None:
    owned = await _things_of(bob)
    url = f"/api/v1/accounts/{owned.ids['account_id']}"
    await bob.client.post(f"{url}/grants", json={"user_id": str(ada.user.id)})
    seen = (await ada.client.get(url)).json()
    assert seen["may_edit"] is False
    assert seen["credentials_hint"] == ""
    assert seen["base_url"] is None
    assert seen["granted_to"] == []
    problem(await ada.client.patch(url, json={"name": "mine"}), 403, "forbidden")
    problem(await ada.client.delete(url), 403, "forbidden")
    problem(await ada.client.post(f"{url}/credits", json={"credits": 1}), 403, "forbidden")
    await container.services.accounts.record_failure(
        UUID(owned.ids["account_id"]), "The provider says: key ending in 1234.", kind=ErrorKind.AUTH
    )
    made = await ada.client.post("/api/v1/jobs", json=job(provider_id="pixverse"))
    told = [
        (await ada.client.get(url)).text,
        (await ada.client.get("/api/v1/accounts")).text,
        (await ada.client.get(f"/api/v1/jobs/{made.json()['id']}/explain")).text,
        (await ada.client.post("/api/v1/jobs/estimate", json=job(provider_id="pixverse"))).text,
    ]
    assert all("Its owner has to look at it." in text for text in told)
    assert not any("1234" in text for text in told)
    assert "1234" in (await bob.client.get(url)).text
    await bob.client.delete(f"{url}/grants/{ada.user.id}")
    problem(await ada.client.get(url), 404, "account_not_found")


async def test_every_route_needs_a_credential(app: FastAPI, people: People) -> None:
    stranger = people.stranger()
    for context in iter_route_contexts(app.routes):
        path = context.path or ""
        if path in PUBLIC or not path.startswith("/api"):
            continue
        url = re.sub(r"{\w+}", str(uuid4()), path)
        for method in context.methods or ():
            answer = await stranger.request(method, url)
            assert answer.status_code == 401, (method, path, answer.text)
            assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_only_administrators_reach_administration(
    app: FastAPI, ada: Person, admin: Person
) -> None:
    for path in ("/users", "/admin/overview", "/admin/health", f"/users/{ada.user.id}"):
        problem(await ada.client.get(f"/api/v1{path}"), 403, "admins_only")
        assert (await admin.client.get(f"/api/v1{path}")).status_code == 200, path


def test_a_route_without_a_guard_stops_the_start(app: FastAPI) -> None:
    @app.get("/api/v1/secrets")
    async def secrets() -> str:
        return "all of them"

    with pytest.raises(UnguardedRoute, match="/api/v1/secrets"):
        require_guards(app)


def test_the_public_list_names_only_routes_that_exist(app: FastAPI) -> None:
    assert {context.path for context in iter_route_contexts(app.routes)} >= PUBLIC


def test_an_application_can_be_described_without_anything_running(app: FastAPI) -> None:
    assert create_app(settings=app.state.settings).openapi()["openapi"].startswith("3.1")
