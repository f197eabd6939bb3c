"""A file on its way into the store: hashed, counted and capped while it is written."""

import hashlib
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from pixsim7_backend.infrastructure.storage.errors import (
    BlobTooLarge,
    StorageFault,
    StorageNotReady,
    storage_errors,
)
from pixsim7_backend.infrastructure.storage.layout import FileThreads, StoredBlob

# Small chunks gather here, so that a thread is entered once a MiB and not once a chunk.
_BUFFER = 1024 * 1024

Publish = Callable[["StagedFile"], Awaitable[StoredBlob]]


class StagedFile:
    """Made by `BlobStore.stage`. Write, `flush`, look at `path`, `commit`."""

    def __init__(
        self, path: Path, *, max_bytes: int, threads: FileThreads, publish: Publish
    ) -> None:
        self._path = path
        self._fd: int | None = None
        self._max_bytes = max_bytes
        self._threads = threads
        self._publish = publish
        self._hash = hashlib.sha256()
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._stored: StoredBlob | None = None
        self.size_bytes = 0

    @property
    def path(self) -> Path:
        """The local file, for media checks. Call `flush` first."""
        if self._pending:
            raise RuntimeError("flush() the staged file before looking at it")
        if self._stored is not None:
            raise RuntimeError("the staged file is committed; its path is gone")
        return self._path

    @property
    def sha256(self) -> str:
        """The digest of what was flushed so far."""
        if self._pending:
            raise RuntimeError("flush() the staged file before asking for its digest")
        return self._hash.hexdigest()

    async def create(self) -> None:
        """Make the file. Called by the store, inside the block that discards it."""

        def make() -> None:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._fd = os.open(self._path, flags, 0o600)

        try:
            with storage_errors("staging a file"):
                await self._threads.run(make)
        except StorageFault as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise StorageNotReady("The staging directory does not exist.") from error
            raise

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Append; `BlobTooLarge` as soon as the cap is passed, before those bytes are kept."""
        if self._fd is None:
            raise RuntimeError("the staged file is closed")
        self.size_bytes += len(chunk)
        if self.size_bytes > self._max_bytes:
            raise BlobTooLarge(f"The file is larger than {self._max_bytes} bytes.")
        self._pending.append(bytes(chunk))
        self._pending_bytes += len(chunk)
        if self._pending_bytes >= _BUFFER:
            await self.flush()

    async def flush(self) -> None:
        """Hand everything written so far to the file."""
        if self._pending:
            with storage_errors("writing a file"):
                await self._threads.run(self._write_out)

    def _write_out(self) -> None:
        fd = self._open_fd()
        chunks, self._pending, self._pending_bytes = self._pending, [], 0
        for chunk in chunks:
            self._hash.update(chunk)
            view = memoryview(chunk)
            while view:
                view = view[os.write(fd, view) :]

    def _open_fd(self) -> int:
        if self._fd is None:
            raise RuntimeError("the staged file is closed")
        return self._fd

    async def copy_from(self, source: Path) -> None:
        """Append another local file's bytes, in one go of a thread."""

        def copy() -> None:
            self._write_out()
            fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with open(fd, "rb", buffering=0) as file:
                while chunk := file.read(_BUFFER):
                    self.size_bytes += len(chunk)
                    if self.size_bytes > self._max_bytes:
                        raise BlobTooLarge(f"The file is larger than {self._max_bytes} bytes.")
                    self._pending = [chunk]
                    self._write_out()

        with storage_errors("copying a file"):
            await self._threads.run(copy)

    async def seal(self) -> None:
        """Everything on disk, read-only and closed. An fsync error drops the file for good."""

        def finish() -> None:
            self._write_out()
            fd = self._open_fd()
            try:
                os.fchmod(fd, 0o400)
                os.fsync(fd)
            finally:
                self._fd = None
                os.close(fd)

        with storage_errors("making a file durable"):
            await self._threads.run(finish)

    async def commit(self) -> StoredBlob:
        """Publish under the content path; the answer means: durable. May be called again."""
        if self._stored is None:
            self._stored = await self._publish(self)
        return self._stored

    async def discard(self) -> None:
        """Close, and remove what was not published. What cannot be removed is swept later."""
        self._pending = []
        if self._stored is not None:
            return

        def drop() -> None:
            with suppress(OSError):
                if self._fd is not None:
                    fd, self._fd = self._fd, None
                    os.close(fd)
            with suppress(OSError):
                self._path.unlink()

        await self._threads.run(drop)
