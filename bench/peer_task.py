"""One peer at work on tasks that do nothing; run as `python -m bench.peer_task PEER TASKS URL`.

Two measures, each in favour of the peer where there was a choice: `enqueue+run` is what a service
does (tasks enqueued one by one by many requests at once, while a worker runs them), and `run alone`
empties a queue that was filled before.
"""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop

PARALLEL = 20
"""As many enqueue at once as the whole-job client posts at once."""
CONCURRENCY = 20
Enqueue = Callable[[], Awaitable[Any]]


class Count:
    """How many tasks have run."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._seen = 0
        self.reached = asyncio.Event()

    def one(self) -> None:
        self._seen += 1
        if self._seen == self._target:
            self.reached.set()


async def enqueue_all(tasks: int, enqueue: Enqueue) -> None:
    numbers = iter(range(tasks))

    async def until_none_is_left() -> None:
        for _ in numbers:
            await enqueue()

    await asyncio.gather(*(until_none_is_left() for _ in range(PARALLEL)))


async def both(
    tasks: int, count: Count, enqueue: Enqueue, work: Callable[[], Awaitable[Any]]
) -> float:
    """Seconds to enqueue and run them, both at once."""
    worker = asyncio.ensure_future(work())
    await asyncio.sleep(0.5)  # it has started
    began = time.perf_counter()
    await enqueue_all(tasks, enqueue)
    await count.reached.wait()
    seconds = time.perf_counter() - began
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    return seconds


async def drain(count: Count, work: Callable[[], Awaitable[Any]]) -> float:
    """Seconds to run what was enqueued before."""
    began = time.perf_counter()
    worker = asyncio.ensure_future(work())
    await count.reached.wait()
    seconds = time.perf_counter() - began
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    return seconds


async def pgqueuer(tasks: int, url: str) -> tuple[float, float]:
    import asyncpg  # noqa: PLC0415 - each process needs one peer only
    from pgqueuer import AsyncpgPoolDriver, Job, PgQueuer, Queries  # noqa: PLC0415

    async with asyncpg.create_pool(url, min_size=4, max_size=PARALLEL + 5) as pool:
        queries = Queries(AsyncpgPoolDriver(pool))
        await queries.install()

        async def enqueue() -> None:
            await queries.enqueue("noop", b"1")

        def worker_of(count: Count) -> Callable[[], Awaitable[None]]:
            queue = PgQueuer(AsyncpgPoolDriver(pool))

            @queue.entrypoint("noop")
            async def noop(_: Job) -> None:
                count.one()

            return lambda: queue.run(batch_size=100)

        first = Count(tasks)
        together = await both(tasks, first, enqueue, worker_of(first))
        await queries.enqueue(["noop"] * tasks, [b"1"] * tasks, [0] * tasks)
        second = Count(tasks)
        return together, await drain(second, worker_of(second))


async def procrastinate(tasks: int, url: str) -> tuple[float, float]:
    from procrastinate import App, PsycopgConnector  # noqa: PLC0415

    connector = PsycopgConnector(conninfo=url, min_size=4, max_size=PARALLEL + 5)
    app = App(connector=connector)
    counts: list[Count] = []

    @app.task(queue="bench")
    async def noop(number: int) -> None:
        counts[-1].one()

    async def work() -> None:
        await app.run_worker_async(
            queues=["bench"], concurrency=CONCURRENCY, install_signal_handlers=False
        )

    async def enqueue() -> None:
        await noop.defer_async(number=1)

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        counts.append(Count(tasks))
        together = await both(tasks, counts[-1], enqueue, work)
        rows: list[Any] = [{"number": 1}] * tasks
        await noop.batch_defer_async(*rows)
        counts.append(Count(tasks))
        return together, await drain(counts[-1], work)


async def arq(tasks: int, url: str) -> tuple[float, float]:
    from arq import create_pool  # noqa: PLC0415
    from arq.connections import RedisSettings  # noqa: PLC0415
    from arq.worker import Worker, func  # noqa: PLC0415

    settings = RedisSettings(unix_socket_path=url)
    pool = await create_pool(settings)
    counts: list[Count] = []

    async def noop(ctx: dict[Any, Any]) -> None:
        counts[-1].one()

    async def work() -> None:
        worker = Worker(
            functions=[func(noop, name="noop", keep_result=0)],
            redis_settings=settings,
            max_jobs=100,
            poll_delay=0.01,
            handle_signals=False,
        )
        try:
            await worker.async_run()
        finally:
            await worker.close()

    async def enqueue() -> None:
        await pool.enqueue_job("noop")

    counts.append(Count(tasks))
    together = await both(tasks, counts[-1], enqueue, work)
    await enqueue_all(tasks, enqueue)
    counts.append(Count(tasks))
    alone = await drain(counts[-1], work)
    await pool.aclose()
    return together, alone


PEERS = {"pgqueuer": pgqueuer, "procrastinate": procrastinate, "arq": arq}


def main(peer: str, tasks: int, url: str) -> None:
    logging.disable(logging.INFO)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        together, alone = runner.run(PEERS[peer](tasks, url))
    print(json.dumps({"tasks": tasks, "per_s": tasks / together, "run_alone_per_s": tasks / alone}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
