"""Stores to test against: a local directory, and S3 spoken by moto's server."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3  # type: ignore[import-untyped]
import pytest
from moto.server import ThreadedMotoServer

from pixsim7_backend.infrastructure.storage.blob_store import BlobStore


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def s3_client(s3_endpoint: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=s3_endpoint,
        region_name="us-east-1",
        aws_access_key_id="dummy",
        aws_secret_access_key="dummy",
    )


@pytest.fixture
def bucket(s3_client: Any) -> str:
    name = f"px-{uuid4().hex[:12]}"
    s3_client.create_bucket(Bucket=name)
    return name


@pytest.fixture
async def local_store(tmp_path: Path) -> AsyncIterator[BlobStore]:
    store = BlobStore.open(tmp_path / "media", staging_dir=tmp_path / "staging", reserve_bytes=0)
    await store.prepare()
    yield store
    await store.close()


@pytest.fixture
async def s3_store(tmp_path: Path, s3_endpoint: str, bucket: str) -> AsyncIterator[BlobStore]:
    store = BlobStore.open(
        f"s3://{bucket}/library",
        staging_dir=tmp_path / "staging",
        config={
            "endpoint": s3_endpoint,
            "region": "us-east-1",
            "access_key_id": "dummy",
            "secret_access_key": "dummy",
        },
        client_options={"allow_http": True},
        reserve_bytes=0,
    )
    await store.prepare()
    yield store
    await store.close()


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest) -> BlobStore:
    """Each kind of store in turn."""
    found: BlobStore = request.getfixturevalue(f"{request.param}_store")
    return found
