"""Callbacks, verified by an implementation of the signature that shares nothing with the sender."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import quote_plus

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from pixsim7_simulator import RunningSimulator
from tests.simulator.conftest import KEY, TEXT_COST, Vendor

SUBMIT = "pixverse.video.text"
SECRET = "hush"


@dataclass
class Receiver:
    """A webhook endpoint that keeps what it got and answers from a list."""

    answers: list[tuple[int, str]] = field(default_factory=list)
    received: "asyncio.Queue[tuple[dict[str, str], bytes]]" = field(default_factory=asyncio.Queue)

    async def handle(self, request: web.Request) -> web.Response:
        await self.received.put((dict(request.headers), await request.read()))
        status, text = self.answers.pop(0) if self.answers else (200, "ok")
        return web.Response(status=status, text=text)

    async def next(self) -> tuple[dict[str, str], bytes]:
        return await asyncio.wait_for(self.received.get(), 5)


@pytest.fixture
async def receiver(sim: RunningSimulator) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.handle)
    async with TestServer(app) as server:
        hook = {"id": "hook-1", "url": str(server.make_url("/hook")), "secret": SECRET}
        await sim.patch_account(KEY, webhooks=[hook])
        await sim.set(webhook_delays=[0.01, 0.01, 0.01])
        yield receiver


def genuine(headers: dict[str, str], body: bytes) -> bool:
    """As PixVerse's guide tells a receiver to check."""
    content = json.loads(body)
    shown = {True: "true", False: "false"}
    pairs = []
    for name in sorted(content):
        value = content[name]
        text = shown[value] if isinstance(value, bool) else str(value)
        pairs.append(quote_plus(name) + "=" + quote_plus(text))
    message = "\n".join([headers["Webhook-Timestamp"], headers["Webhook-Nonce"], "&".join(pairs)])
    digest = hmac.new(SECRET.encode(), message.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode() == headers["Webhook-Signature"]


async def test_a_finished_video_is_told(
    sim: RunningSimulator, vendor: Vendor, receiver: Receiver
) -> None:
    reply = await vendor.text(webhook_id="hook-1", trace="11111111-2222-3333-4444-555555555555")
    video = reply.content["video_id"]
    sim.clock.advance(5)
    headers, body = await receiver.next()
    poll = (await vendor.poll(video)).content
    assert json.loads(body) == {
        "id": str(video),
        "status": 1,
        "url": poll["url"],
        "size": poll["size"],
        "has_audio": False,
        "credits": TEXT_COST,
    }
    assert genuine(headers, body)
    assert len(headers["Webhook-Nonce"]) == 32
    assert int(headers["Webhook-Timestamp"]) == int(sim.clock.now())
    assert headers["Ai-Trace-Id"] == "11111111-2222-3333-4444-555555555555"
    await settled(sim, video)
    (row,) = await sim.deliveries(video_id=video)
    assert (row["status"], row["ok"], row["attempt"]) == (200, 1, 1)


async def test_only_ok_ends_the_retries(
    sim: RunningSimulator, vendor: Vendor, receiver: Receiver
) -> None:
    receiver.answers = [(500, "ok"), (200, "OK!"), (200, "ok")]
    video = await vendor.finished_video(webhook_id="hook-1")
    nonces = {(await receiver.next())[0]["Webhook-Nonce"] for _ in range(3)}
    assert len(nonces) == 3
    await settled(sim, video)
    assert [row["ok"] for row in await sim.deliveries(video_id=video)] == [0, 0, 1]


async def test_retries_end_with_the_schedule(
    sim: RunningSimulator, vendor: Vendor, receiver: Receiver
) -> None:
    receiver.answers = [(500, "")] * 9
    video = await vendor.finished_video(webhook_id="hook-1")
    await settled(sim, video)
    assert len(await sim.deliveries(video_id=video)) == 4


async def test_duplicates_replays_and_forgeries(
    sim: RunningSimulator, vendor: Vendor, receiver: Receiver
) -> None:
    script: dict[str, object] = {"kind": "webhook", "send": ["forged", "real", "real", "replay"]}
    await sim.fault(script, endpoint=SUBMIT)
    await vendor.finished_video(webhook_id="hook-1")
    sent = [await receiver.next() for _ in range(4)]
    assert [genuine(*callback) for callback in sent] == [False, True, True, True]
    nonces = [headers["Webhook-Nonce"] for headers, _ in sent]
    assert nonces[1] != nonces[2] == nonces[3]


async def test_a_callback_can_come_before_the_answer(
    sim: RunningSimulator, vendor: Vendor, receiver: Receiver
) -> None:
    await sim.fault({"kind": "webhook", "before_answer": True}, endpoint=SUBMIT)
    video = await vendor.video(webhook_id="hook-1")
    _, body = receiver.received.get_nowait()
    assert json.loads(body)["id"] == str(video)
    assert await vendor.status(video) == 1


async def test_no_callback_without_a_webhook_id(
    sim: RunningSimulator, vendor: Vendor, receiver: Receiver
) -> None:
    await sim.fault({"kind": "webhook", "send": []}, endpoint=SUBMIT, nth=2)
    for changes in ({}, {"webhook_id": "hook-1"}):
        await settled(sim, await vendor.finished_video(**changes))
    assert receiver.received.empty()


async def settled(sim: RunningSimulator, video: int) -> None:
    """Wait until the simulator is through with the callbacks of this video."""
    generation = sim.world.generations.get(video)
    assert generation is not None
    await asyncio.wait_for(sim.world.webhooks.sent(generation), 5)
