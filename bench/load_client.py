"""The client of the whole-job measurements, in a process of its own: posts jobs over HTTP.

Reads its orders as JSON from standard input and prints what it saw as JSON.
"""

import asyncio
import json
import sys
import time
from typing import Any

import aiohttp
import uvloop

BODY = {
    "provider_id": "pixverse",
    "operation_type": "text_to_video",
    "params": {"prompt": "sunset over mountains", "quality": "360p", "duration": 5},
}


class Client:
    def __init__(self, session: aiohttp.ClientSession, url: str, tokens: list[str]) -> None:
        self._session = session
        self._url = f"{url}/api/v1/jobs"
        self._tokens = tokens

    async def post(self, number: int) -> str:
        """Send one job; returns its id."""
        headers = {
            "Authorization": f"Bearer {self._tokens[number % len(self._tokens)]}",
            "Idempotency-Key": f"bench-{time.time_ns()}-{number}",
        }
        async with self._session.post(self._url, json=BODY, headers=headers) as answer:
            content = await answer.json()
            if answer.status != 202:
                raise RuntimeError(f"POST /jobs: {answer.status} {content}")
            return str(content["id"])

    async def flood(self, jobs: int, parallel: int) -> dict[str, Any]:
        """Post as fast as the server answers, at most `parallel` at once."""
        numbers = iter(range(jobs))
        latencies: list[float] = []

        async def post_until_none_is_left() -> None:
            for number in numbers:
                began = time.perf_counter()
                await self.post(number)
                latencies.append(time.perf_counter() - began)

        started = time.time()
        await asyncio.gather(*(post_until_none_is_left() for _ in range(parallel)))
        latencies.sort()
        return {
            "started": started,
            "posted": time.time(),
            "post_p50_ms": 1000 * latencies[len(latencies) // 2],
            "post_p99_ms": 1000 * latencies[int(len(latencies) * 0.99)],
        }

    async def trickle(self, jobs: int, pause_s: float) -> dict[str, Any]:
        """One job at a time on an idle system, with a pause after each."""
        samples = []
        for number in range(jobs):
            sent = time.time()
            job_id = await self.post(number)
            samples.append({"job_id": job_id, "sent": sent, "answered": time.time()})
            await asyncio.sleep(pause_s)
        return {"samples": samples}


async def run(orders: dict[str, Any]) -> dict[str, Any]:
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        client = Client(session, orders["url"], orders["tokens"])
        if "parallel" in orders:
            return await client.flood(orders["jobs"], orders["parallel"])
        return await client.trickle(orders["jobs"], orders["pause_s"])


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(run(json.load(sys.stdin)))))
