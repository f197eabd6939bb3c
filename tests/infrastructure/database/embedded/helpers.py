"""For the tests of the embedded PostgreSQL."""

import os
import subprocess
from pathlib import Path
from typing import Protocol

import asyncpg


class Spawn(Protocol):
    def __call__(self, durable: str = "fast") -> subprocess.Popen[str]: ...


is_root = os.geteuid() == 0


def wait_up(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "cluster" / "postmaster.pid").read_text().split()[0])


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def ask(url: str, query: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval(query))
    finally:
        await connection.close()
