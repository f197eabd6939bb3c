"""The adapter: spool, child processes, crash and cancel."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pixsim7_backend.domain.provider import (
    CallContext,
    InputMedia,
    OperationParams,
    RemoteReport,
    SubmissionRef,
    SubmitContext,
    SubmitRequest,
)
from pixsim7_backend.domain.vocabulary import ErrorKind, MediaType, OperationType, VideoStatus
from pixsim7_backend.providers.local import LocalAdapter
from pixsim7_backend.providers.local.parameters import (
    ImageToVideo,
    TextToImage,
    TextToVideo,
    VideoTransition,
)
from tests.providers.local.films import facts_of, painted

SMALL = {"quality": "360p", "duration": 1, "seed": 5}


class _NoHttp:
    """The renderer has no use for the network."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError("no network")


class Intent:
    def __init__(self) -> None:
        self.count = 0

    async def __call__(self) -> None:
        self.count += 1


def context(intent: Intent | None = None) -> SubmitContext:
    return SubmitContext("account", "", {}, _NoHttp(), intent or Intent())


def calling() -> CallContext:
    return CallContext("account", "", {}, _NoHttp())


@pytest.fixture
async def adapter(tmp_path: Path) -> AsyncIterator[LocalAdapter]:
    made = LocalAdapter(tmp_path / "spool", "m1", renderers=1)
    yield made
    made.close()


def film_request(key: str, **more: object) -> SubmitRequest:
    params = TextToVideo.model_validate({"prompt": "sunset over mountains", **SMALL, **more})
    return SubmitRequest(key, OperationType.TEXT_TO_VIDEO, params)


def ref_of(key: str, machine: str = "m1") -> SubmissionRef:
    return SubmissionRef(key, f"{machine}:{key}", OperationType.TEXT_TO_VIDEO, datetime.now(UTC))


async def report(adapter: LocalAdapter, key: str, machine: str = "m1") -> RemoteReport:
    return (await adapter.poll([ref_of(key, machine)], calling()))[0]


async def finished(adapter: LocalAdapter, key: str, limit_s: float = 20) -> RemoteReport:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        last = await report(adapter, key)
        if last.status not in {VideoStatus.PENDING, VideoStatus.PROCESSING}:
            return last
        await asyncio.sleep(0.05)
    raise AssertionError("the renderer did not finish")


async def test_whole_life(adapter: LocalAdapter, tmp_path: Path) -> None:
    intent = Intent()
    accepted = await adapter.submit(film_request("k1"), context(intent))
    assert accepted.provider_job_id == "m1:k1"
    assert intent.count == 1
    done = await finished(adapter, "k1")
    assert done.status is VideoStatus.COMPLETED
    assert done.credits_charged == 0
    (output,) = done.outputs
    assert output.media_type is MediaType.VIDEO
    path = tmp_path / "film.mp4"
    async with adapter.download(output, calling()) as stream:
        assert stream.status == 200
        path.write_bytes(b"".join([chunk async for chunk in stream.chunks]))
        assert int(stream.headers["content-length"]) == path.stat().st_size
    assert facts_of(path)[2:4] == (640, 360)
    # The same key again is the same work: asked for again, and not rendered a second time.
    entry = adapter.spool.entry("k1")
    before = entry.attempts()
    assert (await adapter.submit(film_request("k1"), context(intent))).provider_job_id == "m1:k1"
    assert intent.count == 2
    assert entry.attempts() == before == 1


async def test_inputs_become_the_entrys_own(adapter: LocalAdapter, tmp_path: Path) -> None:
    image = painted(tmp_path / "given.png", ("#802020", "#204080"))
    params = ImageToVideo.model_validate({"prompt": "zoom in", "image": "asset", **SMALL})
    media = InputMedia("image", MediaType.IMAGE, "0" * 64, "image/png", 1, image)
    request = SubmitRequest("k2", OperationType.IMAGE_TO_VIDEO, params, (media,))
    await adapter.submit(request, context())
    image.unlink()
    assert (await finished(adapter, "k2")).status is VideoStatus.COMPLETED


async def test_image_and_refused_input(adapter: LocalAdapter, tmp_path: Path) -> None:
    params = TextToImage.model_validate({"prompt": "sea", "quality": "360p", "format": "webp"})
    await adapter.submit(SubmitRequest("k3", OperationType.TEXT_TO_IMAGE, params), context())
    done = await finished(adapter, "k3")
    assert done.outputs[0].media_type is MediaType.IMAGE
    assert done.outputs[0].url.endswith(".webp")
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"nothing")
    film = ImageToVideo.model_validate({"prompt": "zoom in", "image": "asset", **SMALL})
    media = InputMedia("image", MediaType.IMAGE, "0" * 64, "image/png", 7, bad)
    await adapter.submit(
        SubmitRequest("k4", OperationType.IMAGE_TO_VIDEO, film, (media,)), context()
    )
    failed = await finished(adapter, "k4")
    assert failed.status is VideoStatus.FAILED
    assert failed.error_kind is ErrorKind.PARAM
    assert "cannot be read" in str(failed.error_message)


async def test_killed_renderer_is_started_again(adapter: LocalAdapter) -> None:
    await adapter.submit(film_request("k5"), context())
    entry = adapter.spool.entry("k5")
    for _ in range(1000):
        if entry.attempts():
            break
        await asyncio.sleep(0.02)
    (child,) = adapter.pool._children.values()
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not entry.is_locked()
    done = await finished(adapter, "k5")
    assert done.status is VideoStatus.COMPLETED
    assert entry.attempts() == 2


async def test_another_process_takes_over_the_spool(adapter: LocalAdapter, tmp_path: Path) -> None:
    await adapter.submit(film_request("k6"), context())
    adapter.close()
    second = LocalAdapter(tmp_path / "spool", "m1", renderers=1)
    try:
        assert (await finished(second, "k6")).status is VideoStatus.COMPLETED
    finally:
        second.close()


def test_renderer_follows_its_killed_parent(tmp_path: Path) -> None:
    program = """
import asyncio, sys
from pathlib import Path
from tests.providers.local.test_adapter import LocalAdapter, context, film_request

async def main() -> None:
    adapter = LocalAdapter(Path(sys.argv[1]), "m1", renderers=1)
    await adapter.submit(film_request("k", duration=15, quality="1080p"), context())
    print(*[child.pid for child in adapter.pool._children.values()], flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""
    command = [sys.executable, "-c", program, str(tmp_path / "spool")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        renderer = int(parent.stdout.readline())
        os.kill(renderer, 0)
        parent.kill()
    for _ in range(200):
        if not Path(f"/proc/{renderer}/cmdline").exists():
            break
        if not Path(f"/proc/{renderer}/cmdline").read_bytes():
            break  # dead, and not yet collected by the machine's init
        time.sleep(0.05)
    else:
        raise AssertionError("the renderer outlived its parent")


async def test_renderer_that_always_dies_fails_the_job(adapter: LocalAdapter) -> None:
    await adapter.submit(film_request("k7"), context())
    adapter.close()
    entry = adapter.spool.entry("k7")
    while entry.attempts() < 3:
        entry.count_attempt()
    failed = await report(adapter, "k7")
    assert failed.status is VideoStatus.FAILED
    assert failed.error_kind is ErrorKind.TRANSIENT
    assert failed.credits_charged == 0


async def test_cancel_stops_the_renderer(adapter: LocalAdapter) -> None:
    await adapter.submit(film_request("k8", duration=15, quality="1080p"), context())
    assert await adapter.cancel(ref_of("k8"), calling())
    assert (await report(adapter, "k8")).status is VideoStatus.CANCELLED
    entry = adapter.spool.entry("k8")
    end = time.monotonic() + 10
    while adapter.pool.is_running(entry):
        assert time.monotonic() < end
        await asyncio.sleep(0.05)
    assert entry.result() is None
    assert list(entry.path.glob(".*part")) == []


async def test_vanished_entries_and_other_machines(adapter: LocalAdapter) -> None:
    gone = await report(adapter, "never")
    assert gone.status is VideoStatus.FAILED
    assert gone.error_kind is ErrorKind.TRANSIENT
    assert gone.credits_charged == 0
    assert (await report(adapter, "x", "m2")).status is VideoStatus.PROCESSING


async def test_refused_intent_leaves_nothing(adapter: LocalAdapter) -> None:
    class Refused(Intent):
        async def __call__(self) -> None:
            raise RuntimeError("taken over")

    with pytest.raises(RuntimeError, match="taken over"):
        await adapter.submit(film_request("k9"), context(Refused()))
    assert not adapter.spool.entry("k9").exists()
    assert (await adapter.reconcile(film_request("k9"), calling())).verdict == "absent"


async def test_old_entries_are_swept(tmp_path: Path) -> None:
    first = LocalAdapter(tmp_path / "spool", "m1")
    entry = first.spool.entry("old")
    draft = first.spool.prepare("old", {}, [])
    first.spool.publish(draft, entry)
    entry.cancel()
    past = time.time() - 25 * 3600
    os.utime(entry.path, (past, past))
    await report(first, "whatever")
    assert not entry.exists()
    first.close()


@pytest.mark.parametrize(
    ("model", "given", "field"),
    [
        (TextToVideo, {"prompt": ""}, "prompt"),
        (TextToVideo, {"prompt": "x" * 2049}, "prompt"),
        (TextToVideo, {"prompt": "x", "duration": 16}, "duration"),
        (TextToVideo, {"prompt": "x", "quality": "4k"}, "quality"),
        (TextToVideo, {"prompt": "x", "seed": -1}, "seed"),
        (TextToVideo, {"prompt": "x", "fps": 30}, "fps"),
        (ImageToVideo, {"prompt": "x"}, "image"),
        (VideoTransition, {"prompt": "x", "images": ["one"]}, "images"),
    ],
)
def test_wrong_parameters_name_their_field(
    model: type[OperationParams], given: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(given)
    assert [error["loc"][0] for error in caught.value.errors()] == [field]


def test_manifest_is_complete_and_honest(tmp_path: Path) -> None:
    manifest = LocalAdapter(tmp_path, "m1").manifest
    assert set(manifest.operations) == set(OperationType)
    assert "procedural" in manifest.summary
    assert manifest.models[0].id == "procedural-1"
    assert not manifest.has_credits
    for spec in manifest.operations.values():
        schema = spec.params_model.model_json_schema()
        for name, field in schema["properties"].items():
            assert field["title"], name
            assert field["description"], name
            assert "widget" in field["x-ui"], name
            assert field["type"] in {"string", "integer", "array"}, name
    video = manifest.operations[OperationType.TEXT_TO_VIDEO]
    params = video.params_model.model_validate({"prompt": "sunset over mountains"})
    assert video.estimate(params).credits == 0
    assert 1 < video.eta_s(params) < 60
