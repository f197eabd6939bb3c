"""A lab per test: short leases, a quick simulator, and worker processes."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pixsim7_simulator import RunningSimulator, running_simulator

from pixsim7_backend.shared.config import Settings
from tests.conftest import allowing
from tests.workers.lab import Lab, open_lab
from tests.workers.pace import hurried
from tests.workers.processes import Zygote, running_zygote

LEASE_S = 1.0


@pytest.fixture(autouse=True)
def quick_polls() -> Iterator[None]:
    with hurried():
        yield


@pytest.fixture(scope="session")
async def zygote() -> AsyncIterator[Zygote]:
    async with running_zygote() as running:
        yield running


@pytest.fixture
async def witness() -> AsyncIterator[RunningSimulator]:
    """A simulator without accounts; a generation takes a moment."""
    async with running_simulator(accounts=(), generation_seconds=0.05) as running:
        yield running


def quick(settings: Settings) -> Settings:
    """Short leases: what the dead left behind is found in about a second."""
    return settings.model_copy(
        update={
            "task_lease_s": LEASE_S,
            "reservation_lease_s": LEASE_S,
            "sweep_interval_s": 0.25,
            "doubt_deadline_s": 1.0,
        }
    )


@pytest.fixture
async def lab(
    settings: Settings, witness: RunningSimulator, zygote: Zygote, tmp_path: Path
) -> AsyncIterator[Lab]:
    async with open_lab(
        allowing(quick(settings), witness.url), witness, zygote, tmp_path
    ) as opened:
        yield opened
