"""A lab per test: short leases, a quick simulator, and worker processes."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from pixsim7_backend.infrastructure.database.embedded import EmbeddedServer
from pixsim7_backend.shared.config import Settings
from pixsim7_simulator import RunningSimulator, running_simulator
from tests.conftest import allowing, cloned_database
from tests.workers.lab import Lab, open_lab
from tests.workers.processes import Zygote, running_zygote

LEASE_S = 1.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Some of these take ten seconds alone on two cores, and far longer beside other work."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(180))


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
            # Thumbnails cost more than all the rest together, and are not the subject where jobs
            # come by the hundred.
            "skip_tasks": frozenset({"derive"}),
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


Labs = Callable[[], AbstractAsyncContextManager[Lab]]


@pytest.fixture
def labs(
    settings: Settings, postgres: EmbeddedServer, template: str, zygote: Zygote, tmp_path: Path
) -> Labs:
    """As many labs as wanted, each with a database and a simulator of its own."""

    @asynccontextmanager
    async def one_more() -> AsyncIterator[Lab]:
        name = secrets.token_hex(4)
        place = tmp_path / name
        place.mkdir()
        async with (
            cloned_database(postgres, template) as url,
            running_simulator(accounts=(), generation_seconds=0.05) as simulator,
        ):
            own = settings.model_copy(update={"database_url": url, "data_dir": place / "data"})
            async with open_lab(
                allowing(quick(own), simulator.url), simulator, zygote, place
            ) as opened:
                yield opened

    return one_more
