"""PixVerse's error codes, and what (HTTP status, code, text) of an answer mean together."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from pixsim7_backend.domain.provider import ProviderError
from pixsim7_backend.domain.vocabulary import ErrorKind

DEFAULT_RETRY_AFTER_S = 60.0
MAX_RETRY_AFTER_S = 3600.0


class Code(NamedTuple):
    """One documented ErrCode. `is_unsure`: it does not say whether a paid submit took place."""

    kind: ErrorKind
    sentence: str
    source: str
    is_unsure: bool = False


_NOT_SIGNED_IN = Code(ErrorKind.AUTH, "PixVerse does not accept this API key", "PX-MCP, PX-PY")

CODES: Mapping[int, Code] = {
    10001: _NOT_SIGNED_IN,
    10002: _NOT_SIGNED_IN,
    10003: _NOT_SIGNED_IN,
    10004: _NOT_SIGNED_IN,
    10005: _NOT_SIGNED_IN,
    400001: Code(ErrorKind.NOT_FOUND, "PixVerse does not know this task", "PX-CLI"),
    400011: Code(ErrorKind.PARAM, "PixVerse misses a parameter", "PX-ERR"),
    400012: Code(ErrorKind.AUTH, "PixVerse calls this account invalid", "PX-ERR"),
    400013: Code(ErrorKind.PARAM, "PixVerse refused a parameter's type or value", "PX-ERR"),
    400017: Code(ErrorKind.PARAM, "PixVerse refused a parameter", "PX-ERR"),
    400018: Code(ErrorKind.PARAM, "The prompt is too long for PixVerse", "PX-ERR"),
    400019: Code(ErrorKind.PARAM, "The negative prompt is too long for PixVerse", "PX-ERR"),
    400032: Code(ErrorKind.NOT_FOUND, "PixVerse does not know an uploaded image", "PX-ERR"),
    500008: Code(ErrorKind.NOT_FOUND, "PixVerse does not find what was asked for", "PX-ERR"),
    500020: Code(ErrorKind.PERMISSION, "This PixVerse account may not do this", "PX-ERR"),
    500030: Code(ErrorKind.PARAM, "The image is too large for PixVerse (20 MB)", "PX-ERR"),
    500031: Code(ErrorKind.PARAM, "PixVerse could not read the image", "PX-ERR"),
    500032: Code(ErrorKind.PARAM, "PixVerse does not take this image format", "PX-ERR"),
    500033: Code(ErrorKind.PARAM, "PixVerse does not take an image of this size", "PX-ERR"),
    500041: Code(ErrorKind.TRANSIENT, "PixVerse failed to store the image", "PX-ERR"),
    500042: Code(ErrorKind.PARAM, "PixVerse could not open the image", "PX-ERR"),
    # Seen by one client, without a text (unverified).
    500043: Code(ErrorKind.CREDITS, "This PixVerse account's quota is used up", "PX-PY"),
    # One prompt may cause it while slots are free (unverified): retries need a cap per job.
    500044: Code(
        ErrorKind.CONCURRENCY, "This PixVerse account already makes as many as it may", "PX-ERR"
    ),
    500052: Code(ErrorKind.FILTERED, "PixVerse's moderation refused the image", "PX-TC"),
    500054: Code(ErrorKind.FILTERED, "PixVerse's moderation refused the image", "PX-ERR, PX-PY"),
    500060: Code(
        ErrorKind.PERMISSION, "This PixVerse account's effects of the month are used up", "PX-ERR"
    ),
    500063: Code(
        ErrorKind.FILTERED, "PixVerse's moderation refused the prompt or an input", "PX-ERR"
    ),
    500064: Code(ErrorKind.NOT_FOUND, "The content was deleted at PixVerse", "PX-ERR"),
    500069: Code(ErrorKind.TRANSIENT, "PixVerse is under high load", "PX-ERR"),
    500070: Code(ErrorKind.PERMISSION, "The effect is not activated on this account", "PX-ERR"),
    500071: Code(ErrorKind.PARAM, "The effect is not made at 720p or 1080p", "PX-ERR"),
    500090: Code(ErrorKind.CREDITS, "This PixVerse account has too few credits", "PX-ERR"),
    500100: Code(ErrorKind.TRANSIENT, "PixVerse had a database error", "PX-ERR", is_unsure=True),
    701002: Code(ErrorKind.PARAM, "The photo needs a clear person or animal", "PX-GUIDE"),
    701003: Code(ErrorKind.PARAM, "The video needs a person as its focus", "PX-GUIDE"),
    99999: Code(ErrorKind.TRANSIENT, "PixVerse had an unknown error", "PX-ERR", is_unsure=True),
}

# The numeric code of a bad key is not known (unverified), only this text (PX-ERR, PX-MCP).
_BAD_KEY_TEXT = re.compile(r"invalid\s+api[- ]?key", re.IGNORECASE)

_BY_STATUS: Mapping[int, tuple[ErrorKind, str]] = {
    401: (ErrorKind.AUTH, "PixVerse does not accept this API key"),
    402: (ErrorKind.CREDITS, "This PixVerse account has too few credits"),
    403: (ErrorKind.AUTH, "PixVerse does not accept this API key"),
    425: (ErrorKind.TRANSIENT, "PixVerse is not ready for this request"),
    429: (ErrorKind.RATE, "PixVerse asks for fewer requests"),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that is not a success. `code` is None when the body was not the envelope."""

    http_status: int
    code: int | None = None
    text: str = ""
    retry_after: str | None = None


def classify(failure: Failure, *, is_paid: bool, now: datetime) -> ProviderError:
    """The error of an answer; `is_paid` when the call was a submission that may cost credits."""
    kind, sentence = _meaning(failure, is_paid)
    retry_after_s = None
    if kind is ErrorKind.RATE or failure.retry_after is not None:
        retry_after_s = retry_after_seconds(failure.retry_after, now)
    label = f"code {failure.code}" if failure.code else f"HTTP {failure.http_status}"
    return ProviderError(
        kind,
        f"{sentence} ({label}).",
        code=_code_of(failure),
        retry_after_s=retry_after_s,
        raw={
            "http_status": failure.http_status,
            "err_code": failure.code,
            "err_msg": failure.text,
        },
    )


def _code_of(failure: Failure) -> str:
    if failure.code:
        return str(failure.code)
    if 300 <= failure.http_status < 400:
        return "misconfigured"
    return f"http_{failure.http_status}"


def _meaning(failure: Failure, is_paid: bool) -> tuple[ErrorKind, str]:
    status, known = failure.http_status, CODES.get(failure.code or 0)
    if known is not None and not known.is_unsure:
        return known.kind, known.sentence
    if _BAD_KEY_TEXT.search(failure.text):
        return ErrorKind.AUTH, "PixVerse does not accept this API key"
    if status in _BY_STATUS:  # a refusal before any work, whatever the body says
        return _BY_STATUS[status]
    if known is not None:
        if is_paid:
            return ErrorKind.AMBIGUOUS, f"{known.sentence}; the submission may exist"
        return known.kind, known.sentence
    return _meaning_of_status(failure, is_paid)


def _meaning_of_status(failure: Failure, is_paid: bool) -> tuple[ErrorKind, str]:
    status = failure.http_status
    if 300 <= status < 400:
        return ErrorKind.PARAM, "PixVerse's address is misconfigured: it redirects"
    # 409 too: PixVerse documents no such answer, so it proves nothing about a submission.
    if status >= 500 or status in (408, 409):
        if is_paid:
            return ErrorKind.AMBIGUOUS, "PixVerse failed and the submission may exist"
        return ErrorKind.TRANSIENT, "PixVerse failed for the moment"
    if failure.code:
        # An explicit no with a code that no page lists: refused, not in doubt.
        said = f": {failure.text}" if failure.text else ""
        return ErrorKind.PARAM, f"PixVerse refused the request{said}"
    if status >= 400:
        return ErrorKind.PARAM, "PixVerse refused the request"
    if is_paid:
        return ErrorKind.AMBIGUOUS, "PixVerse's answer cannot be read and the submission may exist"
    return ErrorKind.TRANSIENT, "PixVerse's answer cannot be read"


def retry_after_seconds(value: str | None, now: datetime) -> float:
    """A Retry-After header in seconds: a number or a date, clamped to an hour; junk is 60."""
    text = (value or "").strip()
    if re.fullmatch(r"-?[0-9]{1,30}(\.[0-9]{1,6})?", text):
        seconds = float(text)
    else:
        seconds = _seconds_until(text, now)
    return min(max(seconds, 1.0), MAX_RETRY_AFTER_S)


def _seconds_until(text: str, now: datetime) -> float:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return DEFAULT_RETRY_AFTER_S
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return float(math.ceil((moment - now).total_seconds()))
