"""Sends callbacks for finished generations, retried on the vendor's schedule."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import aiohttp

from pixsim7_simulator.clock import Clock
from pixsim7_simulator.config import Settings, WebhookSpec
from pixsim7_simulator.faults import WebhookScript
from pixsim7_simulator.generations import Generation
from pixsim7_simulator.journal import Journal
from pixsim7_simulator.wire import read_at_most

_DEFAULT = WebhookScript(kind="webhook")
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_WRONG_SECRET = "not-the-secret"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Callback:
    """One request as it goes out; `acknowledged` decides whether the answer ends the retries."""

    url: str
    headers: dict[str, str]
    body: bytes
    acknowledged: Callable[[int, bytes], bool]


Render = Callable[[Generation, WebhookSpec], Awaitable[Callback]]


class Webhooks:
    def __init__(self, clock: Clock, journal: Journal, settings: Settings) -> None:
        self._clock, self._journal, self._settings = clock, journal, settings
        self._render: dict[str, Render] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._session: aiohttp.ClientSession | None = None
        self._jitter = random.Random(7)

    def register(self, dialect: str, render: Render) -> None:
        self._render[dialect] = render

    def finished(self, generation: Generation) -> None:
        """Start the callbacks of a generation that asked for them."""
        if (hook := self._hook(generation)) is None:
            return
        task = asyncio.get_running_loop().create_task(self._send_all(generation, hook))
        self._running[generation.id] = task
        task.add_done_callback(lambda _: self._running.pop(generation.id, None))

    async def sent(self, generation: Generation) -> None:
        """Return once the callbacks of this generation are through."""
        if task := self._running.get(generation.id):
            await asyncio.wait([task])

    async def cancel(self) -> None:
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        await self.cancel()
        if self._session is not None:
            await self._session.close()

    def _hook(self, generation: Generation) -> WebhookSpec | None:
        return generation.account.webhooks.get(str(generation.order.params.get("webhook_id", "")))

    async def _send_all(self, generation: Generation, hook: WebhookSpec) -> None:
        script = generation.plan.webhook or _DEFAULT
        await asyncio.sleep(script.delay)
        render = self._render[generation.order.endpoint.partition(".")[0]]
        last: Callback | None = None
        for kind in script.send:
            if kind == "real":
                last = await self._send_until_acknowledged(generation, hook, render)
            elif kind == "forged":
                forged = await render(generation, hook.model_copy(update={"secret": _WRONG_SECRET}))
                await self._post(generation, hook, forged, kind, 1)
            elif last is not None:
                await self._post(generation, hook, replace(last), kind, 1)

    async def _send_until_acknowledged(
        self, generation: Generation, hook: WebhookSpec, render: Render
    ) -> Callback:
        attempt = 1
        while True:
            callback = await render(generation, hook)
            acknowledged = await self._post(generation, hook, callback, "real", attempt)
            if acknowledged or attempt > len(self._settings.webhook_delays):
                return callback
            pause = self._settings.webhook_delays[attempt - 1]
            await asyncio.sleep(pause * self._jitter.uniform(0.9, 1.1))
            attempt += 1

    async def _post(
        self, generation: Generation, hook: WebhookSpec, callback: Callback, kind: str, attempt: int
    ) -> bool:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        status, acknowledged = 0, False
        try:
            async with self._session.post(
                callback.url, data=callback.body, headers=callback.headers, allow_redirects=False
            ) as answer:
                status = answer.status
                acknowledged = callback.acknowledged(
                    status, await read_at_most(answer.content, 1024)
                )
        except (aiohttp.ClientError, TimeoutError):
            pass  # journalled as status 0, and retried like any refusal
        self._journal.add(
            "deliveries",
            at=self._clock.now(),
            account=generation.account.key,
            video_id=generation.id,
            webhook_id=hook.id,
            attempt=attempt,
            kind=kind,
            status=status,
            ok=int(acknowledged),
        )
        return acknowledged
