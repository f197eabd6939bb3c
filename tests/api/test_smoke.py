"""The whole way over real HTTP: sign in, create, watch, fetch the film."""

import asyncio

from pixsim7_backend.workers.worker import Worker
from tests.api.conftest import Person


async def test_a_film_from_prompt_to_bytes(ada: Person, worker: Worker) -> None:
    body = {
        "provider_id": "local",
        "operation_type": "text_to_video",
        "params": {"prompt": "sunset over mountains", "quality": "360p", "duration": 1},
    }
    created = await ada.client.post("/api/v1/jobs", json=body)
    assert created.status_code == 202, created.text
    job = created.json()
    async with asyncio.timeout(50):
        while job["status"] not in ("completed", "failed"):
            await asyncio.sleep(0.1)
            job = (await ada.client.get(f"/api/v1/jobs/{job['id']}")).json()
        assert job["status"] == "completed", job
        asset = (await ada.client.get(f"/api/v1/assets/{job['asset_id']}")).json()
        while not asset["urls"]["poster"]:
            await asyncio.sleep(0.1)
            asset = (await ada.client.get(f"/api/v1/assets/{job['asset_id']}")).json()
    film = await ada.client.get(f"/api/v1/assets/{asset['id']}/file")
    assert film.headers["content-type"] == "video/mp4"
    assert len(film.content) == asset["size_bytes"]
    for name, url in asset["urls"].items():
        if url is None:
            continue
        answer = await ada.client.get(url, headers={"Authorization": ""})
        assert answer.status_code in (200, 401), (name, answer.text)
