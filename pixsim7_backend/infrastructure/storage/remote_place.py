"""Blobs in an object store (S3, GCS, Azure): put under the content name, verify, answer."""

import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import ObjectStore

from pixsim7_backend.infrastructure.storage.errors import (
    BlobDamaged,
    StorageFault,
    StorageNotReady,
    storage_errors,
)
from pixsim7_backend.infrastructure.storage.layout import (
    SENTINEL,
    FileThreads,
    blob_path,
    new_sentinel,
    quarantine_path,
    read_sentinel,
)

# Up to here one conditional request (`If-None-Match: *`), above it a multipart upload.
_SINGLE_PUT = 8 * 1024 * 1024
_PARTS_AT_ONCE = 4
_UNSUPPORTED = re.compile(r"not ?(yet )?(implemented|supported)|\b501\b", re.IGNORECASE)


class RemotePlace:
    """The rules of an object store."""

    def __init__(self, objects: ObjectStore, threads: FileThreads) -> None:
        self.objects = objects
        self._threads = threads

    def local_path(self, sha256: str) -> Path | None:
        blob_path(sha256)
        return None

    async def store_id(self) -> str | None:
        try:
            with storage_errors("reading the storage's sentinel"):
                try:
                    answer = await obstore.get_async(self.objects, SENTINEL)
                except FileNotFoundError:
                    return None
                return read_sentinel(bytes(await answer.bytes_async()))
        except StorageFault as error:
            raise StorageNotReady(error.detail) from error

    async def is_empty(self) -> bool:
        with storage_errors("listing the storage"):
            async for batch in obstore.list(self.objects, chunk_size=1):
                if batch:
                    return False
        return True

    async def create(self) -> str:
        store_id, text = new_sentinel()
        with storage_errors("preparing the storage"):
            await self._put_new(SENTINEL, text)
        return await self.store_id() or store_id

    async def require_ready(self) -> None:
        if await self.store_id() is None:
            raise StorageNotReady(f"The storage has no {SENTINEL} object: is it the right one?")

    async def check_writable(self) -> None:
        await self.require_ready()
        probe = f".probe-{os.getpid()}-{os.urandom(4).hex()}"
        try:
            with storage_errors("writing to the storage"):
                await obstore.put_async(self.objects, probe, b"x")
                await obstore.delete_async(self.objects, probe)
        except StorageFault as error:
            raise StorageNotReady(error.detail) from error

    async def publish(
        self, staged: Path, sha256: str, size: int, after_link: Callable[[], Awaitable[None]]
    ) -> None:
        """Upload a staged file under its content name. Idempotent."""
        path = blob_path(sha256)
        with storage_errors("uploading a file"):
            present = await self._size(path)
            if present is None:
                await self._upload(staged, path, size)
            elif present != size:
                aside = quarantine_path(sha256, present)
                await obstore.copy_async(self.objects, path, aside)
                await self._upload(staged, path, size, overwrite=True)
            await after_link()
            if present != size and await self._size(path) != size:
                raise BlobDamaged("The uploaded object does not have the size of the file.")
            await self._threads.run(lambda: staged.unlink(missing_ok=True))

    async def keep_part(self, staged: Path, path: str, size: int) -> None:
        """Upload a staged file under a name of its own."""
        with storage_errors("uploading a part"):
            await self._upload(staged, path, size)

    async def _upload(self, staged: Path, path: str, size: int, *, overwrite: bool = False) -> None:
        if size <= _SINGLE_PUT:
            body = await self._threads.run(staged.read_bytes)
            if overwrite:
                await obstore.put_async(self.objects, path, body, use_multipart=False)
            else:
                await self._put_new(path, body)
            return
        # Object stores publish a multipart upload whole or not at all.
        await obstore.put_async(
            self.objects,
            path,
            staged,
            use_multipart=True,
            chunk_size=_SINGLE_PUT,
            max_concurrency=_PARTS_AT_ONCE,
        )

    async def _put_new(self, path: str, body: bytes) -> None:
        try:
            await obstore.put_async(self.objects, path, body, mode="create")
        except (AlreadyExistsError, PreconditionError):
            return
        except (BaseError, NotImplementedError) as error:
            if isinstance(error, BaseError) and not _UNSUPPORTED.search(str(error)):
                raise
            # The same name always means the same bytes, so overwriting changes nothing.
            await obstore.put_async(self.objects, path, body, use_multipart=False)

    async def _size(self, path: str) -> int | None:
        try:
            return (await obstore.head_async(self.objects, path))["size"]
        except FileNotFoundError:
            return None

    async def delete(self, sha256: str) -> None:
        with storage_errors("deleting a file"):
            try:
                await obstore.delete_async(self.objects, blob_path(sha256))
            except FileNotFoundError:
                return
