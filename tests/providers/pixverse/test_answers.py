"""What PixVerse's answers mean: envelopes, statuses, every error code."""

import json
from datetime import timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pytest

from pixsim7_backend.domain.provider import HttpResponse, ProviderError, RemoteReport
from pixsim7_backend.domain.vocabulary import ErrorKind, MediaType, VideoStatus
from pixsim7_backend.providers.pixverse import mapping
from pixsim7_backend.providers.pixverse.errors import CODES, retry_after_seconds
from pixsim7_backend.providers.pixverse.wire import (
    BalanceResp,
    GenerateResp,
    ImageUploadResp,
    MediaUploadResp,
    ResultResp,
)

from .support import BIG_ID, NOW, answer, page

K = ErrorKind


def error_of(response: HttpResponse, *, is_paid: bool = True) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        mapping.open_answer(response, GenerateResp, now=NOW, is_paid=is_paid)
    return caught.value


def kinds_of(response: HttpResponse) -> tuple[ErrorKind, ErrorKind]:
    """What a paid and a free call make of it."""
    return error_of(response).kind, error_of(response, is_paid=False).kind


def report_of(**resp: Any) -> RemoteReport:
    opened = mapping.open_answer(answer({"id": 7, **resp}), ResultResp, now=NOW)
    return mapping.read_result("7", opened)


# --- successes --------------------------------------------------------------------------------


@pytest.mark.parametrize("video_id", [1, BIG_ID, 987_654_321_987_654_321, 2**63 - 1])
def test_ids_arrive_exact(video_id: int) -> None:
    opened = mapping.open_answer(answer({"video_id": video_id}), GenerateResp, now=NOW)
    accepted = mapping.read_accepted(opened)
    assert accepted.provider_job_id == str(video_id)
    assert accepted.credits_charged is None
    assert json.loads(json.dumps(accepted.raw))["video_id"] == str(video_id)


@pytest.mark.parametrize(
    ("resp", "credits"),
    [
        ({"credits": 45}, Decimal(45)),
        ({"credit": 22.5}, Decimal("22.5")),
        ({"credits": 0}, Decimal(0)),
        ({"credits": "junk"}, None),
        ({"credits": -1}, None),
        ({"credits": True}, None),
        ({"credits": None}, None),
    ],
)
def test_the_charge_is_taken_where_told(resp: dict[str, Any], credits: Decimal | None) -> None:
    opened = mapping.open_answer(answer({"video_id": 1, **resp}), GenerateResp, now=NOW)
    assert mapping.read_accepted(opened).credits_charged == credits


def test_balance_is_the_sum_of_both_purses() -> None:
    opened = mapping.open_answer(
        answer({"account_id": BIG_ID, "credit_monthly": 100, "credit_package": 23}),
        BalanceResp,
        now=NOW,
    )
    balance = mapping.read_balance(opened)
    assert balance.credits == 123
    assert balance.details["account_id"] == str(BIG_ID)


@pytest.mark.parametrize(
    ("model", "resp"),
    [
        (ImageUploadResp, {"img_id": BIG_ID, "img_url": "x"}),
        (ImageUploadResp, {"ImgId": BIG_ID}),
        (MediaUploadResp, {"media_id": BIG_ID, "media_type": "video"}),
    ],
)
def test_uploads(
    model: type[ImageUploadResp] | type[MediaUploadResp], resp: dict[str, Any]
) -> None:
    opened: ImageUploadResp | MediaUploadResp
    opened = mapping.open_answer(answer(resp), model, now=NOW)
    assert mapping.read_reference(opened) == str(BIG_ID)


# --- answers that cannot be used --------------------------------------------------------------


@pytest.mark.parametrize(
    "response",
    [
        answer({}),
        answer(None),
        answer({"video_id": 0}),
        answer({"video_id": "x"}),
        answer({"video_id": 1.5}),
        answer({"video_id": True}),
        answer({"video_id": 2**63}),
        answer([{"video_id": 1}]),
        page(200),
        page(200, b""),
        page(200, b'{"ErrCode": 0, "Resp": {"video'),
        page(200, b'{"ErrCode": NaN, "Resp": {"video_id": Infinity}}'),
        page(200, b'{"Resp":' * 50_000 + b"1" + b"}" * 50_000),
        page(200, b'{"video_id": 5}'),
        page(200, b"\xff\xfe"),
        page(200, b"[]"),
        page(200, b'{"ErrCode": 0, "Resp": {"video_id": ' + b"9" * 5000 + b"}}"),
    ],
)
def test_a_success_without_an_id_may_have_been_taken(response: HttpResponse) -> None:
    assert kinds_of(response) == (K.AMBIGUOUS, K.TRANSIENT)


@pytest.mark.parametrize(
    ("status", "paid", "free"),
    [
        (301, K.PARAM, K.PARAM),
        (302, K.PARAM, K.PARAM),
        (400, K.PARAM, K.PARAM),
        (401, K.AUTH, K.AUTH),
        (402, K.CREDITS, K.CREDITS),
        (403, K.AUTH, K.AUTH),
        (404, K.PARAM, K.PARAM),
        (405, K.PARAM, K.PARAM),
        (408, K.AMBIGUOUS, K.TRANSIENT),
        (409, K.AMBIGUOUS, K.TRANSIENT),
        (413, K.PARAM, K.PARAM),
        (422, K.PARAM, K.PARAM),
        (425, K.TRANSIENT, K.TRANSIENT),
        (429, K.RATE, K.RATE),
        (500, K.AMBIGUOUS, K.TRANSIENT),
        (502, K.AMBIGUOUS, K.TRANSIENT),
        (503, K.AMBIGUOUS, K.TRANSIENT),
        (504, K.AMBIGUOUS, K.TRANSIENT),
    ],
)
def test_bare_statuses(status: int, paid: ErrorKind, free: ErrorKind) -> None:
    assert kinds_of(page(status)) == (paid, free)


def test_a_redirect_is_a_misconfiguration() -> None:
    assert error_of(page(302)).code == "misconfigured"


# --- error codes ------------------------------------------------------------------------------

ROWS: dict[int, ErrorKind] = {
    10001: K.AUTH, 10002: K.AUTH, 10003: K.AUTH, 10004: K.AUTH, 10005: K.AUTH,
    400001: K.NOT_FOUND, 400011: K.PARAM, 400012: K.AUTH, 400013: K.PARAM, 400017: K.PARAM,
    400018: K.PARAM, 400019: K.PARAM, 400032: K.NOT_FOUND, 500008: K.NOT_FOUND,
    500020: K.PERMISSION, 500030: K.PARAM, 500031: K.PARAM, 500032: K.PARAM, 500033: K.PARAM,
    500041: K.TRANSIENT, 500042: K.PARAM, 500043: K.CREDITS, 500044: K.CONCURRENCY,
    500052: K.FILTERED, 500054: K.FILTERED, 500060: K.PERMISSION, 500063: K.FILTERED,
    500064: K.NOT_FOUND, 500069: K.TRANSIENT, 500070: K.PERMISSION, 500071: K.PARAM,
    500090: K.CREDITS, 500100: K.TRANSIENT, 99999: K.TRANSIENT, 701002: K.PARAM, 701003: K.PARAM,
}  # fmt: skip
UNSURE = {500100, 99999}


def test_the_table_is_whole() -> None:
    assert set(CODES) == set(ROWS)
    assert {number for number, code in CODES.items() if code.is_unsure} == UNSURE
    assert all(code.source for code in CODES.values())


@pytest.mark.parametrize(("code", "kind"), ROWS.items())
@pytest.mark.parametrize("status", [200, 400, 500])
def test_codes_decide_whatever_the_http_status(code: int, kind: ErrorKind, status: int) -> None:
    response = answer(code=code, message="vendor text", status=status)
    paid = K.AMBIGUOUS if code in UNSURE else kind
    assert kinds_of(response) == (paid, kind)
    error = error_of(response)
    assert error.code == str(code)
    assert f"(code {code})." in error.message
    assert error.raw == {"http_status": status, "err_code": code, "err_msg": "vendor text"}


def test_the_lower_case_body_of_upload_moderation() -> None:
    body = b'{"err_code": 500052, "err_msg": "moderation", "resp": null}'
    assert error_of(page(500, body), is_paid=False).kind is K.FILTERED


def test_an_unknown_code_is_a_refusal_unless_the_server_broke() -> None:
    refused = error_of(answer(code=123456, message="strange reason"))
    assert refused.kind is K.PARAM
    assert refused.message == "PixVerse refused the request: strange reason (code 123456)."
    assert kinds_of(answer(code=123456, status=500)) == (K.AMBIGUOUS, K.TRANSIENT)
    assert kinds_of(answer(code=123456, status=429)) == (K.RATE, K.RATE)


def test_an_unsure_code_with_a_sure_status() -> None:
    assert error_of(answer(code=99999, status=429)).kind is K.RATE
    assert error_of(answer(code=99999, status=401)).kind is K.AUTH


@pytest.mark.parametrize("text", ["Invalid API-KEY", "invalid api key", "Invalid ApiKey given"])
def test_the_text_of_a_bad_key(text: str) -> None:
    assert error_of(answer(code=123456, message=text)).kind is K.AUTH


def test_a_code_says_more_than_429() -> None:
    assert error_of(answer(code=500044, status=429)).kind is K.CONCURRENCY
    assert error_of(answer(code=500090, status=429)).kind is K.CREDITS


def test_vendor_texts_are_cut_cleaned_and_lose_secrets() -> None:
    message = "key sk-secret-123 \x1b[31m\n" + "x" * 5000
    with pytest.raises(ProviderError) as caught:
        mapping.open_answer(
            answer(code=123456, message=message),
            GenerateResp,
            now=NOW,
            hide=lambda text: text.replace("sk-secret-123", "…"),
        )
    assert "sk-secret" not in caught.value.message
    assert "\x1b" not in caught.value.message
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("5", 5),
        ("1.5", 1.5),
        ("0", 1),
        ("-5", 1),
        ("1000000000000", 3600),
        ("99999999999999999999", 3600),
        ("soon", 60),
        ("nan", 60),
        ("inf", 60),
        ("", 60),
        (None, 60),
        (format_datetime(NOW + timedelta(seconds=30), usegmt=True), 30),
        (format_datetime(NOW - timedelta(hours=1), usegmt=True), 1),
        (format_datetime(NOW + timedelta(days=9), usegmt=True), 3600),
        ("Mon, 23 Nov 2026 12:00:30", 30),
    ],
)
def test_retry_after(header: str | None, seconds: float) -> None:
    assert retry_after_seconds(header, NOW) == seconds


def test_retry_after_is_told_where_it_counts() -> None:
    assert error_of(page(429)).retry_after_s == 60
    assert error_of(page(429, retry_after="7")).retry_after_s == 7
    assert error_of(answer(code=500044, Retry_After="9")).retry_after_s == 9
    assert error_of(answer(code=500044)).retry_after_s is None


# --- statuses ---------------------------------------------------------------------------------


def test_done() -> None:
    report = report_of(
        status=1, url="https://media.pixverse.ai/a.mp4", outputWidth=1280, outputHeight=720,
        credits=45, seed=3, has_audio="odd", style=None, customer_paths={"x": 1},
    )  # fmt: skip
    assert report.status is VideoStatus.COMPLETED
    (output,) = report.outputs
    assert output.url == "https://media.pixverse.ai/a.mp4"
    assert output.media_type is MediaType.VIDEO
    assert output.provider_asset_id == "7"
    assert (output.width, output.height) == (1280, 720)
    assert report.credits_charged == 45


def test_done_with_nothing_but_a_link() -> None:
    report = report_of(status=1, url="https://m.test/a.mp4", outputWidth=0, outputHeight="x")
    assert report.status is VideoStatus.COMPLETED
    assert (report.outputs[0].width, report.outputs[0].height) == (None, None)
    assert report.credits_charged is None


@pytest.mark.parametrize(
    "url", [None, "", "null", "/a.mp4", "ftp://m.test/a", "https://", "http://[", 5, "https://a b/"]
)
def test_done_without_a_usable_link_still_runs(url: object) -> None:
    report = report_of(status=1, url=url)
    assert report.status is VideoStatus.PROCESSING
    assert report.outputs == ()


@pytest.mark.parametrize("status", [2, 3, 5, 9, 10, 0, 4, 99, -1, "queued", None, "9"])
def test_still_running_or_unknown(status: object) -> None:
    report = report_of(status=status, url="https://m.test/a.mp4")
    assert report.status is VideoStatus.PROCESSING
    assert report.is_found
    assert report.progress is None


def test_a_number_in_quotes_is_a_number() -> None:
    assert report_of(status="8").status is VideoStatus.FAILED


def test_deleted() -> None:
    report = report_of(status=6)
    assert report.status is VideoStatus.CANCELLED
    assert report.credits_charged is None


def test_filtered_gives_the_credits_back() -> None:
    report = report_of(status=7, credits=45)
    assert report.status is VideoStatus.FILTERED
    assert report.error_kind is K.FILTERED
    assert report.credits_charged == 0


def test_what_a_failed_one_costs_is_not_known() -> None:
    """The reference tells of a refund, no second source does: nothing is concluded from it."""
    report = report_of(status=8, credits=45)
    assert report.status is VideoStatus.FAILED
    assert report.error_kind is K.TRANSIENT
    assert report.credits_charged is None


def test_an_answer_about_another_video_is_no_news() -> None:
    report = report_of(id=8, status=1, url="https://m.test/a.mp4")
    assert report.status is VideoStatus.PROCESSING
    assert report.outputs == ()


def test_raw_is_plain_json_without_big_numbers() -> None:
    opened = mapping.open_answer(answer({"id": BIG_ID, "status": 5}), ResultResp, now=NOW)
    raw = mapping.read_result(str(BIG_ID), opened).raw
    assert json.loads(json.dumps(raw))["id"] == str(BIG_ID)
