"""One stored file as an HTTP answer: whole, in part, or not modified (RFC 9110, 9111)."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from pixsim7_backend.api.transfer.byte_range import ByteRange, RangeNotSatisfiable, parse_range
from pixsim7_backend.api.transfer.disposition import content_disposition
from pixsim7_backend.infrastructure.storage.blob_store import BlobStore

_SAFE_KINDS = ("image/", "video/", "audio/")
_UNSAFE_TYPES = frozenset({"image/svg+xml"})
SANDBOX = "sandbox; default-src 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What is to be sent."""

    sha256: str
    size_bytes: int
    mime_type: str | None
    """As our own look at the bytes found it; never as an uploader said."""
    name: str
    is_download: bool = False
    max_age_s: int = 0
    """How long browsers may use it without asking; 0: they ask each time."""

    @property
    def etag(self) -> str:
        return f'"{self.sha256}"'

    @property
    def is_shown(self) -> bool:
        mime = self.mime_type or ""
        return mime.startswith(_SAFE_KINDS) and mime not in _UNSAFE_TYPES


async def serve(request: Request, store: BlobStore, file: StoredFile) -> Response:
    """Answer a GET or HEAD. The first bytes are read before the answer starts, so that a file
    that cannot be read is a proper error and not a broken download."""
    headers = _headers(file)
    if _matches(request.headers.get("if-none-match"), file.etag):
        return Response(status_code=304, headers=headers)
    wanted = request.headers.get("range")
    if_range = request.headers.get("if-range")
    if if_range is not None and if_range.strip() != file.etag:
        wanted = None
    try:
        part = parse_range(wanted, file.size_bytes)
    except RangeNotSatisfiable:
        headers["Content-Range"] = f"bytes */{file.size_bytes}"
        return Response(status_code=416, headers=headers)
    span = part or ByteRange(0, file.size_bytes)
    if part is not None:
        headers["Content-Range"] = part.content_range(file.size_bytes)
    headers["Content-Length"] = str(span.end - span.start)
    headers["Content-Type"] = file.mime_type or "" if file.is_shown else "application/octet-stream"
    status = 200 if part is None else 206
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    stream = store.open_range(file.sha256, span.start, span.end)
    first = await anext(stream, b"")
    return StreamingResponse(_after(first, stream), status, headers=headers)


async def _after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async with aclosing(rest) as chunks:  # type: ignore[type-var]
        async for chunk in chunks:
            yield chunk


def _headers(file: StoredFile) -> dict[str, str]:
    age = f"max-age={file.max_age_s}, immutable" if file.max_age_s else "no-cache"
    return {
        "Accept-Ranges": "bytes",
        "ETag": file.etag,
        "Cache-Control": f"private, {age}",
        "Vary": "Authorization, Cookie",
        "Content-Disposition": content_disposition(
            file.name, is_download=file.is_download or not file.is_shown
        ),
        "Content-Security-Policy": SANDBOX,
    }


def _matches(header: str | None, etag: str) -> bool:
    if header is None or len(header) > 4096:
        return False
    tags = (tag.strip().removeprefix("W/") for tag in header.split(","))
    return any(tag in (etag, "*") for tag in tags)
