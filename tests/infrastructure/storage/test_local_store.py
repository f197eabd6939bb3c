"""Crashes, full disks and absent volumes of a local store."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pixsim7_backend.infrastructure.storage.blob_store import BlobStore
from pixsim7_backend.infrastructure.storage.errors import (
    StorageFault,
    StorageFull,
    StorageNotReady,
)
from pixsim7_backend.infrastructure.storage.layout import SENTINEL
from tests.infrastructure.storage.helpers import put

_CHILD = """
import asyncio, resource, sys
from pathlib import Path
from pixsim7_backend.infrastructure.storage.blob_store import BlobStore
from pixsim7_backend.infrastructure.storage.errors import StorageFull
root, limit = Path(sys.argv[1]), int(sys.argv[2])
async def main():
    store = BlobStore.open(root / "media", staging_dir=root / "staging", reserve_bytes=0)
    await store.prepare()
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        async with store.stage(max_bytes=1 << 30) as staged:
            for _ in range(48):
                await staged.write(b"0123456789abcdef" * 4096)
            await staged.commit()
    except StorageFull as error:
        print("full:", error.detail)
    await store.close()
asyncio.run(main())
"""


def _run_child(root: Path, *, limit: int = 0, fail: str = "") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PIXSIM7_FAIL_POINTS": fail} if fail else dict(os.environ)
    return subprocess.run(
        [sys.executable, "-c", _CHILD, str(root), str(limit)],
        env=env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def _blobs(root: Path) -> list[Path]:
    return [path for path in (root / "media" / "blobs").rglob("*") if path.is_file()]


@pytest.mark.parametrize(("point", "published"), [("after_fsync", 0), ("after_link", 1)])
async def test_killed_between_the_steps(tmp_path: Path, point: str, published: int) -> None:
    died = await asyncio.to_thread(_run_child, tmp_path, fail=f"fetch.{point}=kill")
    assert died.returncode == -signal.SIGKILL
    blobs = _blobs(tmp_path)
    assert len(blobs) == published
    assert all(blob.stat().st_size == 48 * 65536 for blob in blobs)
    assert len(os.listdir(tmp_path / "staging")) == 1
    again = await asyncio.to_thread(_run_child, tmp_path)
    assert again.returncode == 0, again.stderr
    assert [blob.stat().st_size for blob in _blobs(tmp_path)] == [48 * 65536]

    store = BlobStore.open(tmp_path / "media", staging_dir=tmp_path / "staging")
    assert await store.sweep_staging(3600) == 0
    assert await store.sweep_staging(0) == 1
    assert os.listdir(tmp_path / "staging") == []
    assert [entry.size_bytes async for entry in store.list_blobs()] == [48 * 65536]
    await store.close()


async def test_no_room_leaves_no_half_file(tmp_path: Path) -> None:
    done = await asyncio.to_thread(_run_child, tmp_path, limit=1_500_000)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("full: No space left")
    assert os.listdir(tmp_path / "staging") == []
    assert _blobs(tmp_path) == []


async def test_order_of_what_reaches_the_disk(
    local_store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File durable before its name, names durable before the answer, up to the root."""
    steps: list[str] = []
    real_fsync, real_link = os.fsync, os.link

    def fsync(fd: int) -> None:
        kind = "dir" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file"
        steps.append(f"fsync {kind} {os.readlink(f'/proc/self/fd/{fd}').split('/')[-1][:6]}")
        real_fsync(fd)

    def link(source: Any, target: Any) -> None:
        steps.append("link")
        real_link(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", link)
    async with local_store.stage(max_bytes=10) as staged:
        await staged.write(b"abc")
        name = staged._path.name[:6]
        blob = await staged.commit()
    one, two = blob.sha256[:2], blob.sha256[2:4]
    assert steps == [
        f"fsync file {name}",
        "link",
        f"fsync dir {two}",
        f"fsync dir {one}",
        "fsync dir blobs",
        "fsync dir media",
    ]
    path = local_store.local_path(blob.sha256)
    assert path is not None
    assert path.stat().st_mode & 0o777 == 0o400
    assert path.stat().st_nlink == 1


async def test_an_fsync_error_drops_the_file(
    local_store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def fsync(fd: int) -> None:
        nonlocal calls
        calls += 1
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StorageFault, match="Input/output"):
        await put(local_store, b"abc")
    assert calls == 1
    assert os.listdir(tmp_path / "staging") == []
    assert _blobs(tmp_path) == []


async def test_a_file_system_without_hard_links(
    local_store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(source: Any, target: Any) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    for _ in range(2):
        blob = await put(local_store, b"abc")
    assert await local_store.size(blob.sha256) == 3
    assert os.listdir(tmp_path / "staging") == []


async def test_an_unmounted_volume_is_never_written(local_store: BlobStore, tmp_path: Path) -> None:
    blob = await put(local_store, b"abc")
    (tmp_path / "media").rename(tmp_path / "away")
    (tmp_path / "media").mkdir()  # the empty mount point
    for attempt in (local_store.check(), local_store.size(blob.sha256)):
        with pytest.raises(StorageNotReady):
            await attempt
    with pytest.raises(StorageNotReady):
        async with local_store.stage(max_bytes=10):
            pass
    with pytest.raises(StorageNotReady):
        await local_store.delete(blob.sha256)
    with pytest.raises(StorageNotReady):
        _ = [entry async for entry in local_store.list_blobs()]
    with pytest.raises(StorageNotReady):
        await local_store.prepare(expected_id="0" * 32)
    assert os.listdir(tmp_path / "media") == []


async def test_unmounted_while_a_file_is_staged(local_store: BlobStore, tmp_path: Path) -> None:
    async with local_store.stage(max_bytes=10) as staged:
        await staged.write(b"abc")
        (tmp_path / "media").rename(tmp_path / "away")
        (tmp_path / "media").mkdir()
        with pytest.raises(StorageNotReady):
            await staged.commit()
    assert os.listdir(tmp_path / "media") == []
    assert os.listdir(tmp_path / "staging") == []


async def test_a_strange_directory_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "holiday.jpg").write_bytes(b"x")
    store = BlobStore.open(tmp_path / "media", staging_dir=tmp_path / "staging")
    with pytest.raises(StorageNotReady):
        await store.prepare()
    assert os.listdir(tmp_path / "media") == ["holiday.jpg"]
    (tmp_path / "media" / SENTINEL).write_text("{}")
    with pytest.raises(StorageNotReady, match="cannot be read"):
        await store.prepare()
    await store.close()


async def test_first_use_by_several_at_once(tmp_path: Path) -> None:
    stores = [
        BlobStore.open((tmp_path / "m").as_uri(), staging_dir=tmp_path / "m" / "staging")
        for _ in range(6)
    ]
    assert len(set(await asyncio.gather(*(store.prepare() for store in stores)))) == 1
    assert sorted(os.listdir(tmp_path / "m")) == [SENTINEL, "blobs", "staging"]
    for store in stores:
        await store.close()


async def test_free_space_is_kept_in_reserve(tmp_path: Path) -> None:
    store = BlobStore.open(
        tmp_path / "media", staging_dir=tmp_path / "staging", reserve_bytes=1 << 60
    )
    await store.prepare()
    with pytest.raises(StorageFull, match="MiB are free"):
        await store.check()
    await store.check(keep_reserve=False)
    await store.close()


async def test_sweep_takes_only_its_own_old_things(local_store: BlobStore, tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    old = time.time() - 7200
    for name in ("a.part", "b.part", "note.txt"):
        (staging / name).write_bytes(b"x")
    (staging / "c.work").mkdir()
    (staging / "c.work" / "poster.webp").write_bytes(b"x")
    for name in ("a.part", "note.txt", "c.work"):
        os.utime(staging / name, (old, old))
    async with local_store.scratch() as scratch:
        assert await local_store.sweep_staging(3600) == 2
        assert sorted(os.listdir(staging)) == sorted(["b.part", "note.txt", scratch.name])
    assert sorted(os.listdir(staging)) == ["b.part", "note.txt"]


async def test_reads_do_not_stop_the_event_loop(local_store: BlobStore) -> None:
    """Ten writers and the loop still turns every few milliseconds."""
    worst = 0.0

    async def watch() -> None:
        nonlocal worst
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0)
            worst = max(worst, time.perf_counter() - before)
            await asyncio.sleep(0.001)

    async def write(seed: int) -> None:
        async with local_store.stage(max_bytes=1 << 24) as staged:
            for _ in range(64):
                await staged.write(bytes([seed]) * 65536)
            await staged.commit()

    watcher = asyncio.create_task(watch())
    await asyncio.gather(*(write(seed) for seed in range(10)))
    watcher.cancel()
    assert worst < 0.25
