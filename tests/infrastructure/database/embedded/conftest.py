"""Clusters to break, and other processes that use them."""

import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pixsim7_backend.infrastructure.database.embedded import (
    EmbeddedPostgres,
    EmbeddedServer,
    temporary_server,
)
from tests.infrastructure.database.embedded.helpers import (
    Spawn,
)

# Starts, tells that it runs, and stops when its input closes.
_OTHER = """
import sys
from pathlib import Path
from pixsim7_backend.infrastructure.database.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), durable=sys.argv[2] == "durable")
server.start()
print("up", flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.fixture
def new_dir() -> Iterator[Path]:
    """Where no cluster is yet."""
    path = Path("/tmp") / f"px7-{secrets.token_hex(4)}"
    path.mkdir(mode=0o711)
    yield path / "pg"
    leftover = EmbeddedPostgres(path / "pg", durable=False)
    if leftover.is_running():
        leftover.start()
        leftover.stop()
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    path = Path("/tmp") / f"px7-{secrets.token_hex(4)}"
    made = EmbeddedPostgres(path, durable=False)
    made.start()
    made.stop()
    yield path
    shutil.rmtree(path)


@pytest.fixture
def data_dir(new_dir: Path, template: Path) -> Path:
    """Where a cluster is that nobody runs; a copy, because initdb takes half a second."""
    subprocess.run(["cp", "-a", template, new_dir], check=True)
    (new_dir / "postgres.log").unlink()
    return new_dir


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with temporary_server() as running:
        yield running


@pytest.fixture
def spawn(data_dir: Path) -> Iterator[Spawn]:
    started: list[subprocess.Popen[str]] = []

    def start(durable: str = "fast") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", _OTHER, str(data_dir), durable],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
