"""Where things lie in a store. Paths come from validated digests and from nothing else."""

import asyncio
import json
import re
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit
from uuid import UUID

from pixsim7_backend.infrastructure.storage.errors import StorageNotReady

SENTINEL = ".pixsim7-storage"
BLOBS = "blobs"
QUARANTINE = "quarantine"
PARTS = "uploads"

_DIGEST = re.compile(r"[0-9a-f]{64}")
_BLOB_PATH = re.compile(r"blobs/([0-9a-f]{2})/([0-9a-f]{2})/(\1\2[0-9a-f]{60})")
_STORE_ID = re.compile(r"[0-9a-f]{32}")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """Content that is in the store, durably."""

    sha256: str
    size_bytes: int
    path: str


class BlobEntry(NamedTuple):
    """One line of the store's listing."""

    sha256: str
    size_bytes: int
    modified_at: datetime


def blob_path(sha256: str) -> str:
    """The content path, `blobs/ab/cd/<sha256>`; `ValueError` for anything but a digest."""
    if not _DIGEST.fullmatch(sha256):
        raise ValueError("not a lower-case SHA-256 hex digest")
    return f"{BLOBS}/{sha256[:2]}/{sha256[2:4]}/{sha256}"


def quarantine_path(sha256: str, size_bytes: int) -> str:
    """Where a damaged blob is kept for a person to look at."""
    blob_path(sha256)
    return f"{QUARANTINE}/{sha256}.{size_bytes}"


def part_path(part_id: UUID) -> str:
    """Where a part of an unfinished upload lies."""
    return f"{PARTS}/{part_id.hex}"


def digest_of(path: str) -> str | None:
    """The digest that a content path stands for; None for any other path."""
    match = _BLOB_PATH.fullmatch(path)
    return match[3] if match else None


def local_root(url: str | Path) -> Path | None:
    """The directory that a storage URL means; None for an object store."""
    if isinstance(url, Path):
        return url.absolute()
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(url).absolute() if "://" not in url else None


def new_sentinel() -> tuple[str, bytes]:
    """A fresh store id and the sentinel's text that carries it."""
    store_id = secrets.token_hex(16)
    return store_id, json.dumps({"store": store_id, "layout": 1}).encode() + b"\n"


def read_sentinel(text: bytes) -> str:
    """The store id in the sentinel's text."""
    try:
        store_id = json.loads(text)["store"]
    except (ValueError, KeyError, TypeError) as error:
        raise StorageNotReady(f"The storage's {SENTINEL} file cannot be read.") from error
    if not isinstance(store_id, str) or not _STORE_ID.fullmatch(store_id):
        raise StorageNotReady(f"The storage's {SENTINEL} file is not one of ours.")
    return store_id


class FileThreads:
    """Blocking file work off the event loop, in threads of its own.

    A cancelled caller still waits for its thread: a descriptor must not be closed, nor a name
    removed, while a thread works on it.
    """

    def __init__(self, threads: int = 8) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="blob-io")

    async def run(self, work: Callable[[], _T]) -> _T:
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        cancelled: asyncio.CancelledError | None = None
        while not future.done():
            try:
                await asyncio.wait({future})
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            future.exception()  # seen; the cancellation is what the caller asked for
            raise cancelled
        return future.result()

    def close(self) -> None:
        self._pool.shutdown(wait=True)
