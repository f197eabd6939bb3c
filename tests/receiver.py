"""Somebody's server that receives webhooks."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook as Verifier


@dataclass
class Received:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: str

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def message(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    def verified_by(self, secret: str) -> dict[str, Any]:
        """The message, as the reference implementation reads it; raises on a bad signature."""
        found: dict[str, Any] = Verifier(secret).verify(self.body, dict(self.headers))
        return found


@dataclass
class Receiver:
    """Answers 204 unless told otherwise; a path in `silent` is never answered."""

    origin: str = ""
    requests: list[Received] = field(default_factory=list)
    answers: dict[str, Callable[[], web.Response]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    def says(self, path: str, status: int, body: str = "", **headers: str) -> None:
        self.answers[path] = lambda: web.Response(status=status, text=body, headers=headers)

    def url(self, path: str = "/hook") -> str:
        return self.origin + path

    def at(self, path: str) -> list[Received]:
        return [request for request in self.requests if request.path == path]

    def by_id(self) -> dict[str, list[Received]]:
        found: dict[str, list[Received]] = defaultdict(list)
        for request in self.requests:
            found[request.id].append(request)
        return found

    async def wait_for(self, condition: Callable[[], bool], timeout_s: float = 30) -> None:
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(condition)

    def release(self) -> None:
        """Answer those that were kept waiting."""
        self._released.set()

    async def receive(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        async with self._changed:
            self.requests.append(Received(request.path, dict(request.headers.items()), body))
            self._changed.notify_all()
        if request.path in self.silent:
            await self._released.wait()
        answer = self.answers.get(request.path)
        if answer is None:
            return web.Response(status=204)
        return answer()


@asynccontextmanager
async def running_receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.receive)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        receiver.release()
        await runner.cleanup()
