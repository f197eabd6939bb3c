"""The live stream: resumable, quiet-proof, and gone with the session."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from pixsim7_backend.api.v1 import events
from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.infrastructure.events.feed import FeedItem
from pixsim7_backend.main import create_app
from tests.api.conftest import Person, problem, serving
from tests.api.test_problems import job


class Stream:
    """Reads server-sent events."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def block(self) -> list[str]:
        """The lines up to the next empty one; empty at the end of the stream."""
        found: list[str] = []
        async with asyncio.timeout(15):
            async for line in self._lines:
                if not line:
                    return found
                found.append(line)
        return found

    async def event(self) -> tuple[str, dict[str, Any]]:
        while True:
            block = await self.block()
            assert block, "the stream has ended"
            fields = dict(line.split(": ", 1) for line in block if not line.startswith(":"))
            if "data" in fields:
                assert "event" not in fields
                return fields["id"], json.loads(fields["data"])


@asynccontextmanager
async def streaming(person: Person, query: str = "", **headers: str) -> AsyncIterator[Stream]:
    url = f"/api/v1/events{query}"
    async with person.client.stream("GET", url, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        stream = Stream(answer)
        assert await stream.block() == ["retry: 2000"]
        yield stream


async def test_events_come_and_can_be_resumed(ada: Person, bob: Person) -> None:
    async with streaming(ada) as stream:
        await asyncio.sleep(0.2)
        await bob.client.post("/api/v1/jobs", json=job())
        first = (await ada.client.post("/api/v1/jobs", json=job())).json()
        position, event = await stream.event()
        assert event["type"] == "job:created"
        assert event["job_id"] == first["id"]
        assert event["id"] == position
    second = (await ada.client.post("/api/v1/jobs", json=job())).json()
    for query, headers in (("", {"Last-Event-ID": position}), (f"?since={position}", {})):
        async with streaming(ada, query, **headers) as stream:
            _, event = await stream.event()
            assert (event["type"], event["job_id"]) == ("job:created", second["id"])


async def test_an_unknown_position_asks_to_read_anew(ada: Person) -> None:
    async with streaming(ada, "?since=nonsense") as stream:
        _, event = await stream.event()
        assert event["type"] == "resync"


async def test_quiet_streams_beat(ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "BEAT_S", 0.05)
    async with streaming(ada) as stream:
        assert await stream.block() == [": beat"]
        assert await stream.block() == [": beat"]
        made = (await ada.client.post("/api/v1/jobs", json=job())).json()
        assert (await stream.event())[1]["job_id"] == made["id"]


async def test_a_revoked_session_ends_its_stream(ada: Person) -> None:
    async with streaming(ada) as stream:
        await asyncio.sleep(0.2)
        sessions = (await ada.client.get("/api/v1/auth/sessions")).json()["items"]
        await ada.client.delete(f"/api/v1/auth/sessions/{sessions[0]['id']}")
        async with asyncio.timeout(2):
            while await stream.block():
                pass
    problem(await ada.client.get("/api/v1/events"), 401, "session_ended")


async def test_a_stopping_feed_ends_streams(ada: Person, container: Container) -> None:
    async with streaming(ada) as stream:
        await asyncio.sleep(0.2)
        await container.feed.close()
        async with asyncio.timeout(2):
            while await stream.block():
                pass


async def test_events_of_one_job(ada: Person) -> None:
    made = (await ada.client.post("/api/v1/jobs", json=job())).json()
    found = (await ada.client.get(f"/api/v1/jobs/{made['id']}/events")).json()["items"]
    assert [item["type"] for item in found] == ["job:created"]


async def test_the_application_opens_and_closes_by_itself(app: FastAPI) -> None:
    own = create_app(settings=app.state.settings)
    async with serving(own) as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.get("/health/ready")
        assert answer.status_code == 200, answer.text
        assert answer.json()["components"] == {"database": "ok", "storage": "ok"}


async def test_an_event_has_the_changed_row(ada: Person) -> None:
    async with streaming(ada) as stream:
        await asyncio.sleep(0.2)
        made = (await ada.client.post("/api/v1/jobs", json=job())).json()
        created = (await stream.event())[1]
        assert created["user_id"] == str(ada.user.id)
        row = created["data"]["job"]
        assert (row["status"], row["state"], row["group"]) == ("pending", "waiting", "active")
        shared = set(row) & set(made)
        assert {name: row[name] for name in shared} == {name: made[name] for name in shared}
        await ada.client.post(f"/api/v1/jobs/{made['id']}/pause")
        paused = (await stream.event())[1]["data"]["job"]
        assert (paused["state"], paused["is_paused"]) == ("paused", True)


def test_progress_comes_four_times_a_second_at_most() -> None:
    now = 0.0
    pace = events.ProgressPace(lambda: now)

    def item(type: str, job_id: str) -> FeedItem:
        return FeedItem("1-1", type, {"job_id": job_id})

    passed = []
    for step in range(100):
        now = step / 100
        passed.append(pace.lets_pass(item("job:progress", "a")))
        assert pace.lets_pass(item("job:updated", "b"))
    assert passed.count(True) == 4
    assert pace.lets_pass(item("job:completed", "a"))
    assert pace.lets_pass(item("job:progress", "b"))
    assert pace.lets_pass(item("asset:created", "a"))


async def test_a_position_from_before_everything_was_deleted_asks_to_read_anew(
    ada: Person, container: Container
) -> None:
    async with streaming(ada) as stream:
        await asyncio.sleep(0.2)
        await ada.client.post("/api/v1/jobs", json=job())
        position, _ = await stream.event()
    await ada.client.post("/api/v1/jobs", json=job())
    async with container.database.transaction() as tx:
        await tx.session.execute(text("DELETE FROM events"))
    async with streaming(ada, f"?since={position}") as stream:
        assert (await stream.event())[1]["type"] == "resync"
