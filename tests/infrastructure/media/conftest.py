"""One set of media tools for all tests, and samples that are encoded once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pixsim7_backend.infrastructure.media.runner import MediaTools
from tests.infrastructure.media import samples


@pytest.fixture(scope="session")
async def tools() -> AsyncIterator[MediaTools]:
    async with MediaTools(max_parallel=2) as tools:
        yield tools


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("samples")


@pytest.fixture(scope="session")
def mp4(shelf: Path) -> Path:
    return samples.film(shelf / "plain.mp4")


@pytest.fixture(scope="session")
def mp4_with_sound(shelf: Path) -> Path:
    return samples.film(shelf / "sound.mp4", audio="aac", faststart=False)


@pytest.fixture(scope="session")
def hd(shelf: Path) -> Path:
    return samples.film(shelf / "hd.mp4", size=(1280, 720), seconds=5)
