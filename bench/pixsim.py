"""PixSim7 as it is deployed apart: an API process, a worker process, and the simulator."""

import asyncio
import json
import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg

from bench.postgres import Server
from bench.processes import BenchFailed, cpu_seconds, own_cpu_seconds, python, running
from pixsim7_backend.bootstrap.container import Container
from pixsim7_backend.domain.vocabulary import UserRole
from pixsim7_backend.shared.config import load_settings
from pixsim7_simulator import ControlClient

USERS = 4
ACCOUNTS = 8
SLOTS = 500
CREDITS = 1_000_000_000
WARM_UP = 40
PARALLEL = 20
LONG_S = 3600.0

_LEFT = """
SELECT (SELECT count(*) FROM jobs WHERE status <> 'completed') AS jobs,
       (SELECT count(*) FROM jobs WHERE status IN ('failed', 'cancelled')
           OR attention_code IS NOT NULL) AS lost,
       (SELECT count(*) FROM assets WHERE sync_status <> 'downloaded') AS assets,
       (SELECT count(*) FROM assets WHERE derived_at IS NULL) AS underived
"""
_TIMES = """
SELECT job_id, key, extract(epoch FROM reserved_at)::float8 AS reserved,
       extract(epoch FROM submitted_at)::float8 AS intent
FROM provider_submissions WHERE job_id = ANY($1::uuid[])
"""


@dataclass
class Stack:
    """The running processes, and the way to them."""

    url: str
    tokens: list[str]
    simulator: ControlClient
    database: str
    database_url: str
    server: Server
    processes: dict[str, int]
    logs: Path

    def cpu(self) -> dict[str, float]:
        """CPU seconds of each part so far; the worker's media tools are children of its own."""
        used = {name: cpu_seconds(pid) for name, pid in self.processes.items()}
        own = own_cpu_seconds(self.processes["worker"])
        return {**used, "worker": own, "media tools": used["worker"] - own}


@asynccontextmanager
async def stack(server: Server, generation_s: float, name: str) -> AsyncIterator[Stack]:
    """All processes on a fresh database, warmed up; everything is gone after the block."""
    async with AsyncExitStack() as cleanup:
        folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="px7-bench-")))
        url = await cleanup.enter_async_context(server.database(name))
        keys = [f"sk-bench-{number}" for number in range(ACCOUNTS)]
        accounts = [
            argument
            for key in keys
            for argument in ("--account", f"key={key},credits={CREDITS},concurrent={SLOTS}")
        ]
        simulator = await cleanup.enter_async_context(
            running(
                "simulator",
                *python("pixsim7_backend", "simulate", "--port", "0", "--ready-json"),
                *("--media", "tiny", "--generation-seconds", str(generation_s), *accounts),
                logs=folder,
            )
        )
        control = ControlClient(json.loads(await simulator.line_with("url"))["url"])
        env = {
            "DATABASE_URL": url,
            "PIXSIM7_DATA_DIR": str(folder / "data"),
            "PIXSIM7_ALLOW_PRIVATE_ORIGINS": control.url,
        }
        tokens = await _prepare(env, control, keys, expected_s=generation_s)
        api = await cleanup.enter_async_context(
            running(
                "api",
                *python("pixsim7_backend", "serve", "--no-worker", "--port", "0"),
                logs=folder,
                env=env,
            )
        )
        found = re.search(r"http://\S+", await api.line_with("ready"))
        if found is None:
            raise BenchFailed("the API did not tell its address")
        worker = await cleanup.enter_async_context(
            running("worker", *python("pixsim7_backend", "worker"), logs=folder, env=env)
        )
        processes = {
            "api": api.pid,
            "worker": worker.pid,
            "simulator": simulator.pid,
            "postgres": server.pid,
        }
        yield Stack(found[0], tokens, control, name, url, server, processes, folder)


async def _prepare(
    env: dict[str, str], control: ControlClient, keys: list[str], *, expected_s: float
) -> list[str]:
    """Schema, people without quotas, their API tokens, and the accounts; by the services."""
    settings = load_settings(
        database_url=env["DATABASE_URL"],
        data_dir=Path(env["PIXSIM7_DATA_DIR"]),
        allow_private_origins=frozenset({control.url}),
        default_max_daily_jobs=None,
        default_max_concurrent_jobs=None,
    )
    container = await Container.open(settings, with_migrations=True)
    try:
        services = container.services
        tokens = []
        for number in range(USERS):
            user = await services.users.create_user(
                f"bench{number}@example.com",
                f"bench{number}",
                secrets.token_urlsafe(18),
                UserRole.USER,
            )
            _, plain = await services.auth.create_api_token(user, "bench", ["read", "generate"])
            tokens.append(plain)
        for key in keys:
            await services.accounts.create_account(
                None,
                "pixverse",
                key,
                {"api_key": key},
                main_secret=key,
                base_url=control.pixverse_url,
                is_shared=True,
                max_concurrent_jobs=SLOTS,
                credits=Decimal(CREDITS),
            )
    finally:
        await container.close()
    connection = await asyncpg.connect(env["DATABASE_URL"])
    try:
        # What a running system has learnt of its accounts; it decides when polls begin.
        await connection.execute(
            "UPDATE provider_accounts SET avg_generation_time_sec = $1"
            " WHERE provider_id = 'pixverse'",
            expected_s,
        )
    finally:
        await connection.close()
    return tokens


async def order(stack: Stack, **orders: Any) -> dict[str, Any]:
    """Have the client process do something."""
    text = json.dumps({"url": stack.url, "tokens": stack.tokens, **orders})
    async with running(
        "client", *python("bench.load_client"), logs=stack.logs, stdin=text
    ) as child:
        return await child.result(within_s=180)


# --- whole jobs -------------------------------------------------------------------------------


async def whole_jobs(server: Server, jobs: int, name: str) -> dict[str, Any]:
    """Jobs per second from the first POST to the last downloaded file."""
    async with stack(server, 0.0, name) as running_stack:
        connection = await asyncpg.connect(running_stack.database_url)
        try:
            await order(running_stack, jobs=WARM_UP, parallel=PARALLEL)
            await _until_nothing_is_left(connection, WARM_UP, "underived")
            before, cpu = await server.counters(name), running_stack.cpu()
            posted, done = await asyncio.gather(
                order(running_stack, jobs=jobs, parallel=PARALLEL),
                _until_nothing_is_left(connection, WARM_UP + jobs, "assets"),
            )
            after, cpu_after = await server.counters(name), running_stack.cpu()
            derived = await _until_nothing_is_left(connection, WARM_UP + jobs, "underived")
        finally:
            await connection.close()
        await _check_charges(running_stack, WARM_UP + jobs)
    seconds = done - posted["started"]
    return {
        "tasks": jobs,
        "seconds": seconds,
        "per_s": jobs / seconds,
        "accepted_per_s": jobs / (posted["posted"] - posted["started"]),
        "derived_per_s": jobs / (derived - posted["started"]),
        "post_p50_ms": posted["post_p50_ms"],
        "post_p99_ms": posted["post_p99_ms"],
        "transactions_per_job": (after["commits"] - before["commits"]) / jobs,
        "rollbacks_per_job": (after["rollbacks"] - before["rollbacks"]) / jobs,
        "wal_kib_per_job": (after["wal_bytes"] - before["wal_bytes"]) / jobs / 1024,
        "cpu_ms_per_job": {part: 1000 * (cpu_after[part] - cpu[part]) / jobs for part in cpu_after},
    }


async def _until_nothing_is_left(
    connection: "asyncpg.Connection[Any]", jobs: int, what: str, within_s: float = 150
) -> float:
    """Wait until all jobs are completed and their files home (or derived); returns the time."""
    until = time.monotonic() + within_s
    while True:
        row = await connection.fetchrow(_LEFT)
        known = await connection.fetchval("SELECT count(*) FROM assets")
        if row is None or row["lost"]:
            raise BenchFailed("jobs have failed")
        is_home = known >= jobs and not row["jobs"] and not row["assets"]
        if is_home and (what == "assets" or not row["underived"]):
            return time.time()
        if time.monotonic() > until:
            raise BenchFailed(f"jobs are left over: {dict(row)}")
        await asyncio.sleep(0.05)


async def _check_charges(running_stack: Stack, jobs: int) -> None:
    """A fast run that pays twice would be worth nothing."""
    charges = await running_stack.simulator.charges_by_trace()
    if len(charges) != jobs or any(row["charges"] != 1 for row in charges.values()):
        raise BenchFailed(f"{len(charges)} submissions were charged for {jobs} jobs")


# --- latency ----------------------------------------------------------------------------------


async def latencies(server: Server, samples: int, name: str) -> dict[str, Any]:
    """From sending POST /jobs to the simulator's first sight of the submit, on an idle system.

    Generations take an hour here, so that no poll, download or derivation falls into the samples.
    """
    async with stack(server, LONG_S, name) as running_stack:
        await order(running_stack, jobs=20, pause_s=0.1)
        await asyncio.sleep(2.0)
        trickled = await order(running_stack, jobs=samples, pause_s=0.15)
        await asyncio.sleep(1.0)
        seen = await running_stack.simulator.requests(
            endpoint="pixverse.video.text", limit=10 * samples
        )
        arrived = {row["trace_id"]: row["at"] for row in seen}
        connection = await asyncpg.connect(running_stack.database_url)
        try:
            rows = await connection.fetch(_TIMES, [item["job_id"] for item in trickled["samples"]])
        finally:
            await connection.close()
    by_job = {str(row["job_id"]): row for row in rows}
    spans: dict[str, list[float]] = {}
    for item in trickled["samples"]:
        row = by_job[item["job_id"]]
        points = {
            "total": arrived[row["key"]] - item["sent"],
            "api_answer": item["answered"] - item["sent"],
            "to_reservation": row["reserved"] - item["sent"],
            "reservation_to_intent": row["intent"] - row["reserved"],
            "intent_to_socket": arrived[row["key"]] - row["intent"],
        }
        for part, seconds in points.items():
            spans.setdefault(part, []).append(1000 * seconds)
    return {
        "samples": samples,
        **{f"{part}_p50_ms": quantile(values, 0.50) for part, values in spans.items()},
        **{f"{part}_p99_ms": quantile(values, 0.99) for part, values in spans.items()},
        "total_max_ms": max(spans["total"]),
    }


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
