"""Bodies on their way out and answers on their way in, bounded in size and time."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, suppress
from io import BytesIO
from json import dumps
from pathlib import Path
from typing import Any

from aiohttp import (
    BytesIOPayload,
    BytesPayload,
    ClientError,
    ClientResponse,
    FormData,
    Payload,
)

from pixsim7_backend.domain.provider import FormPart, HttpResponse, HttpUncertain
from pixsim7_backend.infrastructure.http_transport import Attempt, verdict

IDLE_S = 30.0
_BEGINNING_S = 1.0
_SLOW_AFTER_S = 20.0
_SLOW_BYTES_PER_S = 4096
_STREAMED_FROM_BYTES = 512 * 1024


async def outgoing_body(
    stack: AsyncExitStack, json: Any, form: Sequence[FormPart] | None
) -> dict[str, Any]:
    """The body as aiohttp's arguments. Files are opened now and streamed when they are sent."""
    if json is not None and form is not None:
        raise ValueError("a request has either a JSON or a form body")
    if json is not None:
        return {"data": _json_payload(json)}
    if form is None:
        return {}
    data = FormData(default_to_multipart=True)
    for part in form:
        value: Any = part.value
        if isinstance(value, Path):
            value = await asyncio.to_thread(value.open, "rb")
            stack.callback(value.close)
        data.add_field(part.name, value, filename=part.filename, content_type=part.content_type)
    return {"data": data}


def _json_payload(value: Any) -> Payload:
    text = dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    if len(text) < _STREAMED_FROM_BYTES:
        return BytesPayload(text, content_type="application/json")
    return BytesIOPayload(BytesIO(text), content_type="application/json")


async def whole_answer(response: ClientResponse, cap: int) -> HttpResponse:
    """Read an answer of at most `cap` bytes, counted after decompression."""
    parts = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > cap:
            raise HttpUncertain("the answer is too large")
        parts.append(chunk)
    return HttpResponse(response.status, response.headers, b"".join(parts))


async def beginning_of(response: ClientResponse, size: int) -> bytes:
    """Up to `size` bytes of an answer, as far as they come at once; never raises for the rest."""
    found = bytearray()
    with suppress(ClientError, OSError, TimeoutError):
        async with asyncio.timeout(_BEGINNING_S):
            while len(found) < size and (chunk := await response.content.read(size - len(found))):
                found += chunk
    return bytes(found)


async def chunks_of(
    response: ClientResponse, attempt: Attempt, deadline: float
) -> AsyncGenerator[bytes, None]:
    """Yield a download; too late, too slow or cut short raises `HttpUncertain`.

    Only the time spent waiting for the network counts as slow, not the consumer's.
    """
    received = 0
    waited = 0.0
    while True:
        began = time.monotonic()
        if began >= deadline:
            raise HttpUncertain("the download took too long")
        async with verdict(attempt), asyncio.timeout(min(deadline - began, IDLE_S)):
            chunk = await response.content.readany()
        if not chunk:
            return
        received += len(chunk)
        waited += time.monotonic() - began
        if waited > _SLOW_AFTER_S and received < waited * _SLOW_BYTES_PER_S:
            raise HttpUncertain("the download is too slow")
        yield chunk
