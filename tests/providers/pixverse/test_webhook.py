"""Genuine, forged, stale and odd callbacks."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from pixsim7_backend.domain.provider import WebhookRejected
from pixsim7_backend.providers.pixverse import PixverseAdapter

from .support import BIG_ID, KEY, NOW

SECRET = "whsec-1"
NONCE = "0123456789abcdef0123456789abcdef"
BODY: dict[str, Any] = {
    "id": str(BIG_ID),
    "status": 1,
    "url": "https://media.pixverse.ai/a b+c.mp4?x=1&y=ü",
    "size": 123,
    "has_audio": True,
    "credits": 45,
}

verify = PixverseAdapter().verify_webhook


def _flat(body: dict[str, Any]) -> dict[str, str]:
    return {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in body.items()
    }


def in_order(body: dict[str, Any]) -> str:
    return urlencode(_flat(body))


def in_alphabet(body: dict[str, Any]) -> str:
    return urlencode(sorted(_flat(body).items()))


def with_percent_20(body: dict[str, Any]) -> str:
    return urlencode(sorted(_flat(body).items()), quote_via=quote, safe="")


def as_raw_component(body: dict[str, Any]) -> str:
    return quote(json.dumps(body), safe="!'()*")


Rendering = Callable[[dict[str, Any]], str]


def signed(
    rendering: Rendering = in_alphabet,
    *,
    secret: str = SECRET,
    late_s: int = 0,
    body: dict[str, Any] = BODY,
) -> dict[str, str]:
    timestamp = str(int(NOW.timestamp()) - late_s)
    message = f"{timestamp}\n{NONCE}\n{rendering(body)}"
    digest = hmac.digest(secret.encode(), message.encode(), hashlib.sha256)
    return {
        "Webhook-Timestamp": timestamp,
        "webhook-nonce": NONCE,
        "WEBHOOK-SIGNATURE": base64.b64encode(digest).decode(),
        "Ai-Trace-Id": KEY,
    }


def raw(body: Any = BODY) -> bytes:
    return json.dumps(body).encode()


@pytest.mark.parametrize("rendering", [in_order, in_alphabet, with_percent_20, as_raw_component])
def test_genuine(rendering: Rendering) -> None:
    notice = verify(signed(rendering), raw(), SECRET, NOW)
    assert notice.provider_job_id == str(BIG_ID)
    assert notice.event_id == NONCE
    assert notice.submission_key == KEY


def test_the_trace_id_is_optional() -> None:
    headers = signed()
    del headers["Ai-Trace-Id"]
    assert verify(headers, raw(), SECRET, NOW).submission_key is None


@pytest.mark.parametrize("late_s", [-300, -299, 0, 299, 300])
def test_five_minutes_either_way(late_s: int) -> None:
    assert verify(signed(late_s=late_s), raw(), SECRET, NOW)


@pytest.mark.parametrize("late_s", [-301, 301, 86400])
def test_stale(late_s: int) -> None:
    with pytest.raises(WebhookRejected, match="five minutes"):
        verify(signed(late_s=late_s), raw(), SECRET, NOW)


def test_the_same_callback_later_is_stale() -> None:
    with pytest.raises(WebhookRejected):
        verify(signed(), raw(), SECRET, NOW + timedelta(minutes=6))


def test_forged() -> None:
    with pytest.raises(WebhookRejected, match="signature"):
        verify(signed(secret="guess"), raw(), SECRET, NOW)
    for name, value in {"status": 7, "id": "5", "extra": 1}.items():
        with pytest.raises(WebhookRejected, match="signature"):
            verify(signed(), raw({**BODY, name: value}), SECRET, NOW)
    changed = signed() | {"webhook-nonce": NONCE[::-1]}
    with pytest.raises(WebhookRejected, match="signature"):
        verify(changed, raw(), SECRET, NOW)


def test_no_secret_accepts_nothing() -> None:
    with pytest.raises(WebhookRejected):
        verify(signed(secret=""), raw(), "", NOW)


@pytest.mark.parametrize("name", ["Webhook-Timestamp", "webhook-nonce", "WEBHOOK-SIGNATURE"])
@pytest.mark.parametrize("value", [None, "", "ü\n", "x" * 300])
def test_odd_headers(name: str, value: str | None) -> None:
    headers = signed()
    if value is None:
        del headers[name]
    else:
        headers[name] = value
    with pytest.raises(WebhookRejected):
        verify(headers, raw(), SECRET, NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"not json",
        b'{"id": "1", "id": "2"}',
        b"[" * 100_000,
        b"x" * 100_000,
        b"\xff",
        b'{"id": NaN, "x": "\xff"}',
    ],
)
def test_odd_bodies(body: bytes) -> None:
    with pytest.raises(WebhookRejected):
        verify(signed(), body, SECRET, NOW)


@pytest.mark.parametrize("video_id", [None, "", "x", 0, True, "1.5", [1], {"a": 1}])
def test_a_signed_body_without_a_video(video_id: object) -> None:
    body = {"id": video_id}
    headers = signed(as_raw_component, body=body)
    with pytest.raises(WebhookRejected, match="names no video"):
        verify(headers, raw(body), SECRET, NOW)
