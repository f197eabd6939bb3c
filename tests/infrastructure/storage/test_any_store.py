"""What every kind of store promises."""

import asyncio
import hashlib
import os
from pathlib import Path
from uuid import uuid4

import obstore
import pytest

from pixsim7_backend.infrastructure.database.guard import transaction_open
from pixsim7_backend.infrastructure.storage.blob_store import BlobStore
from pixsim7_backend.infrastructure.storage.errors import (
    BlobDamaged,
    BlobMissing,
    BlobTooLarge,
    StorageNotReady,
)
from pixsim7_backend.infrastructure.storage.layout import StoredBlob
from tests.infrastructure.storage.helpers import get, put

_MIB = 1024 * 1024


def _left_in_staging(tmp_path: Path) -> list[str]:
    return os.listdir(tmp_path / "staging")


@pytest.mark.parametrize("size", [1, 65536, 3 * _MIB + 17, 9 * _MIB + 5])
async def test_bytes_come_back_under_their_digest(
    store: BlobStore, tmp_path: Path, size: int
) -> None:
    data = os.urandom(size)
    blob = await put(store, data)
    digest = hashlib.sha256(data).hexdigest()
    assert blob == StoredBlob(digest, size, f"blobs/{digest[:2]}/{digest[2:4]}/{digest}")
    assert await store.size(digest) == size
    assert await get(store, digest, 0, size) == data
    assert _left_in_staging(tmp_path) == []


async def test_ranges(store: BlobStore) -> None:
    data = os.urandom(5 * _MIB + 3)
    blob = await put(store, data)
    for start, end in [(0, 1), (0, 0), (5, 5), (_MIB - 1, _MIB + 1), (4 * _MIB, len(data))]:
        assert await get(store, blob.sha256, start, end) == data[start:end]
    sizes = [len(chunk) async for chunk in store.open_range(blob.sha256, 0, len(data))]
    assert max(sizes) <= 256 * 1024
    with pytest.raises(ValueError):
        store.open_range(blob.sha256, 2, 1)
    with pytest.raises(BlobDamaged):
        await get(store, blob.sha256, 0, len(data) + 1)


async def test_too_large_keeps_nothing(store: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(BlobTooLarge):
        await put(store, b"x" * 100_001, step=100_000, max_bytes=100_000)
    assert _left_in_staging(tmp_path) == []
    assert [entry async for entry in store.list_blobs()] == []


async def test_the_same_content_many_times_at_once(store: BlobStore, tmp_path: Path) -> None:
    data = os.urandom(200_000)
    blobs = await asyncio.gather(*(put(store, data) for _ in range(12)))
    assert len(set(blobs)) == 1
    assert [entry.sha256 async for entry in store.list_blobs()] == [blobs[0].sha256]
    assert await get(store, blobs[0].sha256, 0, len(data)) == data
    assert _left_in_staging(tmp_path) == []


async def test_commit_twice_is_one_blob(store: BlobStore) -> None:
    async with store.stage(max_bytes=10) as staged:
        await staged.write(b"abc")
        assert await staged.commit() == await staged.commit()
        with pytest.raises(RuntimeError):
            _ = staged.path


async def test_uncommitted_is_removed(store: BlobStore, tmp_path: Path) -> None:
    async with store.stage(max_bytes=10) as staged:
        await staged.write(b"abc")
        with pytest.raises(RuntimeError):
            _ = staged.path
        await staged.flush()
        assert staged.path.read_bytes() == b"abc"
        assert staged.path.stat().st_mode & 0o777 == 0o600
    assert _left_in_staging(tmp_path) == []


async def test_a_cancelled_upload_leaves_nothing(store: BlobStore, tmp_path: Path) -> None:
    started = asyncio.Event()

    async def upload() -> None:
        async with store.stage(max_bytes=1 << 30) as staged:
            started.set()
            while True:
                await staged.write(b"x" * _MIB)

    task = asyncio.create_task(upload())
    await started.wait()
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _left_in_staging(tmp_path) == []


async def test_copy_materialise_and_delete(store: BlobStore, tmp_path: Path) -> None:
    source = tmp_path / "poster.webp"
    source.write_bytes(b"picture" * 1000)
    async with store.stage(max_bytes=10_000) as staged:
        await staged.copy_from(source)
        blob = await staged.commit()
    async with store.materialise(blob.sha256) as path:
        assert path.read_bytes() == source.read_bytes()
    assert source.exists()
    await store.delete(blob.sha256)
    await store.delete(blob.sha256)
    assert not await store.exists(blob.sha256)
    with pytest.raises(BlobMissing):
        async with store.materialise(blob.sha256):
            pass
    with pytest.raises(BlobMissing):
        await get(store, blob.sha256, 0, 1)
    assert _left_in_staging(tmp_path) == []


@pytest.mark.parametrize("size", [1, 8 * _MIB])
async def test_parts_of_uploads(store: BlobStore, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    part_id, other_id = uuid4(), uuid4()
    for id in (part_id, other_id):
        async with store.stage(max_bytes=size) as staged:
            await staged.write(data)
            await staged.flush()
            await store.keep_part(id, staged)
    assert _left_in_staging(tmp_path) == []
    assert b"".join([chunk async for chunk in store.open_part(part_id, size)]) == data
    assert [entry async for entry in store.list_blobs()] == []
    await store.delete_part(part_id)
    await store.delete_part(part_id)
    with pytest.raises(BlobMissing):
        [chunk async for chunk in store.open_part(part_id, size)]
    assert await store.sweep_parts(3600) == 0
    assert await store.sweep_parts(-3600) == 1
    assert await store.sweep_parts(-3600) == 0


async def test_a_copy_follows_no_link(store: BlobStore, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("/etc/hostname")
    async with store.stage(max_bytes=10_000) as staged:
        with pytest.raises(Exception, match="symbolic links"):
            await staged.copy_from(link)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "", "A" * 64, "g" * 64, "a" * 63, "a" * 64 + "\n", "a/" * 32]
)
async def test_only_digests_make_paths(store: BlobStore, name: str) -> None:
    with pytest.raises(ValueError):
        await store.size(name)
    with pytest.raises(ValueError):
        store.open_range(name, 0, 1)
    with pytest.raises(ValueError):
        store.local_path(name)
    with pytest.raises(ValueError):
        await store.delete(name)


async def test_refused_inside_a_transaction(store: BlobStore) -> None:
    blob = await put(store, b"before")
    async with store.stage(max_bytes=10) as staged:
        await staged.write(b"abc")
        with transaction_open():
            with pytest.raises(RuntimeError, match="blob store"):
                await staged.commit()
            with pytest.raises(RuntimeError, match="blob store"):
                store.open_range(blob.sha256, 0, 1)
            with pytest.raises(RuntimeError, match="blob store"):
                async with store.stage(max_bytes=1):
                    pass


async def test_check_and_the_identity_of_a_store(store: BlobStore) -> None:
    store_id = await store.prepare()
    assert await store.prepare(expected_id=store_id) == store_id
    with pytest.raises(StorageNotReady, match="another installation"):
        await store.prepare(expected_id="0" * 32)
    await store.check()
    assert await store.free_bytes() > 0


async def test_a_blob_of_the_wrong_size_is_set_aside(store: BlobStore) -> None:
    """A truncated blob must not stop its content from being stored again."""
    data = os.urandom(50_000)
    blob = await put(store, data)
    await _truncate(store, blob, data[:100])
    assert await store.size(blob.sha256) == 100
    assert await put(store, data) == blob
    assert await get(store, blob.sha256, 0, len(data)) == data
    assert [entry.size_bytes async for entry in store.list_blobs()] == [len(data)]


async def _truncate(store: BlobStore, blob: StoredBlob, data: bytes) -> None:
    path = store.local_path(blob.sha256)
    if path is None:
        await obstore.put_async(store._place.objects, blob.path, data)
    else:
        path.chmod(0o600)
        path.write_bytes(data)
