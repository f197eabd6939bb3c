"""The adapter through the real gateway against the simulator's PixVerse, over real HTTP."""

import asyncio
import hashlib
import io
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from PIL import Image

from pixsim7_backend.domain.provider import (
    Accepted,
    CallContext,
    HttpUncertain,
    InputMedia,
    ProviderError,
    RemoteOutput,
    RemoteReport,
    SubmissionRef,
    SubmitContext,
    SubmitRequest,
    WebhookRejected,
)
from pixsim7_backend.domain.vocabulary import ErrorKind, MediaType, OperationType, VideoStatus
from pixsim7_backend.infrastructure.http import HttpGateway
from pixsim7_backend.infrastructure.http_policy import AddressPolicy, Purpose
from pixsim7_backend.providers.pixverse import PixverseAdapter
from pixsim7_simulator import AccountSpec, RunningSimulator, running_simulator

from .support import EXTEND, FUSION, IMAGE, TEXT, TRANSITION, params_of, problems_of

KEY, OTHER_KEY = "sk-conformance-1", "sk-conformance-2"
SUBMIT = "pixverse.video.text"
POLL = "pixverse.video.result"
K = ErrorKind


@dataclass
class Studio:
    """One account of the simulated PixVerse, used through the adapter."""

    adapter: PixverseAdapter
    gateway: HttpGateway
    sim: RunningSimulator
    api_key: str = KEY
    webhook_id: str = ""

    @property
    def _credentials(self) -> dict[str, str]:
        return {"api_key": self.api_key, "webhook_id": self.webhook_id}

    def context(self, purpose: Purpose = Purpose.PROVIDER_API) -> CallContext:
        http = self.gateway.client(allowed_origins=[self.sim.url], purpose=purpose)
        return CallContext("acc", self.sim.pixverse_url, self._credentials, http)

    def submit_context(self) -> SubmitContext:
        async def intent() -> None:
            return None

        http = self.gateway.billable_client(
            allowed_origins=[self.sim.url], before_first_byte=intent
        )
        return SubmitContext("acc", self.sim.pixverse_url, self._credentials, http, intent)

    async def uploaded(self, media: InputMedia) -> InputMedia:
        reference = await self.adapter.upload(media, self.context())
        return replace(media, uploaded=reference.reference)

    async def submit(
        self, operation: OperationType, *inputs: InputMedia, **fields: Any
    ) -> tuple[SubmitRequest, Accepted]:
        request = SubmitRequest(str(uuid4()), operation, params_of(operation, **fields), inputs)
        return request, await self.adapter.submit(request, self.submit_context())

    async def poll(self, *video_ids: str) -> list[RemoteReport]:
        refs = [SubmissionRef("key", video_id, TEXT, datetime.now(UTC)) for video_id in video_ids]
        return list(await self.adapter.poll(refs, self.context()))

    async def finished(self, video_id: str) -> RemoteReport:
        for _ in range(200):
            (report,) = await self.poll(video_id)
            if report.status not in (VideoStatus.PENDING, VideoStatus.PROCESSING):
                return report
            await asyncio.sleep(0.01)
        raise AssertionError("the video never finished")

    async def file(self, output: RemoteOutput) -> bytes:
        context = self.context(Purpose.RESULT)
        async with self.adapter.download(output, context) as stream:
            assert stream.status == 200
            return b"".join([chunk async for chunk in stream.chunks])


@pytest.fixture
async def sim() -> AsyncIterator[RunningSimulator]:
    accounts = [
        AccountSpec(key=key, monthly=1_000_000, package=500, concurrent=100_000)
        for key in (KEY, OTHER_KEY)
    ]
    async with running_simulator(accounts=accounts, generation_seconds=0) as simulator:
        yield simulator


@pytest.fixture
async def studio(sim: RunningSimulator) -> AsyncIterator[Studio]:
    gateway = HttpGateway(
        policy=AddressPolicy(allow_private_origins=[sim.url]), user_agent="pixsim7-tests"
    )
    await gateway.open()
    yield Studio(PixverseAdapter(), gateway, sim)
    await gateway.close()


def picture(tmp_path: Path, slot: str, shade: int = 0) -> InputMedia:
    content = io.BytesIO()
    Image.new("RGB", (64, 36), (shade, 80, 160)).save(content, "PNG")
    return file_input(tmp_path, slot, content.getvalue(), "image/png")


def file_input(tmp_path: Path, slot: str, content: bytes, mime: str) -> InputMedia:
    digest = hashlib.sha256(content).hexdigest()
    path = tmp_path / digest
    path.write_bytes(content)
    kind = MediaType(mime.partition("/")[0])
    return InputMedia(slot, kind, digest, mime, len(content), path)


# --- the good path ----------------------------------------------------------------------------


async def test_the_walkthrough(studio: Studio) -> None:
    before = await studio.adapter.balance(studio.context())
    request, accepted = await studio.submit(TEXT, prompt="sunset over mountains", quality="720p")
    assert int(accepted.provider_job_id) > 2**53
    assert accepted.credits_charged == 45
    report = await studio.finished(accepted.provider_job_id)
    assert report.status is VideoStatus.COMPLETED
    assert report.credits_charged == 45
    content = await studio.file(report.outputs[0])
    digest = await studio.sim.sha256(int(accepted.provider_job_id))
    assert hashlib.sha256(content).hexdigest() == digest
    charges = await studio.sim.charges_by_trace()
    assert set(charges) == {request.key}
    after = await studio.adapter.balance(studio.context())
    assert before.credits - after.credits == 45
    calls = [row for row in await studio.sim.requests() if row["endpoint"].startswith("pixverse.")]
    assert len({row["trace_id"] for row in calls}) == len(calls) >= 4


async def test_every_operation(studio: Studio, tmp_path: Path) -> None:
    images = [await studio.uploaded(picture(tmp_path, "images", shade)) for shade in range(8)]
    image = replace(images[0], slot="image")
    last = replace(images[1], slot="last_image")
    _, made = await studio.submit(TEXT)
    done = await studio.finished(made.provider_job_id)
    film = file_input(tmp_path, "video", await studio.file(done.outputs[0]), "video/mp4")
    own = replace(film, remote_id=done.outputs[0].provider_asset_id)
    film = await studio.uploaded(film)
    cases: list[tuple[OperationType, list[InputMedia], dict[str, Any], str]] = [
        (IMAGE, [image], {"audio": True}, "image_to_video"),
        (IMAGE, [image, last], {"last_image": "b"}, "transition"),
        (TRANSITION, images[:2], {}, "transition"),
        (TRANSITION, images[:3], {"images": ["a"] * 3, "duration": 2}, "multi_transition"),
        (TRANSITION, images[:7], {"images": ["a"] * 7, "seed": 3}, "multi_transition"),
        (FUSION, images[:2], {"reference_roles": ["subject", "background"]}, "fusion"),
        (
            FUSION,
            images[:2],
            {"prompt": "@cat, @the cat", "reference_names": ["cat", "the cat"]},
            "fusion",
        ),
        (FUSION, images, {"images": ["a"] * 8, "aspect_ratio": "auto"}, "fusion"),
        (EXTEND, [own], {}, "extend"),
        (EXTEND, [film], {"model": "v3.5", "style": "anime"}, "extend"),
    ]
    for operation, inputs, fields, name in cases:
        request, accepted = await studio.submit(operation, *inputs, **fields)
        estimate = studio.adapter.manifest.operations[operation].estimate(request.params)
        assert accepted.credits_charged == estimate.credits, name
        report = await studio.finished(accepted.provider_job_id)
        assert report.status is VideoStatus.COMPLETED
        (row,) = [
            row
            for row in await studio.sim.generations()
            if row["id"] == int(accepted.provider_job_id)
        ]
        assert row["operation"] == name


async def test_every_valid_text_is_taken_at_the_estimated_price(studio: Studio) -> None:
    spec = studio.adapter.manifest.operations[TEXT]
    schema = spec.params_model.model_json_schema()["properties"]
    axes: dict[str, Any] = {
        "model": schema["model"]["enum"],
        "quality": schema["quality"]["enum"],
        "duration": (1, 5, 8, 10, 15),
        "audio": (False, True),
        "multi_clip": (False, True),
        "motion_mode": ("normal", "fast"),
    }
    taken = 0
    for values in itertools.product(*axes.values()):
        fields = dict(zip(axes, values, strict=True))
        if problems_of(TEXT, **fields):
            continue
        request, accepted = await studio.submit(TEXT, **fields)
        assert accepted.credits_charged == spec.estimate(request.params).credits, fields
        taken += 1
    assert taken > 150


@pytest.mark.parametrize(
    "fields",
    [
        {"aspect_ratio": "21:9"},
        {"model": "c1", "aspect_ratio": "2:3"},
        {"thinking": "auto", "seed": 0},
        {"model": "v4", "camera_movement": "hitchcock", "negative_prompt": "rain"},
        {"model": "v3.5", "style": "3d_animation", "aspect_ratio": "3:4"},
    ],
)
async def test_the_other_extras_are_taken(studio: Studio, fields: dict[str, Any]) -> None:
    _, accepted = await studio.submit(TEXT, **fields)
    assert accepted.credits_charged


async def test_a_repeated_trace_id_gives_the_first_video(studio: Studio) -> None:
    request, first = await studio.submit(TEXT)
    again = await studio.adapter.submit(request, studio.submit_context())
    assert again.provider_job_id == first.provider_job_id
    assert len(await studio.sim.charges()) == 1


# --- refusals ---------------------------------------------------------------------------------


async def _refused(studio: Studio, **fields: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await studio.submit(TEXT, **fields)
    return caught.value


async def test_refusals_by_the_account(studio: Studio) -> None:
    studio.api_key = "sk-unknown"
    assert (await _refused(studio)).kind is K.AUTH
    with pytest.raises(ProviderError) as caught:
        await studio.adapter.balance(studio.context())
    assert caught.value.kind is K.AUTH
    with pytest.raises(ProviderError):
        await studio.poll("5")
    studio.api_key = KEY
    await studio.sim.patch_account(KEY, concurrent=0)
    assert (await _refused(studio)).kind is K.CONCURRENCY
    await studio.sim.patch_account(KEY, concurrent=5, monthly=0, package=44)
    assert (await _refused(studio)).kind is K.CREDITS
    await studio.sim.patch_account(KEY, state="disabled")
    assert (await _refused(studio)).kind is K.AUTH
    assert await studio.sim.charges() == []


async def test_refusals_by_moderation(studio: Studio, tmp_path: Path) -> None:
    assert (await _refused(studio, prompt="a forbidden-word")).kind is K.FILTERED
    await studio.sim.set(flagged_files=["png"])
    with pytest.raises(ProviderError) as caught:
        await studio.uploaded(picture(tmp_path, "image"))
    assert (caught.value.kind, caught.value.code) == (K.FILTERED, "500052")


@pytest.mark.parametrize(
    ("content", "mime"), [(b"junk", "image/png"), (b"junk", "video/mp4"), (b"", "image/webp")]
)
async def test_refusals_of_files(studio: Studio, tmp_path: Path, content: bytes, mime: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await studio.uploaded(file_input(tmp_path, "image", content, mime))
    assert caught.value.kind is K.PARAM


async def test_ids_belong_to_one_account(studio: Studio, tmp_path: Path) -> None:
    _, made = await studio.submit(TEXT)
    done = await studio.finished(made.provider_job_id)
    film = file_input(tmp_path, "video", await studio.file(done.outputs[0]), "video/mp4")
    image = await studio.uploaded(picture(tmp_path, "image"))
    studio.api_key = OTHER_KEY
    for operation, media, kind in (
        (EXTEND, replace(film, remote_id=made.provider_job_id), K.PERMISSION),
        (EXTEND, replace(film, remote_id="5"), K.NOT_FOUND),
        (IMAGE, image, K.NOT_FOUND),
    ):
        with pytest.raises(ProviderError) as caught:
            await studio.submit(operation, media)
        assert caught.value.kind is kind


@pytest.mark.parametrize("code", [99999, 500100])
async def test_codes_that_leave_a_doubt(studio: Studio, code: int) -> None:
    await studio.sim.fault({"kind": "refuse", "err_code": code}, times=1)
    assert (await _refused(studio)).kind is K.AMBIGUOUS
    await studio.sim.fault({"kind": "refuse", "err_code": code}, times=1)
    with pytest.raises(ProviderError) as caught:
        await studio.adapter.balance(studio.context())
    assert caught.value.kind is K.TRANSIENT


# --- a submit whose answer is spoilt ----------------------------------------------------------

TAKEN_OR_NOT: list[tuple[dict[str, object], int]] = [
    ({"kind": "accept_then_drop"}, 1),
    ({"kind": "drop_before"}, 0),
    ({"kind": "reset", "at": "headers"}, 1),
    ({"kind": "reset", "at": "body"}, 1),
    ({"kind": "status", "status": 502, "when": "before"}, 0),
    ({"kind": "status", "status": 504, "when": "after"}, 1),
    ({"kind": "status", "status": 408, "when": "after"}, 1),
    ({"kind": "garbage", "what": "html"}, 1),
    ({"kind": "garbage", "what": "empty"}, 1),
    ({"kind": "garbage", "what": "truncated"}, 1),
    ({"kind": "garbage", "what": "nan"}, 1),
    ({"kind": "garbage", "what": "deep"}, 1),
    ({"kind": "garbage", "what": "wrong_types"}, 1),
    ({"kind": "garbage", "what": "no_id"}, 1),
    ({"kind": "garbage", "what": "huge", "size": 4 * 1024 * 1024}, 1),
    ({"kind": "garbage", "what": "gzip_bomb", "size": 4 * 1024 * 1024}, 1),
    ({"kind": "garbage", "what": "endless_headers", "size": 4 * 1024 * 1024}, 1),
]


@pytest.mark.parametrize(("action", "charges"), TAKEN_OR_NOT)
async def test_a_spoilt_answer_is_in_doubt_and_never_resent(
    studio: Studio, action: dict[str, object], charges: int
) -> None:
    await studio.sim.fault(action, endpoint=SUBMIT, times=1)
    with pytest.raises((ProviderError, HttpUncertain)) as caught:
        await studio.submit(TEXT)
    if isinstance(caught.value, ProviderError):
        assert caught.value.kind is K.AMBIGUOUS
    assert len(await studio.sim.charges()) == charges
    assert len(await studio.sim.requests(endpoint=SUBMIT)) == 1
    assert await studio.sim.unused_faults() == []


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [(7, 7.0), ("huge", 3600.0), ("negative", 1.0), ("soon", 60.0), (None, 60.0)],
)
async def test_rate_limits(studio: Studio, retry_after: int | str | None, seconds: float) -> None:
    await studio.sim.fault({"kind": "rate_limit", "retry_after": retry_after}, endpoint=SUBMIT)
    error = await _refused(studio)
    assert (error.kind, error.retry_after_s) == (K.RATE, seconds)


async def test_a_rate_limit_until_a_date(studio: Studio) -> None:
    await studio.sim.fault({"kind": "rate_limit", "retry_after": "date"}, endpoint=SUBMIT)
    error = await _refused(studio)
    assert error.retry_after_s is not None
    assert 25 <= error.retry_after_s <= 31


async def test_a_redirect_of_a_submit_is_not_followed(studio: Studio) -> None:
    to = f"{studio.sim.pixverse_url}/video/img/generate"
    await studio.sim.fault({"kind": "redirect", "to": to, "status": 307}, endpoint=SUBMIT)
    error = await _refused(studio)
    assert (error.kind, error.code) == (K.PARAM, "misconfigured")
    assert len(await studio.sim.requests()) == 1


# --- polling ----------------------------------------------------------------------------------


async def test_the_first_polls_know_nothing(studio: Studio) -> None:
    await studio.sim.set(first_polls_missing=2)
    _, made = await studio.submit(TEXT)
    seen = [(await studio.poll(made.provider_job_id))[0] for _ in range(3)]
    assert [(report.status, report.is_found) for report in seen] == [
        (VideoStatus.PENDING, False),
        (VideoStatus.PENDING, False),
        (VideoStatus.COMPLETED, True),
    ]


@pytest.mark.parametrize(
    ("prompt", "status", "kind", "charged"),
    [
        ("a filtered-word", VideoStatus.FILTERED, K.FILTERED, 0),
        # The refund of a failed one has a single source: the adapter does not promise it.
        ("a failing-word", VideoStatus.FAILED, K.TRANSIENT, None),
    ],
)
async def test_failures_give_the_credits_back(
    studio: Studio, prompt: str, status: VideoStatus, kind: ErrorKind, charged: int | None
) -> None:
    before = await studio.adapter.balance(studio.context())
    _, made = await studio.submit(TEXT, prompt=prompt)
    report = await studio.finished(made.provider_job_id)
    assert (report.status, report.error_kind) == (status, kind)
    assert report.credits_charged == charged
    assert (await studio.adapter.balance(studio.context())).credits == before.credits


@pytest.mark.parametrize("word", [9, 10, 42, "done", ""])
async def test_unknown_words_keep_it_running(studio: Studio, word: int | str) -> None:
    await studio.sim.fault({"kind": "finish_with", "status": word}, endpoint=SUBMIT)
    _, made = await studio.submit(TEXT)
    (report,) = await studio.poll(made.provider_job_id)
    assert (report.status, report.is_found) == (VideoStatus.PROCESSING, True)


async def test_deleted_at_the_vendor(studio: Studio) -> None:
    await studio.sim.fault({"kind": "finish_with", "status": 6}, endpoint=SUBMIT)
    _, made = await studio.submit(TEXT)
    assert (await studio.finished(made.provider_job_id)).status is VideoStatus.CANCELLED


async def test_done_but_without_a_link_yet(studio: Studio) -> None:
    await studio.sim.fault({"kind": "late_url", "polls": 2}, endpoint=SUBMIT)
    _, made = await studio.submit(TEXT)
    seen = [(await studio.poll(made.provider_job_id))[0].status for _ in range(3)]
    assert seen == [VideoStatus.PROCESSING, VideoStatus.PROCESSING, VideoStatus.COMPLETED]


@pytest.mark.parametrize(
    "action",
    [
        {"kind": "status", "status": 502},
        {"kind": "rate_limit"},
        {"kind": "drop_before"},
        {"kind": "reset", "at": "body"},
        {"kind": "garbage", "what": "html"},
        {"kind": "garbage", "what": "deep"},
        {"kind": "refuse", "err_code": 99999},
    ],
)
async def test_one_lost_poll_of_many(studio: Studio, action: dict[str, object]) -> None:
    made = [await studio.submit(TEXT) for _ in range(20)]
    lost, _ = made[7]
    await studio.sim.fault(action, endpoint=POLL, trace_id=lost.key)
    reports = await studio.poll(*(accepted.provider_job_id for _, accepted in made))
    assert [report.provider_job_id for report in reports] == [
        accepted.provider_job_id for _, accepted in made
    ]
    running = [
        index for index, report in enumerate(reports) if report.status is not VideoStatus.COMPLETED
    ]
    assert running == [7]
    assert reports[7].is_found
    with pytest.raises((ProviderError, HttpUncertain)):
        await studio.poll(made[7][1].provider_job_id)


# --- callbacks --------------------------------------------------------------------------------


async def test_callbacks_are_verified(studio: Studio) -> None:
    received: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()

    async def receive(request: web.Request) -> web.Response:
        await received.put((dict(request.headers), await request.read()))
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_post("/hook", receive)
    async with TestServer(app) as server:
        hook = {"id": "hook-1", "url": str(server.make_url("/hook")), "secret": "hush"}
        await studio.sim.patch_account(KEY, webhooks=[hook])
        await studio.sim.fault({"kind": "webhook", "send": ["real", "forged"]}, endpoint=SUBMIT)
        studio.webhook_id = "hook-1"
        request, made = await studio.submit(TEXT)
        calls = [await asyncio.wait_for(received.get(), 5) for _ in range(2)]
    verdicts = []
    for headers, body in calls:
        try:
            notice = studio.adapter.verify_webhook(headers, body, "hush", datetime.now(UTC))
        except WebhookRejected:
            verdicts.append("rejected")
        else:
            verdicts.append("genuine")
            assert notice.provider_job_id == made.provider_job_id
            assert notice.submission_key == request.key
    assert sorted(verdicts) == ["genuine", "rejected"]
