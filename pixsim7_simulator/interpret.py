"""What each scripted action means: the one place where actions turn into answers and plans."""

import gzip
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from pixsim7_simulator import faults
from pixsim7_simulator.faults import Action

_JSON = "application/json"
_XML = "application/xml"


class Delivery(StrEnum):
    """How an answer travels."""

    WHOLE = "whole"
    CLOSE = "close"  # nothing, then the connection closes
    RESET_HEADERS = "reset_headers"
    RESET_BODY = "reset_body"
    SHORT = "short"  # the promised Content-Length never arrives
    UNTIL_CLOSE = "until_close"  # no Content-Length; the end of the connection ends the body
    DRIP = "drip"
    ZEROS = "zeros"  # `amount` bytes of filler
    ENDLESS_HEADERS = "endless_headers"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = _JSON
    err_code: int | None = None
    delivery: Delivery = Delivery.WHOLE
    file: bool = False  # a download, which file actions may spoil
    amount: float = 0.0  # by delivery: bytes a second, bytes in all, or bytes kept


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rule hit at submit means for the life of the generation."""

    never: bool = False
    slow_seconds: float | None = None
    status: int | str | None = None
    statuses: tuple[int | str, ...] = ()
    hidden_polls: int | None = None
    late_url_polls: int = 0
    url: str | None = None
    url_ttl: float | None = None
    webhook: faults.WebhookScript | None = None
    file: tuple[Action, ...] = ()


Refusal = Callable[[faults.Refuse], Answer]


def delay(actions: Iterable[Action], when: str) -> float:
    return sum(
        action.seconds
        for action in actions
        if isinstance(action, faults.Delay) and action.when == when
    )


def before(actions: Iterable[Action], refuse: Refusal) -> Answer | None:
    """The answer that replaces the work, if one of the actions is such."""
    for action in actions:
        match action:
            case faults.Refuse():
                answer = refuse(action)
                return replace(
                    answer, headers={**answer.headers, **_retry_after(action.retry_after)}
                )
            case faults.RateLimit():
                return Answer(
                    429, b'{"message": "Too Many Requests"}', _retry_after(action.retry_after)
                )
            case faults.DropBefore():
                return Answer(delivery=Delivery.CLOSE)
            case faults.Status(when="before"):
                return _gateway_page(action.status)
            case faults.Garbage(when="before"):
                return _garbage(
                    Answer(body=b'{"ErrCode": 0, "ErrMsg": "Success", "Resp": {}}'), action
                )
            case faults.Redirect():
                return Answer(
                    action.status, headers={"Location": action.to}, content_type="text/html"
                )
            case _:
                continue
    return None


def after(actions: Iterable[Action], answer: Answer) -> Answer:
    """The real answer, spoilt."""
    for action in actions:
        if isinstance(action, _FILE) and not answer.file:
            continue  # meant for the downloads of what this submit makes
        if spoil := _SPOIL.get(type(action)):
            answer = spoil(answer, action)
    return answer


def plan(actions: Iterable[Action]) -> Plan:
    """What the actions of a submit mean for the life of its generation."""
    actions = tuple(actions)
    changes: dict[str, Any] = {
        "file": tuple(action for action in actions if isinstance(action, _FILE))
    }
    for action in actions:
        if change := _PLANNED.get(type(action)):
            changes |= change(action)
    return Plan(**changes)


def _retry_after(value: int | str | None) -> dict[str, str]:
    match value:
        case None:
            return {}
        case "date":
            return {
                "Retry-After": format_datetime(
                    datetime.now(UTC) + timedelta(seconds=30), usegmt=True
                )
            }
        case "huge":
            return {"Retry-After": "1000000000000"}
        case "negative":
            return {"Retry-After": "-5"}
        case _:
            return {"Retry-After": str(value)}


def _gateway_page(status: int) -> Answer:
    return Answer(
        status, f"<html><h1>{status}</h1><hr>nginx</html>".encode(), content_type="text/html"
    )


def _garbage(answer: Answer, action: faults.Garbage) -> Answer:
    return _GARBAGE[action.what](answer, action)


def _without_ids(body: bytes) -> bytes:
    content = json.loads(body)
    inner = content.get("Resp") or {}
    content["Resp"] = {key: value for key, value in inner.items() if not key.endswith("_id")}
    return json.dumps(content).encode()


@lru_cache(maxsize=2)
def _bomb(size: int) -> bytes:
    return gzip.compress(b" " * size)


def _overridden(answer: Answer, action: faults.Override) -> Answer:
    content = json.loads(answer.body)
    content["Resp"] = {**(content.get("Resp") or {}), **action.fields}
    return replace(answer, body=json.dumps(content).encode())


def _truncated(answer: Answer, action: faults.TruncateFile) -> Answer:
    how = Delivery.SHORT if action.with_length else Delivery.UNTIL_CLOSE
    return replace(answer, delivery=how, amount=float(int(len(answer.body) * action.keep)))


def _spoilt_status(answer: Answer, action: faults.Status) -> Answer:
    return _gateway_page(action.status) if action.when == "after" else answer


def _spoilt_body(answer: Answer, action: faults.Garbage) -> Answer:
    return _garbage(answer, action) if action.when == "after" else answer


_FILE = (faults.UrlStatus, faults.TruncateFile, faults.WrongType, faults.EmptyFile)

_SPOIL: dict[type, Callable[[Answer, Any], Answer]] = {
    faults.AcceptThenDrop: lambda answer, _: replace(answer, delivery=Delivery.CLOSE),
    faults.Reset: lambda answer, action: replace(answer, delivery=Delivery(f"reset_{action.at}")),
    faults.Status: _spoilt_status,
    faults.Garbage: _spoilt_body,
    faults.Override: _overridden,
    faults.Drip: lambda answer, action: replace(answer, delivery=Delivery.DRIP, amount=action.bps),
    faults.UrlStatus: lambda _, action: Answer(action.status, b"<Error/>", content_type=_XML),
    faults.TruncateFile: _truncated,
    faults.WrongType: lambda answer, action: replace(
        answer, body=b"<!doctype html><title>Sign in</title>", content_type=action.content_type
    ),
    faults.EmptyFile: lambda answer, _: replace(answer, body=b""),
}

_PLANNED: dict[type, Callable[[Any], dict[str, object]]] = {
    faults.NeverFinish: lambda _: {"never": True},
    faults.SlowFinish: lambda action: {"slow_seconds": action.seconds},
    faults.FinishWith: lambda action: {"status": action.status},
    faults.FlapStatus: lambda action: {"statuses": action.statuses},
    faults.HidePolls: lambda action: {"hidden_polls": action.polls},
    faults.LateUrl: lambda action: {"late_url_polls": action.polls},
    faults.ResultUrl: lambda action: {"url": action.url},
    faults.ExpireUrl: lambda action: {"url_ttl": action.seconds},
    faults.WebhookScript: lambda action: {"webhook": action},
}

_GARBAGE: dict[str, Callable[[Answer, faults.Garbage], Answer]] = {
    "html": lambda answer, _: replace(
        answer, body=b"<html><body>502 Bad Gateway</body></html>", content_type="text/html"
    ),
    "empty": lambda answer, _: replace(answer, body=b""),
    "truncated": lambda answer, _: replace(answer, body=answer.body[: len(answer.body) // 2]),
    "nan": lambda answer, _: replace(
        answer, body=b'{"ErrCode": NaN, "ErrMsg": "Success", "Resp": {"video_id": Infinity}}'
    ),
    "deep": lambda answer, _: replace(answer, body=b'{"Resp":' * 100_000 + b"1" + b"}" * 100_000),
    "wrong_types": lambda answer, _: replace(
        answer, body=b'{"ErrCode": "0", "ErrMsg": 1, "Resp": [{"video_id": {"id": true}}]}'
    ),
    "no_id": lambda answer, _: replace(answer, body=_without_ids(answer.body)),
    "duplicate_keys": lambda answer, _: replace(
        answer, body=b'{"ErrCode": 99999, ' + answer.body.lstrip()[1:]
    ),
    "huge": lambda answer, action: replace(
        answer, delivery=Delivery.ZEROS, amount=float(action.size)
    ),
    "gzip_bomb": lambda answer, action: replace(
        answer, body=_bomb(action.size), headers={"Content-Encoding": "gzip"}
    ),
    "endless_headers": lambda answer, action: replace(
        answer, delivery=Delivery.ENDLESS_HEADERS, amount=float(action.size)
    ),
}
