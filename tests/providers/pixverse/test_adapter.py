"""The verbs over a scripted HTTP client."""

import asyncio
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pixsim7_backend.domain.provider import (
    HttpNotSent,
    HttpResponse,
    HttpUncertain,
    InputMedia,
    ProviderError,
    RemoteOutput,
)
from pixsim7_backend.domain.vocabulary import (
    ErrorKind,
    MediaType,
    OperationType,
    SubmissionClass,
    VideoStatus,
)
from pixsim7_backend.providers.pixverse import PixverseAdapter

from .support import (
    API_KEY,
    BIG_ID,
    KEY,
    TEXT,
    ScriptedHttp,
    Sent,
    answer,
    call_context,
    page,
    ref_of,
    request_of,
    submit_context,
)

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
adapter = PixverseAdapter()


def always(outcome: HttpResponse | Exception) -> ScriptedHttp:
    return ScriptedHttp(lambda _: outcome)


async def test_submit_is_one_paid_call_traced_by_the_key() -> None:
    http = always(answer({"video_id": BIG_ID, "credits": 45}))
    accepted = await adapter.submit(request_of(TEXT), submit_context(http))
    assert accepted.provider_job_id == str(BIG_ID)
    assert accepted.credits_charged == Decimal(45)
    (sent,) = http.sent
    assert sent.is_billable
    assert (sent.method, sent.url) == (
        "POST",
        "https://px.test/openapi/v2/video/text/generate",
    )
    assert sent.headers == {"API-KEY": API_KEY, "Ai-trace-id": KEY}


async def test_submit_names_the_webhook_of_the_account() -> None:
    http = always(answer({"video_id": 1}))
    await adapter.submit(request_of(TEXT), submit_context(http, webhook_id="wh"))
    assert http.sent[0].json["webhook_id"] == "wh"


@pytest.mark.parametrize(
    "outcome",
    [answer(code=99999), page(502), page(429), answer({}), HttpNotSent(), HttpUncertain("cut")],
)
async def test_submit_is_never_repeated(outcome: HttpResponse | Exception) -> None:
    http = always(outcome)
    with pytest.raises((ProviderError, HttpNotSent, HttpUncertain)):
        await adapter.submit(request_of(TEXT), submit_context(http))
    assert len(http.sent) == 1


@pytest.mark.parametrize("key", ["", "  ", "sk-\nx", "sk-ü"])
async def test_an_unusable_key_sends_nothing(key: str) -> None:
    http = always(answer({"video_id": 1}))
    with pytest.raises(ProviderError) as caught:
        await adapter.submit(request_of(TEXT), submit_context(http, api_key=key))
    assert caught.value.kind is ErrorKind.AUTH
    assert http.sent == []


async def test_the_key_never_travels_in_an_error() -> None:
    http = always(answer(code=1234, message=f"your key {API_KEY} is odd"))
    with pytest.raises(ProviderError) as caught:
        await adapter.balance(call_context(http))
    assert API_KEY not in f"{caught.value}{caught.value.raw}"


async def test_every_other_call_has_a_trace_id_of_its_own() -> None:
    http = always(answer({"credit_monthly": 1, "credit_package": 2}))
    context = call_context(http)
    for _ in range(3):
        assert (await adapter.balance(context)).credits == 3
    traces = {sent.headers["Ai-trace-id"] for sent in http.sent}
    assert len(traces) == 3
    assert all(UUID.fullmatch(trace) for trace in traces)
    assert not any(sent.is_billable for sent in http.sent)


def by_video(outcomes: dict[str, HttpResponse | Exception]) -> ScriptedHttp:
    return ScriptedHttp(lambda sent: outcomes[sent.url.rsplit("/", 1)[1]])


DONE = answer({"id": 1, "status": 1, "url": "https://m.test/a.mp4"})


async def test_poll_reports_in_order() -> None:
    http = by_video({"1": DONE, "2": answer({"id": 2, "status": 5}), "3": answer(code=500008)})
    reports = await adapter.poll([ref_of("3"), ref_of("1"), ref_of("2")], call_context(http))
    assert [(r.provider_job_id, r.status, r.is_found) for r in reports] == [
        ("3", VideoStatus.PENDING, False),
        ("1", VideoStatus.COMPLETED, True),
        ("2", VideoStatus.PROCESSING, True),
    ]
    assert reports[0].error_code == "500008"


@pytest.mark.parametrize(
    "failure",
    [HttpNotSent(), HttpUncertain(), page(502), page(429), page(404), answer(code=500020)],
)
async def test_one_failed_poll_hides_no_other(failure: HttpResponse | Exception) -> None:
    http = by_video({"1": DONE, "2": failure})
    first, second = await adapter.poll([ref_of("1"), ref_of("2")], call_context(http))
    assert first.status is VideoStatus.COMPLETED
    assert (second.status, second.is_found, second.outputs) == (VideoStatus.PROCESSING, True, ())
    with pytest.raises((ProviderError, HttpNotSent, HttpUncertain)):
        await adapter.poll([ref_of("2"), ref_of("2")], call_context(http))


async def test_a_refused_key_always_raises() -> None:
    http = by_video({"1": DONE, "2": page(401)})
    with pytest.raises(ProviderError) as caught:
        await adapter.poll([ref_of("1"), ref_of("2")], call_context(http))
    assert caught.value.kind is ErrorKind.AUTH


async def test_a_rate_limit_is_told_before_a_lost_connection() -> None:
    http = by_video({"1": HttpUncertain(), "2": page(502), "3": page(429, Retry_After="7")})
    with pytest.raises(ProviderError) as caught:
        await adapter.poll([ref_of("1"), ref_of("2"), ref_of("3")], call_context(http))
    assert (caught.value.kind, caught.value.retry_after_s) == (ErrorKind.RATE, 7)


async def test_moderation_told_by_a_code_ends_the_wait() -> None:
    (report,) = await adapter.poll([ref_of("1")], call_context(always(answer(code=500054))))
    assert (report.status, report.error_kind) == (VideoStatus.FILTERED, ErrorKind.FILTERED)
    assert report.credits_charged is None


async def test_eight_polls_at_a_time() -> None:
    class Slow(ScriptedHttp):
        running = peak = 0

        async def request(self, method: str, url: str, **options: Any) -> HttpResponse:
            self.running += 1
            self.peak = max(self.peak, self.running)
            await asyncio.sleep(0.001)
            self.running -= 1
            return answer({"status": 5})

    http = Slow(lambda _: answer())
    reports = await adapter.poll([ref_of(str(n)) for n in range(1, 41)], call_context(http))
    assert [report.provider_job_id for report in reports] == [str(n) for n in range(1, 41)]
    assert http.peak == 8


async def test_polling_nothing_asks_nothing() -> None:
    http = always(page(500))
    assert await adapter.poll([], call_context(http)) == []
    assert http.sent == []


def _input(mime: str, size: int, kind: MediaType) -> InputMedia:
    return InputMedia("image", kind, "cd" * 32, mime, size, Path("/x"))


async def test_upload_of_an_image() -> None:
    http = always(answer({"img_id": BIG_ID, "img_url": "https://m.test/i.png"}))
    media = _input("image/png", 5, MediaType.IMAGE)
    uploaded = await adapter.upload(media, call_context(http))
    assert uploaded.reference == str(BIG_ID)
    (sent,) = http.sent
    assert sent.url.endswith("/image/upload")
    assert sent.form is not None
    (part,) = sent.form
    assert (part.name, part.value, part.content_type) == ("image", Path("/x"), "image/png")
    assert part.filename == "cdcdcdcdcdcdcdcd.png"


async def test_upload_of_a_video() -> None:
    http = always(answer({"media_id": BIG_ID, "media_type": "video"}))
    media = _input("video/quicktime", 5, MediaType.VIDEO)
    assert (await adapter.upload(media, call_context(http))).reference == str(BIG_ID)
    sent: Sent = http.sent[0]
    assert sent.url.endswith("/media/upload")
    assert [(p.name, p.filename) for p in sent.form or ()] == [
        ("file", "cdcdcdcdcdcdcdcd.mov"),
        ("media_type", None),
    ]


@pytest.mark.parametrize(
    "media",
    [
        _input("image/gif", 5, MediaType.IMAGE),
        _input("image/png", 20_000_001, MediaType.IMAGE),
        _input("video/x-msvideo", 5, MediaType.VIDEO),
        _input("video/mp4", 50_000_001, MediaType.VIDEO),
        _input("audio/mpeg", 5, MediaType.AUDIO),
        _input("video/mp4", 5, MediaType.IMAGE),
    ],
)
async def test_what_pixverse_refuses_is_not_sent(media: InputMedia) -> None:
    http = always(answer({"img_id": 1, "media_id": 1}))
    with pytest.raises(ProviderError) as caught:
        await adapter.upload(media, call_context(http))
    assert caught.value.kind is ErrorKind.PARAM
    assert http.sent == []


async def test_nothing_is_claimed_that_pixverse_does_not_have() -> None:
    http = always(page(500))
    assert not await adapter.cancel(ref_of(), call_context(http))
    assert (await adapter.reconcile(request_of(TEXT), call_context(http))).verdict == "unknown"
    assert http.sent == []


async def test_download_takes_the_link_without_the_key() -> None:
    http = always(page(200, b"bytes"))
    output = RemoteOutput("https://m.test/a.mp4", MediaType.VIDEO, "1")
    async with adapter.download(output, call_context(http)) as stream:
        assert b"".join([chunk async for chunk in stream.chunks]) == b"bytes"
    assert http.sent[0].headers == {}


def test_manifest() -> None:
    manifest = adapter.manifest
    assert (manifest.id, manifest.name) == ("pixverse", "PixVerse")
    assert set(manifest.operations) == {
        OperationType.TEXT_TO_VIDEO,
        OperationType.IMAGE_TO_VIDEO,
        OperationType.VIDEO_TRANSITION,
        OperationType.FUSION,
        OperationType.VIDEO_EXTEND,
    }
    for operation, spec in manifest.operations.items():
        assert spec.operation is operation
        assert spec.submission_class is SubmissionClass.BLIND
        assert "2026" in spec.evidence
    assert manifest.operations[OperationType.VIDEO_EXTEND].pins_to_source == ("video",)
    assert {field.name for field in manifest.credential_fields if field.is_secret} == {
        "api_key",
        "webhook_secret",
    }
    assert not manifest.has_cancel
    assert manifest.models[0].id == "v6"
