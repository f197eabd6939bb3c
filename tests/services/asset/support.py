"""Bytes as a person uploads them."""

from collections.abc import AsyncIterator
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from tests.infrastructure.media.samples import film


async def in_chunks(content: bytes, size: int = 4096) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def png(colour: str = "teal", size: tuple[int, int] = (320, 180)) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


@cache
def mp4() -> bytes:
    with TemporaryDirectory() as directory:
        return film(Path(directory) / "film.mp4", seconds=0.5).read_bytes()
