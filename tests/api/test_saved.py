"""Presets, saved views and workspaces: what a person keeps."""

import asyncio
from typing import Any

from pixsim7_backend.bootstrap.container import Container
from tests.api.conftest import Person, field, problem
from tests.conftest import Factory, eventually, running_worker

PRESET = {
    "name": "Sea at dawn",
    "provider_id": "local",
    "operation_type": "text_to_video",
    "params": {"quality": "360p"},
}


async def test_presets_are_kept_changed_and_forgotten(ada: Person, bob: Person) -> None:
    made = (await ada.client.post("/api/v1/presets", json=PRESET)).json()
    assert made["params"] == PRESET["params"]
    twice = await ada.client.post("/api/v1/presets", json={**PRESET, "name": "SEA at dawn"})
    field(problem(twice, 409, "preset_name_taken"), "name")
    assert (await bob.client.post("/api/v1/presets", json=PRESET)).status_code == 201
    url = f"/api/v1/presets/{made['id']}"
    changed = (await ada.client.patch(url, json={"params": {"duration": 3}})).json()
    assert (changed["name"], changed["params"]) == ("Sea at dawn", {"duration": 3})
    for request in (bob.client.patch(url, json={"name": "x"}), bob.client.delete(url)):
        problem(await request, 404, "preset_not_found")
    assert (await ada.client.delete(url)).status_code == 204
    assert (await ada.client.get("/api/v1/presets")).json() == {"items": []}
    huge = {**PRESET, "params": {"prompt": "x" * 70_000}}
    field(
        problem(await ada.client.post("/api/v1/presets", json=huge), 422, "invalid_input"), "params"
    )


async def test_views_are_bounded_also_when_made_at_once(ada: Person) -> None:
    async def make(number: int) -> int:
        body = {"name": f"view {number}", "query": "?kind=video"}
        return (await ada.client.post("/api/v1/views", json=body)).status_code

    codes = [
        code
        for start in range(0, 110, 10)
        for code in await asyncio.gather(*(make(number) for number in range(start, start + 10)))
    ]
    assert (codes.count(201), codes.count(429)) == (100, 10)
    items = (await ada.client.get("/api/v1/views")).json()["items"]
    assert len(items) == 100
    url = f"/api/v1/views/{items[0]['id']}"
    changed = (await ada.client.patch(url, json={"query": "?fav=true"})).json()
    assert changed["query"] == "?fav=true"
    assert (await ada.client.delete(url)).status_code == 204


async def test_a_workspace_shows_what_is_in_it(
    ada: Person, container: Container, make: Factory
) -> None:
    defaults = {"operation_type": "text_to_image", "provider_id": "local", "priority": 2}
    answer = await ada.client.post(
        "/api/v1/workspaces", json={"name": "Spring", "defaults": defaults}
    )
    made = answer.json()
    assert made["defaults"] == {**defaults, "model": None}
    assert (made["asset_count"], made["job_count"], made["covers"]) == (0, 0, [])
    await make.pixverse_account()
    job = await make.job(ada.user, workspace_id=made["id"])
    url = f"/api/v1/workspaces/{made['id']}"

    async def shown() -> dict[str, Any]:
        return dict((await ada.client.get(url)).json())

    assert (await shown())["active_jobs"] == 1

    async def has_cover() -> bool:
        return len((await shown())["covers"]) == 1

    async with running_worker(container):
        await eventually(has_cover)
    body = await shown()
    assert (body["asset_count"], body["job_count"], body["active_jobs"]) == (1, 1, 0)
    assert body["spent_this_month"] == float(job.estimated_credits)
    assert (await ada.client.get(body["covers"][0]["thumbnail"])).status_code == 200
    changed = (await ada.client.patch(url, json={"defaults": {"model": "v6"}})).json()
    assert changed["defaults"] == {
        "operation_type": None, "provider_id": None, "model": "v6", "priority": None,
    }  # fmt: skip
    renamed = (await ada.client.patch(url, json={"name": "Summer"})).json()
    assert renamed["defaults"]["model"] == "v6"
