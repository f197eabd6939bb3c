"""The story of a job over plain HTTP: what a person with curl would do and see."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.cli.serving import Server
from pixsim7_simulator import RunningSimulator
from tests.conftest import PASSWORD, STORY, Factory


@pytest.fixture
async def server_url(container: Container) -> AsyncIterator[str]:
    """`pixsim7 serve` with its worker, in this process, on a free port."""
    container.settings.port = 0
    server = Server(container)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(server.run(ready.set_result))
    yield await ready
    server.stop()
    await running


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for line in response.content:
        if line.startswith(b"data:"):
            yield json.loads(line[5:])


async def test_register_submit_watch_download(
    make: Factory, server_url: str, simulator: RunningSimulator
) -> None:
    admin = await make.user(role="admin")
    api = f"{server_url}/api/v1"
    async with aiohttp.ClientSession(raise_for_status=True) as http:
        login = {"email": admin.email, "password": PASSWORD}
        async with http.post(f"{api}/auth/login", json=login) as answer:
            token = (await answer.json())["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        account = {
            "provider_id": "pixverse",
            "name": "Studio key",
            "credentials": {"api_key": "sk-test-1"},
            "base_url": simulator.pixverse_url,
        }
        async with http.post(f"{api}/accounts", json=account, headers=headers) as answer:
            account_id = (await answer.json())["id"]
        async with http.post(f"{api}/accounts/{account_id}/test", headers=headers) as answer:
            assert (await answer.json())["ok"] is True

        async with http.get(f"{api}/events", headers=headers) as stream:
            job_request = {
                "provider_id": "pixverse",
                "operation_type": "text_to_video",
                "params": {"prompt": "sunset over mountains", "quality": "720p"},
            }
            async with http.post(f"{api}/jobs", json=job_request, headers=headers) as answer:
                assert answer.status == 202
                job = await answer.json()
            seen: list[dict[str, Any]] = []
            async with asyncio.timeout(30):
                async for event in _events(stream):
                    if event["job_id"] == job["id"]:
                        seen.append(event)
                    if event["type"] == "asset:downloaded":
                        break
        types = [event["type"] for event in seen]
        assert [name for name in types if name in STORY] == STORY
        # Whoever comes back later is told what was missed, from there on.
        resume = {**headers, "Last-Event-ID": seen[2]["id"]}
        async with http.get(f"{api}/events", headers=resume) as stream, asyncio.timeout(10):
            again = [event async for event in _take(_events(stream), job["id"], len(seen) - 3)]
        assert [event["id"] for event in again] == [event["id"] for event in seen[3:]]

        async with http.get(f"{api}/jobs/{job['id']}", headers=headers) as answer:
            job = await answer.json()
        assert job["status"] == "completed"
        async with http.get(f"{api}/assets/{job['asset_id']}/file", headers=headers) as answer:
            assert answer.content_type == "video/mp4"
            content = await answer.read()
        async with http.get(f"{api}/jobs/{job['id']}/submissions", headers=headers) as answer:
            submission = (await answer.json())["items"][0]
    expected = await simulator.sha256(submission["provider_job_id"])
    assert hashlib.sha256(content).hexdigest() == expected
    assert (await simulator.charges())[0]["amount"] == job["charged_credits"]


async def _take(
    events: AsyncIterator[dict[str, Any]], job_id: str, count: int
) -> AsyncIterator[dict[str, Any]]:
    async for event in events:
        if event["job_id"] != job_id:
            continue
        yield event
        count -= 1
        if count == 0:
            return
