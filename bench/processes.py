"""Child processes of a run: started, timed and surely ended."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")
STOP_S = 20.0


class BenchFailed(Exception):
    """A part of the run did not do what it should; the message says which, and where its log is."""


class Child:
    """A process of ours, its standard error in a log file."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.process = process
        self.log = log

    @property
    def pid(self) -> int:
        return self.process.pid

    async def line_with(self, text: str, within_s: float = 60.0) -> str:
        """The first line on standard output that contains `text`."""
        if self.process.stdout is None:
            raise BenchFailed(f"{self.name} has no standard output")
        try:
            async with asyncio.timeout(within_s):
                while line := await self.process.stdout.readline():
                    if text in line.decode():
                        return line.decode()
        except TimeoutError:
            pass
        raise BenchFailed(f"{self.name} did not get ready:\n{self._tail()}")

    async def result(self, within_s: float) -> dict[str, Any]:
        """What it prints as JSON before it ends by itself."""
        try:
            async with asyncio.timeout(within_s):
                out, _ = await self.process.communicate()
        except TimeoutError:
            raise BenchFailed(f"{self.name} took longer than {within_s:.0f} s") from None
        if self.process.returncode != 0:
            raise BenchFailed(f"{self.name} failed:\n{self._tail()}")
        return dict(json.loads(out))

    async def stop(self) -> None:
        """Ask; insist after a while."""
        if self.process.returncode is None:
            self.process.terminate()
            try:
                async with asyncio.timeout(STOP_S):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
        await self.process.wait()

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


@asynccontextmanager
async def running(
    name: str,
    *command: str,
    logs: Path,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> AsyncIterator[Child]:
    """A child for the time of the block."""
    log = logs / f"{name}.log"
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **(env or {})},
            limit=2**24,
        )
    if stdin is not None and process.stdin is not None:
        process.stdin.write(stdin.encode())
        process.stdin.close()
    child = Child(name, process, log)
    try:
        yield child
    finally:
        await child.stop()


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a module in this very environment."""
    return (sys.executable, "-m", module, *arguments)


def cpu_seconds(root: int) -> float:
    """CPU time of a process and all below it, the ended ones included."""
    parents: dict[int, int] = {}
    used: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended; its parent has its time by now
        parents[int(entry.name)] = int(fields[1])
        used[int(entry.name)] = sum(map(int, fields[11:15]))
    total = 0
    for pid in parents:
        above: int | None = pid
        while above is not None and above != root:
            above = parents.get(above)
        if above == root:
            total += used[pid]
    return total / TICKS


def own_cpu_seconds(pid: int) -> float:
    """CPU time of one process alone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / TICKS
