"""The peers beside PixSim7: PgQueuer and Procrastinate on the same PostgreSQL, ARQ on Redis."""

import asyncio
import shutil
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.postgres import Server
from bench.processes import BenchFailed, python, running

TASKS = {"pgqueuer": 2000, "procrastinate": 600, "arq": 2000}
MODULES = {"pgqueuer": "pgqueuer", "procrastinate": "procrastinate", "arq": "arq"}


def missing(peer: str) -> str | None:
    """Why this peer cannot be measured here, or None."""
    if find_spec(MODULES[peer]) is None:
        return f"{peer} is not installed: uv sync --group bench"
    if peer == "arq" and shutil.which("redis-server") is None:
        return "there is no redis-server on this machine (Debian: apt-get install redis-server)"
    return None


async def noop_tasks(server: Server, peer: str, name: str) -> dict[str, Any]:
    """No-op tasks per second of one peer, in a process of its own."""
    with TemporaryDirectory(prefix="px7-bench-") as made:
        folder = Path(made)
        if peer == "arq":
            return await _on_redis(peer, folder)
        async with server.database(name) as url:
            return await _measure(peer, url, folder)


async def _on_redis(peer: str, folder: Path) -> dict[str, Any]:
    """Redis keeps nothing on disk here, which is in ARQ's favour."""
    socket = folder / "redis.sock"
    options = ("--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no")
    async with running("redis", "redis-server", *options, "--dir", str(folder), logs=folder):
        for _ in range(200):
            if socket.exists():
                return await _measure(peer, str(socket), folder)
            await asyncio.sleep(0.05)
    raise BenchFailed("redis-server did not start")


async def _measure(peer: str, url: str, folder: Path) -> dict[str, Any]:
    command = python("bench.peer_task", peer, str(TASKS[peer]), url)
    async with running(peer, *command, logs=folder) as child:
        return await child.result(within_s=120)
