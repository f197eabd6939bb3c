"""Builders and a scripted HTTP client for the PixVerse tests."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pixsim7_backend.domain.provider import (
    CallContext,
    FormPart,
    HttpResponse,
    HttpStream,
    InputMedia,
    OperationParams,
    SubmissionRef,
    SubmitContext,
    SubmitRequest,
)
from pixsim7_backend.domain.vocabulary import MediaType, OperationType
from pixsim7_backend.providers.pixverse.manifest import MANIFEST

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KEY = "0199b2f0-0000-7000-8000-000000000001"
BIG_ID = 9_007_199_254_740_993  # 2^53 + 1: the first integer a double cannot hold
API_KEY = "sk-test-1234567890"

TEXT = OperationType.TEXT_TO_VIDEO
IMAGE = OperationType.IMAGE_TO_VIDEO
TRANSITION = OperationType.VIDEO_TRANSITION
FUSION = OperationType.FUSION
EXTEND = OperationType.VIDEO_EXTEND

REQUIRED: dict[OperationType, dict[str, Any]] = {
    TEXT: {},
    IMAGE: {"image": "asset-1"},
    TRANSITION: {"images": ["asset-1", "asset-2"]},
    FUSION: {"images": ["asset-1", "asset-2"]},
    EXTEND: {"video": "asset-1"},
}


def params_of(operation: OperationType, **fields: Any) -> OperationParams:
    """Valid parameters, changed by `fields`."""
    values = {"prompt": "a cat", **REQUIRED[operation], **fields}
    return MANIFEST.operations[operation].params_model.model_validate(values)


def problems_of(operation: OperationType, **fields: Any) -> dict[str, list[Any]]:
    """Broken rules: field -> allowed values. Checks that `loc` and `ctx` agree."""
    try:
        params_of(operation, **fields)
    except ValidationError as error:
        found = {}
        for item in error.errors():
            assert item["type"] == "field_rule", item
            assert item["loc"] == (item["ctx"]["field"],)
            assert item["msg"] == item["ctx"]["message"]
            found[str(item["loc"][0])] = item["ctx"]["allowed"]
        return found
    return {}


def media(
    slot: str, reference: int | None, *, remote_id: int | None = None, kind: MediaType | None = None
) -> InputMedia:
    kind = kind or (MediaType.VIDEO if slot == "video" else MediaType.IMAGE)
    return InputMedia(
        slot=slot,
        media_type=kind,
        sha256="ab" * 32,
        mime_type="video/mp4" if kind is MediaType.VIDEO else "image/png",
        size_bytes=1000,
        path=Path("/nowhere"),
        uploaded=None if reference is None else str(reference),
        remote_id=None if remote_id is None else str(remote_id),
    )


def request_of(
    operation: OperationType, *inputs: InputMedia, key: str = KEY, **fields: Any
) -> SubmitRequest:
    return SubmitRequest(key, operation, params_of(operation, **fields), inputs)


def ref_of(video_id: str = "1") -> SubmissionRef:
    return SubmissionRef(KEY, video_id, TEXT, NOW)


def answer(
    resp: Any = None, *, code: int = 0, message: str = "", status: int = 200, **headers: str
) -> HttpResponse:
    body = json.dumps({"ErrCode": code, "ErrMsg": message, "Resp": resp}).encode()
    return HttpResponse(
        status, {name.replace("_", "-"): value for name, value in headers.items()}, body
    )


def page(status: int, body: bytes = b"<html>nginx</html>", **headers: str) -> HttpResponse:
    return HttpResponse(
        status, {name.replace("_", "-"): value for name, value in headers.items()}, body
    )


@dataclass
class Sent:
    """One request as the client saw it."""

    method: str
    url: str
    headers: Mapping[str, str]
    json: Any
    form: Sequence[FormPart] | None
    is_billable: bool


Script = Callable[[Sent], HttpResponse | Exception]


@dataclass
class ScriptedHttp:
    """Answers by a function, and remembers every request."""

    script: Script
    sent: list[Sent] = field(default_factory=list)

    def _answer(self, sent: Sent) -> HttpResponse:
        self.sent.append(sent)
        outcome = self.script(sent)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        form: Sequence[FormPart] | None = None,
        timeout_s: float = 30.0,
    ) -> HttpResponse:
        return self._answer(Sent(method, url, headers or {}, json, form, False))

    async def request_billable(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        form: Sequence[FormPart] | None = None,
        timeout_s: float = 60.0,
    ) -> HttpResponse:
        return self._answer(Sent(method, url, headers or {}, json, form, True))

    def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float = 600.0
    ) -> AbstractAsyncContextManager[HttpStream]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[HttpStream]:
            response = self._answer(Sent("GET", url, headers or {}, None, None, False))

            async def chunks() -> AsyncIterator[bytes]:
                yield response.body

            yield HttpStream(response.status, response.headers, chunks())

        return opened()


def call_context(http: ScriptedHttp, **credentials: str) -> CallContext:
    return CallContext(
        "acc", "https://px.test/openapi/v2/", {"api_key": API_KEY} | credentials, http
    )


async def _intent() -> None:
    return None


def submit_context(http: ScriptedHttp, **credentials: str) -> SubmitContext:
    return SubmitContext(
        "acc", "https://px.test/openapi/v2/", {"api_key": API_KEY} | credentials, http, _intent
    )
