"""Worker processes that tests start, stop and kill."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pixsim7_backend.shared.config import Settings
from tests.conftest import eventually


class WorkerProcess:
    """One `pixsim7 worker`."""

    def __init__(self, pid: int, log: Path, ended: "asyncio.Future[int]") -> None:
        self.pid = pid
        self.log = log
        self.ended = ended

    @property
    def is_running(self) -> bool:
        return not self.ended.done()

    def send(self, number: signal.Signals) -> None:
        if self.is_running:
            os.kill(self.pid, number)

    async def wait(self, timeout_s: float = 60) -> int:
        """The exit status; negative for a signal."""
        return await asyncio.wait_for(asyncio.shield(self.ended), timeout_s)

    async def kill(self) -> None:
        self.send(signal.SIGKILL)
        await self.wait()

    def _state(self) -> str:
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]

    async def stopped(self) -> None:
        """Return when it is stopped by SIGSTOP, its own fail point's perhaps."""

        async def is_stopped() -> bool:
            assert self.is_running, self.said()
            return self._state() == "T"

        await eventually(is_stopped)

    async def started(self) -> None:
        async def has_started() -> bool:
            assert self.is_running, self.said()
            return "worker_started" in self.said()

        await eventually(has_started)

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""


class Zygote:
    """The process that workers are forked from."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._born: asyncio.Queue[int] = asyncio.Queue()
        self._ended: dict[int, asyncio.Future[int]] = {}
        self._order = asyncio.Lock()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            message: dict[str, Any] = json.loads(line)
            if "pid" in message:
                self._fate(message["pid"])
                self._born.put_nowait(message["pid"])
            else:
                self._fate(message["ended"]).set_result(message["status"])

    def _fate(self, pid: int) -> "asyncio.Future[int]":
        if pid not in self._ended or self._ended[pid].done():
            self._ended[pid] = asyncio.get_running_loop().create_future()
        return self._ended[pid]

    async def worker(self, env: Mapping[str, str], log: Path) -> WorkerProcess:
        assert self._process.stdin is not None
        async with self._order:
            order = {"env": dict(env), "log": str(log)}
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            await self._process.stdin.drain()
            pid = await asyncio.wait_for(self._born.get(), 30)
        return WorkerProcess(pid, log, self._ended[pid])

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        self._reader.cancel()


@asynccontextmanager
async def running_zygote() -> AsyncIterator[Zygote]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.workers.zygote",
        stdin=PIPE,
        stdout=PIPE,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        limit=1 << 20,
    )
    zygote = Zygote(process)
    try:
        yield zygote
    finally:
        await zygote.close()


def environment(settings: Settings, **more: str) -> dict[str, str]:
    """What makes a process run under the same settings."""
    names = (
        "env",
        "data_dir",
        "database_url",
        "database_pool_size",
        "doubt_deadline_s",
        "reservation_lease_s",
        "task_lease_s",
        "sweep_interval_s",
        "render_concurrency",
    )
    given = {f"PIXSIM7_{name.upper()}": str(getattr(settings, name)) for name in names}
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PIXSIM7_LOG_FORMAT": "json",
        "PIXSIM7_POLL_PACE": str(settings.poll_pace),
        "PIXSIM7_SKIP_TASKS": ",".join(settings.skip_tasks),
        "PIXSIM7_ALLOW_PRIVATE_ORIGINS": ",".join(settings.allow_private_origins),
        "PIXSIM7_ALLOW_PRIVATE_WEBHOOKS": ",".join(settings.allow_private_webhooks),
        **given,
        **more,
    }
