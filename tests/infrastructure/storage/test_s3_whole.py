"""A whole installation whose library lies in an object store, configured as operators do it."""

from typing import Any

import pytest

from pixsim7_backend.cli.demo import run_demo
from pixsim7_backend.infrastructure.storage.layout import SENTINEL
from pixsim7_backend.shared.config import Settings


async def test_a_film_from_the_prompt_to_the_file_by_way_of_s3(
    settings: Settings,
    s3_endpoint: str,
    s3_client: Any,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "dummy",
        "AWS_SECRET_ACCESS_KEY": "dummy",
    }.items():
        monkeypatch.setenv(name, value)
    in_s3 = settings.model_copy(update={"storage_url": f"s3://{bucket}/library"})
    film = await run_demo(in_s3, "sea", {"quality": "360p", "duration": 1, "seed": 1})
    assert film.read_bytes()[4:8] == b"ftyp"
    listed = s3_client.list_objects_v2(Bucket=bucket)["Contents"]
    sizes = {item["Key"]: item["Size"] for item in listed}
    assert f"library/{SENTINEL}" in sizes
    assert film.stat().st_size in sizes.values()
    assert not (settings.data_dir / "media").exists()
