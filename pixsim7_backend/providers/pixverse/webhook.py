"""Checks a PixVerse callback: HMAC-SHA256 over timestamp, nonce and body (PX-KIT)."""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, quote_plus

from pixsim7_backend.domain.provider import WebhookNotice, WebhookRejected
from pixsim7_backend.providers.pixverse.wire import GenerateResp

MAX_SKEW = timedelta(minutes=5)
MAX_BODY_BYTES = 64 * 1024
MAX_HEADER_CHARS = 256


def verify(headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> WebhookNotice:
    """The notice of a genuine, fresh callback; raises `WebhookRejected` otherwise.

    The signature does not cover `Ai-Trace-Id`, so `submission_key` is a hint to be confirmed by
    our own status call. The nonce is `event_id`: remembering it is the caller's part.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    timestamp = _header(lowered, "webhook-timestamp")
    nonce = _header(lowered, "webhook-nonce")
    signature = _signature(_header(lowered, "webhook-signature"))
    if not secret:
        raise WebhookRejected("this account has no webhook secret")
    if len(body) > MAX_BODY_BYTES:
        raise WebhookRejected("the body is too large")
    _check_time(timestamp, now)
    fields = _fields(body)
    prefix = f"{timestamp}\n{nonce}\n".encode()
    if not _matches(signature, secret.encode(), prefix, body, fields):
        raise WebhookRejected("the signature is wrong")
    return WebhookNotice(
        provider_job_id=_video_id(fields),
        event_id=nonce,
        submission_key=lowered.get("ai-trace-id") or None,
    )


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value or len(value) > MAX_HEADER_CHARS or not value.isprintable():
        raise WebhookRejected(f"the header {name} is missing or odd")
    return value


def _signature(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise WebhookRejected("the signature is not Base64") from None


def _check_time(timestamp: str, now: datetime) -> None:
    if not re.fullmatch(r"[0-9]{1,11}", timestamp):
        raise WebhookRejected("the timestamp is not in seconds")
    if abs(now.timestamp() - int(timestamp)) > MAX_SKEW.total_seconds():
        raise WebhookRejected("the timestamp is more than five minutes off")


def _fields(body: bytes) -> dict[str, Any]:
    """The flat body, numbers in their very spelling; a name may occur once only."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) != len(pairs):
            raise ValueError("a name occurs twice")
        return fields

    try:
        parsed = json.loads(body, object_pairs_hook=unique, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        raise WebhookRejected("the body is not JSON") from None
    if not isinstance(parsed, dict):
        raise WebhookRejected("the body is not an object")
    return parsed


def _matches(
    signature: bytes, key: bytes, prefix: bytes, body: bytes, fields: dict[str, Any]
) -> bool:
    is_genuine = False
    for rendering in _renderings(body, fields):
        expected = hmac.new(key, prefix + rendering.encode(), hashlib.sha256).digest()
        # No early exit: the time taken does not tell which rendering came close.
        is_genuine |= hmac.compare_digest(expected, signature)
    return is_genuine


def _renderings(body: bytes, fields: dict[str, Any]) -> Iterator[str]:
    """The ways to read "URL-encoded": a query string in either order and either escape of a
    space, or the raw body as one escaped value (PX-KIT's own code). Each needs the secret."""
    pairs = [(name, _text(value)) for name, value in fields.items()]
    for ordered in (sorted(pairs), pairs):
        for escape in (quote_plus, quote):
            yield "&".join(
                f"{escape(name, safe='')}={escape(value, safe='')}" for name, value in ordered
            )
    yield quote(body, safe="!'()*")  # what JavaScript's encodeURIComponent leaves alone


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))  # not documented: the body is said to be flat


def _video_id(fields: dict[str, Any]) -> str:
    try:
        return GenerateResp.model_validate({"video_id": fields.get("id")}).video_id
    except ValueError:
        raise WebhookRejected("the body names no video") from None
