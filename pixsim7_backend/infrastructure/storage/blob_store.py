"""The one blob store: content-addressed, in a local directory or any object store.

Bytes are staged on local disk, hashed while written, made durable, then given their content
name `blobs/ab/cd/<sha256>`; a row that names a blob is written after that. Nothing overwrites.
"""

import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import obstore
from obstore.store import from_url

from pixsim7_backend.infrastructure.database.guard import assert_no_transaction
from pixsim7_backend.infrastructure.storage.errors import (
    BlobDamaged,
    BlobMissing,
    StorageFull,
    StorageNotReady,
    storage_errors,
)
from pixsim7_backend.infrastructure.storage.layout import (
    BLOBS,
    PARTS,
    BlobEntry,
    FileThreads,
    StoredBlob,
    blob_path,
    digest_of,
    local_root,
    part_path,
)
from pixsim7_backend.infrastructure.storage.local_place import LocalPlace, same_device
from pixsim7_backend.infrastructure.storage.remote_place import RemotePlace
from pixsim7_backend.infrastructure.storage.staged_file import StagedFile
from pixsim7_backend.shared.fail_points import fail_point

_KIB, _MIB, _GIB = 1024, 1024**2, 1024**3
_CHUNK = 256 * _KIB
_LOCAL_WINDOW = _MIB
_REMOTE_WINDOW = 4 * _MIB  # one request each, so that a slow reader never times a request out
_FLOOR = 64 * _MIB  # what even a paid result must leave free


class BlobStore:
    """Made by `open`; `await prepare()` once before use."""

    def __init__(
        self,
        place: LocalPlace | RemotePlace,
        threads: FileThreads,
        *,
        staging_dir: Path,
        reserve_bytes: int | None,
    ) -> None:
        self._place = place
        self._threads = threads
        self._staging = staging_dir
        self._reserve = reserve_bytes
        self._root = place.root if isinstance(place, LocalPlace) else None

    @classmethod
    def open(
        cls,
        url: str | Path,
        *,
        staging_dir: Path,
        config: Mapping[str, Any] | None = None,
        client_options: Mapping[str, Any] | None = None,
        reserve_bytes: int | None = None,
    ) -> "BlobStore":
        """A directory, `file://`, `s3://`, `gs://` or `az://` URL. Touches nothing yet.

        `config` and `client_options` are obstore's. `reserve_bytes` is the free space below
        which `check` refuses; by default 5 % of the disk, at least 2 GiB and at most 20 GiB.
        """
        threads = FileThreads()
        root = local_root(url)
        if root is not None:
            place: LocalPlace | RemotePlace = LocalPlace(root, threads)
        else:
            objects = from_url(  # type: ignore[call-overload]
                str(url),
                config=dict(config or {}),
                client_options={
                    "timeout": "120s",
                    "connect_timeout": "10s",
                    # obstore's own variable for it is not read once options are given.
                    "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true",
                    **(client_options or {}),
                },
                retry_config={"max_retries": 4, "retry_timeout": timedelta(seconds=60)},
            )
            place = RemotePlace(objects, threads)
        return cls(place, threads, staging_dir=Path(staging_dir), reserve_bytes=reserve_bytes)

    async def prepare(self, *, expected_id: str | None = None) -> str:
        """Make sure that this is the right store and return its id.

        A store without its sentinel is started only when it is empty and nobody expects one:
        pass the id that was returned the first time, and an unmounted volume is noticed.
        """
        store_id = await self._place.store_id()
        if store_id is None and expected_id is None and await self._place.is_empty():
            store_id = await self._place.create()
        store_id = store_id or await self._place.store_id()  # another process may have been faster
        if store_id is None:
            raise StorageNotReady(
                "The storage's sentinel is missing: its volume may not be mounted."
            )
        if expected_id is not None and store_id != expected_id:
            raise StorageNotReady("This is the storage of another installation.")
        with storage_errors("preparing the staging directory"):
            await self._threads.run(self._prepare_staging)
        return store_id

    def _prepare_staging(self) -> None:
        self._staging.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._root is not None and not same_device(self._staging, self._root):
            self._staging = self._root / "staging"  # a link needs the same file system
            self._staging.mkdir(mode=0o700, exist_ok=True)

    @asynccontextmanager
    async def stage(self, *, max_bytes: int) -> AsyncIterator[StagedFile]:
        """A new staging file; whatever was not committed is removed at the end."""
        assert_no_transaction("blob store")
        if self._root is not None:
            await self._place.require_ready()
        staged = StagedFile(
            self._staging / f"{secrets.token_hex(16)}.part",
            max_bytes=max_bytes,
            threads=self._threads,
            publish=self._publish,
        )
        try:
            await staged.create()
            yield staged
        finally:
            await staged.discard()

    async def _publish(self, staged: StagedFile) -> StoredBlob:
        assert_no_transaction("blob store")
        await staged.seal()
        await fail_point("fetch.after_fsync")
        sha256, size = staged.sha256, staged.size_bytes
        await self._place.publish(
            staged.path, sha256, size, after_link=lambda: fail_point("fetch.after_link")
        )
        return StoredBlob(sha256=sha256, size_bytes=size, path=blob_path(sha256))

    @asynccontextmanager
    async def scratch(self) -> AsyncIterator[Path]:
        """A private directory beside the staging files, for a media tool to write into."""
        path = self._staging / f"{secrets.token_hex(16)}.work"
        try:
            with storage_errors("making a work directory"):
                await self._threads.run(lambda: path.mkdir(mode=0o700))
            yield path
        finally:
            await self._threads.run(lambda: shutil.rmtree(path, ignore_errors=True))

    async def size(self, sha256: str) -> int | None:
        """The stored size; None when a store that is in order does not hold the content."""
        path = blob_path(sha256)
        with storage_errors("looking up a file"):
            try:
                return (await obstore.head_async(self._place.objects, path))["size"]
            except FileNotFoundError:
                pass
        await self._place.require_ready()
        return None

    async def exists(self, sha256: str) -> bool:
        return await self.size(sha256) is not None

    def open_range(self, sha256: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes `start <= i < end` in chunks of at most 256 KiB."""
        assert_no_transaction("blob store")
        path = blob_path(sha256)
        if not 0 <= start <= end:
            raise ValueError("not a byte range")
        return self._read(path, start, end)

    async def _read(self, path: str, start: int, end: int) -> AsyncIterator[bytes]:
        window = _REMOTE_WINDOW if self._root is None else _LOCAL_WINDOW
        while start < end:
            stop = min(start + window, end)
            with storage_errors("reading a file"):
                try:
                    got = await obstore.get_range_async(
                        self._place.objects, path, start=start, end=stop
                    )
                except FileNotFoundError as error:
                    raise BlobMissing("The content is not in the store.") from error
            view = memoryview(got)
            if len(view) != stop - start:
                raise BlobDamaged("The stored file is shorter than it should be.")
            for offset in range(0, len(view), _CHUNK):
                yield bytes(view[offset : offset + _CHUNK])
            start = stop

    def local_path(self, sha256: str) -> Path | None:
        """Where the blob lies in a local store; None for an object store."""
        return self._place.local_path(sha256)

    @asynccontextmanager
    async def materialise(self, sha256: str) -> AsyncIterator[Path]:
        """A readable local file: the blob itself, or a verified temporary download."""
        size = await self.size(sha256)
        if size is None:
            raise BlobMissing("The content is not in the store.")
        local = self._place.local_path(sha256)
        if local is not None:
            yield local
            return
        async with self.stage(max_bytes=size) as staged:
            async for chunk in self.open_range(sha256, 0, size):
                await staged.write(chunk)
            await staged.flush()
            if staged.sha256 != sha256:
                raise BlobDamaged("The stored bytes do not match their name.")
            yield staged.path

    async def delete(self, sha256: str) -> None:
        """Remove a blob; no error when it is not there. Only the collector may call this."""
        assert_no_transaction("blob store")
        await self._place.delete(sha256)

    async def keep_part(self, part_id: UUID, staged: StagedFile) -> None:
        """Make staged bytes a part of an unfinished upload, for every process; durably."""
        assert_no_transaction("blob store")
        await staged.seal()
        await self._place.keep_part(staged.path, part_path(part_id), staged.size_bytes)

    def open_part(self, part_id: UUID, size_bytes: int) -> AsyncIterator[bytes]:
        """The bytes of a part, in chunks; raises `BlobMissing` when it is gone."""
        assert_no_transaction("blob store")
        return self._read(part_path(part_id), 0, size_bytes)

    async def delete_part(self, part_id: UUID) -> None:
        """Remove a part; no error when it is not there."""
        assert_no_transaction("blob store")
        await self._delete_object(part_path(part_id))

    async def sweep_parts(self, older_than_s: float) -> int:
        """Remove the parts of this age, whoever left them; how many that were."""
        assert_no_transaction("blob store")
        until = datetime.now(UTC) - timedelta(seconds=older_than_s)
        removed = 0
        with storage_errors("listing the parts of uploads"):
            async for batch in obstore.list(self._place.objects, PARTS, chunk_size=500):
                for meta in batch:
                    if meta["last_modified"] < until:
                        await self._delete_object(meta["path"])
                        removed += 1
        return removed

    async def _delete_object(self, path: str) -> None:
        with storage_errors("deleting a part"), suppress(FileNotFoundError):
            await obstore.delete_async(self._place.objects, path)

    async def list_blobs(self) -> AsyncIterator[BlobEntry]:
        """Every blob of the store, in no order. Refuses to call an absent store empty."""
        await self._place.require_ready()
        with storage_errors("listing the store"):
            async for batch in obstore.list(self._place.objects, BLOBS, chunk_size=500):
                for meta in batch:
                    sha256 = digest_of(meta["path"])
                    if sha256 is not None:
                        yield BlobEntry(sha256, meta["size"], meta["last_modified"])

    async def sweep_staging(self, older_than_s: float) -> int:
        """Remove what crashed processes left behind; how many things that were."""

        def sweep() -> int:
            removed = 0
            with os.scandir(self._staging) as entries:
                found = list(entries)
            for entry in found:
                if time.time() - entry.stat(follow_symlinks=False).st_mtime < older_than_s:
                    continue
                if entry.name.endswith(".part"):
                    Path(entry.path).unlink(missing_ok=True)
                elif entry.name.endswith(".work"):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    continue
                removed += 1
            return removed

        with storage_errors("sweeping the staging directory"):
            return await self._threads.run(sweep)

    async def free_bytes(self) -> int:
        """Free space where blobs are written (an object store: where they are staged)."""
        return (await self._space())[0]

    async def _space(self) -> tuple[int, int]:
        def look() -> tuple[int, int]:
            stat = os.statvfs(self._root or self._staging)
            return stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize

        with storage_errors("asking for free space"):
            return await self._threads.run(look)

    async def check(self, *, keep_reserve: bool = True) -> None:
        """Raise `StorageNotReady` unless bytes can be written now.

        Uploads keep the reserve; the fetch of a paid result may use it (`keep_reserve=False`).
        """
        await self._place.check_writable()
        if not await self._threads.run(lambda: os.access(self._staging, os.W_OK | os.X_OK)):
            raise StorageNotReady("The staging directory cannot be written.")
        free, total = await self._space()
        usual = min(max(2 * _GIB, total // 20), 20 * _GIB)
        needed = (usual if self._reserve is None else self._reserve) if keep_reserve else _FLOOR
        if free < needed:
            raise StorageFull(f"{free // _MIB} MiB are free, {needed // _MIB} MiB are needed.")

    async def close(self) -> None:
        """Wait for running file work. The store cannot be used afterwards."""
        self._threads.close()
