"""Every wrong input is a problem that names the field, says what is allowed, and echoes nothing."""

import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from PIL import Image

from pixsim7_backend.api import errors
from pixsim7_backend.domain.user import QuotaExceeded
from pixsim7_backend.infrastructure.storage.errors import BlobTooLarge
from pixsim7_backend.shared.errors import LimitReached, PixSimError, Unavailable
from tests.api.conftest import People, Person, field, problem


def job(**changes: Any) -> dict[str, Any]:
    params = {"prompt": "sunset", "model": "v5.5", "quality": "720p", "duration": 5}
    body = {"provider_id": "pixverse", "operation_type": "text_to_video", "params": params}
    body["params"] = {**params, **changes.pop("params", {})}
    return {**body, **changes}


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 90, 30)).save(file, "PNG")
    return file.getvalue()


async def refused(person: Person, body: dict[str, Any], code: str) -> dict[str, Any]:
    return problem(await person.client.post("/api/v1/jobs", json=body), 422, code)


async def test_unknown_provider(ada: Person) -> None:
    found = field(await refused(ada, job(provider_id="sora"), "invalid_job"), "provider_id")
    assert found["allowed"] == ["local", "pixverse"]


async def test_operation_not_offered(ada: Person) -> None:
    body = job(operation_type="text_to_image")
    found = field(await refused(ada, body, "invalid_job"), "operation_type")
    assert "text_to_video" in found["allowed"]
    assert "text_to_image" not in found["allowed"]


async def test_operation_that_does_not_exist(ada: Person) -> None:
    body = job(operation_type="text_to_smell")
    found = field(await refused(ada, body, "invalid_input"), "operation_type")
    assert "fusion" in found["allowed"]


async def test_1080p_with_ten_seconds_on_v55(ada: Person) -> None:
    body = await refused(ada, job(params={"quality": "1080p", "duration": 10}), "invalid_job")
    names = {item["field"] for item in body["fields"]}
    assert names & {"params.duration", "params.quality"}
    assert any(item["allowed"] for item in body["fields"])


async def test_wrong_parameters(ada: Person) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"prompt": "x" * 5000}, "params.prompt"),
        ({"prompt": ""}, "params.prompt"),
        ({"duration": -5}, "params.duration"),
        ({"duration": "long"}, "params.duration"),
        ({"quality": "8k"}, "params.quality"),
        ({"api_base": "https://evil.example"}, "params.api_base"),
    ]
    for params, name in cases:
        body = await refused(ada, job(params=params), "invalid_job")
        assert field(body, name)["message"]
        assert "evil" not in str(body["fields"])


async def test_wrong_types(ada: Person) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"priority": 11}, "priority"),
        ({"priority": -1}, "priority"),
        ({"priority": "high"}, "priority"),
        ({"priority": None}, "priority"),
        ({"params": "sunset"}, "params"),
        ({"scheduled_at": "tomorrow"}, "scheduled_at"),
        ({"workspace_id": "mine"}, "workspace_id"),
        ({"owner": "me"}, "owner"),
        ({"name": ""}, "name"),
    ]
    for change, name in cases:
        answer = await ada.client.post("/api/v1/jobs", json={**job(), **change})
        assert field(problem(answer, 422, "invalid_input"), name)["message"]


async def test_schedule_in_the_past(ada: Person) -> None:
    past = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    body = await refused(ada, job(scheduled_at=past), "invalid_job")
    assert field(body, "scheduled_at")["message"] == "must be in the future"


async def test_schedule_without_a_time_zone(ada: Person) -> None:
    body = await refused(ada, job(scheduled_at="2100-01-01T00:00:00"), "invalid_input")
    assert "time zone" in field(body, "scheduled_at")["message"]


async def test_foreign_asset_as_input_is_as_unknown_as_none(ada: Person, bob: Person) -> None:
    files = {"file": ("a.png", picture())}
    asset = (await bob.client.post("/api/v1/assets", files=files)).json()
    told = []
    for reference in (asset["id"], str(uuid4())):
        body = {
            "provider_id": "local",
            "operation_type": "image_to_video",
            "params": {"prompt": "pan", "image": reference},
        }
        found = field(await refused(ada, body, "invalid_job"), "params.image")
        told.append(found)
    assert told[0] == told[1]


async def test_foreign_workspace_and_parent(ada: Person, bob: Person) -> None:
    made = await bob.client.post("/api/v1/workspaces", json={"name": "Mine"})
    parent = await bob.client.post("/api/v1/jobs", json=job())
    for name, other in (("workspace_id", made), ("parent_job_id", parent)):
        foreign = await refused(ada, job(**{name: other.json()["id"]}), "invalid_job")
        unknown = await refused(ada, job(**{name: str(uuid4())}), "invalid_job")
        assert foreign["fields"] == unknown["fields"]
        assert foreign["detail"] == unknown["detail"]


async def test_broken_bodies(ada: Person) -> None:
    for body in (b"{", b"", b"[1]", b'"text"', b"\xff\xfe", b"null"):
        answer = await ada.client.post(
            "/api/v1/jobs", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in (400, 422)
        problem(answer, answer.status_code, answer.json()["code"])


async def test_broken_json_says_where(ada: Person) -> None:
    answer = await ada.client.post(
        "/api/v1/jobs", content=b'{"a": secret}', headers={"Content-Type": "application/json"}
    )
    assert "secret" not in str(problem(answer, 400, "invalid_json"))


async def test_json_needs_its_content_type(ada: Person) -> None:
    answer = await ada.client.post(
        "/api/v1/jobs", content=b"{}", headers={"Content-Type": "text/plain"}
    )
    problem(answer, 422, "invalid_input")


async def test_a_large_body_is_refused_whether_announced_or_not(ada: Person) -> None:
    answer = await ada.client.post("/api/v1/jobs", json=job(params={"prompt": "x" * 2_000_000}))
    problem(answer, 413, "body_too_large")

    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65536

    headers = {"Content-Type": "application/json"}
    answer = await ada.client.post("/api/v1/jobs", content=unannounced(), headers=headers)
    problem(answer, 413, "body_too_large")


async def test_unknown_address_and_method(ada: Person) -> None:
    problem(await ada.client.get("/api/v1/nothing"), 404, "not_found")
    answer = await ada.client.put("/api/v1/jobs", json={})
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"]


async def test_uploads_that_are_not_media(ada: Person) -> None:
    cases = [
        (b"", "empty.png"),
        (b"hello", "notes.txt"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image.svg"),
        (b"<html><script>alert(1)</script>", "image.png"),
        (b"#EXTM3U\nfile:///etc/passwd\n", "film.mp4"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "broken.png"),
    ]
    for content, name in cases:
        answer = await ada.client.post("/api/v1/assets", files={"file": (name, content)})
        body = problem(answer, 422, "not_media")
        assert field(body, "file")["message"]
    assert (await ada.client.get("/api/v1/assets")).json()["items"] == []


async def test_query_parameters_are_checked(ada: Person) -> None:
    for query in ("limit=0", "limit=1000", "status=lost", "sort=secret", "cursor=%21%21"):
        answer = await ada.client.get(f"/api/v1/jobs?{query}")
        assert problem(answer, 422, "invalid_input")["fields"], query


async def test_no_canary_comes_back(people: People, ada: Person, admin: Person) -> None:
    canary = "canary-7f3a9c"
    bodies: list[tuple[httpx.AsyncClient, str, str, Any]] = [
        (people.stranger(), "POST", "/auth/login", {"email": 1, "password": canary, "x": canary}),
        (people.stranger(), "POST", "/auth/login", {"email": canary, "password": [canary]}),
        (people.stranger(), "POST", "/auth/refresh", {"refresh_token": {"a": canary}}),
        (ada.client, "POST", "/auth/password", {"current_password": canary}),
        (ada.client, "POST", "/auth/password", {"current_password": [canary], "new_password": 1}),
        (ada.client, "POST", "/accounts", {"provider_id": "pixverse", "credentials": canary}),
        (
            ada.client,
            "POST",
            "/accounts",
            {"provider_id": "pixverse", "name": "a", "credentials": {"api_key": [canary]}},
        ),
        (admin.client, "POST", "/users", {"password": {"p": canary}}),
    ]
    for client, method, path, body in bodies:
        answer = await client.request(method, f"/api/v1{path}", json=body)
        assert 400 <= answer.status_code < 500, path
        assert canary not in answer.text, path


async def test_a_quota_is_429_without_a_promise_of_when(people: People) -> None:
    eve = await people.person(max_daily_jobs=1)
    assert (await eve.client.post("/api/v1/jobs", json=job())).status_code == 202
    answer = await eve.client.post("/api/v1/jobs", json=job())
    assert "00:00 UTC" in problem(answer, 429, "quota_exceeded")["detail"]
    assert "retry-after" not in answer.headers


def test_kinds_have_their_status() -> None:
    class Other(BlobTooLarge):
        pass

    expected: dict[type[PixSimError], int] = {
        LimitReached: 429,
        QuotaExceeded: 429,
        Other: 413,
        Unavailable: 503,
        errors.InvalidJson: 400,
    }
    for kind, status in expected.items():
        assert errors.status_of(kind) == status


async def test_an_unhandled_error_tells_nothing(
    people: People, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr("pixsim7_backend.services.job.job_service.JobService.list_jobs", broken)
    answer = await ada.client.get("/api/v1/jobs")
    assert "hunter2" not in str(problem(answer, 500, "internal_error"))
    assert answer.headers["x-content-type-options"] == "nosniff"
