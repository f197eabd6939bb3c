"""What is special about object stores."""

import os
from pathlib import Path
from typing import Any

import obstore
import pytest

from pixsim7_backend.infrastructure.storage.blob_store import BlobStore
from pixsim7_backend.infrastructure.storage.errors import (
    BlobDamaged,
    StorageFault,
    StorageNotReady,
)
from pixsim7_backend.infrastructure.storage.layout import SENTINEL
from tests.infrastructure.storage.helpers import put


async def test_objects_lie_under_the_prefix(
    s3_store: BlobStore, s3_client: Any, bucket: str
) -> None:
    blob = await put(s3_store, b"abc")
    keys = {item["Key"] for item in s3_client.list_objects_v2(Bucket=bucket)["Contents"]}
    assert keys == {f"library/{SENTINEL}", f"library/{blob.path}"}
    assert s3_store.local_path(blob.sha256) is None


async def test_an_existing_object_is_not_sent_again(
    s3_store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(9 * 1024 * 1024)
    calls: list[str] = []
    real = obstore.put_async

    async def put_async(store: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        calls.append(path)
        return await real(store, path, *args, **kwargs)

    monkeypatch.setattr(obstore, "put_async", put_async)
    for _ in range(2):
        blob = await put(s3_store, data)
    assert calls == [blob.path]


async def test_a_store_that_knows_no_conditional_put(
    s3_store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = obstore.put_async

    async def put_async(store: Any, path: str, file: Any, **kwargs: Any) -> Any:
        if kwargs.get("mode") == "create":
            raise NotImplementedError("put with mode create")
        return await real(store, path, file, **kwargs)

    monkeypatch.setattr(obstore, "put_async", put_async)
    blob = await put(s3_store, b"abc")
    assert await s3_store.size(blob.sha256) == 3


async def test_a_short_upload_is_noticed(
    s3_store: BlobStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = obstore.put_async

    async def put_async(store: Any, path: str, file: bytes, **kwargs: Any) -> Any:
        return await real(store, path, file[:-1], **kwargs)

    monkeypatch.setattr(obstore, "put_async", put_async)
    with pytest.raises(BlobDamaged):
        await put(s3_store, b"abc")
    assert os.listdir(tmp_path / "staging") == []


async def test_a_changed_object_is_not_handed_out(s3_store: BlobStore) -> None:
    blob = await put(s3_store, b"abc")
    await obstore.put_async(s3_store._place.objects, blob.path, b"abd")
    with pytest.raises(BlobDamaged):
        async with s3_store.materialise(blob.sha256):
            pass


async def test_a_bucket_that_lost_its_sentinel(s3_store: BlobStore) -> None:
    await put(s3_store, b"abc")
    await obstore.delete_async(s3_store._place.objects, SENTINEL)
    for attempt in (s3_store.check(), s3_store.prepare(), s3_store.size("0" * 64)):
        with pytest.raises(StorageNotReady):
            await attempt


async def test_no_such_bucket(s3_endpoint: str, tmp_path: Path) -> None:
    store = BlobStore.open(
        "s3://nobody-made-this",
        staging_dir=tmp_path / "staging",
        config={"endpoint": s3_endpoint, "access_key_id": "x", "secret_access_key": "y"},
        client_options={"allow_http": True},
    )
    with pytest.raises((StorageNotReady, StorageFault)):
        await store.prepare()
    await store.close()
