"""A zip made while it is sent: stored, not compressed, with no temporary file."""

import zipfile
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime
from io import RawIOBase

_UNIX_FILE = 0o100644 << 16


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """One file of the archive."""

    name: str
    modified: datetime
    size: int
    chunks: AsyncIterator[bytes]


class _Pipe(RawIOBase):
    """What `zipfile` writes into; it cannot seek, so sizes follow the bytes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


async def stream_zip(entries: Iterable[ZipEntry]) -> AsyncIterator[bytes]:
    """The archive's bytes; one chunk of one file is in memory at a time."""
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:
        for entry in entries:
            info = zipfile.ZipInfo(entry.name, entry.modified.timetuple()[:6])
            info.external_attr = _UNIX_FILE
            with archive.open(info, "w", force_zip64=entry.size >= 2**31) as file:
                async for chunk in entry.chunks:
                    file.write(chunk)
                    yield pipe.take()
    yield pipe.take()


def unique_names(names: Iterable[str]) -> list[str]:
    """The same names, with ` (2)` and so on where one comes again."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        count = seen[name.lower()] = seen.get(name.lower(), 0) + 1
        stem, dot, extension = name.rpartition(".")
        found.append(name if count == 1 else f"{stem} ({count}){dot}{extension}")
    return found
