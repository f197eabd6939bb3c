"""The gallery over HTTP: what the web app asks for."""

import base64
import io
import zipfile
from typing import Any

from pixsim7_backend.workers.worker import Worker
from tests.api.conftest import Person, field, problem
from tests.api.test_media import uploaded
from tests.services.asset.support import png


async def brought(person: Person, *colours: str) -> list[str]:
    ids = []
    for colour in colours:
        files = {"file": (f"{colour}.png", png(colour))}
        answer = await person.client.post("/api/v1/assets", files=files)
        assert answer.status_code == 201, answer.text
        ids.append(answer.json()["id"])
    return ids


async def layout(person: Person, query: str = "") -> dict[str, Any]:
    answer = await person.client.get(f"/api/v1/assets/layout{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def window(person: Person, snapshot: str, query: str = "") -> list[Any]:
    answer = await person.client.get(f"/api/v1/assets/snapshots/{snapshot}{query}")
    assert answer.status_code == 200, answer.text
    items: list[Any] = answer.json()["items"]
    return items


async def bulk(person: Person, **body: Any) -> dict[str, int]:
    answer = await person.client.post("/api/v1/assets/bulk", json=body)
    assert answer.status_code == 200, answer.text
    counts: dict[str, int] = answer.json()
    return counts


async def test_a_layout_and_its_windows(ada: Person) -> None:
    red, lime, blue = await brought(ada, "red", "lime", "blue")
    whole = await layout(ada, "?time_zone=Europe/Berlin")
    assert set(whole) == {"snapshot", "total", "ratios", "days"}
    assert sum(day["count"] for day in whole["days"]) == whole["total"] == 3
    ratios = [2 ** ((byte - 128) / 48) for byte in base64.b64decode(whole["ratios"])]
    tiles = await window(ada, whole["snapshot"])
    assert [tile["id"] for tile in tiles] == [blue, lime, red]
    assert [tile["ratio"] for tile in tiles] == [round(ratio, 4) for ratio in ratios]
    assert "recipe" not in tiles[0]
    second = await window(ada, whole["snapshot"], "?offset=1&limit=1")
    assert [tile["id"] for tile in second] == [lime]
    for wrong in ("?sort=best", "?rating_min=9", "?time_zone=Mars/Olympus", "?kind=video"):
        answer = await ada.client.get(f"/api/v1/assets/layout{wrong}")
        assert field(problem(answer, 422, "invalid_input"), wrong[1:].partition("=")[0])
    answer = await ada.client.get(f"/api/v1/assets/snapshots/{whole['snapshot']}?limit=513")
    problem(answer, 422, "invalid_input")


async def test_tags_may_be_repeated(ada: Person) -> None:
    [red, lime] = await brought(ada, "red", "lime")
    await bulk(ada, action="tag", ids=[red, lime], value=["a"])
    await bulk(ada, action="tag", ids=[red], value=["b"])
    assert (await layout(ada, "?tag=a"))["total"] == 2
    assert (await layout(ada, "?tag=a&tag=b"))["total"] == 1
    listed = await ada.client.get("/api/v1/assets?tag=a&tag=b")
    assert [item["id"] for item in listed.json()["items"]] == [red]


async def test_to_the_trash_and_back(ada: Person) -> None:
    red, lime, _ = await brought(ada, "red", "lime", "blue")
    snapshot = (await layout(ada))["snapshot"]
    assert (await ada.client.delete(f"/api/v1/assets/{red}")).status_code == 204
    assert (await ada.client.delete(f"/api/v1/assets/{red}")).status_code == 204
    assert [tile and tile["id"] for tile in await window(ada, snapshot)][2] is None
    assert (await ada.client.get(f"/api/v1/assets/{red}")).json()["trashed_at"]
    trash = await layout(ada, "?is_trashed=true")
    assert [tile["id"] for tile in await window(ada, trash["snapshot"])] == [red]
    counts = await bulk(ada, action="trash", snapshot=snapshot, **{"except": [lime]})
    assert counts == {"matched": 1, "changed": 1, "in_use": 0}
    counts = await bulk(ada, action="restore", snapshot=snapshot, **{"except": [lime]})
    assert counts == {"matched": 2, "changed": 2, "in_use": 0}
    assert (await layout(ada))["total"] == 3
    await ada.client.delete(f"/api/v1/assets/{lime}?permanent=true")
    problem(await ada.client.get(f"/api/v1/assets/{lime}"), 404, "asset_not_found")
    assert await bulk(ada, action="delete", snapshot=snapshot) == {
        "matched": 2,
        "changed": 2,
        "in_use": 0,
    }
    assert (await layout(ada))["total"] == 0


async def test_wrong_selections(ada: Person) -> None:
    [red] = await brought(ada, "red")
    snapshot = (await layout(ada))["snapshot"]
    post = ada.client.post
    selections: list[dict[str, Any]] = [
        {},
        {"ids": [red], "snapshot": snapshot},
        {"ids": [red], "except": [red]},
        {"ids": []},
        {"snapshot": snapshot, "except": "all"},
    ]
    for wrong in selections:
        answer = await post("/api/v1/assets/bulk", json={"action": "trash", **wrong})
        problem(answer, 422, "invalid_input")
        problem(await post("/api/v1/assets/archive", json=wrong), 422, "invalid_input")
    answer = await post("/api/v1/assets/bulk", json={"action": "rate", "value": 6, "ids": [red]})
    problem(answer, 422, "invalid_input")
    assert (await layout(ada))["total"] == 1


async def test_an_archive_of_a_snapshot(ada: Person) -> None:
    red, lime, _ = await brought(ada, "red", "lime", "blue")
    snapshot = (await layout(ada, "?sort=oldest"))["snapshot"]
    await ada.client.delete(f"/api/v1/assets/{lime}")
    body = {"snapshot": snapshot, "except": [red]}
    answer = await ada.client.post("/api/v1/assets/archive", json=body)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["blue.png"]
    body = {
        "snapshot": snapshot,
        "except": [item["id"] for item in await window(ada, snapshot) if item],
    }
    problem(await ada.client.post("/api/v1/assets/archive", json=body), 409, "asset_not_ready")


async def test_a_detail_says_all_there_is(ada: Person, worker: Worker) -> None:
    asset = await uploaded(ada)
    while not asset["urls"]["thumbnail_480"]:
        asset = (await ada.client.get(f"/api/v1/assets/{asset['id']}")).json()
    files = {item["kind"]: item for item in asset["files"]}
    assert {"original", "poster", "thumb_240"} <= set(files)
    assert files["original"]["sha256"] == asset["sha256"]
    assert [item["id"] for item in asset["lineage"]["assets"]] == [asset["id"]]
    assert (asset["versions"], asset["duplicates"]) == ([], [])


async def test_a_recipe_can_be_asked_for_as_it_is(ada: Person, worker: Worker) -> None:
    asked: dict[str, Any] = {"provider_id": "local", "operation_type": "text_to_image"}
    asked["params"] = {"prompt": "sunset over mountains"}
    made = await ada.client.post("/api/v1/jobs", json=asked)
    assert made.status_code == 202, made.text
    page: list[Any] = []
    while not page:
        page = (await ada.client.get("/api/v1/assets")).json()["items"]
    recipe = page[0]["recipe"]
    assert set(recipe) == {"provider_id", "operation_type", "params"}
    again = await ada.client.post("/api/v1/jobs", json=recipe)
    assert again.status_code == 202, again.text
