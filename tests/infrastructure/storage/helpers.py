"""Putting and getting whole contents."""

from pixsim7_backend.infrastructure.storage.blob_store import BlobStore
from pixsim7_backend.infrastructure.storage.layout import StoredBlob


async def put(
    store: BlobStore, data: bytes, step: int = 65536, max_bytes: int | None = None
) -> StoredBlob:
    limit = len(data) if max_bytes is None else max_bytes
    async with store.stage(max_bytes=limit) as staged:
        for at in range(0, len(data), step):
            await staged.write(data[at : at + step])
        return await staged.commit()


async def get(store: BlobStore, sha256: str, start: int, end: int) -> bytes:
    return b"".join([chunk async for chunk in store.open_range(sha256, start, end)])
