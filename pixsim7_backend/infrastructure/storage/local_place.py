"""Blobs in a local directory: link into place, never overwrite, durable before answering."""

import errno
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore

from pixsim7_backend.infrastructure.storage.errors import (
    StorageFault,
    StorageNotReady,
    storage_errors,
)
from pixsim7_backend.infrastructure.storage.layout import (
    BLOBS,
    SENTINEL,
    FileThreads,
    blob_path,
    new_sentinel,
    quarantine_path,
    read_sentinel,
)

# What a fresh volume or our own staging may hold before the first use.
_NOT_CONTENT = frozenset({"lost+found", "staging"})
_NO_HARD_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})


def fsync_dir(path: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class LocalPlace:
    """The rules of a local store. Methods without `async` block and belong into a thread."""

    def __init__(self, root: Path, threads: FileThreads) -> None:
        self.root = root
        self._threads = threads
        self._durable: set[Path] = set()  # directories whose own name is known to be on disk
        self._objects: LocalStore | None = None

    @property
    def objects(self) -> ObjectStore:
        """The directory through obstore, for reading and listing."""
        if self._objects is None:
            try:
                self._objects = LocalStore(self.root)
            except BaseError as error:
                raise StorageNotReady("The storage directory does not exist.") from error
        return self._objects

    def local_path(self, sha256: str) -> Path:
        return self.root / blob_path(sha256)

    async def store_id(self) -> str | None:
        return await self._threads.run(self._store_id)

    def _store_id(self) -> str | None:
        try:
            return read_sentinel((self.root / SENTINEL).read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageNotReady(f"The storage cannot be read: {error.strerror}.") from error

    async def is_empty(self) -> bool:
        def look() -> bool:
            if not self.root.exists():
                return True
            names = {name for name in os.listdir(self.root) if not name.startswith(SENTINEL)}
            return names <= _NOT_CONTENT

        return await self._threads.run(look)

    async def create(self) -> str:
        """Write the sentinel of a new store; the id that won if two processes try."""

        def write() -> str:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            store_id, text = new_sentinel()
            draft = self.root / f"{SENTINEL}.{store_id}"
            try:
                with draft.open("xb") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                try:
                    os.link(draft, self.root / SENTINEL)
                except FileExistsError:
                    return self._store_id() or store_id
                except OSError as error:
                    if error.errno not in _NO_HARD_LINKS:
                        raise
                    draft.rename(self.root / SENTINEL)
            finally:
                draft.unlink(missing_ok=True)
            (self.root / BLOBS).mkdir(mode=0o700, exist_ok=True)
            fsync_dir(self.root)
            return store_id

        with storage_errors("preparing the storage directory"):
            return await self._threads.run(write)

    async def require_ready(self) -> None:
        await self._threads.run(self._require_ready)

    def _require_ready(self) -> None:
        """One `stat`, before every write: an empty mount point must stay empty."""
        if not (self.root / SENTINEL).is_file():
            raise StorageNotReady(
                f"The storage directory has no {SENTINEL} file: its volume may not be mounted."
            )

    async def check_writable(self) -> None:
        def write() -> None:
            self._require_ready()
            probe = self.root / f".probe-{os.getpid()}-{os.urandom(4).hex()}"
            try:
                probe.write_bytes(b"x")
            except OSError as error:
                raise StorageNotReady(
                    f"The storage directory cannot be written: {error.strerror}."
                ) from error
            finally:
                probe.unlink(missing_ok=True)

        await self._threads.run(write)

    async def publish(
        self, staged: Path, sha256: str, size: int, after_link: Callable[[], Awaitable[None]]
    ) -> None:
        """Give a durable staged file its content name, durably. Idempotent."""
        target = self.local_path(sha256)
        with storage_errors("publishing a file"):
            await self._threads.run(lambda: self._link(staged, target, sha256, size))
            await after_link()
            await self._threads.run(lambda: self._settle(staged, target.parent))

    def _link(self, staged: Path, target: Path, sha256: str, size: int) -> None:
        self._require_ready()
        for directory in (target.parents[2], target.parents[1], target.parent):
            if directory not in self._durable:
                directory.mkdir(mode=0o700, exist_ok=True)
        try:
            os.link(staged, target)
        except FileExistsError:
            if target.stat().st_size != size:
                self._replace_damaged(staged, target, sha256)
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            # The same name always means the same bytes, so replacing changes nothing.
            staged.rename(target)

    def _replace_damaged(self, staged: Path, target: Path, sha256: str) -> None:
        """Keep the damaged file aside, put the whole one in its place without a gap."""
        aside = self.root / quarantine_path(sha256, target.stat().st_size)
        aside.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            os.link(target, aside)
        except FileExistsError:
            pass
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            shutil.copyfile(target, aside)
        fsync_dir(aside.parent)
        staged.replace(target)

    def _settle(self, staged: Path, directory: Path) -> None:
        """Make the new name durable, whoever made it, then drop the staging name.

        Directories are flushed even when the blob existed: the process that linked it may not
        have come that far.
        """
        fsync_dir(directory)
        for child in (directory, directory.parent, directory.parent.parent):
            if child not in self._durable:
                fsync_dir(child.parent)
                self._durable.add(child)
        staged.unlink(missing_ok=True)

    async def keep_part(self, staged: Path, path: str, size: int) -> None:
        """Give a durable staged file a name of its own, durably."""
        target = self.root / path

        def move() -> None:
            self._require_ready()
            if target.parent not in self._durable:
                target.parent.mkdir(mode=0o700, exist_ok=True)
                fsync_dir(self.root)
                self._durable.add(target.parent)
            staged.rename(target)
            fsync_dir(target.parent)

        with storage_errors("keeping a part"):
            await self._threads.run(move)

    async def delete(self, sha256: str) -> None:
        target = self.local_path(sha256)

        def remove() -> None:
            self._require_ready()
            target.unlink(missing_ok=True)

        with storage_errors("deleting a file"):
            await self._threads.run(remove)


def same_device(one: Path, other: Path) -> bool:
    """Whether a link from one directory into the other can work."""
    try:
        return one.stat().st_dev == other.stat().st_dev
    except OSError as error:
        raise StorageFault(f"{error.strerror}: the storage directories.") from error
