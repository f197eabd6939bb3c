"""A simulator with a frozen clock, and a client that speaks PixVerse without any adapter."""

import io
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from PIL import Image

from pixsim7_simulator import (
    AccountSpec,
    Clock,
    ControlClient,
    RunningSimulator,
    WebhookSpec,
    running_simulator,
)
from pixsim7_simulator.dialects.pixverse import data

KEY, OTHER_KEY = "sk-one", "sk-two"
TEXT: dict[str, Any] = {
    "prompt": "sunset over mountains",
    "model": "v6",
    "duration": 5,
    "quality": "720p",
    "aspect_ratio": "16:9",
}
TEXT_COST = 45


@dataclass(frozen=True)
class Reply:
    status: int
    body: dict[str, Any]

    @property
    def code(self) -> int:
        return int(self.body["ErrCode"])

    @property
    def content(self) -> dict[str, Any]:
        assert self.body["ErrCode"] == 0, self.body
        return dict(self.body["Resp"])


class Vendor:
    """One customer of the simulated PixVerse."""

    def __init__(self, sim: ControlClient, session: aiohttp.ClientSession, key: str) -> None:
        self.sim, self.session, self.key = sim, session, key

    def headers(self, trace: str | None = None) -> dict[str, str]:
        return {"API-KEY": self.key, "Ai-trace-id": trace or str(uuid.uuid4())}

    async def ask(
        self,
        method: str,
        path: str,
        *,
        trace: str | None = None,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> Reply:
        async with self.session.request(
            method,
            self.sim.pixverse_url + path,
            headers=self.headers(trace) if headers is None else headers,
            allow_redirects=False,
            **options,
        ) as answer:
            return Reply(answer.status, await answer.json())

    async def text(self, trace: str | None = None, **changes: Any) -> Reply:
        return await self.ask("POST", "/video/text/generate", trace=trace, json={**TEXT, **changes})

    async def video(self, **changes: Any) -> int:
        return int((await self.text(**changes)).content["video_id"])

    async def finished_video(self, **changes: Any) -> int:
        video = await self.video(**changes)
        await self.sim.advance(10)
        return video

    async def poll(self, video: int) -> Reply:
        return await self.ask("GET", f"/video/result/{video}")

    async def status(self, video: int) -> int | str:
        status: int | str = (await self.poll(video)).content["status"]
        return status

    async def url(self, video: int) -> str:
        return str((await self.poll(video)).content["url"])

    async def balance(self) -> int:
        content = (await self.ask("GET", "/account/balance")).content
        return int(content["credit_monthly"]) + int(content["credit_package"])

    async def upload(self, path: str, field: str, content: bytes, name: str, **texts: str) -> Reply:
        form = aiohttp.FormData(texts)
        form.add_field(field, io.BytesIO(content), filename=name)
        return await self.ask("POST", path, data=form)

    async def image(self, width: int = 64, height: int = 36) -> int:
        reply = await self.upload("/image/upload", "image", picture(width, height), "in.png")
        return int(reply.content["img_id"])


def picture(width: int, height: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(buffer, kind)
    return buffer.getvalue()


def accounts() -> tuple[AccountSpec, ...]:
    hook = WebhookSpec(id="hook-1", url="http://127.0.0.1:1/unset", secret="hush")
    effects = (data.EFFECT_ANY_QUALITY, data.EFFECT_UP_TO_540P)
    return (
        AccountSpec(key=KEY, monthly=100, package=900, templates=effects, webhooks=(hook,)),
        AccountSpec(key=OTHER_KEY, credits=1000),
    )


@pytest.fixture
async def sim() -> AsyncIterator[RunningSimulator]:
    clock = Clock(frozen=1_800_000_000.0)
    async with running_simulator(accounts=accounts(), clock=clock, generation_seconds=5) as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def vendor(sim: RunningSimulator, session: aiohttp.ClientSession) -> Vendor:
    return Vendor(sim, session, KEY)


@pytest.fixture
def other(sim: RunningSimulator, session: aiohttp.ClientSession) -> Vendor:
    return Vendor(sim, session, OTHER_KEY)
